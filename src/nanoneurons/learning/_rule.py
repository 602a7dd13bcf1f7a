"""The contract of a learning rule: what every rule says of itself, and how a rule for layers works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons import networks
from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import Parameterized
from nanoneurons.layers._layer import DeviceLayer

__all__ = ["LayerRule", "Rule", "RuleState", "refuse_special"]


@dataclass(frozen=True)
class Rule(Parameterized, ABC):
    """One algorithm, its hyper-parameters declared like a device's.

    A rule that trains something else than layers derives from this class and has a signature of its own.

    Attributes:
        title: name for people.
        citation: BibTeX of the source.
        local: what must be local for a hardware version, one sentence.
        trains: what the rule changes: weights of ``"layers"``, currents and couplings of ``"oscillators"``, or only a
            digital ``"read-outs"`` behind devices that stay as they are.
    """

    title: ClassVar[str]
    citation: ClassVar[str]
    local: ClassVar[str]
    trains: ClassVar[Literal["layers", "oscillators", "read-outs"]]


@dataclass(frozen=True)
class LayerRule(Rule):
    """How gradients become a wanted change of each layer.

    A rule sees layers and gradients, never a device: it returns an `Update` per layer, and the layer's
    circuit turns it into pulses. Digital parameters (biases, batch normalisation) are trained beside it
    by an ordinary optimiser.

    Attributes:
        in_situ: True when the devices hold the weights during training (each chip is trained);
            False when software weights are trained once and then written to every chip.
        layers: kinds of layer the rule trains (``"binary"``, ``"analog"``, ``"rf"``), the usual one first.
        networks: names of networks that only this rule builds; a study that names one takes this rule.
        default_epochs: passes over the training set when a study does not say.
        default_batch: mini-batch size when a study does not say and the training set is large.
        default_updates: fewest mini-batches of a training when a study does not say: small sets get more epochs.
        circuit_values: parameters of a circuit that suit the rule better than their defaults, where a study does not
            say; those that a circuit does not have are passed over.
        passes: what reads the arrays during training in the devices, for the bill.
    """

    trains: ClassVar[Literal["layers", "oscillators", "read-outs"]] = "layers"
    in_situ: ClassVar[bool]
    layers: ClassVar[tuple[str, ...]]
    networks: ClassVar[tuple[str, ...]] = ()
    default_epochs: ClassVar[int]
    default_batch: ClassVar[int]
    default_updates: ClassVar[int]
    circuit_values: ClassVar[Mapping[str, float]] = {}
    passes: ClassVar[str] = "forward passes"

    def build_network(self, spec: str, **common: Any) -> Any:
        """The network this rule trains, from its description; see `nanoneurons.networks.build` for the arguments."""
        return networks.build(spec, **common)

    def learning_counts(self, network: Any, x: torch.Tensor | None = None) -> Counts:
        """Events of reading the arrays to learn from one sample, one chip: those of an inference unless overridden."""
        return network.inference_counts(x)

    def remarks(self, network: Any, history: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
        """What a reader of results should know of a training, in sentences; nothing unless overridden.

        Args:
            history: the records that `nanoneurons.learning.fit` returned.
        """
        return ()

    @abstractmethod
    def accept(self, circuit: Circuit) -> None:
        """Raise `RefusedError` with the reason when the circuit's devices cannot follow this rule."""

    @abstractmethod
    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Optimiser state for one training run of `network`."""


def refuse_special(circuit: Circuit, rule: str, usual: str = "crossbar") -> None:
    """Refuse synapses of spiking neurons and tables of likelihoods, for a rule whose usual circuit is `usual`."""
    special = {
        "spiking": ("synapses of spiking neurons", "a rule for spikes such as 'vdsp'"),
        "likelihood": ("tables of likelihoods", "the rule 'naive-bayes'"),
    }
    if circuit.layers in special:
        what, instead = special[circuit.layers]
        raise RefusedError(
            f"rule {rule!r} trains layers that multiply, but the circuit '{circuit.title}' makes {what}; use the "
            f"circuit {usual!r}, or {instead}"
        )


class RuleState(ABC):
    """A layer rule at work on one network, used like a ``torch.optim`` optimiser.

    The trainer calls ``begin(generator)``, computes the loss, calls ``loss.backward()`` and then
    ``step(generator)``; ``end_epoch()`` after each pass and ``finish()`` at the end.

    Attributes:
        device_layers: layers whose weights live, or will live, in devices.
        digital: every other trainable parameter.
        chips: chips side by side, as far as seen.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.device_layers: list[DeviceLayer] = [m for m in network.modules() if isinstance(m, DeviceLayer)]
        held = {id(layer.weight) for layer in self.device_layers}
        self._parameters = list(network.parameters())
        self.digital: list[nn.Parameter] = [p for p in self._parameters if id(p) not in held]
        self.chips = 1

    def begin(self, generator: torch.Generator) -> None:
        """Prepare a mini-batch: clear gradients, draw injected errors. The base clears gradients."""
        for p in self._parameters:
            p.grad = None

    @abstractmethod
    def step(self, generator: torch.Generator) -> None:
        """Turn the gradients into updates and apply them."""

    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Learn from one mini-batch and return its loss, summed over chips.

        The base runs the network, lets autograd find the gradients of the cross-entropy and calls `step`.

        Args:
            chosen: which samples of the training set these are.
        """
        self.begin(generator)
        output = self.network(x)
        if output.dim() == 3:
            self.chips = output.shape[0]
        loss = _cross_entropy(output, y)
        loss.backward()
        self.step(generator)
        return loss.detach()

    def together(self, streams: list[torch.Generator]) -> None:
        """Train the chips as so many seeds side by side, each with random numbers from its own stream.

        Raises:
            RefusedError: the rule cannot; the base never can.
        """
        raise RefusedError("this rule trains one seed at a time; give `fit` one number as its seed")

    def measured(self) -> dict[str, float]:
        """What the record of an epoch should tell besides its loss; nothing unless overridden."""
        return {}

    def end_epoch(self) -> None:  # noqa: B027 - most rules need nothing here
        """Advance schedules; the base has none."""

    def conclude(  # noqa: B027 - most rules need nothing here
        self, x: torch.Tensor, y: torch.Tensor, progress: Callable[[float, str], None] | None = None
    ) -> None:
        """Look at the training set once more after the last epoch, without learning; the base does not."""

    def finish(self) -> None:  # noqa: B027 - most rules need nothing here
        """Take back whatever the rule added to the network for training; the base added nothing."""


def _cross_entropy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if output.dim() == 2:
        return F.cross_entropy(output, target)
    chips, batch, classes = output.shape
    flat = F.cross_entropy(output.reshape(chips * batch, classes), target.repeat(chips), reduction="sum")
    return flat / batch
