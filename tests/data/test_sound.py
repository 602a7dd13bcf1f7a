"""Sound files: every width and form is read alike, what is changed is said, and what is broken is refused."""

import io

import numpy as np
import pytest
from scipy.io import wavfile

from nanoneurons.core.errors import DataError
from nanoneurons.data._sound import SoundReader

TONE = 0.5 * np.sin(2 * np.pi * 500 * np.arange(1600) / 8000)


def sphere_bytes(samples, rate, coding="pcm"):
    """A NIST SPHERE file of 16-bit mono samples, low byte first."""
    fields = {
        "sample_count": f"-i {len(samples)}",
        "sample_n_bytes": "-i 2",
        "channel_count": "-i 1",
        "sample_byte_format": "-s2 01",
        "sample_rate": f"-i {rate}",
        "sample_coding": f"-s{len(coding)} {coding}",
    }
    text = "NIST_1A\n   1024\n" + "".join(f"{k} {v}\n" for k, v in fields.items()) + "end_head\n"
    return text.encode("ascii").ljust(1024) + samples.astype("<i2").tobytes()


def riff(samples, rate=8000):
    file = io.BytesIO()
    wavfile.write(file, rate, samples)
    return file.getvalue()


@pytest.mark.parametrize(
    ("samples", "step"),
    [
        (np.round(TONE * 127 + 128).astype(np.uint8), 2**-7),
        (np.round(TONE * 2**15).astype(np.int16), 2**-15),
        (np.round(TONE * 2**31).astype(np.int32), 2**-23),  # float32 keeps 24 bits
        (TONE.astype(np.float32), 2**-23),
    ],
)
def test_every_width_gives_the_same_samples(samples, step):
    reader = SoundReader(8000)
    wave = reader.bytes(riff(samples), "here")
    assert wave.dtype == np.float32
    np.testing.assert_allclose(wave, TONE, rtol=0, atol=step)
    assert reader.notice() == ""


def test_sphere_is_read_in_both_byte_orders():
    samples = np.round(TONE * 2**15).astype(np.int16)
    low_first = sphere_bytes(samples, 12500)
    reader = SoundReader(12500)
    np.testing.assert_array_equal(reader.bytes(low_first, "here"), (samples / 2**15).astype(np.float32))
    high_first = low_first[:1024].replace(b"-s2 01", b"-s2 10") + samples.astype(">i2").tobytes()
    np.testing.assert_array_equal(reader.bytes(high_first, "here"), reader.bytes(low_first, "here"))
    assert reader.notice() == ""


def test_another_rate_is_resampled_and_said():
    reader = SoundReader(8000)
    at_16k = 0.5 * np.sin(2 * np.pi * 500 * np.arange(3200) / 16000)
    wave = reader.bytes(riff((at_16k * 2**15).astype(np.int16), 16000), "here")
    assert len(wave) == 1600
    # away from the ends; the filter of the resampling has a ripple of a few parts in a thousand
    np.testing.assert_allclose(wave[100:-100], TONE[100:-100], atol=0.005)
    reader.bytes(riff((at_16k * 2**15).astype(np.int16), 16000), "here")
    reader.bytes(riff((TONE * 2**15).astype(np.int16), 11025), "here")
    assert reader.notice() == "files resampled to 8000 Hz: 1 from 11025 Hz, 2 from 16000 Hz"


def test_stereo_is_mixed_down_and_said():
    reader = SoundReader(8000)
    stereo = np.stack([TONE, np.zeros_like(TONE)], axis=1).astype(np.float32)
    np.testing.assert_allclose(reader.bytes(riff(stereo), "here"), TONE / 2, atol=1e-7)  # float32
    assert "1 files with several channels" in reader.notice()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "no readable WAVE"),
        (b"not a sound at all", "no readable WAVE"),
        (riff((TONE * 2**15).astype(np.int16))[:700], "no readable WAVE"),
        (riff(np.zeros(0, np.int16)), "holds no sample"),
        (riff(np.array([0.0, np.nan, 0.1], np.float32)), "NaN"),
        (sphere_bytes(np.zeros(10, np.int16), 12500)[:1030], "cut short: 6 of 20 bytes"),
        (sphere_bytes(np.zeros(10, np.int16), 12500, "pcm,embedded-shorten-v1.1"), "w_decode"),
        (b"NIST_1A\n   1024\nend_head\n".ljust(1024), "no readable SPHERE"),
        (b"NIST_1A\n", "no readable SPHERE"),
    ],
)
def test_broken_files_are_refused_in_one_line(raw, message):
    with pytest.raises(DataError, match=message) as caught:
        SoundReader(8000).bytes(raw, "folder/1_x_0.wav")
    assert "folder/1_x_0.wav" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        SoundReader(8000).file(tmp_path / "no.wav")
