"""Design of a chain of resonators by closed forms: what fits a band, how fast, and the damping to choose."""

from __future__ import annotations

import math
from typing import Any

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import StudyError
from nanoneurons.physics.chain_map import (
    contrast,
    independent,
    independent_limit,
    linewidths_apart,
    pattern_limit,
)
from nanoneurons.physics.spin_diode import chain_capacity, leakage, plan_frequencies

from .words import number, si

__all__ = ["LEAST", "MOST", "largest_damping", "limits", "line_power", "spacing_of", "tones_that_fit"]

LEAST = 0.1  # gain over that of the best pattern, below which a pattern of weights counts as out of reach
MOST = 1024  # tones up to which the map is decomposed, which takes about a second
END = 0.5  # share of a full weight that leaks at the ends of a crowded chain, where half a tail has no partner
SETTLED = 0.01  # share of the transient that is left when a resonator counts as settled


def spacing_of(tones: int, low: float, high: float, damping: float, plan: str = "geometric") -> float:
    """Distance in full linewidths of the closest neighbours of a plan."""
    if plan == "geometric":
        return math.tanh(math.log(high / low) / (tones - 1) / 2) / damping
    step = (high - low) / (tones - 1)
    return step / (2 * damping * (high - 0.5 * step))


def tones_that_fit(low: float, high: float, damping: float, spacing: float, plan: str = "geometric") -> int:
    """Tones of a plan whose closest neighbours are a `spacing` of so many linewidths apart, see `chain_capacity`."""
    fitting = chain_capacity(low, high, damping, spacing)  # refuses what cannot be
    if plan == "geometric":
        return fitting
    mu = damping * spacing
    return 1 + math.floor((high - low) * (1 + mu) / (2 * mu * high) + 1e-9)


def largest_damping(tones: int, low: float, high: float, plan: str, least: float = LEAST) -> float:
    """Damping up to which all `tones` weights of a long chain are independent, where the plan is densest."""
    narrowest = math.pi / (2 * pattern_limit(least))  # full linewidths between neighbours
    if plan == "geometric":
        return math.log(high / low) / (tones - 1) / (2 * narrowest)
    step = (high - low) / (tones - 1)
    return step / (2 * narrowest * (high - 0.5 * step))


def line_power(circuit: RfChain) -> float:
    r"""Power in W of all tones together up to which what leaks keeps neurons between threshold and clamp,

    .. math:: P = \frac{(I_{max} - I_{th})/g_m}{\tfrac12 K \lambda}

    since each tone adds up to half a full weight at the ends of a crowded chain, whatever it is meant to weigh.
    """
    _, clamp = circuit.neuron.current_range()
    window = (clamp - circuit.neuron.threshold_current()) / circuit.transconductance
    return window / (END * circuit.device.nominal_sensitivity * circuit.transmission)


def limits(circuit: RfChain, inputs: int, spacing: float = 1.0) -> dict[str, Any]:
    """What a chain of `inputs` resonators of this circuit's band and device can do, and what to choose.

    Args:
        spacing: distance in linewidths at which to say how many tones fit.

    Raises:
        StudyError: fewer than two inputs.
        ParameterError: a spacing at which no second tone fits.
    """
    if inputs < 2:
        raise StudyError(f"a chain is designed for at least 2 inputs, not {inputs}")
    device, low, high = circuit.device, circuit.band_low, circuit.band_high
    damping = device.nominal_damping
    plans = [_plan(circuit, inputs, name, damping) for name in ("geometric", "linear")]
    return {
        "inputs": inputs,
        "band": [low, high],
        "damping": damping,
        "plan": circuit.plan,
        "spacing_asked": spacing,
        "fits": tones_that_fit(low, high, damping, spacing, circuit.plan),
        "least_gain": LEAST,
        "independent_limit": independent_limit(low, high, damping, LEAST),
        "largest_weight": _largest_weight(circuit, damping),
        "line_power": line_power(circuit),
        "spread_over_damping": getattr(device, "resonance_spread", 0.0) / damping,
        **_settling(low, damping),
        "plans": plans,
        "recommended": _recommended(circuit, inputs),
    }


def _plan(circuit: RfChain, inputs: int, plan: str, damping: float) -> dict[str, Any]:
    tones = plan_frequencies(inputs, circuit.band_low, circuit.band_high, plan)  # type: ignore[arg-type]
    narrow, wide = linewidths_apart(tones, damping)
    small = inputs <= MOST
    count, condition = independent(tones, damping, LEAST, circuit.device.symmetric_share) if small else (None, None)
    worst = {turn: float(leakage(tones, damping, turn).abs().max()) if small else None for turn in (True, False)}
    return {
        "plan": plan,
        "spacing": [narrow, wide],
        "contrast": contrast(narrow),
        "independent": count,
        "condition": condition,
        "leakage_alternating": worst[True],
        "leakage_aligned": worst[False],
        "largest_damping": largest_damping(inputs, circuit.band_low, circuit.band_high, plan),
    }


def _settling(low: float, damping: float) -> dict[str, float]:
    """Amplitude decay time of the slowest resonator in s, and the time until its transient has settled."""
    decay = 1 / (2 * math.pi * damping * low)
    return {"decay_time": decay, "settling_time": math.log(1 / SETTLED) * decay, "settled_to": SETTLED}


def _largest_weight(circuit: RfChain, damping: float) -> float:
    """V/W that one resonator reaches, loss included, within its tuning range."""
    device = circuit.device
    share = device.symmetric_share
    best = (math.sqrt(share**2 + 4) - share) / 2  # where the line is largest, in half linewidths
    x = min(best, device.tuning_range / damping)
    return device.nominal_sensitivity * circuit.transmission * (2 * x + share) / (1 + x * x)


def _recommended(circuit: RfChain, inputs: int) -> dict[str, Any]:
    device, low, high = circuit.device, circuit.band_low, circuit.band_high
    crowded = {plan: largest_damping(inputs, low, high, plan) for plan in ("geometric", "linear")}
    reach = device.tuning_range
    wanted = _rounded(min(crowded["geometric"], reach))
    spread = getattr(device, "resonance_spread", 0.0)
    reasons = [
        f"geometric: its neighbours are equally many linewidths apart all over the band, so {inputs} weights stay "
        f"independent up to a damping of {crowded['geometric']:.3g}; the linear plan is densest at the upper end "
        f"and allows {crowded['linear']:.3g} (take it only where the inputs are bins of a spectrum)",
        f"damping {wanted:g}: the largest that "
        + (
            "keeps all weights independent"
            if crowded["geometric"] <= reach
            else "a resonance can still be tuned across (a half linewidth must lie within the tuning range)"
        )
        + "; a larger damping settles faster and forgives more spread of the resonances",
    ]
    settling = _settling(low, wanted)["settling_time"]
    read = getattr(device, "read_time", None)
    if read is not None and read < settling:
        reasons.append(
            f"the slowest resonator then needs {si(settling, 's')} to settle, but a reading lasts {si(read, 's')}: "
            "read longer or move the band up"
        )
    if spread:
        reasons.append(
            f"the device's resonance spread of {number(100 * spread, '%')} is {spread / wanted:.2g} half linewidths at "
            "this damping; a measured run (--task) says how many training forgives"
        )
    return {"plan": "geometric", "damping": wanted, "settling_time": settling, "reasons": reasons}


def _rounded(value: float) -> float:
    """Two significant digits, downwards."""
    power = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.floor(value / power * (1 + 1e-12)) * power:.2g}")
