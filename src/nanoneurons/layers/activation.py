"""State functions of neurons that relax: what a neuron shows of its state, or makes of its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nanoneurons.core.errors import UnknownNameError, nearest

__all__ = ["ACTIVATIONS", "Activation", "activation", "logistic", "softmax"]

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
        flat: whether the slope is 1 everywhere within the bounds.
        idle: whether :math:`\sigma(x) = x` within the bounds, so that states kept there need no function.
        holomorphic: whether it can be continued to complex states.
        scale, shift, base: :math:`\sigma(x) = \mathrm{base}(\mathrm{scale}\,x + \mathrm{shift})`; *base* may
            overwrite its argument, and a matrix product can take over scale and shift. No gradient flows through it.
    """

    name: str
    formula: str
    function: Function
    slope: Function
    bounds: tuple[float, float] | None
    idle: bool = False
    flat: bool = False
    holomorphic: bool = False
    scale: float = 1.0
    shift: float = 0.0
    base: Function | None = None


_LOWEST = -40.0  # below it exp(-2 x) would overflow float32, and the logistic function is 0


def logistic(z: torch.Tensor) -> torch.Tensor:
    """The logistic function, of complex numbers too (where it takes torch's own many times as long)."""
    if not z.is_complex():
        return torch.sigmoid(z)
    decay, phase = torch.exp(-z.real.clamp(min=_LOWEST)), z.imag
    real, imaginary = decay * torch.cos(phase), decay * torch.sin(phase)
    size = 1 + 2 * real + decay * decay
    return torch.complex((1 + real) / size, imaginary / size)


def softmax(z: torch.Tensor) -> torch.Tensor:
    """Softmax over the last axis, of complex numbers too."""
    if not z.is_complex():
        return torch.softmax(z, -1)
    powers = torch.exp(z - z.real.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def _plain(x: torch.Tensor) -> bool:
    return not (x.requires_grad and torch.is_grad_enabled())


def _clip(x: torch.Tensor) -> torch.Tensor:
    return x.clamp_(0, 1) if _plain(x) else x.clamp(0, 1)


def _inside(x: torch.Tensor) -> torch.Tensor:
    return ((x >= 0) & (x <= 1)).to(x.dtype)


def _half_clip(x: torch.Tensor) -> torch.Tensor:
    return x.mul_(0.5).clamp_(0, 1) if _plain(x) else (0.5 * x).clamp(0, 1)


def _sigmoid(x: torch.Tensor) -> torch.Tensor:
    return x.sub_(0.5).mul_(4).sigmoid_() if _plain(x) and not x.is_complex() else logistic(4 * (x - 0.5))


def _logistic_over(x: torch.Tensor) -> torch.Tensor:
    return logistic(x) if x.is_complex() else x.sigmoid_()


def _sigmoid_slope(x: torch.Tensor) -> torch.Tensor:
    y = logistic(4 * (x - 0.5))
    return 4 * y * (1 - y)


def _soft_clip(z: torch.Tensor) -> torch.Tensor:
    return 0.5 * z * logistic(z) + (1 - 0.5 * z) * logistic(z - 2)


def _soft_clip_slope(z: torch.Tensor) -> torch.Tensor:
    a, b = logistic(z), logistic(z - 2)
    return 0.5 * a + 0.5 * z * a * (1 - a) - 0.5 * b + (1 - 0.5 * z) * b * (1 - b)


def _step(x: torch.Tensor) -> torch.Tensor:
    return (x >= 0.5).to(x.dtype)


ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation(
            "hard-sigmoid", "min(max(x, 0), 1)", _clip, _inside, (0.0, 1.0), flat=True, idle=True,
            base=lambda x: x.clamp_(0, 1),
        ),
        Activation(
            "half-hard-sigmoid", "min(max(x/2, 0), 1)", _half_clip, lambda x: 0.5 * _inside(0.5 * x), (0.0, 1.0),
            scale=0.5, base=lambda x: x.clamp_(0, 1),
        ),
        Activation(
            "sigmoid", "1 / (1 + exp(-4 (x - 1/2)))", _sigmoid, _sigmoid_slope, (0.0, 1.0), holomorphic=True,
            scale=4.0, shift=-2.0, base=_logistic_over,
        ),
        Activation("tanh", "tanh(x)", torch.tanh, lambda x: 1 - torch.tanh(x) ** 2, (-1.0, 1.0), holomorphic=True,
                   base=torch.tanh_),
        Activation(
            "soft-clip", "x/2 S(x) + (1 - x/2) S(x - 2), S the logistic function", _soft_clip, _soft_clip_slope, None,
            holomorphic=True, base=_soft_clip,
        ),
        Activation("step", "1 if x >= 1/2 else 0", _step, torch.ones_like, (0.0, 1.0), flat=True,
                   base=lambda x: x.ge_(0.5)),
        Activation("linear", "x", lambda x: x, torch.ones_like, None, idle=True, holomorphic=True, base=lambda x: x),
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
