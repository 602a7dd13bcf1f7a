"""Where the search for a pulsed device begins: from several starts, the forms of an exponential step among them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point
from nanoneurons.fitting._pulsed_readings import Events
from nanoneurons.fitting._pulsed_search import LOST
from nanoneurons.fitting._pulsed_start import starting_point
from nanoneurons.fitting._pulsed_task import Task, again, run

__all__ = ["first"]

_EDGE = 2.6  # rise of an exponential step beyond which its constant part is not told from 0
_OTHERS: tuple[dict[str, Any], ...] = ({"pad": 0.05}, {"pad": -0.03})  # where the usual start does not end well


def first(task: Task, law: Law, events: Events) -> Point:
    """Search from the starts that the readings suggest; from the likeliest after a few rounds the search goes on."""
    if law.shape == "exponential":
        return _first_exponential(task, law, events)
    starts: list[dict[str, Any]] = [{}]
    if law.shape == "power":  # bounds set too wide lead nowhere, and a noise set too high
        starts = [{"pad": -0.03}, {"pad": 0.05, "quiet": 0.3}]
    points = [
        run(task, law, events, starting_point(law, events, **start), task.frame, rounds=12, tolerance=0.3)
        for start in starts
    ]
    best = max(points, key=_merit)
    found = again(task, best, rounds=25, tolerance=0.1)
    if found.converged:
        return found
    points += [found]
    for start in _OTHERS:
        x = starting_point(law, events, **start)
        point = run(task, law, events, x, task.frame, rounds=12, tolerance=0.3)
        points += [point, again(task, point, rounds=25, tolerance=0.1)]
    return max(points, key=_merit)


def _merit(point: Point) -> float:
    return point.marginal if np.isfinite(point.marginal) else -np.inf


def _first_exponential(task: Task, law: Law, events: Events) -> Point:
    """The search from the usual form of an exponential step, fast at first, and from the likeliest of the others."""
    points = []
    for bent in product((True, False)[: 1 + law.up], (True, False)[: 1 + law.down]):
        x = starting_point(law, events, bent, quiet=0.3)
        points.append(run(task, law, events, x, task.frame, rounds=12, tolerance=0.3, held="rate"))
    chosen = [points[0], max(points[1:], key=_merit)]
    found = [_edged(task, point, again(task, point, rounds=25, tolerance=0.1)) for point in chosen]
    best = max(found, key=_merit)
    settled = max((point for point in found if point.converged), key=_merit, default=best)
    return settled if settled.marginal > best.marginal - LOST else best  # the other one still runs along an edge


def _edged(task: Task, before: Point, after: Point) -> Point:
    """Hold the rise of an exponential step that levels off nowhere; the search must not run along that edge."""
    for _ in range(2):
        law = after.law
        away = {n: k for k, n in enumerate(law.names) if n.startswith("rise") and after.mixed.beta[k] > _EDGE}
        lost = not after.marginal > before.marginal - LOST
        if lost:  # numbers ran out on the way; the rise that led there is the highest before
            law = before.law
            left = {n: before.mixed.beta[k] for k, n in enumerate(law.names) if n.startswith("rise")}
            if not left:
                return before
            name = max(left, key=lambda n: left[n])
            away = {name: law.index(name)}
        if not away:
            break
        point = before if lost else after
        held = {n: float(np.clip(point.mixed.beta[k], -2.0, _EDGE)) for n, k in away.items()}
        keep = [k for k, n in enumerate(law.names) if n not in held]
        path = law.path(point.x)[:, keep]
        reduced = replace(law, **held)
        x = reduced.bounded(reduced.from_path(path))
        after = again(task, point, reduced, x, rounds=25, tolerance=0.1)
        before = replace(point, marginal=-np.inf) if lost else before
    return after
