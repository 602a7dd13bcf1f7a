"""What a loaded set of labelled sound recordings is, and the checks every one passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nanoneurons.core.errors import DataError

__all__ = ["Recordings", "make_recordings"]


@dataclass(frozen=True, eq=False)
class Recordings:
    """Sound recordings of different lengths, each with the word that was spoken, the speaker and the take.

    Attributes:
        audio: one float32 array in [-1, 1] of shape ``(samples,)`` per recording.
        label: class number of each recording, int64, shape ``(N,)``.
        speaker: index into `speakers` of each recording, int64, shape ``(N,)``.
        take: number of the repetition of that word by that speaker, int64, shape ``(N,)``.
        test: whether the recording is in the test part of the official split, bool, shape ``(N,)``.
        rate: samples per second (Hz), the same for all.
        notice: what a user should know, for example that files were resampled; else empty.
    """

    name: str
    title: str
    audio: tuple[np.ndarray, ...] = field(repr=False)
    label: np.ndarray = field(repr=False)
    speaker: np.ndarray = field(repr=False)
    take: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    rate: float
    speakers: tuple[str, ...]
    classes: int
    citation: str = field(repr=False)
    licence: str
    notice: str = ""

    def select(self, chosen: np.ndarray) -> Recordings:
        """The recordings at the given places, or where the given mask of shape ``(N,)`` is true."""
        places = np.arange(len(self))[chosen]
        arrays = {name: getattr(self, name)[places] for name in ("label", "speaker", "take", "test")}
        return replace(self, audio=tuple(self.audio[i] for i in places), **arrays)

    def __len__(self) -> int:
        return len(self.audio)

    @property
    def shape(self) -> tuple[int, ...]:
        """Empty: recordings have different lengths."""
        return ()

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of training and of test recordings in the official split."""
        return int((~self.test).sum()), int(self.test.sum())


def make_recordings(
    *,
    name: str,
    title: str,
    audio: Sequence[np.ndarray],
    label: Sequence[int] | np.ndarray,
    speaker: Sequence[int] | np.ndarray,
    take: Sequence[int] | np.ndarray,
    test: Sequence[bool] | np.ndarray,
    rate: float,
    speakers: tuple[str, ...],
    classes: int,
    citation: str,
    licence: str,
    notice: str = "",
) -> Recordings:
    """Build `Recordings` after the checks that every set must pass, or raise `DataError`."""
    numbers = [np.asarray(values, np.int64) for values in (label, speaker, take)]
    test = np.asarray(test, bool)
    if len(audio) == 0:
        raise DataError(f"data set {name}: there is no recording; check the folder")
    if any(len(values) != len(audio) for values in (*numbers, test)):
        raise DataError(f"data set {name}: {len(audio)} recordings need as many labels, speakers and takes")
    for i, wave in enumerate(audio):
        if wave.ndim != 1 or len(wave) == 0 or not np.isfinite(wave).all():
            raise DataError(f"data set {name}: recording {i} is empty, not mono or holds NaN; remove or replace it")
    for what, values, count in (("label", numbers[0], classes), ("speaker", numbers[1], len(speakers))):
        wrong = np.flatnonzero((values < 0) | (values >= count))
        if len(wrong):
            raise DataError(
                f"data set {name}: {what} {values[wrong[0]]} of recording {wrong[0]} is not in 0 ... {count - 1}"
            )
    return Recordings(
        name, title, tuple(audio), *numbers, test, rate, speakers, classes, citation, licence, notice
    )  # fmt: skip
