"""The three networks, ways of training them, and how they are tested."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.equilibrium_propagation import Descent, EquilibriumPropagation
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = ["LAYOUTS", "SETTLED_STEPS", "WAYS", "Digits", "Layout", "Way", "build", "rates_of", "test_error", "train"]

SETTLED_STEPS = 100  # at most, of free phases that settle
TEST_STEPS = 500  # at most, from zero states
TEST_TOLERANCE = 1e-3  # the test digits' own; 0.01 does for the choice of an epoch
VALID_TOLERANCE = 1e-2
TRAIN_SAMPLES = 10_000  # that tell the training error


@dataclass(frozen=True)
class Layout:
    """One of the published networks.

    Attributes:
        sizes: neurons of all groups, the input first.
        rates: learning rate of every coupling from the input on, and of the biases of the group it leads to.
        beta: strength of nudging.
        steps, nudged_steps: published lengths of the phases.
    """

    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    beta: float
    steps: int
    nudged_steps: int


LAYOUTS = {
    1: Layout((784, 500, 10), (0.1, 0.05), 0.5, 20, 4),
    2: Layout((784, 500, 500, 10), (0.4, 0.1, 0.01), 1.0, 150, 6),
    3: Layout((784, 500, 500, 500, 10), (0.128, 0.032, 0.008, 0.002), 1.0, 500, 8),
}


@dataclass(frozen=True)
class Way:
    """A way of training.

    Attributes:
        estimator: of the gradient.
        settled: whether phases go to the stationary state block by block, each group solved exactly, instead of the
            published number of Euler steps.
        decay: whether learning rates fall to zero along half a cosine.
    """

    estimator: str = "random-sign"
    settled: bool = False
    decay: bool = False


WAYS = {
    "published": Way(),
    "decay": Way(decay=True),
    "centred": Way(estimator="centred"),
    "settled": Way(settled=True),
    "ours": Way("centred", settled=True, decay=True),
}


@dataclass(frozen=True)
class Digits:
    """MNIST, with the last 10,000 training digits held out for validation (a sixth of a reduced set)."""

    x: torch.Tensor
    y: torch.Tensor
    x_valid: torch.Tensor
    y_valid: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    notice: str

    @classmethod
    def of(cls, train_samples: int, test_samples: int, place: torch.device) -> Digits:
        """As many as asked for (0: all), of all classes, the same every time."""
        found = data.load("mnist")
        x, y = found.x_train.flatten(1), found.y_train
        valid = len(x) // 6
        parts = [x[:-valid], y[:-valid], x[-valid:], y[-valid:], found.x_test.flatten(1), found.y_test]
        for k, count in ((0, train_samples), (2, test_samples), (4, test_samples)):
            if count:
                chosen = torch.randperm(len(parts[k]), generator=generator_for(0, "images", k))[:count]
                parts[k], parts[k + 1] = parts[k][chosen], parts[k + 1][chosen]
        return cls(*(p.to(place) for p in parts), found.notice)


def build(layout: Layout, way: Way, seed: int, tolerance: float = 0.0) -> EnergyNetwork:
    """The network, with the motion of a way of training."""
    dynamics = Dynamics("leaky", "hard-sigmoid", step=1.0 if way.settled else 0.5, force=2.0)
    order: Any = "alternating" if way.settled else "synchronous"
    steps = SETTLED_STEPS if way.settled else layout.steps
    relaxation = Relaxation(steps, layout.nudged_steps, order, tolerance=tolerance)
    spec = "-".join(map(str, layout.sizes))
    return build_energy(
        spec, shape=layout.sizes[:1], classes=layout.sizes[-1], seed=seed, start="glorot", dynamics=dynamics,
        relaxation=relaxation, input_range=(0.0, 1.0),
    )  # fmt: skip


def rates_of(layout: Layout, factor: float) -> Callable[[learning.RuleState], None]:
    """Gives a rule the rates of every layer."""

    def prepare(state: learning.RuleState) -> None:
        if not isinstance(state, Descent):
            raise ParameterError("only gradient descent has a rate for every layer")
        state.rates = [factor * r for r in layout.rates]
        state.bias_rates = [factor * r for r in layout.rates]

    return prepare


@torch.no_grad()
def test_error(network: EnergyNetwork, x: torch.Tensor, y: torch.Tensor, tolerance: float) -> tuple[float, float]:
    """Share of wrong answers at the stationary state reached from zero, and the largest movement left there.

    Persistent states exist for training digits only, so all others are answered from zero; the stationary state is
    reached block by block, whatever way the network was trained.
    """
    kept = network.relaxation, network.dynamics
    network.relaxation = Relaxation(TEST_STEPS, 1, "alternating", tolerance=tolerance)
    network.dynamics = replace(network.dynamics, step=1.0)
    wrong, residual = torch.zeros((), dtype=torch.int64, device=x.device), 0.0
    for images, labels in zip(x.split(1000), y.split(1000), strict=True):
        free = network.relax(images)
        wrong += (network.outputs(free.states).argmax(-1) != labels).sum()
        residual = max(residual, free.residual or 0.0)
    network.relaxation, network.dynamics = kept
    return float(wrong) / len(x), residual


def train(
    layout: Layout,
    way: Way,
    digits: Digits,
    *,
    seed: int,
    epochs: int,
    batch: int,
    factor: float,
    tolerance: float,
    progress: Callable[[float, str], None],
    warm_up: int = 0,
) -> dict[str, Any]:
    """Train one network; its test error is that of the epoch with the smallest validation error.

    Args:
        factor: of all published learning rates.
        tolerance: free phases stop once no state moves by more; 0 for all steps.
        warm_up: mini-batches over which the rates rise at the start.
    """
    network = build(layout, way, seed, tolerance).to(digits.x.device)
    rule = EquilibriumPropagation(
        estimator=way.estimator,
        beta=layout.beta,
        begin="last",
        final=0.0 if way.decay else 1.0,
        warm_up=warm_up,
    )
    curve: list[float] = []
    best: dict[str, torch.Tensor] = {}
    started = time.process_time()

    def after_epoch(epoch: int, record: dict) -> None:
        error, _ = test_error(network, digits.x_valid, digits.y_valid, VALID_TOLERANCE)
        if not curve or error < min(curve):
            best.update({k: v.clone() for k, v in network.state_dict().items()})
        curve.append(error)
        progress(epoch / epochs, f"epoch {epoch}/{epochs}: validation error {100 * error:.2f} %")

    history = learning.fit(
        network, rule, digits.x, digits.y, epochs=epochs, batch=batch, seed=seed, prepare=rates_of(layout, factor),
        progress=progress, after_epoch=after_epoch,
    )  # fmt: skip
    seconds = time.process_time() - started
    last, _ = test_error(network, digits.x_test, digits.y_test, TEST_TOLERANCE)
    network.load_state_dict(best)
    error, residual = test_error(network, digits.x_test, digits.y_test, TEST_TOLERANCE)
    trained, _ = test_error(network, digits.x[:TRAIN_SAMPLES], digits.y[:TRAIN_SAMPLES], VALID_TOLERANCE)
    return {
        "test": error, "last": last, "train": trained, "valid": curve, "loss": [r["loss"] for r in history],
        "residual": residual, "seconds": seconds, "best": curve.index(min(curve)) + 1,
        "samples": [len(digits.x), len(digits.x_valid), len(digits.x_test)], "notice": digits.notice,
        "device": digits.x.device.type,
        "kernels": network.couplings[0].weight.detach()[:20].tolist(),  # type: ignore[union-attr,index]
    }  # fmt: skip
