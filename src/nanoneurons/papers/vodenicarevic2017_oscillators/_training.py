"""What both demonstrations share: random starts, training in stages of narrowing choice, unit of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from nanoneurons.learning.ode_gradient import OdeGradient, pattern_distance
from nanoneurons.networks.phase_network import PhaseNetwork

__all__ = ["Stage", "freeze", "numbers", "restored", "scatter", "train"]


@dataclass(frozen=True)
class Stage:
    """One stage of training: then `keep` restarts per task go on, those with the smallest training loss.

    Short windows come first: the slower the slip that a window can tell from locking, the rougher the loss.
    """

    epochs: int
    batch: int
    settle: float
    window: float
    lr: float
    keep: int


@torch.no_grad()
def scatter(network: PhaseNetwork, widths: Mapping[str, float], generator: torch.Generator) -> None:
    """Random starts: a normal error of the given width (units of the network) on each named parameter."""
    for name, width in widths.items():
        values = getattr(network, name)
        values += width * torch.randn(values.shape, generator=generator, dtype=torch.float64)


def freeze(network: PhaseNetwork, trained: Sequence[str] | None) -> PhaseNetwork:
    """Leave only the named parameters to training; None: all."""
    for name, values in network.named_parameters():
        values.requires_grad_(trained is None or name in trained)
    return network


def train(
    network: PhaseNetwork,
    x: torch.Tensor,
    wanted: torch.Tensor,
    codes: torch.Tensor,
    stages: Sequence[Stage],
    generator: torch.Generator,
    progress: Callable[[float], None],
    trained: Sequence[str] | None = None,
    jitter: float = 0.0,
) -> PhaseNetwork:
    """Train restarts of several tasks side by side and keep the best of each by training loss.

    Args:
        network: ``tasks * restarts`` copies, restarts innermost.
        x: features ``(tasks, samples, features)``.
        wanted: which code each sample wants, int64 ``(tasks, samples)``.
        codes: patterns, bool ``(codes, pairs)``.
        trained: names of the parameters to train; None for all.
        jitter: standard deviation of normal noise on the features in training, drawn anew in every batch: a margin
            against the few flowers on the other side of a border.

    Returns:
        One copy per task, or as many as the last stage keeps.
    """
    tasks, samples = wanted.shape
    total = sum(stage.epochs for stage in stages)
    done = 0
    for stage in stages:
        freeze(network, trained)
        rows = torch.arange(tasks).repeat_interleave(network.copies // tasks)
        features, labels = x[rows], wanted[rows]

        def loss(
            chosen: torch.Tensor,
            network: PhaseNetwork = network,
            features: torch.Tensor = features,
            labels: torch.Tensor = labels,
            window: float = stage.window,
            settle: float = stage.settle,
        ) -> torch.Tensor:
            seen = features[:, chosen]
            if jitter:
                seen = seen + jitter * torch.randn(seen.shape, generator=generator, dtype=seen.dtype)
            found = network(seen, settle=settle, window=window, generator=generator, checkpoint=0)
            distance = pattern_distance(found, codes)
            return distance.gather(-1, labels[:, chosen, None]).mean((1, 2))

        rule = OdeGradient(lr=stage.lr)
        rule.fit(
            network, loss, samples, epochs=stage.epochs, batch=stage.batch, generator=generator,
            progress=lambda share, done=done, epochs=stage.epochs: progress((done + share * epochs) / total),
        )  # fmt: skip
        done += stage.epochs
        with torch.no_grad():
            last = loss(torch.arange(samples)).reshape(tasks, -1)
        best = last.topk(min(stage.keep, last.shape[1]), largest=False).indices
        network = network.select((best + last.shape[1] * torch.arange(tasks)[:, None]).reshape(-1))
    return network


def numbers(network: PhaseNetwork) -> dict[str, list]:
    """Parameters of a network as plain numbers, to be stored with the results."""
    return {name: value.tolist() for name, value in network.state_dict().items()}


def restored(network: PhaseNetwork, stored: Mapping[str, list]) -> PhaseNetwork:
    """Fill `network` with stored parameters."""
    network.load_state_dict({name: torch.tensor(value, dtype=torch.float64) for name, value in stored.items()})
    return network
