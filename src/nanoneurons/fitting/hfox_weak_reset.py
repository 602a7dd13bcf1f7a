r"""Weak RESET of hafnium-oxide resistive memory from runs of readings: ``hfox-weak-reset`` with every law's interval.

.. math::
    \ln R_k = \ln R_0 + m_1 \min(t_k, t^*) + m_2 \max(t_k - t^*, 0) + s_k A\, U_1 U_2 + \alpha F(t_k)

The hierarchical model is the device's own, drawn from its joint posterior (Gibbs sampling with Metropolis steps): the
constants of a device are integrated, never plugged in, so that a knee beyond the last pulse counts as what it is. An
estimate is the posterior's median, its interval the middle 95 %; the priors match coverage (`_hfox_laws`).

The offset c1 and the fresh resistance cannot be told apart: the first reading shows their sum. The offset is set to 0
and `resistance` is the law of the whole. Truncations are kept, except those that a device clearly lies beyond.

Not modelled: read noise (a second read shows what the first did), a second SET of the same device, and that the
filtered numbers of the 1/f noise are uniform rather than normal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.fitting._fitter import Estimate, Fit, Fitter, Prediction, Progress
from nanoneurons.fitting._hfox_campaign import Campaign, campaign
from nanoneurons.fitting._hfox_device import LAW
from nanoneurons.fitting._hfox_predict import forecast, marginal_likelihood
from nanoneurons.fitting._hfox_sampler import LIMITS, Draws, sample
from nanoneurons.measurements import Measurements, Pulses

__all__ = ["HfOxWeakResetFitter"]

_SEED = 20261127
_WIDEST = 50.0  # ratio of the ends of an interval beyond which the data tell nothing worth the name
_TELEGRAPH = ("telegraph_amplitude", "telegraph_up", "telegraph_down")


@dataclass(frozen=True)
class Known:
    """What `predict` needs: draws of the devices' constants (draws, devices, 5) and of the laws that go with them."""

    constants: np.ndarray
    laws: np.ndarray
    name: np.ndarray
    register: int


class HfOxWeakResetFitter(Fitter):
    """Fits `HfOxWeakReset` to pulses that raise the resistance."""

    kinds: ClassVar[tuple[str, ...]] = ("pulses",)

    def refusal(self, data: Measurements) -> str | None:
        """Why these data cannot tell anything about this device, or None."""
        if not isinstance(data, Pulses):
            return super().refusal(data)
        if data.unit != "S":
            return "its law is one of resistances: it needs readings in S or ohm, not normalised weights"
        if not (data.pulses < 0).any():
            return "it learns from pulses that raise the resistance (negative pulses); the data have none"
        return None

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit the device; 1,000 devices of 200 readings take about a minute.

        Raises:
            DataError: other measurements, a reading that is no conductance, too few readings.
        """
        reason = self.refusal(data)
        if reason:
            raise DataError(f"hfox-weak-reset: {reason}")
        assert isinstance(data, Pulses)
        if not isinstance(base, HfOxWeakReset):
            raise DataError(f"hfox-weak-reset: the fit starts from HfOxWeakReset, not from {type(base).__name__}")
        taken = campaign(data, base.flicker_register)
        if taken.dead.all():
            raise DataError("hfox-weak-reset: every reading of every device is the same; nothing to learn from")
        living = taken.of(~taken.dead)
        readings = int(living.n.sum())
        count = int(np.clip(1.2e7 / readings, 400, 1400))
        draws = sample(living, base, count, _SEED, progress)
        return _described(data, taken, living, draws, base)

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict every reading from the ones before it, by particles that carry the telegraph and the 1/f noise."""
        assert isinstance(data, Pulses)
        known: Known = fit.private
        return forecast(data, known.constants, known.laws, known.name, known.register, _SEED)


def _identified(draws: Draws, living: Campaign) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Draws of each parameter the data tell, and the reasons for the others."""
    devices = len(living.n)
    kept: dict[str, str] = {
        "fast_slope_start": "the start of the slope's law lies at its lower truncation; the default is kept",
        "flicker_register": "the length of the 1/f filter shapes the slowest noise only; the default is kept",
    }
    told: dict[str, np.ndarray] = {}
    episodes = (np.diff((draws.on > 0.9).astype(int), axis=1, prepend=0) > 0).sum()
    for name in HfOxWeakReset.identified["pulses"]:
        x = draws.laws[:, LAW[name]]
        low, high = np.quantile(x, [0.025, 0.975])
        if name in ("resistance_sd", "knee_log_sd") and devices < 3:
            count = "one device" if devices == 1 else "two devices"
            kept[name] = f"{count}: no device-to-device spread; the default is kept"
        elif name in _TELEGRAPH and episodes < 3:
            kept[name] = f"{episodes} times only was the telegraph noise on; the default is kept"
        elif high > _WIDEST * max(low, 1e-300):
            kept[name] = f"the data leave it open by a factor of {high / max(low, 1e-300):.2g}; the default is kept"
        else:
            told[name] = x
    return told, kept


def _described(data: Pulses, taken: Campaign, living: Campaign, draws: Draws, base: HfOxWeakReset) -> Fit:
    told, kept = _identified(draws, living)
    estimates = []
    for name, x in told.items():
        low, value, high = np.quantile(x, [0.025, 0.5, 0.975])
        estimates.append(Estimate(name, float(value), float(low), float(high), "log", float(np.log(x).std(ddof=1))))
    correlation = np.atleast_2d(np.corrcoef(np.log(np.array(list(told.values())))))
    fixed = {
        "offset": "0 by convention: a reading shows the fresh resistance and the offset as one number",
        "offset_sd": "0 by convention: resistance_sd is the spread of both together",
    }
    fixed |= {
        parameter.name: "1 by convention: the laws are those of the data"
        for parameter in base.parameters()
        if parameter.name.startswith("spread_")
    }
    fixed |= {name: "a device lies beyond the default; the law is not cut there" for name in draws.widened}
    kept |= {
        name: "the data lie within it and cannot tell where the law is cut; the default is kept"
        for name in LIMITS
        if name not in draws.widened
    }
    kept["offset_limit"] = "no part in a law whose offset is 0; the default is kept"
    values = {e.name: e.value for e in estimates} | {name: LIMITS[name] for name in draws.widened}
    values |= {name: 1.0 for name in fixed if name.startswith("spread_")}
    if "fast_slope_low" in draws.widened:
        values["fast_slope_start"] = 0.0
        fixed["fast_slope_start"] = "0: a device's fast slope lies below the default start of the law"
        del kept["fast_slope_start"]
    device = replace(base, offset=0.0, offset_sd=0.0, **values)
    notes = [*taken.notes]
    if taken.dead.any():
        notes.append(
            f"{int(taken.dead.sum())} of {len(taken.n)} devices never move and are left out (no such parameter)"
        )
    units = {
        "resistance": "ohm", "fast_slope": "1/pulse", "knee": "pulse", "slow_slope": "1/pulse",
        "telegraph_amplitude": "1",
    }  # fmt: skip
    constants = draws.constants.copy()
    shift = draws.matching[:, LAW["flicker_amplitude"]] * draws.matching[:, LAW["flicker_mean"]]
    constants[:, :, 0] = np.exp(constants[:, :, 0] - shift[:, None])
    effects = {name: np.full(len(data.devices), np.nan) for name in units}
    for column, name in enumerate(units):
        effects[name][living.name] = np.median(constants[:, :, column], axis=0)
    dead = np.zeros(len(data.devices), bool)
    dead[taken.name] = taken.dead
    return Fit(
        name="hfox-weak-reset",
        variant="",
        device=device,
        estimates=tuple(estimates),
        correlation=correlation,
        fixed=fixed,
        kept=kept,
        notes=tuple(notes),
        log_likelihood=marginal_likelihood(living, draws, _SEED),
        effects=effects,
        effect_units=units,
        dead=dead,
        outliers=taken.outliers,
        private=Known(draws.constants, draws.matching, living.name, base.flicker_register),
    )
