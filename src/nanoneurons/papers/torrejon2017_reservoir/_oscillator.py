"""The oscillator of the reproduction and the reservoir made of it, from the configuration."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from nanoneurons.core.errors import StudyError, nearest
from nanoneurons.core.random import generator_for
from nanoneurons.networks.nodes import AmplitudeNode, Node, RelaxingNode
from nanoneurons.networks.reservoir import TimeMultiplexedReservoir, draw_mask
from nanoneurons.physics import relaxation

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["LAWS", "oscillator", "reservoir", "rest_amplitude"]

LAWS = ("fit", "auto-oscillator")


def rest_amplitude(config: Config) -> float:
    """Amplitude in V at the direct current, the unit in which noise levels are given."""
    return config.scale * math.sqrt(config.direct_current - config.threshold)


def oscillator(config: Config, law: str = "fit", noise: float = 0.0) -> Node:
    """The junction: its amplitude law, and amplitude noise relative to the amplitude at the direct current."""
    if law not in LAWS:
        raise StudyError(f"law {law!r} is unknown{nearest(law, LAWS)}; use one of {', '.join(LAWS)}")
    rest = rest_amplitude(config)
    if law == "fit":
        fit = partial(relaxation.amplitude_fit, threshold=config.threshold, scale=config.scale)
        return RelaxingNode(fit, config.time_constant, noise * rest, config.breakdown)
    z = config.direct_current / config.threshold
    rate = relaxation.damping_rate(config.time_constant, z)
    scale = rest / math.sqrt((z - 1) / (z + config.damping))  # the same amplitude at rest, so noise means the same
    return AmplitudeNode(config.threshold, config.damping, rate, scale, noise * rest, config.breakdown)


def reservoir(
    config: Config, channels: int, nodes: int, seed: int, *, noisy: bool = False, law: str = "fit"
) -> TimeMultiplexedReservoir:
    """The reservoir with the mask of a seed; noise as configured, or none."""
    return TimeMultiplexedReservoir(
        oscillator(config, law, config.amplitude_noise if noisy else 0.0),
        draw_mask(channels, nodes, generator_for(seed, "mask", channels, nodes)),
        node_time=config.node_time,
        direct_current=config.direct_current,
        swing=config.swing,
        read_noise=config.read_noise * rest_amplitude(config) if noisy else 0.0,
    )
