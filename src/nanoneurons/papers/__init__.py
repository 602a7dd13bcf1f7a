"""Published works, one folder each: its network, its protocol, its numbers, our comparison.

``papers/majumdar2021_weak_reset/`` is the paper ``majumdar2021-weak-reset``. A folder holds ``experiment.py`` (what
is computed) and ``published.toml`` (what the paper says; only a person who read the source writes it).
"""

from __future__ import annotations

from nanoneurons.core.registry import Folder

from ._paper import Entry, Figure, Quantity, experiment, load_published

__all__ = ["Entry", "Figure", "Quantity", "catalogue", "experiment", "load_published"]

catalogue = Folder("nanoneurons.papers", "paper", "Paper")
