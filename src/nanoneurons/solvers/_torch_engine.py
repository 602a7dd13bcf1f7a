"""The differentiable engine: the same equation and the same steps as tensor operations, on any torch device."""

from __future__ import annotations

from math import sqrt

import numba
import numpy as np
import torch
from torch.utils.checkpoint import checkpoint as recompute

from nanoneurons.core.random import normal_of, turned, word_at

from ._codegen import TABLEAU
from ._drives import Sampled
from ._equation import on_tensors
from ._numba_engine import noise_starts
from ._problem import Problem

__all__ = ["run"]

States = tuple[torch.Tensor, ...]


@numba.njit(cache=True)
def _normals(starts, step, count):  # pragma: no cover - compiled
    """The unit normals that the fused kernel draws in one step, shape ``(count, chips, devices)``."""
    chips, devices = starts.shape
    out = np.empty((count, chips, devices))
    words = (count + 1) // 2
    for chip in range(chips):
        for device in range(devices):
            word = np.uint64(0)
            for n in range(count):
                if n % 2 == 0:
                    word = word_at(starts[chip, device], step * words + n // 2)
                    out[n, chip, device] = normal_of(word)
                else:
                    out[n, chip, device] = normal_of(turned(word))
    return out


class _Field:
    """Derivatives at any stage of any step."""

    def __init__(self, problem: Problem, normals: torch.Tensor | None) -> None:
        self.problem = problem
        equation = problem.equation
        self.rhs = on_tensors(equation.rhs)
        self.noise = None if equation.noise is None else on_tensors(equation.noise)
        self.emits = None if equation.emits is None else on_tensors(equation.emits)
        self.normals = normals
        self.starts = None
        if problem.key is not None and normals is None:
            chips, devices = problem.shape
            if problem.y0.device.type == "cpu":
                self.starts = noise_starts(np.uint64(problem.key), problem.first_chip, chips, devices)

    def xi(self, step: int) -> torch.Tensor | None:
        """White noise of one step, unit normals over the root of dt, shape ``(noisy inputs, chips, devices)``."""
        problem = self.problem
        count = len(problem.equation.noisy or ())
        if self.normals is not None:
            drawn = self.normals[step].to(problem.y0)
        elif problem.key is None:
            return None
        elif self.starts is not None:
            drawn = torch.from_numpy(_normals(self.starts, problem.first_step + step, count))
        else:  # another device has a generator of its own; seeded per step, so that recomputing gives the same numbers
            seed = (problem.key ^ ((problem.first_step + step) * 0x9E3779B97F4A7C15)) & (2**63 - 1)
            generator = torch.Generator(problem.y0.device).manual_seed(seed)
            drawn = torch.randn(
                (count, *problem.shape), generator=generator, device=problem.y0.device, dtype=problem.y0.dtype
            )
        return drawn / sqrt(problem.dt)

    def inputs(self, step: int, time: float, states: States, xi: torch.Tensor | None) -> list[torch.Tensor]:
        problem, equation = self.problem, self.problem.equation
        values = dict(zip(equation.inputs, problem.constants, strict=True))
        for name, (given, per) in problem.sampled.items():
            last = given.values.shape[0] - 1
            k = min(step // per, last)
            value = given.values[k]
            if isinstance(given, Sampled):
                rise = given.values[min(k + 1, last)] - value
                value = value + rise * ((step % per + time) / per)
            values[name] = values[name] + value
        for (re, im), tones in problem.tones.items():
            angle = tones.omega * ((problem.first_step + step + time) * problem.dt) + tones.phase
            values[re] = values[re] + (tones.amplitude * torch.cos(angle)).sum(-1)
            values[im] = values[im] - (tones.amplitude * torch.sin(angle)).sum(-1)
        if xi is not None and self.noise is not None:
            amplitudes = self.noise(*states, *problem.parameters)
            for n, name in enumerate(equation.noisy or ()):
                values[name] = values[name] + amplitudes[n] * xi[n]
        if problem.coupling is not None and self.emits is not None and equation.incoming:
            re, im = self.emits(*states, *problem.parameters)
            come = (problem.coupling @ torch.complex(re, im).unsqueeze(-1)).squeeze(-1)
            for name, part in zip(equation.incoming, (come.real, come.imag), strict=True):
                values[name] = values[name] + part
        return list(values.values())

    def __call__(self, step: int, time: float, states: States, xi: torch.Tensor | None) -> States:
        return self.rhs(*states, *self.problem.parameters, *self.inputs(step, time, states, xi))


def _advance(field: _Field, step: int, states: States) -> States:
    problem = field.problem
    xi = field.xi(step)
    slopes: list[States] = []
    for time, _ in TABLEAU[problem.method]:
        at = states if not slopes else tuple(y + time * problem.dt * k for y, k in zip(states, slopes[-1], strict=True))
        slopes.append(field(step, time, at, xi))
    weights = [weight for _, weight in TABLEAU[problem.method]]
    after = tuple(
        y + problem.dt * sum(w * k[n] for w, k in zip(weights, slopes, strict=True)) for n, y in enumerate(states)
    )
    norm = problem.equation.norm
    if norm:
        named = dict(zip(problem.equation.states, after, strict=True))
        length = torch.sqrt(sum(named[n] * named[n] for n in norm))  # type: ignore[arg-type]
        after = tuple(v / length if n in norm else v for n, v in named.items())
    return after


def run(
    problem: Problem, checkpoint: int, normals: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int, int]]:
    """Records, final state and (step, chip, device) of a blow-up, as the fast engine returns them."""
    field = _Field(problem, normals)
    shape = problem.shape
    states: States = tuple(v.expand(shape) for v in problem.y0.unbind(-1))
    records = [torch.stack(states, -1)]
    size = checkpoint if checkpoint > 0 else max(problem.steps, 1)
    bad = (0, 0, 0)

    def piece(begin: int, end: int, *at: torch.Tensor) -> tuple[torch.Tensor, ...]:
        kept: list[torch.Tensor] = []
        states = at
        for step in range(begin, end):
            states = _advance(field, step, states)
            if (step + 1) % problem.every == 0:
                kept.append(torch.stack([v.expand(shape) for v in states], -1))
        return (*states, *kept)

    for begin in range(0, problem.steps, size):
        end = min(begin + size, problem.steps)
        if checkpoint > 0 and torch.is_grad_enabled():
            result = recompute(piece, begin, end, *states, use_reentrant=False, preserve_rng_state=False)
            assert isinstance(result, tuple)
        else:
            result = piece(begin, end, *states)
        states = result[: len(states)]
        records += result[len(states) :]
        if bad == (0, 0, 0):
            wrong = ~(torch.stack(torch.broadcast_tensors(*(v.detach().abs() for v in states))).sum(0) < 1e150)
            if bool(wrong.any()):
                chip, device = (int(i) for i in wrong.nonzero()[0])
                bad = (end, chip, device)
                break
    return torch.stack(records), torch.stack([v.expand(shape) for v in states], -1), bad
