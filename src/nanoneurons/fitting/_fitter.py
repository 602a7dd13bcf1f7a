"""What a fitted device is, and the contract of whatever fits one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from nanoneurons.core.registry import Folder
from nanoneurons.devices import MemoryDevice
from nanoneurons.measurements import Measurements

__all__ = ["Estimate", "Fact", "Fit", "Fitter", "Prediction", "Progress", "Scale", "catalogue"]

catalogue = Folder("nanoneurons.fitting", "fitted device", "Fitter")

Progress = Callable[[float, str], None]
Scale = Literal["linear", "log", "logit"]


@dataclass(frozen=True)
class Estimate:
    """One parameter of a device as the data tell it.

    Attributes:
        name: parameter of the device.
        value: best value, SI unit of the parameter.
        low, high: 95 % interval.
        scale: scale on which the error is about normal.
        error: standard error on that scale.
    """

    name: str
    value: float
    low: float
    high: float
    scale: Scale
    error: float


@dataclass(frozen=True)
class Fact:
    """Something the data tell that is no parameter of the device; shown beside it, used by nothing.

    Attributes:
        name: short words, such as ``drift exponent, level 2``.
        value: SI unit.
        low, high: 95 % interval, NaN where there is none.
        unit: of all three, ``1`` where there is none.
        doc: what it means and how it was found, one sentence.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    doc: str


@dataclass(frozen=True)
class Fit:
    """A device fitted to measurements.

    Attributes:
        name: name of the device in the catalogue.
        variant: which of the fitter's variants, such as a step shape; empty where there is one only.
        device: the device; parameters that the data do not tell keep the values of the device the fit started from.
        estimates: every parameter the data identify.
        correlation: of the errors of `estimates` on their scales, ``(n, n)``.
        fixed: parameters set without an interval, with the reason (a convention, a choice of the family).
        kept: parameters the data cannot identify, with the reason; the default is kept.
        notes: plain statements to show.
        log_likelihood: of the data at the estimates, natural logarithm, marginal over the devices' own constants.
        effects: the devices' own constants by name, each ``(devices,)``, NaN for a device without data.
        effect_units: unit of each of `effects`, also "weight"; those left out have the unit of the readings.
        dead: devices that no pulse moves, ``(devices,)``; they make the share of stuck devices and nothing else.
        facts: what else the data tell; no parameter of the device takes it.
        scale: of readings without unit: offset and slope, reading = offset + slope x conductance in S; None for
            readings in S. Simulated devices are compared with measured ones through it.
        outliers: readings that the fit set aside, bool of the readings' shape, or None; counted and shown.
        private: what the fitter's `predict` needs; nobody else reads it.
    """

    name: str
    variant: str
    device: MemoryDevice
    estimates: tuple[Estimate, ...]
    correlation: np.ndarray
    fixed: Mapping[str, str]
    kept: Mapping[str, str]
    notes: tuple[str, ...]
    log_likelihood: float
    effects: Mapping[str, np.ndarray] = field(default_factory=dict)
    effect_units: Mapping[str, str] = field(default_factory=dict)
    dead: np.ndarray | None = None
    outliers: np.ndarray | None = None
    facts: tuple[Fact, ...] = ()
    scale: tuple[float, float] | None = None
    private: Any = None

    def estimate(self, name: str) -> Estimate:
        """The estimate of one parameter."""
        return next(e for e in self.estimates if e.name == name)


@dataclass(frozen=True)
class Prediction:
    """What a fit expected of each reading, given the readings of the same run before it.

    All arrays have the shape of the data's readings; NaN where nothing is predicted (first readings, missing ones).

    Attributes:
        median, low, high: median and the 90 % band of the reading, in its unit.
        rank: share of the predicted distribution that lies below the reading (uniform when the fit is right).
        log_density: natural logarithm of the predicted density at the reading, per unit of reading.
    """

    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rank: np.ndarray
    log_density: np.ndarray


class Fitter(ABC):
    """Fits one device of the catalogue; the file is named as the device is."""

    kinds: ClassVar[tuple[str, ...]]

    def variants(self, data: Measurements) -> tuple[str, ...]:
        """Variants worth comparing on these data, in the order of their simplicity."""
        return ("",)

    def refusal(self, data: Measurements) -> str | None:
        """Why these data cannot tell anything about this device, or None."""
        return None if data.kind in self.kinds else f"it learns from {' and '.join(self.kinds)}, not from {data.kind}"

    @abstractmethod
    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit the device; `base` holds the values of everything that the data do not tell.

        Raises:
            DataError: too few or impossible data; names what is missing.
        """

    def trial(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """A fit that is only going to predict, as when models are compared; quicker where intervals take time."""
        return self.fit(data, base, variant, progress)

    @abstractmethod
    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict every reading from the ones before it in its run.

        A device that the fit has seen (same index of `data.devices`) is predicted with its own constants as
        far as the fit knows them; another one with the population's, learned from its readings so far or integrated.
        """
