"""The device audit: what a network of these devices reaches, what each imperfection costs, at what energy."""

from __future__ import annotations

import dataclasses
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import __version__, data, devices, networks
from nanoneurons.circuits import Circuit
from nanoneurons.core.files import write_atomic

from . import report, summary, uncertainty
from .chips import TRAIN, Config, task_for, weights_intact
from .chips import run as run_condition
from .energy import beside, by_mode, energy
from .progress import Kind, reporter
from .response import neuron, response
from .runner import run_jobs
from .setup import Setup
from .store import Store, write_json
from .study import Study
from .words import headline, notes, warned

__all__ = ["SCHEMA", "run"]

SCHEMA = 1
DEVICE = "device.toml"


def run(
    study: Study, out: str | Path | None = None, workers: int | None = None, progress: Kind = "auto"
) -> dict[str, Any]:
    """Audit a device; resume if the folder holds a part of the same audit.

    Conditions: the ideal network, the full device, each imperfection alone, each removed, a sensitivity curve of
    the costliest, and for a fitted device draws within the intervals of its parameters. All chips of a condition
    are one batch, and all conditions use the same chips.

    Args:
        out: folder of results, ``results/<study>`` when not given.
        workers: processes; the study's own number, or one per core, when not given.
        progress: ``auto``, ``plain`` or ``none``.

    Returns:
        What is also written to ``rows.json``; ``report.html`` lies beside it.

    Raises:
        NanoneuronsError: an impossible study, missing data, or a folder that cannot be used.
    """
    setup = study.setup()
    dataset = data.load(study.task)
    setup.rule.accept(setup.circuit)
    network = setup.rule.build_network(
        study.network, kind=setup.circuit.layers, circuit=setup.circuit, chips=None,
        shape=dataset.shape, classes=dataset.classes, seed=study.seed,
    )  # fmt: skip
    config = Config(study, dataset.sizes)
    folder = Path(out) if out is not None else Path("results") / study.folder_name()
    Store(folder, config.key()).claim("config.toml", _kept_beside(study).to_toml())
    if study.device.endswith(".toml"):
        write_atomic(folder / DEVICE, Path(study.device).expanduser().read_bytes())
    _retrain_if_lost(folder, config)
    images = len(task_for(dataset, setup).y_test)
    plan = _Plan(setup, images)
    done = run_jobs(plan.stages, run_condition, config, folder, workers or study.workers, reporter(progress))
    result = _assemble(study, setup, dataset, plan, done, network)
    write_json(folder / "rows.json", result)
    report.write(folder)
    return result


class _Plan:
    """Which conditions there are, which job computes each, and what follows from the first results."""

    def __init__(self, setup: Setup, images: int) -> None:
        self.setup = setup
        self.images = images
        names = [i.name for i in setup.circuit.imperfections()]
        wanted = ["ideal", "full", *(f"only:{n}" for n in names), *(f"without:{n}" for n in names)]
        self.labels = {"ideal": "ideal devices", "full": "full device", **uncertainty.labels(setup)}
        for found in setup.circuit.imperfections():
            self.labels[f"only:{found.name}"] = f"only {summary.label(found)}"
            self.labels[f"without:{found.name}"] = f"without {summary.label(found)}"
        self.jobs = summary.distinct(setup.circuit, [*wanted, *uncertainty.conditions(setup)], setup.drawn)
        self.curve: dict[float, str] = {}
        self.worst: dict[str, Any] | None = None
        first = [[TRAIN]] if not setup.rule.in_situ else []
        self.stages = [*first, list(dict.fromkeys(self.jobs.values())), self._sensitivity]

    def _sensitivity(self, results: dict[str, dict[str, Any]]) -> list[str]:
        circuit = self.setup.circuit
        tables = summary.tables_of(self.jobs, results, self.images)
        self.worst = summary.costliest(circuit, tables)
        if self.worst is None:
            return []
        name = self.worst["imperfection"]
        factors = summary.curve_factors(circuit, name, self.setup.factors)
        self.curve = summary.scaled_circuits(circuit, name, factors)
        known = dict(self.jobs)
        self.jobs = summary.distinct(circuit, [*known, *self.curve.values()], self.setup.drawn)
        for condition in self.curve.values():
            factor = condition.rpartition("@")[2]
            self.labels.setdefault(condition, f"{factor} × {self._label(name)}")
        return [job for job in dict.fromkeys(self.jobs.values()) if job not in known.values()]

    def _label(self, name: str) -> str:
        return self.labels[f"only:{name}"].removeprefix("only ")


def _assemble(
    study: Study,
    setup: Setup,
    dataset: data.Dataset,
    plan: _Plan,
    done: dict[str, dict[str, Any]],
    network: networks.FeedForward,
) -> dict[str, Any]:
    results = {job: entry["result"] for job, entry in done.items()}
    tables = summary.tables_of(plan.jobs, results, plan.images)
    rows = [summary.row(condition, plan.labels[condition], tables[condition]) for condition in plan.jobs]
    if TRAIN in results:
        software = summary.tables_of({TRAIN: TRAIN}, results, plan.images)[TRAIN]
        rows.insert(0, summary.row("software", "software network", software))
    needed = None
    if plan.worst is not None and len(plan.curve) > 1:
        curve = {factor: tables[condition] for factor, condition in plan.curve.items()}
        needed = summary.requirement(setup.circuit, plan.worst["imperfection"], curve, study.seed)
    full = results[plan.jobs["full"]]
    train, _ = dataset.sizes
    used = min(setup.train_samples or train, train)
    epochs, batch = setup.schedule(used)
    result = {
        "schema": SCHEMA,
        "kind": "audit",
        "headline": "",
        "study": {**study.model_dump(exclude={"workers"}), "key": study.key()},
        "used": {
            "circuit": setup.circuit_name,
            "rule": setup.rule_name,
            "epochs": epochs,
            "batch": batch,
            "network": _layout(network, study.network),
            "in_situ": setup.rule.in_situ,
            "train_samples": used,
            "test_samples": plan.images,
        },
        "environment": environment(),
        "about": _about(study.device, setup, dataset),
        "rows": rows,
        "fit": uncertainty.part(setup, tables),
        "costs": summary.costs(setup.circuit, tables),
        "costliest": plan.worst,
        "requirement": needed,
        "yield": summary.yield_curve(tables["full"].mean(1).tolist()),
        "energy": energy(
            setup.circuit, full, in_situ=setup.rule.in_situ, presented=used * epochs, passes=setup.rule.passes
        ),
        "modes": by_mode(setup.circuit, full.get("modes", {})),
        "beside": beside(setup.circuit, network.device_layers),
        "response": response(setup.circuit.device, study.seed),
        "neuron": neuron(setup.circuit, study.seed),
        "history": {condition: results[job].get("history", []) for condition, job in plan.jobs.items()},
        "seconds": {job: entry["seconds"] for job, entry in done.items()},
    }
    _attribute(result, setup)
    result["headline"] = headline(result)
    names = {job: plan.labels[condition] for condition, job in reversed(plan.jobs.items())} | {TRAIN: "software"}
    said = [*setup.circuit.remarks(), *setup.rule.remarks(network, full.get("history", []))]
    if "measured" in full:
        said[:0] = network.remarks(full["measured"])  # type: ignore[operator]
    fit = result.get("fit")
    fitted = uncertainty.notes(fit) if fit else []
    result["notes"] = [*warned(results, names, "conditions"), *notes(result), *fitted, *said]
    return result


def _kept_beside(study: Study) -> Study:
    """The study as the folder of results keeps it: a device file lies there too, so that the folder can be moved."""
    return study.model_copy(update={"device": DEVICE}) if study.device.endswith(".toml") else study


def _attribute(result: dict[str, Any], setup: Setup) -> None:
    """Say of every parameter of a device file where it comes from, which is not where the default does."""
    names = setup.circuit.device.values()
    listed = [result["about"]["device"]["parameters"], *(cost["parameters"] for cost in result["costs"])]
    if result["requirement"] is not None:
        listed.append(result["requirement"]["parameters"])
    for p in (p for parameters in listed for p in parameters if p["name"] in names):
        p["source"], p["verified"] = uncertainty.attributed(setup, p["name"], p["source"], p["verified"])


def environment() -> dict[str, str]:
    """Versions that decide the numbers."""
    return {
        "nanoneurons": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _about(spec: str, setup: Setup, dataset: data.Dataset) -> dict[str, Any]:
    """Titles, sources and limits of everything that was used."""
    device, circuit, rule = setup.circuit.device, setup.circuit, setup.rule
    name, _, chosen = (setup.file.name if setup.file else spec).partition(":")
    preset = devices.presets(name).get(chosen, {}) if chosen and name in devices.catalogue else {}
    return {
        "device": {
            "title": preset.get("title") or device.title,
            "family": device.title,
            "source": preset.get("source", "") if setup.file is None else "",
            "verified": preset.get("verified", True),
            "file": _about_file(spec, setup),
            "citation": device.citation,
            "not_modelled": device.not_modelled,
            "parameters": _declared(device),
        },
        "circuit": {"title": circuit.title, "parameters": _declared(circuit)},
        **_other_parts(circuit),
        "rule": {
            "title": rule.title,
            "citation": rule.citation,
            "local": rule.local,
            "parameters": _declared(rule),
        },
        "task": {
            "name": dataset.name,
            "title": dataset.title,
            "citation": dataset.citation,
            "licence": dataset.licence,
            "notice": dataset.notice,
            "train": dataset.sizes[0],
            "test": dataset.sizes[1],
            "classes": dataset.classes,
        },
    }


def _about_file(spec: str, setup: Setup) -> dict[str, Any] | None:
    """The device file and the measurements it comes from."""
    file = setup.file
    if file is None:
        return None
    return {"name": Path(spec).name, "notes": list(file.notes), "origin": [dataclasses.asdict(s) for s in file.origin]}


def _other_parts(circuit: Circuit) -> dict[str, Any]:
    """What a circuit is built of besides its device, by the word before its parameters: ``neuron``."""
    return {
        prefix.rstrip("_"): {"title": getattr(part, "title", ""), "parameters": _declared(part)}
        for prefix, part in circuit.parts().items()
        if prefix
    }


def _declared(owner: Any) -> list[dict[str, Any]]:
    fields = ("name", "doc", "unit", "source", "verified", "imperfection", "ideal")
    return [{**{f: getattr(p, f) for f in fields}, "value": getattr(owner, p.name)} for p in owner.parameters()]


def _layout(network: networks.FeedForward, spec: str) -> str:
    """The description of the network, with ``auto`` written out, or what the network says of itself."""
    if hasattr(network, "layout"):
        return network.layout  # type: ignore[return-value]
    layers = network.device_layers
    if spec != "auto" or not layers:
        return spec
    return "-".join(str(n) for n in (layers[0].weight.shape[1], *(layer.weight.shape[0] for layer in layers)))


def _retrain_if_lost(folder: Path, config: Config) -> None:
    """Forget a stored training whose weights are missing or damaged; training again gives the same."""
    store = Store(folder, config.key())
    trained = store.load(TRAIN)
    if trained is not None and not weights_intact(trained["result"], folder):
        store.path(TRAIN).unlink()
