"""The table device from tables of step distributions: conversion, and what the tables leave open."""

from __future__ import annotations

import numpy as np

from nanoneurons.devices.table import Table
from nanoneurons.measurements import StepTables

from ._fitter import Fact, Fit
from ._table_conversion import convert
from ._table_shape import law_of

__all__ = ["fit_tables", "level_unit"]

_BAND = (0.85, 0.95)


def fit_tables(data: StepTables, base: Table) -> Fit:
    """Convert one table of each direction; nothing is estimated, so nothing has an interval."""
    found = convert(data)
    unit = level_unit(data.unit, found.levels)
    levels, rows = found.levels / unit, found.rows / unit
    law, sizes = law_of(levels, rows, found.ways), {}
    for d in found.ways:
        size = law.mean_at(law.reference, d == 0) * (1 if d == 0 else -1)
        sizes["step_down" if d else "step_up"] = size
        rows[d] /= size
    law = law_of(levels, rows, found.ways)
    fixed: dict[str, str] = {name: "read from the table, which says nothing about its own error" for name in sizes}
    alone = ("gain_spread", "tilt_spread", "range_spread", "stuck_share")
    kept: dict[str, str] = dict.fromkeys(alone, "tables of steps hold no single devices: the default is kept")
    kept["read_noise"] = "tables of steps do not tell it: the default's share of the range is kept"
    share = (levels[-1] - levels[0]) / (base.law.levels[-1] - base.law.levels[0])
    values = {
        **sizes, "initial_mean": law.middle, "initial_spread": base.initial_spread * share,
        "read_noise": base.read_noise * share,
    }  # fmt: skip
    fixed["initial_mean"] = "the middle of the range: tables of steps tell no fresh devices"
    kept["initial_spread"] = "tables of steps do not tell it: the default's share of the range is kept"
    scale = None
    if data.unit == "S":
        values |= {"zero_conductance": 0.0, "unit_conductance": unit}
        fixed["zero_conductance"] = "convention: levels are conductances"
        fixed["unit_conductance"] = f"convention: levels are in {unit:g} S"
    else:
        kept |= dict.fromkeys(("zero_conductance", "unit_conductance"), "the data are weights without a unit")
        scale = (-base.zero_conductance / base.unit_conductance, 1 / base.unit_conductance)
    for name in ("step_up", "step_down"):
        if name not in sizes:
            kept[name] = "no table of this direction"
    for name in ("asymmetry", "nonlinearity", "cycle_scatter"):
        fixed[name] = "the whole of what the table says"
    kept |= dict.fromkeys(("write_energy", "read_voltage", "read_time"), "tables of steps do not tell it")
    return Fit(
        name="table", variant="", device=base.replace(law=law, **values), estimates=(), correlation=np.zeros((0, 0)),
        fixed=fixed, kept=kept, notes=_notes(found.held, len(levels)), log_likelihood=float("nan"),
        facts=_facts(found.held), scale=scale,
    )  # fmt: skip


def level_unit(unit: str, readings: np.ndarray) -> float:
    """Conductance of one level: 1 S, 1 mS, ... so that levels are numbers from about 1 to 1000; 1 for weights."""
    if unit == "1":
        return 1.0
    size = float(np.nanmax(np.abs(readings)))
    return float(10.0 ** (3 * np.floor(np.log10(size) / 3))) if size > 0 else 1.0


def _notes(held: np.ndarray, levels: int) -> tuple[str, ...]:
    notes = [f"Quantiles at {levels} conductances, read from the tables."]
    if len(held):
        good = float(np.mean((held >= _BAND[0]) & (held <= _BAND[1])))
        notes.append(
            f"Of {len(held)} rows held out, the 90 % band foretold by their neighbours holds {100 * held.mean():.1f} % "
            f"of the probability on average; in {100 * good:.0f} % of the rows 85 to 95 %."
        )
    return tuple(notes)


def _facts(held: np.ndarray) -> tuple[Fact, ...]:
    if not len(held):
        return ()
    low, high = np.quantile(held, [0.025, 0.975])
    doc = (
        "probability that rows held out give to the band foretold by their neighbours; 95 % of the rows lie in between"
    )
    return (Fact("mass in the 90 % band, rows held out", float(held.mean()), float(low), float(high), "1", doc),)
