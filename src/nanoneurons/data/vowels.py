"""Hillenbrand vowels: formant frequencies of seven vowels spoken by women, the subset used with oscillators."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, Scale, make, stratified_split
from ._source import Download, Source

__all__ = ["VOWELS", "Vowels", "parse"]

VOWELS = ("ae", "ah", "aw", "er", "ih", "iy", "uw")  # class 0 ... 6, in the file's notation
_PER_VOWEL = 37
_FILES = ("vowdata.dat", "hillenbrand95_vowdata.dat")
_SHA256 = (
    "665d9f50120f82a7941b65808af0f664a1a3309ba3a54f0d2daecf584e0f482f"  # of the text with line ends of one character
)
_TIMES = ("steady state", "20 %", "50 %", "80 %")
_COLUMNS = (2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14)  # F1, F2, F3 at each of the four times, after the name
# Range of each formant in Hz that is brought to [0, 1]: round numbers that hold all women of these vowels.
_RANGES: tuple[tuple[str, float, float], ...] = (("F1", 300.0, 1200.0), ("F2", 700.0, 3100.0), ("F3", 1600.0, 3900.0))
_COMMIT = "1ef03eac63323f33b8ee31af8bc5294042de2d00"
_MIRRORS = (
    f"https://raw.githubusercontent.com/kleinschmidt/hdp-bayes-vowels/{_COMMIT}/hillenbrand-data/",
    f"https://cdn.jsdelivr.net/gh/kleinschmidt/hdp-bayes-vowels@{_COMMIT}/hillenbrand-data/",
)


class Vowels(Source):
    """Seven vowels (ae, ah, aw, er, ih, iy, uw), each spoken by 37 women: 259 samples of 12 formant frequencies.

    The features are the formants F1, F2, F3 at the steady state and at 20, 50 and 80 % of the vowel's duration, in this
    order (F1 F2 F3 at the steady state first). Inputs are scaled to [0, 1] from 300-1200 Hz (F1), 700-3100 Hz (F2) and
    1600-3900 Hz (F3); ``scale.to_measured`` gives Hz back.

    Only samples with all twelve values measured are used. The vowel *er* has them for 37 women exactly, which sets the
    number; every other vowel takes these women, in order of talker number, and fills up with the next talkers where
    one of the 37 lacks a value (1 for ah and aw, 4 for iy). So there are 41 women in all. Which ones the publication
    used is not known.

    A fixed stratified split keeps 20 % of every vowel for the test. The same woman can be in both parts with different
    vowels; ``group_train`` and ``group_test`` hold the talker numbers, for splits by speaker.
    """

    title = "Vowels of 37 women (Hillenbrand 1995)"
    citation = """@article{hillenbrand1995acoustic,
  author = {Hillenbrand, J. and Getty, L. A. and Clark, M. J. and Wheeler, K.},
  title = {Acoustic characteristics of American English vowels},
  journal = {Journal of the Acoustical Society of America},
  volume = {97},
  number = {5},
  pages = {3099--3111},
  year = {1995},
  doi = {10.1121/1.411872}
}"""
    licence = "(c) 1995 James Hillenbrand; put on the web for research, no formal licence"
    shape = (12,)
    classes = 7
    sizes = (210, 49)
    folder = "vowels"
    downloads = (Download(_FILES[0], _MIRRORS),)

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Read the table of formants and take the subset."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "vowels")
        file = next((folder / name for name in _FILES if (folder / name).is_file()), None)
        if file is None:
            raise DataError(
                f"{folder} holds no {_FILES[0]}; run 'nanoneurons data fetch vowels' (the authors' own site is down)"
            )
        labels, talkers, hertz = parse(_content(file), str(file))
        names = tuple(f"{formant} {time}" for time in _TIMES for formant, _, _ in _RANGES)
        low = torch.tensor([low for _, low, _ in _RANGES] * len(_TIMES), dtype=torch.float64)
        high = torch.tensor([high for _, _, high in _RANGES] * len(_TIMES), dtype=torch.float64)
        scale = Scale(low, high, "Hz", names)
        x, y, group = scale.to_inputs(torch.from_numpy(hertz)), torch.from_numpy(labels), torch.from_numpy(talkers)
        train, test = stratified_split(labels, 0.2)
        return make(
            name="vowels",
            title=self.title,
            train=(x[train], y[train]),
            test=(x[test], y[test]),
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
            groups=(group[train], group[test]),
            scale=scale,
        )

    def verify(self, file: Path, name: str) -> None:
        """Check the content of the table."""
        _content(file)


def parse(text: str, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Class numbers ``(259,)``, talker numbers ``(259,)`` and formants in Hz ``(259, 12)`` of the subset.

    Raises:
        DataError: a line cannot be read, or fewer than 37 women have all values of a vowel.
    """
    measured: dict[str, dict[int, list[float]]] = {vowel: {} for vowel in VOWELS}
    for number, line in enumerate(text.splitlines(), 1):
        talker = re.match(r"w(\d\d)([a-z]{2})\s+(.*)$", line)
        if talker is None or talker[2] not in measured:
            continue
        try:
            values = [float(word) for word in talker[3].split()]
            chosen = [values[column] for column in _COLUMNS]
        except (ValueError, IndexError) as error:
            raise DataError(f"{where}, line {number}: 15 numbers must follow the name; fetch the file again") from error
        if min(chosen) > 0:  # zero: the formant was not measurable
            measured[talker[2]][int(talker[1])] = chosen
    women = set(measured["er"])
    labels, talkers, rows = [], [], []
    for label, vowel in enumerate(VOWELS):
        found = measured[vowel]
        order = sorted(found, key=lambda talker: (talker not in women, talker))[:_PER_VOWEL]
        if len(order) < _PER_VOWEL:
            raise DataError(f"{where}: {len(order)} women have all values of {vowel}, not {_PER_VOWEL}; fetch it again")
        labels += [label] * _PER_VOWEL
        talkers += order
        rows += [found[talker] for talker in order]
    return np.array(labels, np.int64), np.array(talkers, np.int64), np.array(rows)


def _content(file: Path) -> str:
    try:
        text = file.read_text(encoding="latin-1")  # universal newlines: mirrors differ in their line ends
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}); fetch vowels again") from error
    if hashlib.sha256(text.encode("latin-1")).hexdigest() != _SHA256:
        raise DataError(f"{file} has the wrong checksum: it is corrupt or another file; delete it and fetch it again")
    return text
