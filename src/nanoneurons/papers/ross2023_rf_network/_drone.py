"""Drone fingerprints: the ideal network, the software reference, and chips with the paper's three non-idealities."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons import data, learning
from nanoneurons.core.random import generator_for
from nanoneurons.networks.feedforward import FeedForward

from ._network import HIDDEN, IDEAL, Spreads, build, rf_layers, share_positions, tune_to_plan

__all__ = ["METHODS", "ideal", "methods_of", "software", "spread"]

METHODS = ("software", "tuned", "injected", "ideal-twin", "calibrated-twin", "calibrated-tuned")
_ALWAYS = ("software", "ideal-twin", "calibrated-tuned")
SHARED, LIMITED = "all-shared", "all-limited"  # one deviation per position; a short tuning range
Progress = Callable[[float, str], None]


def methods_of(kind: str) -> tuple[str, ...]:
    """Trainings that are compared under a kind of non-ideality; every one of them under all three together."""
    return METHODS if kind == "all" else _ALWAYS[-1:] if kind == LIMITED else _ALWAYS


def ideal(config: Any, seed: int, tell: Progress) -> dict[str, Any]:
    """Train the ideal network by plain backpropagation; accuracy after every epoch, powers, learned shifts."""
    task, curve = data.load("drone-rf"), []
    network = build(IDEAL, config.tuning, seed)
    seconds, clock = 0.0, time.process_time()

    def after(_: int, record: dict) -> None:
        nonlocal seconds, clock
        seconds += time.process_time() - clock
        curve.append(float(learning.accuracy(network, task.x_test, task.y_test)))
        clock = time.process_time()

    _fit(network, _plain(config), config, task, seed, after, tell)
    return {
        "test": curve,
        "train": float(learning.accuracy(network, task.x_train, task.y_train)),
        "seconds": seconds,
        **_powers(network, task.x_test),
    }


def software(config: Any, seed: int) -> dict[str, Any]:
    """Train a rectified-linear perceptron of the same size by Adam on the same batches."""
    task, draw = data.load("drone-rf"), generator_for(seed, "perceptron")
    sizes = (task.x_train.shape[1], HIDDEN, task.classes)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    for layer in layers:  # as nn.Linear starts, from a generator of our own
        for p in layer.parameters():
            nn.init.uniform_(p, -(layer.in_features**-0.5), layer.in_features**-0.5, draw)
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1])
    optimiser, curve = torch.optim.Adam(network.parameters(), lr=config.software_lr), []
    for epoch in range(1, config.epochs + 1):
        order = torch.randperm(len(task.x_train), generator=generator_for(seed, "order", epoch))
        for chosen in order.split(config.batch):
            optimiser.zero_grad()
            F.cross_entropy(network(task.x_train[chosen]), task.y_train[chosen]).backward()
            optimiser.step()
        curve.append(float(learning.accuracy(network, task.x_test, task.y_test)))
    return {"test": curve, "train": float(learning.accuracy(network, task.x_train, task.y_train))}


def spread(config: Any, kind: str, level: float, seed: int, tell: Progress) -> dict[str, Any]:
    """Test accuracy of every chip after every training that is compared, at one level of one kind of non-ideality.

    All trainings meet the same chips; so do all levels, scaled.
    """
    task, shared = data.load("drone-rf"), kind == SHARED
    spreads = Spreads.of("all" if kind in (SHARED, LIMITED) else kind, level)
    tuning = config.limited_tuning if kind == LIMITED else config.tuning
    methods = methods_of(kind)
    found: dict[str, list[float]] = {}

    def chips() -> tuple[FeedForward, torch.Generator]:
        made, generator = build(spreads, tuning, seed, config.chips), generator_for(seed, "chips")
        made.fabricate(generator)
        if shared:
            share_positions(made)
        return made, generator

    def test(network: FeedForward) -> list[float]:
        return learning.accuracy(network, task.x_test, task.y_test).tolist()

    for n, method in enumerate(methods):
        part = _part(tell, n, len(methods))
        made, generator = chips()
        if method == "software":
            made.program(_trained(config, seed), generator)
        elif method == "tuned":
            tune_to_plan(made, _trained(config, seed), generator)
        elif method == "injected":
            source = build(spreads, tuning, seed)
            rule = learning.get("backpropagation", injected=1.0, **_improved(config))
            _fit(source, rule, config, task, seed, None, part)
            made.program(source, generator)
        else:
            found[method] = _in_place(config, method, made, generator, task, seed, part)
            continue
        found[method] = test(made)
    return {"test": found}


@lru_cache(maxsize=2)
def _trained(config: Any, seed: int) -> FeedForward:
    """The ideal network of a seed, trained; the jobs of a worker that follow each other share it."""
    network = build(IDEAL, config.tuning, seed)
    _fit(network, _plain(config), config, data.load("drone-rf"), seed, None, lambda share, text: None)
    return network


def _in_place(
    config: Any, method: str, chips: FeedForward, generator: torch.Generator, task: Any, seed: int, tell: Progress
) -> list[float]:
    """Physics-aware training of the chips; mean of each over the last epochs."""
    start = build(IDEAL, config.tuning, seed)
    if method == "calibrated-tuned":
        tune_to_plan(chips, start, generator)
        rule = learning.get("physics-aware", twin="calibrated", **_improved(config))
    else:
        chips.program(start, generator)
        rule = learning.get("physics-aware", twin=method.removesuffix("-twin"), **_published(config))
    last: list[torch.Tensor] = []

    def after(epoch: int, _: dict) -> None:
        if epoch > config.epochs - config.averaged:
            last.append(learning.accuracy(chips, task.x_test, task.y_test))

    _fit(chips, rule, config, task, seed, after, tell)
    return torch.stack(last).mean(0).tolist()


def _fit(
    network: FeedForward, rule: Any, config: Any, task: Any, seed: int,
    after: Callable[[int, dict], None] | None, tell: Progress,
) -> None:  # fmt: skip
    learning.fit(
        network, rule, task.x_train, task.y_train, epochs=config.epochs, batch=config.batch, seed=seed,
        after_epoch=after, progress=tell,
    )  # fmt: skip


def _published(config: Any) -> dict[str, float]:
    """Learning rates in units of the layers (a half linewidth in mid-band, a millivolt), constant as in the program."""
    unit, offset = rf_layers(build(IDEAL, config.tuning, 0))[0].units
    return {"lr": config.lr / unit, "digital_lr": config.bias_lr / offset, "final": 1.0}


def _improved(config: Any) -> dict[str, float]:
    own = _published(config)
    return {**own, "lr": config.lr_factor * own["lr"], "final": config.lr_final}


def _plain(config: Any) -> Any:
    return learning.get("backpropagation", **_published(config))


def _part(tell: Progress, number: int, count: int) -> Progress:
    return lambda share, text: tell((number + share) / count, text)


@torch.no_grad()
def _powers(network: FeedForward, x: torch.Tensor) -> dict[str, float]:
    """Mean powers in W over test spectra, and the learned shift over the resonance."""
    source, first, neurons, *_ = network
    power = source(x)
    voltage = first(power)
    circuit = neurons.circuit  # type: ignore[union-attr]
    current, sent = circuit.neuron_current(voltage), neurons(voltage)  # type: ignore[union-attr]
    layer = rf_layers(network)[0]
    return {
        "line_power": float(power.sum(-1).mean()),
        "largest_line_power": float(power.sum(-1).max()),
        "oscillator_power": float(circuit.neuron.dc_power(current).mean()),  # type: ignore[union-attr]
        "emitted_power": float(sent.mean()),
        "mean_current": float(current.mean()),
        "oscillating": float((current > circuit.neuron.threshold_current()).float().mean()),  # type: ignore[union-attr]
        "shift": float((layer.resonance / layer.centres - 1).square().mean().sqrt()),
    }
