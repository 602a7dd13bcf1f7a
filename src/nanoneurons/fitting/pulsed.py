r"""Fits the generic pulsed device: a state-space model of each device, a mixed model over them.

Every device *i* has its own steps, bounds and (linear shape) losses of step, :math:`b_i \sim N(\mu, s^2)`; shape
constants and noises are shared. The likelihood of a device's readings comes from an assumed-density filter
(`_state_space`), its maximum by scoring, spreads by restricted maximum likelihood of the linearised model (`_mixed`).

Identified: what pulses show. Not identified: the reference (`centred`, `reference_spread`), `level_spacing`,
`noise_floor`, `noise_slope`; they are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import product

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.devices import MemoryDevice
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting import _pulsed_predict as predictions
from nanoneurons.fitting._fitter import Fit, Fitter, Prediction, Progress
from nanoneurons.fitting._graded import GRADED, fit_graded, predict_graded, refusal_graded
from nanoneurons.fitting._pulsed_law import KINDS, Law
from nanoneurons.fitting._pulsed_readings import Events, events_of, wild_re_reads
from nanoneurons.fitting._pulsed_result import FEWEST, LIMIT, Task, finish, widened
from nanoneurons.fitting._pulsed_search import Point, corrected, gain_over_plain, lean_of, restarted, search
from nanoneurons.fitting._pulsed_start import dead_devices, starting_point
from nanoneurons.fitting._state_space import standardised
from nanoneurons.measurements import Measurements, Pulses

__all__ = ["PulsedFitter"]

_SOME = 40  # devices on which choices between laws are tried first
_FAILED = -1.0  # log-likelihood per reading, against changes that are alike, below which a search has failed
_ODDS = 3.0  # difference of log-likelihood below which two laws of the noise are both possible
_MANY = 100  # devices above which one other start is tried for each instead of three
_BLURRED = 0.3  # standard error of a mean bound, in half ranges, beyond which the data do not tell it
_UNSURE = 0.6  # standard error of a log noise beyond which it is not told from 0

_BOUND = "no device was driven far enough to show this bound; set to the furthest reading"
_REMEDY = "try another shape, or measure more devices or pulses"
_SHARES = "the share of the shape that was fitted, 1 by definition"


class PulsedFitter(Fitter):
    """Fits step shape, bounds, spreads and noises to readings after pulses; variants are the step shapes.

    Levels, noise series and retention tell the range and the noises (`_graded`).
    """

    kinds = ("pulses", *GRADED)

    def variants(self, data: Measurements) -> tuple[str, ...]:
        """All step shapes, in the order of their number of constants."""
        if not isinstance(data, Pulses):
            return ("",)
        return tuple(KINDS)

    def refusal(self, data: Measurements) -> str | None:
        """Nothing to learn without pulses between readings."""
        if (wrong := super().refusal(data)) is not None:
            return wrong
        if not isinstance(data, Pulses):
            return refusal_graded(data)
        events = events_of(data)
        inner = (events.first == 0) & (events.count > 0) & (events.pulses != 0)
        if inner.sum() < 12:
            return f"it needs at least 12 readings with pulses before them, and these data have {int(inner.sum())}"
        return None

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit one step shape; the empty variant is that of `base`."""
        if (wrong := self.refusal(data)) is not None:
            raise DataError(f"pulsed: {wrong}")
        if not isinstance(data, Pulses):
            return fit_graded("pulsed", data, base)
        assert isinstance(base, Pulsed)
        tell = progress or (lambda share, text: None)
        wild = wild_re_reads(data)
        data = data.without(wild)
        task, dead, events = _prepare(data, base, variant or base.step_shape)
        if wild.any():
            task.notes.append(f"{int(wild.sum())} re-reads disagree by far more than the others and were set aside.")
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a search that fails is told below
                other = deepcopy(task)
                point, rival = _fit(task, lambda x: tell(x, f"pulsed, {task.shape}"))
                found = finish(task, point, data, dead, events) if gain_over_plain(point) > _FAILED else None
                if found is not None and rival is not None:
                    found = widened(found, finish(other, rival, data, dead, events))
        except (ParameterError, np.linalg.LinAlgError, FloatingPointError) as error:
            raise DataError(f"pulsed: the search for {task.shape} steps failed ({error}); {_REMEDY}") from error
        if found is None:
            raise DataError(
                f"pulsed: the search for {task.shape} steps found nothing that says nearly as much of these readings "
                f"as one mean change in each direction; {_REMEDY}"
            )
        return replace(found, outliers=wild | found.outliers)

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict every reading; a device that is not in the fit is learned from its readings so far."""
        if not isinstance(data, Pulses):
            return predict_graded(fit, data)
        return predictions.predict(fit.private, events_of(data), data.reading, LIMIT)


def _prepare(data: Pulses, base: Pulsed, shape: str) -> tuple[Task, np.ndarray, Events]:
    events = events_of(data)
    used = np.diff(events.start) > 0
    dead = dead_devices(events) & used
    live = np.flatnonzero(used & ~dead)
    if not len(live):
        raise DataError("pulsed: no pulse moves any of the devices; check the column of pulses and their sign")
    chosen = events.of_devices(live)
    seen = chosen.count > 0
    low, high = np.quantile(chosen.y[seen], (0.02, 0.98))
    span = float(high - low)
    if not span > 0:
        raise DataError("pulsed: the readings are constant")
    free = data.unit == "S" or not (low < -0.05 * span and high > 0.05 * span)
    fixed, kept, notes = {}, {}, []
    if data.unit == "1" and free and base.sided == "one-sided" and abs(low) < 0.1 * span:
        free = False
    up, down = bool((chosen.pulses > 0).any()), bool((chosen.pulses < 0).any())
    if down and base.sided == "one-sided":
        base = replace(base, sided="two-sided")
        fixed["sided"] = "the data have pulses of both directions"
    base = replace(
        base, step_shape=shape, nonlinearity=1.0, asymmetry=1.0, centred="no", reference_spread=0.0, **_plain(base)
    )
    fixed |= {"step_shape": "the variant that was fitted", "nonlinearity": _SHARES, "asymmetry": _SHARES}
    told = "readings are of the device alone; what is subtracted from them is not in the data"
    fixed |= {"centred": told, "reference_spread": told}
    for name in ("level_spacing", "noise_floor", "noise_slope"):
        kept[name] = "readings after pulses are not used for it; the default is kept"
    frame = (0.5 * float(low + high), 0.5 * span) if free else (0.0, 1.0)
    task = Task(chosen.moved(*frame), frame, base, shape, free, live, fixed, kept, notes)
    if not (up or down):
        raise DataError("pulsed: all numbers of pulses are 0")
    return task, dead, events


def _plain(base: Pulsed) -> dict[str, float]:
    """Step parameters that cannot make the starting device invalid, whatever shape is fitted."""
    out = {"w_max": 1.0, "w_min": 0.0 if base.sided == "one-sided" else -1.0, "gamma_up": 0.0, "gamma_down": 0.0}
    out |= {"exp_up": 0.0, "exp_down": 0.0}
    if base.exp_a == 0:
        out["exp_a"] = 1.0
    return out


# -- the search ---------------------------------------------------------------------------------------


def _law(task: Task, additive: bool, log_normal: bool) -> Law:
    pulses, base = task.events.pulses, task.base
    again = task.events.again.sum()
    known_read = 0.0 if again == 0 or task.events.scatter.sum() <= 0 else None
    unit = 1.0 if not task.free else 0.0  # floors are in weights; a frame that is not known yet has none
    up, down = bool((pulses > 0).any()), bool((pulses < 0).any())
    y = task.events.y[task.events.count > 0]
    for name, driven in (("w_max", up), ("w_min", down)):
        if not driven:
            task.fixed |= {name: _BOUND, name + "_spread": "the bound itself is not shown by these data"}
    return Law(
        task.shape, additive, log_normal, up, down, read=known_read,
        high=None if up else float(y.max()), low=None if down else float(min(y.min(), y.min() if task.free else 0.0)),
        floor=base.noise_floor * unit, slope=base.noise_slope,
    )  # fmt: skip


def _run(task: Task, law: Law, events: Events, x: np.ndarray, frame: tuple[float, float], **options) -> Point:
    return search(law, events, x, frame, reframe=task.reframe(), **options)


def _again(task: Task, point: Point, law: Law | None = None, x: np.ndarray | None = None, **options) -> Point:
    """Search on from a point, with the same or another law."""
    options = {"log_s": point.log_s(), "jump": point.jump, **options}
    return _run(
        task, law or point.law, point.events, point.x if x is None else x, (point.centre, point.scale), **options
    )


def _fit(task: Task, tell: Callable[[float], None]) -> tuple[Point, Point | None]:
    """The likeliest law; and the other law of the noise, where the data hardly tell the two apart."""
    devices = len(task.live)
    some = np.arange(devices) if devices <= _SOME else np.linspace(0, devices - 1, _SOME).round().astype(int)
    part = task.events.of_devices(some)
    best: Point | None = None
    gap = 0.0
    log_normal = task.base.step_law == "log-normal"
    choices = (False, True) if task.shape != "constant" else (task.base.noise == "pulse",)
    for additive in choices:
        if best is None:
            found = _first(task, _law(task, additive, log_normal), part)
        else:
            other = replace(best.law, additive=additive)
            found = _again(task, best, other, rounds=8, tolerance=0.1, held="rate")
            if (task.shape == "exponential" or not found.converged) and found.marginal > best.marginal - 15:
                found = _again(task, found, rounds=20, tolerance=0.1)
        tell(0.1 if best is None else 0.2)
        gap = 0.0 if best is None else abs(found.marginal - best.marginal) * devices / len(some)
        if best is None or found.marginal > best.marginal:
            best = found
    assert best is not None
    point = best if len(some) == devices else _extended(task, best)
    tell(0.4)
    point = _settled(task, _elsewhere(task, point))
    tell(0.6)
    point = _without_outliers(task, point)
    if (point.jump > 0).any():
        point = _without_outliers(task, _elsewhere(task, point))
    tell(0.8)
    if devices >= FEWEST and "step" in point.law.spread_names:
        point = _step_law(task, point)
    point = _integrated(task, point)
    tell(0.9)
    rival = None
    if len(choices) > 1 and "cycle_spread" not in task.fixed and gap < 10 * _ODDS:
        found = _again(task, point, replace(point.law, additive=not point.law.additive))
        if abs(found.marginal - point.marginal) < 4 * _ODDS:
            found = _integrated(task, found)
        if found.converged and found.marginal > point.marginal + _ODDS:
            point, found = found, point
        if found.converged and found.marginal > point.marginal - _ODDS:
            rival = found
    tell(1.0)
    return point, rival


def _integrated(task: Task, point: Point) -> Point:
    """Search on for the maximum of the likelihood integrated over the devices' own constants."""
    extra = None
    for turn in range(3):
        lean, found = lean_of(point)
        extra = found if extra is None else extra
        errors = np.sqrt(np.diag(point.mixed.covariance))
        moved = (np.abs((lean - point.lean).sum(0)) * errors)[len(point.law.own) :]
        if moved.max(initial=0.0) < 0.05:
            break
        there = _again(task, point, lean=lean)
        if not there.marginal > point.marginal - 10 - 2 * float(moved.sum()) ** 2:
            break  # it ran away along a direction that the data leave open
        point, extra = there, found
        if moved.max() < (1.0 if turn == 0 else 0.3):
            break  # what is left is a small part of this
    assert extra is not None
    return corrected(point, extra)


def _first(task: Task, law: Law, events: Events) -> Point:
    """Search from the start that the readings suggest; of an exponential step's forms the likeliest goes on."""
    if law.shape != "exponential":
        return _run(task, law, events, starting_point(law, events), task.frame, rounds=25, tolerance=0.1)
    best: Point | None = None
    ways = [(True, False)[: 1 + way] for way in (law.up, law.down)]
    for bent_up, bent_down in product(*ways):
        found = _run(
            task,
            law,
            events,
            starting_point(law, events, (bent_up, bent_down)),
            task.frame,
            rounds=12,
            tolerance=0.3,
            held="rate",
        )
        best = found if best is None or found.marginal > best.marginal else best
    assert best is not None
    return _again(task, best, rounds=25, tolerance=0.1)


def _elsewhere(task: Task, point: Point) -> Point:
    """Search on with the devices that have a likelier mode, seen from their own readings or from the mean device."""
    for _ in range(2):
        own = len(point.law.own)
        mean = point.x.copy()
        mean[:, :own] = point.mixed.beta[:own]
        events = replace(point.events, count=np.where(point.jump > 0, 0, point.events.count))
        alone = starting_point(point.law, events)
        mixture = alone.copy()
        mixture[:, : 1 + point.law.both] = mean[:, : 1 + point.law.both]
        any_gain = False
        for start in (alone, mixture, mean) if len(point.x) <= _MANY else (mixture,):
            x, gained = restarted(point, start)
            if gained.any():
                any_gain, point = True, replace(point, x=x)
        if not any_gain:
            break
        point = _again(task, point)
    return point


def _extended(task: Task, some: Point) -> Point:
    """Take what a part of the devices told to all of them."""
    c, e = (some.centre - task.frame[0]) / task.frame[1], some.scale / task.frame[1]
    events = task.events.moved(c, e)
    x = starting_point(some.law, events)
    shared = len(some.law.own)
    x[:, shared:] = some.mixed.beta[shared:]
    mean, s = some.mixed.beta[:shared], np.maximum(some.mixed.spread, 1e-9)
    x[:, :shared] = np.clip(x[:, :shared], mean - 2 * s, mean + 2 * s)
    return _run(task, some.law, events, some.law.bounded(x), (some.centre, some.scale), log_s=some.log_s())


def _reduced(point: Point, **values: float) -> tuple[Law, np.ndarray]:
    law = replace(point.law, **values)
    return law, point.x[:, [point.law.index(name) for name in law.names]]


def _settled(task: Task, point: Point) -> Point:
    """Fix, one after the other, what the data do not tell: bounds that nobody reaches, noises that are not seen."""
    for _ in range(6):
        law, mixed = point.law, point.mixed
        errors = dict(zip(law.names, np.sqrt(np.diag(mixed.covariance)), strict=True))
        seen = point.events.count > 0
        values: dict[str, float] = {}
        for name in ("high", "low"):
            if name in errors and errors[name] > _BLURRED * (1.0 if task.free else _half(point)):
                values = {name: float(point.events.y[seen].max() if name == "high" else point.events.y[seen].min())}
                break
        else:
            for name in ("cycle", "write", "read"):
                if name in errors and (errors[name] > _UNSURE or mixed.beta[law.index(name)] < -15):
                    values = {name: 0.0}
                    break
        if values.get("write") == 0.0 and law.read == 0.0:
            values = {"write": 1e-6}  # readings without any noise still need a width
        if not values:
            return point
        name, value = next(iter(values.items()))
        if name in ("high", "low"):
            parameter = "w_max" if name == "high" else "w_min"
            task.fixed |= {parameter: _BOUND, parameter + "_spread": "the bound itself is not shown by these data"}
        else:
            parameter = {"cycle": "cycle_spread", "write": "write_noise", "read": "read_noise"}[name]
            task.fixed[parameter] = "too small to be told from 0 beside the other noise"
        law, x = _reduced(point, **{name: value})
        point = _again(task, point, law, law.bounded(x))
    return point


def _half(point: Point) -> float:
    seen = point.events.y[point.events.count > 0]
    return 0.5 * float(seen.max() - seen.min())


def _without_outliers(task: Task, point: Point) -> Point:
    """Set readings aside whose prediction failed by more than `LIMIT` standard deviations, and search again."""
    for _ in range(4):
        z = standardised(
            point.law.kind, point.law.constants(point.x), point.events.start, point.events.first, point.events.pulses,
            point.events.y, point.events.count, point.jump, LIMIT,
        )  # fmt: skip
        if ((z > 0) == (point.jump > 0)).all():
            break
        point = _again(task, point, jump=z)
    return point


def _step_law(task: Task, point: Point) -> Point:
    """Try the other law of the step's spread where it might be likelier."""
    law = point.law
    up, down = law.steps(point.x)
    gain = 0.5 * (up + down) if law.both else (up if law.up else down)
    other = replace(law, log_normal=not law.log_normal)
    wider = float(len(gain) * (np.log(np.std(gain)) - np.log(np.std(np.log(gain)))) - np.log(gain).sum())
    if np.std(np.log(gain)) < 0.05 or (wider if other.log_normal else -wider) < -0.5:
        return point  # alone the devices' gains speak against the other law
    x = np.zeros((len(point.x), len(other.names)))
    for k, name in enumerate(other.names):
        if name in law.names:
            x[:, k] = point.x[:, law.index(name)]
    less = 2 * float(np.mean(0.5 * (up - down))) if law.both else 0.0
    if other.log_normal:
        x[:, 0] = np.log(gain + 0.5 * abs(less))
        if law.both:
            x[:, 1], x[:, other.index("less")] = 0.5 * (up - down - less), less
    else:
        x[:, 0] = gain
        if law.both:
            x[:, 1] = 0.5 * (up - down)
    logs = {k: v for k, v in point.log_s().items() if k != "step"}
    tried = _again(task, point, other, other.bounded(x), log_s=logs | {"step": float(np.log(np.std(np.log(gain))))})
    wanted = (task.base.step_law == "log-normal") == other.log_normal
    return tried if tried.marginal > point.marginal + (0.0 if wanted else 1.0) else point
