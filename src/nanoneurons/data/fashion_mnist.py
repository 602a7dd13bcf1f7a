"""Fashion-MNIST: 70,000 pictures of clothing, 28 x 28 pixels, a harder drop-in for MNIST."""

from __future__ import annotations

from pathlib import Path

from ._dataset import Dataset, make
from ._idx import FILES, load_parts, verify_idx
from ._source import Download, Source

__all__ = ["FashionMnist"]

# SHA-256 of the uncompressed files.
_SHA256: dict[str, str] = dict(
    zip(
        FILES,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
        strict=True,
    )
)
_MIRRORS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
)


class FashionMnist(Source):
    """Ten kinds of clothing in 256 grey levels, 6,000 training and 1,000 test pictures each."""

    title = "Fashion-MNIST clothing"
    citation = """@misc{xiao2017fashion,
  author = {Xiao, H. and Rasul, K. and Vollgraf, R.},
  title = {Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms},
  year = {2017},
  eprint = {1708.07747},
  archiveprefix = {arXiv}
}"""
    licence = "MIT"
    shape = (1, 28, 28)
    classes = 10
    sizes = (60000, 10000)
    folder = "fashion_mnist"
    downloads = tuple(Download(f"{name}.gz", _MIRRORS) for name in FILES)

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the four idx files."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "fashion-mnist")
        train, test = load_parts(folder, _SHA256)
        return make(
            name="fashion-mnist",
            title=self.title,
            train=train,
            test=test,
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
        )

    def verify(self, file: Path, name: str) -> None:
        """Check the content of one idx file."""
        verify_idx(file, _SHA256[name.removesuffix(".gz")])
