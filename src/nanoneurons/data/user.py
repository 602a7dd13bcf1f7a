"""Your own data: an ``.npz`` with ``x`` and ``y``, or a ``.csv`` whose last column is the class number."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, as_labels, make, stratified_split
from ._source import Source

__all__ = ["User"]

_TEST_SHARE = 0.2


class User(Source):
    """A file of the user's, brought to inputs in [0, 1] and classes 0, 1, 2, ...

    * ``.npz``: ``x`` of shape (samples, features), (samples, height, width) or (samples, channels, height,
      width), ``y`` with one whole number per sample, and optionally ``x_test``, ``y_test``.
    * ``.csv``: one sample per line, the class number in the last column, an optional line of names on top; columns
      separated by comma, semicolon or tab.

    Without a test part a fixed stratified split keeps 20 % of every class for the test. Unsigned 8-bit
    values are divided by 255. Other values outside [0, 1] are scaled by the smallest and largest
    training value: column by column for features, all together for images; test values beyond them
    are clipped. The notice says what was done.
    """

    title = "Your own file"
    citation = ""
    licence = "yours"
    shape = ()
    classes = 0
    sizes = (0, 0)
    takes_path = "your .npz or .csv file"

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the file called `argument`; `places` is not used."""
        path = Path(argument).expanduser()
        if not path.is_file():
            raise DataError(f"data file {path} does not exist; check the path")
        if path.suffix.lower() == ".npz":
            arrays = _read_npz(path)
        elif path.suffix.lower() == ".csv":
            arrays = _read_csv(path)
        else:
            raise DataError(f"data file {path} must end in .npz or .csv")
        return _prepare(path, arrays)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            names = set(stored.files)
            for name in ("x", "y"):
                if name not in names:
                    raise DataError(f"{path} has no array {name!r}; it holds {', '.join(sorted(names)) or 'nothing'}")
            if len(names & {"x_test", "y_test"}) == 1:
                raise DataError(f"{path} has only one of 'x_test' and 'y_test'; give both or neither")
            return {name: stored[name] for name in ("x", "y", "x_test", "y_test") if name in names}
    except DataError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        reason = "it holds Python objects, not numbers" if "allow_pickle" in str(error) else str(error)
        raise DataError(f"{path} is not a readable .npz file ({reason}); save it again with numpy.savez") from error


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({error}); save it as CSV in UTF-8") from error
    first, _, rest = text.lstrip().partition("\n")
    delimiter = max(",;\t", key=first.count)
    header = not all(_is_number(cell) for cell in first.split(delimiter))
    body = rest if header else text
    if not body.strip():
        raise DataError(f"{path} has no data line; give one sample per line, the class number last")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = np.loadtxt(io.StringIO(body), delimiter=delimiter, ndmin=2, comments=None)
    except ValueError as error:
        hint = " (counted without the line of names)" if header else ""
        reason = str(error).split(";")[0].removesuffix(".")
        raise DataError(f"{path}: {reason}{hint}; every cell must be a number") from error
    if table.shape[1] < 2:
        raise DataError(f"{path} has one column; it needs at least one feature and, last, the class number")
    return {"x": table[:, :-1], "y": table[:, -1]}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()  # an empty cell is a gap in the data, not a name
    return True


def _prepare(path: Path, arrays: dict[str, np.ndarray]) -> Dataset:
    notes: list[str] = []
    parts = [("x", "y"), ("x_test", "y_test")] if "x_test" in arrays else [("x", "y")]
    for x_name, y_name in parts:
        _check(path, x_name, y_name, arrays)
    x, y = arrays["x"], as_labels(arrays["y"], f"{path}, 'y'")
    if "x_test" in arrays:
        x_test, y_test = arrays["x_test"], as_labels(arrays["y_test"], f"{path}, 'y_test'")
    else:
        try:
            train, test = stratified_split(y, _TEST_SHARE)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        x, x_test, y, y_test = x[train], x[test], y[train], y[test]
        notes.append(f"no test part, so {len(y_test)} of {len(train) + len(test)} samples were kept for it")
    if x.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{path}: 'x' has samples of shape {x.shape[1:]}, 'x_test' of shape {x_test.shape[1:]}; make them equal"
        )
    known = np.unique(y)
    if len(known) < 2:
        raise DataError(f"{path}: all labels are {known[0]}; a task needs at least two classes")
    strange = np.setdiff1d(y_test, known)
    if len(strange):
        raise DataError(f"{path}: class {strange[0]} is in the test part but not in the training part")
    if known[0] != 0 or known[-1] != len(known) - 1:
        notes.append(f"classes {known[0]} ... {known[-1]} were renumbered 0 ... {len(known) - 1}")
    scaled, scaled_test, note = _scale(x, x_test)
    notes += [note] if note else []
    return make(
        name=f"user:{path}",
        title=path.stem,
        train=(_images(scaled), torch.from_numpy(np.searchsorted(known, y))),
        test=(_images(scaled_test), torch.from_numpy(np.searchsorted(known, y_test))),
        classes=len(known),
        citation="",
        licence="yours",
        notice="; ".join(notes),
    )


def _check(path: Path, x_name: str, y_name: str, arrays: dict[str, np.ndarray]) -> None:
    x, y = arrays[x_name], arrays[y_name]
    where = f"{path}, {x_name!r}"
    if x.dtype.kind not in "iufb":
        raise DataError(f"{where}: values must be numbers, not {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{where}: shape {x.shape} must be (samples, features), (samples, height, width) "
            "or (samples, channels, height, width)"
        )
    if x.size == 0:
        raise DataError(f"{where} is empty (shape {x.shape}); give at least two samples per class")
    if y.ndim == 1 and len(x) != len(y):
        raise DataError(
            f"{path}: {x_name!r} has {len(x)} samples but {y_name!r} has {len(y)} labels; give one label per sample"
        )
    finite = np.isfinite(x)
    if not finite.all():
        index = tuple(int(i) for i in np.argwhere(~finite)[0])
        place = f"sample {index[0]}, column {index[1]}" if x.ndim == 2 else f"index {list(index)}"
        raise DataError(f"{where}: {x[index]} at {place} (counted from 0); remove or replace the sample")


def _scale(x: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    if x.dtype == np.uint8 and x_test.dtype == np.uint8:
        return x.astype(np.float32) / 255, x_test.astype(np.float32) / 255, "8-bit values were divided by 255"
    x, x_test = x.astype(np.float64), x_test.astype(np.float64)
    if min(x.min(), x_test.min()) >= 0 and max(x.max(), x_test.max()) <= 1:
        return x.astype(np.float32), x_test.astype(np.float32), ""
    axes = 0 if x.ndim == 2 else None
    low, high = x.min(axis=axes), x.max(axis=axes)
    width = np.where(high > low, high - low, 1.0)  # a constant column becomes 0
    clipped = np.clip((x_test - low) / width, 0, 1)
    what = "each column was" if x.ndim == 2 else "values were"
    return (
        ((x - low) / width).astype(np.float32),
        clipped.astype(np.float32),
        f"{what} scaled to [0, 1] by the training part",
    )


def _images(x: np.ndarray) -> torch.Tensor:
    """One channel axis for grey images; features and images with channels stay as they are."""
    tensor = torch.from_numpy(x)
    return tensor[:, None] if x.ndim == 3 else tensor
