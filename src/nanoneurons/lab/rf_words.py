"""Closed forms of a design in words and in rows of a table, for the command line and the report."""

from __future__ import annotations

from typing import Any

from .words import number, plain, si

__all__ = ["fact_lines", "plan_rows"]


def plan_rows(forms: dict[str, Any]) -> list[tuple[str, ...]]:
    """Rows of a table: a quantity and its value for each plan."""
    plans, inputs = forms["plans"], forms["inputs"]

    def spacing(plan: dict[str, Any]) -> str:
        low, high = (f"{v:.3g}" for v in plan["spacing"])
        return low if low == high else f"{low} to {high}"

    def known(value: float | None) -> str:
        return "not computed" if value is None else plain(value)

    rows: list[tuple[str, ...]] = [
        ("spacing of neighbours (linewidths)", *(spacing(p) for p in plans)),
        ("gain of detuning neighbours oppositely (1: no crosstalk)", *(known(p["contrast"]) for p in plans)),
        (f"independent weights of {inputs}", *(known(p["independent"]) for p in plans)),
        ("condition of the map from detunings to weights", *(known(p["condition"]) for p in plans)),
        ("leakage, head to tail (1: a full weight)", *(known(p["leakage_alternating"]) for p in plans)),
        ("leakage, all aligned", *(known(p["leakage_aligned"]) for p in plans)),
        ("largest damping with all weights independent", *(known(p["largest_damping"]) for p in plans)),
    ]
    return rows


def fact_lines(forms: dict[str, Any]) -> list[str]:
    """Statements about the band and the device, one each."""
    low, high = (si(f, "Hz") for f in forms["band"])
    lines = [
        f"{forms['fits']} tones fit {low} to {high} at {forms['spacing_asked']:g} linewidths and damping "
        f"{forms['damping']:g} ({forms['plan']} plan)",
        f"no more than {forms['independent_limit']:.0f} weights of one chain are independent there, however many tones "
        f"share the band (gain at least {forms['least_gain']:g} of the best)",
        f"the slowest resonator decays in {si(forms['decay_time'], 's')} and settles to "
        f"{100 * forms['settled_to']:g} % in {si(forms['settling_time'], 's')}",
        f"largest weight {number(forms['largest_weight'], 'V/W')}",
        f"neurons behind a crowded chain stay in their window up to {si(forms['line_power'], 'W')} of all tones "
        "together; more drives them off by what leaks",
    ]
    if forms["spread_over_damping"]:
        lines.append(f"the device's resonance spread is {forms['spread_over_damping']:.2g} half linewidths")
    return lines
