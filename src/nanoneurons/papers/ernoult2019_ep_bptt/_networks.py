"""The networks of the work, as trained and as compared with backpropagation through time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from nanoneurons.layers.activation import activation
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = ["COMPARED", "TRAINED", "Compared", "Trained", "compared_network", "shown_input", "trained_network"]


@dataclass(frozen=True)
class Trained:
    """A network and how it is trained.

    Attributes:
        spec: layers, as for `build_energy`.
        beta: nudging; of the one-sided estimator with its sign fixed.
        rates: learning rates of weights and biases, the coupling nearest to the input first.
        final: last rates as a share of the first.
        padding: of convolutions.
        bptt_epochs: of backpropagation through time; 0 for those of the other rule.
        bptt_cost: what it descends, see the rule.
    """

    spec: str
    dynamics: Dynamics
    relaxation: Relaxation
    beta: float
    rates: tuple[float, ...]
    epochs: int
    batch: int = 20
    momentum: float = 0.0
    final: float = 1.0
    estimator: str = "one-sided"
    padding: int | None = None
    bptt_epochs: int = 0
    bptt_cost: str = "squared"


_LEAKY = Dynamics("leaky", "sigmoid", 0.2)
_MAP = Dynamics(activation="sigmoid", nudge="outside")

TRAINED: dict[str, Trained] = {
    "EB-1h": Trained("784-512-10", _LEAKY, Relaxation(100, 12), 0.5, (0.1, 0.05), 30),
    "EB-2h": Trained("784-512-512-10", _LEAKY, Relaxation(400, 40), 0.5, (0.4, 0.1, 0.01), 50),
    "P-1h": Trained("784-512-10", _MAP, Relaxation(30, 10), 0.1, (0.08, 0.04), 30),
    "P-2h": Trained("784-512-512-10", _MAP, Relaxation(100, 20), 0.5, (0.2, 0.05, 0.005), 50),
    "P-3h": Trained("784-512-512-512-10", _MAP, Relaxation(180, 20), 0.5, (0.2, 0.05, 0.01, 0.002), 100),
    "P-conv": Trained(
        "1x28x28-32c5-mp2-64c5-mp2-10", Dynamics(activation="hard-sigmoid", nudge="outside"),
        Relaxation(25, 8, "alternating"), 0.4, (0.15, 0.035, 0.015), 8, batch=100, momentum=0.9, final=0.05,
        estimator="centred", padding=0, bptt_epochs=4, bptt_cost="nudged",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A network whose updates are compared with gradients, step by step."""

    spec: str
    setting: Literal["leaky", "prototypical"]
    relaxation: Relaxation
    beta: float
    activation: str = "tanh"
    padding: int | None = None

    def dynamics(self, published: bool) -> Dynamics:
        """Those the theorem holds for, or those of the published program.

        The program lets hidden neurons see a squashed output that moves as if it were not squashed, and nudges
        outside of the state function.
        """
        if self.setting == "leaky":
            return Dynamics("leaky", self.activation, 0.08, "same" if published else "linear", clip=False)
        return Dynamics(activation=self.activation, nudge="outside" if published else "inside")


COMPARED: dict[str, Compared] = {
    "toy": Compared("10-50-5", "leaky", Relaxation(5000, 80), 0.01),
    "EB-1h": Compared("784-512-10", "leaky", Relaxation(800, 80), 0.001),
    "EB-2h": Compared("784-512-512-10", "leaky", Relaxation(5000, 150), 0.01),
    "EB-3h": Compared("784-512-512-512-10", "leaky", Relaxation(30000, 200), 0.02),
    "P-1h": Compared("784-512-10", "prototypical", Relaxation(150, 10), 0.01),
    "P-2h": Compared("784-512-512-10", "prototypical", Relaxation(1500, 40), 0.01),
    "P-3h": Compared("784-512-512-512-10", "prototypical", Relaxation(5000, 40), 0.015),
    "P-conv": Compared(
        "1x28x28-32c5-mp2-64c5-mp2-10", "prototypical", Relaxation(5000, 10), 0.02, "hard-sigmoid", 0
    ),
}  # fmt: skip


def trained_network(name: str, seed: int) -> EnergyNetwork:
    """The network as it is before training."""
    t = TRAINED[name]
    return build_energy(
        t.spec, shape=(1, 28, 28), classes=10, seed=seed, dynamics=t.dynamics, relaxation=t.relaxation,
        padding=t.padding, bias_start="uniform",
    )  # fmt: skip


def compared_network(name: str, seed: int, published: bool) -> EnergyNetwork:
    """The network of a comparison, untrained, in double precision."""
    c = COMPARED[name]
    shape, classes = ((10,), 5) if name == "toy" else ((1, 28, 28), 10)
    network = build_energy(
        c.spec, shape=shape, classes=classes, seed=seed, dynamics=c.dynamics(published), relaxation=c.relaxation,
        padding=c.padding, bias_start="uniform",
    ).double()  # fmt: skip
    network.dtype = torch.float64
    return network


def shown_input(network: EnergyNetwork, x: torch.Tensor) -> torch.Tensor:
    """Inputs as the first layer sees them: in the leaky setting, as in the published program, through rho."""
    if network.dynamics.setting == "leaky":
        return activation(network.dynamics.activation).function(x.clone())
    return x


def shortened(trained: Trained, epochs: int, rule: str = "ep") -> Trained:
    """The same with another number of epochs, or with its own for a rule."""
    own = trained.bptt_epochs if rule == "bptt" else 0
    return replace(trained, epochs=epochs or own or trained.epochs)
