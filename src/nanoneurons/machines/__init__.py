"""Finished architectures and what turns data into them and them into hardware: the Bayesian machine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bayesian_classifier import BayesianMachineClassifier

__all__ = ["BayesianMachineClassifier"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.bayesian_classifier"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
