"""A study: which device, network, rule and task an audit asks about, as a small TOML file.

.. code-block:: toml

    device = "pulsed:reram-es"
    task = "mnist"
    network = "784-512-10"
    chips = 8

    [device_parameters]
    read_noise = "2 %"

Unit strings are converted here, at the door; inside, every number is an SI float.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nanoneurons.core import toml as _toml
from nanoneurons.core.errors import NanoneuronsError, StudyError, nearest
from nanoneurons.core.files import write_atomic

from .setup import Setup, setup_of

if TYPE_CHECKING:
    from nanoneurons.circuits import Circuit

__all__ = ["Study", "toml"]

SCHEMA = 1

Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Value = float | int | str


class Study(BaseModel):
    """One question to ask of a device; ``Study(device="hfox-weak-reset")`` has a default for all else.

    Raises:
        StudyError: an unknown key (the nearest is suggested) or a value of the wrong kind.
        ParameterError: a device, circuit or rule parameter with a wrong unit or out of its range.
        UnknownNameError: no such device, circuit, rule or parameter.
        RefusedError: a device that holds no weights, or a rule that does not train layers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    device: str
    device_parameters: dict[str, Value] = {}
    circuit: str | None = None
    circuit_parameters: dict[str, Value] = {}
    rule: str | None = None
    rule_parameters: dict[str, Value] = {}
    task: str = "digits"
    network: str = "auto"
    chips: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 8
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = 0
    epochs: Count | None = None
    batch: Count | None = None
    workers: Annotated[int, Field(strict=True, ge=1, le=4096)] | None = None
    train_samples: Count | None = None
    test_samples: Count | None = None
    fit_draws: Annotated[int, Field(strict=True, ge=0, le=1000)] | None = None
    quick: bool = False

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise StudyError(_one_line(error)) from None
        if self.fit_draws == 1:
            raise StudyError("fit_draws = 1 has no spread; give at least 2, or 0 for none")
        self.setup()  # refuses wrong names, units and ranges before anything is computed
        _require_classification(self.task)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a study file; paths in it are taken relative to the file.

        Raises:
            StudyError: the file is missing or not TOML; otherwise as the class.
        """
        file = Path(path)
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StudyError(f"study {file} does not exist; check the path") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            if file.suffix != ".toml" and file.is_file():
                raise StudyError(
                    f"{file} is no study (.toml); 'nanoneurons fit {file}' makes a device of a file of measurements"
                ) from None
            raise StudyError(f"study {file} cannot be read: {error}") from error
        if "device" in values and ("parameters" in values or "intervals" in values):
            raise StudyError(f"{file} is a device file, not a study; give it as --device {file}")
        try:
            return cls(**_beside(values, file.parent))
        except NanoneuronsError as error:
            raise type(error)(f"{file}: {error}") from None

    def save(self, path: str | Path) -> Path:
        """Write the study as TOML, whole or not at all."""
        return write_atomic(path, self.to_toml())

    def to_toml(self) -> str:
        """The study as TOML; keys that were left at their default None are left out."""
        return toml(self.model_dump())

    def setup(self) -> Setup:
        """Build device, circuit and rule, and fill in every default."""
        return setup_of(self)

    def canonical(self) -> dict[str, Any]:
        """Everything that decides the numbers, with defaults filled in, as plain JSON values."""
        setup = self.setup()
        return {
            "schema": SCHEMA,
            "device": type(setup.circuit.device).__name__,
            "device_parameters": setup.circuit.device.values(),
            "circuit": setup.circuit_name,
            "circuit_parameters": {**setup.circuit.values(), **_of_other_parts(setup.circuit)},
            "rule": setup.rule_name,
            "rule_parameters": setup.rule.values(),
            "task": _content(self.task),
            "network": self.network,
            "chips": self.chips,
            "seed": self.seed,
            **{k: getattr(setup, k) for k in ("epochs", "batch", "train_samples", "test_samples")},
            "factors": list(setup.factors),
            **_of_file(setup),
        }

    def key(self) -> str:
        """Hash of the canonical configuration: equal keys give equal rows."""
        text = json.dumps(self.canonical(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def folder_name(self) -> str:
        """Name of the folder of results when none is given."""
        parts = (Path(self.device).stem, Path(self.task).stem)
        words = "-".join("".join(c if c.isalnum() else "-" for c in part).strip("-") for part in parts)
        return f"{words}-{self.key()}"

    def with_values(self, **values: Any) -> Self:
        """Copy with some keys changed, checked like a new study; None leaves a key as it is."""
        changed = {k: v for k, v in values.items() if v is not None}
        return type(self)(**{**self.model_dump(), **changed})


def toml(values: dict[str, Any]) -> str:
    """Plain values and tables of plain values as TOML; None and empty tables are left out."""
    top, tables = [], []
    for name, value in values.items():
        if isinstance(value, dict):
            if value:
                rows = "".join(f"{_toml.key(key)} = {_toml.value(item)}\n" for key, item in value.items())
                tables.append(f"\n[{name}]\n{rows}")
        elif value is not None:
            top.append(f"{name} = {_toml.value(value)}\n")
    return "".join([*top, *tables])


def _of_other_parts(circuit: Circuit) -> dict[str, Any]:
    """Values of what a circuit is built of besides its device, such as neurons."""
    others = {prefix: part for prefix, part in circuit.parts().items() if prefix}
    return {prefix + name: value for prefix, part in others.items() for name, value in part.values().items()}


def _of_file(setup: Setup) -> dict[str, Any]:
    """What of a device file decides the numbers besides the values of its parameters: their uncertainty."""
    if not setup.drawn or setup.file is None:
        return {}
    known = {name: dataclasses.astuple(u) for name, u in setup.file.known.items()}
    return {"fit": [len(setup.drawn), known, setup.file.correlation]}


def _beside(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of a study file's device file and data file, relative to the study file."""
    found = dict(values)
    device, task = found.get("device"), found.get("task")
    if isinstance(device, str) and device.endswith(".toml"):
        found["device"] = str(folder / Path(device).expanduser())
    if isinstance(task, str) and task.startswith("user:"):
        found["task"] = "user:" + str(folder / task.removeprefix("user:"))
    return found


def _require_classification(task: str) -> None:
    from nanoneurons import data

    if task.partition(":")[0] in data.catalogue:  # loading refuses an unknown name with the nearest one
        data.require_kind(task, "classification")


def _content(task: str) -> str:
    """A user's own file counts by its content, so an edited file is another study."""
    path = Path(task.removeprefix("user:"))
    if not task.startswith("user:") or not path.is_file():
        return task
    return "user:" + hashlib.sha256(path.read_bytes()).hexdigest()


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("int", "float", "str"))
    if first["type"] == "extra_forbidden":
        known = Study.model_fields
        return f"unknown key {where!r} in the study{nearest(where, known)}; it knows {', '.join(known)}"
    if first["type"] == "missing":
        return f'the study needs a key {where!r}, for example device = "hfox-weak-reset"'
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"key {where!r} of the study: {message}, not {first['input']!r}"
