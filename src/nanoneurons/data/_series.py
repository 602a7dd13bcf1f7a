"""What a generated series is: an input sequence, the target sequence that belongs to it, and where the test begins."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from nanoneurons.core.errors import DataError

__all__ = ["Series", "make_series"]


@dataclass(frozen=True, eq=False)
class Series:
    """A task in time: from the inputs up to step *t*, give the target of step *t*.

    Attributes:
        inputs: float64, shape ``(steps, channels)``.
        targets: float64, shape ``(steps, outputs)``.
        train: the first `train` steps are for training, the rest for the test.
        notice: what a user should know about this series, else empty.
    """

    name: str
    title: str
    inputs: torch.Tensor = field(repr=False)
    targets: torch.Tensor = field(repr=False)
    train: int
    citation: str = field(repr=False)
    licence: str
    notice: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one step of the input."""
        return tuple(self.inputs.shape[1:])

    @property
    def classes(self) -> int:
        """Zero: targets are numbers."""
        return 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of training and of test steps."""
        return self.train, len(self.inputs) - self.train


def make_series(
    *,
    name: str,
    title: str,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    train: int,
    citation: str,
    licence: str,
    notice: str = "",
) -> Series:
    """Build a `Series` after the checks that every one must pass, or raise `DataError`."""
    for what, values in (("inputs", inputs), ("targets", targets)):
        if values.ndim != 2 or not torch.isfinite(values).all():
            raise DataError(f"series {name}: {what} must be finite, of shape (steps, channels); not {values.shape}")
    if len(inputs) != len(targets):
        raise DataError(f"series {name}: {len(inputs)} inputs but {len(targets)} targets; give one target per step")
    if not 0 < train < len(inputs):
        raise DataError(f"series {name}: {train} of {len(inputs)} steps for training leaves no training or test part")
    return Series(name, title, inputs.double(), targets.double(), train, citation, licence, notice)
