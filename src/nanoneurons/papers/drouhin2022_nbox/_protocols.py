"""Stimuli of the six behaviours, and what is measured of each, for whole populations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from nanoneurons.core.random import draw_key, generator_for, normal
from nanoneurons.devices.nbox import NbOxNeuron
from nanoneurons.physics.switch_circuit import SwitchRun

__all__ = [
    "BEHAVIOURS",
    "BURST",
    "LATENCY",
    "PAIR",
    "TONIC",
    "TRAIN",
    "BIAS",
    "conditions",
    "critical_activation",
    "measures",
    "shares",
    "stochastic",
    "traces",
    "wilson",
]

BEHAVIOURS = ("tonic", "stochastic", "lif", "latency", "integration", "burst")
DT = 10e-9  # s, grid of the stimuli
TONIC = 1.6  # V
BIAS = 1.463  # V, the rheobase, where chance decides
LATENCY = (1.48, 1.52, 1.6, 1.8, 2.0)  # V
TRAIN = (2.4, 8, 25)  # V, width in units of DT, pulses
PERIODS = (12, 20)  # in units of DT: one that fires and one that does not
PAIR = (2.0, 20)  # V, width in units of DT
GAPS = (5, 50)  # in units of DT
BURST = 2.6  # V
CONDITIONS = ("device_to_device", "cycle_to_cycle", "thermal_noise", "all")


def wilson(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's 95 % interval of a probability."""
    p, over = successes / trials, z * z / trials
    middle = (p + over / 2) / (1 + over)
    half = z / (1 + over) * math.sqrt(p * (1 - p) / trials + over / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def pulses(volts: float, width: int, period: int, count: int, length: int) -> torch.Tensor:
    """Rectangular pulses on the grid, from time 0, ``(length,)`` in V."""
    drive = torch.zeros(length, dtype=torch.float64)
    for n in range(count):
        drive[n * period : n * period + width] = volts
    return drive


def step(volts: float, length: int) -> torch.Tensor:
    """A step from rest."""
    return torch.full((length,), volts, dtype=torch.float64)


def conditions(device: NbOxNeuron) -> dict[str, NbOxNeuron]:
    """The device with one imperfection at a time, and with all."""
    return {name: device if name == "all" else device.only(name) for name in CONDITIONS}


def _run(device: NbOxNeuron, drives: torch.Tensor, records: int = 0, events: int = 200) -> SwitchRun:
    """The nominal device under several drives, ``(drives, length)``."""
    return device.ideal().switch().run(drives, DT, records=records, events=events)


def traces(device: NbOxNeuron, seed: int) -> dict[str, list[dict[str, Any]]]:
    """By behaviour, traces of the nominal device (of noisy ones for chance): drive, current, time."""
    volts, width, _ = TRAIN
    drives = {
        "tonic": [step(TONIC, 200)],
        "lif": [pulses(volts, width, p, 8, 170) for p in PERIODS],
        "latency": [step(v, 100) for v in (1.48, 1.6, 2.0)],
        "integration": [pulses(*PAIR, PAIR[1] + g, 2, 120) for g in GAPS],
        "burst": [step(BURST, 250)],
    }
    labels = {
        "tonic": [f"{TONIC:g} V"],
        "lif": [f"every {p * DT * 1e9:.0f} ns" for p in PERIODS],
        "latency": ["1.48 V", "1.6 V", "2 V"],
        "integration": [f"gap {g * DT * 1e9:.0f} ns" for g in GAPS],
        "burst": [f"{BURST:g} V"],
    }
    found = {}
    for name, given in drives.items():
        run = _run(device, torch.stack(given), records=4)
        found[name] = [_trace(label, d, run, n) for n, (label, d) in enumerate(zip(labels[name], given, strict=True))]
    noisy = device.only("cycle_to_cycle", "thermal_noise")
    state = noisy.init((40,), generator_for(seed, "trials"))
    drive = step(BIAS, 200)
    run = noisy.simulate(state, drive.expand(40, -1), DT, generator_for(seed, "noise"), records=4, events=20)
    fires = (~run.times[:, 0].isnan()).int()
    chosen = sorted(n for kind in (0, 1) for n in (fires == kind).nonzero()[:2, 0].tolist())
    found["stochastic"] = [_trace(f"trial {n + 1}", drive, run, (n,)) for n in chosen]
    return found


def _trace(label: str, drive: torch.Tensor, run: SwitchRun, row: Any) -> dict[str, Any]:
    times = run.times[row].flatten()
    return {
        "label": label, "drive": drive.tolist(), "current": [round(float(i), 8) for i in run.current[row].flatten()],
        "spikes": times[~times.isnan()].tolist(),
    }  # fmt: skip


def measures(device: NbOxNeuron) -> dict[str, Any]:
    """Numbers of the nominal device under every stimulus but chance; times in s."""
    found: dict[str, Any] = {}
    times = _run(device, step(TONIC, 1000)[None]).times[0]
    intervals = times[~times.isnan()][2:].diff()
    found["tonic_frequency"] = 1 / float(intervals.mean())
    found["tonic_irregularity"] = float(intervals.std() / intervals.mean())
    first = _run(device, torch.stack([step(v, 400) for v in LATENCY])).times[:, 0]
    found["latency"] = first.tolist()
    volts, width, count = TRAIN
    periods = range(width + 1, 31)
    drives = [pulses(volts, width, p, count, 30 * count) for p in periods]
    first = _run(device, torch.stack(drives), events=1).times[:, 0]
    found["train"] = [
        [p * DT, None if math.isnan(t) else int(t / (p * DT)) + 1]
        for p, t in zip(periods, first.tolist(), strict=True)
    ]  # fmt: skip
    gaps = range(1, 61)
    drives = [pulses(*PAIR, PAIR[1] + g, 2, 200) for g in gaps] + [pulses(*PAIR, PAIR[1], 1, 200)]
    fired = _run(device, torch.stack(drives)).spikes.sum(-1) > 0
    found["pair"] = [g * DT for g, yes in zip(gaps, fired[:-1].tolist(), strict=True) if yes]
    found["single"] = bool(fired[-1])
    times = _run(device, step(BURST, 2000)[None]).times[0]
    found["burst_times"] = times[~times.isnan()].tolist()
    return found


def stochastic(
    device: NbOxNeuron, biases: tuple[float, ...], trials: int, seconds: float, seed: int, tell: Callable[[float], None]
) -> dict[str, list[int]]:
    """Trials, from rest and each in a cycle of its own, in which a biased device fires; with and without jitter."""
    found: dict[str, list[int]] = {}
    for kind in ("all", "thermal"):
        noisy = device.only(*(("cycle_to_cycle", "thermal_noise") if kind == "all" else ("thermal_noise",)))
        found[kind] = []
        for n, bias in enumerate(biases):
            state = noisy.init((1, trials), generator_for(seed, kind, n, "cycle"))
            drive = torch.full((1, trials, 1), bias, dtype=torch.float64)
            run = noisy.simulate(state, drive, seconds, generator_for(seed, kind, n, "noise"))
            found[kind].append(int((run.spikes > 0).sum()))
            tell((len(found[kind]) + (kind == "thermal") * len(biases)) / (2 * len(biases)))
    return found


def critical_activation(device: NbOxNeuron, bias: float, seconds: float) -> float:
    """Largest activation energy in eV with which a nominal device fires at a bias, to 1e-6 eV."""
    switch = device.ideal().switch()
    low, high = device.activation - 0.02, device.activation + 0.02
    for _ in range(3):
        grid = torch.linspace(low, high, 41, dtype=torch.float64)
        state = switch.at_rest((41,), grid)
        drive = torch.full((41, 1), bias, dtype=torch.float64)
        fires = switch.run(drive, seconds, state=state, own={"own": grid}).spikes[:, 0] > 0
        last = int(fires.nonzero()[-1]) if bool(fires.any()) else 0
        low, high = float(grid[last]), float(grid[min(last + 1, 40)])
    return 0.5 * (low + high)


def shares(device: NbOxNeuron, devices: int, trials: int, seed: int) -> dict[str, Any]:
    """By behaviour, whether each of many devices shows it; by the criteria of the paper's page."""
    state = device.init((devices,), generator_for(seed, "population"))

    def run(drives: torch.Tensor, what: str, events: int = 200) -> SwitchRun:
        """Every device from rest under every drive, ``(devices, drives)``."""
        shape = (devices, len(drives))
        wide = {n: v.unsqueeze(-1).expand(shape).clone() for n, v in state.items()}
        generator = generator_for(seed, "population", what)
        if device.activation_jitter:
            cycle = normal(draw_key(generator), shape).double()
            wide["now"] = wide["activation"] + device.activation_jitter * cycle
        return device.simulate(wide, drives.expand(devices, -1, -1), DT, generator, events=events)

    shown: dict[str, torch.Tensor] = {}
    tonic = run(step(TONIC, 500)[None], "tonic")
    shown["tonic"] = (tonic.spikes[:, 0].sum(-1) >= 10) & (tonic.spikes[:, 0, 400:].sum(-1) >= 2)
    chance = (run(step(BIAS, 500).expand(trials, -1), "stochastic", 1).spikes.sum(-1) > 0).double().mean(-1)
    shown["stochastic"] = (chance >= 0.1) & (chance <= 0.9)
    volts, width, count = TRAIN
    train = run(torch.stack([pulses(volts, width, p, count, 20 * count) for p in PERIODS]), "lif", 1).times[..., 0]
    shown["lif"] = (train[:, 0] > PERIODS[0] * DT) & train[:, 1].isnan()
    first = run(torch.stack([step(v, 400) for v in LATENCY]), "latency", 1).times[..., 0]
    shown["latency"] = (first.diff(dim=-1) < 0).all(-1)  # False where one does not fire
    drives = [pulses(*PAIR, PAIR[1] + g, 2, 120) for g in GAPS] + [pulses(*PAIR, PAIR[1], 1, 120)]
    fired = run(torch.stack(drives), "integration").spikes.sum(-1) > 0
    shown["integration"] = fired[:, 0] & ~fired[:, 1] & ~fired[:, 2]
    burst = run(step(BURST, 1000)[None], "burst").spikes[:, 0]
    count_of = burst.sum(-1)
    shown["burst"] = (count_of >= 3) & (burst[:, 300:].sum(-1) == 0)
    return {
        "shown": {name: int(value.sum()) for name, value in shown.items()},
        "burst_counts": count_of.int().tolist(),
        "frequencies": (1 / tonic.times[:, 0, 2:10].diff(dim=-1).nanmean(-1)).nan_to_num(0.0).tolist(),
    }
