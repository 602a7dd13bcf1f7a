"""Numbers that describe a recorded movement: means, spreads, changes and directions, over the whole and over parts."""

from __future__ import annotations

import itertools

import numpy as np

__all__ = ["LIMITS", "LIMITS_1D", "describe", "describe_axis"]

_AXES = "xyz"
_SENSORS = ("acceleration", "turn rate")
_REST = 0.02  # share of the energy of turning at either end that is taken for rest

# Range brought to [0, 1] for each statistic and sensor; round numbers that hold all recordings of the published set.
_RANGES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "mean": ((-0.25, 0.25), (-0.4, 0.4)),
    "deviation": ((0.0, 2.5), (0.0, 1.5)),
    "range": ((0.0, 22.0), (0.0, 8.0)),
    "change": ((0.0, 60.0), (0.0, 22.0)),
    "crossings": ((0.0, 14.0), (0.0, 14.0)),
    "first third": ((-1.5, 1.5), (-2.0, 2.0)),
    "middle third": ((-1.5, 1.5), (-2.0, 2.0)),
    "last third": ((-1.5, 1.5), (-2.0, 2.0)),
}
_STATISTICS = tuple(_RANGES)

LIMITS: tuple[tuple[str, float, float], ...] = (
    *(
        (f"{statistic} of {sensor} {axis}", *_RANGES[statistic][number])
        for number, sensor in enumerate(_SENSORS)
        for axis in _AXES
        for statistic in _STATISTICS
    ),
    *((f"correlation of {sensor} {a} and {b}", -1.0, 1.0) for sensor in _SENSORS for a, b in ("xy", "yz", "zx")),
    ("duration", 0.0, 5.0),
    ("mean square of turn rate", 0.0, 4.0),
    ("largest turn rate", 0.0, 6.0),
    ("largest acceleration", 0.0, 20.0),
)

LIMITS_1D: tuple[tuple[str, float, float], ...] = (
    ("mean", -12.0, 6.0),
    ("deviation", 0.0, 15.0),
    ("smallest", -40.0, 0.0),
    ("largest", 0.0, 40.0),
    ("change", 0.0, 10.0),
    ("crossings", 0.0, 0.2),
    ("mean of the first third", -12.0, 6.0),
    ("mean of the middle third", -12.0, 6.0),
    ("mean of the last third", -12.0, 15.0),
    ("deviation of the first third", 0.0, 20.0),
    ("deviation of the middle third", 0.0, 20.0),
    ("deviation of the last third", 0.0, 20.0),
    ("time of the smallest", 0.0, 1.0),
    ("time of the largest", 0.0, 1.0),
    ("skewness", -2.0, 9.0),
    ("duration", 0.0, 500.0),
)


def describe(seconds: np.ndarray, acceleration: np.ndarray, turn_rate: np.ndarray) -> np.ndarray:
    """The features named in `LIMITS`, float64.

    Thirds are means over equal times between 2 and 98 % of the energy of turning (the time integral of the squared turn
    rate), so that they follow the movement. *change* is the root mean square of the derivative (of an acceleration: the
    jerk), *crossings* counts passages through the mean per second, *duration* is the time between 5 and 95 % of the
    energy.

    Args:
        seconds: times, ascending, ``(n,)``.
        acceleration: without gravity, m/s^2, ``(n, 3)``.
        turn_rate: rad/s, ``(n, 3)``.
    """
    squared = (turn_rate**2).sum(1)
    energy = np.cumsum(squared)
    share = energy / max(energy[-1], np.finfo(float).tiny)
    begin, end = np.searchsorted(share, (_REST, 1 - _REST))
    begin = min(begin, len(seconds) - 3)  # a movement, or a rest, of less than three samples at the end
    at = np.linspace(begin, max(end, begin + 3), 4).astype(int)
    thirds = [slice(a, b) for a, b in itertools.pairwise(at)]
    steps, length = np.diff(seconds), float(seconds[-1] - seconds[0])
    found: list[float] = []
    for signal in (acceleration, turn_rate):
        change = np.sqrt(((np.diff(signal, axis=0) / steps[:, None]) ** 2).mean(0))
        for axis in range(3):
            own = signal[:, axis]
            found += [own.mean(), own.std(), np.ptp(own), change[axis], _crossings(own) / length]
            found += [own[third].mean() for third in thirds]
    for signal in (acceleration, turn_rate):
        found += [_correlation(signal[:, a], signal[:, b]) for a, b in ((0, 1), (1, 2), (2, 0))]
    begin, end = np.minimum(np.searchsorted(share, (0.05, 0.95)), len(seconds) - 1)
    largest = np.sqrt([squared.max(), (acceleration**2).sum(1).max()])
    return np.array([*found, seconds[end] - seconds[begin], squared.mean(), *largest])


def describe_axis(signal: np.ndarray) -> np.ndarray:
    """The features named in `LIMITS_1D` of one axis sampled regularly, float64; times are shares, rates per sample."""
    count = len(signal)
    thirds = np.array_split(signal, 3)
    centred, deviation = signal - signal.mean(), signal.std()
    skewness = (centred**3).mean() / max(deviation**3, np.finfo(float).tiny)
    return np.array(
        [
            signal.mean(), deviation, signal.min(), signal.max(), np.sqrt((np.diff(signal) ** 2).mean()),
            _crossings(signal) / count, *(third.mean() for third in thirds), *(third.std() for third in thirds),
            signal.argmin() / count, signal.argmax() / count, skewness, count,
        ]
    )  # fmt: skip


def _crossings(signal: np.ndarray) -> int:
    above = signal > signal.mean()
    return int((above[1:] != above[:-1]).sum())


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's coefficient; 0 where one of them does not move."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
