r"""An oscillator's amplitude under a train of currents: exponential relaxation, and the amplitude equation.

With one time constant the amplitude relaxes towards what its current sets,

.. math:: \frac{dV}{dt} = \frac{V_\infty(I) - V}{T}
    \quad\Rightarrow\quad
    V(t + \Delta t) = V_\infty + \left(V(t) - V_\infty\right) e^{-\Delta t/T},
    \qquad V_\infty = c\sqrt{\frac{z - 1}{s z + Q}}, \quad z = I/I_{th}

exact while the current is constant. Three laws are in use: s = 0, Q = 1 is a fit to measured vortex oscillators,
:math:`c'\sqrt{I - I_{th}}`; s = 1 an auto-oscillator of nonlinear damping Q; s = 0, :math:`Q = \zeta + \xi` a rigid
vortex core, with :math:`c = \lambda R_L/(R_L + R_0)`.

T is a constant only for small deviations around one current. In general the power :math:`p = (V/c)^2` of an
auto-oscillator obeys

.. math:: \frac{dp}{dt} = 2\Gamma_G\, p \left[(z - 1) - (z + Q)\, p\right]
    \quad\Rightarrow\quad
    p(t + \Delta t) = \frac{p\, e^x}{1 + p\,(z + Q)\, 2\Gamma_G \Delta t\,(e^x - 1)/x},
    \qquad x = 2\Gamma_G (z - 1) \Delta t,

also exact. It recovers slowly from small amplitudes, so it answers to a current in a way that depends on the ones
before.

Currents in A, times in s, amplitudes in the unit of c. Functions take tensors of any shape that broadcast together.

Not modelled: the phase (thermal noise is isotropic, so the amplitude does not feel it), other oscillators.

Source: Abreu Araujo et al., Sci. Rep. 10, 328 (2020) for the fit; Slavin and Tiberkevich, IEEE Trans. Magn. 45, 1875
(2009) for the auto-oscillator; Grimaldi et al., Phys. Rev. B 89, 104404 (2014) for the vortex core.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch

from nanoneurons.core.random import normal_of, start_of, turned, word_at

__all__ = ["follow", "follow_power", "grow", "relax", "settled"]

Value = torch.Tensor | float

_SPLIT = 0.3  # longest time between thermal kicks in units of 1/(2 rate); their variance is then off by 0.4 %


def settled(supercriticality: torch.Tensor, saturation: Value, damping: Value) -> torch.Tensor:
    """Root of the stationary power, ``sqrt((z - 1)/(s z + Q))``; 0 at and below threshold."""
    z = supercriticality.clamp_min(1.0)
    return ((z - 1.0) / (saturation * z + damping)).sqrt()


def relax(amplitude: torch.Tensor, target: torch.Tensor, decay: Value) -> torch.Tensor:
    """Amplitude after a time of constant current, ``decay = exp(-dt/T)``: exact, so two half steps are one step."""
    return target + (amplitude - target) * decay


def follow(
    start: Value,
    target: torch.Tensor,
    decay: Value,
    kick: torch.Tensor | None = None,
    law: tuple[float, float] | None = None,
) -> torch.Tensor:
    r"""Amplitudes at the ends of many equal intervals, each with its own current.

    .. math:: V_n = a V_{n-1} + (1-a) V_{\infty,n} + k_n

    Args:
        start: amplitude before the first interval, broadcast to ``(...)``.
        target: what the current of each interval leads to, ``(..., steps)``.
        decay: a = exp(-dt/T), from 0 to 1, broadcast to ``(...)``.
        kick: what noise adds at the end of each interval, ``(..., steps)``.
        law: s and Q of `settled`, whose argument z is then what `target` holds; one pass over memory instead of five.

    Returns:
        ``(..., steps)``, dtype of `target`. On the CPU without gradients a compiled loop runs over the
        steps; otherwise the recursion is solved in blocks by a triangular matrix and is differentiable.
    """
    lead, steps = target.shape[:-1], target.shape[-1]
    a = torch.as_tensor(decay, dtype=target.dtype, device=target.device).expand(lead)
    v = torch.as_tensor(start, dtype=target.dtype, device=target.device).expand(lead)
    gradient = torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (target, a, v, kick))
    if target.device.type != "cpu" or gradient:
        return _follow_in_blocks(v, target if law is None else settled(target, *law), a, kick)
    out = target.detach().clone(memory_format=torch.contiguous_format)
    noise = out.new_empty((1, 0)) if kick is None else kick.detach().to(out.dtype).expand(out.shape).reshape(-1, steps)
    saturation, damping = law or (0.0, 1.0)
    _follow(
        _row(v), _row(a), noise.contiguous().numpy(), law is not None, saturation, damping, out.view(-1, steps).numpy()
    )
    return out


def _row(value: torch.Tensor) -> np.ndarray:
    return value.detach().reshape(-1).contiguous().numpy()


@numba.njit(cache=True)
def _follow(start, decay, kick, settle, saturation, damping, out):  # pragma: no cover - compiled
    noisy = kick.size > 0
    for row in range(out.shape[0]):
        v, a = start[row], decay[row]
        b = 1 - a
        for n in range(out.shape[1]):
            target = out[row, n]
            if settle:
                z = max(target, 1.0)
                target = np.sqrt((z - 1.0) / (saturation * z + damping) if saturation != 0.0 else (z - 1.0) / damping)
            v = a * v + b * target
            if noisy:
                v += kick[row, n]
            out[row, n] = v


def _follow_in_blocks(
    v: torch.Tensor, target: torch.Tensor, a: torch.Tensor, kick: torch.Tensor | None
) -> torch.Tensor:
    """The same recursion as matrix products: ``V = L b + a^n V_0`` within blocks of steps."""
    block = 64
    drive = (1 - a)[..., None] * target + (0.0 if kick is None else kick)
    power = torch.arange(block, dtype=target.dtype, device=target.device)
    lag = power[:, None] - power
    weights = torch.where(lag >= 0, a[..., None, None] ** lag.clamp_min(0), torch.zeros_like(lag))
    carried = a[..., None] ** (power + 1)
    found = []
    for part in drive.split(block, dim=-1):
        n = part.shape[-1]
        part = (weights[..., :n, :n] @ part[..., None])[..., 0] + carried[..., :n] * v[..., None]
        v = part[..., -1]
        found.append(part)
    return torch.cat(found, -1)


def grow(power: torch.Tensor, supercriticality: torch.Tensor, damping: Value, rate_time: Value) -> torch.Tensor:
    r"""Power of an auto-oscillator after some time at constant current, without noise; below threshold it dies out.

    Args:
        power: p, dimensionless, positive.
        supercriticality: z = I/I_th.
        damping: nonlinear damping Q.
        rate_time: :math:`\Gamma_G \Delta t`.
    """
    above = supercriticality - 1.0
    x = 2.0 * rate_time * above
    small = above.abs() < 1e-7
    # (e^x - 1)/(z - 1), and its limit at threshold
    gained = torch.where(small, 2.0 * rate_time * (1.0 + x / 2), torch.expm1(x) / torch.where(small, 1.0, above))
    return power * x.exp() / (1.0 + power * (supercriticality + damping) * gained)


def follow_power(
    start: Value,
    supercriticality: torch.Tensor,
    damping: Value,
    rate_time: Value,
    thermal: Value = 0.0,
    bend: Value = 0.0,
    key: int = 0,
) -> torch.Tensor:
    r"""Roots of the power at the ends of many equal intervals, each with its own current.

    Thermal noise of diffusion :math:`D = \Gamma_+(p)\, k_B T / (\lambda\,\omega(p))` kicks both quadratures, halfway
    between two halves of the exact growth (Strang splitting), once or more per interval.

    Args:
        start: power before the first interval, broadcast to ``(...)``.
        supercriticality: z of each interval, ``(chips, ..., steps)``.
        damping: nonlinear damping Q, broadcast to ``(...)``.
        rate_time: :math:`\Gamma_G \Delta t`, broadcast to ``(...)``.
        thermal: :math:`k_B T/(\lambda\omega_0)`, broadcast to ``(...)``; 0 for no noise.
        bend: :math:`N/\omega_0`, so that :math:`\omega(p) = \omega_0 (1 + bend\, p)`.
        key: random key; numbers belong to (key, chip, row of the chip, interval).

    Returns:
        ``(..., steps)``, dtype of `supercriticality`, by a compiled loop; no gradients.
    """
    z = supercriticality.detach()
    lead, steps = z.shape[:-1], z.shape[-1]
    out = z.cpu().clone(memory_format=torch.contiguous_format)
    rows = [
        _row(torch.as_tensor(v, dtype=torch.float64, device="cpu").expand(lead))
        for v in (start, damping, rate_time, thermal, bend)
    ]
    fastest = max(1.0, float((z - 1.0).abs().max()))
    splits = math.ceil(2 * float(rows[2].max()) * fastest / _SPLIT) if rows[3].any() else 0
    per_chip = max(1, out.numel() // steps // (lead[0] if lead else 1))
    _follow_power(*rows, splits, per_chip, np.uint64(key), out.view(-1, steps).numpy())
    return out.to(z.device)


@numba.njit(inline="always")
def _grown(p, z, damping, rate_time):  # pragma: no cover - compiled
    x = 2 * rate_time * (z - 1)
    more = np.expm1(x)
    gained = 2 * rate_time * (1 + x / 2) if abs(z - 1) < 1e-7 else more / (z - 1)
    return p * (1 + more if x > -1 else np.exp(x)) / (1 + p * (z + damping) * gained)


@numba.njit(cache=True)
def _follow_power(start, damping, rate_time, thermal, bend, splits, per_chip, key, out):  # pragma: no cover - compiled
    for row in range(out.shape[0]):
        p, q, noise = start[row], damping[row], thermal[row]
        stream = start_of(key, row // per_chip, row % per_chip)
        part = rate_time[row] / max(splits, 1)
        for n in range(out.shape[1]):
            z = np.float64(out[row, n])
            if noise == 0.0:
                p = _grown(p, z, q, rate_time[row])
            else:
                for k in range(
                    splits
                ):  # half a part of growth before the first kick and after the last, a whole between
                    p = _grown(p, z, q, 0.5 * part if k == 0 else part)
                    size = np.sqrt(part * (1 + q * p) * noise / (1 + bend[row] * p))
                    word = word_at(stream, n * splits + k)
                    x, y = np.sqrt(p) + size * normal_of(word), size * normal_of(turned(word))
                    p = x * x + y * y
                p = _grown(p, z, q, 0.5 * part)
            out[row, n] = np.sqrt(p)
