"""Images on the machine that trains: normalisation, and shifts and flips that are new in every epoch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nanoneurons import data
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

__all__ = ["Images", "classes_of"]

SIDE = 32
_MEANS = {"cifar10": (0.4914, 0.4822, 0.4465)}
_DEVIATIONS = {"cifar10": (3 * 0.2023, 3 * 0.1994, 3 * 0.2010)}


@dataclass(frozen=True)
class Images:
    """Images ``(samples, channels, 32, 32)`` and labels to train and to test with; `notice` of a reduced set."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    notice: str

    @classmethod
    def of(cls, name: str, train: int, test: int, held_out: int, place: torch.device) -> Images:
        """The data set `name`, the first `train` and `test` images of it (0 for all).

        The last `held_out` training images are set aside and stand for the test images.

        Raises:
            ParameterError: nothing is left to train on.
        """
        found = data.load(name)
        x, y, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
        if held_out:
            if held_out >= len(x):
                raise ParameterError(f"setting held_out = {held_out} leaves no image of {len(x)} to train on")
            x, y, x_test, y_test = x[:-held_out], y[:-held_out], x[-held_out:], y[-held_out:]
        if train:
            x, y = _some(x, y, train)
        if test:
            x_test, y_test = _some(x_test, y_test, test)
        return cls(_scaled(name, x, place), y.to(place), _scaled(name, x_test, place), y_test.to(place), found.notice)


def _some(x: torch.Tensor, y: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same `count` images every time, of all classes even where a set is sorted."""
    chosen = torch.randperm(len(x), generator=generator_for(0, "images"))[:count]
    return x[chosen], y[chosen]


def _scaled(name: str, x: torch.Tensor, place: torch.device) -> torch.Tensor:
    """Centred, with three standard deviations as the unit; smaller images get a border."""
    mean = torch.tensor(_MEANS.get(name, (0.0,))).view(-1, 1, 1)
    unit = torch.tensor(_DEVIATIONS.get(name, (1.0,))).view(-1, 1, 1)
    border = (SIDE - x.shape[-1]) // 2
    x = F.pad(x, (border, SIDE - x.shape[-1] - border) * 2) if border else x
    return ((x.to(place) - mean.to(place)) / unit.to(place)).contiguous()


def classes_of(y: torch.Tensor) -> int:
    """Number of classes."""
    return int(y.max()) + 1
