"""Learning rules, one file each: how activity becomes a wanted change of the weights."""

from __future__ import annotations

from typing import Any

from nanoneurons.core.registry import Folder

from ._rule import LayerRule, Rule, RuleState
from ._training import DivergedError, accuracy, fit

__all__ = ["DivergedError", "LayerRule", "Rule", "RuleState", "accuracy", "catalogue", "fit", "get"]

catalogue = Folder("nanoneurons.learning", "rule", "Rule")


def get(name: str, **changes: Any) -> Rule:
    """Build the rule called `name`, with some hyper-parameters changed."""
    cls = catalogue[name]
    for key in changes:
        cls.parameter(key)
    return cls(**changes)
