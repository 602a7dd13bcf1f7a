"""Spoken digits: three forms of the same set, checked by content."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from nanoneurons import data
from nanoneurons.core.errors import DataError
from nanoneurons.data import spoken_digits

FOLDER = os.environ.get("NANONEURONS_DATA")  # read before the fixture of every test hides it
needs_files = pytest.mark.skipif(
    not FOLDER or not (Path(FOLDER) / "spoken_digits").is_dir(), reason="needs spoken_digits/ in NANONEURONS_DATA"
)
NAMES = [f"{digit}_{speaker}_{take}" for digit in range(10) for speaker in ("ann", "bob") for take in (0, 4, 5, 10)]


def wave(name):
    rng = np.random.default_rng(len(name) + ord(name[0]))
    return (rng.normal(size=300 + 10 * int(name[0])) * 3000).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "spoken_digits" / "recordings").mkdir(parents=True)
    for name in NAMES:
        wavfile.write(tmp_path / "spoken_digits" / "recordings" / f"{name}.wav", 8000, wave(name))
    return tmp_path / "spoken_digits"


def test_names_of_files_are_the_facts(folder):
    loaded = data.load_recordings("spoken-digits", folder.parent)
    assert len(loaded) == 80
    assert loaded.speakers == ("ann", "bob")
    assert loaded.sizes == (40, 40)
    assert (loaded.test == (loaded.take < 5)).all()
    assert "not the published 3,000" in loaded.notice
    first = int(np.flatnonzero((loaded.label == 7) & (loaded.speaker == 1) & (loaded.take == 10))[0])
    np.testing.assert_array_equal(loaded.audio[first], (wave("7_bob_10") / 2**15).astype(np.float32))
    part = loaded.select(loaded.speaker == 1)
    assert len(part) == len(part.label) == 40
    np.testing.assert_array_equal(part.audio[0], loaded.audio[int(np.flatnonzero(loaded.speaker == 1)[0])])


def test_archive_and_array_hold_the_same_as_the_files(folder, monkeypatch):
    files = data.load_recordings("spoken-digits", folder.parent)
    sums = spoken_digits._sha256s(list(files.audio), files.label, files.speaker, files.take)
    for name, value in zip(("_AUDIO_SHA256", "_FACTS_SHA256"), sums, strict=True):
        monkeypatch.setattr(spoken_digits, name, value)
    monkeypatch.setattr(spoken_digits, "_SPEAKERS", files.speakers)
    assert data.load_recordings("spoken-digits", folder.parent).notice == ""
    archive = folder / "free-spoken-digit-dataset.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("free-spoken-digit-dataset-1/README.md", "no sound")
        for name in NAMES:
            written.write(folder / "recordings" / f"{name}.wav", f"free-spoken-digit-dataset-1/recordings/{name}.wav")
    spoken_digits.SpokenDigits().verify(archive, archive.name)
    from_zip = data.load_recordings("spoken-digits", folder.parent)
    np.savez(
        folder / "fsdd.npz",
        audio=np.concatenate([(w * 2**15).astype(np.int16) for w in files.audio]),
        offsets=np.cumsum([0, *(len(w) for w in files.audio)]),
        digit=files.label.astype(np.uint8),
        speaker=files.speaker.astype(np.uint8),
        take=files.take.astype(np.uint8),
        speaker_names=np.array(files.speakers),
    )
    from_npz = data.load_recordings("spoken-digits", folder.parent)
    for other in (from_zip, from_npz):
        assert (other.label == files.label).all()
        assert (other.test == files.test).all()
        assert all((a == b).all() for a, b in zip(other.audio, files.audio, strict=True))


def test_another_rate_is_said(folder):
    wavfile.write(folder / "recordings" / "3_ann_0.wav", 16000, np.zeros(800, np.int16))
    assert "resampled to 8000 Hz: 1 from 16000 Hz" in data.load_recordings("spoken-digits", folder.parent).notice


def test_what_cannot_be_used_is_refused(folder):
    recordings = folder / "recordings"
    (recordings / "ten_ann_0.wav").write_bytes((recordings / "1_ann_0.wav").read_bytes())
    with pytest.raises(DataError, match="ten_ann_0.wav is not named DIGIT_SPEAKER_TAKE"):
        data.load_recordings("spoken-digits", folder.parent)
    (recordings / "ten_ann_0.wav").unlink()
    (recordings / "1_ann_0.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="1_ann_0.wav is no readable WAVE"):
        data.load_recordings("spoken-digits", folder.parent)
    (folder / "free-spoken-digit-dataset.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="wrong checksum"):
        data.load_recordings("spoken-digits", folder.parent)
    (folder / "fsdd.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="fsdd.npz cannot be read"):
        data.load_recordings("spoken-digits", folder.parent)


def test_an_empty_folder_says_what_to_fetch(tmp_path):
    (tmp_path / "spoken_digits").mkdir()
    with pytest.raises(DataError, match="data fetch spoken-digits"):
        data.load_recordings("spoken-digits", tmp_path)


@needs_files
def test_the_published_set():
    loaded = data.load_recordings("spoken-digits", FOLDER)
    assert loaded.notice == ""
    assert loaded.sizes == (2700, 300)
    assert np.bincount(loaded.label).tolist() == [300] * 10
    assert np.bincount(loaded.speaker).tolist() == [500] * 6
    assert sum(len(w) for w in loaded.audio) == 10_498_424
    assert min(len(w) for w in loaded.audio) == 1148
