"""TI-46: isolated words spoken by 16 people, a licensed corpus; this reads a copy of your own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from nanoneurons.core.errors import DataError

from ._recordings import Recordings, make_recordings
from ._sound import SoundReader
from ._source import Source

__all__ = ["SPEAKERS", "Ti46", "read"]

SPEAKERS = ("f1", "f2", "f5", "f6", "f7")  # the women whose digits are used in reservoir computing
_RATE = 12500
# Word 00 to 09, speaker, then SET and a digit in the training part, or session and token in the test part.
_NAME = re.compile(r"(0\d)([fm]\d)(?:set(\d)|s(\d)t(\d))\.(?:wav|sph)$", re.IGNORECASE)
_TRAIN_TAKES = 10
_TOKENS_PER_SESSION = 2


class Ti46(Source):
    """The ten digits by five women (f1, f2, f5, f6, f7) from your copy of TI-46 (LDC93S9), named as ``ti46:FOLDER``.

    FOLDER is searched with all its folders for files of the digits, named as on the disc: ``00F1SET0.WAV`` is word 00,
    speaker f1, training token 0, and ``00F1S2T1.WAV`` is session 2, token 1 of the test part. Takes 0 to 9 are the
    training tokens, 10 to 25 those of the test part; the 500 recordings used in the literature are the training part.
    Files may be NIST SPHERE (uncompressed) or WAVE, at 12.5 kHz; other rates are resampled, which the notice then says.
    """

    kind = "recordings"
    title = "TI-46 digits of your own copy (licensed, LDC93S9)"
    citation = """@misc{liberman1993ti46,
  author = {Liberman, M. and Amsler, R. and Church, K. and Fox, E. and Hafner, C. and Klavans, J. and Marcus, M. and
            Mercer, B. and Pedersen, J. and Roossin, P. and Walker, D. and Warwick, S. and Zampolli, A.},
  title = {TI 46-Word},
  howpublished = {Linguistic Data Consortium, LDC93S9},
  year = {1993}
}"""
    licence = "LDC user agreement; not to be passed on"
    classes = 10
    takes_path = "the folder of your TI-46 copy"

    def load(self, places: tuple[Path, ...], argument: str) -> Recordings:
        """Read the digits below the folder `argument`; `places` is not used."""
        folder = Path(argument).expanduser()
        waves, label, speaker, take, notice = read(folder)
        return make_recordings(
            name=f"ti46:{folder}",
            title=self.title,
            audio=waves,
            label=label,
            speaker=speaker,
            take=take,
            test=take >= _TRAIN_TAKES,
            rate=_RATE,
            speakers=SPEAKERS,
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
            notice=notice,
        )


def read(
    folder: Path, speakers: tuple[str, ...] = SPEAKERS
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, str]:
    """Samples, digits, indices of `speakers` and takes of every file below `folder`, and a notice.

    Raises:
        DataError: the folder does not exist or holds no such file, or a file is there twice or broken.
    """
    if not folder.is_dir():
        raise DataError(f"TI-46 folder {folder} does not exist; check the path")
    found: dict[tuple[int, int, int], Path] = {}
    for file in sorted(folder.rglob("*")):
        match = _NAME.match(file.name)
        if match is None or match[2].lower() not in speakers or not file.is_file():
            continue
        if match[3] is not None:
            take = int(match[3])
        else:
            take = _TRAIN_TAKES + _TOKENS_PER_SESSION * (int(match[4]) - 1) + int(match[5])
        key = (int(match[1]), speakers.index(match[2].lower()), take)
        if key in found:
            raise DataError(f"{file} and {found[key]} are the same token; name a folder that holds one copy")
        found[key] = file
    if not found:
        raise DataError(
            f"{folder} holds no digit of {', '.join(speakers)}, named like 00F1SET0.WAV; name the folder of TI20"
        )
    reader = SoundReader(_RATE)
    waves = [reader.file(found[key]) for key in sorted(found)]
    label, speaker, take = np.array(sorted(found), np.int64).T
    train, full = int((take < _TRAIN_TAKES).sum()), 10 * len(speakers) * _TRAIN_TAKES
    notes = [reader.notice()] if reader.notice() else []
    if train != full:
        notes.append(f"the training part has {train} recordings where the whole one has {full}")
    return waves, label, speaker, take, "; ".join(notes)
