"""MNIST-like sets, on small idx files made here with their own checksums."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.data import _idx, fashion_mnist, mnist


def idx(array):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with a set of 20 + 10 pictures, whose checksums replace those of the real ones."""
    rng = np.random.default_rng(1)
    contents = {}
    for prefix, n in (("train", 20), ("t10k", 10)):
        contents[f"{prefix}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28)))
        contents[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(n) % 10)
    for module in (mnist, fashion_mnist):
        for name, raw in contents.items():
            monkeypatch.setitem(module._SHA256, name, hashlib.sha256(raw).hexdigest())
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, raw in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
    return tmp_path


def test_reads_gzipped_and_plain_files(small):
    packed = data.load("mnist", small)
    assert packed.sizes == (20, 10)
    assert packed.shape == (1, 28, 28)
    assert packed.notice == ""
    assert packed.y_train.tolist() == [*range(10)] * 2
    for file in (small / "mnist").glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    plain = data.load("mnist", small)
    assert (plain.x_test == packed.x_test).all()


def test_environment_names_the_folder(small, monkeypatch):
    monkeypatch.setenv("NANONEURONS_DATA", str(small))
    assert data.load("mnist").sizes == (20, 10)
    (small / "mnist").rename(small / "fashion-mnist")
    assert data.load("fashion-mnist").sizes == (20, 10)


@pytest.mark.parametrize("name", _idx.FILES)
def test_each_missing_file_is_named(small, name):
    (small / "mnist" / f"{name}.gz").unlink()
    with pytest.raises(DataError, match=f"{name}.gz is missing"):
        data.load("mnist", small)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "garbage", "empty"])
def test_corrupt_file_is_one_clear_line(small, damage):
    file = small / "mnist" / "train-images-idx3-ubyte.gz"
    raw = bytearray(file.read_bytes())
    if damage == "truncated":
        raw = raw[: len(raw) // 2]
    elif damage == "flipped":
        raw[len(raw) // 2] ^= 0xFF
    else:
        raw = bytearray(b"not gzip" if damage == "garbage" else b"")
    file.write_bytes(raw)
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz") as caught:
        data.load("mnist", small)
    assert "\n" not in str(caught.value)


def test_fetch_keeps_intact_files_and_replaces_corrupt_ones(small, monkeypatch):
    pooch = pytest.importorskip("pooch")
    bad = small / "mnist" / "t10k-labels-idx1-ubyte.gz"
    good = bad.read_bytes()
    bad.write_bytes(b"corrupt")

    fetched = []

    def deliver(url, fname, path, **_):
        fetched.append(url)
        (path / fname).write_bytes(good)

    monkeypatch.setattr(pooch, "retrieve", deliver)
    said = []
    files = data.fetch("mnist", small, said.append)
    assert [url.split("/")[-1] for url in fetched] == [bad.name]
    assert sorted(f.name for f in files) == sorted(f.name for f in (small / "mnist").iterdir())
    assert any("will be replaced" in line for line in said)
    assert data.load("mnist", small).sizes == (20, 10)
