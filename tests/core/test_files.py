import errno
import os
from pathlib import Path

import pytest

from nanoneurons.core.errors import StoreError
from nanoneurons.core.files import write_atomic


def test_writes_text_and_bytes_and_makes_folders(tmp_path):
    assert write_atomic(tmp_path / "a" / "b" / "text.txt", "µS\n").read_bytes() == "µS\n".encode()
    assert write_atomic(str(tmp_path / "raw.bin"), b"\x00\xff").read_bytes() == b"\x00\xff"


def test_replaces_and_leaves_no_temporary_file(tmp_path):
    path = tmp_path / "rows.json"
    write_atomic(path, "old")
    write_atomic(path, "new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["rows.json"]


def test_file_mode_follows_the_umask(tmp_path):
    path = write_atomic(tmp_path / "shared.txt", "x")
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "read-only"), (errno.EIO, "Input/output error")],
)
def test_full_disk_keeps_the_old_file_and_cleans_up(tmp_path, monkeypatch, number, remedy):
    path = tmp_path / "rows.json"
    write_atomic(path, "old")

    def fail(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match=remedy) as caught:
        write_atomic(path, "new")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["rows.json"]


def test_interrupt_cleans_up_and_passes_through(tmp_path, monkeypatch):
    def interrupt(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "rows.json", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="choose another folder"):
        write_atomic(tmp_path / "file" / "rows.json", "x")


def test_a_folder_in_the_way_of_a_file(tmp_path):
    (tmp_path / "rows.json").mkdir()
    with pytest.raises(StoreError, match="folder of that name"):
        write_atomic(tmp_path / "rows.json", "x")
    assert [p.name for p in Path(tmp_path).iterdir()] == ["rows.json"]
