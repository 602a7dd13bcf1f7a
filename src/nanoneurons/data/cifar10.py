"""CIFAR-10: 60,000 colour photographs of 32 x 32 pixels, ten classes."""

from __future__ import annotations

import hashlib
import math
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, make, pixels
from ._source import Download, Source

__all__ = ["Cifar10"]

_BATCHES: tuple[str, ...] = (
    "data_batch_1",
    "data_batch_2",
    "data_batch_3",
    "data_batch_4",
    "data_batch_5",
    "test_batch",
)
_IMAGES = 10_000
_RECORD = 1 + 3 * 32 * 32  # the binary version: a label byte, then red, green and blue planes
# SHA-256 of each batch's images as (10000, 32, 32, 3) bytes, whatever file they were read from.
_SHA256: dict[str, str] = dict(
    zip(
        _BATCHES,
        (
            "fc115a3de050d667b88cbd5b0b9612ebf996c54230fe7758f3a14bb5af9a1c27",
            "89e609b642f687bc796fa3bfa4211005582a0e8131d463d996d11ddb297d312e",
            "93a365823e61729490a8801d80864ccd0ab1e8c98f19d71af65644d1c5f1486e",
            "809eb95ecd057a36516318f5023ea619009dd70dd38193db9da43125a928e6fa",
            "d05b7d66d216d6df882cc760cdc0ff2f1f0437abf699ed16005c021ef0add9cb",
            "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        ),
        strict=True,
    )
)
_LABELS_SHA256 = (
    "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
)
_TAR = "cifar-10-binary.tar.gz"
_TAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_MIRRORS = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")


class Cifar10(Source):
    """Reads ``cifar10/`` with the binary archive, its unpacked ``*.bin`` files, or lossless WebP sheets.

    A sheet holds the 10,000 images of a batch as 100 x 100 tiles; the labels lie beside it in
    ``labels.npz``. The archive for Python is a pickle, which could run any code, and is never read.
    """

    title = "CIFAR-10 photographs"
    citation = """@techreport{krizhevsky2009learning,
  author = {Krizhevsky, A.},
  title = {Learning Multiple Layers of Features from Tiny Images},
  institution = {University of Toronto},
  year = {2009}
}"""
    licence = "none stated; use with citation is customary"
    shape = (3, 32, 32)
    classes = 10
    sizes = (50000, 10000)
    folder = "cifar10"
    downloads = (Download(_TAR, _MIRRORS),)

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read six batches of images and their labels, and check both."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "cifar10")
        images, labels = _read(folder)
        for name, batch in images.items():
            if hashlib.sha256(np.ascontiguousarray(batch).tobytes()).hexdigest() != _SHA256[name]:
                raise DataError(f"{folder}: the images of {name} have the wrong checksum; fetch cifar10 again")
        y = np.concatenate([labels[name] for name in _BATCHES])
        for part, wanted in zip((y[: 5 * _IMAGES], y[5 * _IMAGES :]), _LABELS_SHA256, strict=True):
            if hashlib.sha256(part.tobytes()).hexdigest() != wanted:
                raise DataError(f"{folder}: the labels have the wrong checksum; fetch cifar10 again")
        x = np.concatenate([images[name] for name in _BATCHES[:5]])
        return make(
            name="cifar10",
            title=self.title,
            train=_part(x, y[: 5 * _IMAGES]),
            test=_part(images[_BATCHES[5]], y[5 * _IMAGES :]),
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
        )

    def verify(self, file: Path, name: str) -> None:
        """Check the archive against its published MD5."""
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "md5").hexdigest()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}); fetch it again") from error
        if digest != _TAR_MD5:
            raise DataError(
                f"{file} has the wrong checksum: it is corrupt or another file; delete it and fetch it again"
            )


Batches = dict[str, np.ndarray]


def _read(folder: Path) -> tuple[Batches, Batches]:
    """Images (10000, 32, 32, 3) and labels (10000,) of each batch, as bytes, from whichever files are there."""
    binary = next((f for f in (folder / "cifar-10-batches-bin", folder) if (f / "test_batch.bin").is_file()), None)
    if binary is not None:
        return _from_records({name: _bytes_of(binary / f"{name}.bin") for name in _BATCHES}, binary)
    if (folder / _TAR).is_file():
        return _from_records(_unpack(folder / _TAR), folder / _TAR)
    if (folder / "test_batch.webp").is_file():
        return _from_sheets(folder)
    if (folder / "cifar-10-python.tar.gz").is_file() or (folder / "cifar-10-batches-py").is_dir():
        raise DataError(
            f"{folder} holds the pickled version, which is not read because a pickle can run any code; get {_TAR}"
        )
    raise DataError(f"{folder} holds neither {_TAR} nor test_batch.webp; run 'nanoneurons data fetch cifar10'")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); fetch cifar10 again") from error


def _unpack(archive: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = Path(member.name).name.removesuffix(".bin")
                stream = tar.extractfile(member) if name in _BATCHES and member.isfile() else None
                if stream is not None:
                    found[name] = stream.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{archive} cannot be read ({error}); delete it and run 'nanoneurons data fetch cifar10'"
        ) from error
    return found


def _from_records(records: dict[str, bytes], where: Path) -> tuple[Batches, Batches]:
    images: Batches = {}
    labels: Batches = {}
    for name in _BATCHES:
        raw = records.get(name, b"")
        if len(raw) != _IMAGES * _RECORD:
            raise DataError(
                f"{where}: {name}.bin is missing or truncated; delete it and run 'nanoneurons data fetch cifar10'"
            )
        table = np.frombuffer(raw, np.uint8).reshape(_IMAGES, _RECORD)
        labels[name] = table[:, 0]
        images[name] = table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, labels


def _from_sheets(folder: Path) -> tuple[Batches, Batches]:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("reading cifar10 from WebP sheets needs Pillow: pip install 'nanoneurons[cifar]'") from error
    files = {name: folder / f"{name}.webp" for name in _BATCHES}
    for file in (*files.values(), folder / "labels.npz"):  # look for all before decoding any
        if not file.is_file():
            raise DataError(f"{folder} is incomplete: {file.name} is missing; run 'nanoneurons data fetch cifar10'")
    images: Batches = {}
    side = math.isqrt(_IMAGES)
    for name, file in files.items():
        try:
            with Image.open(file) as sheet:
                tiles = np.asarray(sheet.convert("RGB")).reshape(side, 32, side, 32, 3)
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{file} cannot be read ({error}); replace it or run 'nanoneurons data fetch cifar10'"
            ) from error
        images[name] = tiles.transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3)
    try:
        with (folder / "labels.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
            y = np.concatenate([stored["train"], stored["test"]]).astype(np.uint8)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{folder / 'labels.npz'} cannot be read ({error}); replace it") from error
    return images, {name: y[i * _IMAGES : (i + 1) * _IMAGES] for i, name in enumerate(_BATCHES)}


def _part(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    x = pixels(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return x, torch.from_numpy(labels.astype(np.int64))
