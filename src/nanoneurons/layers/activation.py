"""State functions of neurons that relax: what a neuron shows of its state, or makes of its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nanoneurons.core.errors import UnknownNameError, nearest

__all__ = ["ACTIVATIONS", "Activation", "activation"]

Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Activation:
    r"""A state function :math:`\sigma` and its slope.

    Attributes:
        name: what configurations call it.
        formula: the function, for people.
        function: :math:`\sigma(x)`; may overwrite its argument when no gradient is wanted.
        slope: :math:`\sigma'(x)`, or what stands for it where there is none.
        bounds: least and largest value, None for a function without bounds.
        idle: whether :math:`\sigma(x) = x` within the bounds, so that states kept there need no function.
        holomorphic: whether it can be continued to complex states.
    """

    name: str
    formula: str
    function: Function
    slope: Function
    bounds: tuple[float, float] | None
    idle: bool = False
    holomorphic: bool = False


def _plain(x: torch.Tensor) -> bool:
    return not (x.requires_grad and torch.is_grad_enabled())


def _clip(x: torch.Tensor) -> torch.Tensor:
    return x.clamp_(0, 1) if _plain(x) else x.clamp(0, 1)


def _inside(x: torch.Tensor) -> torch.Tensor:
    return ((x >= 0) & (x <= 1)).to(x.dtype)


def _half_clip(x: torch.Tensor) -> torch.Tensor:
    return x.mul_(0.5).clamp_(0, 1) if _plain(x) else (0.5 * x).clamp(0, 1)


def _sigmoid(x: torch.Tensor) -> torch.Tensor:
    return x.sub_(0.5).mul_(4).sigmoid_() if _plain(x) else torch.sigmoid(4 * (x - 0.5))


def _sigmoid_slope(x: torch.Tensor) -> torch.Tensor:
    y = torch.sigmoid(4 * (x - 0.5))
    return 4 * y * (1 - y)


def _soft_clip(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * z * torch.sigmoid(z) + (1 - 0.5 * z) * torch.sigmoid(z - 2)


def _soft_clip_slope(z: torch.Tensor) -> torch.Tensor:
    a, b = torch.sigmoid(z), torch.sigmoid(z - 2)
    return 0.5 * a + 0.5 * z * a * (1 - a) - 0.5 * b + (1 - 0.5 * z) * b * (1 - b)


def _step(x: torch.Tensor) -> torch.Tensor:
    return (x >= 0.5).to(x.dtype)


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("hard-sigmoid", "min(max(x, 0), 1)", _clip, _inside, (0.0, 1.0), idle=True),
        Activation(
            "half-hard-sigmoid", "min(max(x/2, 0), 1)", _half_clip, lambda x: 0.5 * _inside(0.5 * x), (0.0, 1.0)
        ),
        Activation(
            "sigmoid", "1 / (1 + exp(-4 (x - 1/2)))", _sigmoid, _sigmoid_slope, (0.0, 1.0), holomorphic=True
        ),
        Activation("tanh", "tanh(x)", torch.tanh, lambda x: 1 - torch.tanh(x) ** 2, (-1.0, 1.0), holomorphic=True),
        Activation(
            "soft-clip", "x/2 S(x) + (1 - x/2) S(x - 2), S the logistic function", _soft_clip, _soft_clip_slope, None,
            holomorphic=True,
        ),
        Activation("step", "1 if x >= 1/2 else 0", _step, torch.ones_like, (0.0, 1.0)),
        Activation("linear", "x", lambda x: x, torch.ones_like, None, idle=True, holomorphic=True),
    )
}  # fmt: skip


def activation(name: str) -> Activation:
    """The state function called `name`.

    Raises:
        UnknownNameError: no such function; the nearest name is suggested.
    """
    if name not in ACTIVATIONS:
        raise UnknownNameError(
            f"no activation {name!r}{nearest(name, ACTIVATIONS)}; there are {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]
