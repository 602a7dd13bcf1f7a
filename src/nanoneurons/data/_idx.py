"""The idx files of MNIST and its relatives: four files, checked by the hash of what they hold.

The hash is that of the uncompressed content, so it does not matter which mirror compressed the file and how.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import pixels

__all__ = ["FILES", "load_parts", "verify_idx"]

FILES: tuple[str, ...] = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

Part = tuple[torch.Tensor, torch.Tensor]


def verify_idx(file: Path, sha256: str) -> bytes:
    """Uncompressed content of one idx file, plain or gzipped, after its hash was checked.

    Raises:
        DataError: the file cannot be read, is truncated, or holds something else.
    """
    try:
        raw = file.read_bytes()
        if raw[:2] == b"\x1f\x8b":  # gzip's magic number
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read ({error}); delete it and fetch it again") from error
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise DataError(f"{file} has the wrong checksum: it is corrupt or another file; delete it and fetch it again")
    return raw


def load_parts(folder: Path, sha256: Mapping[str, str]) -> tuple[Part, Part]:
    """Training and test part, images as ``(N, 1, height, width)`` in [0, 1], from a folder of idx files.

    Raises:
        DataError: a file is missing or has the wrong content.
    """
    files: list[Path] = []
    for name in FILES:  # look for all before reading any
        found = next((f for f in (folder / f"{name}.gz", folder / name) if f.is_file()), None)
        if found is None:
            raise DataError(f"{folder} is incomplete: {name}.gz is missing; fetch the set again or remove the folder")
        files.append(found)
    train_x, train_y, test_x, test_y = (
        _array(verify_idx(file, sha256[name])) for file, name in zip(files, FILES, strict=True)
    )
    return _part(train_x, train_y), _part(test_x, test_y)


def _array(raw: bytes) -> np.ndarray:
    # Magic number: two zero bytes, type 8 (unsigned byte), number of dimensions; then the big-endian sizes.
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(*sizes.astype(int))


def _part(images: np.ndarray, labels: np.ndarray) -> Part:
    return pixels(images)[:, None], torch.from_numpy(labels.astype(np.int64))
