"""The contract of a data set: facts as class attributes, files with checksums, and how to read them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from nanoneurons.core.errors import DataError

from ._dataset import Dataset
from ._recordings import Recordings
from ._series import Series

__all__ = ["Download", "Source", "cache", "folders"]


@dataclass(frozen=True)
class Download:
    """One file that `fetch` gets from the first mirror that delivers it intact.

    A mirror that ends in a slash is a folder that holds the file by its name; any other is the file's whole address.
    """

    name: str
    mirrors: tuple[str, ...]

    def urls(self) -> tuple[str, ...]:
        """Address of the file at each mirror."""
        return tuple(mirror + self.name if mirror.endswith("/") else mirror for mirror in self.mirrors)


class Source(ABC):
    """A data set that can be loaded. Classes are abstract or final.

    Attributes:
        kind: ``"classification"`` loads a `Dataset`, ``"recordings"`` a `Recordings`, ``"series"`` a `Series`.
        title: name for people.
        citation: BibTeX of the source.
        licence: licence of the data, or that none is stated.
        shape: shape of one input; empty when it varies or the user's file decides.
        classes: number of classes; 0 when there are none or the user's file decides.
        sizes: training and test samples of the full set (steps of a series); zeros when the user's file decides.
        embedded: what loads without any file: ``"full"``, ``"reduced"`` or ``"no"``.
        folder: name of the set's folder inside the data folder; empty when it has none.
        downloads: files that `fetch` gets.
        takes_path: what the path that follows the name and a colon must be, in words; empty when none follows.
        variants: words that may follow the name and a colon instead, each with what it loads.
    """

    kind: ClassVar[str] = "classification"
    title: ClassVar[str]
    citation: ClassVar[str]
    licence: ClassVar[str]
    shape: ClassVar[tuple[int, ...]] = ()
    classes: ClassVar[int] = 0
    sizes: ClassVar[tuple[int, int]] = (0, 0)
    embedded: ClassVar[str] = "no"
    folder: ClassVar[str] = ""
    downloads: ClassVar[tuple[Download, ...]] = ()
    takes_path: ClassVar[str] = ""
    variants: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @abstractmethod
    def load(self, places: tuple[Path, ...], argument: str) -> Dataset | Recordings | Series:
        """Read the set from the first of `places` that holds it; `argument` is what follows the colon.

        Raises:
            DataError: a file is missing, corrupt, or holds values that cannot be used.
        """

    def verify(self, file: Path, name: str) -> None:
        """Raise `DataError` unless `file` holds what the download called `name` should; the base has no downloads."""
        raise DataError(f"{file}: no checksum is known for {name}")

    def find(self, places: tuple[Path, ...]) -> Path | None:
        """The set's own folder in the first place that has one."""
        for place in places:
            for name in (self.folder, self.folder.replace("_", "-")):
                if name and (place / name).is_dir():
                    return place / name
        return None

    def not_found(self, places: tuple[Path, ...], name: str) -> DataError:
        """The error that says where the set was looked for and what to do."""
        looked = " or ".join(str(place / self.folder) for place in places)
        return DataError(
            f"data set {name} was not found in {looked}; run 'nanoneurons data fetch {name}', "
            f"or set NANONEURONS_DATA to a folder that holds {self.folder}/"
        )


def cache() -> Path:
    """Folder that `fetch` fills when ``NANONEURONS_DATA`` is not set."""
    import pooch

    return Path(pooch.os_cache("nanoneurons"))


def folders(root: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    """Places to look for data: `root` alone if given, else ``NANONEURONS_DATA`` and the cache.

    Raises:
        DataError: the named folder does not exist.
    """
    if root is not None:
        if not Path(root).is_dir():
            raise DataError(f"data folder {root} does not exist; check the path")
        return (Path(root),)
    named = os.environ.get("NANONEURONS_DATA")
    if not named:
        return (cache(),)
    place = Path(named).expanduser()
    if not place.is_dir():
        raise DataError(f"NANONEURONS_DATA names {named}, which is not a folder; correct or unset it")
    return (place, cache())
