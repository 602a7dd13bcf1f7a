r"""Densities of one feature given the class, and the probability they put into bins.

.. math::
    p(x \mid y) = \mathcal N(x;\, \mu_y, \sigma_y) \quad\text{or}\quad
    p(x \mid y) = \frac{1}{n_y} \sum_{i:\, y_i = y} \mathcal N(x;\, x_i, h_y)

The first and the last bin hold the tails, so that the bins of a class sum to 1.
"""

# pyright: basic
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

__all__ = ["Density", "gaussians", "kernels", "masses"]

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

    def log(self, values: np.ndarray) -> np.ndarray:
        """Logarithm of the density at `values`, of any shape; 0 of an empty mixture and where a value is NaN."""
        if not len(self.centres):
            return np.zeros(np.shape(values))
        z = -0.5 * ((np.asarray(values)[..., None] - self.centres) / self.width) ** 2
        top = z.max(-1)
        found = top + np.log(np.exp(z - top[..., None]).mean(-1)) - np.log(self.width * np.sqrt(2 * np.pi))
        return np.where(np.isnan(values), 0.0, found)


def masses(densities: Sequence[Density], edges: np.ndarray) -> np.ndarray:
    """Probability of each bin between ascending `edges`, ``(len(densities), len(edges) + 1)``.

    The bins of an empty mixture are equal.
    """
    share = np.full((len(densities), len(edges) + 1), 1 / (len(edges) + 1))
    single = [i for i, d in enumerate(densities) if len(d.centres) == 1]  # all at once: Gaussians of all classes
    groups = [single] if single else []
    groups += [[i] for i, d in enumerate(densities) if len(d.centres) > 1]
    for group in groups:
        centres = np.stack([densities[i].centres for i in group])[:, None]
        width = np.array([densities[i].width for i in group])[:, None, None]
        below = ndtr((edges[:, None] - centres) / width).mean(-1)
        share[group] = np.diff(below, prepend=0.0, append=1.0)
    return share


def gaussians(values: np.ndarray, y: np.ndarray, classes: int, floor: float) -> list[Density]:
    """One Gaussian per class, with the mean and the standard deviation (at least `floor`) of its `values`."""
    n = np.bincount(y, minlength=classes)
    some = np.maximum(n, 1)
    mean = np.bincount(y, values, classes) / some
    width = np.sqrt(np.bincount(y, (values - mean[y]) ** 2, classes) / some)
    return [Density(mean[c : c + min(n[c], 1)], max(float(width[c]), floor)) for c in range(classes)]


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
