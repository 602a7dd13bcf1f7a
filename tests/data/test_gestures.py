"""Gestures: names become digits, blocks and people; splits keep takes together; other files are refused."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import DataError, UnknownNameError
from nanoneurons.data import gestures

FOLDER = os.environ.get("NANONEURONS_DATA")  # read before the fixture of every test hides it
needs_file = pytest.mark.skipif(
    not FOLDER or not (Path(FOLDER) / "gestures").is_dir(), reason="needs gestures/ in NANONEURONS_DATA"
)
COLUMNS = [
    "session_id",
    "timestamp",
    *(f"{s}_{a}" for s in ("gyroscope", "gravity", "linear_acceleration") for a in "xyz"),
]


def table(rows=12, step=20, start=1_762_434_862_759):
    """A recording whose values tell their column and row."""
    lines = [",".join(COLUMNS)]
    for row in range(rows):
        lines.append(",".join(["0_x", str(start + step * row), *(str(10 * column + row) for column in range(9))]))
    return "\n".join(lines) + "\n"


def test_columns_are_found_by_name_and_times_start_at_zero():
    files = [
        ("imu_complete_data_7_20251106_211511.csv", table()),
        ("imu_complete_data_2_20251106_211505.csv", table(15)),
    ]
    recordings, label, stamps = gestures.parse_digits(files, "here")
    assert label.tolist() == [2, 7]
    assert stamps == ["20251106_211505", "20251106_211511"]
    ms, values = recordings[1]
    assert ms.tolist() == list(range(0, 240, 20))
    assert values[3].tolist() == [63, 73, 83, 3, 13, 23]  # acceleration first, then turn rate
    assert len(recordings[0][0]) == 15


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("digit_7.csv", table(), "not named"),
        ("imu_complete_data_7_20251106_211511.csv", table().replace("gyroscope_y", "gyro"), "gyroscope_y"),
        ("imu_complete_data_7_20251106_211511.csv", table().replace(",63,", ",x,"), "211511.csv"),
        ("imu_complete_data_7_20251106_211511.csv", table(9), "ten rows"),
        ("imu_complete_data_7_20251106_211511.csv", table(step=0), "ascending"),
    ],
)
def test_broken_tables_are_named_in_one_line(name, text, words):
    with pytest.raises(DataError, match=words) as caught:
        gestures.parse_digits([(name, text)], "here")
    assert "\n" not in str(caught.value)


def test_blocks_are_takes_in_order_of_time():
    label = np.array([1] * 12 + [0] * 5)
    stamps = [f"20251106_{100000 + minute}" for minute in [*range(11, -1, -1), 4, 3, 2, 1, 0]]
    assert gestures.blocks(label, stamps).tolist() == [2, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, *[0] * 5]


def test_a_new_person_starts_where_a_gesture_returns():
    label = np.array([0, 0, 1, 1, 2, 1, 1, 0, 2, 2, 2, 0, 1])
    assert gestures.people(label).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]


def test_unknown_variants_and_other_files_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'pebble'.*gestures:4"):
        data.load("gestures:peble")
    folder = tmp_path / "gestures"
    folder.mkdir()
    for variant in ("gestures", "gestures:4", "gestures:pebble"):
        with pytest.raises(DataError, match="holds neither.*data fetch gestures"):
            data.load(variant, tmp_path)
        assert data.missing(variant, tmp_path) == ""
    with zipfile.ZipFile(folder / "Android-IMU-Digits-Gesture-Dataset.zip", "w") as archive:
        archive.writestr("x/data/imu_complete_data_7_20251106_211511.csv", table())
    (folder / "GesturePebbleZ1_TRAIN.tsv").write_text("1\t2.5\t3.5\n2\t1.5\tNaN\n")
    for variant in ("gestures", "gestures:pebble"):
        with pytest.raises(DataError, match="wrong checksum") as caught:
            data.load(variant, tmp_path)
        assert "\n" not in str(caught.value)


@needs_file
def test_the_published_digits():
    loaded = data.load("gestures", FOLDER)
    assert loaded.sizes == (400, 100)
    assert loaded.y_train.bincount().tolist() == [40] * 10
    assert loaded.y_test.bincount().tolist() == [10] * 10
    assert sorted(set(loaded.group_train.tolist())) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert sorted(set(loaded.group_test.tolist())) == [4, 9]
    both = torch.cat([loaded.x_train, loaded.x_test])
    assert len(both.unique(dim=0)) == 500
    assert float(both.min()) >= 0
    assert float(both.max()) <= 1
    assert len(set(loaded.scale.features)) == loaded.shape[0] == 58


@needs_file
def test_four_digits_are_a_part_of_ten():
    ten, four = data.load("gestures", FOLDER), data.load("gestures:4", FOLDER)
    assert four.name == "gestures:4"
    assert four.sizes == (160, 40)
    assert four.classes == 4
    part = (ten.y_train >= 1) & (ten.y_train <= 4)
    assert torch.equal(four.x_train, ten.x_train[part])
    assert torch.equal(four.y_train, ten.y_train[part] - 1)
    assert torch.equal(four.group_train, ten.group_train[part])


@needs_file
def test_the_published_watch():
    loaded = data.load("gestures:pebble", FOLDER)
    assert loaded.sizes == (132, 172)
    assert loaded.classes == 6
    # Two of the four people must make the 146 and the others the 158 rows that GesturePebbleZ2 has.
    sizes = torch.cat([loaded.group_train, loaded.group_test]).bincount().tolist()
    assert len(sizes) == 4
    assert (sizes[0] + sizes[1], sizes[2] + sizes[3]) == (146, 158)
    assert float(loaded.x_train.min()) >= 0
    assert float(torch.cat([loaded.x_train, loaded.x_test]).max()) <= 1
