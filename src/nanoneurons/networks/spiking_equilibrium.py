r"""Networks of leaky integrate-and-fire neurons with symmetric weights, which settle to steady rates.

.. math:: \tau_m \dot v_i = -v_i + b_i + \sum_j W_{ij} s_j(t) + [i\ \text{input-driven}]\ (W x)_i
    + \beta\,(d_i - s_i)\,[i\ \text{output}], \qquad v_i \ge 1:\ \text{spike},\ v_i \leftarrow 0\ \text{for}\ t_r

with *s* the trace of a neuron's spikes, an exponential of time constant :math:`\tau_s` after each, scaled so that its
mean is the rate as a share of the highest one, :math:`\rho = r\,t_r`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ConvergenceWarning, DivergedError, ParameterError, RefusedError, StudyError
from nanoneurons.core.random import draw_key, generator_for
from nanoneurons.layers.coupling import DenseCoupling

from ._spiking_phases import run_phases
from ._wiring import Edge, Wired
from .dynamics import Relaxation
from .feedforward import parse

__all__ = ["SpikingEnergyNetwork", "SpikingNeurons", "SpikingPhases", "SpikingRun", "build_spiking_energy"]

_RUNAWAY = 0.95  # mean rate of a group, of the highest, that weights which mean anything do not lead to


@dataclass(frozen=True)
class SpikingNeurons:
    r"""Constants of all neurons of a network, in s; voltages are in units of the threshold.

    Args:
        membrane: time constant of the voltage.
        refractory: time after a spike in which the voltage stays at rest; 1 over it is the highest rate.
        synapse: time constant of the trace of a spike, which is both the current it causes and what is known of rates.
        slow: time constant of the second filter, whose lag behind the trace tells how a rate is changing.
        step: of the simulation. When a voltage crosses the threshold within a step, the rest of it counts for the next
            interval, so rates do not depend on the step to first order.

    Raises:
        ParameterError: names a constant that is not positive, a step longer than the shortest of them, or a slow
            filter that is not slower than the trace.
    """

    membrane: float = 10e-3
    refractory: float = 10e-3
    synapse: float = 30e-3
    slow: float = 60e-3
    step: float = 2e-3

    def __post_init__(self) -> None:
        constants = {name: getattr(self, name) for name in ("membrane", "refractory", "synapse", "slow")}
        for name, value in {**constants, "step": self.step}.items():
            if not (value > 0 and math.isfinite(value)):
                raise ParameterError(f"{name} must be a positive time in s, not {value!r}")
        shortest = min(constants, key=lambda name: constants[name])
        if self.step > constants[shortest]:
            raise ParameterError(
                f"a step of {self.step:g} s is longer than the shortest time constant, {shortest} = "
                f"{constants[shortest]:g} s; take a shorter step"
            )
        if self.slow <= self.synapse:
            raise ParameterError(
                f"slow = {self.slow:g} s must be above synapse = {self.synapse:g} s: a rate is seen to change by how "
                "far the slow filter lags behind the trace"
            )

    @property
    def held(self) -> int:
        """Steps of the refractory period."""
        return max(1, round(self.refractory / self.step))

    def rate(self, drive: torch.Tensor) -> torch.Tensor:
        r"""Rate at a constant current, as a share of the highest:
        :math:`\rho = [1 + (\tau_m / t_r) \ln(I / (I - 1))]^{-1}` above threshold, else 0."""
        over = drive.clamp_min(1 + 1e-6)
        ratio = self.membrane / (self.held * self.step)
        return torch.where(drive > 1, 1 / (1 + ratio * torch.log(over / (over - 1))), torch.zeros_like(drive))


@dataclass(frozen=True)
class SpikingPhases:
    """How long a network is watched, in s.

    Args:
        free, nudged: lengths of the phases of learning.
        averaged: last part of them whose spikes make the rates; all of a free phase that is shorter.
        settle, answer: when classifying, time that passes before spikes are counted, and time in which they are.
        taper: share of a counting window over which spikes count less and less towards both its ends, which takes most
            of the chance out of whether the first and last spike of a regular train fall into it.

    Raises:
        ParameterError: names what is not positive or does not fit.
    """

    free: float = 0.12
    nudged: float = 0.15
    averaged: float = 0.1
    settle: float = 0.06
    answer: float = 0.2
    taper: float = 0.5

    def __post_init__(self) -> None:
        for name in ("free", "nudged", "averaged", "settle", "answer"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ParameterError(f"{name} must be a positive time in s, not {value!r}")
        if self.averaged > self.nudged:
            raise ParameterError(
                f"averaged = {self.averaged:g} s is longer than a nudged phase of {self.nudged:g} s; take a shorter "
                "one, or a longer phase"
            )
        if not 0 <= self.taper <= 1:
            raise ParameterError(f"taper must be between 0 and 1, not {self.taper!r}")


@dataclass
class SpikingRun:
    """What phases left behind; phase 0 is the free one, then one per beta.

    Attributes:
        rates: of every phase and group, the input not included, ``(*chips, batch, neurons)``: spikes of its window, as
            a share of the highest rate.
        filtered: the same from the slow filter, at the end of the phase.
        changes: of every coupling between neurons, sum over batch and nudged phases of what spikes alone suggest, in
            the shape of the weights; zero where no signs were given.
        spikes: of the free and of all nudged phases together, group by group, per sample and chip.
    """

    rates: list[list[torch.Tensor]]
    filtered: list[list[torch.Tensor]]
    changes: list[torch.Tensor]
    spikes: list[list[float]]


class SpikingEnergyNetwork(Wired):
    r"""A chain of groups of leaky integrate-and-fire neurons, each coupled both ways to the next by the same weights.

    At steady rates every neuron sees what it would in a rate network with the state function of `SpikingNeurons.rate`,
    whose energy the symmetric weights guarantee; that is what equilibrium propagation needs. Inputs are constant
    currents through the first coupling, worked out once per sample; between groups a spike adds one row of weights to
    the currents of the neurons it reaches, so cost follows spikes. Phases start at random voltages, the same for all
    chips; nudged phases of either sign start from one and the same end of the free phase, so that what chance they
    share cancels in their difference.

    Args:
        sizes: neurons of every group, the input first.
        couplings: one between each group and the next.
        neurons, phases: constants.
        chips: networks side by side; rates are then ``(chips, batch, neurons)``.
        seed: of the voltages that classifying starts at.
        bias_start: constant current of every neuron before training; 1 is the threshold.
        input_range: what `check_input` accepts; None for any finite input.

    Raises:
        ParameterError: sizes and couplings that do not fit. RefusedError: couplings that are untied or binary.

    Not modelled: delays, neurons that differ, noise of their own; devices between groups of neurons are read once per
    mini-batch (with the noise of single devices) instead of at every spike, without converters.

    Source: Martin et al., iScience 24:102222 (2021), arXiv:2010.07859; constants are ours.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        couplings: Sequence[DenseCoupling],
        *,
        neurons: SpikingNeurons | None = None,
        phases: SpikingPhases | None = None,
        chips: int | None = None,
        seed: int = 0,
        bias_start: float = 1.0,
        input_range: tuple[float, float] | None = (-1.0, 1.0),
    ) -> None:
        if len(couplings) != len(sizes) - 1:
            count = len(couplings)
            raise ParameterError(f"{len(sizes)} groups in a chain need {len(sizes) - 1} couplings, not {count}")
        neurons, phases = neurons or SpikingNeurons(), phases or SpikingPhases()
        steps = [max(1, round(t / neurons.step)) for t in (phases.free, phases.nudged, phases.averaged)]
        edges = [Edge(n, n + 1, c) for n, c in enumerate(couplings)]
        super().__init__(
            [(int(n),) for n in sizes], edges, Relaxation(steps[0], steps[1], averaged=min(steps)), chips, input_range
        )
        self.neurons, self.times, self.counted = neurons, phases, steps[2]
        self.require_symmetric()
        if any(c.binary for c in couplings):
            raise RefusedError("spiking equilibrium propagation has graded weights; make couplings with binary=False")
        self.classes = self.shapes[-1][0]
        lead = () if chips is None else (chips,)
        self.biases = nn.ParameterList(nn.Parameter(torch.full((*lead, n), bias_start)) for (n,) in self.shapes[1:])
        self.key = draw_key(generator_for(seed, "voltages"))
        self.reads = generator_for(seed, "reads")
        self.spikes: list[float] = [0.0] * self.last
        self.learning_spikes: list[float] = [0.0] * self.last
        self.warned = False
        inner = [math.prod(e.coupling.weight.shape[-2:]) for e in self.edges[1:]]
        self._places = np.concatenate([[0], np.cumsum(inner)]).astype(np.int64)
        self._groups_at = np.concatenate([[0], np.cumsum([n for (n,) in self.shapes[1:]])]).astype(np.int64)

    # -- phases ---------------------------------------------------------------------------------------

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Rates of the outputs, ``(*chips, batch, classes)``, as a share of the highest.

        Raises:
            ParameterError: inputs of a wrong shape, or that are not numbers.
            DivergedError: a group fires as fast as it can, or weights are no longer numbers.
        """
        self.check_input(x, ranged=False)
        step = self.neurons.step
        settle, answer = round(self.times.settle / step), max(1, round(self.times.answer / step))
        found = self.run(x, window=self._window(settle + answer, answer))
        self.spikes = found.spikes[0]
        return found.rates[0][-1]

    @torch.no_grad()
    def run(
        self,
        x: torch.Tensor,
        target: torch.Tensor | None = None,
        betas: Sequence[float] = (),
        signs: Sequence[float] = (),
        *,
        window: np.ndarray | None = None,
        nudged_window: np.ndarray | None = None,
        key: int | None = None,
    ) -> SpikingRun:
        """A free phase, and from its end a nudged one per beta.

        Args:
            x: ``(batch, *shape)``, or ``(chips, batch, features)``.
            target: wanted rates ``(*chips, batch, outputs)``, needed when nudged.
            signs: weight of every nudged phase in `SpikingRun.changes`; none for no such changes.
            window, nudged_window: weight of a spike in every step of the free and of the nudged phases, as many as the
                phase has; those of learning if not given.
            key: of the random numbers; that of the network, the same every time, if not given.

        Raises:
            ParameterError: nudged without a target. DivergedError: see `forward`.
        """
        if betas and target is None:
            raise ParameterError("a nudged phase needs a target")
        if x.device.type != "cpu":
            raise ParameterError("spiking networks run on the CPU; move inputs and network there")
        field = self._field(x)
        chips, batch, size = field.shape
        steps = self.relaxation.steps
        free = self._window(steps, min(steps, self.counted)) if window is None else window
        nudged = self._window(self.relaxation.nudged_steps, self.counted) if nudged_window is None else nudged_window
        up, down = self._weights(chips)
        if not (np.isfinite(up).all() and np.isfinite(field).all()):
            raise DivergedError("weights or biases are no longer numbers; lower the learning rate")
        wanted = np.zeros((1, 1, self.classes), np.float32)
        if target is not None:
            wanted = target.to(torch.float32).expand(chips, batch, self.classes).contiguous().numpy()
        phases = 1 + len(betas)
        rates, filtered = (np.zeros((phases, chips, batch, size), np.float32) for _ in range(2))
        sums = [np.zeros_like(up) for _ in range(2)]
        counts = np.zeros((chips, 2, self.last), np.int64)
        run_phases(
            self._groups_at, up, down, self._places, *self._constants(), field, wanted,
            np.array(betas, np.float32), np.array(signs or [0.0] * len(betas), np.float32), free, nudged,
            self.key if key is None else key, rates, filtered, sums[0], sums[1], counts,
        )  # fmt: skip
        spikes = (counts.sum(0) / (chips * batch)).tolist()
        self._judge(spikes[0], len(free))
        return SpikingRun(self._parts(rates), self._parts(filtered), self._changes(*sums), spikes)

    def _field(self, x: torch.Tensor) -> np.ndarray:
        """Constant currents of all neurons, ``(chips, batch, neurons)``."""
        own = self.chips is not None and x.dim() == 3 and (x.shape[0], *x.shape[2:]) == (self.chips, *self.shapes[0])
        x = (x if own else x.reshape(len(x), -1)).to(torch.float32)
        first = self.edges[0].coupling
        first.prepare(torch.float32)
        bias = [b.detach().unsqueeze(-2) for b in self.biases]
        fields = [first.up(x, bias[0])[0]]
        lead = (1,) if self.chips is None else (self.chips,)
        batch = x.shape[-2]
        flat = [f.expand(*lead, batch, f.shape[-1]) for f in (*fields, *bias[1:])]
        return torch.cat(flat, -1).contiguous().numpy()

    def _weights(self, chips: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of weights that a spike adds to the group above and to the group below, ``(chips, all)``."""
        up, down = [torch.zeros(chips, 0)], [torch.zeros(chips, 0)]
        for e in self.edges[1:]:
            layer = e.coupling
            weight = layer.weight.detach()
            if layer.fabricated and layer.noisy_reads:
                weight = layer._wired().weights(layer.state, self.reads)  # type: ignore[attr-defined]
            weight = weight.to(torch.float32)
            down.append(weight.reshape(chips, -1))
            up.append(weight.transpose(-2, -1).reshape(chips, -1))
        return torch.cat(up, 1).contiguous().numpy(), torch.cat(down, 1).contiguous().numpy()

    def _constants(self) -> tuple[tuple[Any, ...], np.float32]:
        n = self.neurons
        held, fast, slow = n.held, n.synapse / n.step, n.slow / n.step
        keep = [math.exp(-1 / t) for t in (n.membrane / n.step, fast, slow)]
        gains = [held * (1 - k) / k for k in keep[1:]]  # the mean trace of a neuron is its rate times t_r
        f = np.float32
        band = f(held / (slow - fast))
        packed = (f(1 - keep[0]), np.int32(held), f(keep[1]), f(keep[2]), f(gains[0]), f(gains[1]), band)
        return packed, f(fast / (slow - fast))

    def _window(self, steps: int, averaged: int) -> np.ndarray:
        """Weight of a spike in every step: its window, such that the sum is a rate as a share of the highest."""
        place = (np.arange(averaged) + 0.5) / averaged
        edge = 0.5 * self.times.taper
        shape = np.ones(averaged) if edge == 0 else np.minimum(1, np.minimum(place, 1 - place) / edge)
        weights = np.zeros(steps, np.float32)
        weights[steps - averaged :] = shape * (self.neurons.held / shape.sum())
        return weights

    def _parts(self, found: np.ndarray) -> list[list[torch.Tensor]]:
        whole = torch.from_numpy(found if self.chips is not None else found[:, 0])
        sizes = [n for (n,) in self.shapes[1:]]
        return [list(phase.split(sizes, -1)) for phase in whole]

    def _changes(self, up: np.ndarray, down: np.ndarray) -> list[torch.Tensor]:
        found = []
        for k, e in enumerate(self.edges[1:]):
            here = slice(self._places[k], self._places[k + 1])
            shape = e.coupling.weight.shape
            rows = torch.from_numpy(up[:, here]).reshape(*shape[:-2], shape[-1], shape[-2]).transpose(-2, -1)
            found.append(rows + torch.from_numpy(down[:, here]).reshape(shape))
        return found

    def _judge(self, spikes: list[float], steps: int) -> None:
        """Stop when a group fires as fast as it can; warn, once, when one has fallen silent."""
        if steps < 3 * self.neurons.held:  # too short to tell
            return
        for n, count in enumerate(spikes, start=1):
            name = "outputs" if n == self.last else f"hidden group {n}"
            rate = count * self.neurons.held / (self.shapes[n][0] * steps)
            if rate > _RUNAWAY * self.neurons.held / (self.neurons.held + 1):  # the highest at this step
                raise DivergedError(
                    f"{name}: runaway firing, {100 * rate:.0f} % of the highest rate on average; lower the learning "
                    "rate, the weights or the biases"
                )
            if count == 0 and not self.warned:
                self.warned = True
                warnings.warn(
                    f"{name}: no neuron has fired in a whole mini-batch, so nothing is learnt there; raise its biases, "
                    "or lower the learning rate",
                    ConvergenceWarning,
                    stacklevel=4,
                )

    # -- outputs --------------------------------------------------------------------------------------

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """One-hot targets ``(*chips, batch, classes)`` of labels."""
        hot = torch.zeros(*labels.shape, self.classes)
        return hot.scatter_(-1, labels.unsqueeze(-1), 1.0)

    # -- energy ---------------------------------------------------------------------------------------

    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of classifying one sample on one chip: with samples `x`, of these, else of those classified last.

        The first array is read once and its currents held; between neurons each spike reads one row of devices.
        """
        if x is not None:
            self(x)
        return self._events(self.spikes)

    def spiking_counts(self) -> Counts:
        """Events of learning from one sample on one chip, as in the mini-batch learnt last."""
        return self._events(self.learning_spikes)

    def synaptic_events(self, spikes: Sequence[float]) -> float:
        """Devices read, or weights added, by so many spikes of every group."""
        sizes = [0, *(n for (n,) in self.shapes[1:]), 0]
        sent = [below + above for below, above in zip(sizes[:-2], sizes[2:], strict=True)]
        return float(sum(n * count for n, count in zip(sent, spikes, strict=True)))

    def _events(self, spikes: Sequence[float]) -> Counts:
        each = self.edges[0].coupling._wired().inference(1, 1).events.get("read", 1.0)
        between = Counts({"read": self.synaptic_events(spikes) * each, "spike": float(sum(spikes))})
        return self.edges[0].coupling.counts() + between

    @property
    def reading(self) -> str:
        """What classifying a sample takes, in a sentence."""
        return (
            f"A sample is classified by the rates of the outputs in {1e3 * self.times.answer:g} ms after "
            f"{1e3 * self.times.settle:g} ms of settling; {sum(self.spikes):.0f} spikes and "
            f"{self.synaptic_events(self.spikes):.0f} synaptic events for each of the samples classified last."
        )


def build_spiking_energy(
    spec: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    kind: str = "analog",
    circuit: Circuit | None = None,
    chips: int | None = None,
    seed: int = 0,
    gain: float = 1.0,
    **more: Any,
) -> SpikingEnergyNetwork:
    """Build a chain of groups of spiking neurons from its sizes, such as ``784-300-10``.

    Args:
        spec, shape, classes, kind, circuit, chips, seed: as for `nanoneurons.networks.build` (`kind` must be
            ``"analog"``); dense layers only. ``auto`` has one hidden group.
        gain: of the Glorot weights that couplings begin with.
        more: passed to `SpikingEnergyNetwork`.

    Raises:
        StudyError: the description is malformed, does not fit the data, or asks for convolutions.
    """
    if kind != "analog":
        raise StudyError(f"spiking networks with symmetric weights have analog couplings, not {kind!r}")
    spec, tokens, convolutional = parse(spec, shape, classes, wide=True)
    if convolutional or any("dense" not in t for t in tokens):
        raise StudyError(f"network {spec!r}: spiking networks have dense layers only, such as 784-300-10")
    sizes = [math.prod(shape), *(t["dense"] for t in tokens)]
    draw = generator_for(seed, "spiking energy network", spec)
    seeds = [int(torch.randint(2**31, (), generator=draw)) for _ in sizes[1:]]
    couplings = [
        DenseCoupling(a, b, circuit=circuit, chips=chips, start="glorot", gain=gain, seed=s)
        for (a, b), s in zip(pairwise(sizes), seeds, strict=True)
    ]
    return SpikingEnergyNetwork(sizes, couplings, chips=chips, seed=seed, **more)
