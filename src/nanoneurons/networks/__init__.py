"""How layers run together: feed-forward networks and their bit-packed inference."""

from __future__ import annotations

from .feedforward import FeedForward, build

__all__ = ["FeedForward", "build"]
