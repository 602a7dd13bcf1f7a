"""Equilibrium propagation against backpropagation through time, in updates and on MNIST (Ernoult et al. 2019).

1. The theorem of gradient-descending updates: updates of states and synapses in each step of the nudged phase beside
   gradients through the last steps of the free phase, for a toy network and networks of the sizes trained, untrained.
   Three variants: the dynamics for which the theorem holds, with the one-sided and with the centred estimator; and the
   dynamics of the published program, which it holds for only nearly (see `nanoneurons.learning._descending`).
2. The table of MNIST errors: every network trained by both rules from the same weights on the same mini-batches. As
   published, equilibrium propagation nudges outside of sigma and so descends the binary cross-entropy where sigma is
   logistic; backpropagation through time descends the squared error, but for P-conv. There sigma is flat below 0, and
   the fresh networks of two seeds of three have an output that is 0 for every digit: the squared error has no gradient
   for it and never trains it (seed 0: 10.5 % test error after 8 epochs, one digit of ten always missed), nudging does.
   So backpropagation through time follows there the gradient of the cost that nudging descends.

Sizes, rates and steps were read in the authors' program and its list of commands, except these. Its present version
gives the prototypical networks a damped map, s + 0.2 (sigma(h) - s); ours is the undamped one of the paper's equations.
For P-1h the commands have T = 40 and K = 15; we use 30 and 10, as we remember the paper's table (not read). P-conv has
the published rates and nudging, but takes 8 epochs instead of 40, with momentum 0.9, mini-batches of 100 instead of 20,
rates that fall to 5 %, and groups that move in turn for 25 + 8 steps instead of all together for 200 + 10; its
estimator is centred, since the one-sided one divides by beta what still moves when the free phase ends, and after so
few steps did not train. These were compared by accuracy on held-out training images. Backpropagation through time
gets 4 epochs of P-conv, which is sized for a GPU: on a CPU core it takes some 7 minutes an epoch, on an H200 half a
minute in all by equilibrium propagation.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import ConvergenceWarning, ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.learning import _descending
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.learning.backpropagation_through_time import BackpropagationThroughTime
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures
from ._networks import COMPARED, TRAINED, compared_network, shortened, shown_input, trained_network

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Updates of equilibrium propagation match gradients of backpropagation through time"
CITATION = """@inproceedings{ernoult2019updates,
  author = {Ernoult, Maxence and Grollier, Julie and Querlioz, Damien and Bengio, Yoshua and Scellier, Benjamin},
  title = {Updates of Equilibrium Prop Match Gradients of Backprop Through Time in an {RNN} with Static Input},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {32},
  year = {2019},
  eprint = {1905.13633},
  archiveprefix = {arXiv}
}"""

RULES = {"ep": "equilibrium propagation", "bptt": "backpropagation through time"}
VARIANTS = ("one-sided", "centred", "published")
_BATCH = 500  # images tested at once
_CURVES = 3  # elements of each block whose curves are kept


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        trained: networks of the MNIST table, of EB-1h, EB-2h, P-1h, P-2h, P-3h, P-conv.
        compared: networks of the theorem, of toy, EB-1h, EB-2h, EB-3h, P-1h, P-2h, P-3h, P-conv.
        epochs: of all networks; 0 for each network's own.
        train_samples, test_samples: images used; 0 for all.
        held_out: training images, the last ones, set aside and tested on instead of the test images.
        samples: images whose updates are compared.
        conv_bptt_seeds: seeds of P-conv by backpropagation through time, half an hour of a CPU core each.
        torch_device: where networks are trained: ``"cpu"``, ``"cuda"``, or ``"auto"``.
    """

    seeds: int = 3
    first_seed: int = 0
    trained: tuple[str, ...] = ("P-1h", "P-conv")
    compared: tuple[str, ...] = ("toy", "EB-1h", "P-1h")
    epochs: int = 0
    train_samples: int = 0
    test_samples: int = 0
    held_out: int = 0
    samples: int = 20
    conv_bptt_seeds: int = 1
    torch_device: str = "auto"

    def __post_init__(self) -> None:
        at_least(self, seeds=1, epochs=0, train_samples=0, test_samples=0, held_out=0, samples=1, conv_bptt_seeds=1)
        for setting, known in (("trained", TRAINED), ("compared", COMPARED)):
            for name in getattr(self, setting):
                if name not in known:
                    raise ParameterError(f"setting {setting}: no network {name!r}; there are {', '.join(known)}")
        if self.torch_device not in ("auto", "cpu", "cuda"):
            raise ParameterError(f"setting torch_device = {self.torch_device!r} must be 'auto', 'cpu' or 'cuda'")


QUICK = Config(seeds=1, trained=("P-1h",), compared=("toy", "P-1h"), epochs=1, train_samples=4000, test_samples=1000)

Progress = Callable[[float, str], None]


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def trained_seeds(config: Config, name: str, rule: str) -> range:
    """Numbers of the seeds that a network is trained with by a rule."""
    seeds = seeds_of(config)
    return seeds[: config.conv_bptt_seeds] if (name, rule) == ("P-conv", "bptt") else seeds


def jobs(config: Config) -> list[list[str]]:
    """Comparisons and trainings; none needs another."""
    theorem = [f"theorem/{name}/seed{s}" for s in seeds_of(config) for name in config.compared]
    training = [
        f"train/{name}/{rule}/seed{s}"
        for name in config.trained
        for rule in RULES
        for s in trained_seeds(config, name, rule)
    ]
    return [theorem + training]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, name, *rule, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "theorem":
        return _compare(config, name, seed, progress)
    return _train(config, name, rule[0], seed, progress)


# -- the theorem -------------------------------------------------------------------------------------


def _compare(config: Config, name: str, seed: int, progress: Progress) -> dict[str, Any]:
    """Errors of every block in all variants, and curves of a few elements in the first."""
    setting = COMPARED[name]
    if name == "toy":
        x = torch.rand(config.samples, 10, generator=generator_for(seed, "toy inputs"), dtype=torch.float64)
        y = torch.randint(5, (config.samples,), generator=generator_for(seed, "toy labels"))
    else:
        found = data.load("mnist")
        chosen = torch.randperm(len(found.x_train), generator=generator_for(seed, "images"))[: config.samples]
        x, y = found.x_train[chosen].double(), found.y_train[chosen]
    result: dict[str, Any] = {}
    for place, variant in enumerate(VARIANTS):
        published = variant == "published"
        network = compared_network(name, seed, published)
        points = ep.points("centred" if variant == "centred" else "one-sided", setting.beta)
        cost = "squared-error" if published else "nudged"
        shown = shown_input(network, x)
        first = _descending.compare(network, shown, y, points, cost=cost)
        result[variant] = {block: _summary(e) for block, e in first.errors.items()} | {"residual": first.residual}
        if variant == "one-sided":
            keep = {block: size.flatten().topk(_CURVES).indices for block, size in first.sizes.items()}
            again = _descending.compare(network, shown, y, points, cost=cost, keep=keep)
            result["curves"] = {
                block: {"updates": again.updates[block].T.tolist(), "gradients": again.gradients[block].T.tolist()}
                for block in keep
            }
        progress((place + 1) / len(VARIANTS), f"{name}, {variant}")
    return result


def _summary(errors: torch.Tensor) -> dict[str, float]:
    """Mean, spread and quantiles over all elements that are not zero throughout."""
    e = errors.flatten()
    e = e[~e.isnan()].numpy()
    low, middle, high = np.quantile(e, (0.05, 0.5, 0.95))
    return {
        "mean": float(e.mean()), "std": float(e.std()), "low": float(low), "median": float(middle),
        "high": float(high), "count": float(len(e)),
    }  # fmt: skip


# -- training ----------------------------------------------------------------------------------------


def rule_of(name: str, rule: str) -> LayerRule:
    """A rule with the settings of a network."""
    t = TRAINED[name]
    common: dict[str, Any] = {"momentum": t.momentum, "final": t.final}
    if rule == "bptt":
        return BackpropagationThroughTime(cost=t.bptt_cost, **common)
    return EquilibriumPropagation(estimator=t.estimator, beta=t.beta, **common)


def _images(config: Config, place: torch.device) -> tuple[list[torch.Tensor], str]:
    """Images and labels to train and to test with, and what to know of them."""
    found = data.load("mnist")
    x, y, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
    if config.held_out:
        if config.held_out >= len(x):
            raise ParameterError(f"setting held_out = {config.held_out} leaves no image of {len(x)} to train on")
        x_test, y_test = x[-config.held_out :], y[-config.held_out :]
        x, y = x[: -config.held_out], y[: -config.held_out]
    if config.train_samples:
        x, y = _some(x, y, config.train_samples)
    if config.test_samples:
        x_test, y_test = _some(x_test, y_test, config.test_samples)
    return [t.to(place) for t in (x, y, x_test, y_test)], found.notice


def _some(x: torch.Tensor, y: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same `count` images every time, of all classes even where a set is sorted."""
    chosen = torch.randperm(len(x), generator=generator_for(0, "images"))[:count]
    return x[chosen], y[chosen]


def _train(config: Config, name: str, rule: str, seed: int, progress: Progress) -> dict[str, Any]:
    """Train one network by one rule; weights and order of the images are those of the seed, whatever the rule."""
    trained = shortened(TRAINED[name], config.epochs, rule)
    if config.torch_device == "cuda" and not torch.cuda.is_available():
        raise ParameterError("setting torch_device = 'cuda', but PyTorch finds no GPU here; use 'cpu'")
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    place = torch.device(auto if config.torch_device == "auto" else config.torch_device)
    (x, y, x_test, y_test), notice = _images(config, place)
    network = trained_network(name, seed).to(place)
    x, x_test = shown_input(network, x), shown_input(network, x_test)
    curve: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()

    def test_epoch(epoch: int, record: dict) -> None:
        curve.append(100 - 100 * float(learning.accuracy(network, x_test, y_test, _BATCH)[0]))
        progress(epoch / trained.epochs, f"{name}, {rule}, seed {seed}, epoch {epoch}: {curve[-1]:.2f} % error")

    def rates(state: RuleState) -> None:
        state.rates, state.bias_rates = list(trained.rates), list(trained.rates)  # type: ignore[attr-defined]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        history = learning.fit(
            network, rule_of(name, rule), x, y, epochs=trained.epochs, batch=trained.batch, seed=seed,
            after_epoch=test_epoch, prepare=rates,
        )  # fmt: skip
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    with torch.no_grad():
        residual = network.relax(x_test[:_BATCH], measure=True).residual
    return {
        "curve": curve, "error": curve[-1],
        "train_error": 100 - 100 * float(learning.accuracy(network, x, y, _BATCH)[0]),
        "loss": [r["loss"] for r in history], "seconds": seconds, "cpu_seconds": cpu, "residual": residual,
        "warnings": [str(w.message) for w in caught], "train_samples": len(x), "test_samples": len(x_test),
        "place": place.type, "notice": notice,
    }  # fmt: skip


# -- what came out -----------------------------------------------------------------------------------


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Errors of the theorem by block, and the table of MNIST."""
    seeds = seeds_of(config)
    rows: list[Quantity] = []
    for name in config.compared:
        found = [results[f"theorem/{name}/seed{s}"] for s in seeds]
        setting, key = COMPARED[name], name.lower()
        steps = f"T {setting.relaxation.steps}, K {setting.relaxation.nudged_steps}, beta {setting.beta:g}"
        for block in (b for b in found[0]["centred"] if b != "residual"):
            note = f"mean over elements and seeds; centred; {steps}; {config.samples} samples"
            rows.append(_row(f"{key}-centred-{block}", [f["centred"][block]["mean"] for f in found], "1", note))
        for variant, word in (("one-sided", "one-sided"), ("published", "one-sided, dynamics of the program")):
            worst = [max(v["mean"] for b, v in f[variant].items() if b != "residual") for f in found]
            rows.append(_row(f"{key}-{variant}-worst", worst, "1", f"worst block; {word}; {steps}"))
    for name in config.trained:
        rows += _table(config, results, name)
    return rows


def _table(config: Config, results: dict[str, dict], name: str) -> list[Quantity]:
    rows = []
    found = {
        rule: [results[f"train/{name}/{rule}/seed{s}"] for s in trained_seeds(config, name, rule)] for rule in RULES
    }
    first = found["ep"][0]
    images = "held-out training images" if config.held_out else "test images"
    split = f"{first['train_samples']} training images, {first['test_samples']} {images}"
    split += f"; {first['notice']}" if first["notice"] else ""
    for rule, label in RULES.items():
        runs, trained = found[rule], shortened(TRAINED[name], config.epochs, rule)
        cpu = np.mean([r["cpu_seconds"] for r in runs]) / trained.epochs
        moves = max(r["residual"] for r in runs)
        note = (
            f"{label}; last of {trained.epochs} epochs; {split}; {cpu:.0f} CPU-seconds an epoch on {first['place']}; "
        )
        note += f"in the last free step states move by at most {moves:.1g}"
        rows.append(_row(f"{name.lower()}-{rule}-test-error", [r["error"] for r in runs], "%", note))
        rows.append(_row(f"{name.lower()}-{rule}-train-error", [r["train_error"] for r in runs], "%", label))
    apart = [a["error"] - b["error"] for a, b in zip(found["ep"], found["bptt"], strict=False)]
    own = [shortened(TRAINED[name], config.epochs, rule).epochs for rule in RULES]
    note = "test errors, seed by seed" + (f", after {own[0]} and {own[1]} epochs" if own[0] != own[1] else "")
    rows.append(_row(f"{name.lower()}-ep-minus-bptt", apart, "points", note))
    return rows


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Curves of updates beside gradients, errors by block, learning curves."""
    seeds, first = seeds_of(config), config.first_seed
    drawn = [_figures.curves(name, results[f"theorem/{name}/seed{first}"]["curves"]) for name in config.compared]
    compared = {name: [results[f"theorem/{name}/seed{s}"] for s in seeds] for name in config.compared}
    if compared:
        drawn.append(_figures.errors(compared))
    trained = {
        name: {
            rule: [results[f"train/{name}/{rule}/seed{s}"]["curve"] for s in trained_seeds(config, name, rule)]
            for rule in RULES
        }
        for name in config.trained
    }
    if trained:
        drawn.append(_figures.learning(trained))
    return drawn
