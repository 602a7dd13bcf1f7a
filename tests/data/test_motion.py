"""Features of movements against closed forms."""

import numpy as np
import pytest

from nanoneurons.data._motion import LIMITS, LIMITS_1D, describe, describe_axis


def named(values, limits):
    return dict(zip((name for name, _, _ in limits), values, strict=True))


def swing(frequency=2.0, seconds=5.0, rate=200.0):
    """A turn about x as a sine of 3 rad/s, about y its opposite, none about z; acceleration its derivative."""
    t = np.arange(0, seconds, 1 / rate)
    turn = 3 * np.sin(2 * np.pi * frequency * t)
    zero = np.zeros_like(t)
    acceleration = np.stack([2 * np.cos(2 * np.pi * frequency * t), zero, np.full_like(t, 0.5)], 1)
    return t, acceleration, np.stack([turn, -turn, zero], 1)


def test_a_sine_has_the_statistics_of_a_sine():
    found = named(describe(*swing()), LIMITS)
    assert found["mean of turn rate x"] == pytest.approx(0, abs=1e-3)
    assert found["deviation of turn rate x"] == pytest.approx(3 / np.sqrt(2), rel=1e-3)
    assert found["range of turn rate x"] == pytest.approx(6, rel=1e-3)
    # The derivative of 3 sin(w t) has the root mean square 3 w / sqrt(2); differences lose less than (w dt)^2 / 24.
    assert found["change of turn rate x"] == pytest.approx(3 * 4 * np.pi / np.sqrt(2), rel=2e-3)
    assert found["change of acceleration x"] == pytest.approx(2 * 4 * np.pi / np.sqrt(2), rel=2e-3)
    assert found["crossings of turn rate x"] == pytest.approx(4.0, abs=0.21)  # twice a period
    assert found["mean square of turn rate"] == pytest.approx(9.0, rel=1e-3)  # two axes of 9 / 2
    assert found["largest turn rate"] == pytest.approx(3 * np.sqrt(2), rel=1e-3)
    assert found["largest acceleration"] == pytest.approx(np.hypot(2, 0.5), rel=1e-3)
    assert found["duration"] == pytest.approx(4.5, abs=0.05)  # steady energy: 90 % of the time
    assert found["correlation of turn rate x and y"] == pytest.approx(-1)
    assert found["correlation of turn rate y and z"] == 0  # z does not move
    assert found["correlation of acceleration x and y"] == 0


def test_thirds_follow_the_movement_and_not_the_clock():
    t = np.arange(0, 6, 0.01)
    turn = np.zeros((len(t), 3))
    for third, value in enumerate((1.0, -1.0, 1.0)):
        turn[(t >= 2 + third) & (t < 3 + third), 2] = value  # moves from 2 to 5 s only
    found = named(describe(t, np.zeros((len(t), 3)), turn), LIMITS)
    # From 2.06 to 4.94 s less 2 % of rest: limits at 3.02 and 3.98 s, so 0.02 s of 0.96 (and a step) are a neighbour's.
    for name, value in (("first", 1.0), ("middle", -1.0), ("last", 1.0)):
        assert found[f"{name} third of turn rate z"] == pytest.approx(value, abs=2 * 0.03 / 0.96 + 1e-9)
    assert found["duration"] == pytest.approx(2.7, abs=0.03)
    later = named(describe(t + 7, np.zeros((len(t), 3)), turn), LIMITS)
    assert later == pytest.approx(found)


@pytest.mark.parametrize("moving", [0, 1, 300, 599])
def test_a_single_jolt_or_rest_gives_no_nan(moving):
    t = np.arange(0, 6, 0.01)
    turn = np.zeros((len(t), 3))
    turn[moving] = 0.0 if moving == 0 else 5.0
    found = describe(t, np.zeros((len(t), 3)), turn)
    assert found.shape == (len(LIMITS),)
    assert np.isfinite(found).all()


def test_one_axis():
    ramp = np.arange(300.0)
    found = named(describe_axis(ramp), LIMITS_1D)
    assert found["mean"] == pytest.approx(149.5)
    assert found["deviation"] == pytest.approx(np.sqrt((300**2 - 1) / 12))
    assert (found["smallest"], found["largest"], found["change"], found["duration"]) == (0, 299, 1, 300)
    assert found["crossings"] == pytest.approx(1 / 300)
    thirds = [found[f"mean of the {third} third"] for third in ("first", "middle", "last")]
    assert thirds == pytest.approx([49.5, 149.5, 249.5])
    assert found["deviation of the middle third"] == pytest.approx(np.sqrt((100**2 - 1) / 12))
    assert found["skewness"] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(describe_axis(np.ones(20))).all()
