"""Izhikevich's neuron: spike times against an independent integration, and twenty behaviours tested as behaviours."""

import math

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import RefusedError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import NeuronDevice

DT = 0.1e-3


def made(preset):
    return devices.get(f"izhikevich:{preset}").ideal()


def watched(preset, **changes):
    """Times in ms, potentials in mV and spike times in ms of a preset under its stimulus."""
    device, drive = made(preset).replace(**changes), devices.stimulus(f"izhikevich:{preset}", DT)
    return run(device, drive)


def run(device, drive):
    state, potential, spikes = device.init((1,), generator_for(0)), [], []
    for n, value in enumerate(drive):
        state = device.step(state, value.reshape(1), DT, generator_for(1))
        potential.append(1e3 * float(state["v"]))
        spikes += [1e3 * (n * DT + float(state["moment"]))] * int(state["spikes"])
    return 1e3 * DT * np.arange(1, len(drive) + 1), np.array(potential), np.array(spikes)


def bursts(spikes, gap=15.0):
    """Numbers of spikes in groups that are further apart than `gap` ms."""
    return [len(part) for part in np.split(spikes, np.nonzero(np.diff(spikes) > gap)[0] + 1)]


def tonic_spiking(t, v, spikes):
    assert spikes[0] > 10
    assert t[-1] - spikes[-1] < 30  # goes on to the end
    assert np.diff(spikes)[-1] == pytest.approx(np.diff(spikes)[-2], rel=0.02)


def phasic_spiking(t, v, spikes):
    assert len(spikes) == 1
    assert 20 < spikes[0] < 45


def tonic_bursting(t, v, spikes):
    found = bursts(spikes)
    assert len(found) >= 4
    assert min(found) >= 5
    assert len(set(found[1:])) == 1  # regular bursts


def phasic_bursting(t, v, spikes):
    assert len(bursts(spikes)) == 1
    assert len(spikes) >= 5
    assert spikes[-1] < 70  # though driven to 200 ms


def mixed_mode(t, v, spikes):
    between = np.diff(spikes)
    assert (between[:2] < 5).all()
    assert (between[2:] > 25).all()
    assert between[-1] == pytest.approx(between[-2], rel=0.02)


def spike_frequency_adaptation(t, v, spikes):
    between = np.diff(spikes)
    assert (np.diff(between[:-1]) > 0).all()
    assert between[-1] > 10 * between[0]


def class_1_excitability(t, v, spikes):
    rates = 1e3 / np.diff(spikes)
    assert (np.diff(rates) > 0).all()  # follows the ramp
    assert steady("class-1-excitability", 2.2501) < 1.0  # Hz, where the saddle-node bifurcation says 2.25 V/s
    assert steady("class-1-excitability", 2.2499) == 0
    assert 3 < steady("class-1-excitability", 2.5) < steady("class-1-excitability", 5.0)


def class_2_excitability(t, v, spikes):
    rates = 1e3 / np.diff(spikes)
    assert (np.diff(rates) > 0).all()
    assert rates[0] > 45  # the first interval already
    frequencies = [steady("class-2-excitability", drive) for drive in np.linspace(0.6, 1.4, 17)]
    assert min(f for f in frequencies if f > 0) > 30  # never slow, where class 1 starts below 1 Hz


def spike_latency(t, v, spikes):
    assert len(spikes) == 1
    assert spikes[0] > 13 + 3  # after the pulse is over
    device = made("spike-latency")
    later = run(device, 1.1 * devices.stimulus("izhikevich:spike-latency", DT))[2]
    assert later[0] < spikes[0] - 1  # a stronger pulse is answered sooner


def subthreshold_oscillations(t, v, spikes):
    assert len(spikes) == 1
    after = t > spikes[0] + 20
    tops = np.nonzero((v[1:-1] > v[:-2]) & (v[1:-1] >= v[2:]) & after[1:-1])[0] + 1
    assert len(tops) >= 3
    assert (np.diff(v[tops]) < 0).all()  # damped
    # eigenvalues of the linearised equations at rest, v = -62.5 mV: trace -0.05/ms, determinant 0.013/ms^2
    assert np.diff(t[tops])[-1] == pytest.approx(2 * math.pi / math.sqrt(0.013 - 0.025**2), rel=0.02)


def resonator(t, v, spikes):
    assert len(spikes) == 1
    assert spikes[0] > 320  # the pair 40 ms apart, not that 20 ms apart


def integrator(t, v, spikes):
    assert len(spikes) == 1
    assert 14.1 < spikes[0] < 25  # the pair 5 ms apart, not that 10 ms apart


def rebound_spike(t, v, spikes):
    assert len(spikes) == 1
    assert spikes[0] > 25


def rebound_burst(t, v, spikes):
    assert spikes[0] > 25
    assert len(bursts(spikes)) == 1
    assert len(spikes) >= 5


def threshold_variability(t, v, spikes):
    assert len(spikes) == 1
    assert spikes[0] > 80  # the same pulse as at 10 ms, but after inhibition


def bistability(t, v, spikes):
    assert 37.5 < spikes[0] < 60
    assert len(spikes) >= 4
    assert spikes[-1] < 212
    device = made("bistability")
    first = torch.cat([devices.stimulus("izhikevich:bistability", DT)[:2000], torch.zeros(8000, dtype=torch.float64)])
    alone, _ = device.respond(device.init((1,), generator_for(0)), first[None], DT, generator_for(1))
    assert float(alone.nonzero()[-1, 1]) > 9500  # without the second pulse it goes on


def depolarizing_afterpotential(t, v, spikes):
    assert len(spikes) == 1
    after = (t > spikes[0] + 1) & (t < spikes[0] + 6)
    assert (v[after] > -70 + 3).all()
    assert v[after].max() > -60
    assert v[-1] == pytest.approx(-70, abs=0.1)


def accommodation(t, v, spikes):
    assert len(spikes) == 1
    assert 300 < spikes[0] < 313  # the steep ramp to 4 V/s, not the slow one to 8 V/s


def inhibition_induced_spiking(t, v, spikes):
    assert spikes[0] > 50
    assert spikes[-1] < 260
    assert len(spikes) >= 4
    assert (np.diff(spikes)[:2] > 40).all()


def inhibition_induced_bursting(t, v, spikes):
    assert spikes[0] > 50
    assert spikes[-1] < 275  # the burst under way when inhibition ends at 250 ms is the last
    found = bursts(spikes)
    assert len(found) >= 3
    assert min(found) >= 5


BEHAVIOURS = {
    f.__name__.replace("_", "-"): f
    for f in (
        tonic_spiking, phasic_spiking, tonic_bursting, phasic_bursting, mixed_mode, spike_frequency_adaptation,
        class_1_excitability, class_2_excitability, spike_latency, subthreshold_oscillations, resonator, integrator,
        rebound_spike, rebound_burst, threshold_variability, bistability, depolarizing_afterpotential, accommodation,
        inhibition_induced_spiking, inhibition_induced_bursting,
    )
}  # fmt: skip


def steady(preset, value):
    """Rate in Hz at a drive that is approached slowly."""
    device, dt = made(preset), 0.5e-3
    drive = value * torch.cat([torch.linspace(0, 1, 8000, dtype=torch.float64), torch.ones(8000, dtype=torch.float64)])
    spikes, _ = device.respond(device.init((1,), generator_for(0)), drive[None], dt, generator_for(1))
    return float(spikes[:, 8000:].sum()) / (8000 * dt)


def test_there_are_the_twenty_behaviours():
    assert list(devices.presets("izhikevich")) == list(BEHAVIOURS)
    assert len(BEHAVIOURS) == 20


@pytest.mark.parametrize("preset", BEHAVIOURS)
def test_behaviour(preset):
    BEHAVIOURS[preset](*watched(preset))


@pytest.mark.parametrize("preset", BEHAVIOURS)
def test_no_spike_without_a_stimulus(preset):
    device = made(preset)
    state = device.init((1,), generator_for(0))
    spikes, end = device.respond(state, torch.zeros(1, 800), 0.5e-3, generator_for(1))
    assert spikes.sum() == 0
    assert float(end["v"]) == pytest.approx(float(state["v"]), abs=1e-9)


def equations(d):
    def rhs(y, drive):
        v, u = y
        dv = d.quadratic * v**2 + d.linear * v + d.constant - u + drive + d.bias
        return dv, d.recovery_rate * (d.sensitivity * (v - d.pivot) - d.decay * u)

    return rhs, lambda y: y[0] - d.peak, lambda y: (d.reset, y[1] + d.jump)


@pytest.mark.parametrize("preset", ["tonic-spiking", "tonic-bursting", "class-1-excitability", "resonator"])
def test_spike_times_are_those_of_an_independent_integration(preset, integrate_spikes, spike_times):
    device, dt = made(preset), 0.5e-3
    drive = device.operating_drive * np.random.default_rng(2).uniform(0.2, 1.5, 200)
    state = device.init((1,), generator_for(0))
    expected, last = integrate_spikes(
        *equations(device), (float(state["v"]), float(state["u"])), drive, dt, rtol=1e-11, atol=1e-13
    )
    assert len(expected) >= 4
    for tolerance, bound in ((1e-4, 0.1), (1e-6, 1e-3), (1e-9, 1e-6)):  # bound on errors, in steps
        found, end = spike_times(device.replace(tolerance=tolerance), drive, dt)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound * dt)
    assert float(end["v"]) == pytest.approx(last[0], abs=1e-8)


def test_trains_are_steps_to_the_bit_with_noise_and_spread():
    device = devices.get("izhikevich")
    state = device.init((2, 4), generator_for(0))
    drive = torch.rand(2, 4, 200, generator=generator_for(2)) * 20
    fused, end = device.respond(state, drive, 0.5e-3, generator_for(3))
    stepwise, last = NeuronDevice.respond(device, state, drive, 0.5e-3, generator_for(3))
    assert fused.sum() > 8
    assert torch.equal(fused, stepwise)
    assert all(torch.equal(end[name], last[name]) for name in end)


def test_rheobase_of_class_1_is_the_saddle_node():
    # the parabola (k_1 - b) v + k_2 v^2 + k_0 + I loses its roots at I = (4.2^2 / 0.16) - 108
    assert made("class-1-excitability").threshold_drive() == pytest.approx(4.2**2 / 0.16 - 108, rel=5e-3)


def test_inhibition_has_a_threshold_too():
    # rest at k_0 + 80 loses its stability where the trace 2 k_2 v + k_1 - a changes sign
    v = (-5 - 0.02) / 0.08
    hopf = -(0.04 * v**2 + 6 * v + 140) - 80
    found = made("inhibition-induced-spiking").threshold_drive()
    assert (
        hopf - 0.15 < found < hopf
    )  # close to the bifurcation oscillations grow too slowly for the time of the search


def test_a_stimulus_that_is_not_there_is_refused():
    for spec in ("izhikevich", "lif", "pulsed:ecram"):
        with pytest.raises(RefusedError, match=f"'{spec}' declares no stimulus"):
            devices.stimulus(spec, 1e-3)
    with pytest.raises(UnknownNameError, match="did you mean 'resonator'"):
        devices.stimulus("izhikevich:resonater", 1e-3)


def test_stimulus_keeps_charge_whatever_the_step():
    for dt in (0.1e-3, 0.5e-3, 0.77e-3):
        drive = devices.stimulus("izhikevich:integrator", dt)
        assert float(drive.sum()) * dt == pytest.approx(4 * 2e-3 * 9)
    ramp = devices.stimulus("izhikevich:accommodation", 1e-3)
    assert float(ramp[100]) == pytest.approx(100.5 / 25)
