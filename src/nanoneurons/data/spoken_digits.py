"""Free Spoken Digit Dataset: 3,000 recordings of the ten digits by six speakers."""

from __future__ import annotations

import hashlib
import itertools
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from nanoneurons.core.errors import DataError

from ._recordings import Recordings, make_recordings
from ._sound import SoundReader
from ._source import Download, Source

__all__ = ["SpokenDigits"]

_RATE = 8000
_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
_TEST_TAKES = 5  # takes 0 to 4 are the official test part
_COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
_ZIP = "free-spoken-digit-dataset.zip"
_SITES = ("https://github.com/{}/archive/{}.zip", "https://codeload.github.com/{}/zip/{}")
_ADDRESSES = tuple(site.format("Jakobovski/free-spoken-digit-dataset", _COMMIT) for site in _SITES)
# SHA-256 of all 16-bit samples end to end in the order of file names, low byte first, and of each recording's
# length, digit, speaker and take.
_AUDIO_SHA256 = "6f643a7422de89763625dfc9aa79427e69f7a690223a5bc5752a2f56db5af465"
_FACTS_SHA256 = "eaf0cc22c7a1e95f162d4fff6ef5d0bf29e13121397a1c3a0159da63f7380297"
_NAME = re.compile(r"(\d)_([a-z0-9]+)_(\d+)\.wav$", re.IGNORECASE)


class SpokenDigits(Source):
    """Ten digits, spoken 50 times each by six speakers; 8 kHz, mono, 0.14 to 2.28 s long.

    The official split is used: takes 0 to 4 of every digit and speaker are the test. Read from ``spoken_digits/`` with
    the fetched archive, with ``fsdd.npz`` (the same samples in one array), or with a folder ``recordings/`` of wav
    files, also of your own, named ``DIGIT_SPEAKER_TAKE.wav``; those are resampled to 8 kHz and mixed to mono where
    needed, which the notice then says.
    """

    kind = "recordings"
    title = "Free Spoken Digit Dataset"
    citation = """@misc{jackson2018fsdd,
  author = {Jackson, Z. and Souza, C. and Flaks, J. and Pan, Y. and Nicolas, H. and Thite, A.},
  title = {Jakobovski/free-spoken-digit-dataset},
  year = {2018},
  doi = {10.5281/zenodo.1342401}
}"""
    licence = "CC BY-SA 4.0"
    classes = 10
    sizes = (2700, 300)
    folder = "spoken_digits"
    downloads = (Download(_ZIP, _ADDRESSES),)

    def load(self, places: tuple[Path, ...], argument: str) -> Recordings:
        """Read whichever form of the set is there and check its content."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "spoken-digits")
        if (folder / "fsdd.npz").is_file():
            return self._checked(_from_npz(folder / "fsdd.npz"), folder / "fsdd.npz", strict=True)
        if (folder / _ZIP).is_file():
            return self._checked(_from_zip(folder / _ZIP), folder / _ZIP, strict=True)
        wavs = folder / "recordings" if (folder / "recordings").is_dir() else folder
        reader, found = SoundReader(_RATE), []
        for file in sorted(wavs.glob("*.wav")):
            found.append((file.name, reader.file(file)))
        if not found:
            raise DataError(
                f"{folder} holds neither fsdd.npz nor {_ZIP} nor recordings/*.wav; "
                "run 'nanoneurons data fetch spoken-digits'"
            )
        return self._checked(_by_name(found, wavs), wavs, strict=False, notice=reader.notice())

    def verify(self, file: Path, name: str) -> None:
        """Check the content of the archive."""
        self._checked(_from_zip(file), file, strict=True)

    def _checked(self, read: _Read, where: Path, strict: bool, notice: str = "") -> Recordings:
        """The set, after its content was compared with the published one; a `strict` file must be that."""
        waves, label, speaker, take, speakers = read
        published = speakers == _SPEAKERS and _sha256s(waves, label, speaker, take) == (_AUDIO_SHA256, _FACTS_SHA256)
        if strict and not published:
            raise DataError(
                f"{where} has the wrong checksum: it is corrupt or another file; "
                "delete it and run 'nanoneurons data fetch spoken-digits'"
            )
        if not published:
            own = f"these {len(waves)} recordings are not the published 3,000"
            notice = f"{own}; {notice}" if notice else own
        return make_recordings(
            name="spoken-digits",
            title=self.title,
            audio=waves,
            label=label,
            speaker=speaker,
            take=take,
            test=take < _TEST_TAKES,
            rate=_RATE,
            speakers=speakers,
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
            notice=notice,
        )


# Waves, digits, indices of speakers, takes, and the speakers' names.
_Read = tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]


def _sha256s(waves: list[np.ndarray], label: np.ndarray, speaker: np.ndarray, take: np.ndarray) -> tuple[str, str]:
    samples = np.clip(np.rint(np.concatenate(waves) * 32768.0), -32768, 32767).astype("<i2")
    facts = np.stack([[len(wave) for wave in waves], label, speaker, take]).astype("<i8")
    return hashlib.sha256(samples.tobytes()).hexdigest(), hashlib.sha256(facts.tobytes()).hexdigest()


def _from_npz(file: Path) -> _Read:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as z:
            audio, offsets = z["audio"].astype(np.float32) / 32768.0, z["offsets"]
            label, speaker, take = (z[name].astype(np.int64) for name in ("digit", "speaker", "take"))
            speakers = tuple(str(name) for name in z["speaker_names"])
            waves = [audio[a:b] for a, b in itertools.pairwise(offsets)]
    except (OSError, ValueError, KeyError, EOFError, IndexError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} cannot be read ({error}); replace it or fetch spoken-digits") from error
    return waves, label, speaker, take, speakers


def _from_zip(file: Path) -> _Read:
    reader = SoundReader(_RATE)
    try:
        with zipfile.ZipFile(file) as archive:
            names = {Path(name).name: name for name in archive.namelist() if "/recordings/" in name}
            found = [
                (name, reader.bytes(archive.read(names[name]), f"{file}, {name}"))
                for name in sorted(names)
                if _NAME.match(name)
            ]
    except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file} has the wrong checksum ({error}); delete it and fetch spoken-digits again") from error
    return _by_name(found, file)


def _by_name(found: list[tuple[str, np.ndarray]], where: Path) -> _Read:
    """Digit, speaker and take of every file from its name."""
    parts: list[tuple[int, str, int]] = []
    for name, _ in found:
        match = _NAME.match(name)
        if match is None:
            raise DataError(f"{where}: {name} is not named DIGIT_SPEAKER_TAKE.wav; rename or remove it")
        parts.append((int(match[1]), match[2].lower(), int(match[3])))
    speakers = tuple(sorted({speaker for _, speaker, _ in parts}))
    label, take = (np.array([part[i] for part in parts], np.int64) for i in (0, 2))
    return [wave for _, wave in found], label, np.array([speakers.index(p[1]) for p in parts], np.int64), take, speakers
