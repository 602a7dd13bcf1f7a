"""Drone RF fingerprints: the file is read as it is, and anything else is refused in one line."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.data import drone_rf

FOLDER = os.environ.get("NANONEURONS_DATA")  # read before the fixture of every test hides it
NAME = "RadioSpin_D62_RF_fingerprinting.h5"


def arrays():
    """Twenty training and ten test spectra, every class among them."""
    power = np.linspace(0, 1, 30 * 256).reshape(30, 256)
    label = np.arange(30) % 10
    return {"X_train": power[:20], "Y_train": label[:20], "X_test": power[20:], "Y_test": label[20:]}


@pytest.fixture
def write(tmp_path):
    """Write a file into the set's folder; keys set to None are left out."""
    h5py = pytest.importorskip("h5py", reason="needs the extra 'hdf5'")

    def write(**changes):
        file = tmp_path / "drone_rf" / NAME
        file.parent.mkdir(exist_ok=True)
        with h5py.File(file, "w") as stored:
            for key, value in (arrays() | changes).items():
                if value is not None:
                    stored[key] = value
        return file

    return write


def one_line(caught):
    assert "\n" not in str(caught.value)


def test_powers_and_labels_are_kept(write):
    train, test = drone_rf.parse(write())
    for part, name in ((train, "train"), (test, "test")):
        assert part[0].dtype == torch.float32
        assert part[1].dtype == torch.int64
        assert (part[0].numpy() == arrays()[f"X_{name}"].astype(np.float32)).all()
        assert part[1].tolist() == arrays()[f"Y_{name}"].tolist()


def test_a_loaded_set_has_its_facts(write, tmp_path, monkeypatch):
    monkeypatch.setattr(drone_rf, "_SHA256", hashlib.sha256(write().read_bytes()).hexdigest())
    loaded = data.load("drone-rf", tmp_path)
    assert loaded.name == "drone-rf"
    assert loaded.sizes == (20, 10)
    assert loaded.shape == (256,)
    assert loaded.classes == len(drone_rf.TRANSMITTERS) == 10
    assert loaded.licence == "CC BY 4.0"


@pytest.mark.parametrize("key", ["X_train", "Y_train", "X_test", "Y_test"])
def test_a_missing_array_is_named(write, key):
    with pytest.raises(DataError, match=f"has no array {key}; fetch drone-rf again") as caught:
        drone_rf.parse(write(**{key: None}))
    one_line(caught)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("X_train", np.zeros((20, 255)), r"X_train is float64 of shape \(20, 255\), but .*\(20, 256\)"),
        ("X_test", np.zeros((9, 256)), r"X_test is .* shape \(9, 256\)"),
        ("X_test", np.zeros((10, 256, 1)), r"X_test is .* shape \(10, 256, 1\)"),
        ("X_test", np.zeros((10, 256), np.int64), "X_test is int64"),
        ("Y_train", np.zeros((20, 1), np.int64), r"Y_train: labels .* shape \(20, 1\)"),
        ("Y_test", np.full(10, 0.5), r"Y_test: label 0\.5"),
    ],
)
def test_wrong_shapes_and_types_are_refused(write, key, value, said):
    with pytest.raises(DataError, match=said) as caught:
        drone_rf.parse(write(**{key: value}))
    one_line(caught)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.1, 1.5])
@pytest.mark.parametrize("key", ["X_train", "X_test"])
def test_what_is_no_power_is_refused(write, key, value):
    power = arrays()[key].copy()
    power[3, 7] = value
    with pytest.raises(DataError, match=f"{key} holds {value:g} at row 3, bin 7, which is no power") as caught:
        drone_rf.parse(write(**{key: power}))
    one_line(caught)


def test_a_label_outside_the_classes_is_refused(write, tmp_path, monkeypatch):
    file = write(Y_test=np.array([*range(9), 10]))
    monkeypatch.setattr(drone_rf, "_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(DataError, match=r"label 10 of sample 9 is not in 0 \.\.\. 9"):
        data.load("drone-rf", tmp_path)


def test_a_damaged_file_is_refused(write):
    file = write()
    content = file.read_bytes()
    for damaged in (b"", b"no HDF5", content[: len(content) // 2]):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read .*fetch drone-rf again") as caught:
            drone_rf.parse(file)
        one_line(caught)


def test_another_file_is_refused_before_it_is_opened(write, tmp_path, monkeypatch):
    write()
    monkeypatch.setattr(drone_rf, "parse", lambda file: pytest.fail("opened"))
    with pytest.raises(DataError, match="wrong checksum") as caught:
        data.load("drone-rf", tmp_path)
    one_line(caught)


def test_an_empty_folder_says_what_to_do(tmp_path):
    (tmp_path / "drone_rf").mkdir()
    with pytest.raises(DataError, match=rf"holds no {NAME}; run 'nanoneurons data fetch drone-rf'"):
        data.load("drone-rf", tmp_path)


def test_without_h5py_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)  # as if not installed
    with pytest.raises(DataError, match=r"needs h5py: pip install 'nanoneurons\[hdf5\]'") as caught:
        drone_rf.parse(tmp_path / NAME)
    one_line(caught)


def test_the_catalogue_does_not_import_h5py():
    code = "import sys; from nanoneurons import data; data.catalogue['drone-rf']; sys.exit('h5py' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(
    not FOLDER or not (Path(FOLDER) / "drone_rf" / NAME).is_file(), reason="needs drone_rf/ in NANONEURONS_DATA"
)
def test_the_published_set():
    h5py = pytest.importorskip("h5py", reason="needs the extra 'hdf5'")
    loaded = data.load("drone-rf", FOLDER)
    source = data.catalogue["drone-rf"]
    assert loaded.sizes == source.sizes == (702, 298)
    assert loaded.shape == source.shape == (256,)
    both = torch.cat([loaded.x_train, loaded.x_test])
    assert torch.isfinite(both).all()
    assert len(torch.unique(both, dim=0)) == 1000  # no spectrum twice, so none in both parts
    # 0.0011 and 0.997 are the documented range; the values are given to the digits that are shown.
    assert float(both.min()) == pytest.approx(0.0011, abs=5e-5)
    assert float(both.max()) == pytest.approx(0.997, abs=5e-4)
    train, test = loaded.y_train.bincount().tolist(), loaded.y_test.bincount().tolist()
    assert (len(train), min(train), max(train)) == (10, 64, 77)
    assert (len(test), min(test), max(test)) == (10, 23, 36)
    with h5py.File(Path(FOLDER) / "drone_rf" / NAME) as stored:
        assert (loaded.x_test.numpy() == stored["X_test"][()].astype(np.float32)).all()
        assert (loaded.y_test.numpy() == stored["Y_test"][()]).all()
