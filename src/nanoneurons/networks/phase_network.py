r"""A network of weakly coupled phase oscillators whose patterns of synchronisation are its answer.

.. math::
    \dot\theta_i = 2\pi f_i + \sum_j K_{ij} \sin(\theta_j - \theta_i) + \sum_X F_{iX} \sin(\theta_X - \theta_i)
        + \sqrt{2 D}\,\xi_i, \qquad f_X = b_X + \sum_m W_{Xm} x_m

Core oscillators are coupled with each other; input oscillators X act on them one-way, and their frequencies carry the
features x. A counter per core oscillator counts its cycles over a window; a pair (i, j) is synchronised when the two
counts differ by less than a threshold. The set of synchronised pairs is a binary pattern.

*Original scheme* (Vodenicarevic et al.): one K for all pairs, one F for all oscillators, a fixed map W; learning moves
the natural frequencies f_i only (dc currents). Every core oscillator then feels the same field and obeys the same
scalar equation except for its f_i, so solutions that start together never overtake each other (comparison theorem):
mean frequencies are ordered as the natural ones at every input, and what is synchronised is contiguous in natural
frequency. *Generalised*: K symmetric, F, W and b are trained as well.

Not modelled: amplitudes and their coupling to phases, harmonics, delays, frequency noise other than white.

Source: Vodenicarevic, Locatelli, Abreu Araujo, Grollier and Querlioz, Sci. Rep. 7, 44772 (2017).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import Parameterized, param
from nanoneurons.physics.phase_oscillators import PHASE_OSCILLATOR
from nanoneurons.solvers import Tones, Trajectory, integrate

__all__ = ["PhaseNetwork", "PhaseSettings", "Synchrony"]

_OURS = "ours; the paper's values could not be read"
_REFINED = 4  # stochastic Heun is of lower order than RK4, so noisy runs take steps of dt / 4


@dataclass(frozen=True)
class PhaseSettings(Parameterized):
    """Time scales and read-out of a phase network."""

    unit: float = param(1e6, "Hz", doc="unit of all trainable frequencies", source=_OURS, low=1.0, high=1e12)
    carrier: float = param(
        500e6, "Hz", doc="frequency around which all oscillators run", source=_OURS, low=0.0, high=1e12
    )
    dt: float = param(32e-9, "s", doc="time step", source=_OURS, low=1e-15, high=1.0)
    settle: float = param(1.6e-6, "s", doc="time before the counters start", source=_OURS, low=0.0, high=1e3)
    window: float = param(6.4e-6, "s", doc="time over which cycles are counted", source=_OURS, low=1e-15, high=1e3)
    threshold: int = param(
        2, "cycles", doc="counts of a synchronised pair differ by less; a locked pair may differ by one cut cycle",
        source=_OURS, low=1, high=10**6, integer=True,
    )  # fmt: skip

    def check(self) -> None:
        """Window and settling must hold whole steps."""
        if self.window < 2 * self.dt:
            raise ParameterError(f"window of {self.window:g} s holds less than two steps of {self.dt:g} s; widen it")


@dataclass(frozen=True, eq=False)
class Synchrony:
    """Differentiable measures of the synchronisation of each pair, shape ``(copies, samples, pairs)``.

    Attributes:
        cycles: how far the counts of the pair would move apart in one read-out window, signed: mean slip times window.
        order: squared phase-locking value |<exp(i (theta_i - theta_j))>|^2, 1 for a fixed phase difference.
        aligned: <cos(theta_i - theta_j)>, what a mixer or XOR gate behind a low pass gives. It falls as a locked pair
            nears the edge of its range, where the other two are flat.

    Means are taken with a Hann window in time, whose side lobes do not ring with the slip.
    """

    cycles: torch.Tensor
    order: torch.Tensor
    aligned: torch.Tensor


class PhaseNetwork(nn.Module):
    """Core oscillators, input oscillators and counters; `copies` networks side by side (chips, folds, restarts).

    Parameters, all float64 in units of ``settings.unit`` (frequencies; strengths over 2 pi): ``natural``
    ``(copies, core)``, relative to the carrier; ``coupling`` ``(copies, core, core)``, whose symmetric part without
    diagonal counts; ``injection`` ``(copies, core, inputs)``; ``input_matrix`` ``(copies, inputs, features)``;
    ``input_offset`` ``(copies, inputs)``. They start as the original scheme: natural frequencies `spacing` apart, one
    coupling, one injection, the first features as frequencies.

    Args:
        features: numbers that one sample has.
        diffusion: phase diffusion D in 1/s; acts only when a call gives a noise key.

    Raises:
        ParameterError: a size is not positive.
    """

    natural: nn.Parameter
    coupling: nn.Parameter
    injection: nn.Parameter
    input_matrix: nn.Parameter
    input_offset: nn.Parameter

    def __init__(
        self,
        features: int = 2,
        core: int = 4,
        inputs: int = 2,
        copies: int = 1,
        settings: PhaseSettings | None = None,
        *,
        spacing: float = 2.0,
        coupling: float = 0.25,
        injection: float = 1.5,
        diffusion: float = 0.0,
    ) -> None:
        super().__init__()
        for name, size in (("features", features), ("core", core - 1), ("inputs", inputs), ("copies", copies)):
            if size < 1:
                raise ParameterError(f"phase network: {name} is too small; a network has 2 core oscillators or more")
        if not diffusion >= 0:
            raise ParameterError(f"phase network: diffusion = {diffusion} /s must not be negative")
        self.settings = settings or PhaseSettings()
        self.diffusion = diffusion
        ladder = spacing * (torch.arange(core, dtype=torch.float64) - (core - 1) / 2)

        def made(value: torch.Tensor) -> nn.Parameter:
            return nn.Parameter(value.double().expand(copies, *value.shape).clone())

        self.natural = made(ladder)
        self.coupling = made(torch.full((core, core), coupling))
        self.injection = made(torch.full((core, inputs), injection))
        self.input_matrix = made(torch.eye(inputs, features))
        self.input_offset = made(torch.zeros(inputs))

    @property
    def copies(self) -> int:
        """Networks side by side."""
        return self.natural.shape[0]

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of core oscillators, in the order of the last axis of patterns."""
        return tuple(itertools.combinations(range(self.natural.shape[1]), 2))

    def couplings(self) -> torch.Tensor:
        """Symmetric coupling without diagonal, in units of ``settings.unit``, shape ``(copies, core, core)``."""
        both = (self.coupling + self.coupling.transpose(1, 2)) / 2
        return both * (1 - torch.eye(both.shape[-1], dtype=both.dtype))

    def input_frequencies(self, x: torch.Tensor) -> torch.Tensor:
        """f_X relative to the carrier in units of ``settings.unit``, shape ``(copies, samples, inputs)``.

        Args:
            x: features, ``(samples, features)`` for all copies or ``(copies, samples, features)``.

        Raises:
            ParameterError: the shape does not fit, or a feature is not finite.
        """
        x = x.double()
        features = self.input_matrix.shape[-1]
        if x.ndim not in (2, 3) or x.shape[-1] != features or (x.ndim == 3 and x.shape[0] not in (1, self.copies)):
            raise ParameterError(
                f"phase network: samples of shape {tuple(x.shape)}, expected (samples, {features}) or "
                f"({self.copies}, samples, {features})"
            )
        bad = (~torch.isfinite(x)).nonzero()
        if len(bad):
            raise ParameterError(
                f"phase network: feature at index {bad[0].tolist()} is not finite; remove or replace it"
            )
        return x @ self.input_matrix.transpose(1, 2) + self.input_offset[:, None]

    def trajectory(
        self,
        x: torch.Tensor,
        *,
        settle: float | None = None,
        window: float | None = None,
        generator: torch.Generator | None = None,
        key: int | None = None,
        engine: str = "numba",
        checkpoint: int = 0,
        every: int | None = None,
    ) -> Trajectory:
        """Phases of the core relative to the carrier; chips of the solver are ``copies * samples``.

        Args:
            settle: time in s before the window, instead of the settings' own; likewise `window`.
            generator: draws initial phases; without it they are fixed and different for each oscillator.
            key: phase noise on, with this random key.
            every: record every so many steps; only start, window's start and end without it.
        """
        s = self.settings
        frequencies = self.input_frequencies(x)
        copies, samples, inputs = frequencies.shape
        core = self.natural.shape[1]
        fine = 1 if key is None else _REFINED
        before = round((s.settle if settle is None else settle) / s.dt) * fine
        during = max(round((s.window if window is None else window) / s.dt), 2) * fine
        if generator is None:
            golden = math.pi * (3 - math.sqrt(5))
            start = (golden * torch.arange(core, dtype=torch.float64)).expand(copies * samples, core)
        else:
            start = 2 * math.pi * torch.rand(copies * samples, core, generator=generator, dtype=torch.float64)
        rate = 2 * math.pi * s.unit

        def spread(value: torch.Tensor) -> torch.Tensor:  # one row per sample
            return (rate * value)[:, None].expand(copies, samples, *value.shape[1:]).flatten(0, 1)

        tones = Tones(spread(self.injection), -rate * frequencies.reshape(copies * samples, 1, inputs))
        if every is None:
            every = math.gcd(before, during) if before else during
        return integrate(
            PHASE_OSCILLATOR, start[..., None],
            {"omega": spread(self.natural), "diffusion": self.diffusion},
            dt=s.dt / fine, steps=before + during, every=every, key=key, engine=engine,  # type: ignore[arg-type]
            method="rk4" if key is None else "stochastic-heun", checkpoint=checkpoint,
            drive={("c", "s"): tones}, coupling=spread(self.couplings()).to(torch.complex128),
        )  # fmt: skip

    def forward(
        self,
        x: torch.Tensor,
        *,
        settle: float | None = None,
        window: float | None = None,
        generator: torch.Generator | None = None,
        checkpoint: int = 16,
    ) -> Synchrony:
        """Soft read-out, differentiable through the dynamics; see `trajectory` for the arguments."""
        s = self.settings
        run = self.trajectory(
            x, settle=settle, window=window, generator=generator, engine="torch", checkpoint=checkpoint, every=1
        )
        start = round((s.settle if settle is None else settle) / s.dt)
        i, j = torch.tensor(self.pairs).T
        theta = run["theta"][start:]
        apart = theta[..., i] - theta[..., j]
        hann = torch.hann_window(len(apart) + 2, periodic=False, dtype=torch.float64)[1:-1]
        hann = (hann / hann.sum())[:, None, None]
        aligned, across = (hann * torch.cos(apart)).sum(0), (hann * torch.sin(apart)).sum(0)
        slip = (apart[-1] - apart[0]) / ((len(apart) - 1) * s.dt)
        shape = (self.copies, -1, len(self.pairs))
        cycles = slip * s.window / (2 * math.pi)
        order = aligned * aligned + across * across
        return Synchrony(cycles.reshape(shape), order.reshape(shape), aligned.reshape(shape))

    @torch.no_grad()
    def counts(
        self, x: torch.Tensor, *, generator: torch.Generator | None = None, key: int | None = None
    ) -> torch.Tensor:
        """Cycles counted in the window, int64, shape ``(copies, samples, core)``; arguments as of `trajectory`."""
        s = self.settings
        run = self.trajectory(x, generator=generator, key=key)
        theta = run["theta"]
        step = float(run.t[1])
        first = round(s.settle / step)
        turns = [torch.floor(theta[n] / (2 * math.pi) + s.carrier * float(run.t[n])) for n in (first, len(theta) - 1)]
        return (turns[1] - turns[0]).long().reshape(self.copies, -1, theta.shape[-1])

    def patterns(
        self, x: torch.Tensor, *, generator: torch.Generator | None = None, key: int | None = None
    ) -> torch.Tensor:
        """Which pairs the counters call synchronised, bool, shape ``(copies, samples, pairs)``."""
        return self.synchronised(self.counts(x, generator=generator, key=key))

    def synchronised(self, counts: torch.Tensor) -> torch.Tensor:
        """The read-out's decision on counts ``(..., core)``: |N_i - N_j| < threshold for each pair."""
        i, j = torch.tensor(self.pairs).T
        return (counts[..., i] - counts[..., j]).abs() < self.settings.threshold

    @torch.no_grad()
    def select(self, chosen: torch.Tensor) -> PhaseNetwork:
        """New network of the chosen copies (indices, repeats allowed)."""
        core, inputs = self.injection.shape[1:]
        made = PhaseNetwork(
            self.input_matrix.shape[-1], core, inputs, len(chosen), self.settings, diffusion=self.diffusion
        )
        for mine, theirs in zip(made.parameters(), self.parameters(), strict=True):
            mine.copy_(theirs[chosen])
        return made

    @torch.no_grad()
    def fabricated(self, spread: float, chips: int, generator: torch.Generator) -> PhaseNetwork:
        """`chips` chips of every copy, side by side, each natural frequency off by a normal error.

        Args:
            spread: standard deviation of the natural frequencies over devices in Hz.

        Raises:
            ParameterError: the spread is negative, or there is no chip.
        """
        if not spread >= 0 or chips < 1:
            raise ParameterError(
                f"phase network: {chips} chips with a spread of {spread} Hz; give 1 or more, and 0 or more"
            )
        made = self.select(torch.arange(self.copies).repeat_interleave(chips))
        error = torch.randn(made.natural.shape, generator=generator, dtype=torch.float64)
        made.natural.add_(error, alpha=spread / self.settings.unit)
        return made
