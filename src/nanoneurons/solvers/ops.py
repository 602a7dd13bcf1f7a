"""The functions that a right-hand side may use: on floats, in compiled kernels and on tensors.

A physical model is written once with the names of this module. On Python floats they are what they say; the Numba
engine compiles the model with the functions of ``math``; the PyTorch engine runs the same code on `TENSOR`, the
tensor versions under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from math import atan2, cos, cosh, exp, log, pi, sin, sinh, sqrt, tan, tanh
from typing import Any

__all__ = [
    "SCALAR_SOURCE",
    "TENSOR",
    "atan2",
    "cos",
    "cosh",
    "exp",
    "log",
    "maximum",
    "minimum",
    "pi",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "where",
]


def where(condition, yes, no):
    """`yes` where the condition holds, else `no`; both are evaluated."""
    return yes if condition else no


def maximum(a, b):
    """The larger of two numbers."""
    return a if a > b else b


def minimum(a, b):
    """The smaller of two numbers."""
    return a if a < b else b


# What a generated kernel starts with: the same names for compiled code.
SCALAR_SOURCE = """\
from math import atan2, cos, cosh, exp, log, pi, sin, sinh, sqrt, tan, tanh


@njit(inline="never", error_model="numpy")
def where(condition, yes, no):
    return yes if condition else no


@njit(inline="never", error_model="numpy")
def maximum(a, b):
    return a if a > b else b


@njit(inline="never", error_model="numpy")
def minimum(a, b):
    return a if a < b else b
"""


class _Tensor(dict[str, Any]):
    """Tensor versions by name, made on first use so that importing this module does not import torch."""

    def __missing__(self, name: str) -> Any:
        import torch

        def tensor(value: Any, like: torch.Tensor) -> torch.Tensor:
            return value if isinstance(value, torch.Tensor) else torch.as_tensor(value).to(like)

        def pair(function: Callable) -> Callable:
            def on_pair(a, b):
                like = a if isinstance(a, torch.Tensor) else b
                if not isinstance(like, torch.Tensor):
                    return globals()[name](a, b)
                return function(tensor(a, like), tensor(b, like))

            return on_pair

        def single(function: Callable) -> Callable:
            plain = globals()[name]
            return lambda a: function(a) if isinstance(a, torch.Tensor) else plain(a)

        if name in ("maximum", "minimum", "atan2"):
            made = pair(getattr(torch, name))
        elif name == "where":

            def choose(condition, yes, no):
                if isinstance(condition, torch.Tensor):
                    return torch.where(condition, yes, no)
                return where(condition, yes, no)

            made: Any = choose

        elif name == "pi":
            made = pi
        elif name in __all__ and name.islower():
            made = single(getattr(torch, name))
        else:
            raise KeyError(name)
        self[name] = made
        return made


TENSOR = _Tensor()
