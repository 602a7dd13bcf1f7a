"""Design help for networks of resonators: how many synapses fit a band before crosstalk costs accuracy."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nanoneurons import data
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import RefusedError, StudyError
from nanoneurons.data import Dataset

from . import report
from .audit import environment
from .progress import Kind, reporter
from .rf_limits import limits, line_power
from .rf_runs import Condition, Runs, circuit_of, merged, run_condition
from .rf_summary import headline, notes, rows_of, thresholds
from .runner import run_jobs
from .store import Store, write_json
from .study import Study

__all__ = ["QUICK", "SCHEMA", "RfDesign", "closed_forms", "measure"]

SCHEMA = 1
QUICK: dict[str, Any] = {
    "dampings": (0.01, 0.05, 0.2), "spreads": (0.0, 0.003, 0.01), "spread_dampings": (0.01,), "seeds": 2,
    "chips": 2, "hidden": 0, "epochs": 6, "quick": True,
}  # fmt: skip


@dataclass(frozen=True)
class RfDesign:
    """One question about a band of tones; SI floats.

    Attributes:
        device: resonator, ``device:preset`` or a device file; `device_parameters` may hold unit strings.
        inputs: tones that are wanted; those of the task when not given.
        spacing: distance in linewidths at which to say how many tones fit.
        task: data set that accuracy is measured on, or None for closed forms alone.
        tones: numbers of tones to measure with; the task's inputs, and fewer, when empty.
        dampings: dampings to measure with.
        spreads: relative spreads of the resonances, 0 among them.
        spread_dampings: dampings at which spreads are measured, with the largest number of tones.
        twins: digital twins that chips are trained with: the nominal device, the chip as measured, or both.
        hidden: neurons between the two layers of chains; 0 for a single layer.
        line_power: mean power in W of all inputs together; when not given, what keeps the neurons in their window (see
            `rf_limits.line_power`), and the circuit's full power per input for a single layer.
        seeds: trainings without devices; `chips` are trained side by side where resonances have a spread.
        quick: a label only; `QUICK` has the values of the small version.
    """

    device: str = "spin-diode"
    device_parameters: dict[str, Any] = field(default_factory=dict)
    band_low: float = 20e6
    band_high: float = 120e6
    plan: str = "geometric"
    inputs: int | None = None
    spacing: float = 1.0
    task: str | None = None
    tones: tuple[int, ...] = ()
    dampings: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.06, 0.1, 0.2)
    spreads: tuple[float, ...] = (0.0, 0.001, 0.003, 0.01, 0.03)
    spread_dampings: tuple[float, ...] = (0.01, 0.03)
    twins: tuple[str, ...] = ("ideal", "calibrated")
    hidden: int = 32
    line_power: float | None = None
    seeds: int = 3
    chips: int = 4
    seed: int = 0
    epochs: int | None = None
    quick: bool = False

    def __post_init__(self) -> None:
        for name, least, what in (("seeds", 1, "seed"), ("chips", 1, "chip"), ("hidden", 0, "")):
            if getattr(self, name) < least:
                raise StudyError(f"{name} must be {least} or more{what and f' (at least one {what})'}")
        for name in ("dampings", "spread_dampings", "spreads"):
            values = getattr(self, name)
            if not values or list(values) != sorted(set(values)):
                raise StudyError(f"{name} must be different and in rising order, not {', '.join(map(str, values))}")
        if self.line_power is not None and not 0 < self.line_power < math.inf:
            raise StudyError(f"line_power = {self.line_power:g} W must be positive and finite")
        if self.spreads[0] != 0:
            raise StudyError("spreads must begin with 0, which every other one is compared with")
        for twin in self.twins:
            if twin not in ("ideal", "calibrated"):
                raise StudyError(f"a twin is 'ideal' or 'calibrated', not {twin!r}")
        self.circuit()

    def study(self, rule: str) -> Study:
        """A study of the same device, chain and schedule; it converts units and checks names and ranges."""
        band = {"band_low": self.band_low, "band_high": self.band_high, "plan": self.plan}
        of_rule = {"twin": "ideal"} if rule == "physics-aware" else {}
        return Study(
            device=self.device, device_parameters=self.device_parameters, circuit_parameters=band, rule=rule,
            rule_parameters=of_rule,
            task=self.task or "digits", chips=self.chips, seed=self.seed, epochs=self.epochs,
        )  # fmt: skip

    def circuit(self) -> RfChain:
        """The chain that is asked about.

        Raises:
            RefusedError: the device is no resonator.
        """
        from nanoneurons import devices

        found = devices.get(self.device)
        if not isinstance(found, devices.ResonatorDevice):
            raise RefusedError(
                f"a design study is about resonators, but {self.device!r} is a device of kind {found.kind!r}; give a "
                "resonator, for example spin-diode"
            )
        circuit = self.study("backpropagation").setup().circuit
        assert isinstance(circuit, RfChain)
        return circuit


def closed_forms(design: RfDesign, inputs: int | None = None) -> dict[str, Any]:
    """The part of a design that needs no training, see `rf_limits.limits`."""
    wanted = inputs or design.inputs
    if wanted is None:
        raise StudyError("say what to design for: --inputs N for closed forms, or --task NAME to measure as well")
    return limits(design.circuit(), wanted, design.spacing)


def measure(
    design: RfDesign, out: str | Path | None = None, workers: int | None = None, progress: Kind = "auto"
) -> dict[str, Any]:
    """Measure accuracy against damping, number of tones and spread; resume if the folder holds a part of it.

    Every point with crosstalk is compared with the same network without, on the same seeds and test samples; every
    spread with none, on the same chips. Networks without devices are trained by ``backpropagation``, chips by
    ``physics-aware``.

    Returns:
        What is also written to ``rows.json``, and ``folder``; ``report.html`` lies there too.

    Raises:
        NanoneuronsError: an impossible design, missing data, or a folder that cannot be used.
    """
    if design.task is None:
        raise StudyError("measuring needs a task, for example --task digits")
    dataset = data.load(design.task)
    inputs = math.prod(dataset.shape)
    tones = design.tones or _sizes(dataset)
    for count in tones:
        if count < 2:
            raise StudyError(f"a chain is designed for at least 2 tones, not {count}")
        merged(dataset.x_test[:1], count)  # refuses too many
    design = dataclasses.replace(design, tones=tuple(sorted(set(tones))))
    forms = closed_forms(design, design.inputs or inputs)
    runs = Runs(
        design.study("backpropagation"),
        design.study("physics-aware"),
        design.hidden,
        _power(design),
        design.seeds,
        dataset.sizes,
    )
    conditions = _conditions(design)
    for condition in conditions:
        circuit_of(design.circuit(), condition)  # refuses a damping or a spread that no device can have
    folder = Path(out) if out is not None else Path("results") / _folder(design, runs)
    Store(folder, runs.key()).claim("config.txt", json.dumps(dataclasses.asdict(design), indent=1) + "\n")
    jobs = [c.job for c in conditions]
    done = run_jobs([jobs], run_condition, runs, folder, workers, reporter(progress))
    results = {job: done[job]["result"] for job in jobs}
    result = _assemble(design, forms, dataset, runs, results)
    result["seconds"] = {job: done[job]["seconds"] for job in jobs}
    write_json(folder / "rows.json", result)
    report.write(folder)
    return {**result, "folder": str(folder)}


def _power(design: RfDesign) -> float | None:
    return design.line_power or (line_power(design.circuit()) if design.hidden else None)


def _conditions(design: RfDesign) -> list[Condition]:
    found = [Condition(n, a, c) for n in reversed(design.tones) for a in design.dampings for c in (0, 1)]
    most = max(design.tones)
    return found + [
        Condition(most, a, 1, s, twin) for twin in design.twins for a in design.spread_dampings for s in design.spreads
    ]


def _assemble(
    design: RfDesign, forms: dict[str, Any], dataset: Dataset, runs: Runs, results: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    images = len(dataset.y_test)
    rows, tables = rows_of(results, images, design.band_low, design.band_high, design.plan)
    epochs, batch = runs.ideal.setup().schedule(len(dataset.x_train))
    result = {
        "schema": SCHEMA,
        "kind": "design",
        "headline": "",
        "design": json.loads(json.dumps(dataclasses.asdict(design))),
        "key": runs.key(),
        "limits": forms,
        "rows": rows,
        "thresholds": thresholds(design, tables),
        "used": {
            "epochs": epochs, "batch": batch, "train_samples": len(dataset.x_train), "test_samples": images,
            "inputs": math.prod(dataset.shape), "line_power": runs.line_power,
            "classes": dataset.classes, "task_title": dataset.title,
            "citation": dataset.citation, "licence": dataset.licence, "notice": dataset.notice,
            "device_title": runs.ideal.setup().circuit.device.title,
            "device_citation": runs.ideal.setup().circuit.device.citation,
            "not_modelled": runs.ideal.setup().circuit.device.not_modelled,
        },
        "environment": environment(),
    }  # fmt: skip
    result["headline"] = headline(result)
    result["notes"] = notes(result)
    return result


def _sizes(dataset: Dataset) -> tuple[int, ...]:
    """All inputs of a task, and fewer: three quarters and half of an image's side, or half and a quarter."""
    inputs = math.prod(dataset.shape)
    side = math.isqrt(inputs)
    if len(dataset.shape) == 3 and dataset.shape[0] == 1 and side * side == inputs:
        wanted = {inputs, (3 * side // 4) ** 2, (side // 2) ** 2}
    else:
        wanted = {inputs, inputs // 2, inputs // 4}
    return tuple(sorted(n for n in wanted if n >= 2))


def _folder(design: RfDesign, runs: Runs) -> str:
    words = "".join(c if c.isalnum() else "-" for c in Path(str(design.task)).stem).strip("-")
    content = json.dumps(dataclasses.asdict(design), sort_keys=True).encode()
    return f"design-{words}-{hashlib.sha256(content + runs.key().encode()).hexdigest()[:12]}"
