"""Devices from measurements: one file per device that can be fitted, named as the device is."""

from ._fitter import Estimate, Fact, Fit, Fitter, Prediction, catalogue
from ._simulate import simulate
from ._written import device_file

__all__ = ["Estimate", "Fact", "Fit", "Fitter", "Prediction", "catalogue", "device_file", "simulate"]
