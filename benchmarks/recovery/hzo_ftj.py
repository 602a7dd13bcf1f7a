"""Simulated campaigns of `hzo-ftj`; see `_voltage`."""

from __future__ import annotations

from ._voltage import VARIANTS, campaign_of

__all__ = ["VARIANTS", "campaign"]


def campaign(seed: int, variant: str = VARIANTS[0]):
    """Truth, data, the device the fit starts from, variant of the fit."""
    return campaign_of("hzo-ftj", seed, variant)
