"""Compiled population of switches in their RC circuits: a Rosenbrock method with step control that stops at events.

RODAS (Hairer and Wanner, Solving Ordinary Differential Equations II, section VI.4): order 4 with an embedded error of
order 3 and continuous output, six linear systems of two unknowns a step, the Jacobian exact. Every device has steps of
its own. Steps end at events, which the continuous output finds: a switch (the temperature rises through a level), its
end (it falls by a swing from its maximum), and a reversal of the temperature where the law remembers it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import normal_at, start_of, word_at

from . import _switch_laws as at
from ._switch_laws import VANADIUM, core_voltage, device_current, flow, node_voltage, rates, turn_round

__all__ = ["rodas", "run_population"]

_jit = numba.njit(error_model="numpy")
_K = 1.380649e-23
_NOTHING, _SWITCH, _REARM, _REVERSAL = 0, 1, 2, 3


@_jit
def rodas(law, p, y, x, t, source, h, start):  # pragma: no cover - compiled
    """One step of `h` s from core voltage x and temperature t, where `start` are the rates.

    Returns: the new x and t, their errors, and two coefficients each of the continuous output.
    """
    fx, ft, jxx, jxt, jtx, jtt = start
    e = 4.0 / h  # 1 / (gamma h), gamma = 1/4
    a, d = e - jxx, e - jtt
    over = 1.0 / (a * d - jxt * jtx)
    w = 1.0 / h

    u1, s1 = (d * fx + jxt * ft) * over, (jtx * fx + a * ft) * over
    k = flow(law, p, y, x + 1.544 * u1, t + 1.544 * s1, source)
    rx, rt = k[0] - 5.6688 * w * u1, k[1] - 5.6688 * w * s1
    u2, s2 = (d * rx + jxt * rt) * over, (jtx * rx + a * rt) * over
    k = flow(
        law, p, y, x + 0.9466785280815826 * u1 + 0.2557011698983284 * u2,
        t + 0.9466785280815826 * s1 + 0.2557011698983284 * s2, source,
    )  # fmt: skip
    rx = k[0] + w * (-2.430093356833875 * u1 - 0.2063599157091915 * u2)
    rt = k[1] + w * (-2.430093356833875 * s1 - 0.2063599157091915 * s2)
    u3, s3 = (d * rx + jxt * rt) * over, (jtx * rx + a * rt) * over
    k = flow(
        law, p, y, x + 3.314825187068521 * u1 + 2.896124015972201 * u2 + 0.9986419139977817 * u3,
        t + 3.314825187068521 * s1 + 2.896124015972201 * s2 + 0.9986419139977817 * s3, source,
    )  # fmt: skip
    rx = k[0] + w * (-0.1073529058151375 * u1 - 9.594562251023355 * u2 - 20.47028614809616 * u3)
    rt = k[1] + w * (-0.1073529058151375 * s1 - 9.594562251023355 * s2 - 20.47028614809616 * s3)
    u4, s4 = (d * rx + jxt * rt) * over, (jtx * rx + a * rt) * over
    x5 = x + 1.221224509226641 * u1 + 6.019134481288629 * u2 + 12.53708332932087 * u3 - 0.6878860361058950 * u4
    t5 = t + 1.221224509226641 * s1 + 6.019134481288629 * s2 + 12.53708332932087 * s3 - 0.6878860361058950 * s4
    k = flow(law, p, y, x5, t5, source)
    rx = k[0] + w * (7.496443313967647 * u1 - 10.24680431464352 * u2 - 33.99990352819905 * u3 + 11.70890893206160 * u4)
    rt = k[1] + w * (7.496443313967647 * s1 - 10.24680431464352 * s2 - 33.99990352819905 * s3 + 11.70890893206160 * s4)
    u5, s5 = (d * rx + jxt * rt) * over, (jtx * rx + a * rt) * over
    x6, t6 = x5 + u5, t5 + s5
    k = flow(law, p, y, x6, t6, source)
    rx = k[0] + w * (
        8.083246795921522 * u1 - 7.981132988064893 * u2 - 31.52159432874371 * u3 + 16.31930543123136 * u4
        - 6.058818238834054 * u5
    )  # fmt: skip
    rt = k[1] + w * (
        8.083246795921522 * s1 - 7.981132988064893 * s2 - 31.52159432874371 * s3 + 16.31930543123136 * s4
        - 6.058818238834054 * s5
    )  # fmt: skip
    u6, s6 = (d * rx + jxt * rt) * over, (jtx * rx + a * rt) * over

    x3 = (
        10.12623508344586 * u1 - 7.487995877610167 * u2 - 34.80091861555747 * u3 - 7.992771707568823 * u4
        + 1.025137723295662 * u5
    )  # fmt: skip
    x4 = (
        -0.6762803392806253 * u1 + 6.087714651680015 * u2 + 16.43084320892478 * u3 + 24.76722511418386 * u4
        - 6.594389125716872 * u5
    )  # fmt: skip
    t3 = (
        10.12623508344586 * s1 - 7.487995877610167 * s2 - 34.80091861555747 * s3 - 7.992771707568823 * s4
        + 1.025137723295662 * s5
    )  # fmt: skip
    t4 = (
        -0.6762803392806253 * s1 + 6.087714651680015 * s2 + 16.43084320892478 * s3 + 24.76722511418386 * s4
        - 6.594389125716872 * s5
    )  # fmt: skip
    return x6 + u6, t6 + s6, u6, s6, x3, x4, t3, t4


@_jit
def _between(z0, z1, c3, c4, s):  # pragma: no cover - compiled
    """Continuous output at the share s of a step."""
    return z0 * (1 - s) + s * (z1 + (1 - s) * (c3 + s * c4))


@_jit
def _slope(z0, z1, c3, c4, s):  # pragma: no cover - compiled
    return z1 - z0 + c3 + 2 * s * (c4 - c3) - 3 * s * s * c4


@_jit
def _share_at(z0, z1, c3, c4, level, low, high):  # pragma: no cover - compiled
    """Share of the step, between two shares on either side of it, at which the output has a level."""
    rising = _between(z0, z1, c3, c4, high) > level
    for _ in range(50):
        middle = 0.5 * (low + high)
        if (_between(z0, z1, c3, c4, middle) > level) == rising:
            high = middle
        else:
            low = middle
    return high


@_jit
def _turn(z0, z1, c3, c4):  # pragma: no cover - compiled
    """Share of the step at which the output is stationary, for slopes of opposite sign at its ends."""
    low, high = 0.0, 1.0
    rising = _slope(z0, z1, c3, c4, 0.0) > 0
    for _ in range(50):
        middle = 0.5 * (low + high)
        if (_slope(z0, z1, c3, c4, middle) > 0) == rising:
            low = middle
        else:
            high = middle
    return high


@_jit
def _level(p, y):  # pragma: no cover - compiled
    """Temperature at which the next event happens: the switch of an armed device, or the end of the present one."""
    if y[at.ARMED] > 0:
        return max(p[at.SWITCHED], y[at.MARK] + p[at.SWING])
    return y[at.MARK] - p[at.SWING]


@_jit
def _event(law, p, y, t, t1, ft, ft1, c3, c4):  # pragma: no cover - compiled
    """The first event inside a step and the share of it where it happens; updates the running extreme."""
    share, kind = 1.0, _NOTHING
    turn, extreme = 1.0, t1
    if ft * ft1 < 0:
        turn = _turn(t, t1, c3, c4)
        extreme = _between(t, t1, c3, c4, turn)
        if law == VANADIUM:
            share, kind, t1 = turn, _REVERSAL, extreme
    if y[at.ARMED] > 0:
        level = _level(p, y)
        if extreme >= level:
            return _share_at(t, t1, c3, c4, level, 0.0, turn), _SWITCH
        if t1 >= level:
            return _share_at(t, t1, c3, c4, level, turn, 1.0), _SWITCH
        y[at.MARK] = min(y[at.MARK], t, min(t1, extreme))
    else:
        if extreme <= _level(p, y):
            return _share_at(t, t1, c3, c4, _level(p, y), 0.0, turn), _REARM
        y[at.MARK] = max(y[at.MARK], t, max(t1, extreme))
        if t1 <= _level(p, y):
            return _share_at(t, t1, c3, c4, _level(p, y), turn, 1.0), _REARM
    return share, kind


@_jit
def _reversal(law, p, y, x, t, source, h, now, ft1, share):  # pragma: no cover - compiled
    """Share of a step just after which the drift of the temperature changes its sign, by steps of that length.

    The continuous output is one order less accurate than the step, and minor loops feel where they begin.
    """
    low, high, f_low, f_high = 0.0, 1.0, now[1], ft1
    for _ in range(30):
        x1, t1 = rodas(law, p, y, x, t, source, share * h, now)[:2]
        f = flow(law, p, y, x1, t1, source)[1]
        if f * now[1] > 0:
            low, f_low, f_high = share, f, 0.5 * f_high  # halved so that neither end stays (Illinois)
        else:
            high, f_high, f_low = share, f, 0.5 * f_low
            if abs(f) <= 1e-7 * max(abs(now[1]), abs(ft1)) or high - low < 1e-10:
                break
        share = low + (high - low) * min(max(f_low / (f_low - f_high), 1e-3), 1 - 1e-3)
    return high


@_jit
def _kick(law, p, y, x, t, now, h, stream, n):  # pragma: no cover - compiled
    """Thermal noise of a step: fluctuations of the temperature, Johnson noise of load and device, at their variance.

    The variance is that of the linearised equation over h, so that a device at rest keeps k T^2 / C_th and k T / C.
    """
    v, i = node_voltage(law, p, y, x, t), device_current(law, p, y, x, t)
    rate = 2 * now[5]
    spread = math.expm1(rate * h) / rate if abs(rate * h) > 1e-9 else h
    heat = 2 * _K * t * t / (p[at.THERMAL_R] * p[at.THERMAL_C] ** 2) * spread
    rate = 2 * now[2]
    spread = math.expm1(rate * h) / rate if abs(rate * h) > 1e-9 else h
    conductance = i / v if abs(v) > 1e-9 else 0.0
    charge = 2 * _K * (p[at.AMBIENT] / p[at.LOAD] + t * conductance) / p[at.CAPACITANCE] ** 2 * spread
    t += p[at.NOISE] * math.sqrt(heat) * normal_at(stream, n)
    v += p[at.NOISE] * math.sqrt(charge) * normal_at(stream, n + 1)
    return core_voltage(law, p, y, v, t), t


@_jit
def _one(law, p, y, drive, dt, tolerance, stream, spikes, moments, times, trace, per):  # pragma: no cover - compiled
    """One device through all its drives; returns the number of steps taken, negative if it failed."""
    x, t = core_voltage(law, p, y, y[at.VOLTAGE], y[at.TEMPERATURE]), y[at.TEMPERATURE]
    n, taken, fired, record = 0, 0, 0, 0
    for k in range(len(drive)):
        source, passed, count, moment = drive[k], 0.0, 0, 0.0
        now = rates(law, p, y, x, t, source)
        while passed < dt:
            if law == VANADIUM and y[at.DIRECTION] * now[1] < 0:
                turn_round(p, y, t)
                now = rates(law, p, y, x, t, source)
            h = min(y[at.STRIDE], dt - passed)
            last = dt - passed <= 1.000001 * h
            if last:
                h = dt - passed
            x1, t1, ex, et, x3, x4, t3, t4 = rodas(law, p, y, x, t, source, h, now)
            taken += 1
            warm = max(t, t1) - p[at.AMBIENT] + p[at.SWING]
            ex /= tolerance * (1e-2 + max(abs(x), abs(x1)))
            et /= tolerance * max(warm, p[at.SWING])
            error = math.sqrt(0.5 * (ex * ex + et * et))
            if not error <= 1.0:
                y[at.STRIDE] = h * (max(0.2, 0.9 * error**-0.25) if error < 1e30 else 0.1)
                if not y[at.STRIDE] > 1e-12 * p[at.THERMAL_R] * p[at.THERMAL_C]:
                    return -1
                continue
            grown = h * min(5.0, 0.9 * max(error, 1e-8) ** -0.25)
            y[at.STRIDE] = grown if not last else max(grown, y[at.STRIDE])
            after = rates(law, p, y, x1, t1, source)
            share, kind = _event(law, p, y, t, t1, now[1], after[1], t3, t4)
            if kind == _REVERSAL:
                share = _reversal(law, p, y, x, t, source, h, now, after[1], share)
            if kind != _NOTHING and share < 1.0:
                h, last = share * h, False
                x1, t1, ex, et, x3, x4, t3, t4 = rodas(law, p, y, x, t, source, h, now)
                taken += 1
                after = rates(law, p, y, x1, t1, source)
            while record < trace.shape[0]:  # all moments of the record inside this step
                due = (record + 1) * dt / per - k * dt - passed
                if due > h * (1 + 1e-9):
                    break
                s = min(due / h, 1.0)
                xs, ts = _between(x, x1, x3, x4, s), _between(t, t1, t3, t4, s)
                trace[record, 0] = node_voltage(law, p, y, xs, ts)
                trace[record, 1] = ts
                trace[record, 2] = device_current(law, p, y, xs, ts)
                record += 1
            passed = dt if last else passed + h
            x, t = x1, t1
            if p[at.NOISE] > 0:
                x, t = _kick(law, p, y, x, t, now, h, stream, n)
                n += 2
                after = rates(law, p, y, x, t, source)
                if kind == _NOTHING and y[at.ARMED] > 0 and t >= _level(p, y):
                    kind = _SWITCH
                elif kind == _NOTHING and y[at.ARMED] == 0 and t <= _level(p, y):
                    kind = _REARM
            if kind == _SWITCH:
                count, moment = count + 1, passed
                if fired < len(times):
                    times[fired] = k * dt + passed
                fired += 1
                y[at.ARMED], y[at.MARK] = 0.0, t
            elif kind == _REARM:
                y[at.ARMED], y[at.MARK] = 1.0, t
                if p[at.JITTER] > 0:
                    v = node_voltage(law, p, y, x, t)
                    y[at.NOW] = p[at.OWN] + p[at.JITTER] * normal_at(stream, n)
                    n += 1
                    x = core_voltage(law, p, y, v, t)
                after = rates(law, p, y, x, t, source)
            now = after
        spikes[k], moments[k] = count, moment
    y[at.VOLTAGE], y[at.TEMPERATURE] = node_voltage(law, p, y, x, t), t
    return taken


@numba.njit(cache=True, error_model="numpy")
def run_population(
    law, p, y, drive, dt, tolerance, key, cells, spikes, moments, times, trace, per, taken
):  # pragma: no cover - compiled
    """All devices, one after another; arrays have one row per device, and y is changed in place.

    Args:
        drive: source voltages, ``(devices, intervals)``, each held for `dt` s.
        key: of the noise; `cells` devices make a chip, whose numbers do not depend on other chips.
        spikes, moments: per interval, written.
        times: the first switches of each device in s from the start, written; as many as it has columns.
        trace: node voltage, temperature and current at `per` equal moments of every interval, or without rows.
        taken: steps that each device took, written.

    Returns: row of the first device whose step fell to nothing, or -1.
    """
    for row in range(len(p)):
        stream = np.uint64(word_at(start_of(key, row // cells, 0), row % cells))
        done = _one(
            law, p[row], y[row], drive[row], dt, tolerance, stream, spikes[row], moments[row], times[row], trace[row],
            per,
        )  # fmt: skip
        if done < 0:
            return row
        taken[row] = done
    return -1
