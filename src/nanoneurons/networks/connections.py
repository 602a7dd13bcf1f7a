r"""Connections of a spiking network: which weights, what a spike does, how late.

A spike of source j gives target i a pulse of drive :math:`A W_{ij}`, of the connection's amplitude A and a width b
(one step unless given), through a low-pass with time constant :math:`\tau` where there is one:

.. math:: y \leftarrow a\,y + (1 - a)\,\frac{b}{\Delta t} A \sum_j W_{ij} s_j, \qquad a = e^{-\Delta t/\tau}

so that the area of a pulse is :math:`A W b` whatever the low-pass, and with a given width also whatever the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from nanoneurons.core.errors import ParameterError, RefusedError

__all__ = ["Connection", "DenseSynapses", "SparseSynapses"]


class DenseSynapses(nn.Module):
    """Software weights of either sign, ``(out, in)``, or ``(chips, out, in)`` where each chip has its own."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        if weight.dim() not in (2, 3) or not bool(torch.isfinite(weight).all()):
            raise ParameterError(
                f"synapses of shape {tuple(weight.shape)} must be finite and (out, in) or (chips, out, in)"
            )
        self.weight = nn.Parameter(weight.detach().float().clone(), requires_grad=False)


class SparseSynapses(nn.Module):
    """Software weights of either sign where most pairs have no synapse; kept by source.

    Attributes:
        weight: ``(synapses,)`` or ``(chips, synapses)``.
        targets: target neuron of each, int32.
        starts: synapses of source j are ``starts[j]`` up to ``starts[j + 1]``, int64.
        shape: ``(out, in)``.
    """

    targets: torch.Tensor
    starts: torch.Tensor

    def __init__(self, sources: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor, shape: tuple[int, int]):
        super().__init__()
        self.shape = shape
        if weight.shape[-1:] != sources.shape or sources.shape != targets.shape or sources.dim() != 1:
            raise ParameterError(
                f"sparse synapses: {tuple(sources.shape)} sources, {tuple(targets.shape)} targets and "
                f"{tuple(weight.shape)} weights do not fit; give one each per synapse"
            )
        if not bool(torch.isfinite(weight).all()):
            raise ParameterError("sparse synapses: a weight is not finite")
        for name, index, size in (("target", targets, shape[0]), ("source", sources, shape[1])):
            if len(index) and not (int(index.min()) >= 0 and int(index.max()) < size):
                raise ParameterError(f"sparse synapses: a {name} lies outside 0 to {size - 1}")
        order = torch.argsort(sources, stable=True)
        starts = torch.zeros(shape[1] + 1, dtype=torch.int64)
        starts[1:] = torch.bincount(sources, minlength=shape[1]).cumsum(0)
        self.register_buffer("targets", targets[order].to(torch.int32))
        self.register_buffer("starts", starts)
        self.weight = nn.Parameter(weight[..., order].detach().float().clone(), requires_grad=False)

    @classmethod
    def of(cls, matrix: torch.Tensor) -> SparseSynapses:
        """The entries of a sparse torch tensor ``(out, in)`` of any layout, or the non-zero ones of a dense one."""
        coo = (matrix.to_sparse() if matrix.layout == torch.strided else matrix.to_sparse_coo()).coalesce()
        targets, sources = coo.indices()
        return cls(sources, targets, coo.values(), (matrix.shape[0], matrix.shape[1]))

    @classmethod
    def random(
        cls, out: int, inputs: int, per_source: int, weight: float, generator: torch.Generator
    ) -> SparseSynapses:
        """`per_source` synapses of one weight from each source, to targets drawn with repetition."""
        targets = torch.randint(out, (inputs * per_source,), generator=generator)
        sources = torch.arange(inputs).repeat_interleave(per_source)
        return cls(sources, targets, torch.full((len(targets),), weight), (out, inputs))

    def dense(self) -> torch.Tensor:
        """The matrix ``(*chips, out, in)``; synapses of the same pair add up."""
        sources = torch.repeat_interleave(torch.arange(self.shape[1]), self.starts.diff())
        flat = self.targets.long() * self.shape[1] + sources
        weight = self.weight.detach()
        full = torch.zeros(*weight.shape[:-1], self.shape[0] * self.shape[1])
        return full.index_add_(-1, flat, weight).unflatten(-1, self.shape)


@dataclass(frozen=True, eq=False)
class Connection:
    """Synapses from one group to another, or to itself.

    Attributes:
        source: name of a population or a source of spikes.
        target: name of a population.
        synapses: weights ``(out, in)`` or ``(chips, out, in)`` of either sign; a sparse tensor; or a layer that holds
            them, in devices or not: `layers.synapses.Synapses`, `layers.analog.AnalogLinear` (without bias).
        amplitude: drive of a spike through a weight of 1, in the unit of the target's drive.
        width: length of that pulse in s; None is one step. Pulses are spread over the step of their arrival.
        time_constant: of the synaptic low-pass in s; 0 is none.
        delay: time in s after which a spike arrives, in whole steps; None is one step. 0 is the same step, which takes
            an order of the populations and so no loop of such connections.
        name: of the connection; ``source-target`` if not given.
    """

    source: str
    target: str
    synapses: torch.Tensor | nn.Module
    amplitude: float = 1.0
    width: float | None = None
    time_constant: float = 0.0
    delay: float | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", f"{self.source}-{self.target}")
        if not math.isfinite(self.amplitude):
            raise ParameterError(f"connection '{self.name}': amplitude = {self.amplitude} is not finite")
        for field in ("time_constant", "delay", "width"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < math.inf:
                raise ParameterError(f"connection '{self.name}': {field} = {value:g} s must not be negative")

    def module(self) -> nn.Module:
        """The synapses as a module with a `weight`."""
        given = self.synapses
        if isinstance(given, nn.Module):
            if not isinstance(getattr(given, "weight", None), torch.Tensor):
                raise RefusedError(f"connection '{self.name}': {type(given).__name__} has no weight")
            if getattr(given, "bias", None) is not None:
                raise RefusedError(
                    f"connection '{self.name}': spikes pass by the bias of {type(given).__name__}; build it with "
                    "bias=False and give the population a bias"
                )
            return given
        return DenseSynapses(given) if given.layout == torch.strided else SparseSynapses.of(given)

    def delay_steps(self, dt: float) -> int:
        """Delay in steps; refused where it is no whole number of them."""
        if self.delay is None:
            return 1
        steps = round(self.delay / dt)
        if abs(steps * dt - self.delay) > 1e-6 * dt:
            raise ParameterError(
                f"connection '{self.name}': a delay of {self.delay:g} s is not a whole number of steps of {dt:g} s"
            )
        return steps

    def share(self, dt: float) -> float:
        """Drive of a spike through a weight of 1, spread over one step."""
        return self.amplitude if self.width is None else self.amplitude * self.width / dt
