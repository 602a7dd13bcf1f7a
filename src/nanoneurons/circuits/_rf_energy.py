r"""Energy of radio-frequency networks: oscillators, resonators, amplifiers; powers held for the time of a reading.

Events are counted in multiples of a stated power, so that the powers which a task really sends can be counted: a
resonator under half of the full power is half an event. Layers work on successive samples at the same time, so
every layer is paid for one reading per sample.

Left without a price, and said so in every bill: the field or current that holds each resonance where it was tuned
to, tuning it, and the amplifier that turns a chain's voltage into a current.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from nanoneurons.core.energy import Counts, Price

if TYPE_CHECKING:
    from .rf_chain import RfChain

__all__ = ["layer_counts", "neuron_counts", "prices", "remarks", "under_power"]

RESONATOR = "resonator, per full tone"
LINE = "line amplifier, per full tone"
STANDING = "line amplifier, standing by"
HOLDING = "holding a tuned resonance"
OSCILLATOR = "oscillator, per operating point"
NEURON_AMPLIFIER = "neuron amplifier, per operating point"
TRANSCONDUCTANCE = "transconductance amplifier"

_TYPICAL = 0.5  # share of a full tone that is taken where no samples tell it
_STANDING = 742e-6  # W
_INTERFACE = 14.3e-3  # W
_SETTLED = 3  # settling times: 5 % from the final voltage


def layer_counts(chains: int, resonators: int) -> Counts:
    """One reading of a layer: every resonator absorbs of its tone, and an amplifier feeds the tones past all chains."""
    each = float(chains * resonators)
    return Counts({RESONATOR: _TYPICAL * each, LINE: _TYPICAL * each, STANDING: 1.0, HOLDING: each})


def under_power(counts: Counts, share: float) -> Counts:
    """The same with a mean power of the tones that is this share of the full one."""
    scaled = {event: counts.events.get(event, 0.0) * share / _TYPICAL for event in (RESONATOR, LINE)}
    return Counts({**counts.events, **scaled})


def neuron_counts(neurons: int, dc: float, emitted: float) -> Counts:
    """One reading of a layer of oscillators and of the amplifiers before and behind them.

    Args:
        dc, emitted: mean dc and emitted power over those at the operating point.
    """
    return Counts({OSCILLATOR: neurons * dc, NEURON_AMPLIFIER: neurons * emitted, TRANSCONDUCTANCE: float(neurons)})


def prices(chain: RfChain) -> dict[str, Price]:
    """Power times the time of a reading; an event whose power the devices do not tell has no price."""
    time = chain.reading_time or math.nan
    efficiency, passed = chain.amplifier_efficiency, chain.transmission
    current = torch.tensor(chain.neuron.default_current, dtype=torch.float64)
    emitted = float(chain.neuron.emitted_power(current))
    absorbed = chain.device.absorption * passed * chain.full_power
    lost = (1 - passed) * chain.full_power
    during = f"for a reading of {time * 1e6:g} µs"
    node = "laboratory device"
    priced = {
        RESONATOR: Price(absorbed * time, f"share of a full tone absorbed at resonance, {during}", node, False),
        LINE: Price(
            ((absorbed + lost) / efficiency - absorbed) * time,
            "what the line's amplifier takes beyond that, to replace what resonators absorb and the line loses, at its "
            f"efficiency, {during}", node, False,
        ),
        STANDING: Price(
            _STANDING * time,
            f"742 µW of a published low-noise amplifier (3.9 to 6.1 GHz, 16 dB; IMS 2018), one a layer, {during}",
            "90 nm CMOS", False,
        ),
        OSCILLATOR: Price(
            float(chain.neuron.dc_power(current)) * time, f"R I^2 at the operating current, {during}", node, False
        ),
        NEURON_AMPLIFIER: Price(
            max(chain.amplifier_gain - 1, 0.0) * emitted / efficiency * time,
            f"power that the gain adds, over the amplifier's efficiency, {during}", node, False,
        ),
    }  # fmt: skip
    return {event: price for event, price in priced.items() if math.isfinite(price.joule)}


def remarks(chain: RfChain) -> tuple[str, ...]:
    """How long a reading is in settling times, and what other amplifiers would take."""
    time, settle = chain.reading_time or math.nan, chain.settling_time
    lasts = f"A reading of {time * 1e6:.3g} µs lasts {time / settle:.2g} settling times of the slowest resonator "
    lasts += f"({settle * 1e6:.2g} µs at {chain.band_low / 1e6:g} MHz)"
    if time < _SETTLED * settle:
        lasts += f"; voltages are taken as settled, which needs {_SETTLED} or more: raise read_time"
    each = _INTERFACE * time
    return (
        lasts + ".",
        f"A published interface amplifier of an oscillator takes 14.3 mW (65 nm CMOS, 12 dB, 8 to 16.5 GHz; "
        f"Solid-State Electron. 111, 91 (2015)): one behind every neuron would add {each * 1e9:.3g} nJ per neuron and "
        "reading.",
        "Tones reach every chain at their full power: the line's amplifier replaces what resonators absorb. The first "
        "layer's tones are paid for only beyond their source: antenna, front end or generator are not in the bill.",
    )
