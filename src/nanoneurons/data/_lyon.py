"""Lyon's cochlear model, computed by the package ``lyon`` (extra ``audio``)."""

from __future__ import annotations

import importlib.util
import platform
from functools import lru_cache
from typing import Any

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError

from ._wave import checked_wave

__all__ = ["cochleagram", "require_lyon"]


def cochleagram(
    wave: np.ndarray, rate: float, decimation: int = 64, root: bool = True, normalise: bool = True
) -> np.ndarray:
    r"""Firing rates along the cochlea by Lyon's passive model: filters, half-wave rectification, gain control.

    A cascade of second-order filters (quality 8, steps of a quarter of the band width) from high to low frequencies;
    every output is rectified, passes four coupled stages of automatic gain control (0.64, 0.16, 0.04 and 0.01 s),
    loses that of its neighbour, is smoothed over three decimated samples, and every `decimation`-th value is kept.
    The number of channels follows from the rate: 64 at 8 kHz, 78 at 12.5 kHz, 86 at 16 kHz.

    Because of the gain control the result depends on how loud a recording is: samples are taken as they are.

    Args:
        wave: samples in [-1, 1], shape ``(samples,)``.
        rate: samples per second (Hz).
        decimation: samples per frame.
        root: take the square root, which brings weak channels up.
        normalise: divide by the largest value of the recording; silence stays zero.

    Returns:
        float64, shape ``(samples // decimation, channels)``, but at least one frame; the channels go from high to low
        frequencies. No unit, in [0, 1] when normalised.

    Raises:
        DataError: the package is not installed or does not run here, or the recording is empty, not mono, or holds NaN.
        ParameterError: the rate or the decimation is impossible.

    Source: Lyon, ICASSP 1982, p. 1282, in the form of Slaney's Auditory Toolbox (1998), which the package ports.
    """
    if decimation != int(decimation) or decimation < 1:
        raise ParameterError(f"cochleagram: parameter 'decimation' must be a whole number from 1, not {decimation}")
    wave = checked_wave(wave, rate)
    calculator = require_lyon()
    if len(wave) < decimation:
        wave = np.pad(wave, (0, int(decimation) - len(wave)))
    firing = calculator.lyon_passive_ear(np.ascontiguousarray(wave), rate, int(decimation))
    if root:
        firing = np.sqrt(firing)
    top = firing.max()
    return firing / top if normalise and top > 0 else firing


def require_lyon() -> Any:
    """The package's calculator, or `DataError` that says how to install it."""
    if importlib.util.find_spec("lyon") is None:
        raise DataError("the front end 'cochleagram' needs the package lyon: pip install 'nanoneurons[audio]'")
    return _calculator()


@lru_cache(maxsize=1)
def _calculator() -> Any:
    from lyon.calc import LyonCalc

    try:
        return LyonCalc()
    except OSError as error:
        raise DataError(
            f"the package lyon does not run on this machine ({platform.system()} {platform.machine()}): its compiled "
            "part is for Linux on x86-64; take another front end, for example 'mfcc'"
        ) from error
