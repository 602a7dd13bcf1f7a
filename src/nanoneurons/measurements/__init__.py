"""Measurements of devices: what a laboratory's file holds, by kind, in SI units."""

from ._records import KINDS, IVSweeps, Levels, Measurements, NoiseSeries, Origin, Pulses, Retention, StepTables

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
]
