"""The device `hzo-ftj` from measurements; see `_voltage`."""

from __future__ import annotations

from nanoneurons.fitting._voltage import VoltageFitter

__all__ = ["HZOFTJFitter"]


class HZOFTJFitter(VoltageFitter):
    """Fits `hzo-ftj`."""

    name = "hzo-ftj"
