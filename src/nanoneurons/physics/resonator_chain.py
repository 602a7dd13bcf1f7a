r"""Weights of chains of resonators that are fed by many tones: every tone seen by every resonator.

.. math::
    W_{ji} = \sum_k c_{jk}\,\frac{2h_{jk}d_{ijk} + \sigma h_{jk}^2}{h_{jk}^2 + d_{ijk}^2}, \qquad
    d_{ijk} = f_i - f_{jk}, \quad h_{jk} = \alpha_{jk} f_{jk}

with the tones :math:`f_i`, the resonances :math:`f_{jk}` of chain *j*, their half linewidths *h* and coefficients *c*
(sign in the chain, sensitivity), and the symmetric share :math:`\sigma`. The derivative is as short,

.. math::
    \frac{\partial W_{ji}}{\partial f_{jk}} = 2\,c_{jk}\,\alpha_{jk} f_i\,
    \frac{d_{ijk}^2 - h_{jk}^2 + \sigma h_{jk} d_{ijk}}{(h_{jk}^2 + d_{ijk}^2)^2}

so that nothing of the size tones times resonators is ever stored: both sums run in compiled loops on the CPU. On
another torch device they are formed block by block of chains.

Source: Leroux et al., Phys. Rev. Applied 15, 034067 (2021); the derivative is ours.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from torch.autograd.function import once_differentiable

__all__ = ["chain_matrix"]

_BLOCK = 1 << 26  # numbers of tones x resonators formed at once where the compiled loops cannot be used


def chain_matrix(
    resonance: torch.Tensor,
    tones: torch.Tensor,
    damping: torch.Tensor | float,
    coefficient: torch.Tensor | float,
    symmetric: float = 0.0,
) -> torch.Tensor:
    """Weight of every tone in every chain, ``(*chips, chains, tones)``, differentiable in `resonance`.

    Args:
        resonance: Hz, ``(*chips, chains, resonators)``, float32 or float64.
        tones: Hz, ``(tones,)`` or ``(*chips, tones)``.
        damping: half linewidth over resonance; a number or a tensor that broadcasts to `resonance`.
        coefficient: weight of a resonator's largest dispersive response, sign included; broadcasts to `resonance`.
        symmetric: height of the symmetric response over that of the dispersive one.

    Only `resonance` gets a gradient, a first one; tones, damping and coefficients are those of a given chip.
    """
    return _ChainMatrix.apply(resonance, tones, damping, coefficient, symmetric)  # type: ignore[no-any-return]


class _ChainMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, resonance: torch.Tensor, tones, damping, coefficient, symmetric: float) -> torch.Tensor:
        chips = resonance.shape[:-2]
        chains, resonators = resonance.shape[-2:]
        count = tones.shape[-1]
        like = {"dtype": resonance.dtype, "device": resonance.device}
        # Tones in the middle of the band are about 1, so that squares and their products keep away from overflow; a
        # power of two rounds nothing, so a chip's weights do not depend on the tones of the chips beside it.
        scale = 2.0 ** -round(math.log2(float(tones.detach().double().mean())))
        batch = (chips.numel(), chains, resonators)
        f = (resonance.detach() * scale).reshape(batch)
        tone = (tones.double() * scale).to(**like).expand(*chips, count).reshape(batch[0], count).contiguous()
        alpha = torch.as_tensor(damping, **like).expand(resonance.shape).reshape(batch)
        c = torch.as_tensor(coefficient, **like).expand(resonance.shape).reshape(batch)
        ctx.save_for_backward(f, tone, alpha, c)
        ctx.symmetric, ctx.scale, ctx.shape = symmetric, scale, resonance.shape
        out = _sums(f, tone, alpha, c, symmetric)
        return out.reshape(*chips, chains, count)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (wanted,) = grads
        f, tone, alpha, c = ctx.saved_tensors
        wanted = wanted.to(f.dtype).reshape(f.shape[0], f.shape[1], tone.shape[1])
        slope = _slopes(f, tone, alpha, c, ctx.symmetric, wanted)
        return slope.mul_(ctx.scale).reshape(ctx.shape), None, None, None, None


def _on_cpu(t: torch.Tensor) -> bool:
    return t.device.type == "cpu"


def _sums(f, tone, alpha, c, symmetric: float) -> torch.Tensor:
    if _on_cpu(f):
        out = np.zeros((*f.shape[:2], tone.shape[1]), f.numpy().dtype)
        _fill_sums(*(_array(t) for t in (f, tone, alpha, c)), f.numpy().dtype.type(symmetric), out)
        return torch.from_numpy(out)
    return torch.cat([
        (p[3].unsqueeze(-2) * _response(p[0].unsqueeze(-2), p[1], p[2].unsqueeze(-2), symmetric)).sum(-1)
        for p in _blocks(f, tone, alpha, c)
    ], 1)  # fmt: skip


def _slopes(f, tone, alpha, c, symmetric: float, wanted: torch.Tensor) -> torch.Tensor:
    if _on_cpu(f):
        out = np.zeros(f.shape, f.numpy().dtype)
        args = (_array(t) for t in (f, tone, alpha, c))
        _fill_slopes(*args, f.numpy().dtype.type(symmetric), _array(wanted), out)
        return torch.from_numpy(out)
    parts = []
    for f_b, tone_b, alpha_b, c_b, wanted_b in _blocks(f, tone, alpha, c, wanted):
        h, a = (alpha_b * f_b).unsqueeze(-2), alpha_b.unsqueeze(-2)
        d = tone_b - f_b.unsqueeze(-2)
        square = h * h + d * d
        rise = 2 * a * tone_b * (d * d - h * h + symmetric * h * d) / (square * square)
        parts.append(c_b * (wanted_b.unsqueeze(-1) * rise).sum(-2))
    return torch.cat(parts, 1)


def _response(f, tone, alpha, symmetric: float) -> torch.Tensor:
    h, d = alpha * f, tone - f
    return (2 * h * d + symmetric * h * h) / (h * h + d * d)


def _blocks(f, tone, alpha, c, *more):
    rows = max(1, _BLOCK // (f.shape[0] * f.shape[2] * tone.shape[1]))
    spread = tone[:, None, :, None]
    for parts in zip(*(t.split(rows, 1) for t in (f, alpha, c, *more)), strict=True):
        yield (parts[0], spread, *parts[1:])


def _array(t: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(t.detach().numpy())


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def _fill_sums(f, tone, alpha, c, symmetric, out):  # pragma: no cover - compiled
    chips, chains, resonators = f.shape
    count = tone.shape[1]
    two = f.dtype.type(2)
    for chip in range(chips):
        t = tone[chip]
        for j in range(chains):
            row = out[chip, j]
            k = 0
            while k + 1 < resonators:  # two resonators at a time: one division for both
                f1, f2 = f[chip, j, k], f[chip, j, k + 1]
                h1, h2 = alpha[chip, j, k] * f1, alpha[chip, j, k + 1] * f2
                c1, c2 = two * c[chip, j, k] * h1, two * c[chip, j, k + 1] * h2
                s1, s2 = c[chip, j, k] * symmetric * h1 * h1, c[chip, j, k + 1] * symmetric * h2 * h2
                q1, q2 = h1 * h1, h2 * h2
                for i in range(count):
                    d1, d2 = t[i] - f1, t[i] - f2
                    n1, n2 = q1 + d1 * d1, q2 + d2 * d2
                    row[i] += ((c1 * d1 + s1) * n2 + (c2 * d2 + s2) * n1) / (n1 * n2)
                k += 2
            if k < resonators:
                f1 = f[chip, j, k]
                h1 = alpha[chip, j, k] * f1
                c1, s1, q1 = two * c[chip, j, k] * h1, c[chip, j, k] * symmetric * h1 * h1, h1 * h1
                for i in range(count):
                    d1 = t[i] - f1
                    row[i] += (c1 * d1 + s1) / (q1 + d1 * d1)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "arcp", "reassoc", "nsz"})
def _fill_slopes(f, tone, alpha, c, symmetric, wanted, out):  # pragma: no cover - compiled
    chips, chains, resonators = f.shape
    count = tone.shape[1]
    two = f.dtype.type(2)
    half = np.empty(resonators, f.dtype)
    for chip in range(chips):
        for j in range(chains):
            row = out[chip, j]
            own = f[chip, j]
            for k in range(resonators):
                half[k] = alpha[chip, j, k] * own[k]
            for i in range(count):
                t = tone[chip, i]
                w = two * wanted[chip, j, i] * t
                for k in range(resonators):
                    h = half[k]
                    d = t - own[k]
                    square = h * h + d * d
                    row[k] += w * (d * d - h * h + symmetric * h * d) / (square * square)
            for k in range(resonators):
                row[k] *= alpha[chip, j, k] * c[chip, j, k]
