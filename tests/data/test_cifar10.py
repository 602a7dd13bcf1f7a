"""CIFAR-10 readers, on batches of 100 images made here with their own checksums."""

import hashlib
import io
import tarfile

import numpy as np
import pytest

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.data import cifar10

N = 100


@pytest.fixture(scope="module")
def batches():
    """Images (100, 32, 32, 3) and labels of six batches."""
    rng = np.random.default_rng(2)
    return {
        name: (rng.integers(0, 256, (N, 32, 32, 3), np.uint8), (np.arange(N) + i).astype(np.uint8) % 10)
        for i, name in enumerate(cifar10._BATCHES)
    }


@pytest.fixture
def folder(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(cifar10, "_IMAGES", N)
    for name, (images, _) in batches.items():
        monkeypatch.setitem(cifar10._SHA256, name, hashlib.sha256(images.tobytes()).hexdigest())
    y = np.concatenate([labels for _, labels in batches.values()])
    hashes = tuple(hashlib.sha256(part.tobytes()).hexdigest() for part in (y[: 5 * N], y[5 * N :]))
    monkeypatch.setattr(cifar10, "_LABELS_SHA256", hashes)
    (tmp_path / "cifar10").mkdir()
    return tmp_path / "cifar10"


def record(images, labels):
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes()


def check(loaded, batches):
    assert loaded.sizes == (5 * N, N)
    assert loaded.shape == (3, 32, 32)
    images, labels = batches["data_batch_2"]
    assert loaded.y_train[N : N + 20].tolist() == labels[:20].tolist()
    expected = images[7].transpose(2, 0, 1).astype(np.float32) / 255
    np.testing.assert_array_equal(loaded.x_train[N + 7].numpy(), expected)


def test_archive_and_unpacked_records(folder, batches):
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as tar:
        for name, batch in batches.items():
            raw = record(*batch)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(raw)
            tar.addfile(member, io.BytesIO(raw))
    check(data.load("cifar10", folder.parent), batches)
    with tarfile.open(folder / "cifar-10-binary.tar.gz") as tar:
        tar.extractall(folder, filter="data")
    (folder / "cifar-10-binary.tar.gz").unlink()
    check(data.load("cifar10", folder.parent), batches)
    last = folder / "cifar-10-batches-bin" / "data_batch_5.bin"
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(DataError, match="data_batch_5.bin is missing or truncated"):
        data.load("cifar10", folder.parent)


def test_sheets(folder, batches):
    image = pytest.importorskip("PIL.Image")
    for name, (images, _) in batches.items():
        sheet = images.reshape(10, 10, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(320, 320, 3)
        image.fromarray(sheet).save(folder / f"{name}.webp", lossless=True)
    y = np.concatenate([labels for _, labels in batches.values()])
    np.savez(folder / "labels.npz", train=y[: 5 * N], test=y[5 * N :])
    check(data.load("cifar10", folder.parent), batches)

    np.savez(folder / "labels.npz", train=y[: 5 * N][::-1], test=y[5 * N :])
    with pytest.raises(DataError, match="labels have the wrong checksum"):
        data.load("cifar10", folder.parent)
    (folder / "data_batch_3.webp").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="data_batch_3.webp cannot be read"):
        data.load("cifar10", folder.parent)
    (folder / "labels.npz").unlink()
    with pytest.raises(DataError, match="labels.npz is missing"):
        data.load("cifar10", folder.parent)


def test_truncated_archive(folder):
    (folder / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b\x08\x00truncated")
    with pytest.raises(DataError, match="cifar-10-binary.tar.gz cannot be read"):
        data.load("cifar10", folder.parent)


def test_the_pickled_version_is_never_read(folder):
    (folder / "cifar-10-python.tar.gz").write_bytes(b"anything")
    with pytest.raises(DataError, match="a pickle can run any code"):
        data.load("cifar10", folder.parent)


def test_empty_folder(folder):
    with pytest.raises(DataError, match="holds neither"):
        data.load("cifar10", folder.parent)
