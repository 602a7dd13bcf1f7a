r"""Equilibrium propagation by spikes alone: a network of spiking neurons finds its own gradient by being nudged.

.. math:: \Delta W_{ij} \propto \sum_k \frac{c_k}{\beta_k} \int_{\text{phase } k} \frac{\mathrm{d}(\rho_i\rho_j)}
    {\mathrm{d}t}\,\mathrm{d}t, \qquad \text{at each spike of } i:\ \Delta W_{ij} \mathrel{+}=
    \frac{c_k}{\beta_k}\,\frac{t_r}{\tau_q}\,(s_j - q_j), \quad \text{and the same with } i, j \text{ exchanged}

The network settles freely; its outputs are then nudged towards the target with strength beta, or from the same free
state once towards and once away from it (``centred``), and weights change by how the correlation of the rates they
join has changed. There are two forms:

- ``window``: rates are spikes counted in a window of each nudged phase, products of them make the change. Exact for
  steady rates, but rates have to be stored and multiplied after the phase.
- ``event``: nothing but spikes acts. Every neuron has a trace *s* of its spikes and a slower copy *q* (a low-pass of
  *s*, time constant :math:`\tau_q`). Their difference is a rate of change, :math:`s - q = \tau_q\,\dot q`; the spikes
  of the other neuron sample it, so the sum over a phase tends to that of :math:`\rho_i\dot\rho_j +
  \rho_j\dot\rho_i`.
  Input neurons are constant currents, the limit of small and frequent events: their sum is :math:`x_i` times what
  :math:`q_j` has changed.

Why not the derivative of the trace itself? Between spikes *s* always falls, at :math:`-s/\tau_s`, and what it gains it
gains in an instant, at the spike. Sampled by the spikes of others, which hardly ever fall on just that instant, the
derivative is negative whatever the rate does: every weight between two active neurons decays, by an amount that grows
with their rates and swamps the signal (with nudging of one sign the network stays at chance). The lag of a second
filter behind the first has no such bias: its mean over any steady train is zero, because both filters have the same
mean.

Source: Martin et al., iScience 24:102222 (2021), arXiv:2010.07859 (the constants of the paper are not public; ours are
chosen on held-out digits); Ernoult et al., arXiv:2005.04168 (2020), for continual updates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key
from nanoneurons.core.update import Update
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._descent import RatedRule
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks.spiking_equilibrium import (
    SpikingEnergyNetwork,
    SpikingNeurons,
    SpikingPhases,
    SpikingRun,
    build_spiking_energy,
)

__all__ = ["SpikingEquilibriumPropagation"]

_OURS = "choice of this project"
_CHOSEN = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-27)"


def _time(default: float, doc: str) -> Any:
    return param(default, "s", doc=doc, source=_CHOSEN, low=1e-9, high=1e3)


@dataclass(frozen=True)
class SpikingEquilibriumPropagation(RatedRule):
    """Contrastive changes from the spikes of nudged phases, followed by gradient descent.

    Args:
        more: the declared parameters; those in s describe the networks that the rule makes.

    Needs a `SpikingEnergyNetwork`. Changes of a mini-batch are averaged and carried out after it: during a phase
    weights stand still, as they nearly would at these learning rates.
    """

    title: ClassVar[str] = "spiking equilibrium propagation"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "a weight sees the spikes and two filtered traces of the two neurons it joins"
    default_epochs: ClassVar[int] = 3
    default_batch: ClassVar[int] = 32
    default_updates: ClassVar[int] = 3000
    circuit_values: ClassVar[Mapping[str, float]] = {"weight_range": 3.0}  # the noise of amplifiers scales with it
    passes: ClassVar[str] = "free and nudged phases"
    citation: ClassVar[str] = (
        "@article{martin2021eqspike, title={EqSpike: Spike-Driven Equilibrium Propagation for Neuromorphic "
        "Implementations}, author={Martin, Erwann and Ernoult, Maxence and Laydevant, J{\\'e}r{\\'e}mie and Li, "
        "Shuai and Querlioz, Damien and Petrisor, Teodora and Grollier, Julie}, journal={iScience}, volume={24}, "
        "pages={102222}, year={2021}}"
    )

    form: str = param(
        "event", doc="what makes a change: every single spike, or rates counted in a window", source=_OURS,
        choices=("event", "window"),
    )  # fmt: skip
    estimator: str = param(
        "centred", doc="how the gradient is estimated", source=_OURS, choices=("one-sided", "random-sign", "centred")
    )
    beta: float = param(3.0, doc="strength of nudging", source=_CHOSEN, low=-100.0, high=100.0)
    high: float = param(1.0, doc="wanted rate of the right output, of the highest", source=_CHOSEN, low=1e-3, high=1.0)
    lr: float = param(4.8, doc="learning rate of the weights of the input", source=_CHOSEN, low=0.0, high=1e3)
    inner_lr: float = param(2.4, doc="learning rate of the weights between neurons", source=_CHOSEN, low=0.0, high=1e3)
    digital_lr: float = param(0.2, doc="learning rate of biases", source=_CHOSEN, low=0.0, high=1e3)
    final: float = param(
        0.02, doc="last learning rate as a share of the first; it falls along half a cosine", source=_CHOSEN, low=0.0,
        high=1.0,
    )  # fmt: skip
    gain: float = param(
        1.5, doc="factor of the Glorot weights of networks made by this rule", source=_CHOSEN, low=0.0, high=1e3
    )
    free: float = _time(0.08, "length of the free phase of learning")
    nudged: float = _time(0.12, "length of a nudged phase")
    averaged: float = _time(0.08, "last part of a phase in which spikes are counted")
    settle: float = _time(0.06, "time before spikes are counted when classifying")
    answer: float = _time(0.2, "time in which they are")
    membrane: float = _time(10e-3, "time constant of the voltage")
    refractory: float = _time(10e-3, "refractory period; 1 over it is the highest rate")
    synapse: float = _time(30e-3, "time constant of the trace of a spike")
    slow: float = _time(60e-3, "time constant of the slower copy of the trace")
    step: float = _time(2e-3, "step of the simulation")

    def check(self) -> None:
        """Refuse a nudging of 0, and times that do not fit each other."""
        super().check()
        ep.points(self.estimator, self.beta, 2, torch.Generator())
        _ = self.neurons, self.phases

    @property
    def neurons(self) -> SpikingNeurons:
        """Constants of the neurons of networks made by this rule."""
        return SpikingNeurons(self.membrane, self.refractory, self.synapse, self.slow, self.step)

    @property
    def phases(self) -> SpikingPhases:
        """Lengths of the phases of networks made by this rule."""
        return SpikingPhases(self.free, self.nudged, self.averaged, self.settle, self.answer)

    def build_network(self, spec: str, **common: Any) -> SpikingEnergyNetwork:
        """A chain of spiking neurons with dense couplings and the constants declared here."""
        own: dict[str, Any] = {"neurons": self.neurons, "phases": self.phases, "gain": self.gain}
        return build_spiking_energy(spec, **{**own, **common})

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "spiking-equilibrium-propagation")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        if not isinstance(network, SpikingEnergyNetwork):
            raise RefusedError(
                f"{self.title} trains networks of spiking neurons (SpikingEnergyNetwork), not a "
                f"{type(network).__name__}"
            )
        return SpikingDescent(network, self, steps_per_epoch * epochs)

    def learning_counts(self, network: SpikingEnergyNetwork, x: torch.Tensor | None = None) -> Counts:
        """Events of the phases of one sample, as in the last mini-batch of the training."""
        return network.spiking_counts()

    def remarks(self, network: SpikingEnergyNetwork, history: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
        """How long phases are, and how they make an estimate."""
        nudged = 2 if self.estimator == "centred" else 1
        return (
            f"A sample is classified by the rates of the outputs in {1e3 * self.answer:g} ms after "
            f"{1e3 * self.settle:g} ms of settling.",
            f"Learning from a sample takes {1e3 * self.free:g} ms of free motion and {nudged} nudged "
            f"phase{'s' if nudged > 1 else ''} of {1e3 * self.nudged:g} ms ({self.estimator} estimator, beta "
            f"{self.beta:g}, {self.form} form).",
        )


class SpikingDescent(RuleState):
    """Phases of spikes, changes, and gradient descent.

    Attributes:
        rates: learning rate of every coupling, in order; may be changed before training.
        bias_rates: of the biases of every group of neurons.
    """

    network: SpikingEnergyNetwork

    def __init__(self, network: SpikingEnergyNetwork, rule: SpikingEquilibriumPropagation, steps: int) -> None:
        super().__init__(network)
        self.rule, self.chips = rule, network.chips or 1
        self.rates = [rule.lr] + [rule.inner_lr] * (len(network.edges) - 1)
        self.bias_rates = [rule.digital_lr] * len(network.biases)
        self.steps, self.taken = max(steps, 1), 0
        self.spikes, self.learnt = torch.zeros(2, len(network.biases)), 0

    def step(self, generator: torch.Generator) -> None:
        """There is no step without phases."""
        raise RefusedError(f"{self.rule.title} finds its own gradients; use learn()")

    @torch.no_grad()
    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Free phase, nudged phases, one change of every weight; the loss is the squared error of free rates."""
        network, rule = self.network, self.rule
        target = network.targets(y) * rule.high
        points = ep.points(rule.estimator, rule.beta, 2, generator)
        weights = [float(p.weight.real) for p in points]
        nudged = [k for k, p in enumerate(points) if p.beta]
        betas = [float(points[k].beta.real) for k in nudged]
        event = rule.form == "event"
        signs = [weights[k] for k in nudged] if event else []
        found = network.run(x, target, betas, signs, key=draw_key(generator))
        self._apply(x, found, points, weights, generator)
        network.learning_spikes = [a + b for a, b in zip(*found.spikes, strict=True)]
        return 0.5 * (target - found.rates[0][-1]).square().sum(-1).mean(-1).sum()

    def _apply(
        self,
        x: torch.Tensor,
        found: SpikingRun,
        points: Sequence[ep.Point],
        weights: Sequence[float],
        generator: torch.Generator,
    ) -> None:
        """Change weights and biases, coupling by coupling, by the mean over the batch."""
        network, event = self.network, self.rule.form == "event"
        seen = found.filtered if event else found.rates
        phases = [seen[1 + k] if p.beta else seen[0] for k, p in enumerate(points)]
        own = network.chips is not None and x.dim() == 3
        below = [x.to(torch.float32) if own else x.reshape(len(x), -1).to(torch.float32)] * len(phases)
        factor = self.rule.factor(self.taken / self.steps, self.taken) / phases[0][0].shape[-2]
        for k, (edge, bias) in enumerate(zip(network.edges, network.biases, strict=True)):
            layer, rate = edge.coupling, self.rates[k] * factor
            above = [phase[k] for phase in phases]
            pairs = list(zip(weights, below, above, strict=True))
            if layer.fabricated:
                wanted = found.changes[k - 1] if event and k else layer.hebbian(pairs)
                layer.apply_update(Update(wanted * rate), generator)
            elif event and k:
                layer.weight.add_(found.changes[k - 1], alpha=rate)
            else:
                layer.follow(pairs, rate)
            for c, s in zip(weights, above, strict=True):
                bias.add_(s.sum(-2), alpha=c * self.bias_rates[k] * factor)
            below = above
        self.taken += 1
