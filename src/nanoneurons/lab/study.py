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

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nanoneurons.core.errors import (
    NanoneuronsError,
    ParameterError,
    RefusedError,
    StudyError,
    UnknownNameError,
    nearest,
)
from nanoneurons.core.files import write_atomic
from nanoneurons.core.units import quantity

if TYPE_CHECKING:
    from nanoneurons.circuits import Circuit
    from nanoneurons.learning import LayerRule

__all__ = ["Setup", "Study", "toml"]

SCHEMA = 1
CIRCUITS = {
    "binary": "differential-pair", "analog": "crossbar", "spiking": "synapse-array", "rf": "rf-chain",
    "likelihood": "bayesian-array",
}  # fmt: skip
KINDS = {
    "memory": ("analog", "binary", "spiking", "likelihood"),
    "resonator": ("rf",),
}  # layers that a kind of device makes
FACTORS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
QUICK_FACTORS = (0.0, 0.25, 0.5, 1.0)
QUICK = {"epochs": 2, "train_samples": 1000, "test_samples": 1000}

Count = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Value = float | int | str


@dataclass(frozen=True)
class Setup:
    """What a study's names stand for: objects, with every default filled in."""

    circuit: Circuit
    circuit_name: str
    rule: LayerRule
    rule_name: str
    epochs: int | None
    batch: int | None
    train_samples: int | None
    test_samples: int | None
    factors: tuple[float, ...]

    def schedule(self, samples: int) -> tuple[int, int]:
        """Epochs and mini-batch size for a training set of `samples`, where the study leaves them open.

        The rule's defaults suit some ten thousand samples; a smaller set gets smaller batches (at least 60 a
        pass) and as many passes as the rule needs mini-batches.
        """
        batch = self.batch or max(16, min(self.rule.default_batch, samples // 60))
        batches = -(-samples // batch)
        return self.epochs or max(self.rule.default_epochs, -(-self.rule.default_updates // batches)), batch


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
    quick: bool = False

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise StudyError(_one_line(error)) from None
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
            raise StudyError(f"study {file} cannot be read: {error}") from error
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
        from nanoneurons import circuits, devices, learning

        plain = devices.get(self.device)
        if not isinstance(plain, devices.MemoryDevice | devices.ResonatorDevice):
            raise RefusedError(_no_weights(self.device, plain.kind))
        usual = circuits.catalogue[self.circuit or CIRCUITS[KINDS[plain.kind][0]]]
        device = plain.replace(**_si(self.device_parameters, plain, usual))
        rule_name = self.rule or _builder_of(self.network) or device.default_rule
        rule_class = learning.catalogue[rule_name]
        if not issubclass(rule_class, learning.LayerRule):
            what, where = rule_class.trains, f"networks of {rule_class.trains}"
            if what == "read-outs":
                what, where = "only a digital read-out behind devices left as they are", "networks with such a read-out"
            raise RefusedError(
                f"an audit trains layers, but rule {rule_name!r} trains {what}; leave it out to take "
                f"{device.default_rule!r}, or see 'nanoneurons reproduce' for {where}"
            )
        rule = rule_class(**_si(self.rule_parameters, rule_class))
        fitting = [kind for kind in rule.layers if kind in KINDS[device.kind]]
        if not fitting:
            raise RefusedError(
                f"rule {rule_name!r} trains {' and '.join(rule.layers)} layers, but {self.device!r} is a device of "
                f"kind {device.kind!r}; leave the rule out to take {device.default_rule!r}"
            )
        circuit_name = self.circuit or CIRCUITS[fitting[0]]
        circuit_class = circuits.catalogue[circuit_name]
        known = {p.name for p in circuit_class.parameters()}
        suited = {name: value for name, value in rule.circuit_values.items() if name in known}
        circuit = circuit_class.build(device, **{**suited, **_si(self.circuit_parameters, circuit_class)})
        if circuit.layers not in rule.layers:
            rule.accept(circuit)  # most rules know why; else:
            raise RefusedError(
                f"rule {rule_name!r} trains {' and '.join(rule.layers)} layers, but the circuit {circuit_name!r} makes "
                f"{circuit.layers} ones; leave one of the two out"
            )
        small: dict[str, Any] = QUICK if self.quick else {}
        return Setup(
            circuit=circuit,
            circuit_name=circuit_name,
            rule=rule,
            rule_name=rule_name,
            epochs=self.epochs or small.get("epochs"),
            batch=self.batch,
            train_samples=self.train_samples or small.get("train_samples"),
            test_samples=self.test_samples or small.get("test_samples"),
            factors=QUICK_FACTORS if self.quick else FACTORS,
        )

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


def _builder_of(network: str) -> str | None:
    """The rule that alone builds networks of this name."""
    from nanoneurons import learning

    if network == "auto" or any(c.isdigit() for c in network):  # sizes: most rules build those; saves the imports
        return None
    classes = ((name, learning.catalogue[name]) for name in learning.catalogue)
    return next((name for name, cls in classes if network in getattr(cls, "networks", ())), None)


def _no_weights(spec: str, kind: str) -> str:
    instead = (
        "'nanoneurons reproduce' runs networks of oscillators"
        if kind == "oscillator"
        else "'nanoneurons reproduce' runs what is published about other devices"
    )
    if kind == "neuron":
        instead = "a network of neurons takes its weights from a memory device: give that one"
    plot = " --plot" if kind in ("oscillator", "neuron") else ""
    return (
        f"an audit trains weights that are held in conductances or resonances, but {spec!r} is a device of kind "
        f"{kind!r}; {instead}, "
        f"'nanoneurons devices {spec}{plot}' shows the device"
    )


def toml(values: dict[str, Any]) -> str:
    """Plain values and tables of plain values as TOML; None and empty tables are left out."""
    top, tables = [], []
    for name, value in values.items():
        if isinstance(value, dict):
            if value:
                rows = "".join(f"{_toml_key(key)} = {_toml(item)}\n" for key, item in value.items())
                tables.append(f"\n[{name}]\n{rows}")
        elif value is not None:
            top.append(f"{name} = {_toml(value)}\n")
    return "".join([*top, *tables])


def _si(given: dict[str, Value], owner: Any, around: Any = None) -> dict[str, Any]:
    """Convert unit strings by the declared unit of each parameter of `owner`; `around` is the circuit of a device."""
    converted: dict[str, Any] = {}
    for name, value in given.items():
        try:
            declared = owner.parameter(name)
        except UnknownNameError:
            if around is not None and _declares(around, name):
                raise UnknownNameError(
                    f"{name!r} is a parameter of the circuit, not of the device; set it under [circuit_parameters] of "
                    "a study file"
                ) from None
            raise
        if declared.choices is None and isinstance(value, str):
            number = quantity(value, declared.unit, name)
            value = int(number) if declared.integer and number == int(number) else number
        converted[name] = value
    return converted


def _declares(owner: Any, name: str) -> bool:
    try:
        owner.parameter(name)
    except UnknownNameError:
        return False
    return True


def _of_other_parts(circuit: Circuit) -> dict[str, Any]:
    """Values of what a circuit is built of besides its device, such as neurons."""
    others = {prefix: part for prefix, part in circuit.parts().items() if prefix}
    return {prefix + name: value for prefix, part in others.items() for name, value in part.values().items()}


def _beside(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Paths of a study file's device file and data file, relative to the study file."""
    found = dict(values)
    device, task = found.get("device"), found.get("task")
    if isinstance(device, str) and device.endswith(".toml"):
        found["device"] = str(folder / device)
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


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    raise ParameterError(f"{value!r} cannot be written to a study; use text or numbers")


def _toml_key(key: str) -> str:
    plain = all(c.isascii() and (c.isalnum() or c in "-_") for c in key) and key
    return key if plain else _toml(key)
