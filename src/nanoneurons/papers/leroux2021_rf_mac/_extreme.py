r"""Noisy images sent as powers of 64 tones, a hidden layer of chains and oscillators as fabricated, a linear read-out.

The weights of the hidden layer are the spread of fabrication: every resonance is designed to stand on its own tone,
where an ideal chain answers nothing, and scatters around it. Software networks of the same size have Gaussian weights
and biases: one with the rectifier that the group compares networks of these oscillators with, one with tanh. The scale
of the inputs (power of a full pixel, or gain of the weights) is chosen for all in the same way, on a fifth of the
training images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nanoneurons import learning, networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import draw_key, generator_for, normal
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.learning.extreme_learning import ExtremeLearning

from ._perceptron import split

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["KINDS", "cases", "classify", "noisy"]

KINDS = ("devices", "relu", "tanh", "linear")
_PIXELS, _CLASSES = 64, 10
_CENTRE = 0.3  # mean grey level of the digits, taken away before the software network's weights


def cases(config: Config) -> list[str]:
    """Noise and hidden size of every case, ``noise/size``, the main one first."""
    main = (config.image_noise, config.hidden)
    swept = [(config.image_noise, n) for n in config.sweep_hidden] + [(s, config.hidden) for s in config.sweep_noise]
    return [f"{noise:g}/{size}" for noise, size in dict.fromkeys([main, *swept])]


def noisy(x: torch.Tensor, level: float, generator: torch.Generator) -> torch.Tensor:
    """Images with Gaussian noise on every pixel, clipped to what can be sent, 0 to 1."""
    return (x + level * normal(draw_key(generator), tuple(x.shape))).clamp_(0, 1)


def classify(config: Config, case: str, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Accuracy in percent on held-out noisy images of chips and software networks, and of a read-out of the pixels."""
    level, size = float(case.split("/")[0]), int(case.split("/")[1])
    x, y, x_held, y_held = split(seed)
    x, x_held = (noisy(part, level, generator_for(seed, "noise", k)) for k, part in enumerate((x, x_held)))
    rule = ExtremeLearning()
    check = torch.randperm(len(x), generator=generator_for(seed, "scale")) < len(x) // 5
    answer: dict[str, Any] = {}
    for kind in KINDS:
        scales = {"devices": config.full_powers, "linear": (1.0,)}.get(kind, config.gains)
        progress(KINDS.index(kind) / len(KINDS), f"{kind}, {size} hidden, noise {level:g}, seed {seed}")

        def trained(kind: str, scale: float, rows: torch.Tensor) -> networks.FeedForward:
            network = _hidden(config, kind, size, scale, seed)
            return rule.train(network, x[rows], y[rows], _CLASSES, seed)

        found = [float(learning.accuracy(trained(kind, s, ~check), x[check], y[check]).mean()) for s in scales]
        best = scales[found.index(max(found))]
        network = trained(kind, best, torch.ones(len(x), dtype=torch.bool))
        accuracy = [100 * learning.accuracy(network, *part) for part in ((x, y), (x_held, y_held))]
        answer[kind] = {"train": accuracy[0].tolist(), "held_out": accuracy[1].tolist(), "scale": best}
    return answer


def _hidden(config: Config, kind: str, size: int, scale: float, seed: int) -> networks.FeedForward:
    """Network whose last layer only marks where the read-out will stand."""
    if kind == "devices":
        circuit = RfChain(
            SpinDiode(damping=config.damping, resonance_spread=config.resonance_spread), band_low=config.band_low,
            band_high=config.band_high, full_power=scale, initial_shift=0.0, bias_voltage=config.neuron_bias,
        )  # fmt: skip
        network = networks.build(
            f"{_PIXELS}-{size}-{_CLASSES}", kind="rf", circuit=circuit, chips=config.chips, shape=(_PIXELS,),
            classes=_CLASSES, seed=seed,
        )  # fmt: skip
        network.fabricate(generator_for(seed, "fabricated"))
        return network
    if kind == "linear":
        size = _PIXELS
    chips = None if kind == "linear" else config.chips
    first = AnalogLinear(_PIXELS, size, chips=chips)
    draw = generator_for(seed, "software")
    with torch.no_grad():
        if kind == "linear":
            first.weight.copy_(torch.eye(_PIXELS))
        else:
            assert first.bias is not None
            first.weight.copy_(normal(draw_key(draw), tuple(first.weight.shape)) * (scale / _PIXELS**0.5))
            bias = normal(draw_key(draw), tuple(first.bias.shape)) * (0.5 * scale)
            first.bias.copy_(bias - _CENTRE * first.weight.sum(-1))
    activation = {"linear": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}[kind]
    return networks.FeedForward(first, activation(), AnalogLinear(size, _CLASSES, chips=chips))
