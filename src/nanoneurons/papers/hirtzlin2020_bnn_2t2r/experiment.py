"""Binarized networks in differential HfOx memory without error correction (Bocquet 2018, Hirtzlin 2019, 2020).

Three questions. Does a complementary pair with a sense amplifier (2T2R) give the error rate that its closed form
says, and that a code of the same redundancy would give? How many wrong weights does a binarized network bear,
trained plainly and trained with errors injected? And where do 17 measured programming conditions lie on that curve?

The rule for verdicts on error rates was fixed before any run: a point passes when the closed form lies in the exact
binomial interval of the counted errors at the level 1 - 0.05/K, K the number of points, so that if all are right
all pass with at least 95 % probability. How many lie in their plain 95 % intervals is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import data, devices, learning, networks
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.layers.binary import BinaryConv2d, BinaryLinear
from nanoneurons.learning.error_aware import ErrorAware, flips
from nanoneurons.learning.straight_through import StraightThrough
from nanoneurons.networks.packed import PackedNetwork
from nanoneurons.papers._paper import Figure, Quantity, at_least
from nanoneurons.physics import error_rates

from . import _figures
from ._sampling import METHODS, Point, count, count_through_circuit

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Binarized networks in differential (2T2R) HfOx memory without error correction"
CITATION = HfOxBinary.citation

# percent of single devices that err, 17 programming conditions measured by the group (granularity 1/13,800)
MEASURED = (
    0.0725, 0.0362, 0.0290, 0.0072, 0.1449, 0.0217, 0.0290, 0.0145, 0.9275, 0.2826, 0.2609, 0.2681,
    7.8116, 2.7029, 2.2899, 2.3768, 2.4855,
)  # fmt: skip
CIRCUIT_METHODS = ("1t1r", "2t2r")


@dataclass(frozen=True)
class Config:
    """Settings; network and error rates are the paper's, epochs and batch ours (the paper's could not be read).

    Attributes:
        errors_per_point: errors expected in one seed at each point; it sets the number of simulated bits.
        circuit_bits: bits written and read through the device and circuit code, per seed and circuit.
        trained_rates: error rates in training; 0 is plain training.
        tested_rates: error rates in test.
        masks: error patterns drawn at each tested rate.
        cifar: adds CIFAR-10 with a small convolutional network on a part of the images, labelled as such.
    """

    seeds: int = 3
    first_seed: int = 0
    rates: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
    errors_per_point: int = 200
    circuit_bits: int = 4_000_000
    task: str = "mnist"
    network: str = "784-1024-1024-10"
    epochs: int = 12
    batch: int = 500
    trained_rates: tuple[float, ...] = (0.0, 0.04, 0.1)
    tested_rates: tuple[float, ...] = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 2e-2, 4e-2, 7e-2, 0.1, 0.15, 0.2, 0.3)
    masks: int = 5
    cifar: bool = False
    cifar_network: str = "3x32x32-32c3-32c3-mp2-64c3-64c3-mp2-256-10"
    cifar_epochs: int = 10
    cifar_train: int = 5000
    cifar_test: int = 2000

    def __post_init__(self) -> None:
        at_least(self, seeds=1)


QUICK = Config(
    seeds=2, errors_per_point=10, circuit_bits=200_000, task="digits", network="64-128-128-10", epochs=6, batch=100,
    trained_rates=(0.0, 0.1), masks=3,
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """One stage of independent jobs: ``train/<rate>/seed<n>``, ``cifar/<rate>/seed<n>``, ``rates/<method>/seed<n>``."""
    tasks = ["train", *(["cifar"] if config.cifar else [])]
    work = [f"{task}/{rate:g}/seed{s}" for task in tasks for s in seeds_of(config) for rate in config.trained_rates]
    return [[*work, *(f"rates/{method}/seed{s}" for method in METHODS for s in seeds_of(config))]]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    kind, what, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "rates":
        return _count_errors(config, what, seed, progress)
    return _train_and_test(config, kind == "cifar", float(what), seed, progress)


def _count_errors(config: Config, method: str, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    trials = {rate: max(round(config.errors_per_point / rate), 100_000) for rate in config.rates}
    total, done, points = sum(trials.values()), 0, {}
    for rate, n in trials.items():

        def tell(share: float, rate: float = rate, n: int = n, before: int = done) -> None:
            progress((before + share * n) / total, f"{method} at {rate:g}")

        points[f"{rate:g}"] = [count(method, rate, n, generator_for(seed, "rates", method, f"{rate:g}"), tell), n]
        done += n
    answer: dict[str, Any] = {"points": points}
    if method in CIRCUIT_METHODS:
        draws = generator_for(seed, "circuit", method)
        errors = count_through_circuit(method, circuit_device(), config.circuit_bits, draws)
        answer["circuit"] = [errors, config.circuit_bits]
    return answer


def circuit_device() -> HfOxBinary:
    """Device whose errors are counted through the circuit code: low-energy programming, without read noise."""
    return devices.get("hfox-binary:weak", read_noise=0.0)  # type: ignore[return-value]


def _train_and_test(
    config: Config, cifar: bool, rate: float, seed: int, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    dataset = data.load("cifar10" if cifar else config.task)
    x, y, x_test, y_test = dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test
    if cifar:
        x, y = x[: config.cifar_train], y[: config.cifar_train]
        x_test, y_test = x_test[: config.cifar_test], y_test[: config.cifar_test]
    network = networks.build(
        config.cifar_network if cifar else config.network,
        kind="binary", circuit=None, chips=None, shape=dataset.shape, classes=dataset.classes, seed=seed,
    )  # fmt: skip
    rule = ErrorAware(error_rate=rate) if rate else StraightThrough()
    learning.fit(
        network, rule, x, y, epochs=config.cifar_epochs if cifar else config.epochs, batch=config.batch, seed=seed,
        progress=lambda share, text: progress(0.8 * share, f"trained at {rate:g}, seed {seed}, {text}"),
    )  # fmt: skip
    network.eval()
    layers = [m for m in network.modules() if isinstance(m, (BinaryLinear, BinaryConv2d))]
    accuracies: dict[str, list[float]] = {}
    paired: dict[str, list[float]] = {}
    clean = None
    for k, tested in enumerate(config.tested_rates):
        runs = []
        for mask in range(config.masks if tested else 1):
            for index, layer in enumerate(layers):
                draw = generator_for(seed, "mask", f"{rate:g}", f"{tested:g}", mask, index)
                layer.errors = flips(tuple(layer.weight.shape), tested, draw) if tested else None
            runs.append(_right(network, x_test, y_test, packed=not cifar))
        table = torch.stack(runs).double()
        clean = table[0] if clean is None else clean
        accuracies[f"{tested:g}"] = table.mean(1).tolist()
        loss = clean - table.mean(0)  # per image, so that the same images are compared
        paired[f"{tested:g}"] = [float(loss.mean()), float(loss.std() / len(loss) ** 0.5)]
        share = (k + 1) / len(config.tested_rates)
        progress(0.8 + 0.2 * share, f"trained at {rate:g}, seed {seed}, tested at {tested:g}")
    return {"accuracy": accuracies, "paired_loss": paired, "test_samples": len(x_test), "notice": dataset.notice}


def _right(network, x: torch.Tensor, y: torch.Tensor, packed: bool) -> torch.Tensor:
    """Whether each test sample is classified right."""
    forward = PackedNetwork.from_network(network) if packed else network
    with torch.no_grad():
        return torch.cat([forward(x[i : i + 1000]).argmax(-1) == y[i : i + 1000] for i in range(0, len(x), 1000)])


# -- what came out -----------------------------------------------------------------------------------


def points_of(config: Config, results: dict[str, dict]) -> list[Point]:
    """Counted error rates beside their closed forms."""
    found = []
    for method in METHODS:
        runs = [results[f"rates/{method}/seed{s}"] for s in seeds_of(config)]
        places = [(f"{rate:g}", rate, [r["points"][f"{rate:g}"] for r in runs]) for rate in config.rates]
        if method in CIRCUIT_METHODS:
            device = circuit_device()
            law = error_rates.threshold_error if method == "1t1r" else error_rates.pair_error
            places.append(("circuit", float(law(device.log_window, *device.spreads())), [r["circuit"] for r in runs]))
        for place, expected, counts in places:
            name = f"ber_{method}_through_circuit" if place == "circuit" else f"ber_{method}_at_{rate_name(expected)}"
            errors, trials = (sum(c[i] for c in counts) for i in (0, 1))
            found.append(Point(method, name, expected, errors, trials, tuple(e / n for e, n in counts)))
    return found


def rate_name(rate: float) -> str:
    """``1e-4`` for 0.0001, ``4e-2`` for 0.04: short and the same everywhere."""
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Error rates inside their intervals, losses of accuracy, and the measured conditions on the curve."""
    points = points_of(config, results)
    level = 1 - 0.05 / len(points)
    rows = []
    for p in points:
        low, high = p.interval(0.95)
        note = (
            f"{p.errors} errors in {p.trials:.3g} bits: {p.errors / p.trials:.4g}, 95 % interval {low:.4g} to "
            f"{high:.4g}, closed form {p.expected:.4g}, {'inside' if p.inside(0.95) else 'outside'}; the verdict takes "
            f"{100 * level:.2f} % (95 % for all {len(points)} points together)"
        )
        rows.append(Quantity(f"{p.name}_inside_interval", float(p.inside(level)), None, config.seeds, "1", note))
    inside = sum(p.inside(0.95) for p in points)
    note = f"of {len(points)}; {0.95 * len(points):.1f} expected if every closed form is right"
    rows.append(Quantity("ber_points_inside_their_own_95_interval", float(inside), None, config.seeds, "points", note))
    for task, name in (("train", config.task), ("cifar", "cifar10-small")):
        if task == "train" or config.cifar:
            rows += _accuracy_rows(config, results, task, name)
    rows += _operating_rows(config, results)
    if config.task == "mnist":  # the published curve belongs to another circuit and a network too large for a CPU
        for rate in _figures.PUBLISHED_CIFAR:
            name = f"cifar10_vgg_bridge_accuracy_at_{rate_name(rate) if rate else 0}"
            rows.append(Quantity(name, None, None, 0, "%", "not run: another circuit, and too large for a CPU"))
    return rows


def table_of(config: Config, results: dict[str, dict], task: str, trained: float) -> np.ndarray:
    """Accuracy in percent, shape ``(seeds, tested rates)``, mean over masks."""
    runs = [results[f"{task}/{trained:g}/seed{s}"]["accuracy"] for s in seeds_of(config)]
    return 100 * np.array([[np.mean(r[f"{rate:g}"]) for rate in config.tested_rates] for r in runs])


def _row(name: str, values: np.ndarray, unit: str, note: str = "") -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def _accuracy_rows(config: Config, results: dict[str, dict], task: str, name: str) -> list[Quantity]:
    tested = list(config.tested_rates)
    plain = table_of(config, results, task, config.trained_rates[0])
    images = results[f"{task}/{config.trained_rates[0]:g}/seed{config.first_seed}"]["test_samples"]
    network = config.network if task == "train" else f"{config.cifar_network}, {config.cifar_train} training images"
    rows = [_row(f"{name}_accuracy_plain_without_errors", plain[:, 0], "%", f"{network}, {images} test images")]
    for trained in config.trained_rates:
        table = table_of(config, results, task, trained)
        for k, rate in enumerate(tested):
            if rate not in (1e-4, 4e-2, 0.1) and not (trained and k == 0):
                continue
            how = "plain" if not trained else "error_aware" if trained == rate else f"trained_at_{rate_name(trained)}"
            place = f"at_{rate_name(rate)}" if rate else "without_errors"
            note = "plain network without errors, same seed, minus this one"
            note = note if trained else _interval_note(results, config, task, rate)
            rows.append(_row(f"{name}_loss_{place}_{how}", plain[:, 0] - table[:, k], "points", note))
    return rows


def _interval_note(results: dict[str, dict], config: Config, task: str, rate: float) -> str:
    """Paired 95 % intervals of the loss, seed by seed: the same test images with and without errors."""
    parts = []
    for s in seeds_of(config):
        mean, error = results[f"{task}/{config.trained_rates[0]:g}/seed{s}"]["paired_loss"][f"{rate:g}"]
        parts.append(f"{100 * mean:.3f} ± {196 * error:.3f}")
    return "paired over test images, 95 % intervals by seed: " + ", ".join(parts)


def _operating_rows(config: Config, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    for where, rates in operating_points().items():
        for trained in config.trained_rates:
            losses = losses_at(config, results, trained, rates)
            kind = "plain" if not trained else f"trained_at_{rate_name(trained)}"
            note = f"of {len(rates)} measured, read as {where}; accuracy interpolated in ln of the error rate"
            values = (losses < 1).sum(1).astype(float)
            name = f"{config.task}_conditions_losing_less_than_a_point_{where}_{kind}"
            rows.append(_row(name, values, "conditions", note))
    pairs, note = operating_points()["2t2r"], "closed form, equal spreads, no amplifier offset"
    for which, value in (("highest", pairs.max()), ("lowest", pairs.min())):
        rows.append(Quantity(f"operating_points_2t2r_{which}_rate", float(value), None, 1, "1", note))
    return rows


def operating_points() -> dict[str, np.ndarray]:
    """Error rates of the measured conditions, single devices as measured and pairs by the closed form."""
    single = np.array(MEASURED) / 100
    window = error_rates.window_for_threshold_error(single, 1.0)
    return {"1t1r": single, "2t2r": np.asarray(error_rates.pair_error(window, 1.0, 1.0))}


def losses_at(config: Config, results: dict[str, dict], trained: float, rates: np.ndarray) -> np.ndarray:
    """Loss in points against the plain network without errors, ``(seeds, rates)``, between the tested rates."""
    plain = table_of(config, results, "train", config.trained_rates[0])[:, 0]
    table = table_of(config, results, "train", trained)
    at = np.log(np.maximum(config.tested_rates, 1e-12))
    order = np.argsort(at)
    return np.array([p - np.interp(np.log(rates), at[order], row[order]) for p, row in zip(plain, table, strict=True)])


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Error rates, accuracy against error rate, measured conditions, and CIFAR-10."""
    tables = {t: table_of(config, results, "train", t) for t in config.trained_rates}
    small = {t: table_of(config, results, "cifar", t) for t in config.trained_rates} if config.cifar else {}
    operating = operating_points()
    losses = {w: {t: losses_at(config, results, t, r) for t in config.trained_rates} for w, r in operating.items()}
    return [
        _figures.error_rate_figure(points_of(config, results)),
        _figures.accuracy_figure(config.task, config.tested_rates, tables, operating),
        _figures.conditions_figure(operating, losses),
        _figures.cifar_figure(config.tested_rates, small),
    ]
