"""Resistors as couplings: closed forms against automatic differentiation and sums, and devices as the resistors."""

import pytest
import torch

from nanoneurons import circuits, devices
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.layers.resistive import ResistiveCoupling
from nanoneurons.physics.resistive import half_power


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5


def coupling(chips=None, **more):
    made = ResistiveCoupling(7, 5, chips=chips, seed=1, **more).double()
    with torch.no_grad():
        made.prepare(torch.float64)
    return made


def array(spec="pulsed:ecram", **values):
    return circuits.catalogue["crossbar"].build(devices.get(spec), **values)


@pytest.mark.parametrize("chips", [None, 2])
def test_currents_are_the_derivatives_of_the_power(chips):
    made = coupling(chips)
    lead = () if chips is None else (chips,)
    a, b = draw(*lead, 3, 7).requires_grad_(), draw(*lead, 3, 5, seed=1).requires_grad_()
    by_a, by_b = torch.autograd.grad(made.phi(a, b).sum(), [a, b])
    at_a, at_b = made.totals
    with torch.no_grad():
        torch.testing.assert_close(made.up(a)[0] - at_b * b, by_b, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(made.down(b) - at_a * a, by_a, rtol=1e-12, atol=1e-14)
        base = draw(*lead, 3, 5, seed=2)
        kept = base.clone()
        torch.testing.assert_close(made.up(a, base)[0], made.up(a)[0] + base)
        assert torch.equal(base, kept)


@pytest.mark.parametrize("same_input", [True, False])
@pytest.mark.parametrize("weights", [(2.5, -2.5), (1.0,), (0.5, -1.5, 0.25)])
@pytest.mark.parametrize("chips", [None, 2])
def test_hebbian_is_the_derivative_by_the_conductances(chips, weights, same_input):
    made = coupling(chips)
    lead = () if chips is None else (chips,)
    first = draw(3, 7, seed=9)
    pairs = [
        (c, first if same_input else draw(*lead, 3, 7, seed=k), draw(*lead, 3, 5, seed=20 + k))
        for k, c in enumerate(weights)
    ]
    g = made.weight.detach().clone().requires_grad_()
    phi = sum((-c * half_power(a, b, g)).sum() for c, a, b in pairs)
    (want,) = torch.autograd.grad(phi, g)
    torch.testing.assert_close(made.hebbian(pairs), want, rtol=1e-11, atol=1e-13)


def test_small_changes_survive_high_voltages_in_single_precision():
    """Inputs of 480 V and nodes that move by a ten-thousandth: differences of rounded squares would be lost."""
    x, low = (480 * draw(4, 7)).float(), draw(4, 5, seed=1).float()
    high = low + 1e-4 * draw(4, 5, seed=2).float()
    exact = (
        ResistiveCoupling(7, 5).double().hebbian([(5.0, x.double(), high.double()), (-5.0, x.double(), low.double())])
    )
    found = ResistiveCoupling(7, 5).hebbian([(5.0, x, high), (-5.0, x, low)]).double()
    squares = sum(-0.5 * c * ((x[:, None] - v[:, :, None]) ** 2).sum(0) for c, v in ((5.0, high), (-5.0, low)))
    assert float((found - exact).norm() / exact.norm()) < 1e-5
    assert float((squares.double() - exact).norm() / exact.norm()) > 0.1


def test_software_conductances_start_and_stay_above_zero():
    made = ResistiveCoupling(400, 30, seed=2)
    g = made.weight.detach()
    assert float(g.min()) == 0
    assert float((g == 0).double().mean()) == pytest.approx(0.5, abs=0.02)
    assert float(g.max()) <= 1 / 20
    with torch.no_grad():
        made.weight.sub_(0.01)
    made.confine()
    assert float(made.weight.detach().min()) == 0


def test_the_devices_are_the_resistors():
    circuit = array()
    made = ResistiveCoupling(7, 5, circuit=circuit, siemens=2e-6, chips=2, seed=1)
    made.fabricate(generator_for(1, "chips"))
    cells = {k.removeprefix("cell."): v for k, v in made.state.items()}
    torch.testing.assert_close(made.weight.data, circuit.device.conductance(cells) / 2e-6, rtol=1e-5, atol=0)
    low, high = (g / 2e-6 for g in circuit.device.conductance_range())
    target = torch.full((2, 5, 7), 0.5 * (low + high))
    made.program(target, generator_for(2, "program"))
    assert float((made.weight.detach() - target).abs().max()) < 0.05 * (high - low)


def test_a_change_reaches_the_devices_as_whole_pulses():
    circuit = array()
    device = circuit.device
    made = ResistiveCoupling(7, 5, circuit=circuit, siemens=2e-6, seed=1)
    made.fabricate(generator_for(1, "chips"))
    made.program(torch.full((5, 7), device.conductance_reference() / 2e-6), generator_for(2, "program"))
    before, pulses = made.weight.detach().clone(), made.pulses_applied
    wanted = torch.zeros(5, 7)
    wanted[0], wanted[1] = 20.0, -20.0  # mean pulses up and down
    made.apply_update(Update(wanted * device.conductance_step() / 2e-6), generator_for(3, "update"))
    assert made.pulses_applied - pulses == pytest.approx(280, rel=1e-6)
    moved = (made.weight.detach() - before) / (device.conductance_step() / 2e-6)
    assert float(moved[0].mean()) == pytest.approx(20, rel=0.5)
    assert float(moved[1].mean()) == pytest.approx(-20, rel=0.5)
    assert float(moved[2:].abs().max()) < 1
    with pytest.raises(RefusedError, match="rounded"):
        made.apply_update(OuterProducts(draw(2, 5), draw(2, 7), 0.1, (5, 7)), generator_for(3, "update"))


@pytest.mark.parametrize(
    ("circuit", "reason"),
    [
        (lambda: array("hfox-weak-reset"), "one way only"),
        (lambda: array("pulsed:ecram", mapping="pair"), "mapping is 'pair'"),
        (lambda: circuits.catalogue["differential-pair"].build(devices.get("hfox-binary")), "not the conductance"),
        (lambda: circuits.catalogue["rf-chain"].build(devices.get("spin-diode")), "crossbar"),
    ],
)
def test_circuits_without_single_conductances_are_refused(circuit, reason):
    with pytest.raises(RefusedError, match=reason) as caught:
        ResistiveCoupling(7, 5, circuit=circuit())
    assert "\n" not in str(caught.value)


def test_a_conductance_unit_of_zero_is_refused():
    with pytest.raises(ParameterError, match="siemens"):
        ResistiveCoupling(7, 5, siemens=0.0)
