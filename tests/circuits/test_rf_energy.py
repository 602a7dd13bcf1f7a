"""Energy of RF networks: against powers times time computed by hand, and the balance of emitted and dc power."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import devices, networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.energy import Counts, bill
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

CHAIN = RfChain(devices.get("spin-diode"))
OSCILLATOR = "spin-torque-oscillator:rf-neuron"


def network(circuit, chips=2):
    made = networks.build("12-6-3", kind="rf", circuit=circuit, chips=chips, shape=(12,), classes=3, seed=1)
    made.program_initial(generator_for(1, "chips"))
    return made


def spectra(count=7):
    return torch.rand(count, 12, generator=generator_for(0, "spectra"))


def test_a_bill_is_the_powers_times_the_time_of_a_reading():
    """Every power is computed here from the signals themselves, without counts and prices."""
    circuit = RfChain.build(devices.get("spin-diode", temperature=0.0), insertion_loss=1.0)
    made, x = network(circuit), spectra()
    seen = []
    with torch.no_grad():
        for module in made:
            seen.append(x)
            x = module(x)
    (layer1, layer2), neuron_input = (seen[2], seen[4]), seen[3]
    time, passed, efficiency = 4e-6, 10**-0.1, circuit.amplifier_efficiency
    sent = 6 * float(layer1.mean(0).sum()) + 3 * float(layer2.mean((0, 1)).sum())
    absorbed = 0.5 * passed * sent
    current = circuit.neuron_current(neuron_input)
    dc = 6 * float((1e3 * current**2).mean())
    added = 6 * 0.25 * float(circuit.neuron.emitted_power(current).mean()) / efficiency
    expected = {
        "resonator, per full tone": absorbed,
        "line amplifier, per full tone": (absorbed + (1 - passed) * sent) / efficiency - absorbed,
        "line amplifier, standing by": 2 * 742e-6,
        "oscillator, per operating point": dc,
        "neuron amplifier, per operating point": added,
    }
    found = bill(made.inference_counts(spectra()), circuit.prices())
    joules = {line.event: line.joule for line in found.lines if line.joule is not None}
    assert joules == pytest.approx({event: power * time for event, power in expected.items()}, rel=1e-5)
    assert set(found.unpriced) == {"holding a tuned resonance", "transconductance amplifier"}


def test_every_resonator_is_counted_and_full_tones_without_samples_are_half():
    events = network(CHAIN).inference_counts().events
    assert events["holding a tuned resonance"] == 12 * 6 + 6 * 3
    assert events["resonator, per full tone"] == pytest.approx(0.5 * (12 * 6 + 6 * 3))
    assert events["oscillator, per operating point"] == 6
    silent = network(CHAIN).inference_counts(torch.zeros(3, 12)).events
    assert silent["resonator, per full tone"] < events["resonator, per full tone"]


def test_counting_changes_no_result():
    one, other = network(CHAIN), network(CHAIN)
    one.inference_counts(spectra())
    for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any(module._forward_pre_hooks for module in one.modules())


def test_tuning_has_no_price_rather_than_none():
    """Nobody says what a tuned resonance costs, so no number stands for it."""
    found = bill(CHAIN.writing(100), CHAIN.prices())
    assert found.unpriced == ("tuning",) and found.joule == 0.0


def test_every_price_names_its_source():
    for price in CHAIN.prices().values():
        assert price.source and price.node and math.isfinite(price.joule) and price.joule >= 0


def test_a_neuron_without_resistance_has_no_price_instead_of_nan():
    class Silent(type(CHAIN.neuron)):
        def dc_power(self, current):
            return torch.full_like(current, math.nan)

    made = RfChain(devices.get("spin-diode"), neuron=Silent(**CHAIN.neuron.values()))
    assert "oscillator, per operating point" not in made.prices()


# -- energy balance ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    threshold=st.floats(1e-6, 2e-5),
    clamp=st.floats(1.1, 8.0),
    q=st.floats(0.0, 10.0),
    emission=st.floats(0.0, 20.0),
    gain=st.floats(0.1, 10.0),
    efficiency=st.floats(1e-3, 1.0),
)
def test_no_oscillator_and_no_amplifier_emits_more_than_it_takes(threshold, clamp, q, emission, gain, efficiency):
    values = {"threshold": threshold, "operating_current": threshold * (1 + clamp) / 2, "breakdown": threshold * clamp}
    values |= {"nonlinear_damping": q, "emission": emission, "voltage_spread": 0.2, "threshold_spread": 0.05}
    most = emission * (clamp - 1) / (clamp + q)  # at breakdown, where it is largest
    if most > 1 + 1e-9:
        with pytest.raises(ParameterError, match="would let it emit"):
            devices.get(OSCILLATOR, **values)
        return
    neuron = devices.get(OSCILLATOR, **{**values, "emission": emission * (1 - 1e-9)})
    current = torch.linspace(0, threshold * clamp * (1 - 1e-12), 50, dtype=torch.float64)
    dc = neuron.dc_power(current)
    state = neuron.init((40, 1), generator_for(0))
    assert bool((neuron.emitted_power(current) <= dc * (1 + 1e-12)).all())
    assert bool((neuron.emitted_power(current.expand(40, -1), state) <= dc * (1 + 1e-12)).all())
    chain = RfChain(devices.get("spin-diode"), neuron=neuron, amplifier_gain=gain, amplifier_efficiency=efficiency)
    price = chain.prices()["neuron amplifier, per operating point"].joule / chain.reading_time
    at = torch.tensor(neuron.default_current, dtype=torch.float64)
    behind = gain * float(neuron.emitted_power(at))
    assert behind <= (float(neuron.dc_power(at)) + price) * (1 + 1e-9)


def test_too_large_an_emission_is_refused_with_the_largest_that_goes():
    with pytest.raises(ParameterError, match=r"emission = 3 would let it emit 1.5 times its dc power.*give 2 or less"):
        devices.get(OSCILLATOR, emission=3.0)
    assert devices.get(OSCILLATOR, emission=2.0).emission == 2.0


# -- beside the bill --------------------------------------------------------------------------------------


def test_the_projection_is_the_authors_and_stays_outside_the_bill():
    found = {c.title: c for c in CHAIN.comparisons([(128, 256), (10, 128)])}
    (projected,) = [c for c in found.values() if c.projection]
    assert projected.joule == pytest.approx(34_048 * 10e-15 + 128 * 100e-15)  # 353 pJ
    assert "projection" in projected.title and "Nothing of that size was built" in projected.source
    assert found["arithmetic alone, 8-bit circuit"].joule == pytest.approx(34_048 * 0.3e-12)
    # 256 points: 1024 butterflies of 4 products and 6 sums, 512 samples
    receiver = found["receiver: catalogue converter, 32-bit transform and network"].joule
    assert receiver == pytest.approx(512 * 0.8e-9 + 1024 * (4 * 3.7e-12 + 6 * 0.9e-12) + 34_048 * 9.6e-12)
    radio = found["receiver: software radio and embedded GPU"].joule
    assert radio == pytest.approx(14.5 * 256 / 100e6)
    assert all(c.source for c in found.values())
    assert not any(c.title in CHAIN.prices() for c in found.values())


@pytest.mark.parametrize(("time", "text"), [(4e-6, "5 settling"), (1e-6, "1.3 settling")])
def test_a_reading_too_short_to_settle_is_said(time, text):
    """1/(2 pi 0.01 20 MHz) = 0.8 us."""
    circuit = RfChain(devices.get("spin-diode", read_time=time))
    assert circuit.settling_time == pytest.approx(1 / (2 * math.pi * 0.01 * 20e6))
    remark = circuit.remarks()[0]
    assert text in remark and ("raise read_time" in remark) == (time < 3 * circuit.settling_time)


def test_power_scales_what_belongs_to_tones_only():
    full = CHAIN.under_power(CHAIN.inference(3, 12), 1e-6)
    assert full.events["resonator, per full tone"] == pytest.approx(36)
    assert full.events["line amplifier, standing by"] == 1 and full.events["holding a tuned resonance"] == 36
    assert (full + Counts()).events == full.events


def test_a_convolution_patch_by_patch_is_paid_for_every_patch():
    made = networks.build("1x4x4-2c3-3", kind="rf", circuit=CHAIN, chips=2, shape=(1, 4, 4), classes=3, seed=1)
    made.program_initial(generator_for(1, "chips"))
    x = torch.rand(5, 1, 4, 4, generator=generator_for(0, "images"))
    without, found = made.inference_counts().events, made.inference_counts(x).events
    assert found["holding a tuned resonance"] == without["holding a tuned resonance"] == 16 * 2 * 9 + 3 * 32
    # two kernels meet these powers, nothing beyond the edges; the rest is the oscillators'
    first = 2 * float(torch.nn.functional.unfold(x, 3, padding=1).sum()) / len(x)
    assert first < found["resonator, per full tone"] < first + 3 * 32
    assert math.isfinite(bill(made.inference_counts(x), CHAIN.prices()).joule)
