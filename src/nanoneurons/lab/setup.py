"""What the names of a study stand for: device, circuit and rule as objects, defaults filled in, misfits refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nanoneurons.core.errors import RefusedError, StudyError, UnknownNameError, nearest
from nanoneurons.core.random import generator_for
from nanoneurons.core.units import quantity

if TYPE_CHECKING:
    from nanoneurons.circuits import Circuit
    from nanoneurons.devices import Device, DeviceFile
    from nanoneurons.learning import LayerRule

    from .study import Study

__all__ = ["Setup", "setup_of"]

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
FIT_DRAWS, QUICK_FIT_DRAWS = 8, 4
QUICK = {"epochs": 2, "train_samples": 1000, "test_samples": 1000}


@dataclass(frozen=True)
class Setup:
    """What a study's names stand for: objects, with every default filled in.

    Attributes:
        file: the device file, None for a device of the catalogue.
        drawn: the circuit with devices as the intervals of the device file allow them.
    """

    circuit: Circuit
    circuit_name: str
    rule: LayerRule
    rule_name: str
    epochs: int | None
    batch: int | None
    train_samples: int | None
    test_samples: int | None
    factors: tuple[float, ...]
    file: DeviceFile | None = None
    drawn: tuple[Circuit, ...] = ()

    def schedule(self, samples: int) -> tuple[int, int]:
        """Epochs and mini-batch size for a training set of `samples`, where the study leaves them open.

        The rule's defaults suit some ten thousand samples; a smaller set gets smaller batches (at least 60 a
        pass) and as many passes as the rule needs mini-batches.
        """
        batch = self.batch or max(16, min(self.rule.default_batch, samples // 60))
        batches = -(-samples // batch)
        return self.epochs or max(self.rule.default_epochs, -(-self.rule.default_updates // batches)), batch


def setup_of(study: Study) -> Setup:
    """Build device, circuit and rule of a study, and fill in every default.

    Raises:
        ParameterError: a device, circuit or rule parameter with a wrong unit or out of its range.
        StudyError: no network of that name, or one that the rule does not build.
        UnknownNameError: no such device, circuit, rule or parameter.
        RefusedError: a device that holds no weights, a rule that does not train layers, or parts that do not fit.
    """
    from nanoneurons import circuits, devices

    file = devices.load_file(study.device) if study.device.endswith(".toml") else None
    plain = devices.get(study.device) if file is None else file.device
    if not isinstance(plain, devices.MemoryDevice | devices.ResonatorDevice):
        raise RefusedError(_no_weights(study.device, plain.kind))
    rule_name, rule_class = _rule_for(study, plain.default_rule)
    rule = rule_class(**_si(study.rule_parameters, rule_class))
    fitting = [kind for kind in rule.layers if kind in KINDS[plain.kind]]
    if not fitting:
        leave = "rule" if study.rule else "network"
        raise RefusedError(
            f"rule {rule_name!r} trains {' and '.join(rule.layers)} layers, but {study.device!r} is a device of kind "
            f"{plain.kind!r}; leave the {leave} out to take {plain.default_rule!r}"
        )
    circuit_name = study.circuit or CIRCUITS[fitting[0]]
    circuit_class = circuits.catalogue[circuit_name]
    changes = _si(study.device_parameters, plain, circuit_class)
    known = {p.name for p in circuit_class.parameters()}
    suited = {name: value for name, value in rule.circuit_values.items() if name in known}
    values = {**suited, **_si(study.circuit_parameters, circuit_class)}
    circuit = circuit_class.build(plain.replace(**changes), **values)
    if circuit.layers not in rule.layers:
        rule.accept(circuit)  # most rules know why; else:
        raise RefusedError(
            f"rule {rule_name!r} trains {' and '.join(rule.layers)} layers, but the circuit {circuit_name!r} makes "
            f"{circuit.layers} ones; leave one of the two out"
        )
    small: dict[str, Any] = QUICK if study.quick else {}
    return Setup(
        circuit=circuit,
        circuit_name=circuit_name,
        rule=rule,
        rule_name=rule_name,
        epochs=study.epochs or small.get("epochs"),
        batch=study.batch,
        train_samples=study.train_samples or small.get("train_samples"),
        test_samples=study.test_samples or small.get("test_samples"),
        factors=QUICK_FACTORS if study.quick else FACTORS,
        file=file,
        drawn=tuple(circuit_class.build(d.replace(**changes), **values) for d in _draws(study, file, changes)),
    )


def _draws(study: Study, file: DeviceFile | None, changes: Mapping[str, Any]) -> list[Device]:
    """Devices as the intervals of the study's device file allow them; none where nothing is uncertain."""
    if file is None or all(name in changes for name in file.known):
        if study.fit_draws:
            raise StudyError(
                f"fit_draws = {study.fit_draws} asks for draws within intervals, but {study.device!r} has none; leave "
                "fit_draws out, or give a device file that 'nanoneurons fit' wrote"
            )
        return []
    n = (QUICK_FIT_DRAWS if study.quick else FIT_DRAWS) if study.fit_draws is None else study.fit_draws
    return file.draws(n, generator_for(study.seed, "fit")) if n else []


def _rule_for(study: Study, usual: str) -> tuple[str, type[LayerRule]]:
    """The rule asked for, or that alone builds the network asked for, or the device's."""
    from nanoneurons import learning

    builder = _builder_of(study.network)
    name = study.rule or builder or usual
    rule = learning.catalogue[name]
    if not issubclass(rule, learning.LayerRule):
        what, where = rule.trains, f"networks of {rule.trains}"
        if what == "read-outs":
            what, where = "only a digital read-out behind devices left as they are", "networks with such a read-out"
        raise RefusedError(
            f"an audit trains layers, but rule {name!r} trains {what}; leave it out to take {usual!r}, or see "
            f"'nanoneurons reproduce' for {where}"
        )
    if builder and study.network not in rule.networks:
        raise StudyError(
            f"the network {study.network!r} is filled by the rule {builder!r}, not by {name!r}; leave the rule out, or "
            "give the sizes of a network"
        )
    return name, rule


def _builder_of(network: str) -> str | None:
    """The rule that alone builds networks of this name."""
    from nanoneurons import learning

    if network == "auto" or any(c.isdigit() for c in network):  # sizes: most rules build those; saves the imports
        return None
    builders = {n: name for name in learning.catalogue for n in getattr(learning.catalogue[name], "networks", ())}
    if network not in builders:
        raise StudyError(
            f"unknown network {network!r}{nearest(network, builders)}; give sizes such as 64-128-10, or a name: auto, "
            f"{', '.join(builders)}"
        )
    return builders[network]


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


def _si(given: Mapping[str, float | int | str], owner: Any, around: Any = None) -> dict[str, Any]:
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
