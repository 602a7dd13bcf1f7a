"""From an audit, a study or a saved machine to files of another format, with the checks that the format offers."""

from __future__ import annotations

import dataclasses
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nanoneurons import data
from nanoneurons.core.errors import NanoneuronsError, RefusedError, StoreError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.machines import export as formats
from nanoneurons.machines.export import Exporter, Synthesis
from nanoneurons.networks.bayesian_machine import BayesianMachine

from . import chips
from .audit import DEVICE
from .progress import Kind, reporter
from .runner import one_thread
from .store import Store
from .study import Study

__all__ = ["Source", "load", "run"]

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Source:
    """A network to export.

    Attributes:
        network: in software, or with the chips of an audit.
        chip: which of its chips, or None.
        seed: seed of random test vectors.
        observed: test samples as the network's logic sees them, or None.
    """

    network: Any
    chip: int | None = None
    seed: int = 0
    observed: np.ndarray | None = None


def run(
    source: str | Path, format: str, out: str | Path, *, chip: int | None = None, vectors: int = 100,
    simulate: bool = False, synthesise: bool = False, progress: Kind = "none",
) -> dict[str, Any]:  # fmt: skip
    """Export a network, then simulate and synthesise it if asked.

    Args:
        source: folder of an audit, a study file (trained on the spot), or a saved machine.
        format: name in the catalogue of formats.
        out: folder for the files.
        chip: chip of the full device, from 0; None for the network in software.
        vectors: inputs with expected answers for the bench.

    Returns:
        Plain values: ``format``, ``folder``, ``files``, ``machine``, ``simulation`` and ``synthesis`` (or None).

    Raises:
        NanoneuronsError: a source that cannot be read or exported, a tool that is missing, a folder that is taken.
    """
    exporter = formats.get(format)
    exporter.require(out, vectors=vectors, simulate=simulate, synthesise=synthesise)
    jobs = ["machine", "files", *(["simulation"] if simulate else []), *(["synthesis"] if synthesise else [])]
    report = reporter(progress)

    def timed(job: str, work: Callable[[], Found]) -> Found:
        report.started(job)
        begin = time.monotonic()
        found = work()
        report.finished(job, time.monotonic() - begin)
        return found

    try:
        report.plan(jobs, 0)
        with one_thread():
            given = timed("machine", lambda: load(source, exporter, chip))
            written = timed(
                "files",
                lambda: exporter.export(
                    given.network, out, chip=given.chip, vectors=vectors, seed=given.seed, observed=given.observed
                ),
            )
        said = timed("simulation", written.simulate) if simulate else None
        cells = timed("synthesis", written.synthesise) if synthesise else None
    finally:
        report.close()
    return {
        "format": format,
        "folder": str(written.folder),
        "files": written.files,
        "machine": written.about,
        "simulation": None if said is None else dataclasses.asdict(said),
        "synthesis": None if cells is None else _cells(cells),
    }


def _cells(found: Synthesis) -> dict[str, Any]:
    return {**dataclasses.asdict(found), "gates": found.gates, "flip_flops": found.flip_flops}


def load(source: str | Path, exporter: Exporter, chip: int | None = None) -> Source:
    """The network behind a source, refused before it is trained if the exporter cannot describe it."""
    path = Path(source)
    if path.is_dir():
        return _of_audit(path, exporter, chip)
    if path.suffix == ".toml":
        return _of_study(Study.load(path), exporter, chip, None)
    if path.suffix == ".safetensors":
        machine = BayesianMachine.load(path)
        exporter.accept(machine)
        machine.one_chip(chip)  # refuses a chip that there is not
        return Source(machine, chip)
    raise StudyError(
        f"{path} is nothing to export; give the folder of an audit, a study (.toml) or a saved machine (.safetensors)"
    )


def _of_audit(folder: Path, exporter: Exporter, chip: int | None) -> Source:
    file = folder / "config.toml"
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no config.toml; give the folder of an audit, a study or a machine") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StoreError(f"{file} cannot be read ({error}); start the audit again") from None
    try:
        if values.get("device") == DEVICE:  # the audit keeps a device file in its folder
            values["device"] = str(folder / DEVICE)
        study = Study(**values)
    except NanoneuronsError as error:
        raise type(error)(f"{file} is not the study of an audit that can be exported: {error}") from None
    key = re.match(r"# key ([0-9a-f]{12})\n", text)
    return _of_study(study, exporter, chip, folder, key and key[1])


def _of_study(
    study: Study, exporter: Exporter, chip: int | None, folder: Path | None, key: str | None = None
) -> Source:
    """Train in software, or take the weights in `folder`; then fabricate the chips as the audit does."""
    setup = study.setup()
    setup.rule.accept(setup.circuit)
    dataset = data.load(study.task)
    task = chips.task_for(dataset, setup)
    network = chips.software(study, setup, task)
    exporter.accept(network)
    if setup.rule.in_situ:
        raise RefusedError("the rule learns on its chips, so there is no network in software to export; audit another")
    if chip is not None and not 0 <= chip < study.chips:
        raise StudyError(f"the study has {study.chips} chips, so there is no chip {chip} (0 to {study.chips - 1})")
    if folder is None:
        chips.fit(network, study, setup, task)
    else:
        config = chips.Config(study, dataset.sizes)
        if key is not None and key != config.key():
            raise StoreError(f"{folder} is an audit with other data or by another version; start the audit again")
        row = Store(folder, config.key()).load(chips.TRAIN)
        if row is not None and not chips.weights_intact(row["result"], folder):
            raise StoreError(f"{folder / chips.WEIGHTS} is not what the audit wrote; start the audit again")
        chips.load_software(network, folder)
    observe = getattr(network, "observe", None)
    observed = None if observe is None else observe(task.x_test)
    if chip is not None:
        circuit = chips.circuit_for(setup.circuit, "full")
        network = chips.programmed(study, setup, task, circuit, network)
        if circuit.sensed:
            network.refresh(generator_for(study.seed, "test"))  # what the first test batch saw
    return Source(network, chip, study.seed, observed)
