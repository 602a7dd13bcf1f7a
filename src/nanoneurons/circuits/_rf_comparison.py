"""What a radio-frequency network is compared with: its junctions scaled down, and digital receivers with processors.

A receiver samples the band at twice its width for one frame, as long as it takes to tell the tones apart
(tones over band), and transforms the frame; then the network is computed. Where inputs are no radio signals,
only the arithmetic is to be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nanoneurons.core.energy import Comparison

__all__ = ["comparisons"]

_SYNAPSE, _NEURON = 10e-15, 100e-15  # J per operation
_MAC_INT8, _MAC_FLOAT, _LOAD = 0.3e-12, 4.6e-12, 5e-12  # J: multiply-and-add, 32 bit from a small cache
_MULTIPLY, _ADD = 3.7e-12, 0.9e-12  # J, 32-bit floating point
_SAMPLE_RESEARCH, _SAMPLE_CATALOGUE = 2.24e-12, 0.8e-9  # J per sample
_RADIO, _EMBEDDED, _SERVER = 4.5, 10.0, 300.0  # W
_SERVER_MAC = 38e-12  # J

_HOROWITZ = "Horowitz, ISSCC 2014, 45 nm"
_CONVERTER = "250 MS/s converter of 63.6 dB at 0.56 mW, VLSI 2022 C10-3, from Murmann's survey of 2025"
_CATALOGUE = "catalogue converter ADC3664, 200 mW typical, taken for two channels of 125 MS/s"


def comparisons(layers: Sequence[tuple[int, int]], bandwidth: float) -> tuple[Comparison, ...]:
    """Energies of one inference of dense layers by other means.

    Args:
        layers: outputs and inputs of each layer.
        bandwidth: Hz, from the lowest to the highest tone.
    """
    operations = sum(out * inputs for out, inputs in layers)
    neurons = sum(out for out, _ in layers[:-1])
    tones = layers[0][1]
    frame = tones / bandwidth
    butterflies = tones / 2 * math.log2(max(tones, 2))
    transform = butterflies * (4 * _MULTIPLY + 6 * _ADD)
    rough = butterflies * (4 * 0.2e-12 + 6 * 0.03e-12)
    samples = 2 * tones
    floating = operations * (_MAC_FLOAT + _LOAD)
    lasting = f"for one frame of {frame * 1e6:.3g} µs"
    return (
        Comparison(
            "this network with junctions of 20 nm (projection)",
            operations * _SYNAPSE + neurons * _NEURON,
            f"{operations:,} synaptic operations of 10 fJ and {neurons:,} neuronal ones of 100 fJ: talk of Ross et al. "
            "on Nat. Nanotech. 18, 1273 (2023), underline.io/lecture/63213. Nothing of that size was built; such "
            "junctions resonate at several GHz, and amplifiers are not said to be included",
            projection=True,
        ),
        Comparison(
            "arithmetic alone, 8-bit circuit", operations * _MAC_INT8,
            f"0.3 pJ per multiplication and addition, memory left out: {_HOROWITZ}, quoted by others", verified=False,
        ),
        Comparison(
            "arithmetic alone, 32-bit circuit", floating,
            f"4.6 pJ per multiplication and addition, 5 pJ to load a weight: {_HOROWITZ}",
        ),
        Comparison(
            "arithmetic alone, server GPU at its peak", operations * _SERVER_MAC,
            "38 pJ per multiplication and addition: Tesla V100, 300 W and 15.7 TFLOP/s as at its launch; a network "
            "this small never reaches the peak",
        ),
        Comparison(
            "receiver: research converter, 8-bit transform and network",
            samples * _SAMPLE_RESEARCH + rough + operations * _MAC_INT8,
            f"{samples} samples of 2.24 pJ ({_CONVERTER}), {tones}-point transform and network at 8 bit ({_HOROWITZ}); "
            "front end left out", verified=False,
        ),
        Comparison(
            "receiver: catalogue converter, 32-bit transform and network",
            samples * _SAMPLE_CATALOGUE + transform + floating,
            f"{samples} samples of 0.8 nJ ({_CATALOGUE}), transform and network at 32 bit ({_HOROWITZ}); front end "
            "left out", verified=False,
        ),
        Comparison(
            "receiver: software radio and embedded GPU", (_RADIO + _EMBEDDED) * frame,
            f"4.5 W of a radio fed by USB 3 and 10 W of a Jetson Nano, {lasting}, if they keep pace", verified=False,
        ),
        Comparison(
            "receiver: software radio and server GPU", (_RADIO + _SERVER) * frame,
            f"4.5 W of a radio fed by USB 3 and 300 W of a Tesla V100, {lasting}, if they keep pace", verified=False,
        ),
    )  # fmt: skip
