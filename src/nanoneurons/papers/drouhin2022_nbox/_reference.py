"""The same neuron by scipy, independently of the package: other variables, other formulas, an implicit solver.

Node voltage and temperature are the unknowns, and the current at a node voltage is found by Newton's method; the
static characteristic comes from a direct search.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import constants as si
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, minimize_scalar

from nanoneurons.physics.threshold_switch import ThresholdSwitch

__all__ = ["current", "spikes", "turning_points"]

RTOL = 1e-9


def current(switch: ThresholdSwitch, v: float, t: float) -> float:
    """Current in A at a node voltage in V and a temperature in K."""
    field = math.sqrt(si.e / (math.pi * si.epsilon_0 * switch.permittivity * switch.thickness))
    x = v
    for _ in range(100):
        root = math.sqrt(max(x, 0.0))
        g = math.exp((field * root - switch.activation) * si.e / (si.k * t)) / switch.resistance
        step = (x + switch.series * x * g - v) / (1 + switch.series * g * (1 + field * root * si.e / (2 * si.k * t)))
        x = max(x - step, 0.0)
        if abs(step) < 1e-16:
            break
    return x * math.exp((field * math.sqrt(x) - switch.activation) * si.e / (si.k * t)) / switch.resistance


def turning_points(switch: ThresholdSwitch) -> tuple[float, float]:
    """Threshold and hold voltage in V, by a search over voltages that balance heating and cooling."""

    def voltage(t: float) -> float:
        def balance(v: float) -> float:
            i = current(switch, v, t)
            return (v - switch.series * i) * i - (t - switch.ambient) / switch.thermal_resistance

        return float(brentq(balance, 0.0, 10.0, xtol=1e-15, rtol=1e-14))  # type: ignore[arg-type]

    temperatures = switch.ambient + np.geomspace(1.0, 2000.0, 200)
    v = np.array([voltage(t) for t in temperatures])
    top = int(np.flatnonzero((v[1:-1] > v[:-2]) & (v[1:-1] > v[2:]))[0]) + 1
    low = top + int(np.flatnonzero((v[top + 1 : -1] < v[top:-2]) & (v[top + 1 : -1] < v[top + 2 :]))[0]) + 1
    found = []
    for n, sign in ((top, -1.0), (low, 1.0)):
        best: Any = minimize_scalar(
            lambda t, s=sign: s * voltage(t), bounds=(temperatures[n - 1], temperatures[n + 1]), method="bounded",
            options={"xatol": 1e-6},
        )  # fmt: skip
        found.append(voltage(float(best.x)))
    return found[0], found[1]


def spikes(switch: ThresholdSwitch, source: float, end: float, method: str = "Radau") -> dict[str, Any]:
    """Times in s of spikes after a step of the source voltage at rest, and the rises of temperature of all its peaks.

    Spikes are counted on a grid of 0.25 ns by their definition and located on the continuous solution.
    """

    def rhs(_: float, y: np.ndarray) -> tuple[float, float]:
        v, t = float(y[0]), float(y[1])
        i = current(switch, v, t)
        heat = (v - switch.series * i) * i - (t - switch.ambient) / switch.thermal_resistance
        return ((source - v) / switch.load - i) / switch.capacitance, heat / switch.thermal_capacitance

    found: Any = solve_ivp(
        rhs, (0.0, end), (0.0, switch.ambient), method=method, rtol=RTOL, atol=(1e-10, 1e-7), dense_output=True
    )
    grid = np.arange(0.0, end, 0.25e-9)
    t = found.sol(grid)[1]
    times, armed, mark = [], True, t[0]
    for n in range(1, len(grid)):
        if armed:
            mark = min(mark, t[n])
            level = max(switch.switched, mark + switch.swing)
            if t[n] >= level:
                crossing = brentq(lambda s, u=level: found.sol(s)[1] - u, grid[n - 1], grid[n], xtol=1e-18)
                times.append(float(crossing))  # type: ignore[arg-type]
                armed, mark = False, t[n]
        else:
            mark = max(mark, t[n])
            if t[n] <= mark - switch.swing:
                armed, mark = True, t[n]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(t)))) + 1
    levels = np.concatenate([[t[0]], t[turns]])
    rises = [float(b - a) for a, b in zip(levels[:-1:2], levels[1::2], strict=False)]
    return {"times": times, "rises": rises[:20], "evaluations": int(found.nfev)}
