"""Vowels: the subset is as documented, and its numbers are the table's own."""

import os
from pathlib import Path

import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.data import vowels

FOLDER = os.environ.get("NANONEURONS_DATA")  # read before the fixture of every test hides it
needs_file = pytest.mark.skipif(
    not FOLDER or not (Path(FOLDER) / "vowels").is_dir(), reason="needs vowels/ in NANONEURONS_DATA"
)


def line(talker, vowel, first=600.0, gap=None):
    """A line of the table: name, duration, f0, F1-F4, and F1-F3 three times; `gap` is a column that is not measured."""
    values = [200, 220, first, 2000, 2800, 4000, *[first, 2000, 2800] * 3]
    if gap is not None:
        values[gap] = 0
    return f"{talker}{vowel} " + " ".join(f"{v:g}" for v in values)


def table(**gaps):
    """Forty women; `gaps` names talkers of a vowel that lack a value."""
    lines = ["a heading", line("m01", "ae"), line("w01", "eh")]
    for vowel in vowels.VOWELS:
        lines += [line(f"w{t:02d}", vowel, 600.0 + t, 8 if t in gaps.get(vowel, ()) else None) for t in range(1, 41)]
    return "\n".join(lines)


def test_women_with_er_come_first_and_gaps_are_filled():
    labels, talkers, hertz = vowels.parse(table(er=(1, 5, 9), iy=(2, 3)), "here")
    assert labels.tolist() == [i for i in range(7) for _ in range(37)]
    with_er = [t for t in range(1, 41) if t not in (1, 5, 9)]
    assert talkers[labels == 3].tolist() == with_er
    assert talkers[labels == 0].tolist() == with_er
    assert talkers[labels == 5].tolist() == [*[t for t in with_er if t not in (2, 3)], 1, 5]
    assert hertz.shape == (259, 12)
    assert hertz[0].tolist() == [602, 2000, 2800] * 4


def test_a_value_that_is_not_used_may_be_missing():
    text = table().replace(line("w01", "ae", 601.0), line("w01", "ae", 601.0, gap=5))  # F4
    assert vowels.parse(text, "here")[1][0] == 1


def test_too_few_women_and_broken_lines_are_refused():
    with pytest.raises(DataError, match="36 women have all values of er"):
        vowels.parse(table(er=(1, 2, 3, 4)), "here")
    with pytest.raises(DataError, match="here, line 4"):
        vowels.parse(table().replace(line("w01", "ae", 601.0), "w01ae 200 x"), "here")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "vowels").mkdir()
    with pytest.raises(DataError, match=r"holds no vowdata\.dat.*fetch vowels"):
        data.load("vowels", tmp_path)
    (tmp_path / "vowels" / "vowdata.dat").write_text(table())
    with pytest.raises(DataError, match="wrong checksum"):
        data.load("vowels", tmp_path)


@needs_file
def test_the_published_subset():
    loaded = data.load("vowels", FOLDER)
    assert loaded.sizes == (210, 49)
    assert loaded.shape == (12,)
    assert torch.cat([loaded.y_train, loaded.y_test]).bincount().tolist() == [37] * 7
    talkers = torch.cat([loaded.group_train, loaded.group_test])
    assert len(talkers.unique()) == 41
    assert float(loaded.x_train.min()) > 0
    assert float(loaded.x_train.max()) < 1
    hertz = loaded.scale.to_measured(torch.cat([loaded.x_train, loaded.x_test]))
    # The table holds whole numbers; float32 keeps them to 6e-8 of a range of at most 2400 Hz.
    assert float((hertz - hertz.round()).abs().max()) < 2e-4
    # Published mean of women's heed at the steady state: 437, 2761, 3372 Hz over 48 women; 37 of them differ by about
    # one standard error of the mean, which is below 2 %.
    mean = hertz[torch.cat([loaded.y_train, loaded.y_test]) == 5].mean(0)[:3]
    assert torch.allclose(mean, torch.tensor([437.0, 2761.0, 3372.0]).double(), rtol=0.02)


@needs_file
def test_first_sample_is_the_line_of_the_file():
    loaded = data.load("vowels", FOLDER)
    first = loaded.scale.to_measured(loaded.x_train[:1]).round()[0]
    talker = f"w{int(loaded.group_train[0]):02d}{vowels.VOWELS[int(loaded.y_train[0])]}"
    file = next(f for f in (Path(FOLDER) / "vowels").iterdir() if f.name.endswith("vowdata.dat"))
    row = next(line.split() for line in file.read_text(encoding="latin-1").splitlines() if line.startswith(talker))
    assert first.tolist() == [float(row[i]) for i in (3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15)]
