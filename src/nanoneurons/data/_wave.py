"""The check that every acoustic front end makes of a recording."""

from __future__ import annotations

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError

__all__ = ["checked_wave"]


def checked_wave(wave: np.ndarray, rate: float) -> np.ndarray:
    """The samples as float64, or the error that says what is wrong with them or with their rate."""
    if not 1000 <= rate <= 1e6:  # also NaN
        raise ParameterError(f"a sampling rate of {rate:g} Hz cannot be right for speech; give samples per second")
    wave = np.asarray(wave, np.float64)
    if wave.ndim != 1:
        raise DataError(f"a recording must be one list of samples, not an array of shape {wave.shape}; mix it to mono")
    if len(wave) == 0:
        raise DataError("the recording is empty; remove it")
    if not np.isfinite(wave).all():
        raise DataError(f"sample {int(np.argmin(np.isfinite(wave)))} of the recording is not finite; replace it")
    return wave
