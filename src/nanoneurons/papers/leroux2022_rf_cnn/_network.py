"""The networks: kernels of resonators between layers of oscillators, and the same in software."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons import devices
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices import OscillatorDevice
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.analog import AnalogConv2d, AnalogLinear
from nanoneurons.layers.chipwise import EachChip, FlattenInput
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation, VoltageReadout
from nanoneurons.networks import FeedForward

__all__ = ["LAYOUTS", "Design", "assemble", "counts", "free_weights", "scales_of", "software"]

LAYOUTS: dict[
    str, tuple[Literal["sequential", "parallel"], Literal["all", "field"]]
] = {  # layout and what a chain hears
    "sequential": ("sequential", "all"),
    "parallel-line": ("parallel", "all"),
    "parallel-field": ("parallel", "field"),
}
IMAGE, CLASSES, POOL = (28, 28), 10, 2
_START = 1.43  # initial spread of a resonance in half linewidths times the root of the resonators, as Ross et al. 2023

_ANY = 1e-2  # V; a scale where none is known yet
_READING = 1e-6  # s; six settling times at 1 GHz and a damping of 0.001


@dataclass(frozen=True)
class Design:
    """What all networks of a run share.

    Attributes:
        channels: channels of each convolution.
        kernel: rows and columns of its kernel.
        damping: half linewidth over resonance.
        band: lowest and highest tone in Hz, of every layer.
        span: clamp of the oscillators, in standard deviations of their voltages before training.
        shift: pixels that training images are moved by at most.
        pool: ``"largest"`` of 2 by 2 voltages, or their ``"mean"``.
        gain: gain of power behind an oscillator.
    """

    channels: tuple[int, ...]
    kernel: int
    damping: float
    band: tuple[float, float]
    span: float
    shift: int
    pool: str
    gain: float

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of the input of every convolution, and of the last feature map."""
        found = [IMAGE]
        for _ in self.channels:
            height, width = ((n - self.kernel + 1) // POOL for n in found[-1])
            found.append((height, width))
        return found

    @property
    def features(self) -> int:
        """Inputs of the dense layer."""
        return self.channels[-1] * math.prod(self.sizes()[-1])

    def pooling(self) -> nn.Module:
        """Pooling of the voltages of 2 by 2 positions."""
        return EachChip(nn.MaxPool2d(POOL) if self.pool == "largest" else nn.AvgPool2d(POOL), 3)

    def chain(self, scale: float, spread: float | None = None) -> RfChain:
        """Circuit of a layer whose oscillators see voltages of standard deviation `scale` in V.

        An oscillator starts at 0 V and stays at its clamp from `span` standard deviations on. Without `spread`
        devices are ideal; with it, resonances and tones deviate by so many half linewidths.
        """
        diode, neuron = SpinDiode(damping=self.damping, read_time=_READING), _neuron()
        if spread is None:
            diode, neuron = diode.ideal(), neuron.ideal()
        else:
            diode = dataclasses.replace(diode, resonance_spread=spread * self.damping)
            neuron = dataclasses.replace(neuron, frequency_spread=spread * self.damping)
        assert isinstance(diode, SpinDiode) and isinstance(neuron, OscillatorDevice)
        threshold, clamp = neuron.threshold_current(), neuron.current_range()[1]
        slope = (clamp - threshold) / (self.span * scale)
        return RfChain(
            diode, neuron, band_low=self.band[0], band_high=self.band[1], initial_shift=_START * self.damping,
            initial_bias=0.0, transconductance=slope, bias_voltage=threshold / slope, readout_scale=1 / scale,
            amplifier_gain=self.gain,
        )  # fmt: skip


def _neuron() -> OscillatorDevice:
    made = devices.get("spin-torque-oscillator:rf-neuron")
    assert isinstance(made, OscillatorDevice)
    return made


def assemble(
    design: Design,
    layout: str,
    scales: Sequence[float],
    seed: int,
    chips: int | None = None,
    spread: float | None = None,
) -> FeedForward:
    """Convolutions, pooling of 2 by 2 voltages, oscillators, and a dense read-out.

    Args:
        scales: standard deviation in V of the voltages of every layer before training, which sets its oscillators.
        spread: of resonances and tones, in half linewidths; None for ideal devices.
    """
    placed, listening = LAYOUTS[layout]
    sizes = design.sizes()
    fed: Literal["generator", "oscillators"] = "generator"
    modules: list[nn.Module] = [RandomShift(design.shift, seed), PowerInput(design.chain(_ANY).full_power)]
    for index, (before, features) in enumerate(_channels(design)):
        circuit = design.chain(scales[index], spread)
        modules += [
            SpinDiodeConv2d(
                before, features, design.kernel, circuit=circuit, chips=chips, seed=_seed(seed, index),
                layout=placed, listening=listening, image=sizes[index], sources=fed,
            ),
            design.pooling(),
            SpinTorqueActivation(
                (features, *sizes[index + 1]), circuit=circuit, chips=chips,
                shared=layout == "sequential" and index + 1 < len(design.channels),
            ),
        ]  # fmt: skip
        fed = "oscillators"
    circuit = design.chain(scales[-1], spread)
    last = SpinDiodeLinear(design.features, CLASSES, circuit=circuit, chips=chips, seed=_seed(seed, -1), sources=fed)
    return FeedForward(*modules, FlattenInput(3), last, VoltageReadout(circuit.readout_scale))


class RandomShift(nn.Module):
    """In training, move every image by up to so many pixels each way, with nothing coming in; no physics.

    Args:
        pixels: largest shift.
        seed: seed of the shifts.
    """

    def __init__(self, pixels: int, seed: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.generator = generator_for(seed, "shifts")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images ``(batch, channels, h, w)``, the same shape."""
        if not (self.training and self.pixels):
            return x
        every = F.pad(x, (self.pixels,) * 4).unfold(2, x.shape[2], 1).unfold(3, x.shape[3], 1)
        y, x_ = torch.randint(2 * self.pixels + 1, (2, len(x)), generator=self.generator)
        return every[torch.arange(len(x)), :, y, x_]


def _seed(seed: int, index: int) -> int:
    return 1000 * seed + index + 1


@torch.no_grad()
def scales_of(design: Design, build: Callable[[Sequence[float]], FeedForward], images: torch.Tensor) -> list[float]:
    """Standard deviation in V of what the oscillators of every layer, and the read-out, see before training.

    Args:
        build: network for given scales.
    """
    scales = [_ANY] * (len(design.channels) + 1)
    for index in range(len(scales)):
        network = build(scales).eval()
        ends = [n for n, m in enumerate(network) if isinstance(m, SpinTorqueActivation | VoltageReadout)]
        scales[index] = float(network[: ends[index]](images).std())  # type: ignore[operator]
    return scales


def software(design: Design, seed: int) -> FeedForward:
    """The same sizes with free weights and rectified linear units."""
    modules: list[nn.Module] = [RandomShift(design.shift, seed)]
    for index, (before, features) in enumerate(_channels(design)):
        layer = AnalogConv2d(before, features, design.kernel, seed=_seed(seed, index))
        modules += [layer, design.pooling(), nn.ReLU()]
    return FeedForward(*modules, FlattenInput(3), AnalogLinear(design.features, CLASSES, seed=_seed(seed, -1)))


class _Detected(nn.Module):
    """Powers in W become the largest voltage in V that a nominal diode makes of them."""

    def __init__(self, circuit: RfChain) -> None:
        super().__init__()
        self.sensitivity = circuit.device.nominal_sensitivity

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        return power * self.sensitivity


def free_weights(design: Design, scales: Sequence[float], seed: int) -> FeedForward:
    """The same oscillators between free weights of any size: what the resonators' weights cost."""
    circuit = design.chain(_ANY)
    modules: list[nn.Module] = [RandomShift(design.shift, seed), PowerInput(circuit.full_power)]
    for index, (before, features) in enumerate(_channels(design)):
        layer = AnalogConv2d(before, features, design.kernel, seed=_seed(seed, index))
        size = design.sizes()[index + 1]
        neurons = SpinTorqueActivation((features, *size), circuit=design.chain(scales[index]))
        modules += [_Detected(circuit), layer, design.pooling(), neurons]
    last = AnalogLinear(design.features, CLASSES, seed=_seed(seed, -1))
    return FeedForward(*modules, FlattenInput(3), _Detected(circuit), last, VoltageReadout(1 / scales[-1]))


def _channels(design: Design) -> list[tuple[int, int]]:
    """Channels before and after every convolution."""
    return list(itertools.pairwise((1, *design.channels)))


def counts(network: FeedForward, layout: str) -> dict[str, float]:
    """Devices, tones and time of a network: one image, each reading of chains takes the read time of the diodes."""
    resonators = oscillators = readings = turns = 0
    tones: list[int] = []
    time = 0.0
    for module in network:
        if isinstance(module, SpinTorqueActivation):
            oscillators += module.shape[0] if module.shared else module.features
        if isinstance(module, SpinDiodeConv2d | SpinDiodeLinear):
            read = int(module.counts().events["holding a tuned resonance"])
            held = module.resonance.numel() if isinstance(module, SpinDiodeLinear) or layout == "sequential" else read
            resonators += held
            readings += read
            turns += read // held
            tones.append(len(module.tones))
            time = module.chain.reading_time or math.nan
    return {
        "resonators": resonators, "oscillators": oscillators, "readings": readings, "turns": turns,
        "most tones": max(tones), "time": turns * time,
    }  # fmt: skip
