"""The fit of a table device put together: device, estimates with intervals, reasons and notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from nanoneurons.core.units import si
from nanoneurons.devices.table import Table
from nanoneurons.measurements import Pulses

from ._fitter import Estimate, Fact, Fit
from ._intervals import share
from ._table_data import Prepared
from ._table_estimating import Solution
from ._table_intervals import Spread, log_estimate, log_mean, spread_of
from ._table_prediction import ahead
from ._table_shape import PROBABILITIES, law_of, shapes
from ._table_smoothing import Curves

__all__ = ["Assembled", "Known"]

_BOUND = (
    0.15  # share of readings at the bounds; with 3 % read noise was covered in 94 % of campaigns, with 30 % in 81 %
)
_MANY = 20  # clusters from which on their scatter is looked at


@dataclass(frozen=True)
class Known:
    """What one-step-ahead prediction needs of a fit."""

    curves: Curves
    unsure: np.ndarray
    levels: np.ndarray
    rows: np.ndarray
    unit: float
    known: np.ndarray  # place of each device's gain in the curves, -1 for one that the fit has not seen
    prior: np.ndarray
    prior_variance: np.ndarray


class Assembled:
    """The fit, put together from the solution."""

    def __init__(
        self, data: Pulses, base: Table, unit: float, ready: Prepared, found: Solution, ways: tuple[int, ...],
        dead: np.ndarray, measured: np.ndarray,
    ) -> None:  # fmt: skip
        self.data, self.base, self.unit, self.ready, self.found = data, base, unit, ready, found
        self.ways, self.dead, self.measured = ways, dead, measured
        self.live = np.flatnonzero(measured & ~dead)
        self.devices, self.clusters = len(self.live), len(ready.owner)
        self.spreads = self._spreads()

    def _spreads(self) -> dict[str, Spread]:
        gain, error = self.found.curves.gain, self.found.gain_variance
        if len(self.ways) == 2:
            half = 0.25 * (error[:, 0, 0] + error[:, 1, 1])
            cross = 0.5 * error[:, 0, 1]
            return {
                "gain_spread": spread_of(gain.mean(1), half + cross),
                "tilt_spread": spread_of(0.5 * (gain[:, 0] - gain[:, 1]), half - cross),
            }
        return {"gain_spread": spread_of(gain[:, self.ways[0]], error[:, self.ways[0], self.ways[0]])}

    def _shared(self) -> np.ndarray:
        """Covariance of the mean ln gains that comes with the curves, ``(2, 2)``."""
        follows = self.found.gain_shape
        return follows @ self.found.covariance @ follows.T

    def _steps(self) -> dict[str, Estimate]:
        found, shared = {}, self._shared()
        spreads = [s.value for s in self.spreads.values()]
        for d in self.ways:
            name, gain = "step_down" if d else "step_up", self.found.curves.gain[:, d]
            if self.devices > 1:
                found[name] = log_mean(name, gain, shared[d, d], spreads)
            else:
                found[name] = log_estimate(name, float(gain[0]), shared[d, d] + self.found.gain_variance[0, d, d])
        return found

    def _error(self, parameter: int) -> float:
        """Standard error of a parameter of the curves: the larger one of curvature's and of the clusters' scatter."""
        n = self.clusters
        scattered = n / (n - 1) * float(np.sum(self.found.influence[:, parameter] ** 2)) if n >= _MANY else 0.0
        return float(np.sqrt(max(self.found.covariance[parameter, parameter], scattered)))

    def _noise(self) -> Estimate:
        return log_estimate("read_noise", self.found.curves.noise, self._error(-1) ** 2)

    def _initial(self) -> dict[str, Estimate]:
        data, first = self.data, []
        for i in self.live:
            runs = np.flatnonzero(data.device == i)
            run = runs[np.argmin(data.cycle[runs])]
            if np.isfinite(data.reading[run, 0]):
                first.append(data.reading[run, 0] / self.unit)
        values, n = np.array(first), len(first)
        if n < 2:
            return {}
        error = float(values.std(ddof=1) / np.sqrt(n))
        wide = error * float(stats.t.ppf(0.975, n - 1))
        mean = float(values.mean())
        noise = np.exp(2 * self.found.curves.noise)
        spread = spread_of(values, np.full(n, noise))
        return {
            "initial_mean": Estimate("initial_mean", mean, mean - wide, mean + wide, "linear", error),
            "initial_spread": spread.estimate("initial_spread"),
        }

    def _first_alone(self) -> dict[str, float]:
        """Fresh devices as far as one device tells them."""
        curves, law = self.found.curves, self.base.law
        first = self.data.reading[self.data.device == self.live[0]]
        first = first[np.isfinite(first)][0] / self.unit
        part = (curves.high - curves.low) / (law.levels[-1] - law.levels[0])
        return {"initial_mean": float(first), "initial_spread": self.base.initial_spread * part}

    def fit(self) -> Fit:
        """The whole of it."""
        curves = self.found.curves
        estimates = self._steps()
        if self.devices > 1:
            estimates |= {name: spread.estimate(name) for name, spread in self.spreads.items()}
        estimates["read_noise"] = self._noise()
        estimates |= self._initial()
        estimates["stuck_share"] = share("stuck_share", int(self.dead.sum()), int(self.measured.sum()))
        levels = np.linspace(curves.low, curves.high, curves.mean.shape[1])
        rows, told = self._rows(levels)
        fixed, kept = self._reasons(estimates)
        values = {name: e.value for name, e in estimates.items()}
        if self.data.unit == "S":
            values |= {"zero_conductance": 0.0, "unit_conductance": self.unit}
        if len(self.ways) == 1:
            values |= {"tilt_spread": 0.0}
        if "initial_mean" not in estimates:
            values |= self._first_alone()
        law = law_of(levels, rows, self.ways)
        device = self.base.replace(law=law, **values)
        size = device.unit_conductance
        return Fit(
            name="table", variant="", device=device, estimates=tuple(estimates.values()),
            correlation=self._correlation(list(estimates)), fixed=fixed, kept=kept, notes=self._notes(told),
            log_likelihood=float(self.found.last.likelihood.sum()) - self._count() * float(np.log(self.unit)),
            effects=self._effects(), dead=self.dead, facts=self._facts(levels), private=self._private(levels, rows),
            scale=None if self.data.unit == "S" else (-device.zero_conductance / size, 1 / size),
        )  # fmt: skip

    def _correlation(self, names: list[str]) -> np.ndarray:
        """Of the two steps, which share the gains of the devices; everything else is taken as independent."""
        found = np.eye(len(names))
        if len(self.ways) == 2:
            gain = self.found.curves.gain
            own = np.cov(gain.T) / self.devices if self.devices > 1 else self.found.gain_variance[0]
            both = own + self._shared()
            place = [names.index(name) for name in ("step_up", "step_down")]
            found[np.ix_(place, place)] = both / np.sqrt(np.outer(np.diag(both), np.diag(both)))
        return found

    def _count(self) -> int:
        finite = np.isfinite(self.ready.data.reading).sum(1)
        return int(np.maximum(finite - 1, 0).sum())

    def _rows(self, levels: np.ndarray) -> tuple[np.ndarray, bool]:
        curves = self.found.curves
        known = ahead(self.ready.data, curves, np.zeros((self.devices, 2, 2)))
        coarse = np.linspace(curves.low, curves.high, curves.scatter.shape[1])
        rows, all_told = np.zeros((2, len(levels), len(PROBABILITIES))), True
        for d in self.ways:
            shape, told = shapes(self.ready.data.reading, known, levels, d)
            scatter = np.exp(np.interp(levels, coarse, curves.scatter[d]))
            rows[d] = curves.mean[d][:, None] + scatter[:, None] * shape
            all_told &= told
        return rows, all_told

    def _private(self, levels: np.ndarray, rows: np.ndarray) -> Known:
        gain, error = self.found.curves.gain, self.found.gain_variance
        prior = gain.mean(0)
        common = self.spreads["gain_spread"].value ** 2
        tilt = self.spreads["tilt_spread"].value ** 2 if "tilt_spread" in self.spreads else 0.0
        if self.devices == 1:
            common, tilt = self.base.gain_spread**2, self.base.tilt_spread**2
        wide = np.array([[common + tilt, common - tilt], [common - tilt, common + tilt]]) + 1e-12 * np.eye(2)
        unsure = np.where(np.isnan(error), 0.0, error)
        if self.devices > 1:  # a device's gain is drawn towards the others as far as its own data leave it open
            for i in range(self.devices):
                weight = wide @ np.linalg.inv(wide + unsure[i] + 1e-15 * np.eye(2))
                gain[i] = prior + weight @ (gain[i] - prior)
                unsure[i] = wide - weight @ wide
        known = np.full(len(self.data.devices), -1)
        known[self.live] = np.arange(self.devices)
        return Known(self.found.curves, unsure, levels, rows, self.unit, known, prior, wide)

    def _effects(self) -> dict[str, np.ndarray]:
        found = {}
        for d in self.ways:
            values = np.full(len(self.data.devices), np.nan)
            values[self.live] = np.exp(self.found.curves.gain[:, d]) * self.unit
            found["mean step down" if d else "mean step up"] = values
        return found

    def _facts(self, levels: np.ndarray) -> tuple[Fact, ...]:
        found = []
        for p, (kind, d, k) in enumerate(self.found.names):
            if kind != "mean":
                continue
            error = 1.96 * self._error(p)
            value = self.found.curves.mean[d, k] * (1 if d == 0 else -1)
            name = f"mean step {'down' if d else 'up'} at {self._level(levels[k])}"
            doc = "relative to the mean step in the middle of the range; from the smoothed conductances"
            found.append(Fact(name, float(value), float(value - error), float(value + error), "1", doc))
        return tuple(found)

    def _level(self, level: float) -> str:
        value = float(level * self.unit)
        return si(value, "S") if self.data.unit == "S" else f"weight {value:.3g}"

    def _reasons(self, told: dict[str, Estimate]) -> tuple[dict[str, str], dict[str, str]]:
        fixed: dict[str, str] = {}
        kept: dict[str, str] = {}
        if self.data.unit == "S":
            fixed["zero_conductance"] = "convention: levels are conductances"
            fixed["unit_conductance"] = f"convention: levels are in {self.unit:g} S"
        else:
            for name in ("zero_conductance", "unit_conductance"):
                kept[name] = "the data are weights without a unit"
        for name in ("asymmetry", "nonlinearity", "cycle_scatter"):
            fixed[name] = "the whole of what the table says"
        if self.devices == 1:
            for name in ("gain_spread", "tilt_spread"):
                kept[name] = "one device: no device-to-device spread; the default is kept"
            fixed["initial_mean"] = "the first reading of the only device"
            kept["initial_spread"] = "one device: no spread of fresh devices; the default's share of the range is kept"
        if len(self.ways) == 1:
            word = "down" if self.ways[0] == 0 else "up"
            fixed["tilt_spread"] = f"no pulses {word} were measured"
            kept[f"step_{word}"] = f"no pulses {word} were measured"
            kept.pop("tilt_spread", None)
        kept["range_spread"] = "not estimated by this fitter: the table's bounds are those of all devices together"
        for name in ("write_energy", "read_voltage", "read_time"):
            kept[name] = "readings after pulses do not tell it"
        return fixed, {name: why for name, why in kept.items() if name not in told}

    def _notes(self, told: bool) -> tuple[str, ...]:
        notes = [
            f"Mean steps at {self.found.curves.mean.shape[1]} conductances, from readings smoothed with the fitted law."
        ]
        curves, smooth = self.found.curves, self.found.last.smooth
        seen, near = smooth[np.isfinite(smooth)], 0.02 * (curves.high - curves.low)
        bound = float(np.mean((seen < curves.low + near) | (seen > curves.high - near)))
        if bound > _BOUND:
            notes.append(
                f"{100 * bound:.0f} % of the readings lie at the ends of the range, where steps are cut: the interval "
                "of read_noise may be too short; shorter sweeps tell it better."
            )
        if not told:
            notes.append("Read noise hides the shape of the scatter: it is taken as normal.")
        if self.data.amplitude is not None and len(np.unique(np.abs(self.data.amplitude[self.data.pulses != 0]))) > 1:
            notes.append("Pulses of several amplitudes are taken as one: the table device knows no amplitude.")
        return tuple(notes)
