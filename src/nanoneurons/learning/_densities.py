r"""Densities of one feature given the class, and the probability they put into bins.

.. math::
    p(x \mid y) = \mathcal N(x;\, \mu_y, \sigma_y) \quad\text{or}\quad
    p(x \mid y) = \frac{1}{n_y} \sum_{i:\, y_i = y} \mathcal N(x;\, x_i, h_y)

The first and the last bin hold the tails, so that the bins of a class sum to 1.
"""

# pyright: basic
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

__all__ = ["Density", "gaussian", "kernels"]

MOST_KERNELS = 1000


@dataclass(frozen=True, eq=False)
class Density:
    """A mixture of equal Gaussians; none at all where a class has no value of the feature.

    Attributes:
        centres: means, ``(n,)``.
        width: their common standard deviation.
    """

    centres: np.ndarray
    width: float

    def mass(self, edges: np.ndarray) -> np.ndarray:
        """Probability of each bin between ascending `edges`, ``(len(edges) + 1,)``; equal ones of an empty mixture."""
        if not len(self.centres):
            return np.full(len(edges) + 1, 1 / (len(edges) + 1))
        below = ndtr((edges[:, None] - self.centres) / self.width).mean(1)
        return np.diff(below, prepend=0.0, append=1.0)

    def log(self, values: np.ndarray) -> np.ndarray:
        """Logarithm of the density at `values`, of any shape; 0 of an empty mixture and where a value is NaN."""
        if not len(self.centres):
            return np.zeros(np.shape(values))
        z = -0.5 * ((np.asarray(values)[..., None] - self.centres) / self.width) ** 2
        top = z.max(-1)
        found = top + np.log(np.exp(z - top[..., None]).mean(-1)) - np.log(self.width * np.sqrt(2 * np.pi))
        return np.where(np.isnan(values), 0.0, found)


def gaussian(values: np.ndarray, floor: float) -> Density:
    """One Gaussian with the mean and the standard deviation of `values`, which is at least `floor`."""
    if not len(values):
        return Density(values, floor)
    return Density(values.mean(keepdims=True), max(float(values.std()), floor))


def kernels(values: np.ndarray, floor: float) -> Density:
    """A Gaussian at every value, its width by Silverman's rule of thumb and at least `floor`.

    More than 1,000 values are represented by as many evenly spaced quantiles.
    """
    n = len(values)
    if not n:
        return Density(values, floor)
    quartiles = np.quantile(values, [0.25, 0.75])
    spread = min(float(values.std()), float(quartiles[1] - quartiles[0]) / 1.34) or float(values.std())
    if n > MOST_KERNELS:
        values = np.quantile(values, (np.arange(MOST_KERNELS) + 0.5) / MOST_KERNELS)
    return Density(values, max(0.9 * spread * n**-0.2, floor))
