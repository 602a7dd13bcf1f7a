"""Sound files as samples: RIFF WAVE and NIST SPHERE, mixed down to mono and brought to one sampling rate."""

from __future__ import annotations

import io
import math
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from nanoneurons.core.errors import DataError

__all__ = ["SoundReader"]

_HEADER_LINES = 200  # no SPHERE header is longer; keeps a broken file from being searched whole


class SoundReader:
    """Reads sound files to float32 samples in [-1, 1] at one rate, and counts what it had to change.

    Args:
        rate: samples per second of the result (Hz). Files of another rate are resampled by a polyphase filter.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._resampled: Counter[int] = Counter()
        self._mixed = 0

    def file(self, path: Path) -> np.ndarray:
        """Samples of one file.

        Raises:
            DataError: the file cannot be read, is cut short, empty, coded in a way that is not read, or holds NaN.
        """
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); replace or remove it") from error
        return self.bytes(raw, str(path))

    def bytes(self, raw: bytes, where: str) -> np.ndarray:
        """Samples of a file that is already in memory; `where` names it in errors."""
        rate, wave = _sphere(raw, where) if raw[:7] == b"NIST_1A" else _riff(raw, where)
        if wave.size == 0:
            raise DataError(f"{where} holds no sample; replace or remove it")
        if not np.isfinite(wave).all():
            raise DataError(f"{where} holds NaN or infinite samples; replace or remove it")
        if wave.ndim == 2:
            self._mixed += wave.shape[1] > 1
            wave = wave.mean(axis=1)
        if rate != self.rate:
            from scipy.signal import resample_poly  # slow to import

            self._resampled[rate] += 1
            common = math.gcd(rate, self.rate)
            wave = resample_poly(wave, self.rate // common, rate // common)
        return wave.astype(np.float32)

    def notice(self) -> str:
        """What was done to the files read so far, in words; empty when nothing was."""
        notes: list[str] = []
        if self._resampled:
            rates = ", ".join(f"{count} from {rate} Hz" for rate, count in sorted(self._resampled.items()))
            notes.append(f"files resampled to {self.rate} Hz: {rates}")
        if self._mixed:
            notes.append(f"{self._mixed} files with several channels were mixed down to mono")
        return "; ".join(notes)


def _riff(raw: bytes, where: str) -> tuple[int, np.ndarray]:
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=wavfile.WavFileWarning)
            warnings.filterwarnings("ignore", "Chunk .non-data. not understood", wavfile.WavFileWarning)
            rate, samples = wavfile.read(io.BytesIO(raw))
    except Exception as error:  # scipy raises many kinds for broken files, struct.error and ValueError among them
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(f"{where} is no readable WAVE file ({reason}); replace or remove it") from error
    if rate <= 0:
        raise DataError(f"{where} says that it has {rate} samples per second; replace or remove it")
    if samples.dtype == np.uint8:  # 8 bits are stored without sign
        return rate, (samples.astype(np.float64) - 128.0) / 128.0
    if samples.dtype.kind == "i":
        return rate, samples / float(2 ** (8 * samples.dtype.itemsize - 1))
    return rate, samples.astype(np.float64)


def _sphere(raw: bytes, where: str) -> tuple[int, np.ndarray]:
    """Rate and samples of an uncompressed NIST SPHERE file: a header of text lines, then the samples."""
    try:
        size = int(raw[8:16])
        lines = raw[16:size].decode("ascii").split("\n")[:_HEADER_LINES]
        fields = {line.split(" ", 2)[0]: line.split(" ", 2)[2] for line in lines if line.count(" ") >= 2}
        coding = fields.get("sample_coding", "pcm")
        if coding != "pcm":
            remedy = "decompress it with NIST's w_decode ('w_decode -o pcm IN OUT') or convert it to WAVE with sox"
            raise DataError(f"{where} is coded as {coding!r}, and only uncompressed pcm is read; {remedy}")
        rate, width = int(fields["sample_rate"]), int(fields["sample_n_bytes"])
        channels = int(fields.get("channel_count", "1"))
        order = {"01": "<", "10": ">", "1": "<"}[fields.get("sample_byte_format", "01")]
        count = int(fields["sample_count"]) * channels
        if width not in (1, 2, 4) or rate <= 0 or channels < 1 or count < 0:
            raise ValueError("impossible sizes")
        if len(raw) < size + count * width:
            raise ValueError(f"cut short: {len(raw) - size} of {count * width} bytes")
        samples = np.frombuffer(raw, f"{order}i{width}", count, size).reshape(-1, channels)
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{where} is no readable SPHERE file ({error}); replace or remove it") from error
    return rate, samples / float(2 ** (8 * width - 1))
