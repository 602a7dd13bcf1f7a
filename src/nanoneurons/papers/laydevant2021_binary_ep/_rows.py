"""The networks of the paper: sizes, phases and the settings of the flips, as the commands of the authors have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from nanoneurons.learning import RuleState
from nanoneurons.learning.binary_equilibrium_propagation import BinaryEquilibriumPropagation, Flipping
from nanoneurons.learning.equilibrium_propagation import Descent, EquilibriumPropagation
from nanoneurons.networks import Dynamics, EnergyNetwork, Relaxation, build_energy

__all__ = ["ROWS", "Row", "network_of", "prepare", "rule_of", "side_by_side"]

Values = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One trained network. Lists per coupling begin at the OUTPUT, as in the commands of the authors.

    Attributes:
        layers: description of the network, with ``{hidden}`` and ``{wide}`` for sizes of the configuration.
        data: ``"mnist"`` or ``"cifar10"``.
        binary: whether weights are binary, or those of the full-precision twin.
        neurons: whether neurons show 0 or 1 (with states that start at 1 and move half way).
        replicas: output neurons per class.
        steps, nudged_steps, beta: of the phases; the sign of beta is drawn anew for every mini-batch.
        gammas, taus: of the flips.
        bias_rates: learning rates of the biases; of the twin only their proportions, which its weights have too.
        scale_rates: learning rates of the scalings; empty for fixed ones.
        scale_decay: scalings' rates are divided by it every ten epochs.
        epochs: 0 for the number in the configuration.
        twin: the row of full precision that this one is compared with.
        rate_of: the row whose learning rate, found on held-out images, this twin takes.
    """

    title: str
    layers: str
    data: str = "mnist"
    binary: bool = True
    neurons: bool = False
    replicas: int = 1
    steps: int = 50
    nudged_steps: int = 10
    beta: float = 0.3
    gammas: Values = ()
    taus: Values = ()
    bias_rates: Values = (0.025, 0.05)
    scale_rates: Values = ()
    scale_decay: float = 1.0
    epochs: int = 0
    twin: str = ""
    rate_of: str = ""


_DENSE = Row("binary weights", "784-{hidden}-10", gammas=(1e-5, 1e-4), taus=(5e-7, 5e-7), twin="twin")
_NEURONS = Row(
    "binary weights and neurons", "784-{wide}-10", neurons=True, replicas=10, steps=20, beta=2.0, gammas=(2e-6, 2e-6),
    taus=(2.5e-7, 2e-7), bias_rates=(1e-7, 1e-7), epochs=100, twin="wide-twin",
)  # fmt: skip
_CONV = Row(
    "binary weights, convolutions", "1x28x28-32c5-mp2-64c5-mp2-10", steps=150, gammas=(5e-8, 5e-8, 5e-8),
    taus=(1e-8, 1e-8, 1e-8), bias_rates=(0.025, 0.05, 0.1), twin="conv-twin",
)  # fmt: skip
_CIFAR = Row(
    "binary weights, CIFAR-10", "3x32x32-64c5-mp2-128c5-mp2-256c5-mp2-256c5-mp2-10", data="cifar10", steps=150,
    gammas=(2e-7,) * 5, taus=(1e-8,) * 5, bias_rates=(0.025, 0.05, 0.1, 0.2, 0.4), epochs=500, twin="cifar-twin",
)  # fmt: skip


def _twin(row: Row, title: str, **changes: Any) -> Row:
    return replace(row, title=title, binary=False, twin="", gammas=(), taus=(), **changes)


ROWS: dict[str, Row] = {
    "binary": _DENSE,
    "learnt": replace(_DENSE, title="binary weights, learnt scaling", scale_rates=(1e-4, 1e-4)),
    "twin": _twin(_DENSE, "full precision", rate_of="twin"),
    "neurons": _NEURONS,
    "neurons-learnt": replace(
        _NEURONS, title="binary weights and neurons, learnt scaling", scale_rates=(1e-6, 1e-6)
    ),
    "wide-twin": _twin(_DENSE, "full precision, wide", layers="784-{wide}-10", rate_of="twin"),
    "conv": _CONV,
    "conv-learnt": replace(_CONV, title="binary weights, convolutions, learnt scaling", scale_rates=(1e-3,) * 3),
    "conv-twin": _twin(_CONV, "full precision, convolutions", rate_of="conv-twin"),
    "cifar": _CIFAR,
    "cifar-learnt": replace(
        _CIFAR, title="binary weights, CIFAR-10, learnt scaling", scale_rates=(1e-4, *(1e-2,) * 4), scale_decay=10.0
    ),
    "cifar-twin": _twin(_CIFAR, "full precision, CIFAR-10", rate_of="cifar-twin"),
}  # fmt: skip


def network_of(row: Row, layers: str, shape: tuple[int, ...], seed: int, chips: int | None = None) -> EnergyNetwork:
    """An untrained network; biases and weights uniform within one over the root of the fan-in, or their signs."""
    steps = Dynamics(setting="leaky", activation="step", step=0.5, begin=1.0)
    network = build_energy(
        layers, shape=shape, classes=10, seed=seed, chips=chips, bias_start="uniform", binary=row.binary,
        replicas=row.replicas, input_range=None, dynamics=steps if row.neurons else Dynamics(nudge="outside"),
        relaxation=Relaxation(row.steps, row.nudged_steps),
    )  # fmt: skip
    with torch.no_grad():
        for edge in network.edges:
            if edge.coupling.scale is not None:
                edge.coupling.scale.copy_(edge.coupling.scale.round(decimals=4))
    return network


def side_by_side(row: Row, layers: str, shape: tuple[int, ...], seeds: Sequence[int]) -> EnergyNetwork:
    """Untrained networks of several seeds as chips of one."""
    network = network_of(row, layers, shape, seeds[0], len(seeds))
    network.gather([network_of(row, layers, shape, s) for s in seeds])
    return network


def rule_of(row: Row) -> BinaryEquilibriumPropagation | EquilibriumPropagation:
    """The rule that trains a row."""
    if row.binary:
        return BinaryEquilibriumPropagation(estimator="random-sign", beta=row.beta)
    return EquilibriumPropagation(estimator="random-sign", beta=row.beta, final=1.0)


def prepare(row: Row, state: RuleState, rate: float) -> None:
    """Settings per coupling; `rate` is that of the twin's first coupling."""
    biases = list(row.bias_rates[::-1])
    if isinstance(state, Flipping):
        state.gammas, state.taus, state.bias_rates = list(row.gammas[::-1]), list(row.taus[::-1]), biases
        if row.scale_rates:
            state.scale_rates = list(row.scale_rates[::-1])
    elif isinstance(state, Descent):
        state.rates = [rate * b / biases[0] for b in biases]
        state.bias_rates = list(state.rates)
