r"""Likelihoods counted from labelled samples, for a Bayesian machine.

.. math:: p(y \mid o_1 \dots o_n) \propto p(y) \prod_i p(o_i \mid y)

Features are independent given the class ("naive"). There are no gradients and no passes: the training set is looked at
once. The machine is written to every chip.

Source: Harabi et al., Nature Electronics 6, 52 (2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.core.errors import RefusedError, StudyError
from nanoneurons.core.parameter import param
from nanoneurons.learning._likelihoods import BLOCK_WORDS, ESTIMATES, SELECTIONS, encode, estimate
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.networks.bayesian_machine import BayesianMachine

__all__ = ["NaiveBayes"]

_OURS = "choice of this project"
_PAPER = "Harabi et al., Nature Electronics 6, 52 (2023)"
PRIORS = ("uniform", "frequencies")
RESCALES = ("column", "value")


@dataclass(frozen=True)
class NaiveBayes(LayerRule):
    """Estimates likelihoods of binned features, class by class, and writes them as eight-bit words."""

    title: ClassVar[str] = "likelihoods of a Bayesian machine"
    local: ClassVar[str] = "a table needs the values of its own feature in the samples of its own class"
    citation: ClassVar[str] = (
        "@article{harabi2023memristor, title={A memristor-based Bayesian machine}, author={Harabi, Kamel-Eddine and "
        "Hirtzlin, Tifenn and Turck, Cl{\\'e}ment and Vianello, Elisa and Laurent, Rapha{\\\"e}l and Droulez, Jacques "
        "and Bessi{\\`e}re, Pierre and Portal, Jean-Michel and Bocquet, Marc and Querlioz, Damien}, "
        "journal={Nature Electronics}, volume={6}, pages={52--63}, year={2023}}"
    )
    in_situ: ClassVar[bool] = False
    layers: ClassVar[tuple[str, ...]] = ("likelihood",)
    networks: ClassVar[tuple[str, ...]] = ("bayesian",)
    default_epochs: ClassVar[int] = 1
    default_batch: ClassVar[int] = 1_000_000
    default_updates: ClassVar[int] = 1

    mode: str = param("full", doc="how likelihoods are multiplied", source=_PAPER, choices=MODES)
    cycles: int = param(255, doc="clock cycles of a decision at most", source=_PAPER, low=1, high=255, integer=True)
    ones: int = param(
        1, doc="mode first: ones of a row that end a decision", source=_PAPER, low=1, high=255, integer=True
    )
    columns: int = param(
        6, doc="features used; all where there are fewer", source=_PAPER, low=1, high=254, integer=True
    )
    bins: int = param(64, doc="values an observation can take", source=_OURS, low=2, high=BLOCK_WORDS, integer=True)
    estimate: str = param(
        "gaussian",
        doc="how likelihoods are estimated, class by class",
        source=_PAPER,
        choices=ESTIMATES,
        verified=False,
    )
    features: str = param(
        "accuracy", doc="how features are chosen: the first, or by their information, or by cross-validated accuracy",
        source=_OURS, choices=SELECTIONS,
    )  # fmt: skip
    prior: str = param(
        "uniform", doc="prior of the hypotheses; frequencies of the classes take a column of their own", source=_OURS,
        choices=PRIORS,
    )  # fmt: skip
    rescale: str = param(
        "value", doc="what shares one largest likelihood: a column (as published), or each value observed in it",
        source=_OURS, choices=RESCALES,
    )  # fmt: skip
    decades: float = param(
        0.0, doc="decades that the 255 steps of logarithms cover; 0 for as many as the training samples need",
        source=_OURS, low=0.0, high=1000.0,
    )  # fmt: skip
    power: float = param(
        0.0, doc="exponent of the likelihoods of stochastic modes (1 as published); 0 for one with which training "
        "samples are decided", source=_OURS, low=0.0, high=10.0,
    )  # fmt: skip
    smoothing: float = param(
        0.3, "samples", doc="samples spread evenly over the bins of a class", source=_OURS, low=1e-6, high=1e6
    )
    outside: float = param(
        0.01, doc="share of training values outside the range of the bins", source=_OURS, low=0.0, high=0.9
    )

    def build_network(self, spec: str, **common: Any) -> BayesianMachine:
        """A machine with a row per class; the only description is ``bayesian`` (or ``auto``)."""
        if spec not in ("auto", *self.networks):
            raise StudyError(f"rule 'naive-bayes' builds the network 'bayesian', not {spec!r}")
        features = math.prod(common["shape"])
        columns = min(self.columns, features)
        prior = self.prior == "frequencies"
        logic = BayesianLogic(columns + prior, self.mode, self.cycles, ones=self.ones)  # type: ignore[arg-type]
        return BayesianMachine(
            features, common["classes"], columns, self.bins, logic=logic, prior=prior, circuit=common["circuit"],
            chips=common["chips"], seed=common.get("seed", 0),
        )  # fmt: skip

    def accept(self, circuit: Circuit) -> None:
        """Refuse circuits that hold no likelihoods."""
        if circuit.layers != "likelihood":
            raise RefusedError(
                f"rule 'naive-bayes' fills tables of likelihoods, but a {circuit.title} makes {circuit.layers} layers; "
                "use the circuit 'bayesian-array'"
            )

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> NaiveBayesState:
        """One training run."""
        if not isinstance(network, BayesianMachine):
            raise RefusedError(f"rule 'naive-bayes' fills a BayesianMachine, not a {type(network).__name__}")
        return NaiveBayesState(network, self)


class NaiveBayesState(RuleState):
    """The one look at the training set."""

    network: BayesianMachine

    def __init__(self, network: BayesianMachine, rule: NaiveBayes) -> None:
        super().__init__(network)
        self.rule = rule

    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Nothing yet: `conclude` sees all samples at once."""
        return torch.zeros(())

    def step(self, generator: torch.Generator) -> None:
        """There are no gradients."""
        raise RefusedError("rule 'naive-bayes' knows no gradients; use learn()")

    def conclude(self, x: torch.Tensor, y: torch.Tensor, progress: Callable[[float, str], None] | None = None) -> None:
        """Estimate the likelihoods and put them into the machine."""
        machine, rule = self.network, self.rule
        values = x.flatten(1).double().numpy()
        found = estimate(
            values, y.numpy(), classes=machine.memory.rows, columns=len(machine.chosen), bins=machine.memory.bins,
            method=rule.estimate, select=rule.features, smoothing=rule.smoothing,
            outside=rule.outside,
        )  # fmt: skip
        encoded = encode(
            found, found.prior if machine.prior else None, values, machine.logic.mode, decades=rule.decades or None,
            power=rule.power or None, per_value=rule.rescale == "value",
        )  # fmt: skip
        machine.store(found.chosen, found.edges, encoded.words)
