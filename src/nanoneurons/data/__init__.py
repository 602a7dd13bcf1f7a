"""Data sets, one file each, with checksum, licence and citation.

    >>> from nanoneurons import data
    >>> digits = data.load("digits")
    >>> digits.x_train.shape
    torch.Size([1438, 1, 8, 8])

`load` also takes ``"user:PATH"`` for your own ``.npz`` or ``.csv`` file. Sets that are not embedded
are looked for in the folder that the environment variable ``NANONEURONS_DATA`` names, then in the cache that
``nanoneurons data fetch NAME`` fills.

Two other kinds of sets are loaded by `load_recordings` (sounds of different lengths) and `load_series` (an input
sequence and a target sequence, computed from a seed):

    >>> narma = data.load_series("narma10", seed=1, train=500, test=200)
    >>> narma.inputs.shape, narma.targets.shape
    (torch.Size([700, 1]), torch.Size([700, 1]))

A recording becomes numbers for a network through a `front_end`: ``mfcc``, ``spectrogram``, ``magnitude-spectrogram``
or ``cochleagram``.

    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 8000)
    >>> data.front_end("mfcc")(tone, 8000).shape
    (49, 13)
"""

from __future__ import annotations

from ._dataset import Dataset, Scale, stratified_split
from ._front_ends import FRONT_ENDS, features, front_end
from ._load import catalogue, fetch, load, load_any, load_recordings, load_series, missing, names, require_kind
from ._recordings import Recordings
from ._series import Series
from ._source import Source

__all__ = [
    "FRONT_ENDS",
    "Dataset",
    "Recordings",
    "Scale",
    "Series",
    "Source",
    "catalogue",
    "features",
    "fetch",
    "front_end",
    "load",
    "load_any",
    "load_recordings",
    "load_series",
    "missing",
    "names",
    "require_kind",
    "stratified_split",
]
