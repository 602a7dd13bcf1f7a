"""Plain fitters with closed forms, so that tests of what is built on fitters need none of the catalogue's."""

from __future__ import annotations

import numpy as np
from scipy import stats

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.core.random import generator_for
from nanoneurons.fitting import Estimate, Fact, Fit, Fitter, Prediction, simulate
from nanoneurons.measurements import IVSweeps, Levels, Measurements, NoiseSeries, Origin, Pulses, Retention


class Steps(Fitter):
    """`pulsed` with a constant step: every difference of readings is normal with mean step times pulses.

    The variant ``blind`` does not look at the pulses, and is the first, as if it were the simpler.
    """

    kinds = ("pulses",)

    def variants(self, data):
        return ("blind", "step")

    def fit(self, data, base, variant="", progress=None):
        if len(data.device) == 0 or data.reading.shape[1] < 3:
            raise DataError("a step needs three readings of a run")
        if progress is not None:
            progress(0.5, "least squares")
        still = np.nanmax(np.abs(np.diff(data.reading, axis=1)), axis=1) == 0
        dead = np.bincount(data.device, still, len(data.devices)) > 0
        alive = ~still
        pulses, change = data.pulses[alive, 1:], np.diff(data.reading[alive], axis=1)
        known = np.isfinite(change) & np.isfinite(pulses)
        p, y = pulses[known], change[known]
        step = float((p * y).sum() / (p * p).sum())
        spread = float((y - (0.0 if variant == "blind" else step * p)).std())
        error = spread / float(np.sqrt((p * p).sum()))
        ends = (step, step - 2 * error, step + 2 * error)
        scale = base.unit_conductance if data.unit == "S" else 1.0
        values = {"pulse_step": step / scale, "cycle_spread": spread / step, "step_spread": 0.0}
        device = base.replace(**values)
        return Fit(
            name="pulsed",
            variant=variant,
            device=device,
            estimates=(Estimate("pulse_step", *(v / scale for v in ends), "linear", error / scale),),
            correlation=np.eye(1),
            fixed={name: "the only one here" for name in ("step_shape", "cycle_spread", "step_spread")},
            kept={"gamma_spread": "a constant step has none"},
            notes=("found by least squares",),
            log_likelihood=0.0,
            effects={"up": np.where(dead, np.nan, step + 0.1 * step * np.sin(np.arange(len(dead))))},
            dead=dead if dead.any() else None,
            private=(0.0 if variant == "blind" else step, spread),
        )

    def predict(self, fit, data):
        step, spread = fit.private
        found = np.full((5, *data.reading.shape), np.nan)
        law = stats.norm(data.reading[:, :-1] + step * np.nan_to_num(data.pulses[:, 1:]), spread)
        found[:, :, 1:] = [*(law.ppf(q) for q in (0.5, 0.05, 0.95)), law.cdf(data.reading[:, 1:]),
                           law.logpdf(data.reading[:, 1:])]  # fmt: skip
        found[:, :, 1:][:, np.isnan(data.reading[:, 1:])] = np.nan
        return Prediction(*found)


class Refusing(Steps):
    """Learns nothing from anything."""

    def refusal(self, data):
        return "it refuses everything"


class Catalogue(dict):
    """Fitters by name, as the catalogue of the package gives them."""

    def __iter__(self):
        return iter(sorted(self.keys()))


STUBS = Catalogue({"pulsed": Steps, "hfox-weak-reset": Refusing})


def campaign(count=8, length=60, seed=0, dead=0, **changes) -> Pulses:
    """Devices of a constant step under pulses up and down, in weights; the last `dead` of them never move."""
    plain = dict.fromkeys(("step_spread", "read_noise", "w_max_spread", "w_min_spread", "up_down_spread"), 0.0)
    start = {"initial_mean": 0.0, "initial_spread": 0.05}
    device = devices.get("pulsed", **{"pulse_step": 0.02, "cycle_spread": 0.5, **plain, **start, **changes})
    train = np.where(np.arange(length) // 20 % 2 == 0, 1, -1) * (np.arange(length) > 0)
    found = simulate(device, train, count, generator_for(seed, "campaign"))
    reading = (found - device.zero_conductance) / device.unit_conductance
    if dead:
        reading[-dead:] = reading[-dead:, :1]
    return Pulses(
        device=np.arange(count),
        devices=tuple(f"d{k}" for k in range(count)),
        unit="1",
        reading=reading,
        pulses=np.tile(train.astype(float), (count, 1)),
        cycle=np.zeros(count, int),
        origin=Origin("stub.csv", "ab" * 32, count * length, count * length, {"w": "weight"}, ("no unit: weights",)),
    )


class Plain(Fitter):
    """`hfox-weak-reset` from anything: readings of a level, or of a voltage, are normal, and nothing is a parameter."""

    kinds = ("levels", "retention", "noise", "iv")

    def fit(self, data, base, variant="", progress=None):
        values = self._values(data)
        laws = {}
        for group in np.unique(self._group(data)):
            own = values[self._group(data) == group]
            laws[group] = float(np.nanmean(own)), max(float(np.nanstd(own)), 1e-12)
        fact = Fact("mean reading", float(np.nanmean(values)), np.nan, np.nan, "1", "mean of all readings")
        return Fit("hfox-weak-reset", "", base, (), np.eye(0), {}, {"knee": "not asked for"}, (), 0.0, facts=(fact,),
                   private=laws)  # fmt: skip

    def predict(self, fit, data):
        values, group = self._values(data), self._group(data)
        mean, spread = (np.vectorize(lambda g, k=k: fit.private[g][k])(group) for k in (0, 1))
        law = stats.norm(mean, spread)
        found = [*(law.ppf(q) for q in (0.5, 0.05, 0.95)), law.cdf(values), law.logpdf(values)]
        return Prediction(*(np.where(np.isnan(values), np.nan, f) for f in found))

    @staticmethod
    def _values(data):
        return data.current if data.kind == "iv" else data.reading

    def _group(self, data):
        if data.kind == "iv":
            return np.nan_to_num(np.round(data.voltage, 1))
        group = data.level if data.kind in ("levels", "retention") else data.device
        return np.broadcast_to(group[:, None], data.reading.shape)


def measured(kind: str, seed: int = 0) -> Measurements:
    """A small file's worth of one kind."""
    rng = np.random.default_rng(seed)
    origin = Origin(f"{kind}.csv", "cd" * 32)
    if kind == "levels":
        level = np.tile(np.arange(3), 20)
        return Levels(
            np.repeat(np.arange(20), 3), tuple(f"d{k}" for k in range(20)), "S",
            reading=1e-6 * (10 + 10 * level[:, None] + rng.normal(size=(60, 2))), level=level,
            cycle=np.zeros(60, int), target=(1e-5, 2e-5, 3e-5), origin=origin,
        )  # fmt: skip
    if kind == "iv":
        voltage = np.tile(np.concatenate([np.arange(11), np.arange(9, -1, -1)]) / 10, (5, 1))
        current = 1e-5 * voltage + 2e-7 * rng.normal(size=voltage.shape)
        return IVSweeps(np.zeros(5, int), ("a",), voltage=voltage, current=current, cycle=np.arange(5), origin=origin)
    time = np.tile(np.geomspace(1, 1e4, 40), (3, 1))
    reading = 1e-5 * (1 + np.arange(3)[:, None]) + 2e-7 * rng.normal(size=(3, 40))
    if kind == "retention":
        return Retention(
            np.zeros(3, int), ("a",), reading=reading, time=time, level=np.arange(3), origin=origin,
        )  # fmt: skip
    return NoiseSeries(np.arange(3), ("a", "b", "c"), reading=reading, time=time, origin=origin)
