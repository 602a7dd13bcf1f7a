"""Three measured memristors as synapses: 200 neurons, one pass over MNIST (Garg et al., arXiv:2510.25787)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nanoneurons import circuits, data, devices
from nanoneurons.core.random import generator_for
from nanoneurons.learning.vdsp import VDSP
from nanoneurons.networks.decoding import DECODERS
from nanoneurons.papers._paper import Figure, Quantity

__all__ = ["figures", "jobs", "quantities", "run"]

# Voltage of a full potential over the threshold, up and down, chosen on the last 10,000 training digits (program:
# 1.05 and 1.11 or 1.26, or 1.08 and 1.08): with them, a spike raises weights of devices without spread by up to 1 %.
REACH = {"tio2": (1.01, 1.07), "hfo2-analog": (1.006, 1.05), "hzo-ftj": (1.005, 1.26)}
KINDS = {"nominal": "devices of the published law, all alike", "spread": "with the usual spreads of the catalogue"}
# Share of the training's lateral inhibition while neurons are labelled and while they are tested.
READS = {
    "free": ("labelled and tested without inhibition", 0.0, 0.0),
    "program": ("labelled without inhibition, tested with it, as the program does", 0.0, 1.0),
    "held": ("labelled and tested with the inhibition of the training", 1.0, 1.0),
}


def jobs(config: Any) -> list[str]:
    """Every memristor, as fitted and with spreads."""
    return [f"{name}/{kind}" for name in REACH for kind in KINDS]


def run(config: Any, what: list[str], seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train in the devices; with learning off, label by the training digits and test: see `READS`."""
    name, kind = what
    device = devices.get(name)
    device = device if kind == "spread" else device.only("nonlinearity")
    up, down = REACH[name]
    device = device.replace(reach_up=up, reach_down=down)
    circuit = circuits.catalogue["synapse-array"].build(device, background=1.0)
    mnist = data.load("mnist")
    count, tests = config.train_samples or len(mnist.x_train), config.test_samples or len(mnist.x_test)
    x, y = mnist.x_train[:count], mnist.y_train[:count]
    rule = VDSP()
    network = rule.build_network(
        f"{x[0].numel()}-{config.memristor_neurons}",
        shape=mnist.shape,
        classes=mnist.classes,
        circuit=circuit,
        seed=seed,
    )
    network.program_initial(generator_for(seed, "chips"))
    said = f"{name}, {kind}, seed {seed}"
    shown = network.present(
        x, rule.start(network, 1, 1), generator_for(seed, "rule"), lambda share, _: progress(0.5 * share, said)
    )
    result: dict[str, Any] = {"spikes": float(shown.sum(-1).double().mean())}
    trained, labelled = network.competitors, -1.0
    for read, (_, labelling, testing) in READS.items():
        if labelling != labelled:
            network.competitors, labelled = replace(trained, inhibition=labelling * trained.inhibition), labelling
            begun = 0.5 + 0.25 * labelling
            network.label(x, y, lambda share, _, begun=begun: progress(begun + 0.2 * share, said))
        network.competitors = replace(trained, inhibition=testing * trained.inhibition)
        counts = network.present(mnist.x_test[:tests])
        result[read] = {"spikes": float(counts.sum(-1).double().mean()), "used": int((network.labels >= 0).sum())}
        for decoder in DECODERS:
            network.decoder = decoder
            right = network.decode(counts)[0].argmax(-1) == mnist.y_test[:tests]
            result[read][decoder] = float(right.double().mean())
    return result


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """Accuracy of every memristor, by inhibition and read-out; the plain name is our choice among them."""
    rows = []
    for name in REACH:
        for kind, text in KINDS.items():
            seeds = range(config.first_seed, config.first_seed + config.seeds)
            runs = [results[f"memristor/{name}/{kind}/seed{s}"] for s in seeds]
            fired = np.mean([r["spikes"] for r in runs])
            for read, (how, _, _) in READS.items():
                for decoder in DECODERS:
                    values = np.array([100 * r[read][decoder] for r in runs])
                    spread = float(values.std(ddof=1)) if len(values) > 1 else None
                    note = f"{text}; {how}, read-out {decoder}; {fired:.1f} spikes a digit in training"
                    chosen = (kind, read, decoder) == ("nominal", "free", "likelihood")
                    row = f"memristor-{name}" + ("" if chosen else f"-{kind}-{read}-{decoder}")
                    rows.append(Quantity(row, float(values.mean()), spread, len(values), "%", note))
    return rows


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """None of its own; the table says it."""
    return []
