"""Competing spiking neurons: what is refused, and that learning and reading leave the states they should."""

import math

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices
from nanoneurons.core.errors import ParameterError, RunawayError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.networks._plasticity import VDSP
from nanoneurons.networks.competition import Competitors, Inputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork, build_competitive
from nanoneurons.physics.voltage_switching import write_row


class Rates:
    law, values = VDSP, (0.01, 0.01)


def images(samples=20, pixels=64):
    return torch.rand(samples, pixels, generator=torch.Generator().manual_seed(1))


def network(**more):
    return build_competitive("64-8", shape=(64,), classes=4, **more)


def test_inputs_fire_at_the_rate_of_a_leaky_integrate_and_fire_neuron():
    cells, shown = Inputs(), Presentation(duration=20.0, step=1e-3, filter_time=5e-3)
    net = CompetitiveNetwork(1, 1, 2, presentation=shown)
    net.v_in.zero_()
    net.present(torch.ones(1, 1))
    drive = cells.gain + cells.bias
    tau = cells.time_constant
    period = cells.refractory + tau * torch.tensor((drive - cells.reset) / (drive - cells.threshold)).log()
    assert float(net.input_spikes) == pytest.approx(20.0 / float(period), rel=2e-3)


def test_one_neuron_fires_at_a_time_and_weights_stay_in_range():
    net = network()
    before = net.synapses.weight.clone()
    counts = net.present(images(), Rates())
    assert counts.shape == (1, 20, 8)
    assert (counts.sum(-1) <= net.presentation.steps).all()
    assert counts.sum() > 20
    assert not torch.equal(before, net.synapses.weight)
    assert ((net.synapses.weight >= 0) & (net.synapses.weight <= 1)).all()


def test_samples_in_two_parts_give_what_they_give_at_once():
    whole, parts = network(), network()
    x = images()
    one = whole.present(x, Rates())
    two = torch.cat([parts.present(x[:7], Rates()), parts.present(x[7:], Rates())], 1)
    assert torch.equal(one, two)
    assert torch.equal(whole.synapses.weight, parts.synapses.weight)


def test_scores_are_the_same_again_and_again():
    net = network()
    x = images()
    net.label(x, torch.arange(20) % 4)
    assert torch.equal(net(x), net(x))


def test_competitors_that_never_rest_stop_the_learning():
    wild = network(presentation=Presentation(amplitude=100.0), competitors=Competitors(inhibition=0.0))
    with pytest.raises(RunawayError, match="the competitors run away: .* lower the amplitude"):
        wild.present(images(), Rates())
    assert wild.present(images()).sum() > 1000  # without learning, it may


def test_progress_is_told_through_labelling_and_testing():
    net, told = network(), []
    x = images(1100)
    net.label(x, torch.arange(1100) % 4, progress=lambda share, text: told.append(share))
    assert told == [500 / 1100, 1000 / 1100, 1.0]
    net(x, progress=lambda share, text: told.append(text))
    assert told[-1] == "sample 1100 of 1100"


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (torch.zeros(0, 64), torch.zeros(0, dtype=torch.int64), "no sample"),
        (torch.zeros(3, 64), torch.zeros(2, dtype=torch.int64), "3 samples, but labels of shape"),
        (torch.zeros(3, 64), torch.tensor([0, 1, 4]), "between 0 and 4, but the network has classes 0 to 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(x, y, said):
    with pytest.raises(ParameterError, match=said):
        network().label(x, y)


def test_chips_do_not_depend_on_their_neighbours():
    two, three = network(chips=2), network(chips=3)
    counts = [net.present(images(), Rates()) for net in (two, three)]
    assert torch.equal(counts[0][1], counts[1][1])


def test_potentials_and_adaptation_decay_in_the_pause_between_samples():
    """Closed form: nothing drives anything, so all fall exponentially; refractory times and inhibition run out."""
    kept, rested = network(), network(presentation=Presentation(pause=0.06))
    kept.present(images(1))
    rested.present(images(1))
    assert kept.adaptation.max() > 0
    for name, tau in (("v_in", 0.03), ("v_out", 0.03), ("adaptation", 1.0), ("filtered", 0.005)):
        expected = getattr(kept, name) * torch.tensor(-0.06 / tau, dtype=torch.float64).exp()
        torch.testing.assert_close(getattr(rested, name), expected, rtol=1e-12, atol=0)
    assert (rested.rf_in <= 0).all()
    assert (rested.held == 0).all()


def test_dark_pixels_alone_get_the_bias_where_there_is_a_cut():
    x = torch.tensor([0.0, 0.1, 0.5])
    torch.testing.assert_close(Inputs(cut=0.1, gain=4.0, bias=0.5).drive(x), torch.tensor([0.5, 0.5, 2.0]))
    torch.testing.assert_close(Inputs(gain=4.0, bias=0.5).drive(x), torch.tensor([0.5, 0.9, 2.5]))


def test_an_adaptive_threshold_rises_with_each_spike_and_lowers_no_drive():
    """One neuron under a constant drive J: periods of tau ln(J / (J - threshold)) for the threshold of the moment."""
    neuron = Competitors(adapts="threshold", adaptation_step=0.5 * 1e6, adaptation_time=1e6, gain=0.0, bias=4.0)
    shown = Presentation(step=1e-3, duration=0.3)
    net = CompetitiveNetwork(1, 1, 2, competitors=neuron, presentation=shown)
    counts = net.present(torch.zeros(1, 1))
    tau, time, spikes, threshold = neuron.time_constant, 0.0, 0, 1.0
    while True:
        time += tau * math.log(4.0 / (4.0 - threshold)) if threshold < 4.0 else math.inf
        if time > 0.3:
            break
        spikes, threshold, time = spikes + 1, threshold + 0.5, time + neuron.refractory
    assert int(counts.sum()) == spikes
    assert float(net.adaptation) == pytest.approx(0.5 * spikes, rel=1e-5)


def test_synapses_may_learn_before_the_inputs_move_on():
    """Without a refractory time, an input that has just fired is at its reset only in the step of its spike."""
    seen = []

    class Watch:
        law, values = VDSP, (0.5, 0.5)

    for prompt in (False, True):
        cells = Inputs(refractory=0.0, gain=40.0)
        neuron = Competitors(gain=1e3, refractory=0.0, inhibition=0.0)
        shown = Presentation(step=1e-3, duration=0.05, filter_time=0.0, prompt=prompt)
        net = CompetitiveNetwork(1, 1, 2, cells=cells, competitors=neuron, presentation=shown)
        net.synapses.weight.fill_(0.5)
        net.present(torch.ones(1, 1), Watch())
        seen.append(float(net.synapses.weight))
    assert seen[1] > 0.99
    assert seen[0] < seen[1]


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (torch.full((2, 64), 1.5), "between"),
        (torch.full((2, 64), torch.nan), "between"),
        (torch.zeros(2, 63), "63 values"),
        (torch.zeros(0, 64), "no sample"),
    ],
)
def test_bad_samples_are_refused(x, said):
    with pytest.raises(ParameterError, match=said):
        network().present(x)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Inputs(time_constant=-1.0), "time_constant = -1 must be above 0"),
        (lambda: Competitors(inhibition=float("nan")), "inhibition"),
        (lambda: Presentation(duration=1e-3), "shorter than a step"),
        (lambda: Presentation(pause=-1.0), "pause = -1 must be 0 or more"),
        (lambda: Competitors(adapts="speed"), "adapts must be"),
        (lambda: network(presentation=Presentation(step=0.04)), "time_constant of the inputs"),
    ],
)
def test_bad_settings_are_refused(make, said):
    with pytest.raises(ParameterError, match=said):
        make()


@pytest.mark.parametrize("spec", ["64", "64-0", "63-8", "64-8-3", "64-8-4-4", "a-b"])
def test_descriptions_that_do_not_fit_are_refused(spec):
    with pytest.raises(StudyError, match="network"):
        build_competitive(spec, shape=(64,), classes=4)


class Potentials:
    """Sends the potentials themselves; with `by_potential` an array that has a compiled form is written in the loop."""

    law, values = 0, ()

    def __init__(self, compiled):
        self.by_potential = compiled

    def wanted(self, before, weights, quiet):
        return Update(-before.float(), "V")


def memristors(spec, chips, **changes):
    device = devices.get(spec).ideal().replace(**changes)
    circuit = circuits.catalogue["synapse-array"].build(device, background=1.0)
    net = network(
        circuit=circuit,
        chips=chips,
        cells=Inputs(bias=0.95, gain=6.0, cut=0.1),
        presentation=Presentation(step=1e-3, duration=0.05, prompt=True),
    )
    net.fabricate(generator_for(1))
    net.refresh()
    return net


@pytest.mark.parametrize("spec", ["tio2", "hfo2-analog", "hzo-ftj"])
@pytest.mark.parametrize("chips", [None, 2])
def test_devices_written_inside_the_loop_are_those_written_at_stops(spec, chips):
    """Nominal devices and fabricated spreads: the same spikes and, to rounding of float32, the same weights."""
    nets = [memristors(spec, chips, nonlinearity=1.0, change_spread=0.1, threshold_spread=0.01) for _ in range(2)]
    start = nets[0].synapses.weight.clone()
    x = images()
    one = nets[0].present(x, Potentials(True), generator_for(2))
    two = nets[1].present(x, Potentials(False), generator_for(2))
    assert torch.equal(one, two)
    assert one.sum() > 20
    assert not torch.equal(nets[0].synapses.weight, start)
    torch.testing.assert_close(nets[0].synapses.weight, nets[1].synapses.weight, rtol=0, atol=2e-6)
    shown = nets[0].synapses.weight.clone()
    nets[0].refresh()
    torch.testing.assert_close(nets[0].synapses.weight, shown, rtol=0, atol=1e-6)
    assert nets[0].synapses.pulses_applied == nets[1].synapses.pulses_applied > 0


def test_noise_of_devices_written_inside_the_loop_is_that_of_the_device():
    """One row, one spike: the spread of 4,000 changes from cycle to cycle is the declared 10 %."""
    device = devices.get("tio2").ideal().replace(cycle_spread=0.1)
    state = device.init((1, 1, 4000), generator_for(1))
    state["weight"].fill_(0.5)
    rows = device.rows(state, generator_for(2), device.write_scale(), (0.0, 1.0))
    seen = np.zeros(4000, np.float32)
    write_row(rows, 0, 0, np.full(4000, -1.2), seen)
    moved = state["weight"].flatten() - 0.5
    assert float(moved.std() / moved.mean()) == pytest.approx(0.1, rel=0.05)
    np.testing.assert_array_equal(seen, state["weight"].flatten().numpy())
