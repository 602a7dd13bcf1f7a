"""Which of several searches for an exponential step is gone on with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nanoneurons.fitting import _pulsed_forms as forms
from nanoneurons.fitting._pulsed_law import Law

LAW = Law("exponential", False, False, True, True)


@pytest.mark.parametrize(
    ("usual", "other", "wanted"),
    [
        ((100.0, True), (108.0, True), 108.0),  # both have settled: the likelier one
        ((100.0, True), (108.0, False), 100.0),  # a little likelier, but running along an edge
        ((100.0, True), (200.0, False), 200.0),  # far likelier all the same
        ((100.0, False), (108.0, False), 108.0),
        ((100.0, False), (np.nan, False), 100.0),
    ],
)
def test_a_search_that_has_settled_goes_before_one_that_is_a_little_likelier(monkeypatch, usual, other, wanted):
    """Seed 305 of the recovery: an amplitude running to 1 was 7.5 likelier on 24 devices, 117 less so on all."""
    merits = iter([usual[0], other[0], usual[0] - 50, usual[0] - 60])
    monkeypatch.setattr(forms, "starting_point", lambda *a, **k: np.zeros((2, len(LAW.names))))
    monkeypatch.setattr(forms, "run", lambda *a, **k: SimpleNamespace(marginal=next(merits)))
    ends = {usual[0]: usual, other[0]: other}
    monkeypatch.setattr(forms, "again", lambda task, point, **k: SimpleNamespace(
        marginal=point.marginal, converged=ends.get(point.marginal, (0, False))[1]))  # fmt: skip
    monkeypatch.setattr(forms, "_edged", lambda task, before, after: after)
    task: Any = SimpleNamespace(frame=(0.0, 1.0))
    events: Any = None
    assert forms.first(task, LAW, events).marginal == wanted
