"""Energy of radio-frequency networks: oscillators, resonators and amplifiers, each with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nanoneurons.core.energy import Counts, Price

if TYPE_CHECKING:
    from .rf_chain import RfChain

__all__ = ["layer_counts", "neuron_counts", "prices"]

_TYPICAL = 0.5  # share of a full input that an average tone carries


def layer_counts(chains: int, resonators: int) -> Counts:
    """One reading of a layer: every resonator absorbs, and an amplifier feeds the tones to all chains."""
    each = float(chains * resonators)
    return Counts({"resonator reading": each, "line amplifier, per resonator": each})


def neuron_counts(neurons: int) -> Counts:
    """One reading of a layer of oscillators and the amplifiers behind them."""
    return Counts({"oscillator reading": float(neurons), "neuron amplifier": float(neurons)})


def prices(chain: RfChain) -> dict[str, Price]:
    """Power times the time of a reading, of a laboratory device as its parameters say."""
    time = getattr(chain.device, "read_time", float("nan"))
    node = "laboratory device"
    current = torch.tensor(chain.neuron.default_current, dtype=torch.float64)
    oscillator = float(chain.neuron.dc_power(current))
    emitted = float(chain.neuron.emitted_power(current))
    tone = _TYPICAL * chain.full_power
    absorbed = chain.device.absorption * tone
    added = max(chain.amplifier_gain - 1, 0.0) * emitted / chain.amplifier_efficiency
    return {
        "resonator reading": Price(
            absorbed * time, "tone at half of the full power, share absorbed, read time", node, False
        ),
        "line amplifier, per resonator": Price(
            absorbed * (1 / chain.amplifier_efficiency - 1) * time,
            "what the line's amplifier wastes while it replaces the power absorbed", node, False,
        ),
        "oscillator reading": Price(oscillator * time, "R I^2 at the operating current, read time", node, False),
        "neuron amplifier": Price(added * time, "power added by the gain over the amplifier's efficiency", node, False),
        "tuning": Price(0.0, "not priced: a static field or current is needed per resonator, unknown", node, False),
    }  # fmt: skip
