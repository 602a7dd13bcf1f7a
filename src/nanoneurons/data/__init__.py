"""Data sets, one file each, with checksum, licence and citation.

    >>> from nanoneurons import data
    >>> digits = data.load("digits")
    >>> digits.x_train.shape
    torch.Size([1438, 1, 8, 8])

`load` also takes ``"user:PATH"`` for your own ``.npz`` or ``.csv`` file. Sets that are not embedded
are looked for in the folder that the environment variable ``NANONEURONS_DATA`` names, then in the cache that
``nanoneurons data fetch NAME`` fills.
"""

from __future__ import annotations

from ._dataset import Dataset, stratified_split
from ._load import catalogue, fetch, load, missing
from ._source import Source

__all__ = ["Dataset", "Source", "catalogue", "fetch", "load", "missing", "stratified_split"]
