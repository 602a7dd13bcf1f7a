r"""Voltage-dependent synaptic plasticity: an output spike compares itself with the membrane potentials of the inputs.

.. math::
    \Delta w = \eta\,(1 - w)\,(e^{-v} - 1) \quad (v < 0), \qquad \Delta w = -\eta\,w\,(e^{v} - 1) \quad (v > 0)

The potential *v* of an input neuron is below rest just after it has fired, and above rest when it has not fired for
long: it says what spike-timing dependent plasticity asks a trace for. No time constant enters, so the rule holds at any
firing rate. Where the devices answer to the size of a voltage, they are given the potential itself and do the rest.

What is local: a synapse needs the potential of its input neuron at the moment its output neuron fires.

Source: Garg, Balafrej, Stewart, Portal, Bocquet, Querlioz, Drouin, Rouat, Beilliard and Alibart, Front. Neurosci.
16:983950 (2022), arXiv:2203.11022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.networks import _plasticity
from nanoneurons.networks.competition import Competitors, Presentation, by_voltage
from nanoneurons.networks.competitive import CompetitiveNetwork, build_competitive
from nanoneurons.networks.decoding import DECODERS

__all__ = ["VDSP"]

_PAPER = "Garg et al. 2022, published program"
_OURS = "choice of this project"


@dataclass(frozen=True)
class VDSP(LayerRule):
    """Unsupervised learning at output spikes from the membrane potentials of the inputs; neurons are labelled after."""

    title: ClassVar[str] = "voltage-dependent synaptic plasticity (VDSP)"
    local: ClassVar[str] = "a synapse needs the potential of its input neuron when its output neuron fires"
    citation: ClassVar[str] = (
        "@article{garg2022vdsp, title={Voltage-dependent synaptic plasticity: Unsupervised probabilistic Hebbian "
        "plasticity rule based on neurons membrane potential}, author={Garg, Nikhil and Balafrej, Ismael and Stewart, "
        "Terrence C. and Portal, Jean-Michel and Bocquet, Marc and Querlioz, Damien and Drouin, Dominique and Rouat, "
        "Jean and Beilliard, Yann and Alibart, Fabien}, journal={Frontiers in Neuroscience}, volume={16}, "
        "pages={983950}, year={2022}}"
    )
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("spiking",)
    default_epochs: ClassVar[int] = 1
    default_batch: ClassVar[int] = 100
    default_updates: ClassVar[int] = 45
    passes: ClassVar[str] = "presentations"

    rate: float = param(
        6e-3, doc="learning rate; 4e-4 and eight epochs suit all of MNIST", source=_OURS, low=0.0, high=1.0
    )
    final: float = param(
        1.0, doc="learning rate of the last mini-batch over the first; it falls geometrically", source=_OURS, low=1e-6,
        high=1.0,
    )  # fmt: skip
    inhibition: float = param(
        0.01, "s", doc="time for which a spike holds the other neurons at rest, doubled where voltages write",
        source=_PAPER, low=0.0, high=1.0,
    )  # fmt: skip
    read_gain: float = param(
        1.0, doc="factor of the input current while nothing is learnt", source=_OURS, low=1e-3, high=1e6
    )
    decoder: str = param("likelihood", doc="read-out of the spikes of labelled neurons", source=_OURS, choices=DECODERS)

    def build_network(self, spec: str, **common: Any) -> CompetitiveNetwork:
        """A layer of competing neurons, one of its own where potentials write beyond thresholds.

        Settings given here go before those of the rule.
        """
        choices: dict[str, Any] = {
            "competitors": Competitors(inhibition=self.inhibition),
            "presentation": Presentation(read_gain=self.read_gain),
            "decoder": self.decoder,
        }
        circuit = common.get("circuit")
        if circuit is not None and getattr(circuit, "takes_voltages", False):
            names = ("cells", "competitors", "presentation")
            choices |= dict(zip(names, by_voltage(2 * self.inhibition, self.read_gain), strict=True))
        return build_competitive(spec, **{**choices, **common})

    def accept(self, circuit: Circuit) -> None:
        """Refuse circuits that make no spiking synapses, and devices without intermediate states."""
        if circuit.layers != "spiking":
            raise RefusedError(
                f"rule 'vdsp' trains synapses of spiking neurons, but a {circuit.title} makes {circuit.layers} layers; "
                "use the circuit 'synapse-array'"
            )
        if not getattr(circuit.device, "graded", True):
            raise RefusedError(
                f"{type(circuit.device).__name__} has no intermediate states, in which small changes could add up; use "
                "a graded device"
            )

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> VDSPState:
        """One training run."""
        if not isinstance(network, CompetitiveNetwork):
            raise RefusedError(f"rule 'vdsp' trains a CompetitiveNetwork, not a {type(network).__name__}")
        circuit = network.synapses.circuit
        if circuit is not None and network.synapses.fabricated:
            self.accept(circuit)
        return VDSPState(network, self, steps_per_epoch * epochs)


class VDSPState(RuleState):
    """VDSP at work on one network; `Plasticity` of its synapses."""

    network: CompetitiveNetwork

    def __init__(self, network: CompetitiveNetwork, rule: VDSP, steps: int) -> None:
        super().__init__(network)
        self.rule, self.steps, self.taken = rule, steps, 0
        self.law, self.values = _plasticity.VDSP, (rule.rate, rule.rate)
        self.rate = rule.rate
        self.chips = network.chips or 1
        synapses = network.synapses
        self.by_potential = synapses.fabricated and synapses.wired.takes_voltages

    def wanted(self, before: torch.Tensor, weights: torch.Tensor, quiet: torch.Tensor) -> Update:
        """The law of the module for rows of synapses, or the potentials themselves as voltages."""
        if self.by_potential:
            return Update(-before.float(), "V")
        up = (1 - weights) * torch.expm1(-before.clamp(max=0))
        down = weights * torch.expm1(before.clamp(min=0))
        return Update((self.rate * (up - down)).to(weights.dtype))

    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Show the samples of a mini-batch one after the other; there is no loss (0)."""
        self.rate = self.rule.rate * self.rule.final ** (self.taken / max(self.steps - 1, 1))
        self.values = (self.rate, self.rate)
        self.network.present(x, self, generator)
        self.taken += 1
        return torch.zeros(())

    def step(self, generator: torch.Generator) -> None:
        """There are no gradients."""
        raise RefusedError("rule 'vdsp' knows no gradients; use learn()")

    def conclude(self, x: torch.Tensor, y: torch.Tensor, progress: Callable[[float, str], None] | None = None) -> None:
        """Label the neurons by the training samples."""
        self.network.label(x, y, progress)
