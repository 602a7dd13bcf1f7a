"""The loop around a rule: mini-batches in, accuracy out, the same for every rule and network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from nanoneurons.core.errors import DivergedError
from nanoneurons.core.random import generator_for

from ._rule import LayerRule, RuleState

__all__ = ["DivergedError", "accuracy", "fit"]


def fit(
    network: nn.Module,
    rule: LayerRule,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    epochs: int,
    batch: int,
    seed: int | Sequence[int],
    progress: Callable[[float, str], None] | None = None,
    after_epoch: Callable[[int, dict], None] | None = None,
    prepare: Callable[[RuleState], None] | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> list[dict]:
    """Train a network, all its chips at once, by a rule; cross-entropy loss, where the rule has no cost of its own.

    Every chip sees the same mini-batches, in an order that belongs to `seed` and the epoch. The loss is
    summed over chips, so that each chip learns exactly as it would alone. With one seed per chip, every chip sees
    the mini-batches of its own seed and draws its own random numbers: so many runs side by side, each the same as
    alone up to rounding (rules of equilibrium propagation on software networks only).

    Args:
        x: inputs ``(samples, *shape)``.
        y: labels ``(samples,)``, int64.
        progress: called as ``progress(fraction, text)``.
        after_epoch: called with the number of the epoch (from 1) and its record, which it may extend.
        prepare: called once with the state of the rule, to change what a rule's parameters cannot say (rates of single
            layers).
        transform: applied to the inputs of every mini-batch, such as random shifts of images.

    Returns:
        One record per epoch: ``epoch``, ``loss`` (mean over batches and chips), and what the rule measured.

    Raises:
        DivergedError: the loss, or a state of a network that relaxes, became NaN or infinite.
        ParameterError: inputs that a network which checks them refuses.
    """
    check = getattr(network, "check_input", None)
    if check is not None:
        check(x)
    steps = max(1, -(-len(x) // batch))
    seeds = [seed] if isinstance(seed, int) else list(seed)
    state = rule.start(network, steps, epochs)
    if prepare is not None:
        prepare(state)
    noise = [generator_for(s, "rule") for s in seeds]
    if not isinstance(seed, int):
        state.together(noise)
        x = x.flatten(1)
    history: list[dict] = []
    for epoch in range(1, epochs + 1):
        network.train()
        orders = [torch.randperm(len(x), generator=generator_for(s, "order", epoch)) for s in seeds]
        order = (orders[0] if isinstance(seed, int) else torch.stack(orders)).to(x.device)
        total = torch.zeros((), device=x.device)
        for step in range(steps):
            chosen = order[..., step * batch : (step + 1) * batch]
            if chosen.shape[-1] < 2 and steps > 1:
                continue  # one left-over sample has no batch statistics
            inputs = x[chosen] if transform is None else transform(x[chosen])
            total += state.learn(inputs, y[chosen], noise[0], chosen)
            if progress is not None and (step % 16 == 0 or step == steps - 1):
                progress((epoch - 1 + (step + 1) / steps) / epochs, f"epoch {epoch}/{epochs}")
        mean = float(total) / steps / state.chips
        if not torch.isfinite(torch.tensor(mean)):
            raise DivergedError(f"training diverged in epoch {epoch}: the loss is {mean}; lower the learning rate")
        record = {"epoch": epoch, "loss": mean, **state.measured()}
        if after_epoch is not None:
            after_epoch(epoch, record)
        history.append(record)
        state.end_epoch()
    state.conclude(x, y, None if progress is None else lambda _, text: progress(1.0, f"last look: {text}"))
    state.finish()
    return history


@torch.no_grad()
def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor, batch: int = 1000) -> torch.Tensor:
    """Share of correct answers per chip, shape ``(chips,)`` (``(1,)`` without a chip axis), float64."""
    was_training = network.training
    network.eval()
    correct = None
    for start in range(0, len(x), batch):
        output = network(x[start : start + batch])
        hits = (output.argmax(-1) == y[start : start + batch]).sum(-1)
        correct = hits if correct is None else correct + hits
    network.train(was_training)
    if correct is None:
        raise ValueError("accuracy needs at least one sample")
    return correct.reshape(-1).double() / len(x)
