"""Front ends: shapes, closed forms, and one clear error for what cannot be converted."""

import importlib.util

import numpy as np
import pytest

from nanoneurons import data
from nanoneurons.core.errors import DataError, ParameterError, UnknownNameError
from nanoneurons.data import _front_ends, _lyon

HAS_LYON = importlib.util.find_spec("lyon") is not None
needs_lyon = pytest.mark.skipif(not HAS_LYON, reason="needs the extra 'audio'")
NAMES = [pytest.param(n, marks=needs_lyon if n == "cochleagram" else ()) for n in data.FRONT_ENDS]
RATE = 8000


def tone(frequency, samples=4000, level=0.5):
    return level * np.sin(2 * np.pi * frequency * np.arange(samples) / RATE)


@pytest.mark.parametrize("name", NAMES)
def test_frames_by_channels_of_finite_numbers(name):
    channels = {"mfcc": 13, "cochleagram": 64}.get(name, 65)
    convert = data.front_end(name)
    for samples in (1, 63, 64, 128, 200, 3999):
        found = convert(tone(300, samples).astype(np.float32), RATE)
        assert found.dtype == np.float64
        assert found.ndim == 2
        assert found.shape[1] == channels
        assert len(found) >= 1
        assert np.isfinite(found).all()
    assert np.isfinite(convert(np.zeros(500), RATE)).all()  # silence


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("wave", "rate", "error", "message"),
    [
        (np.zeros(0), RATE, DataError, "empty"),
        (np.zeros((10, 2)), RATE, DataError, "mix it to mono"),
        (np.array([0.0, np.nan, 0.0]), RATE, DataError, "sample 1"),
        (np.zeros(100), 0, ParameterError, "sampling rate"),
        (np.zeros(100), float("nan"), ParameterError, "sampling rate"),
    ],
)
def test_bad_recordings_are_refused(name, wave, rate, error, message):
    with pytest.raises(error, match=message):
        data.front_end(name)(wave, rate)


def test_unknown_names_and_settings():
    with pytest.raises(UnknownNameError, match="did you mean 'cochleagram'"):
        data.front_end("cochleogram")
    with pytest.raises(ParameterError, match="1 to 26"):
        data.front_end("mfcc", coefficients=27)(tone(300), RATE)


def test_every_sample_is_in_a_frame():
    frames = _front_ends._frames(np.arange(1.0, 11.0), 4, 3)
    assert frames.tolist() == [[1, 2, 3, 4], [4, 5, 6, 7], [7, 8, 9, 10]]
    assert _front_ends._frames(np.arange(1.0, 12.0), 4, 3)[-1].tolist() == [10, 11, 0, 0]
    assert _front_ends._frames(np.ones(2), 4, 3).tolist() == [[1, 1, 0, 0]]


def test_mel_filters_are_triangles_that_add_up_to_one():
    filters = _front_ends._mel_filters(256, 8000.0)
    assert filters.shape == (26, 129)
    edges = 2595 * np.log10(1 + 4000 / 700) * np.arange(28) / 27
    centres = 700 * (10 ** (edges / 2595) - 1)
    inside = (np.arange(129) * 8000 / 256 > centres[1]) & (np.arange(129) * 8000 / 256 < centres[-2])
    np.testing.assert_allclose(filters.sum(0)[inside], 1, atol=1e-12)  # neighbours overlap by halves
    assert (filters.argmax(1)[1:] >= filters.argmax(1)[:-1]).all()


def test_mfcc_of_a_louder_sound_differs_in_the_first_coefficient_only():
    noise = np.random.default_rng(1).normal(size=4000) * 0.05
    quiet, loud = (data.front_end("mfcc")(level * noise, RATE) for level in (1.0, 3.0))
    expected = np.zeros(13)
    expected[0] = 2 * np.log(3) * np.sqrt(26)  # all log energies rise by 2 ln 3; the transform is orthonormal
    np.testing.assert_allclose(loud - quiet, np.broadcast_to(expected, quiet.shape), atol=1e-9)


def test_mfcc_with_all_coefficients_keeps_the_log_energies():
    from scipy.fft import idct

    noise = np.random.default_rng(2).normal(size=400)
    energies = np.exp(idct(data.front_end("mfcc", coefficients=26)(noise, RATE), norm="ortho", axis=1))
    first = np.abs(np.fft.rfft(noise[:200] * np.hamming(200), 256)) ** 2 / 256
    np.testing.assert_allclose(energies[0], _front_ends._mel_filters(256, 8000.0) @ first, rtol=1e-10)


def test_silence_is_the_floor():
    found = data.front_end("mfcc")(np.zeros(1000), RATE)
    np.testing.assert_allclose(found[:, 0], np.log(1e-10) * np.sqrt(26), rtol=1e-12)
    np.testing.assert_allclose(found[:, 1:], 0, atol=1e-12)


def test_spectrogram_is_linear_and_magnitude_has_the_peak():
    a, b = tone(1000), tone(2500, level=0.2)
    linear = data.front_end("spectrogram")
    np.testing.assert_allclose(linear(a + 3 * b, RATE), linear(a, RATE) + 3 * linear(b, RATE), atol=1e-12)
    magnitude = data.front_end("magnitude-spectrogram")(a, RATE)
    assert (magnitude[:-1].argmax(1) == 16).all()  # 1000 Hz / (8000 Hz / 128)
    # a tone of amplitude A in the middle of a bin gives A / 2 times the sum of the window
    np.testing.assert_allclose(magnitude[:-1, 16], 0.25 * np.hamming(128).sum(), rtol=0.01)  # leakage of -f


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(_lyon.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'nanoneurons\[audio\]'"):
        data.front_end("cochleagram")


@needs_lyon
def test_a_package_that_does_not_run_here_is_said(monkeypatch):
    import lyon.calc

    def broken(self):
        raise OSError("wrong ELF class")

    monkeypatch.setattr(lyon.calc.LyonCalc, "__init__", broken)
    _lyon._calculator.cache_clear()
    with pytest.raises(DataError, match="Linux on x86-64"):
        data.front_end("cochleagram")


@needs_lyon
def test_cochleagram_is_the_package_s():
    from lyon.calc import LyonCalc

    sound = tone(700, 3000) + tone(1800, 3000, 0.1)
    plain = LyonCalc().lyon_passive_ear(sound.copy(), RATE, 64)
    np.testing.assert_array_equal(data.front_end("cochleagram", root=False, normalise=False)(sound, RATE), plain)
    np.testing.assert_allclose(data.front_end("cochleagram")(sound, RATE), np.sqrt(plain / plain.max()), rtol=1e-12)
    assert len(data.front_end("cochleagram", decimation=100)(sound, RATE)) == 30
    with pytest.raises(ParameterError, match="whole number from 1"):
        data.front_end("cochleagram", decimation=0)(sound, RATE)


@needs_lyon
def test_high_tones_excite_the_first_channels():
    # channels go from high to low frequencies, and at 8 kHz there are 64 of them
    peaks = [data.front_end("cochleagram")(tone(f), RATE)[10:].mean(0).argmax() for f in (3000, 1000, 300)]
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == 3
    assert data.front_end("cochleagram")(tone(300), 12500).shape[1] == 78  # the number Torrejon et al. used for TI-46
    assert data.front_end("cochleagram")(tone(300), 16000).shape[1] == 86


def test_features_of_a_set():
    from nanoneurons.data._recordings import make_recordings

    waves = [tone(300, n).astype(np.float32) for n in (500, 900)]
    few = make_recordings(
        name="two", title="two", audio=waves, label=[0, 1], speaker=[0, 0], take=[0, 0], test=[False, True],
        rate=RATE, speakers=("x",), classes=2, citation="", licence="",
    )  # fmt: skip
    assert [f.shape for f in data.features(few, "spectrogram")] == [(7, 65), (14, 65)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audio": []}, "no recording"),
        ({"label": [0]}, "as many labels"),
        ({"label": [0, 2]}, "label 2 of recording 1"),
        ({"speaker": [0, 1]}, "speaker 1 of recording 1"),
        ({"audio": [np.zeros(3), np.array([np.nan])]}, "recording 1"),
    ],
)
def test_sets_of_recordings_are_checked(change, message):
    from nanoneurons.data._recordings import make_recordings

    good = dict(
        name="two", title="two", audio=[np.zeros(3), np.zeros(4)], label=[0, 1], speaker=[0, 0], take=[0, 0],
        test=[False, True], rate=RATE, speakers=("x",), classes=2, citation="", licence="",
    )  # fmt: skip
    with pytest.raises(DataError, match=message):
        make_recordings(**{**good, **change})
