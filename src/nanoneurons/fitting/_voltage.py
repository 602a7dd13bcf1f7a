"""Fitting the memristors that answer to the size of a voltage."""

from __future__ import annotations

from typing import ClassVar

from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting._fitter import Fit, Fitter, Prediction, Progress
from nanoneurons.fitting._graded import GRADED, fit_graded, predict_graded, refusal_graded
from nanoneurons.measurements import Measurements

__all__ = ["VoltageFitter"]


class VoltageFitter(Fitter):
    """Base of the fitters of `tio2`, `hfo2-analog` and `hzo-ftj`."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]] = GRADED

    def refusal(self, data: Measurements) -> str | None:
        """Levels that give no range are refused."""
        return super().refusal(data) or refusal_graded(data)

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit the device."""
        return fit_graded(self.name, data, base)

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict readings; see `_graded`."""
        return predict_graded(fit, data)
