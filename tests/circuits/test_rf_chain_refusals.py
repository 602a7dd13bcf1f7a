"""What cannot be wired as an RF chain, and what cannot be sent through one, is refused in one line."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.layers.spin_diode import SpinDiodeLinear

DIODE = devices.get("spin-diode")


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"crosstalk": 2.0}, ParameterError, r"'crosstalk' = 2 is outside its range \[0, 1\]"),
        ({"crosstalk": math.nan}, ParameterError, "'crosstalk' is NaN"),
        ({"band_low": 120e6}, ParameterError, "band_low = 1.2e.08 Hz must lie below band_high"),
        ({"band_low": 1e6}, ParameterError, r"tone 0 at 1e\+06 Hz lies outside the tuning range 1e\+07 to 1e\+10 Hz"),
        ({"band_high": 20e9}, ParameterError, r"tone 1 at 2e\+10 Hz lies outside the tuning range"),
        ({"plan": "geometrical"}, ParameterError, "must be one of geometric, linear.*did you mean 'geometric'"),
        ({"neuron_treshold": 1e-5}, UnknownNameError, "no parameter 'treshold'.*did you mean 'threshold'"),
        ({"neuron_threshold": 1.0}, ParameterError, "operating_current = 2.66e-05 A must lie between threshold = 1 A"),
        ({"neuron_emission": 9.0}, ParameterError, "emit 4.5 times its dc power"),
        ({"amplifier_efficiency": 1.5}, ParameterError, "'amplifier_efficiency' = 1.5 is outside"),
    ],
)
def test_wrong_values(values, error, message):
    with pytest.raises(error, match=message):
        RfChain.build(DIODE, **values)


def test_other_devices():
    with pytest.raises(RefusedError, match=r"HfOxBinary \(kind 'memory'\) makes no chain of resonators"):
        RfChain(devices.get("hfox-binary"))
    with pytest.raises(RefusedError, match="does not oscillate; give a neuron of kind 'oscillator'"):
        RfChain(DIODE, neuron=DIODE)


@pytest.mark.parametrize(
    ("tones", "message"),
    [
        ([30e6, 30e6, 50e6], "tones 0 and 1, and so two resonators, stand on one frequency"),
        ([30e6, 5e6, 50e6], r"tone 1 at 5e\+06 Hz lies outside the tuning range"),
        ([30e6, 40e6, math.nan], "tone 2 at nan Hz lies outside"),
        ([30e6, 40e6], "3 inputs need as many tones"),
    ],
)
def test_wrong_tones(tones, message):
    with pytest.raises(ParameterError, match=message):
        SpinDiodeLinear(3, 2, circuit=RfChain(DIODE), tones=torch.tensor(tones))


def test_two_resonators_on_one_frequency():
    with pytest.raises(ParameterError, match="two resonators, stand on one frequency"):
        SpinDiodeLinear(2, 2, circuit=RfChain(DIODE), resonators=torch.tensor([30e6, 30e6]))


@pytest.mark.parametrize(
    ("power", "message"),
    [
        ([[1e-6, -1e-9, 0.0]], r"a power is negative \(-1e-09 W\)"),
        ([[1e-6, math.nan, 0.0]], "a power is not finite"),
        ([[1e-6, math.inf, 0.0]], "a power is not finite"),
        ([[1e-6, 1e-6]], "listens to 3 tones, but the spectrum has shape"),
        ([1e-6, 1e-6, 1e-6], "listens to 3 tones, but the spectrum has shape"),
    ],
)
def test_wrong_spectra(power, message):
    with pytest.raises(ParameterError, match=message):
        SpinDiodeLinear(3, 2)(torch.tensor(power))


def test_without_crosstalk_a_chain_needs_a_resonator_for_every_tone():
    layer = SpinDiodeLinear(3, 2, circuit=RfChain.build(DIODE, crosstalk=0.5), resonators=torch.tensor([30e6, 60e6]))
    with pytest.raises(RefusedError, match="crosstalk = 0.5 needs one resonator per tone"):
        layer(torch.rand(4, 3) * 1e-6)


def test_pulses_and_wrong_shifts():
    chain = RfChain(DIODE)
    state = chain.init((2, 3), generator_for(0))
    with pytest.raises(RefusedError, match="shifted by a wanted change in Hz, not by pulses"):
        chain.update(state, Update(torch.ones(2, 3), unit="pulses"), generator_for(1))
    with pytest.raises(ParameterError, match="a wanted shift is NaN or infinite"):
        chain.update(state, Update(torch.full((2, 3), math.nan)), generator_for(1))


def test_corrections_end_at_the_wanted_resonance_and_do_not_pile_up():
    """Each correction is off by 5 % of itself, so a second one leaves 5 % of that; and the range is kept."""
    chain = RfChain(DIODE.replace(tuning_error=0.05))
    state, generator = chain.init((40, 50), generator_for(0)), generator_for(1)
    wanted = state["nominal"] * 1.02
    gaps = []
    for _ in range(3):
        state = chain.update(state, Update(wanted - chain.weights(state)), generator)
        gaps.append(float((wanted - chain.weights(state)).double().std()))
    shift = float((0.02 * state["nominal"].double()).square().mean().sqrt())
    # the spread of 2000 normal numbers is known to 1.6 % (one standard error)
    assert gaps[0] == pytest.approx(0.05 * shift, rel=0.06)
    assert gaps[1] == pytest.approx(0.05 * gaps[0], rel=0.2)
    far = chain.program(state, state["nominal"] * 2, generator)
    assert bool((far["shift"] <= 0.05 * far["nominal"] * (1 + 1e-6)).all())


def test_trimming_leaves_the_error_of_tuning_only():
    layer = SpinDiodeLinear(30, 40, circuit=RfChain(DIODE), chips=2, seed=3)
    layer.fabricate(generator_for(0))

    def off():
        found = layer.chain.device.resonance(layer.state) / layer.state["nominal"] - 1
        return float(found.double().std())

    assert off() == pytest.approx(0.01, rel=0.08)  # 2400 resonators: 1.4 %
    layer.trim(generator_for(1))
    assert off() == pytest.approx(0.05 * 0.01, rel=0.08)
