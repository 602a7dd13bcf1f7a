"""Cross-validation, off-line map, online learning, test: what one job does."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import data
from nanoneurons.core.files import write_atomic
from nanoneurons.core.random import draw_key, generator_for
from nanoneurons.learning.synchronisation import Synchronisation
from nanoneurons.networks.coupled_oscillators import CoupledOscillators
from nanoneurons.networks.locking_patterns import code
from nanoneurons.networks.locking_readout import Readout

from . import _network
from ._linear_map import LinearMap, Settings, fit
from ._network import Condition

__all__ = ["SWEEPS", "condition_of", "folds", "jobs", "run", "tokens"]

SWEEPS = ("mutual", "half_range", "noise", "mismatch", "tuning")
REFERENCES = ("mlp-27", "mlp-47", "lda-two-numbers")
STARTS = 10  # of a perceptron; the one of lowest training loss is taken
Progress = Callable[[float, str], None]


def jobs(config: Any) -> list[list[str]]:
    """Stages of jobs: ``map/<name>/seed<n>``, then ``network``, ``software`` and ``sweep/<quantity>/<value>``."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    conditions = [condition_of(config, "full")]
    sweeps = [(q, v) for q in SWEEPS for v in getattr(config, f"sweep_{q}")]
    conditions += [condition_of(config, q, v) for q, v in sweeps]
    names = list(dict.fromkeys(_map_name(c) for c in conditions))
    work = [f"network/{name}/seed{s}" for name in ("full", "ideal") for s in seeds]
    work += [f"sweep/{q}/{v:g}/seed{s}" for q, v in sweeps for s in seeds]
    work += [f"software/{name}/seed{s}" for name in REFERENCES for s in seeds]
    return [[f"map/{name}/seed{s}" for name in names for s in seeds], work]


def run(config: Any, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, *names, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "map":
        half_range, tuning = (float(v) for v in names[0].split("-", 1))
        condition = replace(condition_of(config, "ideal"), half_range=half_range, tuning=tuning)
        return _fit_maps(config, condition, seed, folder, progress)
    if kind == "software":
        return _software(config, names[0], seed)
    if kind == "network":
        ideal = names[0] == "ideal"
        condition = condition_of(config, names[0])
        return _learn(config, condition, seed, 1 if ideal else config.chips, folder, progress, config.curve)
    condition = condition_of(config, names[0], float(names[1]))
    return _learn(config, condition, seed, 1, folder, progress, ())


def condition_of(config: Any, name: str, value: float | None = None) -> Condition:
    """``ideal``, ``full``, or ``full`` with one swept quantity changed."""
    full = Condition(config.mutual, config.half_range, 1.0, 1.0, config.tuning)
    if name == "ideal":
        return replace(full, mutual=0.0, noise=0.0, mismatch=0.0)
    return full if value is None else replace(full, **{name: value})


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    """All 259 tokens: formants, float64, and class numbers."""
    vowels = data.load("vowels")
    x = torch.cat([vowels.x_train, vowels.x_test]).double()
    return x, torch.cat([vowels.y_train, vowels.y_test])


def folds(config: Any, seed: int, labels: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Stratified folds of one seed: indices of training and test tokens."""
    from sklearn.model_selection import StratifiedKFold

    order = int(torch.randint(2**31, (), generator=generator_for(seed, "folds")))
    split = StratifiedKFold(config.folds, shuffle=True, random_state=order)
    parts = split.split(np.zeros(len(labels)), labels.numpy())
    return [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in parts]


def limits_of(config: Any, condition: Condition) -> tuple[float, float]:
    """Smallest and largest current in A that reach the range of frequencies on the nominal oscillator."""
    plain = _network.nominal_closed_forms(config, condition)
    ends = torch.tensor([[config.centre - condition.tuning / 2], [config.centre + condition.tuning / 2]])
    low, high = plain.currents_for(ends.double(), 1.1 * config.threshold, 11e-3).flatten().tolist()
    return low, high


# -- the off-line part -------------------------------------------------------------------------------


def _map_name(condition: Condition) -> str:
    return f"{condition.half_range:g}-{condition.tuning:g}"


def _map_file(folder: Path, condition: Condition, seed: int) -> Path:
    return folder / "maps" / f"{_map_name(condition)}-seed{seed}.json"


def _fit_maps(config: Any, condition: Condition, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Fit the map of every fold and keep them all for the other jobs; the result has what the surrogate recognises."""
    formants, labels = tokens()
    network, force = _network.nominal(config, condition), _network.force_of(config, condition)
    limits = limits_of(config, condition)
    half = condition.tuning / 2
    settings = Settings(
        low=config.centre - half, high=config.centre + half, span=0.8 * condition.tuning,
        restarts=config.restarts, steps=config.map_steps,
    )  # fmt: skip
    maps, train, test = [], [], []
    for k, (learn, held) in enumerate(folds(config, seed, labels)):
        draws = generator_for(seed, "map", k, _map_name(condition))
        made = fit(network, formants[learn], labels[learn], force, limits, settings, draws)
        for part, into in ((learn, train), (held, test)):
            seen = network.surrogate(made.currents[None], made.tones(formants[part]), force)[:, 0]
            into.append(float((made.assignment.classify(seen) == labels[part]).double().mean()))
        maps.append(made.plain())
        progress((k + 1) / config.folds, f"map of fold {k + 1}, surrogate {100 * test[-1]:.0f} %")
    write_atomic(_map_file(folder, condition, seed), json.dumps(maps))
    return {"train": train, "test": test, "range_factor": network.range_factor}


def _maps(config: Any, condition: Condition, seed: int, folder: Path, progress: Progress) -> list[LinearMap]:
    file = _map_file(folder, condition, seed)
    if not file.is_file():
        _fit_maps(config, condition, seed, folder, progress)
    return [LinearMap.restored(plain) for plain in json.loads(file.read_text(encoding="utf-8"))]


# -- the network -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    """One set of chips with one map, and the tokens to show them."""

    config: Any
    network: CoupledOscillators
    made: LinearMap
    tones: torch.Tensor
    labels: torch.Tensor
    force: float
    seed: int
    fold: int

    def observe(self, currents: torch.Tensor, tones: torch.Tensor, key: int) -> Readout:
        """What the oscillators show."""
        c = self.config
        return self.network.observe(
            currents, tones, self.force, key=key, tolerance=c.tolerance, transient=c.transient, window=c.window,
            dt=c.time_step,
        )  # fmt: skip

    def score(self, currents: torch.Tensor, part: torch.Tensor, what: str) -> list[float]:
        """Share of the tokens in `part` that each chip recognises."""
        key = draw_key(generator_for(self.seed, what, self.fold))
        seen = self.observe(currents, self.tones[part], key)
        right = self.made.assignment.classify(seen.pattern) == self.labels[part][:, None]
        return right.double().mean(0).tolist()


def _learn(
    config: Any, condition: Condition, seed: int, chips: int, folder: Path, progress: Progress, curve: tuple[int, ...]
) -> dict[str, Any]:
    """Learn the currents of `chips` fresh chips per fold and test them; accuracies are ``[fold][chip]``."""
    formants, labels = tokens()
    maps = _maps(config, condition, seed, folder, progress)
    force, limits = _network.force_of(config, condition), limits_of(config, condition)
    operating = torch.full((1, _network.COUNT), config.operating_current, dtype=torch.float64)
    slope = _network.nominal_closed_forms(config, condition).slope(operating)
    rule = Synchronisation(steps=config.steps)
    answer: dict[str, Any] = {"train": [], "test": [], "start": [], "curve": [], "shown": []}
    for k, (learn, held) in enumerate(folds(config, seed, labels)):
        network = _network.build(config, condition, chips, generator_for(seed, "chips", k))
        trial = _Trial(config, network, maps[k], maps[k].tones(formants), labels, force, seed, k)
        points: list[list[float]] = []

        def after(
            step: int, currents: torch.Tensor, trial: _Trial = trial, held: torch.Tensor = held, points: list = points
        ) -> None:
            if step in curve:
                points.append(trial.score(currents, held, "curve"))

        begin = _network.start_currents(limits, chips, generator_for(seed, "start", k))
        currents, shown = rule.train(
            trial.observe, begin, trial.tones[learn], labels[learn], maps[k].assignment, slope, limits,
            generator_for(seed, "online", k), after,
        )  # fmt: skip
        answer["start"].append(trial.score(begin, held, "test"))
        answer["test"].append(trial.score(currents, held, "test"))
        answer["shown"].append(shown.mean(1).tolist())
        if curve:
            answer["train"].append(trial.score(currents, learn, "train"))
            answer["curve"].append(points)
        if curve and k == 0 and seed == config.first_seed and chips == 1:  # the ideal network
            answer["map"] = _map_figure(trial, begin, currents, held)
        progress((k + 1) / config.folds, f"fold {k + 1}: {100 * float(np.mean(answer['test'][-1])):.0f} %")
    return answer


def _map_figure(trial: _Trial, begin: torch.Tensor, currents: torch.Tensor, held: torch.Tensor) -> dict[str, Any]:
    """What a figure of the plane of tones needs: the pattern at each point, before and after learning; first chip."""
    config = trial.config
    axis = torch.linspace(config.centre - 48e6, config.centre + 48e6, config.grid, dtype=torch.float64)
    a, b = torch.meshgrid(axis, axis, indexing="xy")
    plane = torch.stack([a.flatten(), b.flatten()], 1)
    codes = [code(trial.observe(i, plane, 1).pattern[:, 0]).reshape(a.shape).tolist() for i in (begin, currents)]
    tested = torch.zeros(len(trial.labels), dtype=torch.bool)
    tested[held] = True
    return {
        "axis": axis.tolist(), "before": codes[0], "after": codes[1], "owner": trial.made.assignment.owner.tolist(),
        "tones": trial.tones.tolist(), "labels": trial.labels.tolist(), "held": tested.tolist(),
    }  # fmt: skip


# -- what it is compared with ------------------------------------------------------------------------


def _software(config: Any, name: str, seed: int) -> dict[str, Any]:
    """A perceptron with 1 (27 parameters) or 2 (47) hidden neurons, or the best that two linear features allow."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    formants, labels = tokens()
    x, y = formants.numpy(), labels.numpy()
    train, test = [], []
    for k, (learn, held) in enumerate(folds(config, seed, labels)):
        states = torch.randint(2**31, (STARTS,), generator=generator_for(seed, "software", k)).tolist()
        if name == "lda-two-numbers":
            tried = [make_pipeline(LinearDiscriminantAnalysis(n_components=2), LogisticRegression(max_iter=5000))]
        else:
            hidden = 1 if name == "mlp-27" else 2
            tried = [
                make_pipeline(
                    StandardScaler(),
                    MLPClassifier((hidden,), activation="tanh", solver="lbfgs", max_iter=2000, random_state=state),
                )
                for state in states
            ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for model in tried:
                model.fit(x[learn], y[learn])
        best = min(tried, key=lambda m: getattr(m[-1], "loss_", 0.0))
        train.append([float((best.predict(x[learn]) == y[learn]).mean())])
        test.append([float((best.predict(x[held]) == y[held]).mean())])
    return {"train": train, "test": test}
