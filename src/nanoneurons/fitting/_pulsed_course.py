"""The course of a pulsed fit: which laws are tried, where the search goes on, and what the data do not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nanoneurons.fitting._pulsed_forms import first
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point, corrected, lean_of
from nanoneurons.fitting._pulsed_search import LOST, climbed, restarted, scanned
from nanoneurons.fitting._pulsed_start import starting_point
from nanoneurons.fitting._pulsed_task import BOUND, FEWEST, LIMIT, Task, again, law_of, run
from nanoneurons.fitting._state_space import standardised

__all__ = ["everywhere", "likeliest"]

_SOME = {"exponential": 24}  # devices on which choices between laws are tried first; else 40
_ODDS = 3.0  # difference of log-likelihood below which two laws of the noise are both possible
_BLURRED = 0.3  # standard error of a mean bound, in half ranges, beyond which the data do not tell it
_UNSURE = 0.6  # standard error of a log noise beyond which it is not told from 0


def likeliest(task: Task, tell: Callable[[float], None], sampled: bool) -> tuple[Point, Point | None]:
    """The likeliest law; and the other law of the noise, where the data hardly tell the two apart."""
    devices = len(task.live)
    most = _SOME.get(task.shape, 40)
    some = np.arange(devices) if devices <= most else np.linspace(0, devices - 1, most).round().astype(int)
    part = task.events.of_devices(some)
    best: Point | None = None
    log_normal = task.base.step_law == "log-normal"
    choices = (False, True) if task.shape != "constant" else (task.base.noise == "pulse",)
    for additive in choices:
        found = first(task, law_of(task, additive, log_normal), part)
        tell(0.1 if best is None else 0.2)
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
    if devices >= FEWEST and not sampled:
        point = _step_law(task, point)
    if not sampled:
        point = _integrated(task, point)
    tell(0.9)
    rival = None
    if len(choices) > 1 and "cycle_spread" not in task.fixed:
        found = again(task, point, replace(point.law, additive=not point.law.additive), rounds=12, tolerance=0.1)
        if found.marginal > point.marginal - 10 * _ODDS:
            found = _elsewhere(task, again(task, found))
        if abs(found.marginal - point.marginal) < 4 * _ODDS and not sampled:
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
        there = again(task, point, lean=lean)
        if not there.marginal > point.marginal - 10 - 2 * float(moved.sum()) ** 2:
            break  # it ran away along a direction that the data leave open
        point, extra = there, found
        if moved.max() < (1.0 if turn == 0 else 0.3):
            break  # what is left is a small part of this
    assert extra is not None
    return corrected(point, extra)


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
        any_gain, before = False, point
        starts = [scanned(point), alone, mixture, mean, *_displaced(point)]
        for start in starts:
            x, gained = restarted(point, start)
            if gained.any():
                any_gain, point = True, replace(point, x=x)
        if not any_gain:
            break
        point = again(task, point)
        if not point.marginal > before.marginal - LOST:  # what single devices gain is not worth that
            return before
    return point


def _displaced(point: Point) -> list[np.ndarray]:
    """Coordinates with each device's bound elsewhere: beside where it is, or at a place of the population's.

    A device that a bound holds for long looks alike with the bound a little further out and more noise.
    """
    found = []
    for name in ("high", "low"):
        if name in point.law.own:
            k, out = point.law.index(name), 1.0 if name == "high" else -1.0
            mean, spread = point.mixed.beta[k], point.mixed.spread[k]
            places = [point.x[:, k] + out * by for by in (-0.16, -0.08, 0.1)]
            for place in [*places, *(mean + by * spread for by in (-2.0, 0.0, 2.0))]:
                x = point.x.copy()
                x[:, k] = place
                found.append(point.law.bounded(x))
    return found


def _extended(task: Task, some: Point) -> Point:
    """Take what a part of the devices told to all of them."""
    c, e = (some.centre - task.frame[0]) / task.frame[1], some.scale / task.frame[1]
    events = task.events.moved(c, e)
    x = starting_point(some.law, events)
    shared = len(some.law.own)
    x[:, shared:] = some.mixed.beta[shared:]
    mean, s = some.mixed.beta[:shared], np.maximum(some.mixed.spread, 1e-9)
    x[:, :shared] = np.clip(x[:, :shared], mean - 2 * s, mean + 2 * s)
    return run(task, some.law, events, some.law.bounded(x), (some.centre, some.scale), log_s=some.log_s())


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
            task.fixed |= {parameter: BOUND, parameter + "_spread": "the bound itself is not shown by these data"}
        else:
            parameter = {"cycle": "cycle_spread", "write": "write_noise", "read": "read_noise"}[name]
            task.fixed[parameter] = "too small to be told from 0 beside the other noise"
        law, x = _reduced(point, **{name: value})
        point = again(task, point, law, law.bounded(x))
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
        point = again(task, point, jump=z)
    return point


def _step_law(task: Task, point: Point) -> Point:
    """Try the other law of the step's spread where it might be likelier."""
    law = point.law
    up, down = (step * law.lift(point.x) for step in law.steps(point.x))
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
    tried = again(task, point, other, other.bounded(x), log_s=logs | {"step": float(np.log(np.std(np.log(gain))))})
    wanted = (task.base.step_law == "log-normal") == other.log_normal
    return tried if tried.marginal > point.marginal + (0.0 if wanted else 1.0) else point


def everywhere(task: Task, point: Point, some: np.ndarray) -> Point:
    """The point with every device of the task; those not among `some` are placed in the population that `some` tell."""
    c, e = (point.centre - task.frame[0]) / task.frame[1], point.scale / task.frame[1]
    law, own, beta = point.law, len(point.law.own), point.mixed.beta
    events = task.events.moved(c, e)
    everyone = np.arange(len(task.live))
    x = np.tile(beta, (len(everyone), 1))
    jump = np.zeros(len(events.y))
    full = replace(point, events=events, x=x, jump=jump, log_likelihood=np.zeros(len(x)), lean=np.zeros(x.shape))
    start = starting_point(law, events)
    reach = 2.5 * np.maximum(point.mixed.spread, 1e-9)
    x[:, :own] = np.clip(start[:, :own], beta[:own] - reach, beta[:own] + reach)
    full = replace(full, x=climbed(full, everyone, law.bounded(x), 6))
    mean = np.tile(beta, (len(everyone), 1))
    full = replace(full, x=restarted(full, law.bounded(mean))[0])
    full.x[some, :own] = point.x[:, :own]
    jump = standardised(
        law.kind, law.constants(full.x), events.start, events.first, events.pulses, events.y, events.count, jump, LIMIT
    )
    return replace(full, jump=jump)
