"""Gestures of a hand: digits drawn in the air with a phone, and gestures of four people with a watch."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import zipfile
import zlib
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, Scale, make
from ._motion import LIMITS, LIMITS_1D, describe, describe_axis
from ._source import Download, Source

__all__ = ["BLOCK", "Gestures", "blocks", "parse_digits", "people"]

BLOCK = 5  # takes of a digit that stay together
_TEST_EVERY = 5  # the last of every five blocks is for the test
_ZIP, _NPZ = "Android-IMU-Digits-Gesture-Dataset.zip", "android_imu_digits.npz"
_REPOSITORY, _COMMIT = "computersniper/Android-IMU-Digits-Gesture-Dataset", "5918ae32c9ae74d2412ec4b88ab12cbd62ff0e2c"
_SITES = ("https://github.com/{}/archive/{}.zip", "https://codeload.github.com/{}/zip/{}")
_UCR_COMMIT, _UCR_NPZ = "6f961db51e2633ba46524913177c518bd03bb843", "ucr_GesturePebbleZ1.npz"
_UCR_REPOSITORY = "iwuqing/Time-Series-Classification-based-on-KNN"
_UCR = (
    f"https://raw.githubusercontent.com/{_UCR_REPOSITORY}/{_UCR_COMMIT}/data/GesturePebbleZ1/",
    f"https://cdn.jsdelivr.net/gh/{_UCR_REPOSITORY}@{_UCR_COMMIT}/data/GesturePebbleZ1/",
)
_PEBBLE = ("GesturePebbleZ1_TRAIN.tsv", "GesturePebbleZ1_TEST.tsv")
# SHA-256 of the values in one order and byte order, so that every form of the files has the same.
_DIGITS_SHA256 = "b7b6c56e871e0cf8df1540e6a7147bf7cd3882328334def1ee3c6befff359413"
_PEBBLE_SHA256 = {
    _PEBBLE[0]: "00565f42350d43a08547d08cab248ff372335a3b4bb0c7455ffeb7fa650a107e",
    _PEBBLE[1]: "b6a873ab43ed695fec094727d415093470e467bf28ec3cde420a0b2f96e3c9e0",
}
_FILE = re.compile(r"imu_complete_data_(\d)_(\d{8}_\d{6})\.csv$")
_COLUMNS = [f"{sensor}_{axis}" for sensor in ("linear_acceleration", "gyroscope") for axis in "xyz"]
_BROKEN = (OSError, EOFError, KeyError, IndexError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)

# Times in ms from the first sample, and linear acceleration (m/s^2) and turn rate (rad/s), float32, (n, 6).
_Recording = tuple[np.ndarray, np.ndarray]
_Digits = tuple[list[_Recording], np.ndarray, list[str]]  # recordings, digits, date and time of each
_Series = tuple[np.ndarray, np.ndarray]  # series, float32, padded with NaN, and classes from 0


class Gestures(Source):
    """The digits 0 to 9, drawn in the air with a phone by one person, 50 takes each, as 58 numbers per recording.

    A take lasts 5 s at about 52 Hz. The features (named in ``scale.features``) describe acceleration without gravity
    and turn rate: mean, deviation, range, root mean square of the derivative, crossings of the mean, means of the three
    thirds of the movement, correlations of the axes, duration, energy. How the phone is held (gravity) is left out:
    the takes of a digit were recorded in a row, so that it could tell the minute of the recording and not the gesture.

    Five takes in a row are a block; ``group_train`` and ``group_test`` number the ten blocks of every digit in time.
    Blocks 4 and 9, the last of every five, are the test: neighbours recorded seconds apart stay on one side, and the
    last takes, which differ from the rest, are in it.

    ``gestures:4`` has the digits 1, 2, 3 and 4 only. ``gestures:pebble`` is another set: six gestures of four people
    with a watch (UCR archive, GesturePebbleZ1), 16 features of the one axis given (z; unit not stated, rates per
    sample). Training part: a first session, test: a second one days later. Its groups are the people, inferred from
    the order of the rows: four runs over the six gestures in each part, whose sizes agree with those of GesturePebbleZ2
    (two people against the other two). The order of the people in both parts is inferred as well.
    """

    title = "Digits drawn in the air with a phone (Cai 2025)"
    citation = """@misc{cai2025android,
  author = {Cai, Jiechao},
  title = {Android IMU Digits Gesture Dataset},
  year = {2025},
  howpublished = {\\url{https://github.com/computersniper/Android-IMU-Digits-Gesture-Dataset}}
}
@inproceedings{mezari2017gesture,
  author = {Mezari, A. and Maglogiannis, I.},
  title = {Gesture recognition using symbolic aggregate approximation and dynamic time warping on motion data},
  booktitle = {11th EAI International Conference on Pervasive Computing Technologies for Healthcare},
  year = {2017}
}
@article{dau2019ucr,
  author = {Dau, H. A. and Bagnall, A. and Kamgar, K. and Yeh, C.-C. M. and Zhu, Y. and Gharghabi, S. and
            Ratanamahatana, C. A. and Keogh, E.},
  title = {The UCR time series archive},
  journal = {IEEE/CAA Journal of Automatica Sinica},
  volume = {6},
  pages = {1293--1305},
  year = {2019}
}"""
    licence = "digits: MIT, as its readme says; pebble: UCR archive, free for research with citation"
    shape = (len(LIMITS),)
    classes = 10
    sizes = (400, 100)
    folder = "gestures"
    variants = MappingProxyType({"4": "digits 1 to 4", "pebble": "six gestures of four people with a watch"})
    downloads = (
        Download(_ZIP, tuple(site.format(_REPOSITORY, _COMMIT) for site in _SITES)),
        *(Download(name, _UCR) for name in _PEBBLE),
    )

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read and describe the recordings of the variant `argument`."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "gestures")
        if argument == "pebble":
            parts = [_pebble(folder, name) for name in _PEBBLE]
            x = [np.stack([describe_axis(own[~np.isnan(own)].astype(float)) for own in series]) for series, _ in parts]
            y, where = [label for _, label in parts], [people(label) for _, label in parts]
            title = "Gestures of four people with a watch (UCR GesturePebbleZ1)"
            return self._made("gestures:pebble", title, x, y, where, 6, _scale(LIMITS_1D))
        recordings, label, stamps = _digits(folder)
        block = blocks(label, stamps)
        wanted = (label >= 1) & (label <= 4) if argument == "4" else label >= 0
        described = np.stack([describe(ms / 1000.0, own[:, :3], own[:, 3:]) for ms, own in recordings])
        held = block % _TEST_EVERY == _TEST_EVERY - 1
        parts = [np.flatnonzero(wanted & ~held), np.flatnonzero(wanted & held)]
        first, classes = (1, 4) if argument == "4" else (0, 10)
        x, y, where = ([values[part] for part in parts] for values in (described, label - first, block))
        return self._made(f"gestures{':4' if argument else ''}", self.title, x, y, where, classes, _scale(LIMITS))

    def verify(self, file: Path, name: str) -> None:
        """Check the content of one file."""
        if name == _ZIP:
            _checked(_from_zip(file), file)
        else:
            _checked_series(_from_table(file), file, name)

    def _made(
        self, name: str, title: str, x: list[np.ndarray], y: list[np.ndarray], where: list[np.ndarray], classes: int,
        scale: Scale,
    ) -> Dataset:  # fmt: skip
        inputs = [scale.to_inputs(torch.from_numpy(values)) for values in x]
        labels, groups = ([torch.from_numpy(values) for values in lists] for lists in (y, where))
        return make(
            name=name,
            title=title,
            train=(inputs[0], labels[0]),
            test=(inputs[1], labels[1]),
            classes=classes,
            citation=self.citation,
            licence=self.licence,
            groups=(groups[0], groups[1]),
            scale=scale,
        )


def blocks(label: np.ndarray, stamps: list[str]) -> np.ndarray:
    """Block of each recording, int64: the takes of every class in order of time, `BLOCK` in a row."""
    found = np.empty(len(label), np.int64)
    for own in (np.flatnonzero(label == value) for value in np.unique(label)):
        found[own[np.argsort(np.array(stamps)[own], kind="stable")]] = np.arange(len(own)) // BLOCK
    return found


def people(label: np.ndarray) -> np.ndarray:
    """Person of each row, int64: the next one starts where a gesture returns after another."""
    found, person, seen = np.zeros(len(label), np.int64), 0, [label[0]]
    for row, value in enumerate(label):
        if value != seen[-1]:
            person, seen = (person + 1, []) if value in seen else (person, seen)
            seen.append(value)
        found[row] = person
    return found


def parse_digits(files: list[tuple[str, str]], where: str) -> _Digits:
    """Recordings, digits and times of day from the names and texts of tables of comma-separated values.

    Raises:
        DataError: a column is missing, a value is no number, or a recording has fewer than ten rows.
    """
    recordings, label, stamps = [], [], []
    for name, text in sorted(files):
        match = _FILE.search(name)
        if match is None:
            raise DataError(f"{where}: {name} is not named imu_complete_data_DIGIT_DATE_TIME.csv; rename or remove it")
        try:
            heading = text.partition("\n")[0].strip().split(",")
            columns = [heading.index(column) for column in ("timestamp", *_COLUMNS)]
            values = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, usecols=columns, ndmin=2)
        except ValueError as error:
            raise DataError(f"{where}, {name}: {error}; fetch the file again") from error
        if len(values) < 10 or (np.diff(values[:, 0]) <= 0).any():
            raise DataError(f"{where}, {name}: ten rows with ascending times are needed; remove the file")
        recordings.append(((values[:, 0] - values[0, 0]).astype(np.int64), values[:, 1:].astype(np.float32)))
        label.append(int(match[1]))
        stamps.append(match[2])
    return recordings, np.array(label, np.int64), stamps


def _digits(folder: Path) -> _Digits:
    if (folder / _NPZ).is_file():
        return _checked(_from_npz(folder / _NPZ), folder / _NPZ)
    if (folder / _ZIP).is_file():
        return _checked(_from_zip(folder / _ZIP), folder / _ZIP)
    raise DataError(f"{folder} holds neither {_ZIP} nor {_NPZ}; run 'nanoneurons data fetch gestures'")


def _from_npz(file: Path) -> _Digits:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as z:
            columns = [z["columns"].tolist().index(column) for column in _COLUMNS]
            values, ms, label = z["x"][:, columns], z["t_ms"].astype(np.int64), z["y"].astype(np.int64)
            stamps = [str(name).rpartition(".")[0][-15:] for name in z["files"]]
            recordings = [(ms[a:b], values[a:b]) for a, b in itertools.pairwise(z["offsets"])]
    except _BROKEN as error:
        raise _wrong(file, f" ({error})") from error
    return recordings, label, stamps


def _from_zip(file: Path) -> _Digits:
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if _FILE.search(name)]
            texts = [(Path(name).name, archive.read(name).decode("ascii")) for name in names]
    except _BROKEN as error:
        raise _wrong(file, f" ({error})") from error
    return parse_digits(texts, str(file))


def _checked(read: _Digits, where: Path) -> _Digits:
    recordings, label, stamps = read
    digest = hashlib.sha256(repr((label.tolist(), stamps, [len(ms) for ms, _ in recordings])).encode())
    for ms, values in recordings:
        digest.update(ms.astype("<i8").tobytes() + values.astype("<f4").tobytes())
    if digest.hexdigest() != _DIGITS_SHA256:
        raise _wrong(where)
    return read


def _pebble(folder: Path, name: str) -> _Series:
    if (folder / _UCR_NPZ).is_file():
        part = "train" if name == _PEBBLE[0] else "test"
        try:
            with (folder / _UCR_NPZ).open("rb") as stream, np.load(stream, allow_pickle=False) as z:
                read = z[f"x_{part}"], z[f"y_{part}"].astype(np.int64) - 1
        except _BROKEN as error:
            raise _wrong(folder / _UCR_NPZ, f" ({error})") from error
        return _checked_series(read, folder / _UCR_NPZ, name)
    if (folder / name).is_file():
        return _checked_series(_from_table(folder / name), folder / name, name)
    raise DataError(f"{folder} holds neither {name} nor {_UCR_NPZ}; run 'nanoneurons data fetch gestures'")


def _from_table(file: Path) -> _Series:
    try:
        table = np.loadtxt(file, delimiter="\t", ndmin=2)
    except _BROKEN as error:
        raise _wrong(file, f" ({error})") from error
    return table[:, 1:].astype(np.float32), table[:, 0].astype(np.int64) - 1


def _checked_series(read: _Series, where: Path, name: str) -> _Series:
    series, label = read
    digest = hashlib.sha256(np.nan_to_num(series, nan=1e9).astype("<f4").tobytes() + label.astype("<i8").tobytes())
    if digest.hexdigest() != _PEBBLE_SHA256[name]:
        raise _wrong(where)
    return read


def _wrong(file: Path, why: str = "") -> DataError:
    return DataError(
        f"{file} has the wrong checksum{why}: it is corrupt or another file; delete it and run "
        "'nanoneurons data fetch gestures'"
    )


def _scale(limits: tuple[tuple[str, float, float], ...]) -> Scale:
    names, low, high = zip(*limits, strict=True)
    return Scale(torch.tensor(low, dtype=torch.float64), torch.tensor(high, dtype=torch.float64), "SI", names)
