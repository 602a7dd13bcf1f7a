"""The table device from pulse measurements: mean step, scatter and its shape given the conductance.

Conductances are smoothed with the device's own law (`_table_smoothing`), so that neither the noise of a step's two
readings nor conditioning on a noisy conductance biases the curves; gains of devices are estimated beside them. What
remains: the shape of the scatter is freed from read noise to first order only (`_table_shape`); near the bounds a step
is taken as it was cut there; states are assumed to be normally distributed around their smoothed value.
"""

from __future__ import annotations

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.devices.table import Table
from nanoneurons.measurements import Measurements, Pulses, StepTables

from ._fitter import Fit, Fitter, Prediction, Progress
from ._graded import GRADED, fit_graded, predict_graded, refusal_graded
from ._table_assembly import Assembled, Known
from ._table_data import Prepared, dead_devices, prepare
from ._table_estimating import narrowed, solve
from ._table_from_tables import fit_tables, level_unit
from ._table_prediction import ahead, distribution
from ._table_shape import PROBABILITIES
from ._table_smoothing import Curves, Sequences

__all__ = ["TableFitter"]

_NODES = 17
_COARSE = 5
_PER_NODE = 30  # steps in a direction for each node
_LEAST_STEPS = 60
_STILL = -40.0  # ln of the gain of a device that does not move


class TableFitter(Fitter):
    """Steps of any shape: a table of quantiles of the step given the conductance."""

    kinds = ("pulses", "tables", *GRADED)

    def refusal(self, data: Measurements) -> str | None:
        """Levels that give no range are refused."""
        return super().refusal(data) or refusal_graded(data)

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit the table device to readings after pulses, or take over tables of step distributions.

        Levels, noise series and retention tell the range and the read noise of the table of `base` (`_graded`).

        Raises:
            DataError: too few single steps, or pulses that do not move the conductance their way.
        """
        assert isinstance(base, Table)
        if isinstance(data, StepTables):
            return fit_tables(data, base)
        if data.kind in GRADED:
            return fit_graded("table", data, base)
        if not isinstance(data, Pulses):
            raise DataError(f"the table device cannot be fitted: {self.refusal(data)}")
        return _fit_pulses(data, base, progress or (lambda share, word: None))

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """One step ahead: the quantiles of the step from the filtered level, blurred by what is not known."""
        if data.kind in GRADED:
            return predict_graded(fit, data)
        if not isinstance(data, Pulses) or fit.private is None:
            raise DataError("tables of steps hold no readings, and no read noise, to predict readings with")
        private: Known = fit.private
        everything = prepare(data, private.unit, np.ones(len(data.devices), bool))
        devices = np.unique(data.device)
        gain = np.tile(private.prior, (len(devices), 1))
        unsure = np.tile(private.prior_variance, (len(devices), 1, 1))
        for k, i in enumerate(devices):
            place = private.known[i] if i < len(private.known) else -1
            if place >= 0:
                gain[k], unsure[k] = private.curves.gain[place], private.unsure[place]
            elif fit.dead is not None and i < len(fit.dead) and fit.dead[i]:
                gain[k], unsure[k] = _STILL, 0.0
        curves = Curves(**{**vars(private.curves), "gain": gain})
        known = ahead(everything.data, curves, unsure)
        found = distribution(everything.data.reading, known, private.levels, PROBABILITIES, private.rows)
        back = [np.take_along_axis(a, everything.place, axis=1) for a in found]
        unit = private.unit
        return Prediction(back[0] * unit, back[1] * unit, back[2] * unit, back[3], back[4] - np.log(unit))


def _fit_pulses(data: Pulses, base: Table, progress: Progress) -> Fit:
    dead = dead_devices(data)
    measured = np.isin(np.arange(len(data.devices)), data.device)
    live = measured & ~dead
    if not live.any():
        raise DataError("no pulse moves any of the devices: the table device learns from steps; check the columns")
    unit = level_unit(data.unit, data.reading)
    ready = prepare(data, unit, live)
    ways = _ways(ready.data)
    progress(0.05, "mean step and scatter")
    try:
        start = narrowed(ready.data, _start(ready, ways), ways, ready.owner, _PER_NODE)
        found = solve(ready.data, start, ways, ready.owner, lambda x: progress(0.05 + 0.8 * x, "mean step and scatter"))
    except ArithmeticError as error:
        raise DataError(
            f"pulses {error} do not move the conductance {error} in the middle of its range; check the pulses' sign"
        ) from None
    progress(0.9, "shape of the scatter")
    return Assembled(data, base, unit, ready, found, ways, dead, measured).fit()


def _ways(data: Sequences) -> tuple[int, ...]:
    both = np.isfinite(data.reading[:, 1:]) & np.isfinite(data.reading[:, :-1])
    counts = [int((both & (data.pulse[:, 1:] == sign)).sum()) for sign in (1, -1)]
    if not max(counts):  # readings after trains only
        counts = [int((data.pulse == sign).sum()) for sign in (1, -1)]
    found = tuple(d for d, count in enumerate(counts) if count >= _LEAST_STEPS)
    if not found:
        raise DataError(
            f"{counts[0]} steps up and {counts[1]} down are too few for a table: it takes {_LEAST_STEPS} in a direction"
        )
    return found


def _start(ready: Prepared, ways: tuple[int, ...]) -> Curves:
    y, pulse = ready.data.reading, ready.data.pulse
    low, high = np.nanquantile(y, [0.002, 0.998])
    if not high > low:
        raise DataError("all readings are equal: there is no step to learn from")
    change, count = _between(y, pulse)
    counts = [int((pulse == sign).sum()) for sign in (1, -1)]
    nodes = int(np.clip(min(counts[d] for d in ways) // _PER_NODE, 5, _NODES)) // 2 * 2 + 1
    devices = int(ready.data.device.max()) + 1
    gain, spread = np.zeros((devices, 2)), np.ones(2)
    for d in ways:
        sign = 1 if d == 0 else -1
        here = count * sign > 0
        mean = float(change[here].sum() / np.abs(count[here]).sum()) * sign if here.any() else 0.0
        gain[:, d] = np.log(max(mean, 1e-3 * (high - low) / 20))
        rest = change[here] / np.sqrt(np.abs(count[here]))
        spread[d] = max(float(np.std(rest)), 1e-5 * (high - low)) if here.any() else 0.1 * (high - low)
    still = change[count == 0]
    least = 1e-5 * (high - low)
    noise = np.std(still) / np.sqrt(2) if len(still) >= 30 else 0.5 * spread[list(ways)].min()
    scatter = np.zeros((2, _COARSE))
    for d in ways:
        rest = max(spread[d] ** 2 - 2 * noise**2, (0.3 * spread[d]) ** 2, least**2)
        scatter[d] = 0.5 * np.log(rest) - gain[0, d]
    mean = np.zeros((2, nodes))
    mean[0], mean[1] = 1.0, -1.0
    return Curves(float(low), float(high), mean, scatter, float(np.log(max(noise, least))), gain)


def _between(y: np.ndarray, pulse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Changes between readings that follow each other, and the signed pulses between them."""
    done = np.cumsum(pulse, axis=1, dtype=np.int64)
    changes, counts = [], []
    for row, total in zip(y, done, strict=True):
        seen = np.flatnonzero(np.isfinite(row))
        changes.append(np.diff(row[seen]))
        counts.append(np.diff(total[seen]))
    return np.concatenate(changes), np.concatenate(counts)
