"""A device from a file of measurements: read, compare models, fit, check on held-out readings, write."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nanoneurons import measurements
from nanoneurons.core.errors import DataError, NanoneuronsError
from nanoneurons.core.threads import one_blas_thread
from nanoneurons.fitting import Fit, Prediction
from nanoneurons.measurements import Measurements

from . import fit_rows
from .fit_calibration import calibration
from .fit_choice import Choice, choose
from .fit_compare import Candidate, Score, candidates, common, compare, named
from .fit_files import Target, save
from .fit_population import population
from .fit_splits import Split, readings, split, subset
from .fit_steps import table_steps
from .progress import Kind, Reporter, reporter

__all__ = ["Outcome", "fitted", "run"]

PATIENCE = 0.5  # s of reading that need no word


@dataclass(frozen=True)
class Outcome:
    """A fit with what was measured of it.

    Attributes:
        fit: the device, its estimates and their errors.
        data: the measurements.
        result: everything as plain data; what ``rows.json`` holds.
    """

    fit: Fit
    data: Measurements
    result: dict[str, Any]


def run(
    source: str | Path,
    device: str = "auto",
    *,
    kind: str | None = None,
    columns: str | Mapping[str, str] | None = None,
    units: str | Mapping[str, str] | None = None,
    variant: str | None = None,
    parameters: Mapping[str, object] | None = None,
    out: str | Path | None = None,
    report: bool = True,
    force: bool = False,
    seed: int = 0,
    progress: Kind = "auto",
) -> dict[str, Any]:
    """Fit a device to a file of measurements and write the device file and the report.

    Args:
        source: CSV, TSV, text or npz; see `measurements.read`.
        device: a device, ``device:preset``, an earlier device file whose other parameters are kept, or ``auto``.
        kind: pulses, iv, levels, retention or noise, where the file leaves it open.
        columns: what the columns are, where their names do not say it.
        units: unit of the readings, where the file does not say it.
        variant: only this variant of the device.
        parameters: values, with unit, of what the data do not tell.
        out: device file, ``<name of the data>-device.toml`` in the current folder when not given. The report lies
            beside it in ``<name>-fit``.
        force: replace a device file that comes from something else.
        seed: of the folds and of the simulated devices.

    Returns:
        What is also written to ``rows.json``.

    Raises:
        NanoneuronsError: data or options that cannot be used; nothing is written.
    """
    if Path(source).suffix == ".toml":
        raise DataError(f"{source} is a device file or a study, not a file of measurements; give the table of readings")
    target = Target.of(source, out, report, device)
    named(device)
    say = reporter(progress)
    try:
        data = _read(Path(source), kind, columns, units, say)
        target.check(data.origin, force)
        found = _fitted(data, device, variant, parameters or {}, seed, say)
    finally:
        say.close()
    return save(target, found.fit, found.data, found.result)


def _read(
    source: Path,
    kind: str | None,
    columns: str | Mapping[str, str] | None,
    units: str | Mapping[str, str] | None,
    say: Reporter,
) -> Measurements:
    label, begun, shown = f"reading {source.name}", time.monotonic(), False

    def progress(share: float, text: str) -> None:
        nonlocal shown
        if not shown and time.monotonic() - begun > PATIENCE:
            say.plan([label], 0)
            say.started(label)
            shown = True
        if shown:
            say.moved(label, share, text)

    data = measurements.read(source, kind, columns=columns, units=units, progress=progress)
    if shown:
        say.finished(label, time.monotonic() - begun)
    return data


def fitted(
    data: Measurements,
    device: str = "auto",
    *,
    variant: str | None = None,
    parameters: Mapping[str, object] | None = None,
    seed: int = 0,
    progress: Kind = "none",
) -> Outcome:
    """Fit a device to measurements; nothing is written. Arguments as for `run`."""
    say = reporter(progress)
    try:
        return _fitted(data, device, variant, parameters or {}, seed, say)
    finally:
        say.close()


@one_blas_thread()
def _fitted(
    data: Measurements, device: str, variant: str | None, parameters: Mapping[str, object], seed: int, say: Reporter
) -> Outcome:
    begun = time.monotonic()
    tried, refused = candidates(data, device, variant, parameters)
    judged = subset(data, seed)
    parts = split(judged, seed)
    if parts is None:
        choice, fit = None, _first_that_fits(data, tried, say)
        prediction, counted = None, None
    else:
        scores = compare(judged, tried, parts, say)
        choice, fit = _kept(data, judged, scores, parts, say)
        prediction, counted = choice.score.prediction, common([choice.score], judged)
    found = _checked(data, judged, parts, prediction, counted, fit)
    people = population(fit, data, seed)
    steps = table_steps(fit, data, seed) if people is None else people.pop("steps")
    result = fit_rows.result(
        data=data, judged=judged, fit=fit, spec=device, parameters=parameters, seed=seed, split=parts, choice=choice,
        refused=refused, calibration=found, population=people, steps=steps, prediction=prediction, counted=counted,
        tried=tried, seconds=time.monotonic() - begun,
    )  # fmt: skip
    return Outcome(fit, data, result)


def _checked(
    whole: Measurements,
    data: Measurements,
    parts: Split | None,
    prediction: Prediction | None,
    counted: np.ndarray | None,
    fit: Fit,
) -> dict[str, Any] | None:
    if parts is None or prediction is None or counted is None:
        return None
    aside = 0.0 if fit.outliers is None else float(fit.outliers.sum() / np.isfinite(readings(whole)).sum())
    return calibration(prediction, readings(data), counted, parts.unit, aside)


def _fit(data: Measurements, candidate: Candidate, say: Reporter) -> Fit:
    label = f"{candidate.label}, all readings"
    say.plan([label], 0)
    say.started(label)
    begun = time.monotonic()
    try:
        with np.errstate(all="ignore"):
            fit = candidate.fitter.fit(data, candidate.base, candidate.variant, lambda f, t: say.moved(label, f, t))
    except NanoneuronsError:
        raise
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"{data.origin.file}: the fit of {candidate.label} failed ({text}); try another --device or --variant"
        ) from error
    say.finished(label, time.monotonic() - begun)
    return fit


def _kept(
    data: Measurements, judged: Measurements, scores: list[Score], parts: Split, say: Reporter
) -> tuple[Choice, Fit]:
    """The model to keep, fitted to all readings; the next one where that fails though the folds could be fitted."""
    while True:
        choice = choose(scores, judged, parts)
        try:
            return choice, _fit(data, choice.score.candidate, say)
        except NanoneuronsError as error:
            choice.score.trouble = f"its fit to all readings failed: {' '.join(str(error).split())}"
            if all(score.trouble for score in scores):
                raise


def _first_that_fits(data: Measurements, tried: list[Candidate], say: Reporter) -> Fit:
    """Without held-out readings models cannot be compared: the generic family, or the first that can be fitted."""
    reason = None
    for candidate in sorted(tried, key=lambda candidate: candidate.name != "pulsed"):
        try:
            return _fit(data, candidate, say)
        except DataError as error:
            reason = reason or error
    assert reason is not None
    raise reason
