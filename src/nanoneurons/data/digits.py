"""Optical recognition of handwritten digits: 1,797 images of 8 x 8 pixels, shipped with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ._dataset import Dataset, make, stratified_split
from ._source import Source

__all__ = ["Digits"]


class Digits(Source):
    """8 x 8 digits with 17 grey levels; a fixed stratified split keeps 20 % of every class for the test.

    These are the 1,797 images of the original set's test part, the only ones that scikit-learn ships.
    """

    title = "Handwritten digits 8x8 (UCI, in scikit-learn)"
    citation = """@misc{alpaydin1998digits,
  author = {Alpaydin, E. and Kaynak, C.},
  title = {Optical Recognition of Handwritten Digits},
  year = {1998},
  howpublished = {UCI Machine Learning Repository},
  doi = {10.24432/C50P49}
}"""
    licence = "CC BY 4.0"
    shape = (1, 8, 8)
    classes = 10
    sizes = (1438, 359)
    embedded = "full"

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the set that is part of scikit-learn; `places` and `argument` are not used."""
        from sklearn.datasets import load_digits  # slow to import

        values, target = load_digits(return_X_y=True)
        labels = np.asarray(target, np.int64)
        x = torch.from_numpy(np.asarray(values, np.float32)).reshape(-1, *self.shape) / 16.0  # grey levels 0 to 16
        y = torch.from_numpy(labels)
        train, test = stratified_split(labels, 0.2)
        return make(
            name="digits",
            title=self.title,
            train=(x[train], y[train]),
            test=(x[test], y[test]),
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
        )
