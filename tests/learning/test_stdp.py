"""STDP in networks: every synapse against its spikes one by one, in software and in devices, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices, learning
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.networks._event_driven import present_events
from nanoneurons.networks._input_events import poisson_events
from nanoneurons.networks.competition import Competitors, Inputs, PoissonInputs, Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork, SpikeTiming, build_competitive
from nanoneurons.networks.decoding import DECODERS
from nanoneurons.physics.spike_timing import SimplifiedLaw, TimingLaw, change_by_pairs, change_by_traces

STEPS, PIXELS, NEURONS = 300, 20, 3
PAIR = TimingLaw(0.01, 0.008, 0.02, 0.03, bound_up=1.0, bound_down=1.0)
LAWS = {
    "additive": replace(PAIR, bound_up=0.0, bound_down=0.0),
    "multiplicative": PAIR,
    "between, nearest": replace(PAIR, bound_up=0.4, bound_down=0.4, pairing="nearest"),
    "offset": replace(PAIR, offset=0.3),
    "triplets": replace(PAIR, triplet_up=0.02, triplet_down=0.01),
}
# Without a filter, the loop over spikes does not follow neurons that are held at rest: here for long.
UNFILTERED, LONG = Presentation(filter_time=0.0, amplitude=0.03), Competitors(inhibition=0.06, refractory=0.012)
COMPETITORS = Competitors(refractory=0.002, adaptation_time=0.1, gain=6.0, inhibition=0.003)


SHOWN = Presentation(step=1e-3, duration=1e-3, amplitude=1.0, filter_time=2e-3)


def network(**more):
    """Every sample is one step, so that the counts of output spikes are their times."""
    settings = {"cells": PoissonInputs(150.0), "competitors": COMPETITORS, "presentation": SHOWN, "seed": 3}
    return CompetitiveNetwork(PIXELS, NEURONS, 2, **{**settings, **more})


def drawn(net, chips=1):
    """Samples and the steps at which their inputs fire: ``(steps, in)``."""
    x = torch.rand(PIXELS, generator=generator_for(1, "x")).expand(STEPS, PIXELS).contiguous()
    offsets = np.zeros((chips, STEPS, 2), np.int64)
    which = poisson_events((x * 0.15).numpy(), 1, net.noise_key, 0, offsets)
    fired = np.zeros((STEPS, PIXELS), bool)
    for step in range(STEPS):
        fired[step, which[offsets[0, step, 0] : offsets[0, step, 1]]] = True
    return x, fired


def times(fired):
    return (1e-3 * np.flatnonzero(fired)).tolist()


@pytest.mark.parametrize("filter_time", [2e-3, 0.0])
@pytest.mark.parametrize("name", LAWS)
def test_software_synapses_change_as_their_spikes_say(name, filter_time):
    net = network(presentation=replace(SHOWN, filter_time=filter_time))
    x, fired = drawn(net)
    start = net.synapses.weight.clone()
    counts = net.present(x, SpikeTiming(LAWS[name]))
    assert counts.sum() > 15
    expected = [
        [
            change_by_traces(LAWS[name], times(fired[:, i]), times(counts[0, :, j].numpy()), float(start[j, i]))
            for i in range(PIXELS)
        ]
        for j in range(NEURONS)
    ]
    assert torch.allclose(net.synapses.weight, torch.tensor(expected), atol=2e-6)


def test_simplified_law_changes_rows_at_output_spikes():
    law = SimplifiedLaw(0.02, 0.01, 0.015)
    net = network()
    x, fired = drawn(net)
    expected = net.synapses.weight.double().clone()
    counts = net.present(x, SpikeTiming(law))
    for step, j in counts[0].nonzero():
        for i in range(PIXELS):
            past = np.flatnonzero(fired[: int(step) + 1, i])
            age = 1e-3 * (int(step) - past[-1]) if len(past) else np.inf
            w = expected[j, i] + law.change(age, float(expected[j, i]))
            expected[j, i] = w.clamp(0, 1)
    assert torch.allclose(net.synapses.weight.double(), expected, atol=2e-6)


def test_devices_change_by_the_same_sum_but_weaken_later():
    """An additive law: what has been carried out and what still waits add up to all pairs of spikes."""
    law = TimingLaw(0.002, 0.0015, 0.02, 0.03)
    circuit = circuits.catalogue["synapse-array"](device=devices.get("ideal"))
    net = network(circuit=circuit, chips=2)
    x, fired = drawn(net)
    net.synapses.weight.data.mul_(0.2).add_(0.4)
    net.program_initial(generator_for(0, "chips"))
    start = net.synapses.weight.clone()
    timing = SpikeTiming(law)
    counts = net.present(x, timing, generator_for(0, "writes"))
    assert counts[0].sum() > 15
    waits = torch.from_numpy(timing.traces.pending)[0].T
    done = (net.synapses.weight - start)[0] - waits
    expected = [
        [change_by_pairs(law, times(fired[:, i]), times(counts[0, :, j].numpy())) for i in range(PIXELS)]
        for j in range(NEURONS)
    ]
    assert torch.allclose(done, torch.tensor(expected), atol=1e-5)


def images(samples=20, pixels=64):
    return torch.rand(samples, pixels, generator=torch.Generator().manual_seed(1))


def small(**more):
    return build_competitive("64-8", shape=(64,), classes=4, **more)


@pytest.mark.parametrize("adapts", ["drive", "threshold"])
@pytest.mark.parametrize(
    ("shown", "rivals"),
    [
        (Presentation(), Competitors()),
        (Presentation(pause=0.1), Competitors()),
        (replace(UNFILTERED, amplitude=0.02), LONG),
        (UNFILTERED, LONG),  # volleys that take a neuron from rest to its threshold at once
        (replace(UNFILTERED, pause=0.012), LONG),
    ],
)
def test_both_loops_agree_on_the_same_network(adapts, shown, rivals):
    settings = {"competitors": replace(rivals, adapts=adapts), "presentation": shown, "chips": 2}
    plain, events = small(**settings), small(**settings)
    x = images()
    counts = plain.present(x)
    assert counts.sum() > 20
    assert torch.equal(counts, present_events(events, x, None, None))
    for name in ("v_in", "v_out", "adaptation", "held"):
        assert torch.allclose(
            getattr(plain, name), getattr(events, name), rtol=0, atol=1e-10
        )  # steps against closed forms
    followed = plain.held == 0 if shown.filter_time == 0 else torch.ones_like(plain.held, dtype=torch.bool)
    assert torch.allclose(plain.filtered[followed], events.filtered[followed], rtol=0, atol=1e-10)


@pytest.mark.parametrize("cells", [Inputs(), PoissonInputs()])
@pytest.mark.parametrize(("shown", "rivals"), [(Presentation(amplitude=0.03), Competitors()), (UNFILTERED, LONG)])
def test_samples_one_by_one_give_what_they_give_at_once(cells, shown, rivals):
    whole, parts = (small(cells=cells, presentation=shown, competitors=rivals) for _ in range(2))
    x, one, two = images(), SpikeTiming(PAIR), SpikeTiming(PAIR)
    counts = whole.present(x, one)
    assert counts.sum() > 100
    assert torch.equal(counts, torch.cat([parts.present(x[k : k + 1], two) for k in range(len(x))], 1))
    assert torch.equal(whole.synapses.weight, parts.synapses.weight)


def test_chips_do_not_depend_on_their_neighbours():
    nets = [small(chips=n, cells=PoissonInputs()) for n in (2, 3)]
    counts = [net.present(images(), SpikeTiming(PAIR)) for net in nets]
    assert torch.equal(counts[0][1], counts[1][1])
    assert not torch.equal(counts[1][1], counts[1][2])


def test_a_sample_side_by_side_with_none_is_a_fresh_sample():
    one, two = (
        small(cells=PoissonInputs(), presentation=Presentation(fresh=f, together=k)) for f, k in ((True, 1), (False, 2))
    )
    x = images(1)
    assert torch.equal(one.present(x, SpikeTiming(PAIR)), two.present(x, SpikeTiming(PAIR)))
    assert torch.equal(one.synapses.weight, two.synapses.weight)


def test_poisson_inputs_fire_as_often_as_they_should():
    net = CompetitiveNetwork(784, 2, 2, cells=PoissonInputs(40.0), presentation=Presentation(step=1e-3, duration=1.0))
    net.present(torch.full((20, 784), 0.5))
    expected = 784 * 1000 * -np.expm1(-40e-3 * 0.5)  # several spikes in a step count as one
    assert float(net.input_spikes) == pytest.approx(expected, abs=5 * np.sqrt(expected / 20))


def test_normalisation_scales_every_neuron_to_its_mean_weight():
    net = small(cells=PoissonInputs())
    net.present(images(), SpikeTiming(replace(PAIR, bound_up=0.0), normalise=0.1))
    assert torch.allclose(net.synapses.weight.mean(1), torch.tensor(0.1), atol=1e-5)


def test_adapted_thresholds_equal_adapted_drives_for_slow_adaptation():
    """A neuron that fires at a threshold raised by a needs a drive higher by a in equilibrium."""
    counts = []
    for adapts in ("drive", "threshold"):
        rivals = Competitors(adapts=adapts, adaptation_step=0.05, adaptation_time=50.0, bias=3.0, inhibition=0.0)
        shown = Presentation(duration=30.0)
        net = CompetitiveNetwork(1, 1, 2, cells=PoissonInputs(1.0), competitors=rivals, presentation=shown)
        counts.append(float(net.present(torch.zeros(1, 1)).sum()))
    assert counts[0] > 100
    assert counts[1] == pytest.approx(counts[0], rel=0.2)


@pytest.mark.parametrize("form", ["pair", "triplet", "simplified"])
def test_every_form_learns_to_tell_patterns_apart(form):
    """Four patterns of 16 pixels each, with noise: neurons specialise, so that labels decide far above chance."""
    rule = learning.get("stdp", form=form, down=0.005 if form == "simplified" else 0.0)
    generator = generator_for(0, "patterns")
    y = torch.arange(200) % 4
    x = torch.zeros(200, 4, 16)
    x[torch.arange(200), y] = 1.0
    x = (x.flatten(1) * torch.rand(200, 64, generator=generator)).clamp(0, 1)
    net = rule.build_network("64-8", shape=(64,), classes=4, seed=1)
    learning.fit(net, rule, x, y, epochs=2, batch=50, seed=1)
    assert float(learning.accuracy(net, x, y)) > 0.9


def test_poisson_inputs_learn_to_tell_patterns_apart():
    rule = learning.get(
        "stdp", inputs="poisson", rate=128.0, normalise=0.1, bound=1.0, offset=0.0, down=1e-4, tau_up=0.02
    )
    y = torch.arange(200) % 4
    x = torch.zeros(200, 4, 16)
    x[torch.arange(200), y] = 1.0
    net = rule.build_network("64-8", shape=(64,), classes=4, seed=1)
    learning.fit(net, rule, x.flatten(1), y, epochs=2, batch=50, seed=1)
    assert float(learning.accuracy(net, x.flatten(1), y)) > 0.9


@pytest.mark.parametrize("name", DECODERS)
def test_the_rule_chooses_the_read_out(name):
    """The counts of two labelled neurons, of which the second also hears class 0, decoded by hand."""
    expected = {"sum": [1.0, 4.0], "active": [0.0, 1.0]}
    net = learning.get("stdp", decoder=name).build_network("64-2", shape=(64,), classes=2)
    assert net.decoder == name
    net.means.copy_(torch.tensor([[[3.0, 0.0], [1.0, 2.0]]]))
    net.sizes.copy_(torch.tensor([1.0, 1.0]))
    net.labels.copy_(torch.tensor([[0, 1]]))
    rates = torch.tensor([[2.25, 0.75], [1.25, 1.75]])  # with one sample more of the means 1.5 and 1.5
    expected["likelihood"] = (torch.tensor([1.0, 4.0]) @ rates.log() - rates.sum(0)).tolist()
    assert net.decode(torch.tensor([[[1, 4]]]))[0, 0].tolist() == pytest.approx(expected[name])


def test_read_outs_are_refused_by_name():
    assert learning.get("stdp").decoder == learning.get("vdsp").decoder  # audits compare the two
    with pytest.raises(ParameterError, match="decoder"):
        learning.get("stdp", decoder="vote")


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"tau_up": 1e-3}, 5e-3, "longer than tau_up of rule 'stdp'"),
        ({"form": "simplified", "window": 1e-3}, 5e-3, "longer than window"),
        ({"form": "triplet", "tau_y": 1e-3}, 5e-3, "longer than tau_y"),
    ],
)
def test_steps_longer_than_a_time_constant_are_refused(changes, step, said):
    rule = learning.get("stdp", **changes)
    with pytest.raises(ParameterError, match=said):
        rule.start(small(presentation=Presentation(step=step)), 1, 1)


def test_bad_rules_and_networks_are_refused():
    with pytest.raises(ParameterError, match="tau_up"):
        learning.get("stdp", tau_up=-0.01)
    with pytest.raises(RefusedError, match="normalise"):
        learning.get("stdp", normalise=0.1).accept(circuits.catalogue["synapse-array"](device=devices.get("ideal")))
    with pytest.raises(RefusedError, match="CompetitiveNetwork"):
        learning.get("stdp").start(torch.nn.Linear(2, 2), 1, 1)
    rule = learning.get("vdsp")
    with pytest.raises(ParameterError, match="no potentials"):
        small(cells=PoissonInputs()).present(images(), rule.start(small(), 1, 1))
    with pytest.raises(ParameterError, match="between"):
        small(cells=PoissonInputs()).present(images() + 1, SpikeTiming(PAIR))
    with pytest.raises(ParameterError, match="rate"):
        PoissonInputs(-3.0)
