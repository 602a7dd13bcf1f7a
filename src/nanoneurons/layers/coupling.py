r"""Layers that work both ways: the couplings of networks that relax to a minimum of energy.

A coupling joins two groups of neurons with states *a* (nearer to the input) and *b* and adds a bilinear term to the
primitive function,

.. math:: \Phi(a, b) = b \cdot P(w * a),

with a matrix product or a convolution followed by pooling *P*. `up` is its derivative by *b*, `down` its derivative by
*a*, `hebbian` its derivative by *w*: closed forms, so that no graph of operations is ever kept.

Source: Ernoult et al., NeurIPS 2019, arXiv:1905.13633.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError

from .analog import _AnalogLayer

__all__ = ["Coupling", "DenseCoupling", "Pair", "contrast", "real_pairs"]

Pair = tuple[Any, torch.Tensor, torch.Tensor]  # coefficient, source state a, target state b
Start = Literal["uniform", "glorot"]


def contrast(pairs: Sequence[Pair]) -> list[Pair]:
    r"""The same sum as sums and differences of the states of two phases, without the cancellation of large terms.

    .. math:: a_1 b_1 - a_0 b_0 = \tfrac12 [(a_1 - a_0)(b_1 + b_0) + (a_1 + a_0)(b_1 - b_0)]

    Pairs of other numbers and coefficients are returned as they are, or as one if all have the same *a*.
    """
    if len(pairs) != 2 or pairs[0][0] != -pairs[1][0]:
        return _held(pairs)
    (c, a1, b1), (_, a0, b0) = pairs
    if a1 is a0:
        return [(c, a1, b1 - b0)]
    return [(0.5 * c, a1 - a0, b1 + b0), (0.5 * c, a1 + a0, b1 - b0)]


def _held(pairs: Sequence[Pair]) -> list[Pair]:
    first = pairs[0][1]
    if len(pairs) < 2 or any(a is not first for _, a, _ in pairs):
        return list(pairs)
    total = pairs[0][0] * pairs[0][2]
    for c, _, b in pairs[1:]:
        total = total + c * b
    return [(1.0, first, total)]


def real_pairs(c: float | complex, a: torch.Tensor, b: torch.Tensor) -> list[Pair]:
    """Re(c a b) as real products."""
    if not (a.is_complex() or b.is_complex()):
        return [(complex(c).real, a, b)]
    weighted = c * b
    if not a.is_complex():
        return [(1.0, a, weighted.real)]
    return [(1.0, a.real, weighted.real), (-1.0, a.imag, weighted.imag)]


class Coupling(_AnalogLayer):
    r"""What dense and convolutional couplings share.

    Args:
        weight_shape: as for a layer from *a* to *b*.
        tied: whether the way down uses the same weights (an energy exists only then); else `feedback` holds its own,
            drawn independently.
        circuit, chips, seed: as for `DeviceLayer`; a circuit that reads graded weights is an array of devices read from
            both sides, one that reads -1 and +1 makes a binary coupling.
        gain: factor of the initial weights.
        start: ``"uniform"`` within one over the root of the fan-in, or ``"glorot"``.
        binary: weights are ``scale`` times -1 or +1 also in software.

    Attributes:
        scale: factor of all weights, ``(*chips,)``, or None. Of a binary coupling the mean magnitude of its initial
            weights.
        feedback: a second coupling of the same shape used on the way down, or None.
        held: weights in the precision of the running phase, set by `prepare`.
        room: memory for scaled weights.
        remembers: whether `up` tells `down` something of *a*.
        linear: whether the field on *b* is linear in *a*, so that complex states may be taken apart.
    """

    remembers = False
    linear = True

    holds = ("analog", "binary")

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        *,
        tied: bool = True,
        circuit: Circuit | None = None,
        chips: int | None = None,
        seed: int = 0,
        gain: float = 1.0,
        start: Start = "uniform",
        binary: bool = False,
    ) -> None:
        if start not in ("uniform", "glorot"):
            raise ParameterError(f"start must be 'uniform' or 'glorot', not {start!r}")
        self.gain, self.start = gain, start
        super().__init__(weight_shape, False, circuit, chips, seed)
        self.binary = binary or (circuit is not None and circuit.binary)
        self.scale: nn.Parameter | None = None
        if self.binary:
            size = self.weight.detach().abs().flatten(0 if chips is None else 1).mean(-1)
            self.scale = nn.Parameter(size)
            with torch.no_grad():
                self.weight.copy_(torch.where(self.weight >= 0, 1.0, -1.0))
        self.feedback: Coupling | None = None
        if not tied:
            common = {"circuit": circuit, "chips": chips, "gain": gain, "start": start, "binary": binary}
            self.feedback = self._twin(seed + 1, common)
        self.held: torch.Tensor | None = None
        self.room: torch.Tensor | None = None

    def _twin(self, seed: int, common: dict[str, Any]) -> Coupling:
        raise NotImplementedError

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Initial weights of one chip."""
        weight, offset = super().initial(weight_shape, generator)
        if self.start == "glorot":
            field = math.prod(weight_shape[2:])
            fan_in, fan_out = weight_shape[1] * field, weight_shape[0] * field
            weight = weight * math.sqrt(6 * fan_in / (fan_in + fan_out))
        return weight * self.gain, offset

    # -- phases ---------------------------------------------------------------------------------------

    def prepare(self, dtype: torch.dtype | None = None) -> None:
        """Fix the weights of a phase: scaled, in its precision. With gradients wanted they stay in the graph."""
        weight = self.weight.view_as(self.weight) if torch.is_grad_enabled() else self.weight.detach()
        if self.scale is not None:
            scale = self.scale.view(-1, *(1,) * (weight.dim() - 1)) if self.chips else self.scale
            if torch.is_grad_enabled():
                weight = weight * scale
            else:  # into the same memory every time: fresh memory of this size costs more than the product
                room = self.room
                if room is not None and (room.shape, room.dtype, room.device) != (
                    weight.shape, weight.dtype, weight.device,
                ):  # fmt: skip
                    room = None
                weight = self.room = torch.mul(weight, scale.detach(), out=room)
        if dtype is not None and weight.dtype != dtype:
            weight = weight.to(dtype)
        self.held = weight if weight.dim() != 4 else weight.contiguous(memory_format=torch.channels_last)
        if self.feedback is not None:
            self.feedback.prepare(dtype)

    @property
    def effective(self) -> torch.Tensor:
        """Weights of the running phase.

        Raises:
            RefusedError: no phase has been prepared.
        """
        if self.held is None:
            raise RefusedError("this coupling has no weights yet; call prepare() first")
        return self.held

    def require_symmetric(self) -> None:
        """Refuse weights of its own on the way down, for a rule that needs an energy."""
        if self.feedback is not None:
            raise RefusedError(
                "this rule needs the same weights both ways, but a coupling is untied (feedback weights of its own); "
                "make it with tied=True, or use a rule for unidirectional weights"
            )

    def confine(self) -> None:
        """Keep software weights within their bounds after a change; the base has none."""

    def counts_back(self) -> Counts:
        """Events of one product on the way down, one chip."""
        other = self if self.feedback is None else self.feedback
        circuit, first = other._wired(), 0 if self.chips is None else 1
        return circuit.inference(math.prod(self.weight.shape[first + 1 :]), self.weight.shape[first])

    # -- derivatives ----------------------------------------------------------------------------------

    def up(self, a: torch.Tensor, onto: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        """Field on *b*, added to `onto` (which stays as it is), and what `down` must remember of *a*."""
        raise NotImplementedError

    def down(self, b: torch.Tensor, memory: Any = None, onto: torch.Tensor | None = None) -> torch.Tensor:
        """Field on *a*, added to `onto` (which stays as it is)."""
        raise NotImplementedError

    def phi(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Its term of the primitive function, ``(*chips, batch)``."""
        field, _ = self.up(a)
        axes = tuple(range(field.dim() - self.state_axes, field.dim()))
        return (field * b).sum(axes)

    def hebbian(self, pairs: Sequence[Pair], seen: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        r"""Weighted sum over pairs and batch of :math:`\partial\Phi/\partial w`, in the shape of the weights.

        Args:
            seen: what pools have seen in place of each *a*, where these are only changes of it.
        """
        raise NotImplementedError

    def follow(self, pairs: Sequence[Pair], rate: float) -> None:
        """Add `rate` times `hebbian` to software weights."""
        self.weight.add_(self.hebbian(pairs).to(self.weight.dtype), alpha=rate)

    def accumulate(self, total: torch.Tensor, pairs: Sequence[Pair], keep: float, gain: float) -> None:
        """``total = keep total + gain hebbian(pairs)``, in place; `total` in the shape of the weights."""
        total.mul_(keep).add_(self.hebbian(pairs).to(total.dtype), alpha=gain)

    def hebbian_scale(self, pairs: Sequence[Pair]) -> torch.Tensor:
        r"""The same for `scale`: :math:`\Phi / \alpha`, ``(*chips,)``.

        Raises:
            RefusedError: the coupling has no scale.
        """
        if self.scale is None:
            raise RefusedError("this coupling has no scale; only binary couplings do")
        total = sum(c * self.phi(a, b).sum(-1) for c, a, b in pairs)
        return total / self.scale.detach()

    state_axes: int


def _batched(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """States with a chip axis where the weights have one."""
    return x.expand(weight.shape[0], *x.shape) if weight.dim() % 2 and x.dim() == 2 else x


class DenseCoupling(Coupling):
    """Matrix between two groups of neurons, ``(out, in)`` or ``(chips, out, in)``; states
    ``(*chips, batch, features)``.

    Args:
        in_features, out_features: neurons of the two groups; image-like states are flattened on the way up and shaped
            back on the way down.
        more: see `Coupling`.
    """

    state_axes = 1

    def __init__(self, in_features: int, out_features: int, **more: Any) -> None:
        self.in_features, self.out_features = in_features, out_features
        super().__init__((out_features, in_features), **more)

    def _twin(self, seed: int, common: dict[str, Any]) -> Coupling:
        return DenseCoupling(self.in_features, self.out_features, seed=seed, **common)

    def _multiply(self, x: torch.Tensor, weight: torch.Tensor, onto: torch.Tensor | None) -> torch.Tensor:
        """``x weight + onto``; weight ``(..., here, there)``."""
        if self.fabricated and not self.binary:
            y = self.product(x, weight.transpose(-2, -1))
            return y if onto is None else y + onto
        if onto is None:
            return torch.matmul(x, weight)
        if onto.dtype != x.dtype:  # fields in another precision than products
            return torch.matmul(x, weight) + onto
        if weight.dim() == 2 and x.dim() == 2:
            return torch.addmm(onto, x, weight)
        if weight.dim() == 3 and x.dim() == 3 and onto.dim() == 3:
            return torch.baddbmm(onto, x, weight)
        return torch.matmul(x, weight) + onto

    def up(self, a: torch.Tensor, onto: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        """Field on *b*: ``a w^T``."""
        weight = self.effective
        return self._multiply(self._flat(a), weight.transpose(-2, -1), onto), None

    def down(self, b: torch.Tensor, memory: Any = None, onto: torch.Tensor | None = None) -> torch.Tensor:
        """Field on *a*, flat: ``b w``."""
        other = self if self.feedback is None else self.feedback
        weight = other.effective
        if onto is not None and onto.dim() == 4:  # a is an image
            field = other._multiply(b, weight, self._flat(onto)).view(onto.shape)
            return field.contiguous(memory_format=torch.channels_last)
        return other._multiply(b, weight, onto)

    def _flat(self, a: torch.Tensor) -> torch.Tensor:
        return a.flatten(-3) if a.dim() == 4 else a  # an image; with chips there are none

    def hebbian(self, pairs: Sequence[Pair], seen: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """Weighted sum of outer products, one matrix product for all pairs."""
        kind = self.weight.dtype
        exact = {id(a): a.to(kind) for _, a, _ in pairs}  # the input is the same in all phases
        a, b = self.vectors(contrast([(c, exact[id(a)], b.to(kind)) for c, a, b in pairs]))
        return b.transpose(-2, -1) @ a

    def follow(self, pairs: Sequence[Pair], rate: float) -> None:
        """Add `rate` times `hebbian` to software weights, without forming it."""
        self.accumulate(self.weight, pairs, 1.0, rate)

    def accumulate(self, total: torch.Tensor, pairs: Sequence[Pair], keep: float, gain: float) -> None:
        """``total = keep total + gain hebbian(pairs)``, in place and without another matrix of its size."""
        a, b = self.vectors(contrast(pairs))
        if a.dtype != total.dtype:
            super().accumulate(total, pairs, keep, gain)
        elif total.dim() == 2:
            total.addmm_(b.transpose(-2, -1), a, beta=keep, alpha=gain)
        else:
            total.baddbmm_(b.transpose(-2, -1), a, beta=keep, alpha=gain)

    def vectors(self, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors ``(*chips, pairs x batch, in)`` and ``(..., out)``, the latter weighted, that make up `hebbian`."""
        weight = self.weight
        sources = [_batched(weight, self._flat(a)) for _, a, _ in pairs]
        targets = [_batched(weight, b if c == 1 else c * b) for c, _, b in pairs]
        if len(pairs) == 1:
            return sources[0], targets[0]
        return torch.cat(sources, -2), torch.cat(targets, -2)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, tied={self.feedback is None}, chips={self.chips}"
