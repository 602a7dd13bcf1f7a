"""The drone network, 256-128-10: tones, chains of resonators, oscillators, and what fabrication does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nanoneurons import devices
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices import ResonatorDevice
from nanoneurons.layers.spin_diode import RfLayer, SpinDiodeLinear
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation, VoltageReadout
from nanoneurons.networks.feedforward import FeedForward

__all__ = ["CLASSES", "HIDDEN", "IDEAL", "TONES", "Spreads", "build", "rf_layers", "share_positions", "tune_to_plan"]

TONES, HIDDEN, CLASSES = 256, 128, 10


@dataclass(frozen=True)
class Spreads:
    """Relative standard deviations from device to device, the three of the paper.

    Attributes:
        emission: frequency that an oscillator emits at.
        resonance: resonance of a junction of a chain.
        gain: power behind an oscillator.
    """

    emission: float = 0.0
    resonance: float = 0.0
    gain: float = 0.0

    @classmethod
    def of(cls, kind: str, level: float) -> Spreads:
        """One of the three alone, or ``all`` of them, at a level."""
        return cls(level, level, level) if kind == "all" else cls(**{kind: level})


IDEAL = Spreads()


def build(spreads: Spreads, tuning: float, seed: int, chips: int | None = None) -> FeedForward:
    """Network with the constants of the authors' program; the first layer has equal distances, the second equal ratios.

    Noise and every other spread of the devices are off, as there. The power behind an oscillator is proportional to
    the square of its voltage, so half of the spread of the gain is that of the voltage.
    """
    diode = devices.get("spin-diode").ideal().replace(resonance_spread=spreads.resonance, tuning=tuning)
    neuron = devices.get("spin-torque-oscillator:rf-neuron").ideal()
    neuron = neuron.replace(frequency_spread=spreads.emission, voltage_spread=spreads.gain / 2)
    assert isinstance(diode, ResonatorDevice)
    values: dict[str, Any] = {"device": diode, "neuron": neuron}
    first, second = RfChain(**values, plan="linear"), RfChain(**values, plan="geometric")
    draw = generator_for(seed, "drone network")
    seeds = [int(torch.randint(2**31, (), generator=draw)) for _ in range(2)]
    return FeedForward(
        PowerInput(first.full_power),
        SpinDiodeLinear(TONES, HIDDEN, circuit=first, chips=chips, seed=seeds[0]),
        SpinTorqueActivation(HIDDEN, circuit=first, chips=chips),
        SpinDiodeLinear(HIDDEN, CLASSES, circuit=second, chips=chips, seed=seeds[1], sources="oscillators"),
        VoltageReadout(second.readout_scale),
    )


def rf_layers(network: FeedForward) -> list[RfLayer]:
    """Layers of resonators."""
    return [layer for layer in network.device_layers if isinstance(layer, RfLayer)]


@torch.no_grad()
def share_positions(network: FeedForward) -> None:
    """Give the resonators at one position of all chains of a layer one deviation, as the authors' program does."""
    for layer in rf_layers(network):
        own = layer.state["deviation"]
        layer._store({"deviation": own[..., :1, :].expand_as(own).clone()})  # type: ignore[reportPrivateUsage]


@torch.no_grad()
def tune_to_plan(network: FeedForward, source: FeedForward, generator: torch.Generator) -> None:
    """Write a software network into fabricated chips whose frequencies were measured.

    Every resonance is tuned until it stands where the software network wants it relative to its own tone as it is
    really emitted, as far as the tuning range reaches.
    """
    for mine, wanted in zip(rf_layers(network), rf_layers(source), strict=True):
        state = mine.state
        ratio = (state["tones"] / mine.tones).unsqueeze(-2)  # emitted over planned, of each resonator's own tone
        target = wanted.resonance * ratio - state["nominal"] * state["deviation"]
        mine.program(target.to(state["nominal"]), generator)
        if mine.bias is not None and wanted.bias is not None:
            mine.bias.copy_(wanted.bias)
