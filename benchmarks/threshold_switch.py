"""Cost of a NbOx neuron's spikes, against scipy's stiff solvers.

Equal: the device (without noise), a step of the source to 1.6 V, 4 us from rest, spikes wanted with their times, one
thread, float64. Not equal: the variables (ours are core voltage and temperature, scipy's node voltage and temperature
with the current found by Newton's method) and the accuracy: ours is the default tolerance, scipy's a relative
tolerance of 1e-9 as in the reproduction, and for a fair price also LSODA with a compiled right-hand side at the
largest tolerance that is as accurate as ours. Before the timing all must give the same spikes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numba
import numpy as np
import torch
from _bench import Result, arguments, compare, one_thread, report
from scipy.integrate import solve_ivp

from nanoneurons.physics.threshold_switch import ThresholdSwitch

SWITCH = ThresholdSwitch()
SOURCE, END, LEVEL = 1.6, 4e-6, 450.0
DEVICES = 1000


def right_hand_side(t: float, y: np.ndarray, field: float) -> tuple[float, float]:
    """dv/dt and dT/dt of the node voltage and the temperature; plain arithmetic, so that Numba can compile it."""
    v, temperature = y[0], y[1]
    thermal, x, g = 8.617333262e-5 * temperature, v, 0.0
    for _ in range(100):
        root = math.sqrt(max(x, 0.0))
        g = math.exp((field * root - 0.23) / thermal) / 90.0
        step = (x + 300.0 * x * g - v) / (1 + 300.0 * g * (1 + field * root / (2 * thermal)))
        x = max(x - step, 0.0)
        if abs(step) < 1e-15:
            break
    i = x * g
    return ((SOURCE - v) / 3e3 - i) / 1e-10, (x * i - (temperature - 300.0) / 8e5) / 1e-14


def ours(devices: int = 1) -> np.ndarray:
    """Spike times in s of the first device."""
    run = SWITCH.run(torch.full((devices, 1), SOURCE, dtype=torch.float64), END, events=20)
    times = run.times[0].numpy()
    return times[~np.isnan(times)]


def peer(method: str, rtol: float, function: Callable) -> np.ndarray:
    """The same by scipy; at this voltage every rise through 450 K is a spike."""

    def rise(t: float, y: np.ndarray, field: float) -> float:
        return y[1] - LEVEL

    rise.direction = 1.0
    found = solve_ivp(
        function, (0.0, END), (0.0, 300.0), method=method, rtol=rtol, atol=(rtol * 0.1, rtol * 100.0), events=rise,
        args=(SWITCH.lowering,),
    )  # fmt: skip
    return found.t_events[0]


def error(times: np.ndarray, exact: np.ndarray) -> float:
    """Largest difference of spike times over the last of them."""
    if len(times) != len(exact):
        raise SystemExit(f"{len(times)} spikes against {len(exact)}: the solvers disagree")
    return float(np.abs(times - exact).max() / exact[-1])


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    one_thread()
    rounds, devices = (2, DEVICES // 10) if args.quick else (5, DEVICES)
    compiled = numba.njit(right_hand_side)
    exact = peer("Radau", 1e-11, compiled)
    mine = error(ours(), exact)
    rtol = next(r for r in (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
                if error(peer("LSODA", r, compiled), exact) <= mine)  # fmt: skip
    if not args.json:
        print(f"# {len(exact)} spikes; ours differ from Radau at 1e-11 by {mine:.1e} of the time of the last")
    results = []
    for name, method, tolerance, function, target in (
        ("Radau, rtol 1e-9", "Radau", 1e-9, right_hand_side, 100.0),
        ("LSODA, rtol 1e-9", "LSODA", 1e-9, right_hand_side, 100.0),
        ("LSODA, rtol 1e-9, compiled", "LSODA", 1e-9, compiled, None),
        (f"LSODA, rtol {rtol:g}, compiled: as accurate", "LSODA", rtol, compiled, None),
    ):
        call = functools.partial(peer, method, tolerance, function)
        seconds, theirs = compare(functools.partial(ours, devices), call, rounds=rounds)
        each = seconds / devices
        cost = f"{1e6 * each / len(exact):.3g} against {1e6 * theirs / len(exact):.3g} us a spike"
        note = f"{devices} devices at once; {cost}; error {error(call(), exact):.1e}"
        results.append(Result(name, each, theirs, theirs / each, target, False, "scipy", note))
    seconds, theirs = compare(ours, functools.partial(peer, "LSODA", 1e-9, right_hand_side), rounds=rounds)
    name, note = "one device alone, LSODA, rtol 1e-9", "ours with what a call costs besides"
    results.append(Result(name, seconds, theirs, theirs / seconds, None, False, "scipy", note))
    report(results, args.json)


if __name__ == "__main__":
    main()
