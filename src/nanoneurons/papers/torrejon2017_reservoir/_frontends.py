"""Frames of spoken digits: which recordings, which front end, and which of them train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from nanoneurons import data
from nanoneurons.core.errors import DataError

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["CONTEXT", "Corpus", "load", "prepare"]

CONTEXT = "-context"  # appended to a front end: every frame with one neighbour on either side


@dataclass(frozen=True, eq=False)
class Corpus:
    """Utterances as frames ``(frames, channels)``, float32, with what was said, by whom, and which take it is."""

    front: str
    frames: list[torch.Tensor]
    digit: torch.Tensor
    speaker: np.ndarray
    take: np.ndarray
    test: np.ndarray

    def parts(self, config: Config) -> dict[str, np.ndarray]:
        """Numbers of the utterances of each part: official test takes, then validation takes, then the rest.

        Takes are counted among those of the training part, in order; the first `validation_takes` validate.
        """
        training = np.unique(self.take[~self.test])
        last = len(training) if config.takes == 0 else min(len(training), config.validation_takes + config.takes)
        validation, fit = training[: config.validation_takes], training[config.validation_takes : last]
        testing = np.unique(self.take[self.test])[: config.test_takes or None]
        found = {
            "fit": np.flatnonzero(~self.test & np.isin(self.take, fit)),
            "validation": np.flatnonzero(~self.test & np.isin(self.take, validation)),
            "test": np.flatnonzero(self.test & np.isin(self.take, testing)),
        }
        for name, members in found.items():
            if not len(members):
                raise DataError(f"no utterance is left for the {name} part; give more takes or fewer validation takes")
        return found

    def ten(self, config: Config) -> tuple[np.ndarray, np.ndarray]:
        """Utterances of ten repetitions, and which of them each is (0 to 9); the first ten training takes."""
        takes = np.unique(self.take[~self.test]) if (~self.test).any() else np.unique(self.take)
        if len(takes) < 10:
            takes = np.unique(self.take)
        if len(takes) < 10:
            raise DataError(f"N-of-ten splits need ten takes of each digit, and there are {len(takes)}")
        chosen = np.flatnonzero(np.isin(self.take, takes[:10]))
        return chosen, np.searchsorted(takes, self.take[chosen])


def prepare(config: Config, source: str, front: str, folder: Path) -> dict[str, float]:
    """Compute the frames of one front end once for all jobs; they lie in the folder of results."""
    corpus = _compute(source, front)
    file = _file(folder, source, front)
    file.parent.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(f) for f in corpus.frames])
    partial = file.with_suffix(".tmp.npz")
    np.savez(
        partial,
        frames=torch.cat(corpus.frames).numpy(),
        lengths=lengths,
        digit=corpus.digit.numpy(),
        speaker=corpus.speaker,
        take=corpus.take,
        test=corpus.test,
    )
    partial.replace(file)
    return {"utterances": len(lengths), "frames": int(lengths.sum()), "channels": corpus.frames[0].shape[1]}


def load(config: Config, source: str, front: str, folder: Path) -> Corpus:
    """Frames of a front end, normalised, from the folder of results or computed anew; `front` may ask for context."""
    bare = front.removesuffix(CONTEXT)
    file = _file(folder, source, bare)
    if not file.is_file():
        prepare(config, source, bare, folder)
    with np.load(file) as z:
        frames = list(torch.from_numpy(z["frames"]).split(z["lengths"].tolist()))
        corpus = Corpus(front, frames, torch.from_numpy(z["digit"]), z["speaker"], z["take"], z["test"])
    training = np.flatnonzero(~corpus.test) if (~corpus.test).any() else np.arange(len(frames))
    frames = _centred(frames, training, scaled=bare == "mfcc")
    if front != bare:
        frames = [_with_neighbours(f) for f in frames]
    return Corpus(front, frames, corpus.digit, corpus.speaker, corpus.take, corpus.test)


def _file(folder: Path, source: str, front: str) -> Path:
    return folder / "features" / f"{source.partition(':')[0]}-{front}.npz"


def _compute(source: str, front: str) -> Corpus:
    data.front_end(front)  # refuses an unknown name or a missing package before anything is read
    recordings = data.load_recordings(source)
    frames = [torch.from_numpy(np.ascontiguousarray(f)).float() for f in data.features(recordings, front)]
    return Corpus(
        front, frames, torch.from_numpy(recordings.label), recordings.speaker, recordings.take, recordings.test
    )


def _centred(frames: list[torch.Tensor], training: np.ndarray, scaled: bool) -> list[torch.Tensor]:
    """Every channel minus its mean over the training frames, which would waste a part of the swing.

    `scaled`: also over its standard deviation, for cepstral coefficients, whose sizes have nothing in common.
    """
    seen = torch.cat([frames[i] for i in training])
    mean, deviation = seen.mean(0), seen.std(0).clamp_min(1e-12) if scaled else torch.ones(())
    return [(f - mean) / deviation for f in frames]


def _with_neighbours(frames: torch.Tensor) -> torch.Tensor:
    """Each frame with the one before and the one after; at the ends it stands in for the missing one."""
    return torch.cat([torch.cat([frames[:1], frames[:-1]]), frames, torch.cat([frames[1:], frames[-1:]])], 1)
