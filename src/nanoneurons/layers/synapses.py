"""Synapses of spiking neurons: weights between 0 and 1 that change one by one, where spikes meet."""

from __future__ import annotations

import torch

from nanoneurons.circuits import Circuit, MemoryCircuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.update import Update
from nanoneurons.physics.voltage_switching import Rows

from ._layer import DeviceLayer

__all__ = ["Synapses"]


class Synapses(DeviceLayer):
    """A matrix of synapses, in software or in the devices of a synapse array.

    Args:
        in_features: neurons before.
        out_features: neurons after.
        circuit: circuit that holds the weights once fabricated; one that makes synapses of 0 to 1.
        chips: number of chips side by side; then `weight` is ``(chips, out, in)``.
        seed: seed of the initial weights, uniform between 0 and 1.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        circuit: Circuit | None = None,
        chips: int | None = None,
        seed: int = 0,
    ) -> None:
        if circuit is not None and circuit.layers != "spiking":
            raise RefusedError(
                f"Synapses hold weights of 0 to 1, but a {circuit.title} makes {circuit.layers} layers; use the "
                "circuit 'synapse-array'"
            )
        super().__init__((out_features, in_features), False, circuit, chips, seed)
        self.weight.requires_grad_(False)
        self.in_features, self.out_features = in_features, out_features

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Uniform between 0 and 1, and no bias."""
        return torch.rand(weight_shape, generator=generator), torch.zeros(weight_shape[0])

    @property
    def wired(self) -> MemoryCircuit:
        """The circuit that holds the weights."""
        circuit = self._wired()
        assert isinstance(circuit, MemoryCircuit)
        return circuit

    def rows(self, generator: torch.Generator) -> Rows | None:
        """The devices as a compiled loop writes them in place, if it can; see `SynapseArray.rows`."""
        made = getattr(self.wired, "rows", None)
        return made(self.state, generator) if self.fabricated and made is not None else None

    @torch.no_grad()
    def apply_at(self, where: tuple[torch.Tensor, ...], update: Update, generator: torch.Generator) -> None:
        """Change some synapses only, see `MemoryCircuit.update_at`; a software weight stays between 0 and 1."""
        if not self.fabricated:
            self.weight[where] = (self.weight[where] + update.change.to(self.weight.dtype)).clamp_(0.0, 1.0)
            return
        circuit, state = self.wired, self.state
        circuit.update_at(state, where, update, generator)
        if update.unit == "V":
            self.pulses_applied += float((update.change != 0).sum())
        else:
            self.pulses_applied += circuit.pulses_of(update)
        chosen = {name: value[where] for name, value in state.items()}
        self.weight.data[where] = circuit.weights(chosen).to(self.weight.dtype)
