"""Spike-driven equilibrium propagation on MNIST (Martin et al. 2021): 784-300-10 leaky integrate-and-fire neurons.

1. The whole training, with the purely event-driven rule and with rates counted in windows, from the same seeds.
2. What the strength of nudging and the length of nudged phases do, on fewer digits.
3. The change that a pair of spikes makes against the time between them, and how many spikes and synaptic events an
   image takes.

Constants of the paper (time constants, learning rates, nudging, phases) are not public. Ours stand in the rule
`spiking-equilibrium-propagation`; they were chosen on the last 10,000 training digits, never on test digits. The
full trainings use all 60,000 training digits; their accuracy is that after the last epoch, on all test digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanoneurons.core.errors import ParameterError
from nanoneurons.learning.spiking_equilibrium_propagation import SpikingEquilibriumPropagation
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures, _network

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Spike-driven equilibrium propagation on MNIST"
CITATION = """@article{martin2021eqspike,
  author = {Martin, Erwann and Ernoult, Maxence and Laydevant, J{\\'e}r{\\'e}mie and Li, Shuai and Querlioz, Damien
    and Petrisor, Teodora and Grollier, Julie},
  title = {EqSpike: Spike-Driven Equilibrium Propagation for Neuromorphic Implementations},
  journal = {iScience},
  volume = {24},
  pages = {102222},
  year = {2021}
}"""

Progress = Callable[[float, str], None]
FORMS = ("event", "window")
GENTLE = 0.25  # of the learning rates, in the second sweep of nudging: a weak nudge needs them, its estimates are noisy


@dataclass(frozen=True)
class Config:
    """Settings; constants of neurons, phases and learning are the defaults of the rule.

    Attributes:
        epochs: passes over the training digits.
        batch: digits whose changes are averaged.
        hidden: hidden neurons, as published.
        forms: of the rule.
        betas: strengths of nudging of the sweep.
        phases: lengths of nudged phases of the sweep in s; spikes are counted in the last two thirds.
        sweep_samples, sweep_epochs: training digits of the sweeps, and passes over them; tested on held-out digits.
        sweep_test: held-out digits of the sweeps.
        pairs: neurons below in the simulation of pairs of spikes.
        train_samples, test_samples: of training and test digits; 0 for all.
    """

    seeds: int = 3
    first_seed: int = 0
    epochs: int = 6
    batch: int = 32
    hidden: int = 300
    forms: tuple[str, ...] = FORMS
    betas: tuple[float, ...] = (0.3, 1.0, 2.0, 3.0, 5.0, 8.0)
    phases: tuple[float, ...] = (0.06, 0.09, 0.12, 0.18, 0.27)
    sweep_samples: int = 10_000
    sweep_epochs: int = 2
    sweep_test: int = 5000
    pairs: int = 200
    train_samples: int = 0
    test_samples: int = 0

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, epochs=1, batch=2, hidden=1, betas=1e-3, phases=6e-3, sweep_samples=2, sweep_epochs=1,
            sweep_test=0, pairs=1, train_samples=0, test_samples=0,
        )  # fmt: skip
        for form in self.forms:
            if form not in FORMS:
                raise ParameterError(f"setting forms = {form!r} must be among {', '.join(FORMS)}")


QUICK = Config(
    seeds=2, epochs=2, hidden=100, betas=(1.0, 3.0), phases=(0.06, 0.12), sweep_samples=500, sweep_epochs=1,
    sweep_test=300, pairs=50, train_samples=2000, test_samples=500,
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """One stage of independent jobs, the longest first."""
    work = [f"{form}/seed{s}" for s in seeds_of(config) for form in config.forms]
    work += [f"{kind}/{b:g}" for kind in ("beta", "gentle") for b in config.betas]
    work += [f"phase/{p:g}" for p in config.phases]
    return [[*work, "pairs/all"]]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, what = job.split("/")
    seed = config.first_seed
    if kind == "pairs":
        rule = SpikingEquilibriumPropagation()
        return _network.pairs_of_spikes(rule.neurons, 0.4, config.pairs, seed)
    common: dict[str, Any] = {"hidden": config.hidden, "batch": config.batch, "progress": progress}
    if kind in FORMS:
        parts, notice = _network.digits(config.train_samples, config.test_samples, held_out=False)
        rule = SpikingEquilibriumPropagation(form=kind)
        seed = int(what.removeprefix("seed"))
        found = _network.train(rule, parts, seed=seed, epochs=config.epochs, every=True, **common)
        return {**found, "notice": notice}
    parts, notice = _network.digits(config.sweep_samples, config.sweep_test, held_out=True)
    value = float(what)
    rule = SpikingEquilibriumPropagation()
    if kind == "beta":
        rule = rule.replace(beta=value)
    elif kind == "gentle":
        rates = {name: GENTLE * getattr(rule, name) for name in ("lr", "inner_lr", "digital_lr")}
        rule = rule.replace(beta=value, **rates)
    else:
        rule = rule.replace(nudged=value, averaged=value * 2 / 3)
    return _network.train(rule, parts, seed=seed, epochs=config.sweep_epochs, every=False, **common)


# -- what came out -----------------------------------------------------------------------------------


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracy of both forms and their difference, spikes and synaptic events of an image, and time."""
    rows: list[Quantity] = []
    found = {form: [results[f"{form}/seed{s}"] for s in seeds_of(config)] for form in config.forms}
    for form, runs in found.items():
        train, test = runs[0]["samples"]
        note = f"{train} training digits, {config.epochs} epochs; {test} test digits, after the last epoch"
        note += f"; {runs[0]['notice']}" if runs[0]["notice"] else ""
        rows.append(_row(f"{form}-accuracy", [100 * r["accuracy"] for r in runs], "%", note))
        rows.append(_row(f"{form}-training-accuracy", [100 * r["train"] for r in runs], "%", "10,000 training digits"))
        seconds = [r["seconds"] for r in runs]
        rows.append(_row(f"{form}-time-per-epoch", seconds, "s", "processor time on one core, without tests"))
    if set(FORMS) <= set(found):
        pairs = zip(found["event"], found["window"], strict=True)
        rows.append(_row("event-minus-window", [100 * (e["accuracy"] - w["accuracy"]) for e, w in pairs], "points"))
    first = found[config.forms[0]]
    for kind, note in (
        ("answering", "of the test digits classified last"),
        ("learning", "free and both nudged phases of the digits learnt last"),
    ):
        spikes = [sum(r[kind]["spikes"]) for r in first]
        rows.append(_row(f"spikes-{kind}", spikes, "1", f"per image, hidden and output neurons; {note}"))
        events = [r[kind]["synaptic"] for r in first]
        rows.append(_row(f"synaptic-events-{kind}", events, "1", f"per image, between neurons; {note}"))
    return rows


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Learning curves, both sweeps, and the window of pairs of spikes."""
    curves = {form: [results[f"{form}/seed{s}"]["curve"] for s in seeds_of(config)] for form in config.forms}
    sweeps = {kind: [(b, results[f"{kind}/{b:g}"]["accuracy"]) for b in config.betas] for kind in ("beta", "gentle")}
    sweeps["phase"] = [(1e3 * p, results[f"phase/{p:g}"]["accuracy"]) for p in config.phases]
    rule = SpikingEquilibriumPropagation()
    return [
        _figures.curves(curves),
        _figures.sweeps(sweeps, {"beta": rule.beta, "phase": 1e3 * rule.nudged}, results[f"beta/{config.betas[0]:g}"]),
        _figures.pairs(results["pairs/all"], rule.neurons),
    ]
