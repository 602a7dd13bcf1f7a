"""A Bayesian machine as a file: safetensors with a JSON header."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.errors import NanoneuronsError, StoreError
from nanoneurons.core.files import write_atomic

__all__ = ["read", "write"]

FORMAT = "nanoneurons Bayesian machine"
VERSION = 1
HEADER = "machine"
KINDS = {"words": np.uint8, "chosen": np.int64, "edges": np.float64}


def write(path: str | Path, tensors: dict[str, np.ndarray], logic: BayesianLogic, features: int, prior: bool) -> Path:
    """Write whole or not at all."""
    header = {
        "format": FORMAT, "version": VERSION, "features": features, "prior": prior, "mode": logic.mode,
        "cycles": logic.cycles, "seeds": list(logic.seeds), "ones": logic.ones,
    }  # fmt: skip
    kept = {name: np.ascontiguousarray(tensors[name], kind) for name, kind in KINDS.items()}
    header["sha256"] = _checksum(kept)
    return write_atomic(path, safetensors.numpy.save(kept, {HEADER: json.dumps(header)}))


def read(path: str | Path) -> tuple[dict[str, np.ndarray], BayesianLogic, int, bool]:
    """Tensors, logic, number of features and whether there is a prior.

    Raises:
        StoreError: no such file, or not a whole and sound machine.
    """
    file = Path(path)
    try:
        with safetensors.safe_open(file, framework="numpy") as content:
            header = json.loads((content.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise StoreError(f"machine {file} does not exist; check the path") from None
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise StoreError(f"{file} cannot be read as a machine ({error}); save it again") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise StoreError(f"{file} holds no Bayesian machine; give a file that BayesianMachine.save wrote")
    if header.get("version") != VERSION:
        raise StoreError(f"{file} is a machine of version {header.get('version')!r}, this program reads {VERSION}")
    try:
        return _sound(tensors, header)
    except (KeyError, TypeError, ValueError, NanoneuronsError) as error:
        raise StoreError(f"{file} is damaged ({error}); save the machine again") from None


def _checksum(tensors: dict[str, np.ndarray]) -> str:
    return hashlib.sha256(b"".join(tensors[name].tobytes() for name in KINDS)).hexdigest()


def _sound(
    tensors: dict[str, np.ndarray], header: dict[str, Any]
) -> tuple[dict[str, np.ndarray], BayesianLogic, int, bool]:
    for name, kind in KINDS.items():
        if name not in tensors or tensors[name].dtype != kind:
            raise ValueError(f"{name} missing or of the wrong kind")
    words, chosen, edges = (tensors[name] for name in KINDS)
    features, prior = int(header["features"]), bool(header["prior"])
    if words.ndim not in (3, 4) or words.size == 0:
        raise ValueError(f"words of shape {words.shape}")
    columns, bins = words.shape[-2] - prior, words.shape[-1]
    if chosen.shape != (columns,) or edges.shape != (columns, bins - 1):
        raise ValueError(f"{columns} columns of {bins} values, but limits of shape {edges.shape}")
    if ((chosen < 0) | (chosen >= features)).any():
        raise ValueError(f"a column uses a feature that the {features} do not include")
    if np.isnan(edges).any() or (np.diff(edges, axis=1) < 0).any():
        raise ValueError("limits between values that do not ascend")
    if header["sha256"] != _checksum(tensors):
        raise ValueError("its content is not what was saved")
    logic = BayesianLogic(
        words.shape[-2], header["mode"], header["cycles"], tuple(header["seeds"]), header.get("ones", 1)
    )
    return tensors, logic, features, prior
