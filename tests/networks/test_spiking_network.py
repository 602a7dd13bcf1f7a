"""The general spiking network against independent computations: pulses, delays, topologies, chips, plasticity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import RunawayError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices import NeuronDevice, State
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.networks.connections import Connection, SparseSynapses
from nanoneurons.networks.encoders import Drive, Poisson
from nanoneurons.networks.plasticity_hook import Change, Moment
from nanoneurons.networks.populations import Population, SpikeSource, WinnerTakeAll
from nanoneurons.networks.spike_trains import SpikeTrains
from nanoneurons.networks.spiking_network import SpikingNetwork

DT = 1e-3
LEAKY = LeakyIntegrateAndFire(
    time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=0.0, noise=0.0,
    threshold_spread=0.0, time_constant_spread=0.0,
)  # fmt: skip
SPREAD = LeakyIntegrateAndFire(
    time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=1e-3, noise=0.02,
    threshold_spread=0.2, time_constant_spread=0.2,
)  # fmt: skip


@dataclass(frozen=True)
class Counter(NeuronDevice):
    """Adds up its drive and fires at one; what the engine must take without knowing it."""

    title: ClassVar[str] = "perfect integrator"
    citation: ClassVar[str] = ""
    not_modelled: ClassVar[str] = "everything else"
    drive_unit: ClassVar[str] = "1"
    read_unit: ClassVar[str] = "1"
    gain: float = param(1.0, "1", doc="share of the drive that is added", source="test", low=0.0, high=10.0)

    @property
    def default_drive(self) -> float:
        return 0.3

    @property
    def default_step(self) -> float:
        return DT

    def threshold_drive(self) -> float:
        return 1e-9

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        return {name: torch.zeros(shape) for name in ("sum", "spikes", "moment")}

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        total = state["sum"] + self.gain * drive
        fired = (total >= 1).float()
        return {"sum": total * (1 - fired), "spikes": fired, "moment": fired * dt / 2}

    def silence(self, state: State, where: torch.Tensor) -> State:
        return {name: torch.where(where, 0.0, value) for name, value in state.items()}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        return state["sum"].clone()

    def prices(self) -> Mapping[str, Price]:
        return {}


def trains(*events: tuple[float, int], size: int = 1) -> SpikeTrains:
    return SpikeTrains.of_events(torch.tensor([e[0] for e in events]), torch.tensor([e[1] for e in events]), size)


def test_a_pulse_decays_and_keeps_its_area() -> None:
    """One spike through a low-pass: y(n) = A w b/dt (1 - a) a^n from the next step on; the neuron adds it up."""
    connection = Connection("in", "out", torch.tensor([[0.5]]), amplitude=0.2, width=2e-3, time_constant=5e-3)
    network = SpikingNetwork({"in": SpikeSource(1), "out": Population(1, Counter())}, [connection], dt=DT)
    found = network.run({"in": trains((3e-3, 0))}, steps=100, record={"out": "membrane"})
    sums = found.membranes["out"][0, 0]
    a = math.exp(-1 / 5)
    drive = torch.tensor([0.2 * 0.5 * 2 * (1 - a) * a ** (n - 4) if n >= 4 else 0.0 for n in range(100)])
    torch.testing.assert_close(sums, drive.cumsum(0), atol=1e-7, rtol=1e-5)
    assert float(sums[-1]) == pytest.approx(0.2 * 0.5 * 2, rel=1e-5)


@pytest.mark.parametrize("delay", [0, 1, 2, 5])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_delay_is_counted_in_whole_steps(delay: int, sparse: bool) -> None:
    weight = torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    synapses = SparseSynapses.of(weight) if sparse else weight
    groups = {"out": Population(3, Counter()), "in": SpikeSource(2)}
    network = SpikingNetwork(groups, [Connection("in", "out", synapses, delay=delay * DT)], dt=DT)
    found = network.run({"in": trains((2e-3, 0), (4e-3, 1), size=2)}, steps=12, record=["out"])
    times, neurons = found.spikes["out"].of(0)
    assert neurons.tolist() == [0, 2]
    np.testing.assert_allclose(times.numpy(), [(2 + delay) * DT + DT / 2, (4 + delay) * DT + DT / 2])


def test_a_ring_hands_a_spike_round() -> None:
    """A loop of three neurons with delays of 1, 2 and 3 steps: the spike comes back every 6 steps."""
    groups = {name: Population(1, Counter()) for name in "abc"} | {"start": SpikeSource(1)}
    one = torch.ones(1, 1)
    ring = [Connection(s, t, one, delay=d * DT) for s, t, d in (("a", "b", 1), ("b", "c", 2), ("c", "a", 3))]
    network = SpikingNetwork(groups, [*ring, Connection("start", "a", one)], dt=DT)
    found = network.run({"start": trains((0.0, 0))}, steps=60, record=["a", "b", "c"])
    for name, first in (("a", 1), ("b", 2), ("c", 4)):
        steps = np.round(found.spikes[name].of(0)[0].numpy() / DT - 0.5)
        np.testing.assert_array_equal(steps, np.arange(first, 60, 6))


def reference(w: torch.Tensor, recurrent: torch.Tensor, spikes: np.ndarray, steps: int) -> np.ndarray:
    """Clocked leaky neurons with a low-passed input and recurrence, in double precision and matrix products."""
    n, decay, a = len(w), math.exp(-DT / 20e-3), math.exp(-DT / 5e-3)
    v, y, z = np.zeros(n), np.zeros(n), np.zeros(n)
    fired = np.zeros(n)
    out = np.zeros((n, steps))
    for k in range(steps):
        drive = 0.6 + y + z
        v = v * decay + (1 - decay) * drive
        fired = (v >= 1).astype(float)
        v[fired > 0] = 0
        out[:, k] = fired
        y = a * y + (1 - a) * (w.double().numpy() @ spikes[:, k])
        z = recurrent.double().numpy() @ fired
    return out


@pytest.mark.parametrize("stepwise", [False, True])
def test_a_recurrent_network_gives_the_spikes_of_a_matrix_computation(stepwise: bool) -> None:
    g = generator_for(7)
    w, recurrent = torch.rand(30, 50, generator=g), 0.3 * torch.randn(30, 30, generator=g)
    given = Poisson(max_rate=50.0).encode(torch.rand(1, 50, generator=g), 0.4, g)
    groups = {"in": SpikeSource(50), "out": Population(30, LEAKY, bias=0.6, clocked=True)}
    links = [Connection("in", "out", w, time_constant=5e-3), Connection("out", "out", SparseSynapses.of(recurrent))]
    network = SpikingNetwork(groups, links, dt=DT)
    found = network.run({"in": given}, 0.4, record=["out"], stepwise=stepwise)
    expected = reference(w, recurrent, given.dense(DT, 400)[0].double().numpy(), 400)
    assert expected.sum() > 300
    dense = SpikeTrains.of_events(found.spikes["out"].times - DT, found.spikes["out"].neurons, 30).dense(DT, 400)
    np.testing.assert_array_equal(dense[0].numpy(), expected)


def test_spike_times_converge_with_the_step() -> None:
    """Pulses of given width and delay: halving the step halves the error of the spike times, or better."""
    w = torch.rand(5, 20, generator=generator_for(2)) * 6
    given = Poisson(max_rate=80.0).encode(torch.ones(1, 20), 0.05, generator_for(1))

    def times(dt: float) -> np.ndarray:
        link = Connection("in", "out", w, width=1e-3, time_constant=4e-3, delay=1e-3)
        groups = {"in": SpikeSource(20), "out": Population(5, LEAKY)}
        found = SpikingNetwork(groups, [link], dt=dt).run({"in": given}, 0.05, record=["out"])
        when, who = found.spikes["out"].of(0)
        return np.concatenate([when[who == n][:3].numpy() for n in range(5)])

    exact = times(1e-3 / 256)
    assert len(exact) == 15
    errors = [np.abs(times(1e-3 / n) - exact).max() for n in (4, 16, 64)]
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 2 and errors[2] < errors[1] / 2


def test_samples_and_chips_side_by_side_are_those_one_by_one() -> None:
    """Two chips with their own devices and weights, three samples: the same spikes as alone, noise by chip and cell."""
    g = generator_for(4)
    w = torch.rand(2, 8, 12, generator=g)
    given = Poisson(max_rate=90.0).encode(torch.rand(3, 12, generator=g), 0.1, g)
    groups = {"in": SpikeSource(12), "out": Population(8, SPREAD)}
    both = SpikingNetwork(groups, [Connection("in", "out", w, amplitude=4.0)], dt=DT, chips=2)
    one = SpikingNetwork(groups, [Connection("in", "out", w[:1], amplitude=4.0)], dt=DT, chips=1)
    a, b = both.run({"in": given}, 0.1), one.run({"in": given}, 0.1)
    assert a.counts["out"].shape == (2, 3, 8) and a.rates("out").shape == (2, 3, 8)
    assert torch.equal(a.counts["out"][:1], b.counts["out"])
    assert not torch.equal(a.counts["out"][0], a.counts["out"][1])
    quiet = {"in": SpikeSource(12), "out": Population(8, LEAKY)}
    for sample in range(3):
        times, neurons = given.of(sample)
        alone = SpikeTrains.of_events(times, neurons, 12)
        network = SpikingNetwork(quiet, [Connection("in", "out", w, amplitude=4.0)], dt=DT, chips=2)
        together = network.run({"in": given}, 0.1).counts["out"][:, sample]
        assert torch.equal(network.run({"in": alone}, 0.1).counts["out"][:, 0], together)


def test_a_run_goes_on_where_another_stopped() -> None:
    w = torch.rand(6, 10, generator=generator_for(0))
    given = Poisson(max_rate=100.0).encode(torch.ones(2, 10), 0.2, generator_for(1))
    groups = {"in": SpikeSource(10), "out": Population(6, LEAKY, inhibition=WinnerTakeAll(hold=4e-3))}
    links = [Connection("in", "out", w, amplitude=5.0, time_constant=5e-3, delay=3e-3)]
    network = SpikingNetwork(groups, links, dt=DT)
    whole = network.run({"in": given}, 0.2, record=["out"]).spikes["out"]
    times, neurons, rows = given.times, given.neurons, given.rows
    early = times < 0.1 - 1e-9
    parts = [
        SpikeTrains.of_events(times[m] - begin, neurons[m], 10, rows[m], (2,))
        for m, begin in ((early, 0), (~early, 0.1))
    ]
    for stepwise in (False, True):
        first = network.run({"in": parts[0]}, 0.1, record=["out"], stepwise=stepwise)
        second = network.run({"in": parts[1]}, 0.1, record=["out"], state=first.state, stepwise=not stepwise)
        both = torch.cat([first.spikes["out"].of(1)[0], second.spikes["out"].of(1)[0] + 0.1])
        torch.testing.assert_close(both, whole.of(1)[0], atol=1e-12, rtol=0)


def test_the_state_dict_is_the_chip() -> None:
    groups = {"out": Population(20, SPREAD, bias=2.0)}
    links = [Connection("out", "out", -torch.rand(20, 20, generator=generator_for(0)))]
    chip = SpikingNetwork(groups, links, dt=DT, seed=1)
    chip.fabricate(generator_for(5, "chip"))
    other = SpikingNetwork(groups, [Connection("out", "out", torch.zeros(20, 20))], dt=DT, seed=2)
    a, b = chip.run(steps=100, generator=generator_for(3)), other.run(steps=100, generator=generator_for(3))
    assert not torch.equal(a.counts["out"], b.counts["out"])
    other.load_state_dict(chip.state_dict())
    assert torch.equal(a.counts["out"], other.run(steps=100, generator=generator_for(3)).counts["out"])


def test_intervals_of_a_drive_are_held() -> None:
    values = torch.tensor([[0.25, 0.0], [0.0, 0.5], [0.0, 0.0]])
    network = SpikingNetwork({"out": Population(2, Counter())}, dt=DT)
    found = network.run({"out": Drive(values, 4e-3)}, steps=20, record={"out": ("spikes", "membrane")}, every=2)
    assert found.counts["out"].tolist() == [[1, 2]]
    assert found.membranes["out"].shape == (1, 2, 10)
    assert found.membranes["out"][0, 0].tolist() == [0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    leaky = SpikingNetwork({"out": Population(2, LEAKY)}, dt=DT)
    wave = Drive(torch.rand(7, 1, 2, generator=generator_for(0)) * 3, 3e-3)
    fast, slow = (leaky.run({"out": wave}, steps=30, record={"out": "membrane"}, every=30, stepwise=s) for s in (0, 1))
    assert torch.equal(fast.membranes["out"], slow.membranes["out"])


def test_energy_counts_spikes_and_the_synapses_they_pass() -> None:
    groups = {"in": SpikeSource(3), "out": Population(2, Counter())}
    links = [
        Connection("in", "out", torch.full((2, 3), 0.4)),
        Connection("in", "out", SparseSynapses.of(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])), name="few"),
    ]
    network = SpikingNetwork(groups, links, dt=DT)
    found = network.run({"in": trains((0.0, 0), (1e-3, 1), (2e-3, 2), size=3)}, steps=10)
    assert found.energy.events["synaptic_event"] == 3 * 2 + 1
    assert found.energy.events["spike"] == float(found.counts["out"].sum()) == 2


def test_the_first_to_cross_wins_and_holds_the_others() -> None:
    drive = torch.tensor([[3.0, 3.3, 2.0]])
    groups = {"out": Population(3, LEAKY, inhibition=WinnerTakeAll(hold=5e-3))}
    network = SpikingNetwork(groups, dt=DT)
    for stepwise in (False, True):
        found = network.run({"out": drive}, steps=60, record={"out": ("spikes", "membrane")}, stepwise=stepwise)
        times, neurons = found.spikes["out"].of(0)
        assert set(neurons.tolist()) == {1}
        assert float(times[0]) == pytest.approx(20e-3 * math.log(3.3 / 2.3), rel=1e-6)  # drives are single
        step = int(times[0] / DT)
        traces = found.membranes["out"][0]
        assert bool((traces[[0, 2], step : step + 5] == 0).all()) and bool((traces[[0, 2], step + 5] > 0).all())


def test_neurons_that_cross_together_leave_one_winner_without_a_trace_in_the_losers() -> None:
    adaptive = LeakyIntegrateAndFire(
        time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=5e-3, noise=0.0,
        adaptation="current", adaptation_step=0.1, adaptation_time=0.2, threshold_spread=0.0, time_constant_spread=0.0,
    )  # fmt: skip
    network = SpikingNetwork({"out": Population(4, adaptive, inhibition=WinnerTakeAll(hold=2e-3))}, dt=5e-3)
    for stepwise in (False, True):
        found = network.run({"out": torch.tensor([20.0, 30.0, 25.0, 0.0])}, steps=1, stepwise=stepwise)
        state = found.state.groups["out"].state
        assert found.counts["out"].tolist() == [[0, 1, 0, 0]]
        assert bool((state["adaptation"][0, 0, [0, 2, 3]] == 0).all()) and float(state["adaptation"][0, 0, 1]) > 0.09
        assert bool((state["waiting"][0, 0, [0, 2, 3]] == 0).all())


class Hebb:
    """Raises the weights from inputs that have fired so far, of the neuron that fires: a rule without physics."""

    listens = ("out",)

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, moment: Moment) -> list[Change]:
        self.calls.append(moment.step)
        (rows,) = moment.spikes("out").sum((0, 1)).nonzero(as_tuple=True)
        assert moment.weight("in-out").shape == (2, 3) and moment.read("out").shape == (1, 1, 2)
        return [Change("in-out", (rows,), Update(torch.full((len(rows), 3), 0.125)))]


def test_plasticity_is_asked_when_its_population_fires_and_changes_chosen_rows() -> None:
    groups = {"in": SpikeSource(3), "out": Population(2, Counter())}
    start = torch.tensor([[0.5, 0.5, 0.5], [0.0, 0.0, 0.25]])
    network = SpikingNetwork(groups, [Connection("in", "out", start)], dt=DT)
    rule = Hebb()
    given = trains(*((k * DT, k % 3) for k in range(12)), size=3)
    found = network.run({"in": given}, steps=13, plasticity=rule)
    sums, weight, fired = np.zeros(2), start.double().numpy(), []
    for k in range(13):
        sums += weight[:, (k - 1) % 3] if 1 <= k <= 12 else 0
        spikes = sums >= 1
        sums[spikes] = 0
        weight[spikes] += 0.125
        fired += [k] * int(spikes.sum())
    assert rule.calls == sorted(set(fired)) and len(fired) > 3
    np.testing.assert_allclose(network.synapses["in-out"].weight.numpy(), weight)
    assert float(found.counts["out"].sum()) == len(fired)


def test_runaway_firing_stops_with_the_name_of_the_population() -> None:
    groups = {"calm": Population(3, LEAKY), "wild": Population(3, LEAKY, bias=1.5, max_rate=200.0)}
    links = [Connection("wild", "wild", torch.full((3, 3), 20.0)), Connection("wild", "calm", torch.zeros(3, 3))]
    for stepwise in (False, True):
        with pytest.raises(RunawayError, match="population 'wild' runs away: .* more than 200 Hz"):
            SpikingNetwork(groups, links, dt=DT).run(duration=1.0, stepwise=stepwise)
    with pytest.raises(RunawayError, match="population 'wild' runs away .* more than 1000 times in one step"):
        SpikingNetwork({"wild": Population(1, LEAKY, bias=1e5)}, dt=DT).run(duration=1.0, stepwise=True)
    rested = SpikingNetwork({**groups, "wild": Population(3, LEAKY, bias=1.5, max_rate=200.0)}, dt=DT)
    assert float(rested.run(duration=0.2).rates("wild").max()) < 200


def test_progress_is_told_and_ends_at_one() -> None:
    told: list[float] = []
    network = SpikingNetwork({"out": Population(3, LEAKY, bias=1.5)}, dt=DT)
    network.run(duration=0.5, progress=told.append)
    assert told == sorted(told) and told[-1] == 1.0 and 20 <= len(told) <= 200


def test_the_global_generator_is_left_alone() -> None:
    network = SpikingNetwork({"out": Population(3, SPREAD, bias=1.5)}, dt=DT)
    before = torch.get_rng_state()
    a, b = network.run(steps=50), network.run(steps=50)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a.counts["out"], b.counts["out"])
