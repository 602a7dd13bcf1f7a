"""Nine junctions in two layers tell regions of the plane of two powers apart; how they are wired is our assumption.

Two tones feed two chains of two resonators; their voltages drive two oscillators, which feed a chain of two resonators,
whose voltage drives the ninth junction. The answer is whether that one emits more than half of its largest power.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from nanoneurons import devices, learning
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices import OscillatorDevice, ResonatorDevice
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation
from nanoneurons.learning.backpropagation import Backpropagation
from nanoneurons.learning.physics_aware import PhysicsAware
from nanoneurons.networks.feedforward import FeedForward

from ._network import rf_layers, tune_to_plan

__all__ = ["best_half_plane", "build", "junctions", "points", "run", "wanted"]

TONES = HIDDEN = 2
_BIAS = 4e-3  # V, spread of biases at the start: a third of the way from threshold to clamp


def wanted(x: torch.Tensor, half_width: float) -> torch.Tensor:
    """Class of points ``(samples, 2)``: 1 where the two powers differ by less than `half_width` of the full power."""
    return ((x[:, 0] - x[:, 1]).abs() < half_width).long()


def points(count: int, config: Any, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Powers over the full power as they arrive, ``(count, 2)``, and the classes of the powers that were meant."""
    x = torch.rand(count, 2, generator=generator)
    y = wanted(x, config.plane_half_width)
    return x * (1 + config.plane_noise * torch.randn(x.shape, generator=generator)).clamp_min(0), y


class _Answer(nn.Module):
    """Logits of two classes from the power of the last oscillator."""

    def __init__(self, middle: float) -> None:
        super().__init__()
        self.middle = middle

    def forward(self, power: torch.Tensor) -> torch.Tensor:
        """``(..., 1)`` in W becomes ``(..., 2)``."""
        z = 5 * (power / self.middle - 1)
        return torch.cat([-z, z], -1)


def build(config: Any, hidden: bool, seed: int, chips: int, ideal: bool = False) -> FeedForward:
    """Nine junctions, or with no hidden layer three: two resonators and an oscillator."""
    diode, neuron = devices.get("spin-diode"), devices.get("spin-torque-oscillator:rf-neuron", **_SPREADS)
    if ideal:
        diode, neuron = diode.ideal(), neuron.ideal()
    assert isinstance(diode, ResonatorDevice) and isinstance(neuron, OscillatorDevice)
    circuit = RfChain(
        device=diode,
        neuron=neuron,
        band_low=config.plane_tones[0],
        band_high=config.plane_tones[1],
    )
    clamp = torch.tensor(circuit.neuron.current_range()[1])
    answer = _Answer(0.5 * circuit.amplifier_gain * float(circuit.neuron.emitted_power(clamp)))
    common: dict[str, Any] = {"circuit": circuit, "chips": chips}
    modules: list[nn.Module] = [PowerInput(circuit.full_power)]
    if hidden:
        modules += [
            SpinDiodeLinear(TONES, HIDDEN, seed=seed, **common),
            SpinTorqueActivation(HIDDEN, **common),
            SpinDiodeLinear(HIDDEN, 1, seed=seed + 1, sources="oscillators", **common),
        ]
    else:
        modules.append(SpinDiodeLinear(TONES, 1, seed=seed, **common))
    return FeedForward(*modules, SpinTorqueActivation(1, **common), answer)


_SPREADS = {"frequency_spread": 0.01, "threshold_spread": 0.03, "voltage_spread": 0.05}  # those of other oscillators


def junctions(network: FeedForward) -> int:
    """Magnetic tunnel junctions of one chip."""
    return sum(
        m.features if isinstance(m, SpinTorqueActivation) else int(np.prod(m.weight.shape[-2:]))  # type: ignore[union-attr]
        for m in network.device_modules
    )


def best_half_plane(x: torch.Tensor, y: torch.Tensor, angles: int = 360) -> float:
    """Largest share of points that a straight line sorts rightly, over `angles` directions and every threshold."""
    best, n = 0.0, len(y)
    for angle in np.arange(angles) * (2 * np.pi / angles):
        order = torch.argsort(x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle))
        above = torch.cat([torch.zeros(1), y[order].float().cumsum(0)])  # ones among the first k
        rightly = (torch.arange(n + 1) - above) + (y.sum() - above)  # zeros before, ones behind
        best = max(best, float(rightly.max()) / n)
    return best


def _scatter(network: FeedForward, seed: int) -> None:
    """A start of its own for every chip: resonances within a linewidth of their tones, biases of some millivolts."""
    draw = generator_for(seed, "starts")
    with torch.no_grad():
        for layer in rf_layers(network):
            step = torch.randn(layer.resonance.shape, generator=draw) * layer.chain.device.nominal_damping
            layer.resonance.copy_(layer.centres * (1 + 0.5 * step))
            assert layer.bias is not None
            layer.bias.copy_(_BIAS * torch.randn(layer.bias.shape, generator=draw))


def run(config: Any, hidden: bool, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train in software from several starts, write the best to chips, train the chips, test them on new points."""
    draw = generator_for(seed, "plane")
    x, y = points(config.plane_samples, config, draw)
    x_test, y_test = points(config.plane_test_samples, config, draw)
    name = "nine junctions" if hidden else "three junctions"
    software = build(config, hidden, seed, config.plane_starts, ideal=True)
    _scatter(software, seed)
    learning.fit(
        software, Backpropagation(lr=config.plane_lr, digital_lr=config.plane_bias_lr), x, y,
        epochs=config.plane_epochs, batch=50, seed=seed, progress=lambda share, _: progress(0.5 * share, name),
    )  # fmt: skip
    trained = learning.accuracy(software, x, y)
    best = int(trained.argmax())
    chosen = build(config, hidden, seed, config.plane_chips, ideal=True)
    with torch.no_grad():
        for mine, theirs in zip(rf_layers(chosen), rf_layers(software), strict=True):
            mine.resonance.copy_(theirs.resonance[best].expand_as(mine.resonance))
            assert mine.bias is not None and theirs.bias is not None
            mine.bias.copy_(theirs.bias[best].expand_as(mine.bias))
    chips, generator = build(config, hidden, seed, config.plane_chips), generator_for(seed, "plane chips")
    chips.fabricate(generator)
    tune_to_plan(chips, chosen, generator)
    written = learning.accuracy(chips, x_test, y_test)
    rule = PhysicsAware(lr=config.plane_lr, digital_lr=config.plane_bias_lr, twin="calibrated")
    learning.fit(
        chips, rule, x, y, epochs=config.plane_epochs, batch=50, seed=seed,
        progress=lambda share, _: progress(0.5 + 0.5 * share, name + ", chips"),
    )  # fmt: skip
    return {
        "junctions": junctions(chips),
        "starts": trained.tolist(),
        "software": float(learning.accuracy(chosen, x_test, y_test)[0]),
        "written": written.tolist(),
        "test": learning.accuracy(chips, x_test, y_test).tolist(),
        "limit": float((wanted(x_test, config.plane_half_width) == y_test).double().mean()),
        "half_plane": best_half_plane(x_test, y_test),
        "map": _map(chips, config.plane_grid),
        "points": torch.cat([x_test[:200], y_test[:200, None].float()], 1).tolist(),
    }


@torch.no_grad()
def _map(chips: FeedForward, side: int) -> list[list[float]]:
    """Power of the last oscillator of the first chip over its largest, by second input (rows) and first."""
    line = torch.linspace(0, 1, side)
    second, first = torch.meshgrid(line, line, indexing="ij")
    logits = chips(torch.stack([first.flatten(), second.flatten()], 1))[0]
    return (0.5 + logits[:, 1] / 10).reshape(side, side).tolist()
