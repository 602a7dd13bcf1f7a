"""The device `hfo2-analog` from measurements; see `_voltage`."""

from __future__ import annotations

from nanoneurons.fitting._voltage import VoltageFitter

__all__ = ["HfO2AnalogFitter"]


class HfO2AnalogFitter(VoltageFitter):
    """Fits `hfo2-analog`."""

    name = "hfo2-analog"
