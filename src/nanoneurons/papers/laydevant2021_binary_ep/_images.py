"""Images on the machine that trains, normalised; random crops and flips for CIFAR-10."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.networks import EnergyNetwork

__all__ = ["Images"]

_MEAN, _UNIT = (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)  # of CIFAR-10, as in the authors' program
_TESTED = 1000  # images tested at once


@dataclass(frozen=True)
class Images:
    """Images and labels to train and to test with."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    notice: str

    @classmethod
    def of(cls, name: str, flat: bool, train: int, test: int, held_out: int, place: torch.device) -> Images:
        """Some or all (0) images; with `held_out` the last training images take the place of the test images."""
        found = data.load(name)
        x, y, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
        if train:
            x, y = x[:train], y[:train]
        if held_out:
            if held_out >= len(x):
                raise ParameterError(f"setting held_out = {held_out} leaves no image of {len(x)} to train on")
            x, y, x_test, y_test = x[:-held_out], y[:-held_out], x[-held_out:], y[-held_out:]
        elif test:
            x_test, y_test = x_test[:test], y_test[:test]
        x, x_test = (_shaped(name, images.to(place), flat) for images in (x, x_test))
        return cls(x, y.to(place), x_test, y_test.to(place), found.notice)

    def errors(self, network: EnergyNetwork) -> list[float]:
        """Test error in percent, one per chip."""
        return [100 - 100 * float(a) for a in learning.accuracy(network, self.x_test, self.y_test, _TESTED)]


def _shaped(name: str, x: torch.Tensor, flat: bool) -> torch.Tensor:
    if name == "cifar10":
        mean, unit = (torch.tensor(v, device=x.device).view(-1, 1, 1) for v in (_MEAN, _UNIT))
        x = (x - mean) / unit
    return x.flatten(1) if flat else x if x.dim() == 4 else x.unsqueeze(1)
