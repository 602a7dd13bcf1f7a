"""TI-46: file names, splits and damage, on a made-up folder in the corpus's layout."""

import numpy as np
import pytest

from nanoneurons import data
from nanoneurons.core.errors import DataError


def sphere_bytes(samples, rate, coding="pcm"):
    """A NIST SPHERE file of 16-bit mono samples; what is left out has its usual value."""
    lines = ["NIST_1A", "   1024", f"sample_count -i {len(samples)}", "sample_n_bytes -i 2", f"sample_rate -i {rate}"]
    text = "\n".join([*lines, f"sample_coding -s{len(coding)} {coding}", "end_head\n"])
    return text.encode("ascii").ljust(1024) + samples.astype("<i2").tobytes()


def samples(word, speaker, token):
    return (np.random.default_rng(100 * word + 10 * int(speaker[1]) + token).normal(size=400) * 1000).astype(np.int16)


@pytest.fixture
def folder(tmp_path):
    """Two training and two test tokens of the ten digits by all eight women and a man, and other words."""
    for speaker in ("f1", "f2", "f3", "f5", "f6", "f7", "m1"):
        for part, names in (("TRAIN", ("SET0", "SET9")), ("TEST", ("S1T0", "S8T1"))):
            place = tmp_path / "TI20" / part / speaker.upper()
            place.mkdir(parents=True)
            for word in range(11):
                for token, name in enumerate(names):
                    file = place / f"{word:02d}{speaker.upper()}{name}.WAV"
                    file.write_bytes(sphere_bytes(samples(word, speaker, token), 12500))
            (place / f"EN{speaker.upper()}SET0.WAV").write_bytes(b"another word")
    return tmp_path


def test_names_are_word_speaker_and_token(folder):
    loaded = data.load_recordings(f"ti46:{folder}")
    assert loaded.speakers == ("f1", "f2", "f5", "f6", "f7")
    assert loaded.rate == 12500
    assert np.bincount(loaded.label).tolist() == [20] * 10
    assert np.bincount(loaded.speaker).tolist() == [40] * 5
    assert sorted(set(loaded.take.tolist())) == [0, 9, 10, 25]
    assert loaded.sizes == (100, 100)
    assert (loaded.test == (loaded.take >= 10)).all()
    assert "100 recordings where the whole one has 500" in loaded.notice
    chosen = np.flatnonzero((loaded.label == 3) & (loaded.speaker == 2) & (loaded.take == 9))
    assert len(chosen) == 1
    np.testing.assert_array_equal(loaded.audio[chosen[0]], (samples(3, "f5", 1) / 2**15).astype(np.float32))


def test_lower_case_names_and_the_sph_ending_are_read(folder):
    for file in list(folder.rglob("*.WAV")):
        file.rename(file.with_name(file.name.lower().replace(".wav", ".sph")))
    assert len(data.load_recordings(f"ti46:{folder}")) == 200


def test_what_cannot_be_used_is_refused(folder):
    first = folder / "TI20" / "TRAIN" / "F1" / "00F1SET0.WAV"
    good = first.read_bytes()
    first.write_bytes(sphere_bytes(np.zeros(9, np.int16), 12500, "pcm,embedded-shorten-v1.1"))
    with pytest.raises(DataError, match=r"00F1SET0\.WAV is coded as .*w_decode"):
        data.load_recordings(f"ti46:{folder}")
    first.write_bytes(good)
    (folder / "copy").mkdir()
    (folder / "copy" / first.name).write_bytes(good)
    with pytest.raises(DataError, match="are the same token"):
        data.load_recordings(f"ti46:{folder}")
    with pytest.raises(DataError, match="holds no digit"):
        data.load_recordings(f"ti46:{folder / 'TI20' / 'TRAIN' / 'M1'}")
    with pytest.raises(DataError, match="does not exist"):
        data.load_recordings(f"ti46:{folder / 'nowhere'}")
    with pytest.raises(DataError, match="needs the path of the folder of your TI-46 copy"):
        data.load_recordings("ti46")
    assert data.missing(f"ti46:{folder}") == ""


def test_wave_files_at_another_rate_are_resampled(folder):
    from scipy.io import wavfile

    wavfile.write(folder / "TI20" / "TRAIN" / "F1" / "00F1SET0.WAV", 8000, np.ones(800, np.int16))
    assert "resampled to 12500 Hz: 1 from 8000 Hz" in data.load_recordings(f"ti46:{folder}").notice
