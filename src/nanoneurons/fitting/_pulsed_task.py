"""A pulsed fit under way: its data in the working frame, what has been decided, and how a search is started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting._pulsed_estimates import frame_of
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point
from nanoneurons.fitting._pulsed_readings import Events, events_of
from nanoneurons.fitting._pulsed_search import search
from nanoneurons.fitting._pulsed_start import dead_devices
from nanoneurons.measurements import Pulses

__all__ = ["BOUND", "FEWEST", "LIMIT", "Task", "again", "law_of", "prepared", "run"]

FEWEST = 8  # devices below which the law of the step's spread is not chosen by the data
LIMIT = 5.5  # standardised error of a prediction beyond which a reading is set aside
BOUND = "no device was driven far enough to show this bound; set to the furthest reading"
_SHARES = "the share of the shape that was fitted, 1 by definition"


@dataclass
class Task:
    """A fit under way: data in the working frame and what has been decided."""

    events: Events
    frame: tuple[float, float]
    base: Pulsed
    shape: str
    free: bool
    live: np.ndarray
    fixed: dict[str, str]
    kept: dict[str, str]
    notes: list[str]

    def reframe(self) -> Callable[[Law, np.ndarray], tuple[float, float]] | None:
        """How the working frame follows the mean bounds; None where the readings are weights themselves."""
        if not self.free:
            return None
        one_sided = self.base.sided == "one-sided"
        return lambda law, mean: frame_of(law, dict(zip(law.names, mean, strict=True)), one_sided)


def prepared(data: Pulses, base: Pulsed, shape: str) -> tuple[Task, np.ndarray, Events]:
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


def law_of(task: Task, additive: bool, log_normal: bool) -> Law:
    pulses, base = task.events.pulses, task.base
    again = task.events.again.sum()
    known_read = 0.0 if again == 0 or task.events.scatter.sum() <= 0 else None
    unit = 1.0 if not task.free else 0.0  # floors are in weights; a frame that is not known yet has none
    up, down = bool((pulses > 0).any()), bool((pulses < 0).any())
    y = task.events.y[task.events.count > 0]
    for name, driven in (("w_max", up), ("w_min", down)):
        if not driven:
            task.fixed |= {name: BOUND, name + "_spread": "the bound itself is not shown by these data"}
    return Law(
        task.shape, additive, log_normal, up, down, read=known_read,
        high=None if up else float(y.max()), low=None if down else float(min(y.min(), y.min() if task.free else 0.0)),
        floor=base.noise_floor * unit, slope=base.noise_slope,
    )  # fmt: skip


def run(task: Task, law: Law, events: Events, x: np.ndarray, frame: tuple[float, float], **options) -> Point:
    return search(law, events, x, frame, reframe=task.reframe(), **options)


def again(task: Task, point: Point, law: Law | None = None, x: np.ndarray | None = None, **options) -> Point:
    """Search on from a point, with the same or another law."""
    options = {"log_s": point.log_s(), "jump": point.jump, **options}
    return run(
        task, law or point.law, point.events, point.x if x is None else x, (point.centre, point.scale), **options
    )
