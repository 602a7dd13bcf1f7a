"""What a loaded classification set is, the checks every one passes, and the fixed split into train and test."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from nanoneurons.core.errors import DataError
from nanoneurons.core.random import uniform

__all__ = ["Dataset", "Scale", "as_labels", "make", "pixels", "stratified_split"]

_SPLIT_KEY = 0x5EED_0F_5B117  # any fixed number: the same split on every machine and in every version


@dataclass(frozen=True, eq=False)
class Scale:
    """How inputs in [0, 1] came from a measured quantity: ``measured = low + (high - low) * input``.

    Attributes:
        low: measured value at input 0, float64, shape ``(features,)``.
        high: measured value at input 1, float64, shape ``(features,)``.
        unit: unit of the measured values.
        features: name of each feature.
    """

    low: torch.Tensor
    high: torch.Tensor
    unit: str
    features: tuple[str, ...]

    def to_inputs(self, measured: torch.Tensor) -> torch.Tensor:
        """Inputs, float32, of measured values ``(N, features)``."""
        return ((measured.double() - self.low) / (self.high - self.low)).float()

    def to_measured(self, inputs: torch.Tensor) -> torch.Tensor:
        """Measured values, float64, of inputs ``(N, features)``; exact to float32's 6e-8 of the range."""
        return self.low + (self.high - self.low) * inputs.double()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A classification task in memory.

    Attributes:
        x_train: inputs in [0, 1], float32, shape ``(N, *shape)``; images are ``(channels, height, width)``.
        y_train: class numbers from 0 to ``classes - 1``, int64, shape ``(N,)``.
        notice: what a user should know about this set, for example that it is a reduced one; else empty.
        group_train: who or what each sample comes from (a speaker, for example), int64 ``(N,)``, for splits that keep
            groups together; None where samples are unrelated or nothing is known.
        scale: how to get measured values back from the inputs; None where inputs have no unit.
    """

    name: str
    title: str
    x_train: torch.Tensor = field(repr=False)
    y_train: torch.Tensor = field(repr=False)
    x_test: torch.Tensor = field(repr=False)
    y_test: torch.Tensor = field(repr=False)
    classes: int
    citation: str = field(repr=False)
    licence: str
    notice: str = ""
    group_train: torch.Tensor | None = field(default=None, repr=False)
    group_test: torch.Tensor | None = field(default=None, repr=False)
    scale: Scale | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x_train.shape[1:])

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of training and of test samples."""
        return len(self.x_train), len(self.x_test)


def pixels(images: np.ndarray) -> torch.Tensor:
    """8-bit images as float32 in [0, 1]; the given array is not changed."""
    return torch.from_numpy(images.astype(np.float32)).div_(255.0)


def make(
    *,
    name: str,
    title: str,
    train: tuple[torch.Tensor, torch.Tensor],
    test: tuple[torch.Tensor, torch.Tensor],
    classes: int,
    citation: str,
    licence: str,
    notice: str = "",
    groups: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None),
    scale: Scale | None = None,
) -> Dataset:
    """Build a `Dataset` after the checks that every set must pass, or raise `DataError`."""
    for part, (x, y) in (("training", train), ("test", test)):
        where = f"data set {name}, {part} part"
        if len(x) == 0:
            raise DataError(f"{where}: there is no sample; give at least one per class")
        if len(x) != len(y):
            raise DataError(f"{where}: {len(x)} inputs but {len(y)} labels; give one label per input")
        if not torch.isfinite(x).all():
            index = tuple(int(i) for i in (~torch.isfinite(x)).nonzero()[0])
            raise DataError(f"{where}: {float(x[index])} at index {list(index)}; remove or replace the sample")
        if int(y.min()) < 0 or int(y.max()) >= classes:
            bad = int(((y < 0) | (y >= classes)).nonzero()[0, 0])
            raise DataError(f"{where}: label {int(y[bad])} of sample {bad} is not in 0 ... {classes - 1}")
    if train[0].shape[1:] != test[0].shape[1:]:
        raise DataError(
            f"data set {name}: training inputs have shape {tuple(train[0].shape[1:])}, "
            f"test inputs {tuple(test[0].shape[1:])}; make them equal"
        )
    return Dataset(name, title, *train, *test, classes, citation, licence, notice, *groups, scale)


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels as int64; whole numbers stored as floats are accepted, anything else is refused.

    Raises:
        DataError: a label is not a whole number; says which.
    """
    if values.ndim != 1:
        raise DataError(f"{where}: labels must be one list of class numbers, not an array of shape {values.shape}")
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    if values.dtype.kind != "f":
        raise DataError(
            f"{where}: labels must be whole class numbers, not {values.dtype}; number the classes 0, 1, 2, ..."
        )
    wrong = np.flatnonzero(~np.isfinite(values) | (values != np.round(values)))
    if len(wrong):
        raise DataError(
            f"{where}: label {values[wrong[0]]:g} of sample {wrong[0]} is not a whole number; "
            "number the classes 0, 1, 2, ..."
        )
    return values.astype(np.int64)


def stratified_split(labels: np.ndarray, test_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Split sample numbers into (train, test) with the same share of every class in the test part.

    Within each class the samples are put in the order of a fixed counter-based random sequence
    and the first ``round(test_share * n)`` (at least one) are for the test, so the split is the same everywhere.
    Both parts come back in the original order.

    Raises:
        DataError: a class has fewer than two samples, so it cannot be in both parts.
    """
    order = uniform(_SPLIT_KEY, (1, len(labels)))[0].numpy()
    test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise DataError(f"class {label} has {len(members)} sample; at least 2 are needed to split train and test")
        take = min(max(1, math.floor(test_share * len(members) + 0.5)), len(members) - 1)
        test[members[np.argsort(order[members], kind="stable")[:take]]] = True
    return np.flatnonzero(~test), np.flatnonzero(test)
