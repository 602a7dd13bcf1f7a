"""Drone RF fingerprints: power spectra of the radio signals of drones, the set used with spintronic networks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import DataError

from ._dataset import Dataset, as_labels, make
from ._source import Download, Source

__all__ = ["TRANSMITTERS", "DroneRf", "parse"]

# Class 0 ... 9, spelt as by the set's authors.
TRANSMITTERS = ("dx4e", "dx6i", "MTx", "Nineeg", "Parrot", "q205", "S500", "tello", "WiFi", "wltoys")
_BINS = 256
_FILE = "RadioSpin_D62_RF_fingerprinting.h5"
_SHA256 = "a9fc628d25a836f26f8ac9934f8bd1de8858306f11622a8b95b54ea4029a79d6"
_REPOSITORY, _COMMIT = "neurophysics-cnrsthales/rf_spintronic_nn", "3aef332aa6768311d73bbd7eb1de36f86b356d4e"
_MIRRORS = (
    f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/datasets/",
    f"https://cdn.jsdelivr.net/gh/{_REPOSITORY}@{_COMMIT}/datasets/",
)


class DroneRf(Source):
    """Power spectra of the radio signals of ten classes, drones and WiFi, in 256 frequency bins.

    The classes are dx4e, dx6i, MTx, Nineeg, Parrot, q205, S500, tello, WiFi and wltoys, with 64 to 77 training and
    23 to 36 test spectra each. An input is the power in each bin in units of the full power, from 0.0011 to 0.997, as
    in the file but rounded to float32. How the authors normalised it is not stated; not spectrum by spectrum, for
    their largest values go from 0.06 to 0.997. Training and test part are the authors' own; all spectra differ.

    Ross et al. (2023) made the spectra from the recordings of Basak et al. (2021); their record is Zenodo 7646236, and
    the file is fetched from their repository. Reading it needs h5py (extra ``hdf5``).
    """

    title = "Drone RF fingerprints (Ross 2023)"
    citation = """@article{ross2023multilayer,
  author = {Ross, A. and Leroux, N. and de Riz, A. and Markovi{\\'c}, D. and Sanz-Hern{\\'a}ndez, D. and others},
  title = {Multilayer spintronic neural networks with radio-frequency connections},
  journal = {Nature Nanotechnology},
  volume = {18},
  pages = {1273},
  year = {2023},
  eprint = {2211.03659},
  archiveprefix = {arXiv}
}
@inproceedings{basak2021drone,
  author = {Basak, S. and Rajendran, S. and Pollin, S. and Scheers, B.},
  title = {Drone classification from RF fingerprints using deep residual nets},
  booktitle = {International Conference on Communication Systems and Networks (COMSNETS)},
  pages = {548--555},
  year = {2021},
  doi = {10.1109/COMSNETS51098.2021.9352891}
}"""
    licence = "CC BY 4.0"
    shape = (_BINS,)
    classes = 10
    sizes = (702, 298)
    folder = "drone_rf"
    downloads = (Download(_FILE, _MIRRORS),)

    def load(self, places: tuple[Path, ...], argument: str) -> Dataset:
        """Check the file and read both parts."""
        folder = self.find(places)
        if folder is None:
            raise self.not_found(places, "drone-rf")
        file = folder / _FILE
        if not file.is_file():
            raise DataError(f"{folder} holds no {_FILE}; run 'nanoneurons data fetch drone-rf'")
        self.verify(file, _FILE)
        train, test = parse(file)
        return make(
            name="drone-rf",
            title=self.title,
            train=train,
            test=test,
            classes=self.classes,
            citation=self.citation,
            licence=self.licence,
        )

    def verify(self, file: Path, name: str) -> None:
        """Check the file's SHA-256; needs no h5py."""
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}); fetch drone-rf again") from error
        if digest != _SHA256:
            raise DataError(
                f"{file} has the wrong checksum: it is corrupt or another file; delete it and fetch it again"
            )


Part = tuple[torch.Tensor, torch.Tensor]


def parse(file: Path) -> tuple[Part, Part]:
    """Training and test part of a file: powers ``(N, 256)``, float32 in [0, 1], and class numbers ``(N,)``, int64.

    Raises:
        DataError: h5py is not installed, the file is not HDF5, a key is missing, or an array has the wrong shape or
            holds something else than powers in [0, 1] and whole class numbers.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError("reading drone-rf needs h5py: pip install 'nanoneurons[hdf5]'") from error
    arrays: dict[str, np.ndarray] = {}
    try:
        with h5py.File(file, "r") as stored:
            for key in ("X_train", "Y_train", "X_test", "Y_test"):
                found: Any = stored.get(key)
                if not isinstance(found, h5py.Dataset):
                    raise DataError(f"{file} has no array {key}; fetch drone-rf again")
                arrays[key] = np.asarray(found[()])
    except (OSError, RuntimeError, ValueError, TypeError) as error:  # h5py raises any of these for a damaged file
        reason = " ".join(str(error).split())
        raise DataError(f"{file} cannot be read ({reason}); delete it and fetch drone-rf again") from error
    return _part(arrays, "train", file), _part(arrays, "test", file)


def _part(arrays: dict[str, np.ndarray], name: str, file: Path) -> Part:
    x, y = arrays[f"X_{name}"], as_labels(arrays[f"Y_{name}"], f"{file}, Y_{name}")
    if x.dtype.kind != "f" or x.shape != (len(y), _BINS):
        raise DataError(
            f"{file}: X_{name} is {x.dtype} of shape {x.shape}, but real numbers of shape {(len(y), _BINS)} "
            f"belong to the {len(y)} labels; fetch drone-rf again"
        )
    wrong = np.argwhere(~((x >= 0) & (x <= 1)))  # true for NaN as well
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{file}: X_{name} holds {x[row, column]:g} at row {row}, bin {column}, which is no power in [0, 1]; "
            "fetch drone-rf again"
        )
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)
