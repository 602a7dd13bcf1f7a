"""What the rules of equilibrium propagation share: the phases of one mini-batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit, MemoryCircuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._recorded import Phases, Recorder
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.networks._phases import Clamped, Relaxed, RelaxingNetwork, States
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import EnergyNetwork
from nanoneurons.networks.resistive_network import build_resistive

__all__ = ["EitherNetworkRule", "EquilibriumRule", "EquilibriumState", "RelaxingRule", "RelaxingState"]

_OURS = "choice of this project"
_CHOSEN = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-27)"
_WATCH_EVERY = 50  # mini-batches between looks at how well free phases settle


@dataclass(frozen=True)
class RelaxingRule(LayerRule):
    """A rule for networks that relax; the phases are declared here."""

    circuit_values: ClassVar[Mapping[str, float]] = {"weight_range": 3.0}  # the noise of amplifiers scales with it

    free_steps: int = param(
        15, doc="steps of the free phase in networks made by this rule", source=_CHOSEN, low=1, high=1_000_000,
        integer=True,
    )  # fmt: skip
    nudged_steps: int = param(
        6, doc="steps of a nudged phase, or steps a gradient is followed back, in networks made by this rule",
        source=_CHOSEN, low=1, high=1_000_000, integer=True,
    )  # fmt: skip
    order: str = param(
        "alternating", doc="order in which groups move in networks made by this rule", source=_OURS,
        choices=("synchronous", "alternating"),
    )  # fmt: skip
    averaged: int = param(
        3, doc="last steps of a phase averaged against the noise of reading, in networks made by this rule",
        source=_CHOSEN, low=1, high=1_000_000, integer=True,
    )  # fmt: skip
    settled: float = param(
        0.05, doc="movement per step, as a share of the step, above which a free phase has not settled (a warning)",
        source=_OURS, low=0.0, high=10.0,
    )  # fmt: skip
    begin: str = param(
        "zero", doc="states a free phase begins with: zero, or the last free states of the same sample", source=_OURS,
        choices=("zero", "last"),
    )  # fmt: skip

    def build_network(self, spec: str, **common: Any) -> RelaxingNetwork:
        """An energy network of dense couplings."""
        return build_energy(spec, dynamics=Dynamics(), relaxation=self.phases, **common)

    @property
    def phases(self) -> Relaxation:
        """The phases of networks made by this rule."""
        order: Any = self.order
        return Relaxation(self.free_steps, self.nudged_steps, order, averaged=self.averaged)

    def remarks(self, network: RelaxingNetwork, history: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
        """How long phases are, and that the free ones have settled; that they have not is a warning elsewhere."""
        said = [network.reading]
        ends = [record["residual"] for record in history if "residual" in record]
        if ends and max(ends) <= self.settled:
            said.append(
                f"Free phases had settled: read without noise, no state moved by more than {max(ends):.2g} in the last "
                "step of those looked at."
            )
        return tuple(said)

    def require(self, network: nn.Module) -> RelaxingNetwork:
        """The network, if this rule can train it.

        Raises:
            RefusedError: the network does not relax.
        """
        if not isinstance(network, RelaxingNetwork):
            raise RefusedError(
                f"{self.title} trains networks that relax (such as an EnergyNetwork), not a {type(network).__name__}"
            )
        return network


@dataclass(frozen=True)
class EitherNetworkRule(RelaxingRule):
    """A rule for networks of neurons and of resistors alike; which one it makes is declared here."""

    network: str = param(
        "neurons", doc="what networks made by this rule consist of: neurons, or resistors and diodes", source=_OURS,
        choices=("neurons", "resistors"),
    )  # fmt: skip
    amplification: float = param(
        480.0, doc="voltage of a full input in networks of resistors, in units of the targets", low=1e-3, high=1e9,
        source="published program of Scellier, ICML 2024, for 1024 hidden nodes (100 for 100 of them)",
    )  # fmt: skip

    def build_network(self, spec: str, **common: Any) -> RelaxingNetwork:
        """A network of dense couplings or of resistors."""
        if self.network == "neurons":
            return super().build_network(spec, **common)
        exact = replace(self.phases, averaged=1)  # voltages are read without noise
        return build_resistive(spec, relaxation=exact, amplification=self.amplification, **common)

    def require_circuit(self, circuit: Circuit, name: str) -> None:
        """Refuse devices whose small changes cannot add up, and for resistors weights of two devices each.

        Raises:
            RefusedError: says why.
        """
        require_graded(circuit, name)
        if self.network == "resistors" and isinstance(circuit, MemoryCircuit):
            circuit.conductance_of_weight((1, 1))


@dataclass(frozen=True)
class EquilibriumRule(RelaxingRule):
    """A rule that compares phases; how they make an estimate is declared here."""

    estimator: str = param("centred", doc="how the gradient is estimated", source=_OURS, choices=ep.ESTIMATORS)
    beta: float = param(0.3, doc="strength of nudging", source=_CHOSEN, low=-100.0, high=100.0)
    points: int = param(
        4, doc="points on the circle of the holomorphic estimator", source=_OURS, low=2, high=64, integer=True
    )

    passes: ClassVar[str] = "free and nudged phases"

    def learning_counts(self, network: RelaxingNetwork, x: torch.Tensor | None = None) -> Counts:
        """Events of a free phase and of every nudged one; complex states are read in two parts."""
        return network.learning_counts(self._nudgings)

    @property
    def _nudgings(self) -> int:
        """Nudged phases of a sample, as a machine that knows real numbers only has to run them."""
        found = ep.points(self.estimator, self.beta, self.points, torch.Generator())
        return sum(2 if isinstance(p.beta, complex) else 1 for p in found if p.beta)

    def remarks(self, network: RelaxingNetwork, history: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
        """How long phases are, how they make an estimate, and whether the free ones have settled."""
        first, *others = super().remarks(network, history)
        return (
            first,
            f"Learning adds {self._nudgings} nudged phase{'s' if self._nudgings > 1 else ''} of "
            f"{network.relaxation.nudged_steps} steps ({self.estimator} estimator, beta {self.beta:g}).",
            *others,
        )

    def check(self) -> None:
        """Refuse a nudging of 0."""
        super().check()
        ep.points(self.estimator, self.beta, self.points, torch.Generator())


class RelaxingState(RuleState):
    """Free phases, from zero or from where the same samples were left.

    Attributes:
        memory: last free states of every sample, where free phases begin with them (persistent particles).
        streams: random numbers of every chip, where chips are seeds side by side.
        residual: largest last movement in the free phases looked at in this epoch; None before the first.
    """

    network: RelaxingNetwork
    rule: RelaxingRule

    def __init__(self, network: RelaxingNetwork, rule: RelaxingRule) -> None:
        super().__init__(network)
        self.rule = rule
        self.chips = network.chips or 1
        self.memory: list[torch.Tensor] | None = None
        self.streams: list[torch.Generator] | None = None
        self.seen, self.warned = 0, False
        self.residual: float | None = None
        if rule.begin == "last" and network.chips is not None:
            raise RefusedError(
                "persistent states are kept for one network at a time, not for chips side by side; take begin='zero'"
            )

    def together(self, streams: list[torch.Generator]) -> None:
        """Train the chips as so many seeds side by side: each then learns, up to rounding, as it would alone.

        Raises:
            RefusedError: not as many chips as seeds; or devices, neuron noise or a tolerance, which chips share.
        """
        network = self.network
        if network.chips != len(streams):
            raise RefusedError(f"{len(streams)} seeds side by side need as many chips, not {network.chips}")
        plain = isinstance(network, EnergyNetwork) and not network.dynamics.noise and not network.relaxation.tolerance
        if not plain or any(layer.fabricated for layer in self.device_layers):
            raise RefusedError("seeds side by side need a software network without neuron noise and without tolerance")
        self.streams = streams

    def finish(self) -> None:
        """Nudge all chips alike again."""
        self.network.signs = None

    def step(self, generator: torch.Generator) -> None:
        """There is no step without phases."""
        raise RefusedError(f"{self.rule.title} finds its own gradients; use learn()")

    @property
    def due(self) -> bool:
        """Whether the next free phase is one to look at: has it settled?"""
        return not self.warned and self.seen % _WATCH_EVERY == 0

    def free(self, clamped: Clamped, chosen: torch.Tensor, steps: int | None = None) -> States:
        """A free phase; warns, once, when it has not settled. Looks at the first mini-batch and at every 50th."""
        begin = self._remembered(chosen)
        watched = self.due
        noisy = watched and ep.is_noisy(self.network)
        self.seen += 1
        free = self.network.relax(clamped, begin, steps=steps, measure=watched and not noisy)
        if watched:
            self._judge(clamped, begin, steps, free, noisy)
        return free.states

    def _judge(self, clamped: Clamped, begin: States | None, steps: int | None, free: Relaxed, noisy: bool) -> None:
        """Noise is no movement, so a noisy phase is judged by one without."""
        network = self.network
        step = getattr(getattr(network, "dynamics", None), "step", 1.0)
        with ep.without_noise(network) if noisy else nullcontext():
            if noisy:
                free = network.relax(clamped, begin, steps=steps, measure=True)
            if free.residual is not None:
                self.residual = max(self.residual or 0.0, free.residual / step)
            self.warned = ep.warn_unsettled(network, clamped, free, self.rule.settled * step, stacklevel=6)

    def measured(self) -> dict[str, float]:
        """How far free phases were from rest, as a share of the step of the dynamics."""
        return {} if self.residual is None else {"residual": self.residual}

    def end_epoch(self) -> None:
        """Look anew in the next epoch."""
        self.residual = None

    def _remembered(self, chosen: torch.Tensor) -> States | None:
        """Last free states of these samples, zero for those not seen yet; None where phases begin with zero."""
        if self.rule.begin == "zero" or self.memory is None:
            return None
        _make_room(self.memory, int(chosen.max()) + 1)
        return [m[chosen] for m in self.memory]

    def remember(self, states: States, chosen: torch.Tensor) -> None:
        """Keep free states for the next time these samples come, where the rule wants them."""
        if self.rule.begin == "zero":
            return
        if self.memory is None:
            self.memory = [s.new_zeros((0, *s.shape[1:])) for s in states]
            _make_room(self.memory, int(chosen.max()) + 1)
        for m, s in zip(self.memory, states, strict=True):
            m[chosen] = s


def _make_room(memory: list[torch.Tensor], need: int) -> None:
    for k, m in enumerate(memory):
        if need > len(m):
            memory[k] = torch.cat([m, m.new_zeros((need - len(m), *m.shape[1:]))])


class EquilibriumState(RelaxingState):
    """Free phase, nudged phases and the changes they suggest; what is made of these, each rule says itself.

    Attributes:
        recording: whether an accelerator may record the phases of a mini-batch and replay them.
        rest: free states of the mini-batch that is being learnt.
    """

    rule: EquilibriumRule

    def __init__(self, network: RelaxingNetwork, rule: EquilibriumRule) -> None:
        super().__init__(network, rule)
        if rule.estimator == "holomorphic" and rule.points > 2:
            ep.require_holomorphic(network)
        self.recorder = Recorder(network, self._phases)
        self.recording = True
        self.rest: States = []

    def _repeats(self, x: torch.Tensor) -> bool:
        """Whether all phases do the same operations, on an accelerator, so that they can be recorded."""
        network = self.network
        plain = isinstance(network, EnergyNetwork) and not network.dynamics.noise and not network.relaxation.tolerance
        inside = any(layer.fabricated for layer in self.device_layers)
        return self.recording and x.is_cuda and not self.due and plain and not inside and self.rule.begin == "zero"

    def _phases(self, x: torch.Tensor, target: torch.Tensor, betas: Sequence[float | complex]) -> Phases:
        clamped = self.network.clamp(x)
        free = self.network.relax(clamped).states
        return clamped, free, self.network.nudge(clamped, free, target, betas)

    @abstractmethod
    def apply(
        self,
        clamped: Clamped,
        found: list[tuple[ep.Point, States]],
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Turn states at several nudgings into changes of weights, biases and read-out, and carry them out."""

    @torch.no_grad()
    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Free phase, nudged phases, one change of every weight."""
        network, rule = self.network, self.rule
        target = network.targets(y)
        wanted = self._each_its_sign() or ep.points(rule.estimator, rule.beta, rule.points, generator)
        betas = [p.beta for p in wanted if p.beta]
        if self._repeats(x):
            self.seen += 1
            clamped, free, nudged = self.recorder(x, target, betas)
        else:
            clamped = network.clamp(x)
            free = self.free(clamped, chosen)
            self.remember(free, chosen)
            nudged = network.nudge(clamped, free, target, betas)
        self.rest = free
        found = list(zip([p for p in wanted if p.beta], nudged, strict=True))
        found += [(p, free) for p in wanted if not p.beta]
        self.apply(clamped, found, target, generator)
        return ep.loss_of(network, free, target)

    def _each_its_sign(self) -> list[ep.Point] | None:
        """Points of nudgings with a random sign for every chip, where chips are seeds side by side."""
        network, beta = self.network, self.rule.beta
        if self.streams is None or self.rule.estimator != "random-sign":
            return None
        signs = torch.tensor([ep.random_sign(s) for s in self.streams], dtype=network.dtype).view(-1, 1, 1)
        if network.signs is None:
            network.signs = signs.to(network.biases[0].device)
        network.signs.copy_(signs)  # in place: phases that were recorded read it there
        return [ep.Point(beta, 1 / beta, network.signs), ep.Point(0.0, -1 / beta, network.signs)]
