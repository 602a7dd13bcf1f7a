"""Power of the drone network, split by cause, and what a digital receiver takes for the same spectra.

The network's share comes from the powers that its simulation really meets; the digital side from prices in the
literature. One spectrum of 256 bins over a band of 100 MHz is a frame of 2.56 us.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nanoneurons.core.energy import Price

from ._network import CLASSES, HIDDEN, TONES

__all__ = ["FRAME", "NEURONS", "SYNAPSES", "System", "Term", "network_power", "projection", "reading_time", "systems"]

SYNAPSES = TONES * HIDDEN + HIDDEN * CLASSES
NEURONS = HIDDEN
BAND = 100e6  # Hz
FRAME = TONES / BAND
SAMPLES = 2 * TONES  # real samples of a frame

_TALK = "authors' talk abstract (underline.io, lecture 63213): junctions of 20 nm, a projection"
_HOROWITZ = "Horowitz, ISSCC 2014, 45 nm"
PRICES: Mapping[str, Price] = {
    "synapse": Price(10e-15, _TALK, "20 nm junctions, not built"),
    "neuron": Price(100e-15, _TALK, "20 nm junctions, not built"),
    "conversion": Price(2.24e-12, "250 MS/s, 63.6 dB, 0.56 mW: VLSI 2022 C10-3 in Murmann's ADC survey", "research"),
    "part": Price(0.8e-9, "ADC3664 data sheet, 200 mW for two channels of 125 MS/s", "product", verified=False),
    "int8 multiply-accumulate": Price(0.3e-12, f"{_HOROWITZ}: 0.2 pJ and 0.1 pJ", "45 nm", verified=False),
    "float32 multiply-accumulate": Price(4.6e-12, f"{_HOROWITZ}: 3.7 pJ and 0.9 pJ", "45 nm"),
    "byte of a weight": Price(1.25e-12, f"{_HOROWITZ}: 10 pJ for 64 bits of an 8 kB memory", "45 nm"),
}
_BUTTERFLIES = TONES // 2 * int(math.log2(TONES))  # 4 products and 6 sums each
_INT8_FFT = _BUTTERFLIES * (4 * 0.2e-12 + 6 * 0.03e-12)
_FLOAT_FFT = _BUTTERFLIES * (4 * 3.7e-12 + 6 * 0.9e-12)

RADIO = 4.5  # W, USRP B210 from a USB 3.0 port
JETSON, V100 = 10.0, 300.0  # W


@dataclass(frozen=True)
class Term:
    """One part of an energy: where it goes and in J per spectrum."""

    name: str
    joule: float


@dataclass(frozen=True)
class System:
    """A way to classify one spectrum.

    Attributes:
        kind: ``"network"`` for resonators and oscillators, ``"projection"`` of them, ``"digital"``.
        source: where its prices come from.
    """

    name: str
    kind: str
    terms: tuple[Term, ...]
    source: str

    @property
    def joule(self) -> float:
        """Energy per spectrum."""
        return sum(term.joule for term in self.terms)


def network_power(powers: Mapping[str, float], efficiency: float) -> dict[str, float]:
    """Power in W by cause, from the powers of a simulated network.

    Every chain gets the full power of the line, which an amplifier with `efficiency` replaces.
    """
    first = HIDDEN * powers["line_power"]
    second = CLASSES * HIDDEN * powers["emitted_power"]
    return {
        "oscillators": HIDDEN * powers["oscillator_power"],
        "synapses of layer 1": first,
        "synapses of layer 2": second,
        "amplifiers": (first + second) * (1 / efficiency - 1),
    }


def reading_time(lowest: float, damping: float, settling: float) -> float:
    """Time in s of a reading: so many times 1/(2 pi half linewidth) of the slowest resonator."""
    return settling / (2 * math.pi * damping * lowest)


def projection() -> float:
    """Energy in J of one inference at the authors' prices for scaled junctions."""
    return SYNAPSES * PRICES["synapse"].joule + NEURONS * PRICES["neuron"].joule


def systems(powers: Mapping[str, float], config: Any, lowest: float, damping: float) -> list[System]:
    """The network as simulated and as projected, and digital receivers, cheapest first."""
    split = network_power(powers, config.amplifier_efficiency)
    settled = reading_time(lowest, damping, config.settling)

    def simulated(name: str, time: float) -> System:
        return System(name, "network", tuple(Term(k, v * time) for k, v in split.items()), "this simulation")

    def asic(name: str, bits: str, size: int, fft: float) -> System:
        terms = (
            Term("conversion", SAMPLES * PRICES["conversion"].joule), Term("transform", fft),
            Term("arithmetic", SYNAPSES * PRICES[f"{bits} multiply-accumulate"].joule),
            Term("weights from memory", size * SYNAPSES * PRICES["byte of a weight"].joule),
        )  # fmt: skip
        return System(name, "digital", terms, "operations counted, prices of 45 nm; no control, no radio front end")

    def board(name: str, watt: float, source: str) -> System:
        terms = (Term("receiver", RADIO * FRAME), Term("processor", watt * FRAME))
        return System(name, "digital", terms, f"power times one frame: USB 3.0 port 4.5 W (unverified), {source}")

    scaled = (Term("synapses", SYNAPSES * PRICES["synapse"].joule), Term("neurons", NEURONS * PRICES["neuron"].joule))
    return [
        System("scaled junctions (projection)", "projection", scaled, _TALK),
        simulated("this network, 0.1 µs a reading", 1e-7),
        simulated(f"this network, settled ({settled * 1e6:.1f} µs)", settled),
        asic("8-bit circuit", "int8", 1, _INT8_FFT),
        asic("float32 circuit", "float32", 4, _FLOAT_FFT),
        board("software radio + Jetson Nano", JETSON, "Jetson Nano 10 W mode"),
        board("software radio + V100", V100, "V100 PCIe 300 W at launch"),
    ]
