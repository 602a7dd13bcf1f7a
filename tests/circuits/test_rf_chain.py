"""RF chain: weights with crosstalk, wiring and loss; neurons within their energy; tuning; bad input in one line."""

import math

import pytest
import torch

from nanoneurons import circuits, devices
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.physics.spin_diode import rectified

IDEAL = devices.get("spin-diode").ideal()
K = IDEAL.nominal_sensitivity


def chain(device=IDEAL, **values):
    return RfChain.build(device, **values)


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


# -- weights ------------------------------------------------------------------------------------------


def scattered(circuit, chains=3, count=6):
    tones = circuit.tones(count)
    shift = torch.randn(chains, count, dtype=torch.float64, generator=generator_for(0))
    return tones * (1 + 0.01 * shift), tones


def responses(resonance, tones):
    """K G of every resonator at every tone, ``(chains, resonators, tones)``."""
    return K * rectified(tones, resonance.unsqueeze(-1), IDEAL.damping)


def test_heads_and_tails_in_turn_the_first_negative():
    """s_k = (-1)^(k + 1), as the public program of Ross et al. 2023 has it."""
    resonance, tones = scattered(chain())
    sign = f64(-1, 1, -1, 1, -1, 1)
    expected = (sign[:, None] * responses(resonance, tones)).sum(1)
    torch.testing.assert_close(chain().matrix(resonance, tones), expected, rtol=1e-11, atol=1e-11 * K)
    same = chain(wiring="head-to-head").matrix(resonance, tones)
    torch.testing.assert_close(same, responses(resonance, tones).sum(1), rtol=1e-11, atol=1e-11 * K)


def test_alternation_lowers_what_a_whole_chain_leaks():
    """256 untuned resonators on their tones: worst leakage in units of a full weight, with and without alternation."""
    turned, same = (
        float(chain(wiring=w).matrix(t[None], t).abs().max()) / K
        for w in ("head-to-tail", "head-to-head")
        for t in (chain().tones(256),)
    )
    assert turned < 0.5 * same


def test_loss_lowers_power_by_decibels():
    resonance, tones = scattered(chain())
    for loss in (0.0, 3.0, 10.0):
        lossy = chain(insertion_loss=loss).matrix(resonance, tones)
        torch.testing.assert_close(lossy, 10 ** (-loss / 10) * chain().matrix(resonance, tones))


def test_crosstalk_goes_from_the_own_resonator_to_all():
    resonance, tones = scattered(chain())
    sign = chain().sign(6, resonance)
    alone = sign * responses(resonance, tones).diagonal(dim1=-2, dim2=-1)
    every = chain().matrix(resonance, tones)
    torch.testing.assert_close(chain(crosstalk=0.0).matrix(resonance, tones), alone)
    torch.testing.assert_close(chain(crosstalk=0.3).matrix(resonance, tones), 0.7 * alone + 0.3 * every)
    assert chain().without("crosstalk").crosstalk == 0
    with pytest.raises(RefusedError, match="one resonator per tone, but a chain has 6 resonators and 5 tones"):
        chain(crosstalk=0.3).matrix(resonance, tones[:5])


@pytest.mark.parametrize("crosstalk", [0.0, 0.4, 1.0])
def test_gradient_of_the_weights_by_finite_differences(crosstalk):
    circuit = chain(devices.get("spin-diode", symmetric=0.3), crosstalk=crosstalk)
    state = circuit.fabricate((2, 3, 5), circuit.tones(5), circuit.tones(5), False, generator_for(1))
    state = {n: v.double() for n, v in state.items()}
    start = (circuit.device.resonance(state) / 1e6).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: circuit.matrix(1e6 * f, state["tones"], state) / K, (start,), eps=1e-6, atol=1e-6, rtol=1e-5
    )


def test_fabricated_chains_compute_with_their_own_devices():
    """The circuit's weights are the sum of what each device rectifies alone."""
    circuit = chain(devices.get("spin-diode"), insertion_loss=1.0)
    shape = (2, 3, 5)
    state = circuit.fabricate(shape, circuit.tones(5), circuit.tones(5), True, generator_for(1))
    state = {n: v.double() for n, v in state.items()}
    assert state["tones"].shape == (2, 5)
    found = circuit.matrix(circuit.device.resonance(state), state["tones"], state)
    sign = circuit.sign(5, state["shift"])
    for i in range(5):
        tone, power = state["tones"][:, None, None, i], torch.ones(shape, dtype=torch.float64)
        wanted = (sign * circuit.device.rectify(state, power, tone)).sum(-1) * 10**-0.1
        torch.testing.assert_close(found[..., i], wanted, rtol=1e-9, atol=1e-9 * K)


def test_frequencies_of_sources():
    """A generator sends clean tones; oscillators their own, log-normal with the neuron's spread, per chip."""
    circuit = chain(neuron_frequency_spread=0.02)
    nominal = circuit.tones(2000)
    clean = circuit.fabricate((3, 1, 2), nominal[:2], nominal, False, generator_for(1))["tones"]
    assert torch.equal(clean, nominal.float().expand(3, 2000))
    own = circuit.fabricate((3, 1, 2), nominal[:2], nominal, True, generator_for(1))["tones"]
    logs = torch.log(own.double() / nominal)
    assert float(logs.std()) == pytest.approx(0.02, rel=4 / math.sqrt(2 * 6000))
    assert abs(float(logs.mean())) < 4 * 0.02 / math.sqrt(6000)
    assert not torch.equal(own[0], own[1])


# -- tuning -------------------------------------------------------------------------------------------


def test_programming_reaches_what_tuning_reaches():
    circuit = chain()
    state = circuit.init((2, 3), generator_for(0))
    nominal = state["nominal"]
    torch.testing.assert_close(circuit.weights(state), circuit.tones(3).float().expand(2, 3))
    near, far = (
        circuit.program(state, nominal * 1.01, generator_for(1)),
        circuit.program(state, nominal * 2, generator_for(1)),
    )
    torch.testing.assert_close(circuit.weights(near), nominal * 1.01)
    torch.testing.assert_close(circuit.weights(far), nominal * (1 + IDEAL.tuning_range))
    back = circuit.update(far, Update(-10 * nominal), generator_for(2))
    torch.testing.assert_close(circuit.weights(back), nominal * (1 - IDEAL.tuning_range))
    assert torch.equal(state["shift"], torch.zeros(2, 3)), "the given state was changed"
    assert circuit.pulses_to_program(state, nominal) == 6
    assert circuit.pulses_of(Update(torch.tensor([[1.0, 0.0, 2.0]]))) == 2


def test_tuning_errors_are_relative_and_do_not_show_in_what_was_asked_for():
    circuit = chain(devices.get("spin-diode", tuning_error=0.1, resonance_spread=0.01))
    state = circuit.init((4, 500), generator_for(0))
    moved = circuit.update(state, Update(torch.full((4, 500), 1e5)), generator_for(1))
    assert float((moved["shift"] / 1e5).std()) == pytest.approx(0.1, rel=4 / math.sqrt(2 * 2000))
    assert torch.equal(circuit.weights(moved), moved["nominal"] + moved["shift"])


def test_pulses_and_numbers_that_are_none_are_refused():
    circuit = chain()
    state = circuit.init((2, 3), generator_for(0))
    with pytest.raises(RefusedError, match="wanted change in Hz, not by pulses; use the rule 'physics-aware'"):
        circuit.update(state, Update(torch.ones(2, 3), unit="pulses"), generator_for(1))
    factors = OuterProducts(torch.ones(4, 2), torch.ones(4, 3), 1.0, (2, 3))
    with pytest.raises(RefusedError, match="not by pulses"):
        circuit.update(state, factors, generator_for(1))
    assert math.isnan(circuit.pulses_of(factors))
    with pytest.raises(ParameterError, match="wanted shift is NaN or infinite; give numbers in Hz"):
        circuit.update(state, Update(torch.full((2, 3), math.nan)), generator_for(1))


# -- neurons ------------------------------------------------------------------------------------------


def published_power(voltage):
    """Power in uW against the chain's voltage in V, as the public program of Ross et al. 2023 computes it."""
    current = min(max((voltage + 0.011084586710145186) * 1e3 * 3.388370758630916, 10.0), 40.0)  # uA
    ratio = current / 10
    return 1.25 * (ratio - 1) / (ratio + 2) * 1e3 * current**2 * 1e-6


def test_the_neuron_is_that_of_the_published_program():
    voltage = torch.linspace(-0.02, 0.01, 61, dtype=torch.float64)
    wanted = f64(*(1e-6 * published_power(v) for v in voltage.tolist()))
    torch.testing.assert_close(chain().neuron_power(voltage), wanted, rtol=1e-9, atol=1e-18)
    assert float(wanted.min()) == 0
    assert float(wanted.max()) == pytest.approx(1e-6)  # full power of an input: 1 uW at the clamp


def test_current_stays_between_threshold_and_clamp():
    voltage = f64(-math.inf, -1, 0, 1, math.inf)
    low, high = 10e-6, 40e-6
    current = chain().neuron_current(voltage)
    torch.testing.assert_close(current[[0, 1, 3, 4]], f64(low, low, high, high))
    assert float(current[2]) == pytest.approx(0.011084586710145186 * 3.388370758630916e-3)
    with pytest.raises(ParameterError, match="current at index \\(0,\\) is NaN"):
        chain().neuron_power(f64(math.nan))


def test_gradient_of_the_neuron_by_finite_differences():
    """Above threshold and below the clamp; 0 outside."""
    circuit = chain()
    state = {n: v.double() for n, v in circuit.neuron.init((5,), generator_for(3)).items()}
    inside = f64(-6, -2, 0, 0.3, 0.6).requires_grad_()  # mV; threshold -8.1, clamp 0.7
    for own in (None, state):
        assert torch.autograd.gradcheck(
            lambda v, own=own: 1e6 * circuit.neuron_power(1e-3 * v, own), (inside,), eps=1e-6, atol=1e-7, rtol=1e-6
        )
    outside = f64(-20e-3, -9e-3, 1e-3, 1.0).requires_grad_()
    (slope,) = torch.autograd.grad(circuit.neuron_power(outside).sum(), outside)
    assert torch.equal(slope, torch.zeros(4, dtype=torch.float64))


def test_neurons_never_emit_more_than_their_dc_power():
    """The oscillator's own power, before the amplifier; also of devices with a lucky gain."""
    circuit = chain(neuron_emission=1.9, neuron_voltage_spread=0.5)
    current = torch.linspace(0, 40e-6, 100, dtype=torch.float64)
    state = circuit.neuron.init((100, 100), generator_for(0))
    assert float((state["voltage"] / circuit.neuron.voltage_scale).square().max()) > 2  # some would
    for emitted in (circuit.neuron.emitted_power(current), circuit.neuron.emitted_power(current, state)):
        assert bool((emitted <= circuit.neuron.dc_power(current) * (1 + 1e-12)).all())
        assert bool((emitted >= 0).all())


def test_parameters_that_would_break_the_energy_balance_are_an_error():
    """Emitted over dc power at the clamp: emission (xi - 1) / (xi + Q) = 0.5 emission with the published numbers."""
    chain(neuron_emission=2.0)
    with pytest.raises(ParameterError, match=r"emit 1\.05 times its dc power at breakdown; give 2 or less"):
        chain(neuron_emission=2.1)
    with pytest.raises(ParameterError, match="times its dc power"):
        chain(neuron_emission=1.5, neuron_nonlinear_damping=0.2)


# -- declarations and bad input -----------------------------------------------------------------------


def test_parameters_of_the_neuron_carry_a_prefix():
    circuit = chain(neuron_resistance=2e3, band_low=30e6)
    assert circuit.neuron.resistance == 2e3
    assert circuit.all_values()["neuron_resistance"] == 2e3
    assert circuit.all_values()["band_low"] == 30e6
    assert circuit.all_values()["damping"] == IDEAL.damping
    declared = RfChain.parameter("neuron_resistance")
    assert (declared.name, declared.unit) == ("neuron_resistance", "ohm")
    with pytest.raises(UnknownNameError, match="resistance"):
        chain(neuron_resistanc=1.0)


def test_imperfections_of_all_parts_can_be_scaled():
    circuit = chain(devices.get("spin-diode"), insertion_loss=2.0)
    names = {i.name for i in circuit.imperfections()}
    assert {"resonance_spread", "tuning_error", "neuron_device_to_device", "crosstalk", "insertion_loss"} <= names
    assert circuit.scaled("resonance_spread", 3.0).device.resonance_spread == pytest.approx(0.03)
    assert circuit.scaled("neuron_device_to_device", 2.0).neuron.frequency_spread == pytest.approx(0.02)
    assert circuit.scaled("insertion_loss", 0.5).insertion_loss == 1.0
    kept = circuit.only("neuron_device_to_device")
    assert kept.neuron.frequency_spread == 0.01
    assert (kept.device.resonance_spread, kept.insertion_loss, kept.crosstalk) == (0.0, 0.0, 0.0)


def test_events_have_prices():
    circuit = circuits.catalogue["rf-chain"](device=devices.get("spin-diode"))
    events = circuit.inference(128, 256) + circuit.neuron_counts(128) + circuit.writing(5)
    prices = circuit.prices()
    for price in prices.values():
        assert price.joule >= 0
        assert price.source
    unpriced = set(events.events) - set(prices)  # nobody says what these take
    assert unpriced == {"holding a tuned resonance", "transconductance amplifier", "tuning"}


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: chain(band_low=2e6), ParameterError, "tone 0 at 2e\\+06 Hz lies outside the tuning range 1e\\+07 to"),
        (lambda: chain(band_high=20e9), ParameterError, "tone 1 at 2e\\+10 Hz lies outside .* move the band"),
        (lambda: chain(band_low=120e6, band_high=20e6), ParameterError, "band_low = 1.2e\\+08 Hz must lie below"),
        (lambda: chain(band_low=70e6, band_high=70e6), ParameterError, "must lie below"),
        (lambda: chain(band_low=math.nan), ParameterError, "band_low"),
        (lambda: chain(insertion_loss=-3.0), ParameterError, "insertion_loss"),
        (lambda: chain(plan="random"), ParameterError, "plan"),
        (lambda: chain(devices.get("pulsed")), RefusedError, "use a device of kind 'resonator'"),
        (lambda: RfChain(IDEAL, neuron=IDEAL), RefusedError, "does not oscillate; give a neuron of kind"),
        (lambda: chain().check_tones(f64(2e7, math.nan)), ParameterError, "tone 1 at nan Hz"),
        (lambda: chain().check_tones(f64(2e7, 5e7, 3e7, 5e7)), ParameterError, "tones 1 and 3, .* 50000000 Hz"),
        (lambda: chain().check_tones(f64(7e7, 7e7 + 1)), ParameterError, "tones 0 and 1, and so two resonators"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
