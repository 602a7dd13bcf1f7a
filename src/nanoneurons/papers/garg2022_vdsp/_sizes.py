"""Networks of several sizes on MNIST: training, and every way of reading them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nanoneurons import data
from nanoneurons.core.random import generator_for
from nanoneurons.learning.vdsp import VDSP
from nanoneurons.networks.competition import Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork
from nanoneurons.networks.decoding import DECODERS
from nanoneurons.papers._paper import Figure, Quantity

from . import _figures

__all__ = ["accuracy", "figures", "jobs", "quantities", "run", "seeds_of"]

DRIVES = ("released", "training", "doubled")
_PIXELS = 784
_BATCH = 500  # digits between two changes of the learning rate
_SHOWN = 36  # neurons whose weights are kept for the figure


def seeds_of(config: Any, neurons: int) -> range:
    """Numbers of the seeds of a size; the smallest has more."""
    count = config.seeds + (config.extra_seeds if neurons == min(config.neurons) else 0)
    return range(config.first_seed, config.first_seed + count)


def jobs(config: Any) -> list[str]:
    """One per size."""
    return [str(n) for n in config.neurons]


def run(config: Any, what: list[str], seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train one network on the digits in the order of the data set, and read it in every way."""
    neurons = int(what[0])
    place = config.neurons.index(neurons)
    rate, epochs = config.rates[place], config.epochs[place]
    mnist = data.load("mnist")
    count, tests = config.train_samples or len(mnist.x_train), config.test_samples or len(mnist.x_test)
    x, y = mnist.x_train[:count].flatten(1), mnist.y_train[:count]
    x_test, y_test = mnist.x_test[:tests].flatten(1), mnist.y_test[:tests]
    amplitude = Presentation().amplitude * _PIXELS / x.shape[1]
    network = CompetitiveNetwork(x.shape[1], neurons, mnist.classes, seed=seed)
    network.presentation = Presentation(amplitude=amplitude)
    steps = -(-count // _BATCH)
    state = VDSP(rate=rate, final=config.finals[place]).start(network, steps, epochs)
    generator, seconds = generator_for(seed, "rule"), time.process_time()
    for k in range(epochs * steps):
        chosen = torch.arange(k % steps * _BATCH, min((k % steps + 1) * _BATCH, count))
        state.learn(x[chosen], y[chosen], generator, chosen)
        progress(0.6 * (k + 1) / (epochs * steps), f"{neurons} neurons, seed {seed}, epoch {k // steps + 1}")
    seconds = time.process_time() - seconds
    result: dict[str, Any] = {"seconds": seconds, "notice": mnist.notice, "samples": count}
    fields = network.synapses.weight.detach()[:_SHOWN]
    result["fields"] = (100 * fields).round().int().tolist() if seed == config.first_seed else []
    learnt = {name: value.clone() for name, value in network.state_dict().items()}
    for k, drive in enumerate(DRIVES):
        network.load_state_dict(learnt)
        gain = {"released": config.released_gain, "training": 1.0, "doubled": config.physical_gain}[drive]
        network.presentation = Presentation(amplitude=amplitude, read_gain=gain)
        label = count if drive == "released" else min(count, config.label_samples)
        begin, said = 0.6 + 0.4 * k / len(DRIVES), f"{neurons} neurons, seed {seed}, reading"
        network.label(x[:label], y[:label], lambda share, _, b=begin, s=said: progress(b + 0.1 * share, s))
        counts = network.present(x_test)
        result[drive] = {"spikes": float(counts.sum(-1).double().mean()), "labels": label}
        result[drive]["silent"] = float((counts.sum(-1) == 0).double().mean())
        for decoder in DECODERS:
            network.decoder = decoder
            right = network.decode(counts)[0].argmax(-1) == y_test
            result[drive][decoder] = float(right.double().mean())
        if drive == "released":
            result["neuron_labels"] = network.labels[0, :_SHOWN].tolist()
    return result


def accuracy(config: Any, results: dict[str, dict], neurons: int, drive: str, decoder: str) -> np.ndarray:
    """Test accuracy in percent of every seed."""
    return np.array([100 * results[f"size/{neurons}/seed{s}"][drive][decoder] for s in seeds_of(config, neurons)])


_DECODERS = {
    "sum": "spikes of all neurons with a label added up, as published (physical)",
    "active": "label of the most active neuron (physical)",
    "likelihood": "likelihood of all counts under the means of labelling (digital)",
}


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """Accuracies by size, drive and read-out; the published one is the sum with the released drive."""
    rows = []
    for neurons, rate, final, epochs in zip(config.neurons, config.rates, config.finals, config.epochs, strict=True):
        runs = [results[f"size/{neurons}/seed{s}"] for s in seeds_of(config, neurons)]
        for drive in DRIVES:
            read = [r[drive] for r in runs]
            spikes, silent = (float(np.mean([r[k] for r in read])) for k in ("spikes", "silent"))
            for decoder in DECODERS:
                suffix = "" if (drive, decoder) == ("released", "sum") else f"-{drive}-drive-{decoder}"
                note = f"{_DECODERS[decoder]}; {spikes:.1f} spikes a digit, {100 * silent:.1f} % without; labels from "
                note += f"{read[0]['labels']} training digits"
                if not suffix:
                    falls = "" if final == 1 else f" falling to {rate * final:g}"
                    note += f"; learning rate {rate:g}{falls}, {epochs} epochs. {runs[0]['notice']}"
                rows.append(
                    _row(f"neurons-{neurons}{suffix}", accuracy(config, results, neurons, drive, decoder), note)
                )
        each = [1e3 * r["seconds"] / (epochs * r["samples"]) for r in runs]
        rows.append(_row(f"neurons-{neurons}-time", np.array(each), "training, processor time, one thread", "ms/image"))
    return rows


def _row(name: str, values: np.ndarray, note: str, unit: str = "%") -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note.strip())


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """Accuracy against the number of neurons, and receptive fields."""
    found = {
        drive: {decoder: [accuracy(config, results, n, drive, decoder) for n in config.neurons] for decoder in DECODERS}
        for drive in DRIVES
    }
    first = results[f"size/{config.neurons[0]}/seed{config.first_seed}"]
    return [
        _figures.by_size(config.neurons, found),
        _figures.fields(torch.tensor(first["fields"]).numpy(), first["neuron_labels"], config.neurons[0]),
    ]
