r"""The leaky integrate-and-fire neuron, solved exactly between and inside steps of constant drive.

.. math::
    \tau\,\dot v = v_\infty - v - a, \qquad \tau_a\,\dot a = -a, \qquad
    v \ge \theta:\ v \to v_r \text{ held for } t_r, \quad a \to a + b

with :math:`v_\infty = E + R I`. Between spikes, with :math:`x = t(1/\tau - 1/\tau_a)`,

.. math:: v(t) = v_\infty + (v_0 - v_\infty)\,e^{-t/\tau} - a_0\,\frac{t}{\tau}\,e^{-t/\tau}\,\frac{e^x - 1}{x},
    \qquad a(t) = a_0\,e^{-t/\tau_a}.

Adaptation of the threshold, :math:`\theta(t) = \theta + a(t)`, takes a out of the first equation. Without adaptation
a spike comes at :math:`t = \tau\ln[(v_\infty - v_0)/(v_\infty - \theta)]`; with it, at the first zero of the distance
to the threshold, which has at most one extremum, also in closed form, so no crossing inside a step is missed.

Potentials in V, times in s. Not modelled: the shape of a spike.

Source: Gerstner, Kistler, Naud and Paninski, Neuronal Dynamics (Cambridge, 2014), chapters 1 and 6.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import normal_at, start_of

__all__ = ["CURRENT", "MOST", "NONE", "THRESHOLD", "advance", "beyond", "beyond_all", "firing_rate", "run"]

NONE, CURRENT, THRESHOLD = 0, 1, 2  # what adapts
MOST = 1000  # spikes of one neuron in one step, beyond which its drive is a mistake


def firing_rate(target: float, tau: float, threshold: float, reset: float, refractory: float) -> float:
    r"""Rate in Hz without adaptation, :math:`1/\{t_r + \tau\ln[(v_\infty - v_r)/(v_\infty - \theta)]\}`."""
    if target <= threshold:
        return 0.0
    return 1 / (refractory + tau * math.log1p((threshold - reset) / (target - threshold)))


@numba.njit(inline="always")
def _pulled(t, tau, k):  # pragma: no cover - compiled
    """How far a unit adaptation current has pulled the potential down after a time."""
    x = t * k
    ratio = math.expm1(x) / x if abs(x) > 1e-12 else 1.0
    return t / tau * math.exp(-t / tau) * ratio


@numba.njit
def _distance(t, v, a, target, level, tau, tau_a, adapts):  # pragma: no cover - compiled
    """Potential minus threshold after a time, and its rate of change."""
    decay = math.exp(-t / tau)
    ahead = target + (v - target) * decay
    rate = (target - v) * decay / tau
    left = a * math.exp(-t / tau_a)
    if adapts == CURRENT:
        pulled = a * _pulled(t, tau, 1 / tau - 1 / tau_a)
        return ahead - pulled - level, rate - (left - pulled) / tau
    return ahead - level - left, rate + left / tau_a


@numba.njit
def _turning(v, a, target, tau, tau_a, adapts):  # pragma: no cover - compiled
    """Time at which the distance to the threshold turns round; negative or NaN if never."""
    drop = target - v
    if adapts == CURRENT:
        slow = (tau_a - tau) / tau
        arg = slow * (1 - drop / a)
        if abs(slow) < 1e-9:
            return tau * (1 - drop / a)
        return tau_a / slow * math.log1p(arg) if arg > -1 else -1.0
    ratio = -drop * tau_a / (tau * a)
    k = 1 / tau - 1 / tau_a
    return math.log(ratio) / k if ratio > 0 and k != 0 else -1.0


@numba.njit
def _crossing(v, a, target, level, tau, tau_a, adapts, left):  # pragma: no cover - compiled
    """Time of the first crossing of the threshold within `left` s; negative if there is none."""
    if adapts == NONE or a == 0:
        if v >= level:
            return 0.0
        if target + (v - target) * math.exp(-left / tau) < level:  # the path is monotonic
            return -1.0
        return min(tau * math.log1p((level - v) / (target - level)), left) if target > level else left
    if _distance(0.0, v, a, target, level, tau, tau_a, adapts)[0] >= 0:
        return 0.0
    high = left
    if _distance(left, v, a, target, level, tau, tau_a, adapts)[0] < 0:
        high = -1.0
    turn = _turning(v, a, target, tau, tau_a, adapts)
    if 0 < turn < left and _distance(turn, v, a, target, level, tau, tau_a, adapts)[0] >= 0:
        high = turn
    if high < 0:
        return -1.0
    low, t = 0.0, high
    for _ in range(100):  # Newton's method, kept inside the bracket
        value, rate = _distance(t, v, a, target, level, tau, tau_a, adapts)
        if value >= 0:
            high = t
        else:
            low = t
        after = t - value / rate if rate > 0 else -1.0
        if not low <= after <= high:
            after = 0.5 * (low + high)
        if abs(after - t) <= 1e-15 * left:
            return after
        t = after
    return t


@numba.njit
def advance(
    v, a, wait, target, level, tau, dt, reset, refractory, tau_a, jump, adapts, floor
):  # pragma: no cover - compiled
    """One neuron through one step: potential, adaptation, rest of the refractory time, spikes, time of the last."""
    now, moment, count = 0.0, 0.0, 0
    while True:
        if wait > 0:
            if wait >= dt - now:
                return v, a * math.exp(-(dt - now) / tau_a), wait - (dt - now), count, moment
            now += wait
            a *= math.exp(-wait / tau_a)
            wait = 0.0
        left = dt - now
        when = _crossing(v, a, target, level, tau, tau_a, adapts, left)
        if when < 0 or count > MOST:
            v = target + (v - target) * math.exp(-left / tau)
            if adapts == CURRENT:
                v -= a * _pulled(left, tau, 1 / tau - 1 / tau_a)
            return max(v, floor), a * math.exp(-left / tau_a), 0.0, count, moment
        now = min(now + when, dt)
        a = a * math.exp(-when / tau_a) + jump
        v, wait, moment, count = reset, refractory, now, count + 1


@numba.njit
def beyond(v, a, wait, target, level, tau, dt, tau_a, adapts):  # pragma: no cover - compiled
    """Potential minus threshold at the end of a step, of a neuron that does not fire in it."""
    held = min(wait, dt)
    return _distance(dt - held, v, a * math.exp(-held / tau_a), target, level, tau, tau_a, adapts)[0]


@numba.njit(cache=True)
def beyond_all(v, a, wait, drive, level, tau, dt, rest, resistance, tau_a, adapts, out):  # pragma: no cover - compiled
    """`beyond` of many neurons under a current, without noise."""
    for i in range(len(v)):
        out[i] = beyond(v[i], a[i], wait[i], rest + resistance * drive[i], level[i], tau[i], dt, tau_a, adapts)


@numba.njit(cache=True, nogil=True)
def run(
    v, a, wait, level, tau, drive, keys, cells, dt, rest, resistance, noise, reset, refractory, tau_a, jump, adapts,
    floor, spikes, moment, status,
):  # fmt: skip  # pragma: no cover - compiled
    """Many neurons through many steps, in place.

    Args:
        v, a, wait, level, tau: potential, adaptation, rest of the refractory time, threshold and time constant, (n,).
        drive: current in A, (n, steps).
        keys: random key of every step, or empty without noise; `cells` neurons make a chip.
        noise: standard deviation in V of the potential under noise alone.
        spikes, moment: filled with the number of spikes, (n, steps), and the time of the last in the last step, (n,).
        status: filled with (1 for a drive that is not finite, 2 for too many spikes; neuron; step) of the first.
    """
    noisy = keys.size > 0 and noise > 0
    for i in range(drive.shape[0]):
        decay = math.exp(-dt / tau[i])
        held = noise * math.sqrt((1 + decay) / (1 - decay))  # of a drive held for a step
        for s in range(drive.shape[1]):
            target = rest + resistance * drive[i, s]
            if not abs(target) < np.inf:
                status[0], status[1], status[2] = 1, i, s
                return
            if noisy:
                target += held * normal_at(start_of(keys[s], i // cells, 0), i % cells)
            if adapts == NONE and wait[i] == 0:  # most steps of most neurons
                ahead = target + (v[i] - target) * decay
                if ahead < level[i] and v[i] < level[i]:
                    v[i] = max(ahead, floor)
                    spikes[i, s] = 0
                    moment[i] = 0
                    continue
            v[i], a[i], wait[i], count, moment[i] = advance(
                v[i], a[i], wait[i], target, level[i], tau[i], dt, reset, refractory, tau_a, jump, adapts, floor
            )
            spikes[i, s] = count
            if count > MOST:
                status[0], status[1], status[2] = 2, i, s
                return
