"""Many behaviours of spiking neurons in one NbOx device (Drouhin et al. 2022), simulated.

1. The six behaviours (tonic spiking, stochastic spiking, leaky integrate-and-fire, spike latency, temporal integration,
   phasic bursting) of one device, each by its stimulus.
2. Threshold and hold voltage, first spikes, frequencies and the burst against an independent stiff solver (scipy's
   Radau, relative tolerance 1e-9).
3. Why it bursts: the phase portrait. Above the window of oscillation the fixed point is stable again, but only just,
   so the device spirals into it.
4. The probability to spike against bias, with Wilson's intervals and the prediction from the jitter alone.
5. How many devices show each behaviour under spread, jitter and thermal noise. A device shows: tonic spiking, with at
   least 10 spikes in 5 us, 2 of them in the last; stochastic spiking, when 10 to 90 % of trials at the nominal
   rheobase fire; leaky integration, when a train of 120 ns period fires it, not at once, and one of 200 ns does not;
   latency, when five steps fire it, sooner the higher; temporal integration, when two pulses fire it 50 ns apart, not
   500 ns, and one does not; phasic bursting, with at least 3 spikes and none after 3 us.

The equations and parameters of the paper could not be read: model and values are ours, and so are all stimuli.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.devices.nbox import NbOxNeuron
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures, _protocols, _reference

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Spiking and bursting of a NbOx neuron"
CITATION = NbOxNeuron.citation
SOURCES = (1.48, 1.6, 1.8, 2.0, 2.6)  # V, compared with scipy


@dataclass(frozen=True)
class Config:
    """Settings, all ours.

    Attributes:
        activation_jitter: standard deviation in eV of the activation energy from cycle to cycle.
        activation_spread: standard deviation in eV of the activation energy from device to device.
        thermal_spread: relative spread of the thermal resistance from device to device.
        biases: V, of the stochastic device.
        trials: per bias and seed.
        window: s, in which a trial must fire.
        devices: per seed and condition in the test of spread and noise.
        device_trials: trials of each of them at the nominal rheobase.
        solver_time: s, of the comparison with scipy; the burst needs 1.5 us, frequencies 2 us.
    """

    seeds: int = 3
    first_seed: int = 0
    activation_jitter: float = 1e-3
    activation_spread: float = 2e-3
    thermal_spread: float = 0.02
    biases: tuple[float, ...] = (1.445, 1.45, 1.455, 1.458, 1.461, 1.464, 1.467, 1.47, 1.475, 1.48)
    trials: int = 400
    window: float = 5e-6
    devices: int = 200
    device_trials: int = 40
    solver_time: float = 4e-6

    def __post_init__(self) -> None:
        at_least(self, seeds=1, trials=1, devices=1, device_trials=1)
        if not 2e-6 <= self.solver_time < math.inf:
            raise ParameterError(f"setting solver_time = {self.solver_time:g} s must be 2e-6 s or more")
        if not 0 < self.window < math.inf:
            raise ParameterError(f"setting window = {self.window:g} s must be a positive time")
        for bias in self.biases:
            if not 0 < bias <= NbOxNeuron().breakdown:
                raise ParameterError(f"setting biases = {bias:g} V must lie above 0 and at most at breakdown, 5 V")
        self.device()

    def device(self) -> NbOxNeuron:
        """The device; refuses a jitter or spread out of range."""
        return NbOxNeuron(
            activation_jitter=self.activation_jitter,
            activation_spread=self.activation_spread,
            thermal_spread=self.thermal_spread,
        )


QUICK = Config(seeds=2, biases=(1.45, 1.458, 1.464, 1.475), trials=60, devices=20, device_trials=10, solver_time=2.5e-6)


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """One stage: the nominal device, the independent solver, and per seed the stochastic device and the populations."""
    work = ["nominal/behaviours", "nominal/statics", *(f"solver/{source:g}" for source in SOURCES)]
    for s in seeds_of(config):
        work.append(f"stochastic/seed{s}")
        work += [f"{condition}/seed{s}" for condition in _protocols.CONDITIONS]
    return [work]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    kind, what = job.split("/")
    device = config.device()
    switch = device.ideal().switch()
    if job == "nominal/behaviours":
        return {**_protocols.measures(device), "traces": _protocols.traces(device, config.first_seed)}
    if job == "nominal/statics":
        return {
            "ours": [point._asdict() for point in switch.turning_points()],
            "reference": _reference.turning_points(switch),
            "edges": switch.oscillation_edges(),
            "critical": [_protocols.critical_activation(device, b, config.window) for b in config.biases],
            "portraits": _portraits(device),
        }
    if kind == "solver":
        ours = switch.run(torch.tensor([[float(what)]], dtype=torch.float64), config.solver_time, events=60)
        times = ours.times[0]
        return {
            "ours": times[~times.isnan()].tolist(),
            "steps": int(ours.steps[0]),
            "reference": _reference.spikes(switch, float(what), config.solver_time),
        }
    seed = int(what.removeprefix("seed"))
    if kind == "stochastic":
        return _protocols.stochastic(
            device, config.biases, config.trials, config.window, seed, lambda share: progress(share, f"seed {seed}")
        )
    return _protocols.shares(_protocols.conditions(device)[kind], config.devices, config.device_trials, seed)


def _portraits(device: NbOxNeuron) -> list[dict[str, Any]]:
    """Nullclines, trajectory and fixed point in the tonic and in the bursting state."""
    switch, made = device.ideal().switch(), []
    temperature = np.linspace(switch.ambient + 0.5, 1150.0, 300)
    for source in (_protocols.TONIC, _protocols.BURST):
        electrical, thermal = switch.nullclines(source, temperature)
        path = switch.run(torch.full((1, 1), source, dtype=torch.float64), 2e-6, records=1500)
        (point,) = switch.fixed_points(source)
        values = np.linalg.eigvals(switch.jacobian(point.temperature))
        made.append(
            {
                "source": source, "temperature": temperature.tolist(), "electrical": electrical.tolist(),
                "thermal": thermal.tolist(), "path": [path.temperature[0].tolist(), path.voltage[0].tolist()],
                "point": [point.temperature, point.voltage], "growth": float(values.real.max()),
                "turn": float(abs(values.imag).max()),
            }
        )  # fmt: skip
    return made


# -- what came out -----------------------------------------------------------------------------------


def _apart(ours: float, reference: float) -> float:
    """Difference in percent of the reference."""
    return 100 * abs(ours - reference) / abs(reference)


def _frequency(times: list[float]) -> float:
    return 1 / float(np.diff(times[2:]).mean())


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """The six behaviours in numbers, agreement with the independent solver, and shares of devices."""
    return _behaviours(config, results) + _solver(results) + _shares(config, results)


def _behaviours(config: Config, results: dict[str, dict]) -> list[Quantity]:
    found, statics = results["nominal/behaviours"], results["nominal/statics"]
    threshold, hold = statics["ours"]
    low, high = statics["edges"]
    burst = found["burst_times"]
    fires = [(p, n) for p, n in found["train"] if n is not None]
    half, width = midpoint(config, results)
    pairs = zip(_protocols.LATENCY, found["latency"], strict=True)
    latency = ", ".join(f"{1e9 * t:.0f} ns at {v:g} V" for v, t in pairs)
    alone = "fires" if found["single"] else "does not"
    rises = ", ".join(f"{r:.0f}" for r in results["solver/2.6"]["reference"]["rises"][:9])
    return [
        Quantity("tonic-frequency", found["tonic_frequency"] / 1e6, None, 1, "MHz",
                 f"step of {_protocols.TONIC:g} V; intervals vary by {100 * found['tonic_irregularity']:.1e} %"),
        Quantity("stochastic-half", half, None, config.seeds, "V",
                 "bias at which half of the trials fire; steps from rest, a new cycle in every trial"),
        Quantity("stochastic-width", None if width is None else 1e3 * width, None, config.seeds, "mV",
                 "standard deviation of the threshold of a fitted normal law"),
        Quantity("lif-pulses", None if not fires else float(fires[_at(fires, 0.12)][1]), None, 1, "pulses",
                 "pulses of 2.4 V and 80 ns, one every 120 ns, until the first spike"),
        Quantity("lif-longest-period", 1e9 * fires[-1][0] if fires else None, None, 1, "ns",
                 "longest period of 25 such pulses that makes a spike; beyond, the leak wins"),
        Quantity("latency-range", found["latency"][0] / found["latency"][-1], None, 1, "1", latency),
        Quantity("integration-longest-gap", 1e9 * max(found["pair"], default=0.0), None, 1, "ns",
                 f"two pulses of 2 V and 200 ns fire up to this gap; one alone {alone}"),
        Quantity("burst-spikes", float(len(burst)), None, 1, "spikes",
                 f"step of {_protocols.BURST:g} V for 20 us, the last after {1e6 * burst[-1]:.2f} us; rises of the "
                 f"temperature in turn {rises} K, a spike is one of 40 K"),
        Quantity("threshold-voltage", threshold["voltage"], None, 1, "V",
                 f"at {1e6 * threshold['current']:.1f} uA and {threshold['temperature']:.0f} K"),
        Quantity("hold-voltage", hold["voltage"], None, 1, "V",
                 f"at {1e6 * hold['current']:.0f} uA and {hold['temperature']:.0f} K"),
        Quantity("oscillation-from", low, None, 1, "V", "where the fixed point loses its stability"),
        Quantity("oscillation-to", high, None, 1, "V", "where it gets it back"),
    ]  # fmt: skip


def _at(rows: list[tuple[float, int]], period: float) -> int:
    """Index of the row whose period in us is nearest."""
    return int(np.argmin([abs(1e6 * p - period) for p, _ in rows]))


def _solver(results: dict[str, dict]) -> list[Quantity]:
    statics = results["nominal/statics"]
    off = [_apart(o["voltage"], r) for o, r in zip(statics["ours"], statics["reference"], strict=True)]
    rows = [Quantity("static-solver-difference", max(off), None, 1, "%", "threshold and hold voltage")]
    first, rates, evaluations = [], [], 0
    for source in SOURCES[:-1]:
        found = results[f"solver/{source:g}"]
        ours, reference = found["ours"], found["reference"]["times"]
        first.append(_apart(ours[0], reference[0]))
        rates.append(_apart(_frequency(ours), _frequency(reference)))
        rows += [
            Quantity(f"first-spike-{source:g}", 1e9 * ours[0], None, 1, "ns", f"scipy {1e9 * reference[0]:.2f} ns"),
            Quantity(f"frequency-{source:g}", _frequency(ours) / 1e6, None, 1, "MHz",
                     f"scipy {_frequency(reference) / 1e6:.5f} MHz"),
        ]  # fmt: skip
        evaluations += found["reference"]["evaluations"]
    steps = sum(results[f"solver/{source:g}"]["steps"] for source in SOURCES[:-1])
    burst = results["solver/2.6"]
    off = [abs(a - b) for a, b in zip(burst["ours"], burst["reference"]["times"], strict=False)]
    return [
        *rows,
        Quantity("first-spike-solver-difference", max(first), None, 1, "%", "largest of the four source voltages"),
        Quantity("frequency-solver-difference", max(rates), None, 1, "%", "largest of the four source voltages"),
        Quantity("burst-solver-difference", float(abs(len(burst["ours"]) - len(burst["reference"]["times"]))), None, 1,
                 "spikes", f"times of the spikes differ by at most {1e9 * max(off, default=math.nan):.3f} ns"),
        Quantity("solver-work", evaluations / steps, None, 1, "1",
                 "evaluations of the equations by scipy per step of ours, which takes seven"),
    ]  # fmt: skip


def midpoint(config: Config, results: dict[str, dict], kind: str = "all") -> tuple[float | None, float | None]:
    """Bias in V at which half of the trials fire and its spread in V: a normal law by maximum likelihood."""
    from scipy.optimize import minimize
    from scipy.special import log_ndtr

    count = np.sum([results[f"stochastic/seed{s}"][kind] for s in seeds_of(config)], 0)
    total, bias = config.trials * config.seeds, np.array(config.biases)
    if not 0 < count.sum() < total * len(bias):
        return None, None

    def loss(x: np.ndarray) -> float:
        z = (bias - x[0]) / math.exp(x[1])
        return -float(count @ log_ndtr(z) + (total - count) @ log_ndtr(-z))

    starts = [(m, math.log(s)) for m in bias for s in (3e-4, 3e-3)]
    tried: list[Any] = [minimize(loss, x, method="Nelder-Mead", options={"xatol": 1e-7}) for x in starts]
    best = min(tried, key=lambda found: float(found.fun))
    return float(best.x[0]), math.exp(float(best.x[1]))


def _shares(config: Config, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    for condition in _protocols.CONDITIONS:
        found = [results[f"{condition}/seed{s}"] for s in seeds_of(config)]
        for behaviour in _protocols.BEHAVIOURS:
            share = [100 * r["shown"][behaviour] / config.devices for r in found]
            note = f"{config.devices} devices a seed"
            if behaviour == "burst":
                low, high = np.percentile([n for r in found for n in r["burst_counts"]], [5, 95])
                note += f"; 5 to 95 % of them with {low:.0f} to {high:.0f} spikes"
            name = f"{behaviour}-with-{condition.replace('_', '-')}"
            spread = float(np.std(share, ddof=1)) if len(share) > 1 else None
            rows.append(Quantity(name, float(np.mean(share)), spread, len(share), "%", note))
    return rows


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """The six behaviours, the phase portraits, chance against bias, and what spread and noise leave."""
    seeds = seeds_of(config)
    chance = {k: np.sum([results[f"stochastic/seed{s}"][k] for s in seeds], 0) for k in ("all", "thermal")}
    statics = results["nominal/statics"]
    shown = {
        c: np.array([[100 * results[f"{c}/seed{s}"]["shown"][b] / config.devices for b in _protocols.BEHAVIOURS]
                     for s in seeds])
        for c in _protocols.CONDITIONS
    }  # fmt: skip
    return [
        _figures.behaviours_figure(results["nominal/behaviours"]["traces"]),
        _figures.portrait_figure(statics["portraits"], statics["edges"]),
        _figures.chance_figure(
            config.biases, chance, config.trials * config.seeds, statics["critical"], config.device()
        ),
        _figures.shares_figure(shown, config.devices * config.seeds),
    ]
