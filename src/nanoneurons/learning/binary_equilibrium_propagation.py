r"""Binary equilibrium propagation: weights of one bit that flip when the gradient has long asked for it.

.. math:: m \leftarrow (1 - \gamma)\,m + \gamma\,g, \qquad
    w \leftarrow -w \ \text{ if } \ -\mathrm{sign}(w)\,m > \tau, \qquad W = \alpha\,w

with *g* the change that equilibrium propagation wants of W (minus the gradient, mean over the batch). The momentum *m*
is not cleared by a flip. Biases take plain steps. The scaling :math:`\alpha` of a coupling is fixed, or learnt by
:math:`\Delta\alpha = \eta_\alpha\,c\,\Delta\Phi` with :math:`\Delta\Phi` the estimated change of the coupling's term
of :math:`\Phi` (not divided by :math:`\alpha`) and c = 1/2 for matrices, 1 for convolutions, as the authors' program
has it.

Source: Laydevant, Ernoult, Querlioz and Grollier, CVPR Workshops 2021, arXiv:2103.08953; flips after Helwegen et al.,
NeurIPS 2019, arXiv:1906.02107.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._binary import require_binary
from nanoneurons.learning._equilibrium_state import EquilibriumRule, EquilibriumState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks._phases import Clamped, RelaxingNetwork, States
from nanoneurons.networks.dynamics import Dynamics
from nanoneurons.networks.energy_build import build_energy

__all__ = ["BinaryEquilibriumPropagation", "Flipping"]

_PAPER = "arXiv:2103.08953, program of the authors, 784-4096-10"
_OURS = "choice of this project"


@dataclass(frozen=True)
class BinaryEquilibriumPropagation(EquilibriumRule):
    """Free and nudged phases as in equilibrium propagation; weights of -1 and +1 that flip.

    Args:
        more: the declared parameters. Those of single couplings are set on the state (`Flipping`).

    Needs a network with an energy and binary couplings. A device sees only whether to be written, and which way;
    devices that all read the same when training begins are first written with random signs, since a network of equal
    weights has nothing to compare.

    Not modelled: the program's rounding of the initial scaling to four decimals.
    """

    title: ClassVar[str] = "binary equilibrium propagation"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("binary",)
    local: ClassVar[str] = (
        "a weight sees the states of the two neurons it joins, in two phases, and keeps one running mean beside its bit"
    )
    default_epochs: ClassVar[int] = 10
    default_batch: ClassVar[int] = 64
    default_updates: ClassVar[int] = 3000
    citation: ClassVar[str] = (
        "@inproceedings{laydevant2021, title={Training Dynamical Binary Neural Networks with Equilibrium Propagation}, "
        "author={Laydevant, J{\\'e}r{\\'e}mie and Ernoult, Maxence and Querlioz, Damien and Grollier, Julie}, "
        "booktitle={CVPR Workshops}, year={2021}, eprint={2103.08953}}"
    )

    estimator: str = param(
        "random-sign", doc="how the gradient is estimated", source=_PAPER, choices=ep.ESTIMATORS
    )  # fmt: skip
    beta: float = param(0.3, doc="strength of nudging", source=_PAPER, low=-100.0, high=100.0)
    gamma: float = param(1e-4, doc="share of a new gradient in the momentum", source=_PAPER, low=0.0, high=1.0)
    tau: float = param(5e-7, doc="momentum against a weight beyond which it flips", source=_PAPER, low=0.0, high=1e3)
    digital_lr: float = param(0.05, doc="learning rate of the biases", source=_PAPER, low=0.0, high=1e3)
    scale_lr: float = param(
        0.0, doc="learning rate of the scaling of every coupling, 0 for fixed ones", source=_PAPER, low=0.0, high=1e3
    )
    free_steps: int = param(
        50, doc="steps of the free phase in networks made by this rule", source=_PAPER, low=1, high=1_000_000,
        integer=True,
    )  # fmt: skip
    nudged_steps: int = param(
        10, doc="steps of a nudged phase in networks made by this rule", source=_PAPER, low=1, high=1_000_000,
        integer=True,
    )  # fmt: skip
    averaged: int = param(
        1, doc="last steps of a phase averaged against the noise of reading, in networks made by this rule",
        source=_PAPER, low=1, high=1_000_000, integer=True,
    )  # fmt: skip
    order: str = param(
        "synchronous", doc="order in which groups move in networks made by this rule", source=_PAPER,
        choices=("synchronous", "alternating"),
    )  # fmt: skip

    def build_network(self, spec: str, **common: Any) -> RelaxingNetwork:
        """An energy network of dense binary couplings, nudged outside of its state function."""
        common["kind"] = "binary"
        return build_energy(spec, dynamics=Dynamics(nudge="outside"), relaxation=self.phases, **common)

    def accept(self, circuit: Circuit) -> None:
        """Any pair of devices, or cell, that can be written again will do."""
        require_binary(circuit, "binary-equilibrium-propagation")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and clear the momenta."""
        return Flipping(self.require(network), self)


class Flipping(EquilibriumState):
    """Binary equilibrium propagation at work on one network (or chips side by side).

    Attributes:
        gammas, taus, scale_rates: of each coupling, in order from the input; may be changed before training.
        bias_rates: of the biases of each group of neurons.
        momenta: running means of the wanted changes, one per coupling.
        flipped: weights flipped so far, per coupling, chips together.
    """

    rule: BinaryEquilibriumPropagation

    def __init__(self, network: RelaxingNetwork, rule: BinaryEquilibriumPropagation) -> None:
        super().__init__(network, rule)
        network.require_symmetric()
        if network.readout is not None:
            raise RefusedError("binary equilibrium propagation nudges outputs; build the network with squared-error")
        couplings = [e.coupling for e in network.edges]
        for k, coupling in enumerate(couplings):
            if not coupling.binary:
                raise RefusedError(
                    f"binary equilibrium propagation flips weights of -1 and +1, but coupling {k} is graded; build the "
                    "network with binary=True, or use 'equilibrium-propagation'"
                )
        self.gammas = [rule.gamma] * len(couplings)
        self.taus = [rule.tau] * len(couplings)
        self.scale_rates = [rule.scale_lr] * len(couplings)
        self.bias_rates = [rule.digital_lr] * len(network.biases)
        self.momenta = [torch.zeros_like(c.weight, requires_grad=False) for c in couplings]
        self.mixed = False
        self.flipped = [torch.zeros((), device=c.weight.device) for c in couplings]

    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Free phase, nudged phases, one step of momenta, weights and biases."""
        if not self.mixed:
            for coupling in (e.coupling for e in self.network.edges):
                if coupling.fabricated and bool((coupling.weight == coupling.weight.flatten()[0]).all()):
                    signs = torch.rand(coupling.weight.shape, generator=generator) - 0.5
                    coupling.program(signs.to(coupling.weight.device), generator)
            self.mixed = True
        return super().learn(x, y, generator, chosen)

    def apply(
        self,
        clamped: Clamped,
        found: list[tuple[ep.Point, States]],
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Let momenta follow, flip weights, step biases and scalings."""
        network, batch = self.network, clamped.batch
        for k, (edge, pairs) in enumerate(zip(network.edges, ep.pairs(network, clamped, found), strict=True)):
            coupling, m, gamma = edge.coupling, self.momenta[k], self.gammas[k]
            coupling.accumulate(m, pairs, 1 - gamma, gamma / batch)
            if self.scale_rates[k] and coupling.scale is not None:
                share = 0.5 if isinstance(coupling, DenseCoupling) else 1.0
                change = coupling.hebbian_scale(pairs) * coupling.scale  # the term of Phi itself
                coupling.scale.add_(change.to(coupling.scale.dtype), alpha=self.scale_rates[k] * share / batch)
            if coupling.fabricated:
                against = -coupling.weight.sign() * m > self.taus[k]
                self.flipped[k] += against.sum()
                if against.any():
                    change = torch.where(against, -2 * coupling.weight.sign(), torch.zeros(()).to(m))
                    coupling.apply_update(Update(change), generator)
            else:
                self.flipped[k] += flip(coupling.weight.data, m, self.taus[k])
        for bias, change, rate in zip(network.biases, ep.bias_changes(network, found), self.bias_rates, strict=True):
            bias.add_(change, alpha=rate / batch)


def flip(weight: torch.Tensor, m: torch.Tensor, tau: float) -> torch.Tensor | int:
    """Flip weights of -1 and +1, in place, where ``-weight m > tau``; returns how many."""
    if weight.device.type == "cpu" and weight.is_contiguous() and m.is_contiguous():
        return _flip(weight.view(-1).numpy(), m.view(-1).numpy(), weight.new_tensor(-tau).numpy()[()])
    against = (weight * m).lt_(-tau)
    weight.addcmul_(weight, against, value=-2)
    return against.sum()


@numba.njit(cache=True)
def _flip(weight, m, least):  # pragma: no cover - compiled
    count = 0
    for i in range(weight.size):
        if weight[i] * m[i] < least:
            weight[i] = -weight[i]
            count += 1
    return count
