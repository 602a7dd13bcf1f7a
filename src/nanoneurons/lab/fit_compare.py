"""Which model of the catalogue tells held-out readings best, and how clearly."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanoneurons import devices, fitting
from nanoneurons.core.errors import DataError, NanoneuronsError, RefusedError, StudyError, UnknownNameError, nearest
from nanoneurons.core.units import quantity
from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting import Fitter, Prediction
from nanoneurons.measurements import Measurements

from .fit_splits import Fold, Split, readings
from .progress import Reporter

__all__ = ["Candidate", "Score", "candidates", "common", "compare", "densities", "named", "paired"]

WILD = 1e-3  # share of a uniform density over the measured range that every candidate is mixed with
FAR = 5.0  # standard errors behind the best after the first fold: not fitted again


@dataclass(frozen=True)
class Candidate:
    """A model to try: a fitter, one of its variants, and the device that holds what the data do not tell."""

    name: str
    variant: str
    fitter: Fitter
    base: MemoryDevice

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.name} ({self.variant})" if self.variant else self.name


@dataclass
class Score:
    """What a candidate said of the held-out readings; arrays have the shape of the data's readings."""

    candidate: Candidate
    prediction: Prediction
    parameters: int = 0
    folds: int = 0
    seconds: float = 0.0
    dead: np.ndarray | None = None
    trouble: str = ""
    lost: tuple[float, float] | None = None  # how far behind it fell at once, with the standard error


def candidates(
    data: Measurements, spec: str, variant: str | None, parameters: Mapping[str, object]
) -> tuple[list[Candidate], dict[str, str]]:
    """The models that these data can tell, and why each other one cannot be told.

    Args:
        spec: ``auto`` for every fitted device, or a device, ``device:preset`` or a device file.
        variant: only this variant of a named device.
        parameters: values, with unit where they are texts, of what the data do not tell.

    Raises:
        UnknownNameError: no such device, variant or parameter.
        RefusedError: the device, or each device, cannot be learned from such data.
    """
    if spec == "auto":
        if variant is not None:
            raise StudyError(f"--variant {variant!r} belongs to one device; name it with --device")
        names = {name: name for name in fitting.catalogue}
    else:
        names = {named(spec): spec}
    found: list[Candidate] = []
    refused: dict[str, str] = {}
    unused = set(parameters)
    for name, source in names.items():
        fitter: Fitter = fitting.catalogue[name]()
        reason = fitter.refusal(data)
        if reason is not None:
            refused[name] = reason
            continue
        cls: Any = devices.catalogue[name]
        own = {p.name: p for p in cls.parameters()}
        given = {k: _value(own[k], v) for k, v in parameters.items() if k in own}
        if spec != "auto":
            for key in parameters:
                cls.parameter(key)
        unused -= set(given)
        base = devices.get(source, **given)
        assert isinstance(base, MemoryDevice)
        offered = fitter.variants(data)
        if variant is not None and variant not in offered:
            listed = ", ".join(v for v in offered if v) or "none"
            raise UnknownNameError(f"{name!r} has no variant {variant!r}{nearest(variant, offered)}; it has {listed}")
        found += [Candidate(name, v, fitter, base) for v in offered if variant in (None, v)]
    if not found:
        # who learns from other measurements only is no reason, where somebody learns from these
        near = {n: r for n, r in refused.items() if data.kind in fitting.catalogue[n]().kinds} or refused
        reasons = "; ".join(f"{name}: {reason}" for name, reason in near.items()) or "no device can be fitted"
        raise RefusedError(f"no model can be learned from {data.origin.file}: {reasons}")
    if unused:
        raise UnknownNameError(f"none of the models has a parameter {sorted(unused)[0]!r}; see 'nanoneurons devices'")
    return found, refused


def named(spec: str) -> str:
    """Name in the catalogue of the device that `spec` stands for; ``auto`` as it is.

    Raises:
        UnknownNameError: no such device.
        RefusedError: nothing fits it.
    """
    if spec == "auto":
        return spec
    device = devices.get(spec)
    name = type(device).__module__.rpartition(".")[2].replace("_", "-")
    if name not in fitting.catalogue or not isinstance(device, MemoryDevice):
        known = ", ".join(fitting.catalogue)
        raise RefusedError(f"{name!r} cannot be fitted to measurements; these can: {known}")
    return name


def _value(parameter: Any, value: object) -> Any:
    return value if parameter.choices else quantity(value, parameter.unit, parameter.name)


def compare(data: Measurements, tried: Sequence[Candidate], split: Split, say: Reporter) -> list[Score]:
    """Fit every candidate to each fold and let it predict what it did not see.

    After the first fold a candidate that lies more than five standard errors behind the best is not fitted again.

    Raises:
        DataError: no candidate could be fitted; gives the reasons of the first and of the table.
    """
    scores = [Score(candidate, _nothing(readings(data).shape)) for candidate in tried]
    say.plan([score.candidate.label for score in scores], 0)
    for score in scores:
        _fold(score, split.folds[0], 0, len(split.folds), say)
    _drop_hopeless(_alive(scores, data), data, split)
    for score in scores:
        for k, fold in enumerate(split.folds[1:], 1):
            if not score.trouble:
                _fold(score, fold, k, len(split.folds), say)
        say.finished(score.candidate.label, score.seconds)
    _alive(scores, data)
    return scores


def _alive(scores: list[Score], data: Measurements) -> list[Score]:
    found = [score for score in scores if not score.trouble]
    if not found:
        told = [score for score in scores if score is scores[0] or score.candidate.name == "table"]
        reasons = "; ".join(f"{score.candidate.name}: {score.trouble}" for score in told)
        raise DataError(f"{data.origin.file}: no model can be fitted to these readings; {reasons}")
    return found


def _drop_hopeless(scores: list[Score], data: Measurements, split: Split) -> None:
    if len(split.folds) < 2 or len(scores) < 2:
        return
    counted = common(scores, data)
    found = densities(scores, data, counted)
    best = int(np.argmax([density.sum() for density in found]))
    for score, density in zip(scores, found, strict=True):
        behind, error = paired(found[best] - density, split.unit[counted])
        if error is not None and behind > FAR * error > 0:
            score.trouble, score.lost = "far behind after the first fold", (behind, error)


def _fold(score: Score, fold: Fold, k: int, of: int, say: Reporter) -> None:
    candidate, begun = score.candidate, time.monotonic()
    if k == 0:
        say.started(candidate.label)

    def progress(share: float, text: str) -> None:
        say.moved(candidate.label, (k + share) / of, text)

    try:
        with np.errstate(all="ignore"):  # a search may step where a law overflows; what it finds is judged below
            fit = candidate.fitter.trial(fold.seen, candidate.base, candidate.variant, progress)
            predicted = candidate.fitter.predict(fit, fold.predicted)
    except NanoneuronsError as error:
        score.trouble = " ".join(str(error).split()).removeprefix(f"{candidate.name}: ")
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        # one model's search that fails, in our code or in scipy's, leaves the others
        score.trouble = f"its fit failed: {' '.join(str(error).split())}"
    else:
        for name, whole in vars(score.prediction).items():
            whole[fold.rows] = np.where(fold.scored, getattr(predicted, name), whole[fold.rows])
        score.folds, score.parameters = k + 1, max(score.parameters, len(fit.estimates))
        if fit.dead is not None:
            score.dead = fit.dead if score.dead is None else score.dead | fit.dead
    score.seconds += time.monotonic() - begun


def _nothing(shape: tuple[int, ...]) -> Prediction:
    return Prediction(*(np.full(shape, np.nan) for _ in range(5)))


def common(scores: Sequence[Score], data: Measurements) -> np.ndarray:
    """Readings that all these candidates predicted, without the devices that any of them found dead."""
    counted = np.isfinite(readings(data))
    for score in scores:
        counted &= ~np.isnan(score.prediction.log_density)
        if score.dead is not None:
            counted &= ~score.dead[data.device][:, None]
    return counted


def densities(scores: Sequence[Score], data: Measurements, counted: np.ndarray) -> list[np.ndarray]:
    """Logarithm of each candidate's density at the counted readings.

    A thousandth of a uniform density over the measured range is mixed in, so that one wild reading decides nothing.
    """
    measured = readings(data)[np.isfinite(readings(data))]
    floor = np.log(WILD) - np.log(max(float(np.ptp(measured)), np.finfo(float).tiny))
    return [np.logaddexp(np.log1p(-WILD) + score.prediction.log_density[counted], floor) for score in scores]


def paired(difference: np.ndarray, unit: np.ndarray) -> tuple[float, float | None]:
    """Mean of a difference per reading, and its standard error over the pieces that err independently."""
    _, piece = np.unique(unit, return_inverse=True)
    pieces, total = int(piece.max(initial=-1)) + 1, len(difference)
    mean = float(difference.mean()) if total else 0.0
    if pieces < 2:
        return mean, None
    left = np.bincount(piece, difference - mean)
    return mean, float(np.sqrt(pieces / (pieces - 1) * (left**2).sum()) / total)
