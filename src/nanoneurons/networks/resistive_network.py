r"""Networks of resistors and diodes that compute by Kirchhoff's laws: a memristor crossbar that finds its own gradient.

.. math:: E(v) = \frac12 \sum_{(j,k)} g_{jk} (v_j - v_k)^2 - \sum_j i_j v_j, \qquad
    v_j \leftarrow \mathrm{clip}\!\left(\frac{\sum_k g_{jk} v_k + i_j}{\sum_k g_{jk}}\right)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn

from nanoneurons.circuits import Circuit, MemoryCircuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.resistive import ResistiveCoupling
from nanoneurons.physics.resistive import clip_halves, half_power, node_voltages, nudged_pair

from ._phases import Clamped, Relaxed, RelaxingNetwork, States
from ._wiring import Edge
from .dynamics import Relaxation
from .feedforward import parse

__all__ = ["ResistiveNetwork", "build_resistive"]

_FEW = Relaxation(4, 4, "alternating")
Outputs = Literal["plain", "pairs"]


@dataclass
class _Held(Clamped):
    """A mini-batch at the sources: `fields` are currents, `conductances` what hangs on every node, by group."""

    conductances: list[torch.Tensor] = field(default_factory=list)


class ResistiveNetwork(RelaxingNetwork):
    r"""Groups of nodes joined by conductances, inputs from voltage sources, hidden nodes bounded by ideal diodes.

    A sample *x* is put in as the voltages :math:`A\,(x, -x)`, since no conductance is negative. The first half of every
    hidden group cannot go below 0 V, the second half not above. Outputs have no diodes and are nudged by a current
    :math:`\beta\,(y - v)`. Voltages and conductances only matter up to their scales: V in units of the targets, g in
    units of `siemens`. Each step minimises the power exactly, one set of groups after the other, so the power of a free
    phase never rises.

    Args:
        shapes: ``(nodes,)`` of every group, the input first (twice its features), hidden groups even.
        edges: `ResistiveCoupling`s.
        amplification: A.
        relaxation: how many rounds; the order must be alternating.
        outputs: ``"plain"``: a node for each class; ``"pairs"``: two, whose difference counts.
        chips: networks side by side; voltages are then ``(chips, batch, nodes)``.
        input_range: what `check_input` accepts.

    Raises:
        ParameterError: shapes and couplings that do not fit, or that couplings have different `siemens`.

    Attributes:
        biases: current injected into every node, in units of `siemens` times the unit of voltage.
        siemens: conductance in S that 1 stands for.

    Not modelled: capacitance, real diodes, noise, source and wire resistance; an output is read without a load.

    Source: Kendall et al., arXiv:2006.01981 (2020); Scellier, ICML 2024 (PMLR 235), arXiv:2402.11674.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        edges: Sequence[Edge],
        *,
        amplification: float = 480.0,
        relaxation: Relaxation = _FEW,
        outputs: Outputs = "plain",
        chips: int | None = None,
        input_range: tuple[float, float] | None = (-1.0, 1.0),
    ) -> None:
        super().__init__(shapes, edges, relaxation, chips, input_range)
        if outputs not in ("plain", "pairs"):
            raise ParameterError(f"outputs must be 'plain' or 'pairs', not {outputs!r}")
        if relaxation.order != "alternating":
            raise ParameterError("a network of resistors is solved group by group; its order must be 'alternating'")
        if not (amplification > 0 and math.isfinite(amplification)):
            raise ParameterError(f"amplification must be a positive number, not {amplification!r}")
        for n, shape in enumerate(self.shapes):
            paired = n < self.last or outputs == "pairs"
            if len(shape) != 1 or (paired and shape[0] % 2):
                raise ParameterError(
                    f"group {n} has shape {shape}; give (nodes,), an even number but for plain outputs"
                )
        units = {e.coupling.siemens for e in self.edges if isinstance(e.coupling, ResistiveCoupling)}
        if len(units) != 1 or not all(isinstance(e.coupling, ResistiveCoupling) for e in self.edges):
            raise ParameterError("a network of resistors has ResistiveCouplings only, all with the same siemens")
        self.siemens = units.pop()
        self.amplification, self.pairs = amplification, outputs == "pairs"
        self.input_shape = (self.shapes[0][0] // 2,)
        self.classes = self.shapes[-1][0] // (2 if self.pairs else 1)
        lead = () if chips is None else (chips,)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(*lead, *s)) for s in self.shapes[1:])

    # -- phases ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def clamp(self, x: torch.Tensor) -> Clamped:
        """Apply a mini-batch to the sources; sum up what is constant in the phases to come.

        Args:
            x: ``(batch, *features)``; with chips also ``(chips, batch, features)``, samples of its own for every chip.
        """
        own = self.chips is not None and x.dim() == 3 and (x.shape[0], x.shape[2]) == (self.chips, *self.input_shape)
        x = (x if own else x.reshape(len(x), -1)).to(self.dtype) * self.amplification
        v = torch.cat([x, -x], -1)
        currents: list[Any] = [None, *(b.detach().to(self.dtype).unsqueeze(-2) for b in self.biases)]
        conductances: list[Any] = [0.0] * len(self.shapes)
        for e in self.edges:
            e.coupling.prepare(self.dtype)
            below, above = e.coupling.totals  # type: ignore[attr-defined]
            conductances[e.source] = conductances[e.source] + below
            conductances[e.target] = conductances[e.target] + above
            if e.source == 0:
                currents[e.target] = e.coupling.up(v)[0] + currents[e.target]
        return _Held(v, currents, v.shape[-2], conductances=conductances)

    def relax(
        self,
        x: torch.Tensor | Clamped,
        states: States | None = None,
        *,
        beta: float | complex | torch.Tensor = 0.0,
        target: torch.Tensor | None = None,
        **more: Any,
    ) -> Relaxed:
        """Let the voltages settle; see `RelaxingNetwork.relax`.

        Raises:
            RefusedError: a complex beta.
            ParameterError: a negative beta that takes out more than the output nodes' conductances give.
        """
        if isinstance(beta, complex) or (isinstance(beta, torch.Tensor) and beta.is_complex()):
            raise RefusedError(
                "diodes have no complex voltages, so the holomorphic estimator does not apply; use 'centred'"
            )
        clamped = x if isinstance(x, Clamped) else self.clamp(x)
        if (isinstance(beta, torch.Tensor) or beta != 0) and self._due(clamped.x.device):
            self._allow(clamped, beta)
        return super().relax(clamped, states, beta=beta, target=target, **more)

    def _allow(self, clamped: Clamped, beta: float | torch.Tensor) -> None:
        assert isinstance(clamped, _Held)
        total = clamped.conductances[-1]
        if self.pairs:
            plus, minus = total.chunk(2, -1)
            total = plus * minus / (plus + minus).clamp_min(torch.finfo(total.dtype).tiny)
        least = total.min()
        if float((least + beta).min() if isinstance(beta, torch.Tensor) else least + beta) <= 0:
            weakest = float(beta.min()) if isinstance(beta, torch.Tensor) else beta
            raise ParameterError(
                f"nudging by beta = {weakest:g} outweighs the conductance {float(least):.3g} of an output node, so the "
                "power has no minimum; use a smaller beta, or larger conductances at the outputs"
            )

    def _begin(self, states: States) -> None:
        return None

    def _step(self, clamped: Clamped, states: States, run: None, beta: Any, target: torch.Tensor | None) -> None:
        """One round: every set of groups that share no resistor takes its minimum, one set after the other."""
        assert isinstance(clamped, _Held)
        for group in self.groups:
            moved = [(n, self._minimum(n, clamped, states, beta if n == self.last else None, target)) for n in group]
            for n, value in moved:
                states[n] = value

    def _minimum(self, n: int, clamped: _Held, states: States, beta: Any, target: torch.Tensor | None) -> torch.Tensor:
        current, conductance = clamped.fields[n], clamped.conductances[n]
        assert current is not None
        for k in self.incoming[n]:
            e = self.edges[k]
            if e.source:
                current = e.coupling.up(states[e.source], current)[0]
        for k in self.outgoing[n]:
            e = self.edges[k]
            current = e.coupling.down(states[e.target], None, current)
        if beta is not None and target is not None:
            target = target.to(self.dtype)
            if self.pairs:
                return nudged_pair(current, conductance, beta, target)
            current, conductance = current + beta * target, conductance + beta
        v = node_voltages(current, conductance)
        return v if n == self.last else clip_halves(v)

    # -- reading --------------------------------------------------------------------------------------

    def shown(self, states: States) -> States:
        """Node voltages, the input not included."""
        return list(states)

    def outputs(self, states: States) -> torch.Tensor:
        """Scores of the classes, ``(*chips, batch, classes)``: output voltages or their differences."""
        if not self.pairs:
            return states[-1]
        plus, minus = states[-1].chunk(2, -1)
        return plus - minus

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """One-hot targets ``(*chips, batch, classes)`` of labels."""
        hot = torch.zeros(*labels.shape, self.classes, dtype=self.dtype, device=labels.device)
        return hot.scatter_(-1, labels.unsqueeze(-1), 1.0)

    def costs(self, states: States, target: torch.Tensor) -> torch.Tensor:
        """Half the squared error of every sample, ``(*chips, batch)``."""
        return 0.5 * (target - self.outputs(states)).square().sum(-1)

    def phi(self, clamped: Clamped, states: States) -> torch.Tensor:
        """Minus E of every sample, ``(*chips, batch)``."""
        v, total = [clamped.x, *states], torch.zeros((), dtype=self.dtype, device=clamped.x.device)
        for e in self.edges:
            total = total + e.coupling.phi(v[e.source], v[e.target])
        for current, s in zip(self.biases, states, strict=True):
            total = total + (current.to(self.dtype).unsqueeze(-2) * s).sum(-1)
        return total

    @torch.no_grad()
    def power(self, clamped: Clamped, states: States, volts: float = 1.0) -> torch.Tensor:
        """Power in W that the resistors dissipate, of every sample ``(*chips, batch)``, in double precision.

        Held for the time a network is given to settle and to be read, it is the energy of a phase in J. Nothing is
        dissipated in ideal diodes; converters and amplifiers are not included.

        Args:
            volts: what a voltage of 1 stands for; a full input is `amplification` times that.
        """
        v = [s.double() for s in (clamped.x, *states)]
        halves = [half_power(v[e.source], v[e.target], e.coupling.effective.double()) for e in self.edges]
        return torch.stack(halves).sum(0) * (2 * self.siemens * volts**2)

    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of classifying one sample on one chip: all voltages settle at once, only outputs are converted."""
        return Counts({"dac": float(self.shapes[0][0]), "read": self._devices, "adc": float(self.shapes[-1][0])})

    def learning_counts(self, nudged: int) -> Counts:
        """Events of a free and of nudged phases of one sample, one chip: all voltages are converted in each.

        The input is held; a nudged phase drives a current into every output.
        """
        nodes, phases = sum(shape[0] for shape in self.shapes[1:]), 1 + nudged
        drives = self.shapes[0][0] + nudged * self.shapes[-1][0]
        return Counts({"dac": float(drives), "read": self._devices * phases, "adc": float(nodes * phases)})

    @property
    def _devices(self) -> float:
        return float(sum(math.prod(e.coupling.weight.shape[-2:]) for e in self.edges))

    @property
    def reading(self) -> str:
        """What classifying a sample takes, in a sentence."""
        return (
            f"A sample is classified by the voltages that the network settles to by itself, found here in at most "
            f"{self.relaxation.steps} block-coordinate steps."
        )


def build_resistive(
    spec: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    kind: str = "analog",
    circuit: Circuit | None = None,
    chips: int | None = None,
    seed: int = 0,
    relaxation: Relaxation = _FEW,
    outputs: Outputs = "plain",
    siemens: float | None = None,
    gain: float = 1.0,
    **more: Any,
) -> ResistiveNetwork:
    """Build a chain of groups of nodes.

    Args:
        spec: sizes such as ``784-1024-10``; the input is doubled, and with pairs of outputs the classes too.
        shape, classes, kind, circuit, chips, seed: as for `nanoneurons.networks.build`.
        siemens: conductance in S that 1 stands for. When not given: 1 S in software; in devices such that the highest
            one at an output stands for one over the root of its fan-in, the highest of the initial software ones.
        gain: see `ResistiveCoupling`.
        more: passed to `ResistiveNetwork`.

    Raises:
        StudyError: the description is malformed or does not fit. RefusedError: the circuit holds no resistors.
    """
    if kind != "analog":
        raise StudyError(f"networks of resistors have graded conductances, not {kind} ones")
    spec, tokens, _ = parse(spec, shape, classes, wide=True)
    if any("dense" not in t for t in tokens):
        raise StudyError(f"network {spec!r}: networks of resistors have dense layers only, such as 784-1024-10")
    sizes = [2 * math.prod(shape), *(t["dense"] for t in tokens)]
    sizes[-1] *= 2 if outputs == "pairs" else 1
    if siemens is None:
        siemens = 1.0
        if isinstance(circuit, MemoryCircuit):
            siemens = circuit.device.conductance_range()[1] * math.sqrt(sizes[-2])
    draw, edges = generator_for(seed, "resistive network", spec), []
    for n, (a, b) in enumerate(pairwise(sizes)):
        own = int(torch.randint(2**31, (), generator=draw))
        coupling = ResistiveCoupling(a, b, circuit=circuit, siemens=siemens, chips=chips, seed=own, gain=gain)
        edges.append(Edge(n, n + 1, coupling))
    return ResistiveNetwork(
        [(n,) for n in sizes], edges, relaxation=relaxation, outputs=outputs, chips=chips, **more
    )  # fmt: skip
