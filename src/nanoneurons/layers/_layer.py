"""What every layer over a circuit shares: weights, fabricated chips, and the way a change comes in."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import OuterProducts, Update

__all__ = ["DeviceLayer", "DeviceModule"]


class DeviceModule(nn.Module):
    """A module with devices: their states lie in buffers, so ``state_dict()`` *is* the chip."""

    @property
    def fabricated(self) -> bool:
        """Whether there are devices."""
        return any(name.startswith("device_") for name in self._buffers)

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """State of the devices, by name."""
        return {
            name.removeprefix("device_").replace("__", "."): value
            for name, value in self._buffers.items()
            if value is not None and name.startswith("device_")
        }

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices of the chip(s)."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """Events of one inference, one chip."""
        raise NotImplementedError

    def counts_of(self, x: torch.Tensor) -> Counts:
        """Events of one inference, one chip, on inputs like `x`; those of any input unless overridden."""
        return self.counts()

    def _store(self, state: dict[str, torch.Tensor]) -> None:
        for name, value in state.items():
            key = "device_" + name.replace(".", "__")
            if key in self._buffers:
                self._buffers[key] = value
            else:
                self.register_buffer(key, value)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for key, value in state_dict.items():  # a saved chip brings its device states along
            name = key.removeprefix(prefix)
            if key.startswith(prefix + "device_") and "." not in name and name not in self._buffers:
                self.register_buffer(name, torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *args)


class DeviceLayer(DeviceModule):
    """A weight matrix that may live in devices.

    Before `fabricate` the layer is software: `weight` is an ordinary trainable parameter. After it,
    the device states lie in buffers (so ``state_dict()`` *is* the chip) and `weight` holds what was
    last read from them: gradients still arrive in ``weight.grad``, but only `apply` and `program`
    change the weights.

    Args:
        weight_shape: ``(out, in)`` of a dense layer, ``(out, in, height, width)`` of a convolution.
        circuit: how the devices are wired; ``None`` for a software layer.
        chips: number of chips simulated side by side; ``None`` for one without a chip axis.
        seed: seed of the initial weights and of the layer's own noise stream.

    Attributes:
        parameter_name: what the trained parameter is called; `weight` is it in any case.
        twin: weights that the backward pass uses instead of those read, or None (see the rule ``physics-aware``).
        generator: stream of the noise drawn in forward passes.
        keep_factors: whether the backward pass stores `factors` (error and input vectors, a pair per product)
            instead of computing the gradient of the weights.
        errors: -1 and +1 to multiply onto the weights of the forward pass, or None (binary layers).
        pulses_applied: device pulses of programming and training so far, all chips together.
    """

    parameter_name: ClassVar[str] = "weight"
    weight: nn.Parameter

    def __init__(
        self, weight_shape: tuple[int, ...], bias: bool, circuit: Circuit | None, chips: int | None, seed: int
    ) -> None:
        super().__init__()
        if chips is not None and chips < 1:
            raise ValueError(f"chips must be at least 1, not {chips}")
        self.circuit = circuit
        self.chips = chips
        lead = () if chips is None else (chips,)
        start = generator_for(seed, "init", *weight_shape)
        weight, offset = self.initial(weight_shape, start)
        setattr(self, self.parameter_name, nn.Parameter(weight.expand(*lead, *weight_shape).clone()))
        self.bias = nn.Parameter(offset.expand(*lead, *offset.shape).clone()) if bias else None
        self.twin: torch.Tensor | None = None
        self.generator = generator_for(seed, "noise", *weight_shape)
        self.keep_factors = False
        self.factors: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.pulses_applied = 0.0
        self.errors: torch.Tensor | None = None

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Initial weights and biases of one chip: uniform within one over the root of the fan-in, and zero."""
        bound = 1 / math.sqrt(math.prod(weight_shape[1:]))
        return (torch.rand(weight_shape, generator=generator) * 2 - 1) * bound, torch.zeros(weight_shape[0])

    @property
    def products(self) -> tuple[int, int] | None:
        """Outputs and inputs of what the layer computes, or None where that is no matrix: a convolution."""
        shape = self.weight.shape
        return (shape[-2], shape[-1]) if len(shape) < 4 else None

    @property
    def units(self) -> tuple[float, float]:
        """Natural size of a weight and of a bias, which rules take as the unit of their steps."""
        shape = self.weight.shape
        fan_in = math.prod(shape[1 + len(shape) % 2 :])  # an odd number of axes means a leading chip axis
        return 1 / math.sqrt(fan_in), 1.0

    def _wired(self) -> Circuit:
        if self.circuit is None:
            raise RefusedError(f"{type(self).__name__} has no circuit; give one to put its weights into devices")
        return self.circuit

    @torch.no_grad()
    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices of the chip(s); the layer's weights are then what they happen to hold."""
        self._store(self._wired().init(tuple(self.weight.shape), generator))
        self.refresh()

    @torch.no_grad()
    def program(self, target: torch.Tensor, generator: torch.Generator) -> None:
        """Write target weights into the fabricated devices and read them back."""
        self._require()
        self.pulses_applied += self._wired().pulses_to_program(self.state, target)
        self._store(self._wired().program(self.state, target, generator))
        self.refresh()

    @torch.no_grad()
    def apply_update(self, update: Update | OuterProducts, generator: torch.Generator) -> None:
        """Hand a wanted change to the circuit, which turns it into pulses; read the result back."""
        self._require()
        self._store(self._wired().update(self.state, update, generator))
        self.pulses_applied += self._wired().pulses_of(update)
        self.refresh()

    def trim(self, generator: torch.Generator) -> None:
        """Tune out what fabrication did to the devices, as far as the weights read do not show it already."""

    @torch.no_grad()
    def move(self, change: torch.Tensor) -> None:
        """Change the weights of a software layer."""
        self.weight.add_(change)

    @torch.no_grad()
    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read the devices into `weight`; with a generator, read errors are drawn anew."""
        self._require()
        self.weight.data = self._wired().weights(self.state, generator).to(self.weight.dtype)

    def _require(self) -> None:
        if not self.fabricated:
            raise RefusedError(f"{type(self).__name__} is not fabricated; call fabricate(generator) first")

    def counts(self) -> Counts:
        """Events of one inference through this layer, one chip."""
        circuit = self._wired()
        out, fan_in = (
            self.weight.shape[0 if self.chips is None else 1],
            math.prod(self.weight.shape[1 if self.chips is None else 2 :]),
        )
        return circuit.inference(out, fan_in)
