"""Training of 784-300-10 spiking neurons, and the change that one pair of spikes makes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nanoneurons import data, learning
from nanoneurons.core.random import generator_for
from nanoneurons.learning.spiking_equilibrium_propagation import SpikingEquilibriumPropagation
from nanoneurons.networks.spiking_equilibrium import SpikingEnergyNetwork, SpikingNeurons, build_spiking_energy

__all__ = ["digits", "pairs_of_spikes", "train"]

Progress = Callable[[float, str], None]
HELD_OUT = 6  # one in so many training digits is held out: the last 10,000
TRAIN_SAMPLES = 10_000  # that tell the training accuracy


def digits(train_samples: int, test_samples: int, held_out: bool) -> tuple[list[torch.Tensor], str]:
    """Images and labels to train with and to test with, and what to say of the data; 0 samples for all.

    Args:
        held_out: test on the last 10,000 training digits, which are then not trained with (a sixth of a reduced set).
    """
    found = data.load("mnist")
    x, y = found.x_train.flatten(1), found.y_train
    parts = [x, y, found.x_test.flatten(1), found.y_test]
    if held_out:
        cut = len(x) - len(x) // HELD_OUT
        parts = [x[:cut], y[:cut], x[cut:], y[cut:]]
    for k, count in ((0, train_samples), (2, test_samples)):
        if count:
            chosen = torch.randperm(len(parts[k]), generator=generator_for(0, "images", k))[:count]
            parts[k], parts[k + 1] = parts[k][chosen], parts[k + 1][chosen]
    return parts, found.notice


def train(
    rule: SpikingEquilibriumPropagation,
    parts: list[torch.Tensor],
    *,
    hidden: int,
    seed: int,
    epochs: int,
    batch: int,
    every: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Train one network; what counts is its accuracy after the last epoch.

    Args:
        every: whether to test after every epoch.
    """
    x, y, x_test, y_test = parts
    network = rule.build_network(
        f"784-{hidden}-10", shape=(784,), classes=10, seed=seed, input_range=(0.0, 1.0)
    )  # fmt: skip
    curve: list[float] = []
    seconds = [0.0, time.process_time()]

    def after_epoch(epoch: int, record: dict) -> None:
        seconds[0] += time.process_time() - seconds[1]
        if every or epoch == epochs:
            curve.append(float(learning.accuracy(network, x_test, y_test)))
            progress(epoch / epochs, f"epoch {epoch}/{epochs}: {100 * curve[-1]:.2f} %")
        seconds[1] = time.process_time()

    history = learning.fit(
        network, rule, x, y, epochs=epochs, batch=batch, seed=seed, progress=progress, after_epoch=after_epoch
    )
    answering = _events(network, network.spikes)
    learnt = _events(network, network.learning_spikes)
    return {
        "accuracy": curve[-1], "curve": curve, "loss": [r["loss"] for r in history],
        "train": float(learning.accuracy(network, x[:TRAIN_SAMPLES], y[:TRAIN_SAMPLES])),
        "seconds": seconds[0] / epochs, "samples": [len(x), len(x_test)], "answering": answering, "learning": learnt,
    }  # fmt: skip


def _events(network: SpikingEnergyNetwork, spikes: list[float]) -> dict[str, Any]:
    return {"spikes": list(spikes), "synaptic": network.synaptic_events(spikes)}


def pairs_of_spikes(neurons: SpikingNeurons, longest: float, count: int, seed: int) -> dict[str, list[float]]:
    """Change of a weight by one spike of the neuron below and one of the neuron above, against the time between them.

    Simulated: neurons that no weight joins begin at random voltages and, in a refractory period as long as all of the
    phase, fire once. The window of the rates, made to weigh every step by its number, tells when.

    Args:
        longest: length of the phase in s.
        count: neurons below, each of which makes a pair with the one above, in each of 16 samples.

    Returns:
        ``lag`` in s, positive where the neuron above fires later, and ``change``, as from a network of `neurons` with a
        factor of 1 in front of the sum over phases.
    """
    membrane = 0.25 * longest  # slow enough for late first spikes; changes do not depend on it
    alone = SpikingNeurons(membrane, longest, neurons.synapse, neurons.slow, neurons.step)
    network = build_spiking_energy(
        f"1-{count}-1", shape=(1,), classes=1, seed=seed, gain=0.0, neurons=alone
    )  # fmt: skip
    steps = alone.held
    when = np.arange(1, steps + 1, dtype=np.float32)
    one = np.zeros(1, np.float32)
    lags: list[float] = []
    changes: list[float] = []
    for sample in range(16):
        draw = generator_for(seed, "pairs", sample)
        with torch.no_grad():  # currents that reach the threshold after a time drawn evenly over the phase
            for bias in network.biases:
                after = torch.rand(bias.shape, generator=draw) * 0.9 * longest
                bias.copy_(1 / (1 - torch.exp(-after / membrane)).clamp_min(1e-3))
        found = network.run(
            torch.zeros(1, 1), torch.zeros(1, 1), (0.0,), (1.0,), window=one, nudged_window=when, key=sample
        )
        below, above = (r[0] for r in found.rates[1])
        change = found.changes[0][0] * (neurons.held / alone.held) ** 2  # traces are scaled to the highest rate
        fired = (below > 0) & (above > 0)
        lags += ((above - below)[fired] * neurons.step).tolist()
        changes += change[fired].tolist()
    return {"lag": lags, "change": changes}
