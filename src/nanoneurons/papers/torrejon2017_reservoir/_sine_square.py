"""Sine or square? Periods of 8 samples in random order, each to be named from the oscillator's amplitude.

A sine starts at phase 0, so both waves contain -1 and +1 and one sample alone cannot tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from nanoneurons import data
from nanoneurons.core.random import generator_for
from nanoneurons.networks.readout import pseudo_inverse

from ._oscillator import oscillator, reservoir

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["CONDITIONS", "SAMPLES", "discriminate"]

SAMPLES = 8
# law of the oscillator, whether noise is on
CONDITIONS: dict[str, tuple[str, bool]] = {
    "fit": ("fit", False),
    "fit-noisy": ("fit", True),
    "auto-oscillator": ("auto-oscillator", False),
    "auto-oscillator-noisy": ("auto-oscillator", True),
}
_SHOWN = 12  # periods kept for the figure


def discriminate(config: Config, seed: int) -> dict[str, Any]:
    """Train on the first half of the periods, test on the second; by condition.

    Returns per condition the percentage of periods (mean output over 8 samples against 1/2) and of samples
    (each output against 1/2) that are right, the r.m.s. deviation of outputs from targets, and a piece of the trace.
    """
    half = config.periods // 2
    series = data.load_series("sine-square", seed=seed, train_periods=half, test_periods=half, samples=SAMPLES)
    values, target, half = series.inputs, series.targets, series.train
    found: dict[str, Any] = {}
    for name, (law, noisy) in CONDITIONS.items():
        network = reservoir(config, 1, config.sine_nodes, seed, oscillator(law))
        states = network.states(values, generator_for(seed, "sine-square", name) if noisy else None)
        assert isinstance(states, torch.Tensor)
        readout = pseudo_inverse(states[:half], target[:half])
        found[name] = _scores(readout(states[half:])[:, 0], target[half:, 0])
        found[name]["input"] = values[half : half + _SHOWN * SAMPLES, 0].tolist()
        found[name]["amplitude"] = states[half : half + 2 * SAMPLES].flatten().tolist() if name == "fit" else []
    linear = pseudo_inverse(values[:half], target[:half])
    found["without"] = _scores(linear(values[half:])[:, 0], target[half:, 0])
    return found


def _scores(output: torch.Tensor, target: torch.Tensor) -> dict[str, Any]:
    period, wanted = output.reshape(-1, SAMPLES).mean(1), target[::SAMPLES]
    shown = _SHOWN * SAMPLES
    return {
        "periods": 100 * float(((period > 0.5) == (wanted > 0.5)).double().mean()),
        "samples": 100 * float(((output > 0.5) == (target > 0.5)).double().mean()),
        "rms": 100 * float((output - target).square().mean().sqrt()),
        "output": [round(v, 4) for v in output[:shown].tolist()],
        "target": target[:shown].tolist(),
    }
