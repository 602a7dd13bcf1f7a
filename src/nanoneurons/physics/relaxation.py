r"""An oscillator's amplitude that relaxes exponentially towards the value its current sets.

.. math:: \frac{dV}{dt} = \frac{V_\infty(I) - V}{T}
    \quad\Rightarrow\quad
    V(t + \Delta t) = V_\infty + \left(V(t) - V_\infty\right) e^{-\Delta t/T}

exact while the current is constant. Three laws of :math:`V_\infty` are in use, all zero below the threshold
current :math:`I_{th}`; with :math:`z = I/I_{th}`:

* `amplitude_fit`: :math:`c\sqrt{I - I_{th}}`, a fit to measured vortex oscillators;
* `amplitude_uniform`: :math:`c\sqrt{(z-1)/(z+Q)}`, an auto-oscillator of nonlinear damping Q;
* `amplitude_vortex`: :math:`c\sqrt{(z-1)/(\zeta+\xi)}`, a vortex core,
  with :math:`c = \lambda R_L/(R_L+R_0)` behind a load (`load_divider`).

Currents in A, times in s, amplitudes in the unit of c (V). Functions take tensors of any shape, or numbers, that
broadcast together, and return a new tensor.

There T is a constant, which holds for small deviations around one direct current. Without that simplification the
power :math:`p = (V/c)^2` of an auto-oscillator obeys

.. math:: \frac{dp}{dt} = 2\Gamma_G\, p \left[(z - 1) - (z + Q)\, p\right]
    \quad\Rightarrow\quad
    p(t + \Delta t) = \frac{p\, e^x}{1 + p\,(z + Q)\, 2\Gamma_G \Delta t\,(e^x - 1)/x},
    \qquad x = 2\Gamma_G (z - 1) \Delta t,

also exact while the current is constant (`grow`, `follow_power`). It recovers slowly from small amplitudes, and so
answers to a current in a way that depends on the ones before.

Not modelled: the phase, the thermal power that restarts an oscillation which has died out, other oscillators.

Source: Abreu Araujo et al., Sci. Rep. 10, 328 (2020) for the fit; Slavin and Tiberkevich, IEEE Trans. Magn. 45, 1875
(2009) for the auto-oscillator, whose power is :math:`p_0 = (z-1)/(z+Q)` and whose small deviations of power
relax at :math:`2\Gamma_G(z-1)`; Grimaldi et al., Phys. Rev. B 89, 104404 (2014) for the vortex core.
"""

from __future__ import annotations

import numba
import numpy as np
import torch

from nanoneurons.core.errors import ParameterError

__all__ = [
    "amplitude_fit",
    "amplitude_uniform",
    "amplitude_vortex",
    "damping_rate",
    "follow",
    "follow_power",
    "grow",
    "load_divider",
    "relax",
    "relaxation_time",
]

Value = torch.Tensor | float


def amplitude_fit(current: torch.Tensor, threshold: Value, scale: Value) -> torch.Tensor:
    """Amplitude ``scale sqrt(I - I_th)``, zero below the threshold; `scale` in V per square root of A."""
    return (current - threshold).clamp_min_(0.0).sqrt_() * scale


def amplitude_uniform(current: torch.Tensor, threshold: Value, damping: Value, scale: Value) -> torch.Tensor:
    """Amplitude ``scale sqrt((z - 1)/(z + Q))`` with the nonlinear damping Q; tends to `scale` far above threshold."""
    z = (current / threshold).clamp_min(1.0)
    return ((z - 1.0) / (z + damping)).sqrt() * scale


def amplitude_vortex(current: torch.Tensor, threshold: Value, stiffening: Value, scale: Value) -> torch.Tensor:
    """Amplitude ``scale sqrt((z - 1)/(zeta + xi))``; `stiffening` is zeta + xi; valid to a gyration of 0.6 R."""
    return ((current / threshold).clamp_min(1.0) - 1.0).div(stiffening).sqrt() * scale


def load_divider(load: float, resistance: float) -> float:
    """Share of an oscillator's voltage that its load sees, ``R_L / (R_L + R_0)``."""
    return load / (load + resistance)


def relaxation_time(damping: float, supercriticality: float) -> float:
    r"""Time constant :math:`T = 1/[2\Gamma_G(z-1)]` in s at a direct current of `supercriticality` z.

    Args:
        damping: linear damping rate :math:`\Gamma_G` in 1/s.

    Raises:
        ParameterError: the current is not above threshold, where an oscillation would not relax to an amplitude.
    """
    if not supercriticality > 1:
        raise ParameterError(
            f"supercriticality {supercriticality:g} has no oscillation to relax to; "
            "give a direct current above threshold"
        )
    return 1.0 / (2.0 * damping * (supercriticality - 1.0))


def damping_rate(time_constant: float, supercriticality: float) -> float:
    r"""Linear damping rate :math:`\Gamma_G` in 1/s that gives `time_constant` at z; inverse of `relaxation_time`."""
    return relaxation_time(time_constant, supercriticality)  # T and the rate change places in T rate = 1/[2 (z - 1)]


def relax(amplitude: torch.Tensor, target: torch.Tensor, dt: Value, time_constant: Value) -> torch.Tensor:
    """Amplitude after `dt` at a constant current: exact, so two half steps are one step."""
    decay = torch.exp(torch.as_tensor(-dt / time_constant, dtype=target.dtype, device=target.device))
    return target + (amplitude - target) * decay


def follow(start: Value, target: torch.Tensor, decay: Value, kick: torch.Tensor | None = None) -> torch.Tensor:
    r"""Amplitudes at the ends of many equal intervals, each with its own current.

    .. math:: V_n = a V_{n-1} + (1-a) V_{\infty,n} + k_n

    Args:
        start: amplitude before the first interval, broadcast to ``(...)``.
        target: what the current of each interval leads to, ``(..., steps)``.
        decay: a = exp(-dt/T), in [0, 1], broadcast to ``(...)``.
        kick: what noise adds at the end of each interval, ``(..., steps)``.

    Returns:
        ``(..., steps)``, dtype of `target`. On the CPU without gradients a compiled loop runs over the
        steps; otherwise the recursion is solved in blocks by a triangular matrix and is differentiable.

    Raises:
        ParameterError: a decay outside [0, 1], which no positive time constant gives.
    """
    lead = target.shape[:-1]
    a = torch.as_tensor(decay, dtype=target.dtype, device=target.device)
    if not bool(((a >= 0) & (a <= 1)).all()):
        raise ParameterError("decay must lie in [0, 1]; give a time constant and an interval that are positive")
    a = a.expand(lead)
    v = torch.as_tensor(start, dtype=target.dtype, device=target.device).expand(lead)
    if target.device.type == "cpu" and not (
        torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (target, a, v, kick))
    ):
        out = target.detach().clone(memory_format=torch.contiguous_format)
        noise = out.new_empty(0) if kick is None else kick.detach().to(out.dtype).expand(out.shape).contiguous()
        steps = out.shape[-1]
        _follow(
            v.detach().reshape(-1).numpy(),
            a.detach().reshape(-1).numpy(),
            noise.reshape(-1, steps if kick is not None else 1).numpy(),
            out.view(-1, steps).numpy(),
        )
        return out
    return _follow_in_blocks(v, target, a, kick)


@numba.njit(cache=True)
def _follow(start, decay, kick, out):  # pragma: no cover - compiled
    noisy = kick.size > 0
    for row in range(out.shape[0]):
        v, a = start[row], decay[row]
        b = 1 - a
        for n in range(out.shape[1]):
            v = a * v + b * out[row, n]
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


def grow(power: torch.Tensor, supercriticality: torch.Tensor, damping: Value, rate: Value, dt: Value) -> torch.Tensor:
    r"""Power of an auto-oscillator after `dt` at constant current; below threshold it dies out.

    Args:
        power: p, dimensionless, positive.
        supercriticality: z = I/I_th.
        damping: nonlinear damping Q.
        rate: linear damping rate :math:`\Gamma_G` in 1/s.
    """
    above = supercriticality - 1.0
    x = 2.0 * rate * dt * above
    small = above.abs() < 1e-7
    # (e^x - 1)/(z - 1), and its limit at threshold
    gained = torch.where(small, 2.0 * rate * dt * (1.0 + x / 2), torch.expm1(x) / torch.where(small, 1.0, above))
    return power * x.exp() / (1.0 + power * (supercriticality + damping) * gained)


def follow_power(
    start: Value, supercriticality: torch.Tensor, damping: Value, rate_dt: Value, kick: torch.Tensor | None = None
) -> torch.Tensor:
    r"""Square root of the power at the ends of many equal intervals, each with its own current.

    Args:
        start: power before the first interval, broadcast to ``(...)``.
        supercriticality: z of each interval, ``(..., steps)``.
        damping: nonlinear damping Q, broadcast to ``(...)``.
        rate_dt: :math:`\Gamma_G \Delta t`, broadcast to ``(...)``.
        kick: what noise adds to the root of the power at the end of each interval, ``(..., steps)``; a root
            that it turns negative is reflected.

    Returns:
        ``(..., steps)``, dtype of `supercriticality`, by a compiled loop; no gradients.
    """
    z = supercriticality.detach()
    lead, steps = z.shape[:-1], z.shape[-1]
    out = z.cpu().clone(memory_format=torch.contiguous_format)
    rows = [torch.as_tensor(v, dtype=z.dtype, device="cpu").expand(lead).reshape(-1) for v in (start, damping, rate_dt)]
    noise = out.new_empty(0) if kick is None else kick.detach().to(out).expand(out.shape).contiguous()
    _follow_power(
        *(row.numpy() for row in rows),
        noise.reshape(-1, steps if kick is not None else 1).numpy(),
        out.view(-1, steps).numpy(),
    )
    return out.to(z.device)


@numba.njit(cache=True)
def _follow_power(start, damping, rate_dt, kick, out):  # pragma: no cover - compiled
    noisy = kick.size > 0
    for row in range(out.shape[0]):
        p = start[row]
        for n in range(out.shape[1]):
            z = out[row, n]
            x = 2 * rate_dt[row] * (z - 1)
            gained = 2 * rate_dt[row] * (1 + x / 2) if abs(z - 1) < 1e-7 else np.expm1(x) / (z - 1)
            p = p * np.exp(x) / (1 + p * (z + damping[row]) * gained)
            v = np.sqrt(p)
            if noisy:
                v = abs(v + kick[row, n])
                p = v * v
            out[row, n] = v
