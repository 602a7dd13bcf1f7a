"""Records of measurements keep their arrays of one length, and choose runs without losing names."""

from __future__ import annotations

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import KINDS, Pulses, StepTables


def pulses(**changes) -> Pulses:
    values = {
        "device": np.array([0, 0, 1]),
        "devices": ("a", "b"),
        "reading": np.arange(12.0).reshape(3, 4),
        "pulses": np.ones((3, 4), int),
        "cycle": np.array([0, 1, 0]),
    }
    return Pulses(**{**values, **changes})


def test_every_kind_is_listed_under_its_own_name():
    assert all(cls.kind == name for name, cls in KINDS.items())


def test_runs_of_a_device_keep_all_names():
    found = pulses().of_devices(np.array([1]))
    assert found.reading.tolist() == [[8.0, 9.0, 10.0, 11.0]]
    assert found.devices == ("a", "b") and found.device.tolist() == [1]


def test_masked_readings_are_missing_and_their_pulses_stay():
    masked = np.zeros((3, 4), bool)
    masked[0, 2] = True
    found = pulses().without(masked)
    assert np.isnan(found.reading[0, 2]) and np.isfinite(found.reading).sum() == 11
    assert found.pulses.sum() == 12


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pulses": np.ones((3, 3), int)}, "pulses has shape"),
        ({"device": np.array([0, 1])}, "one index per run"),
        ({"device": np.array([0, 1, 2])}, "no name"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(DataError, match=said):
        pulses(**changes)


def test_step_tables_need_one_distribution_per_conductance():
    values = {
        "device": np.zeros(2, int),
        "devices": ("a",),
        "direction": np.array([1, -1]),
        "before": np.zeros((2, 3)),
        "step": np.zeros((2, 5)),
        "cumulative": np.zeros((2, 3, 5)),
        "amplitude": np.full(2, np.nan),
    }
    assert StepTables(**values).runs(np.array([True, False])).cumulative.shape == (1, 3, 5)
    with pytest.raises(DataError, match=r"cumulative has shape \(2, 5, 3\), not \(2, 3, 5\)"):
        StepTables(**{**values, "cumulative": np.zeros((2, 5, 3))})
