"""Networks that relax: how they are wired, how long their phases are, and what the rules that train them need."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch

from nanoneurons.core.errors import DivergedError, ParameterError

from ._wiring import Wired

__all__ = ["Clamped", "Phase", "Relaxed", "RelaxingNetwork", "States", "Steps", "placed"]

States = list[torch.Tensor]
_LOOK = 64  # phases between two looks for divergence on an accelerator


@dataclass
class Clamped:
    """A mini-batch at the input: what it and the biases add to the field of every group, computed once.

    Attributes:
        fields: constant part of the field of every group; None for the input.
        batch: samples.
        copies: how often the mini-batch lies here, one copy after the other.
    """

    x: torch.Tensor
    fields: list[torch.Tensor | None]
    batch: int
    copies: int = 1


@dataclass
class Relaxed:
    """Result of a phase.

    Attributes:
        states: of all groups but the input; averaged over the last steps where the network's `relaxation` says so.
        residual: largest movement of a state in the last step, if it was measured.
        steps: steps taken.
    """

    states: States
    residual: float | None = None
    steps: int = 0


class Steps(Protocol):
    """A phase that runs: `step` moves every group once, `states` are where they are, `moved` how far they went."""

    @property
    def states(self) -> States: ...

    def step(self) -> None: ...

    def moved(self) -> torch.Tensor: ...


class Phase:
    """A phase of any network; the given states are not changed."""

    def __init__(
        self, network: RelaxingNetwork, clamped: Clamped, states: States, beta: Any, target: torch.Tensor | None
    ) -> None:
        self.network, self.clamped, self.beta, self.target = network, clamped, beta, target
        self.all = [clamped.x, *states]
        self.before = list(self.all)
        self.run = network._begin(self.all)

    @property
    def states(self) -> States:
        """States of all groups but the input."""
        return self.all[1:]

    def step(self) -> None:
        """Move every group once."""
        self.before = list(self.all)
        self.network._step(self.clamped, self.all, self.run, self.beta, self.target)

    def moved(self) -> torch.Tensor:
        """Largest movement of any state in the last step."""
        return torch.stack([(a - b).abs().amax() for a, b in zip(self.all[1:], self.before[1:], strict=True)]).amax()


class RelaxingNetwork(Wired):
    """Groups of neurons joined by couplings in any topology without loops back to the input: what the rules of
    equilibrium propagation need of a network, and what all such networks share.

    A network says how an input is held (`clamp`), how its groups move (`_step`), what they show of their states and
    what its outputs mean; phases, devices and refusals are the same for all.

    Attributes:
        shapes, edges, relaxation, chips, input_range: see `EnergyNetwork`.
        biases: constant part of the field of every group but the input, digital.
        readout, readout_bias: a digital read-out outside the dynamics, or None.
        classes: number of scores of `outputs`.
        dtype: precision of states and fields in phases; weights stay in their own.
        products: precision of states and weights where they are multiplied; None for `dtype`. With half precision here
            and single precision there, small differences between phases survive.
        begin: value of every state at the start of a free phase.
        signs: of the nudging of every chip, ``(chips, 1, 1)``; None for plus.
        groups: sets of groups that share no coupling and so can move together, in the order in which they do.
    """

    begin: float = 0.0
    signs: torch.Tensor | None = None

    # -- what a network says ----------------------------------------------------------------------------

    @abstractmethod
    def clamp(self, x: torch.Tensor) -> Clamped:
        """Put a mini-batch ``(batch, *shape)`` at the input and fix the weights of the phases to come; networks with
        chips may take ``(chips, batch, features)``, samples of its own for every chip."""

    @abstractmethod
    def _begin(self, states: States) -> Any:
        """What a phase keeps between steps besides its states, the input among them."""

    @abstractmethod
    def _step(self, clamped: Clamped, states: States, run: Any, beta: Any, target: torch.Tensor | None) -> None:
        """One step of every group, in place in the lists; `beta` is None in a free phase."""

    def _quick(self, clamped: Clamped, states: States, beta: Any, target: torch.Tensor | None) -> Steps | None:
        """A quicker way through a phase than `_step`, where there is one."""
        return None

    @abstractmethod
    def shown(self, states: States) -> States:
        """What the groups show each other, the input not included."""

    @abstractmethod
    def outputs(self, states: States) -> torch.Tensor:
        """Scores of the classes, ``(*chips, batch, classes)``."""

    @abstractmethod
    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """Wanted outputs ``(*chips, batch, outputs)`` of labels ``(*chips, batch)``."""

    @abstractmethod
    def costs(self, states: States, target: torch.Tensor) -> torch.Tensor:
        """Cost of every sample, ``(*chips, batch)``, whose gradient the phases tell."""

    @abstractmethod
    def phi(self, clamped: Clamped, states: States) -> torch.Tensor:
        """Primitive function of every sample, ``(*chips, batch)``, of what the groups show."""

    # -- phases ---------------------------------------------------------------------------------------

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes after a free phase.

        Raises:
            ParameterError: inputs of a wrong shape, or that are not numbers.
            DivergedError: states that are no longer numbers.
        """
        self.check_input(x, ranged=False)
        return self.outputs(self.relax(x).states)

    def start(self, clamped: Clamped) -> States:
        """States that a free phase starts from, all `begin`."""
        lead = (clamped.batch,) if self.chips is None else (self.chips, clamped.batch)
        value, place = self.begin, clamped.x.device
        full = [torch.full((*lead, *shape), value, dtype=self.dtype, device=place) for shape in self.shapes[1:]]
        return [placed(s) for s in full]

    def relax(
        self,
        x: torch.Tensor | Clamped,
        states: States | None = None,
        *,
        beta: float | complex | torch.Tensor = 0.0,
        target: torch.Tensor | None = None,
        steps: int | None = None,
        tolerance: float | None = None,
        measure: bool = False,
    ) -> Relaxed:
        """Let the network move; the given states are not changed.

        Args:
            x: inputs, or what `clamp` made of them.
            states: to start from; those of `start` when not given.
            beta: nudging; 0 for a free phase. A tensor ``(batch, 1)`` nudges every sample by its own.
            target: wanted outputs ``(*chips, batch, outputs)`` (one-hot for classes), needed when nudged.
            steps, tolerance: those of `relaxation` when not given (a tolerance in free phases only).
            measure: whether to measure the residual even without a tolerance.

        Raises:
            DivergedError: a state is no longer a number; names group and step.
            ParameterError: nudged without a target.
        """
        clamped = x if isinstance(x, Clamped) else self.clamp(x)
        nudged = isinstance(beta, torch.Tensor) or beta != 0
        if nudged and target is None:
            raise ParameterError("a nudged phase needs a target")
        if steps is None:
            steps = self.relaxation.nudged_steps if nudged else self.relaxation.steps
        if tolerance is None:
            tolerance = 0.0 if nudged else self.relaxation.tolerance
        first = self.start(clamped) if states is None else list(states)
        if isinstance(beta, complex) or (isinstance(beta, torch.Tensor) and beta.is_complex()):
            if torch.float16 in (self.dtype, self.products):
                raise ParameterError("complex nudgings need a network in float32 or float64, not in float16")
            first = [s.to(self.dtype.to_complex()) for s in first]
        begun = (clamped, first, beta if nudged else None, target)
        phase = self._quick(*begun) or Phase(self, *begun)
        result = _run(phase, steps, tolerance, measure, self.relaxation.averaged)
        if self._due(clamped.x.device) and not torch.isfinite(result.states[-1]).all():
            _name_divergence(Phase(self, *begun), steps)
        return result

    def _due(self, place: torch.device) -> bool:
        """Whether to look for divergence: always on a CPU, in one phase of many where looking halts the machine."""
        if place.type == "cpu":
            return True
        self.phases += 1
        return self.phases % _LOOK == 0 and not torch.cuda.is_current_stream_capturing()

    def _strengths(self, betas: Sequence[float | complex], batch: int, place: torch.device) -> torch.Tensor:
        """Nudging of every sample of phases side by side, ``(betas x batch, 1)``; kept, for it has to be sent."""
        key = (tuple(betas), batch, place, self.dtype)
        if key not in self.strengths:
            imaginary = any(isinstance(b, complex) and b.imag for b in betas)
            kind = self.dtype.to_complex() if imaginary else self.dtype
            values = torch.tensor([complex(b) if imaginary else complex(b).real for b in betas], dtype=kind)
            if len(self.strengths) > 15:
                self.strengths.clear()
            self.strengths[key] = values.to(place).repeat_interleave(batch).unsqueeze(-1)
        return self.strengths[key]

    def nudge(
        self,
        clamped: Clamped,
        states: States,
        target: torch.Tensor,
        betas: Sequence[float | complex],
        steps: int | None = None,
    ) -> list[States]:
        """Nudged phases from the same states, one per beta, side by side as one larger batch; complex ones apart."""
        turned = [isinstance(b, complex) and b.imag != 0 for b in betas]
        if any(turned) and not all(turned):  # real states take half the work
            places = [[k for k, t in enumerate(turned) if t == kind] for kind in (False, True)]
            parts = [self.nudge(clamped, states, target, [betas[k] for k in p], steps) for p in places]
            ends = {k: end for p, part in zip(places, parts, strict=True) for k, end in zip(p, part, strict=True)}
            return [ends[k] for k in range(len(betas))]
        if len(betas) == 1:
            return [self.relax(clamped, states, beta=betas[0], target=target, steps=steps).states]
        count, batch = len(betas), clamped.batch
        beta = self._strengths(betas, batch, clamped.x.device)
        axis = 0 if self.chips is None else 1

        def stack(x: torch.Tensor, n: int) -> torch.Tensor:
            full = x.dim() == len(self.shapes[n]) + 1 + (self.chips is not None) and x.shape[axis] == batch
            return torch.cat([x] * count, axis) if full else x

        fields = [None if f is None else stack(f, n) for n, f in enumerate(clamped.fields)]
        x = torch.cat([clamped.x] * count, clamped.x.dim() - len(self.shapes[0]) - 1)
        wide = replace(clamped, x=x, fields=fields, batch=batch * count, copies=count)
        begin = [stack(s, n + 1) for n, s in enumerate(states)]
        found = self.relax(wide, begin, beta=beta, target=torch.cat([target] * count, -2), steps=steps)
        parts = [s.split(batch, axis) for s in found.states]
        return [[p[k] for p in parts] for k in range(count)]


def _run(phase: Steps, steps: int, tolerance: float, measure: bool, averaged: int = 1) -> Relaxed:
    residual = None
    last: deque[States] = deque(maxlen=averaged)
    for taken in range(1, steps + 1):
        phase.step()
        if averaged > 1 and (tolerance > 0 or taken > steps - averaged):
            last.append([s.clone() for s in phase.states])  # a phase may use its tensors again
        if tolerance > 0 or (measure and taken == steps):
            residual = float(phase.moved().detach())
            if residual < tolerance:
                steps = taken
                break
    states = [torch.stack(s).mean(0) for s in zip(*last, strict=True)] if last else phase.states
    return Relaxed(states, residual, steps)


def _name_divergence(phase: Phase, steps: int) -> None:
    for step in range(1, steps + 1):
        phase.step()
        for n, s in enumerate(phase.states, start=1):
            if not torch.isfinite(s).all():
                kind = "free" if phase.beta is None else "nudged"
                raise DivergedError(
                    f"group {n} diverged at step {step} of the {kind} phase: its states are no longer numbers; "
                    "lower the learning rate, beta or the step of the dynamics"
                )
    raise DivergedError(f"states are no longer numbers after {steps} steps; lower the learning rate or beta")


def placed(x: torch.Tensor) -> torch.Tensor:
    """Images with their channels side by side in memory, which convolutions and pools want."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x
