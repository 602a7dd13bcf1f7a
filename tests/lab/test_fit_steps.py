"""Steps of one pulse: quantiles in bins against a law that is known, and a file's tables beside simulated steps."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from nanoneurons import devices
from nanoneurons.fitting import Fit
from nanoneurons.lab.fit_steps import QUANTILES, compared_steps, table_steps
from nanoneurons.measurements import StepTables


def walk(count, train, seed):
    """Readings that move by a normal step whose mean falls with the reading."""
    rng = np.random.default_rng(seed)
    found = np.zeros((count, len(train)))
    for k in range(1, len(train)):
        found[:, k] = found[:, k - 1] + train[k] * 0.1 * (1 - 0.5 * found[:, k - 1]) + 0.02 * rng.normal(size=count)
    return found


def test_steps_of_one_law_agree_and_follow_it():
    train = np.where(np.arange(60) // 15 % 2 == 0, 1, -1)
    found = compared_steps(train, walk(100, train, 0), walk(400, train, 1))
    assert set(found) == {"up", "down"}
    for way, sign in (("up", 1), ("down", -1)):
        (measured,), drawn = found[way]["measured"], found[way]["simulated"]
        for part in (measured, drawn):
            at = np.array(part["at"])
            law = stats.norm(sign * 0.1 * (1 - 0.5 * at), 0.02)
            assert np.allclose(part["quantiles"], [law.ppf(q) for q in QUANTILES], atol=0.012)


def test_single_pulses_only_and_missing_readings_left_out():
    train = np.array([0, 1, 5, 1, 0, 1])
    measured = np.tile(np.arange(6.0), (60, 1)) ** 2
    measured[:10, 1] = np.nan
    (up,) = compared_steps(train, measured, measured)["up"]["measured"]
    assert {1.0, 5.0, 9.0} <= set(np.ravel(up["quantiles"]))  # from 0, 4 and 16
    assert 3.0 not in np.ravel(up["quantiles"])  # the train of five from 1
    assert compared_steps(np.zeros(6), measured, measured) is None
    assert compared_steps(train, measured[:5], measured) is None


def test_a_file_of_tables_is_shown_beside_the_device():
    device = devices.get("table")
    levels, steps = np.linspace(-0.8, 0.8, 9), np.linspace(-0.2, 0.2, 41)
    law = stats.norm(0.0, 0.05).cdf(steps)
    data = StepTables(
        np.zeros(2, int), ("a",), "1", direction=np.array([1, -1]), before=np.tile(levels, (2, 1)),
        step=np.tile(steps, (2, 1)), cumulative=np.tile(law, (2, 9, 1)), amplitude=np.full(2, np.nan),
    )  # fmt: skip
    size = device.unit_conductance
    fit = Fit("table", "", device, (), np.eye(0), {}, {}, (), 0.0, scale=(-device.zero_conductance / size, 1 / size))
    found = table_steps(fit, data, 0)
    assert set(found) == {"up", "down"}
    (table,) = found["up"]["measured"]
    assert np.allclose(table["quantiles"], stats.norm(0, 0.05).ppf(QUANTILES)[:, None], atol=1e-3)
    drawn = np.array(found["up"]["simulated"]["quantiles"])
    assert drawn.shape[0] == 3 and (np.diff(drawn, axis=0) >= 0).all()
    assert np.median(drawn[1]) > 0 > np.median(found["down"]["simulated"]["quantiles"][1])
    assert table_steps(replace(fit, scale=None), data, 0) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_gives_the_same_steps(seed):
    train = np.where(np.arange(40) // 10 % 2 == 0, 1, -1)
    first, second = (compared_steps(train, walk(20, train, seed), walk(50, train, 5)) for _ in range(2))
    assert first == second
