"""The device `tio2` from measurements; see `_voltage`."""

from __future__ import annotations

from nanoneurons.fitting._voltage import VoltageFitter

__all__ = ["TiO2Fitter"]


class TiO2Fitter(VoltageFitter):
    """Fits `tio2`."""

    name = "tio2"
