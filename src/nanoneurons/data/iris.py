"""Iris: 150 flowers of three species by the length and width of sepal and petal, shipped with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ._dataset import Dataset, Scale, make, stratified_split
from ._source import Source

__all__ = ["Iris"]

# Smallest and largest value of each feature in the whole set, in cm; fixed, so that no split changes the scale.
_FEATURES: tuple[tuple[str, float, float], ...] = (
    ("sepal length", 4.3, 7.9),
    ("sepal width", 2.0, 4.4),
    ("petal length", 1.0, 6.9),
    ("petal width", 0.1, 2.5),
)


class Iris(Source):
    """Four measures of 50 flowers of each of three species; a fixed stratified split keeps 20 % for the test.

    Each feature is scaled to [0, 1] between the smallest and largest value of the whole set; `scale` gives cm back. The
    values are those of scikit-learn, in which two of the samples of the UCI file are corrected.
    """

    title = "Iris flowers (in scikit-learn)"
    citation = """@article{fisher1936use,
  author = {Fisher, R. A.},
  title = {The use of multiple measurements in taxonomic problems},
  journal = {Annals of Eugenics},
  volume = {7},
  number = {2},
  pages = {179--188},
  year = {1936},
  doi = {10.1111/j.1469-1809.1936.tb02137.x}
}"""
    licence = "CC BY 4.0"
    shape = (4,)
    classes = 3
    sizes = (120, 30)
    embedded = "full"

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the set that is part of scikit-learn; `places` and `argument` are not used."""
        from sklearn.datasets import load_iris  # slow to import

        values, target = load_iris(return_X_y=True)
        labels = np.asarray(target, np.int64)
        names, low, high = zip(*_FEATURES, strict=True)
        scale = Scale(torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64), "cm", names)
        x, y = scale.to_inputs(torch.from_numpy(np.asarray(values))), torch.from_numpy(labels)
        train, test = stratified_split(labels, 0.2)
        return make(
            name="iris",
            title=self.title,
            train=(x[train], y[train]),
            test=(x[test], y[test]),
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
            scale=scale,
        )
