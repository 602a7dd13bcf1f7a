"""Measurements of devices: what a laboratory's file holds, by kind, in SI units."""

from ._describe import describe
from ._read import read
from ._records import KINDS, IVSweeps, Levels, Measurements, NoiseSeries, Origin, Pulses, Retention, StepTables
from ._write import write_csv

__all__ = [
    "KINDS",
    "IVSweeps",
    "Levels",
    "Measurements",
    "NoiseSeries",
    "Origin",
    "Pulses",
    "Retention",
    "StepTables",
    "describe",
    "read",
    "write_csv",
]
