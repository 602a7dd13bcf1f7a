"""The tunnel junction: published currents, its two states, its noise, and what it refuses."""

import math

import pytest
import torch
from scipy import constants as si

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import get

MEMORY = get("mtj")
OSCILLATOR = get("mtj:oscillator")


def fresh(device, *shape):
    return device.init(shape or (1, 1), generator_for(1))


def driven(device, state, current, dt):
    return device.step(state, torch.as_tensor(current, dtype=torch.float64), dt, generator_for(2))


def test_published_switching_current_and_stability():
    """49 uA at 40 nm, as Ikeda et al. 2010 are quoted; here the mean of both directions, from alpha, Delta and TMR."""
    mean = sum(abs(MEMORY.critical_current(state)) for state in (True, False)) / 2
    assert mean == pytest.approx(49e-6, rel=0.1)  # alpha and Delta are known to two digits, P through Julliere's model
    assert MEMORY.thermal_stability(300.0) == pytest.approx(43, abs=0.5)  # given to a whole number
    assert get("mtj:stable").thermal_stability(300.0) == pytest.approx(60, abs=0.5)


def test_threshold_of_the_oscillator_set():
    """About 1.6 mA at 2 kOe and 0.4 mA at 200 Oe, both to a digit or two."""
    assert -OSCILLATOR.threshold_current() == pytest.approx(1.6e-3, abs=0.05e-3)
    weaker = OSCILLATOR.replace(field=200 * 1e3 / (4 * math.pi))
    assert -weaker.threshold_current() == pytest.approx(0.4e-3, abs=0.05e-3)


def test_precession_sets_in_at_threshold():
    device = OSCILLATOR.ideal()
    current = device.threshold_current() * torch.tensor([[0.9, 1.1, -1.1]], dtype=torch.float64)
    state = device.init((1, 3), generator_for(1))
    state["m"] = torch.tensor([math.sin(0.1), 0.0, math.cos(0.1)], dtype=torch.float64).expand(1, 3, 3)
    sizes = []
    for _ in range(2):
        state = driven(device, state, current, 1e-8)
        turn = []
        for _ in range(10):
            state = driven(device, state, current, 0.1 / device.frequency())
            turn.append(state["m"][0, :, 0])
        sizes.append(torch.stack(turn).std(0))
    growth = (sizes[1] / sizes[0]).log()
    # in 10 ns, 2.1 times 1/(alpha gamma0 H), by 0.21 per 10 % of the threshold current; the layer's slow turning of a
    # static tilt of 0.04 disturbs a period's size by less than half of that
    assert float(growth[0]) == pytest.approx(-0.21, abs=0.1)
    assert float(growth[1]) == pytest.approx(0.21, abs=0.1)
    assert float(growth[2]) < -2


def test_a_current_beyond_the_critical_one_switches_and_back():
    device = MEMORY.ideal()
    parallel, antiparallel = 1 / device.resistance, 1 / (device.resistance * (1 + device.tmr_at(device.read_voltage)))
    state = fresh(device)
    assert float(device.read(state)) == pytest.approx(parallel, rel=1e-5)  # a tilt of 1 mrad is 3e-7
    away = device.critical_current(True)
    assert away < 0
    kept = driven(device, state, [[0.9 * away]], 1e-7)
    assert float(device.read(kept)) == pytest.approx(parallel, rel=1e-5)
    # ln(pi / 2e-3) = 7.4 times 1.2 ns / 0.4 is 22 ns at 1.4 I_c
    state = driven(device, state, [[1.4 * away]], 3e-8)
    assert float(device.read(state)) == pytest.approx(antiparallel, rel=1e-3)
    state["m"] = -fresh(device)["m"]  # tilted again: at rest it would wait for ever
    back = driven(device, state, [[1.4 * device.critical_current(False)]], 3e-8)
    assert float(device.read(back)) == pytest.approx(parallel, rel=1e-3)


def test_thermal_motion_lets_every_junction_switch():
    state = fresh(MEMORY, 4, 25)
    state["m"] = -state["m"]
    state = driven(MEMORY, state, [[2.0 * MEMORY.critical_current(False)]], 2e-8)
    assert float((state["m"][..., 2] > 0).double().mean()) > 0.95  # exp(-43 pi^2/4 exp(-2 x 20 ns / 1.2 ns)) is 1
    assert len(state["m"][..., 0].unique()) == 100


def test_conductance():
    device = MEMORY.ideal()
    state = fresh(device)
    g = 1 / device.resistance
    for m, share in (((0.0, 0.0, 1.0), 0.0), ((0.0, 0.0, -1.0), 1.0), ((0.0, 1.0, 0.0), 0.5)):
        state["m"] = torch.tensor(m, dtype=torch.float64).expand(1, 1, 3)
        for voltage, tmr in ((0.0, 1.24), (0.5, 0.62), (-0.5, 0.62)):
            expected = g + share * (g / (1 + tmr) - g)
            assert float(device.conductance(state, voltage)) == pytest.approx(expected, rel=1e-12)


def test_layers_start_in_their_thermal_equilibrium():
    """<mx^2> = k_B T / (mu0 Ms V H) at the start and after 2 ns without current, within four standard errors."""
    device = MEMORY.without("device_to_device")
    state = fresh(device, 20, 100)
    layer = device.macrospin()
    expected = si.k * 300 / (si.mu_0 * layer.ms * layer.volume * (device.anisotropy - layer.ms))
    assert expected == pytest.approx(1 / (2 * device.thermal_stability(300.0)), rel=1e-6)
    for held in (state, driven(device, state, torch.zeros(20, 100), 2e-9)):
        square = held["m"][..., :2].pow(2).mean(-1)
        # the law is not quite harmonic: mz^2 falls the stiffness by 2 <mx^2> = 2 %
        error = 4 * float(square.std()) / 2000**0.5 + 0.03 * expected
        assert float(square.mean()) == pytest.approx(expected, abs=error)


def test_spread_is_what_it_says():
    state = fresh(MEMORY, 100, 100)
    for name, offset in (("resistance", 0.0), ("anisotropy", MEMORY.saturation)):
        logs = (state[name] - offset).log()
        assert float(logs.std()) == pytest.approx(0.05, rel=0.04)  # four standard errors of 10,000: 2.8 %


def test_steps_may_be_split():
    device = MEMORY.ideal()
    current = torch.full((1, 1), 1.3 * device.critical_current(True), dtype=torch.float64)
    state = fresh(device)
    whole = driven(device, state, current, 4e-9)
    halves = driven(device, driven(device, state, current, 1.7e-9), current, 2.3e-9)
    assert torch.allclose(whole["m"], halves["m"], atol=1e-6)  # errors of 1e-6 of the tilt in a step, 3000 steps
    assert torch.equal(driven(device, state, current, 0.0)["m"], state["m"])


def test_bad_currents_are_refused():
    state = fresh(MEMORY, 2, 3)
    current = torch.zeros(2, 3)
    current[1, 2] = math.nan
    with pytest.raises(ParameterError, match=r"index \(1, 2\) is NaN"):
        driven(MEMORY, state, current, 1e-9)
    current[1, 2] = 2 * MEMORY.breakdown_current()
    with pytest.raises(ParameterError, match=r"at index \(1, 2\) is beyond breakdown: 1.5 V .* lower it"):
        driven(MEMORY, state, current, 1e-9)
    with pytest.raises(ParameterError, match="shorter time"):
        driven(MEMORY, state, torch.zeros(2, 3), 1.0)


def test_bad_parameters_are_refused():
    with pytest.raises(ParameterError, match="lie in the plane"):
        MEMORY.replace(anisotropy=1e6)
    with pytest.raises(ParameterError, match="turns the layer over"):
        MEMORY.replace(field=-2e5)
    with pytest.raises(ParameterError, match="must not exceed breakdown"):
        MEMORY.replace(read_voltage=2.0)
    with pytest.raises(ParameterError, match="use threshold_current"):
        OSCILLATOR.critical_current(True)
    with pytest.raises(ParameterError, match="use critical_current"):
        MEMORY.threshold_current()
