"""Loading, finding and fetching data sets by name."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from nanoneurons.core.errors import DataError, StoreError, UnknownNameError, nearest
from nanoneurons.core.registry import Folder

from ._dataset import Dataset
from ._recordings import Recordings
from ._series import Series
from ._source import Download, Source, folders

__all__ = [
    "catalogue",
    "fetch",
    "load",
    "load_any",
    "load_recordings",
    "load_series",
    "missing",
    "names",
    "require_kind",
]

catalogue = Folder("nanoneurons.data", "data set", "Source")


# What is to be called for the sets that `load` refuses.
_LOADERS = {"recordings": "load_recordings", "series": "load_series"}


def load(name: str, root: str | os.PathLike[str] | None = None) -> Dataset:
    """Load the classification set called `name`, or the user's own as ``"user:PATH"``.

    Args:
        root: folder to look in, instead of ``NANONEURONS_DATA`` and the cache.

    Raises:
        UnknownNameError: no such data set; the nearest name is suggested.
        DataError: a file is missing, corrupt, or holds values that cannot be used, or the set is of another kind.
    """
    source, argument = _source(name)
    require_kind(name, "classification")
    return cast(Dataset, source.load(folders(root), argument))


def load_recordings(name: str, root: str | os.PathLike[str] | None = None) -> Recordings:
    """Load the set of recordings called `name`; arguments and errors as for `load`."""
    source, argument = _source(name)
    require_kind(name, "recordings")
    return cast(Recordings, source.load(folders(root), argument))


def load_series(name: str, **settings: float) -> Series:
    """Generate the series called `name`; `settings` are the parameters that its page lists, ``seed`` among them.

    Raises:
        UnknownNameError: no such data set or setting; the nearest name is suggested.
        ParameterError: a setting is outside its range.
        DataError: the set is of another kind.
    """
    require_kind(name, "series")
    cls: Any = catalogue[name]
    for setting in settings:
        cls.parameter(setting)
    return cls(**settings).load((), "")


def load_any(name: str, root: str | os.PathLike[str] | None = None) -> Dataset | Recordings | Series:
    """Load a set of whatever kind, a series with its default settings."""
    source, argument = _source(name)
    return source.load(folders(root), argument)


def names(kind: str) -> list[str]:
    """Names of all sets of one kind: ``"classification"``, ``"recordings"`` or ``"series"``."""
    return [name for name in catalogue if catalogue[name].kind == kind]


def require_kind(name: str, kind: str) -> None:
    """Raise `DataError` unless the data set called `name` is of this kind; nothing is loaded."""
    key = name.partition(":")[0]
    own = catalogue[key].kind
    if own != kind:
        how = f"data.{_LOADERS.get(own, 'load')}({key!r}) loads it"
        raise DataError(
            f"data set {key!r} is of kind {own}, but {kind} is needed here ({', '.join(names(kind))}); {how}"
        )


def missing(name: str, root: str | os.PathLike[str] | None = None) -> str:
    """Why the full set called `name` cannot be loaded now, as one line; empty when it can.

    Only looks for the folder of the set and reads no file, so it is quick.
    """
    source, argument = _source(name)
    if source.takes_path:
        return "" if Path(argument).expanduser().exists() else f"{argument} does not exist; check the path"
    if source.embedded == "full" or not source.folder:
        return ""
    places = folders(root)
    return "" if source.find(places) else str(source.not_found(places, name))


def fetch(
    name: str,
    root: str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Download the files of a set into `root`, else ``NANONEURONS_DATA``, else the cache; each is verified.

    Files that are there and intact are kept.

    Raises:
        UnknownNameError: no such data set.
        DataError: nothing to fetch, or no mirror delivered an intact file (offline, for example).
        StoreError: the folder cannot be written.
    """
    source, _ = _source(name)
    if not source.downloads:
        raise DataError(f"data set {name} needs no download")
    place = folders(root)[0]
    folder = source.find((place,)) or place / source.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_fetch_one(source, file, folder, progress) for file in source.downloads]
    except OSError as error:
        raise StoreError(f"cannot write to {folder}: {error.strerror or error}; choose another folder") from error
    finally:
        with contextlib.suppress(OSError):  # after a failure an empty folder would look like a broken set
            folder.rmdir()


def _source(name: str) -> tuple[Source, str]:
    key, _, argument = name.partition(":")
    source = catalogue[key]()
    if argument and source.variants:
        if argument not in source.variants:
            raise UnknownNameError(
                f"data set {key!r} has no variant {argument!r}{nearest(argument, source.variants)}; "
                f"it has {', '.join(f'{key}:{variant}' for variant in source.variants)}"
            )
        return source, argument
    if argument and not source.takes_path:
        raise DataError(f"data set {key!r} takes no path; write {key!r}, or 'user:{argument}' for your own file")
    if source.takes_path and not argument:
        raise DataError(f"data set {key!r} needs the path of {source.takes_path}: '{key}:PATH'")
    return source, argument


def _fetch_one(source: Source, file: Download, folder: Path, progress: Callable[[str], None]) -> Path:
    target = folder / file.name
    if target.is_file():
        try:
            source.verify(target, file.name)
        except DataError:
            progress(f"{target} is corrupt and will be replaced")
        else:
            progress(f"{target} is there and intact")
            return target
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)  # its notes about hashes are not for users of the command line
    reasons: list[str] = []
    for url in file.urls():
        progress(f"fetching {url}")
        incoming = folder / f".{file.name}.{os.getpid()}.tmp"
        try:
            pooch.retrieve(url, known_hash=None, fname=incoming.name, path=folder)
            source.verify(incoming, file.name)
            incoming.replace(target)
            return target
        except DataError as error:
            reasons.append(str(error))
        except Exception as error:  # requests, urllib3 and pooch raise many kinds; each means: try the next
            reasons.append(f"{url.split('/')[2]}: {type(error).__name__}")
        finally:
            incoming.unlink(missing_ok=True)
    raise DataError(
        f"could not fetch {file.name} ({'; '.join(dict.fromkeys(reasons))}); "
        f"check the network, or put the file into {folder} by hand"
    )
