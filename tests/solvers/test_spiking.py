"""Spiking equations: order of convergence, events against closed forms, refusals."""

import math

import numpy as np
import pytest

from nanoneurons.solvers import Equation, Spiking, fire


def _quadratic(v, peak, low, drive):
    return (v * v + drive,)


def _to_low(v, peak, low):
    return (low,)


def _circle(x, y, peak, rearm, drive):
    return -2 * math_pi * y + drive, 2 * math_pi * x


math_pi = math.pi
QUADRATIC = Spiking(Equation("quadratic", ("v",), ("peak", "low"), ("drive",), _quadratic), peak="peak", reset=_to_low)
CIRCLE = Spiking(Equation("circle", ("x", "y"), ("peak", "rearm"), ("drive",), _circle), peak="peak", rearm="rearm")


def spikes_of(model, y, parameters, drive, dt, tolerance=1e-9, armed=None):
    y = np.array(y, dtype=float)
    drive = np.atleast_2d(np.asarray(drive, dtype=float))
    armed = np.ones(y.shape[1], bool) if armed is None else armed
    times = []
    for step in range(drive.shape[1]):
        spikes, moment, status = fire(
            model, y, parameters, np.ascontiguousarray(drive[:, step : step + 1]), dt, sizes=(1.0,) * len(y),
            tolerance=tolerance, keys=np.empty(0, np.uint64), cells=y.shape[1], noise=0.0, armed=armed,
        )  # fmt: skip
        assert not status.any()
        times += [step * dt + m for m, s in zip(moment, spikes[:, 0], strict=True) if s]
    return np.array(times), y


def test_an_explosion_is_timed_to_its_pole():
    # v' = v^2 + I goes as sqrt(I) tan(sqrt(I) t + phase)
    root, low, peak = 2.0, -3.0, 1e4
    period = (math.atan(peak / root) - math.atan(low / root)) / root
    times, _ = spikes_of(QUADRATIC, [[low]], {"peak": peak, "low": low}, [root**2] * 40, 0.2)
    np.testing.assert_allclose(times, period * np.arange(1, len(times) + 1), rtol=0, atol=2e-8)
    assert len(times) == math.floor(8 / period)


@pytest.mark.parametrize("peak", [1.0, 4.0])
def test_spike_times_converge_with_order_five(peak):
    root, low = 1.0, -1.0
    exact = math.atan(peak) - math.atan(low)
    errors = []
    for parts in (8, 16, 32, 64):  # one inner step per step where any error is allowed
        times, _ = spikes_of(QUADRATIC, [[low]], {"peak": peak, "low": low}, [root] * parts, 2.4 / parts, tolerance=1e9)
        errors.append(abs(times[0] - exact))
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert orders[-1] > 4.5


def test_errors_follow_the_tolerance():
    exact = math.atan(1e3) - math.atan(-1.0)
    errors = [
        abs(spikes_of(QUADRATIC, [[-1.0]], {"peak": 1e3, "low": -1.0}, [1.0] * 3, 1.0, tolerance=t)[0][0] - exact)
        for t in (1e-3, 1e-5, 1e-7, 1e-9)
    ]
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-8


def test_crossings_without_a_reset_are_counted_once_a_turn():
    # x = cos(2 pi t + phase) rises through 0.5 once a turn; noise of rounding at the crossing must not count twice
    times, y = spikes_of(CIRCLE, [[0.0], [-1.0]], {"peak": 0.5, "rearm": 0.0}, np.zeros(100), 0.1, tolerance=1e-12)
    np.testing.assert_allclose(times, 1 / 12 + np.arange(10), rtol=0, atol=1e-9)
    np.testing.assert_allclose(y[:, 0], [0.0, -1.0], atol=1e-8)


def test_it_must_come_down_before_it_fires_again():
    armed = np.array([False])
    times, _ = spikes_of(CIRCLE, [[0.0], [-1.0]], {"peak": 0.5, "rearm": 0.0}, np.zeros(20), 0.1, armed=armed)
    np.testing.assert_allclose(times, [1 + 1 / 12], atol=1e-7)  # the first crossing is not counted
    times, _ = spikes_of(CIRCLE, [[0.0], [-1.0]], {"peak": 0.5, "rearm": -2.0}, np.zeros(20), 0.1)
    np.testing.assert_allclose(times, [1 / 12], atol=1e-7)


def test_devices_have_their_own_parameters_and_noise():
    low, count = -1.0, 3
    parameters = {"peak": np.array([1.0, 10.0, 100.0]), "low": low}
    times, _ = spikes_of(QUADRATIC, [[low] * count], parameters, np.ones((count, 1)), 2.5)
    np.testing.assert_allclose(times, np.arctan([1.0, 10.0, 100.0]) + math.pi / 4, atol=1e-7)

    y, keys = np.full((1, 6), 0.0), np.array([11, 12], dtype=np.uint64)
    args = {"sizes": (1.0,), "tolerance": 1e-6, "noise": 0.1, "armed": np.ones(6, bool)}
    still = {"peak": 100.0, "low": low}
    fire(QUADRATIC, y, still, np.zeros((6, 2)), 0.1, keys=keys, cells=3, **args)
    assert len(np.unique(y)) == 6
    again = np.full((1, 3), 0.0)
    args["armed"] = np.ones(3, bool)
    fire(QUADRATIC, again, still, np.zeros((3, 2)), 0.1, keys=keys, cells=3, **args)
    assert (again == y[:, :3]).all()  # chip 0 does not depend on chip 1


def test_trouble_is_told_with_device_and_step():
    def status(drive, parameters, y=0.0):
        y = np.full((1, 2), y)
        drive = np.array([[0.0, 0.0], drive], dtype=float)
        return fire(
            QUADRATIC, y, parameters, drive, 1.0, sizes=(1.0,), tolerance=1e-6, keys=np.empty(0, np.uint64), cells=2,
            noise=0.0, armed=np.ones(2, bool),
        )[2].tolist()  # fmt: skip

    quiet = {"peak": 1e3, "low": -1.0}
    assert status([0.0, math.nan], quiet) == [1, 1, 1]
    assert status([0.0, 1e9], quiet) == [2, 1, 1]
    assert status([0.0, -1e400], quiet) == [1, 1, 1]
    assert status([10.0, 0.0], {"peak": 1e300, "low": -1.0})[0] == 3


def _two(v, peak, drive, other):
    return (v,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peak": "top"}, "has no parameter 'top'"),
        ({"reset": None}, "either a reset or a rearm"),
        ({"rearm": "low"}, "either a reset or a rearm"),
        ({"equation": Equation("two", ("v",), ("peak",), ("drive", "other"), _two)}, "has one input"),
    ],
)
def test_functions_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(TypeError, match=said):
        Spiking(**{"equation": QUADRATIC.equation, "peak": "peak", "reset": _to_low, **changes})
