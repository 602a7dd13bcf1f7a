"""One condition of an audit: fabricate the chips, train or program them, test them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from nanoneurons import data, learning
from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError, StoreError
from nanoneurons.core.files import write_atomic
from nanoneurons.core.random import generator_for
from nanoneurons.networks.packed import PackedNetwork

from .setup import Setup
from .study import Study

__all__ = [
    "TRAIN",
    "WEIGHTS",
    "Config",
    "Task",
    "answers",
    "circuit_for",
    "fit",
    "load_software",
    "programmed",
    "run",
    "software",
    "task_for",
    "weights_intact",
]

TRAIN = "train"
WEIGHTS = "software.safetensors"
SEEN = 500  # samples that tell the mean powers of a network


@dataclass(frozen=True)
class Config:
    """A study together with what the data set turned out to be (a reduced MNIST is another study)."""

    study: Study
    sizes: tuple[int, int]

    def key(self) -> str:
        """Hash that stored rows are bound to."""
        return hashlib.sha256(f"{self.study.key()} {self.sizes}".encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Task:
    """The samples an audit uses, and the shape of the problem."""

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    shape: tuple[int, ...]
    classes: int


def task_for(dataset: data.Dataset, setup: Setup) -> Task:
    """The training and test samples, limited as the study says to a fixed random choice."""
    train = _some(len(dataset.x_train), setup.train_samples, "train")
    test = _some(len(dataset.x_test), setup.test_samples, "test")
    parts = (dataset.x_train[train], dataset.y_train[train], dataset.x_test[test], dataset.y_test[test])
    return Task(*parts, dataset.shape, dataset.classes)


def _some(available: int, limit: int | None, part: str) -> slice | torch.Tensor:
    if limit is None or limit >= available:
        return slice(None)
    return torch.randperm(available, generator=generator_for(0, "subset", part))[:limit]


def circuit_for(circuit: Circuit, condition: str, drawn: Sequence[Circuit] = ()) -> Circuit:
    """The circuit under a condition: ``ideal``, ``full``, ``only:x``, ``without:x``, ``scale:x@0.25`` or ``fit:3``.

    Args:
        drawn: the circuit with devices as their fit allows them, by the number of the condition.
    """
    kind, _, name = condition.partition(":")
    if kind == "ideal":
        return circuit.only()
    if kind == "full":
        return circuit
    if kind == "only":
        return circuit.only(name)
    if kind == "without":
        return circuit.without(name)
    if kind == "scale":
        name, _, factor = name.partition("@")
        return circuit.scaled(name, float(factor))
    if kind == "fit":
        return drawn[int(name)]
    raise ValueError(f"unknown condition {condition!r}")


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Compute one row of an audit; every random stream belongs to the study's seed, none to the worker.

    All conditions draw their chips, mini-batches and noise from the same streams (common random numbers), so
    that the difference of two conditions is the imperfection's doing and not the luck of the draw.
    """
    study, setup = config.study, config.study.setup()
    task = task_for(data.load(study.task), setup)
    if job == TRAIN:
        return _train_software(study, setup, task, folder, progress)
    circuit = circuit_for(setup.circuit, job, setup.drawn)
    history: list[dict[str, Any]] = []
    if setup.rule.in_situ:
        network = _network(study, setup, task, circuit, study.chips)
        network.program_initial(generator_for(study.seed, "chips"))
        history = fit(network, study, setup, task, progress)
    else:
        source = _designed(study, setup, task, circuit)
        if circuit.layers == "rf":  # what is known of the line belongs to the design, so each condition has its own
            history = fit(source, study, setup, task, progress)
        else:
            load_software(source, folder)
        network = programmed(study, setup, task, circuit, source)
    progress(0.99, "testing")
    noise = generator_for(study.seed, "test") if circuit.sensed else None
    right = answers(network, task.x_test, task.y_test, noise)
    pulses = sum(layer.pulses_applied for layer in network.device_layers) / study.chips
    seen = task.x_test[:SEEN] if circuit.layers in ("rf", "likelihood") else None  # the energy depends on the inputs
    return {
        "accuracy": right.mean(1).tolist(),
        "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
        "history": history,
        "pulses_per_chip": float(pulses),
        "inference": dict(network.inference_counts(seen).events),
        **_told_by(network, seen),
        "learning": dict(setup.rule.learning_counts(network, seen).events) if setup.rule.in_situ else {},
    }


def _told_by(network: Any, seen: torch.Tensor | None) -> dict[str, Any]:
    """What a network can tell besides its answers: events in each of its modes, and what it measures of itself."""
    found: dict[str, Any] = {}
    if hasattr(network, "counts_by_mode"):
        found["modes"] = {mode: dict(counts.events) for mode, counts in network.counts_by_mode(seen).items()}
    if hasattr(network, "measured"):
        found["measured"] = network.measured(seen)
    return found


def correct_table(result: dict[str, Any], images: int) -> np.ndarray:
    """Right and wrong answers of a stored row, bool, shape ``(chips, images)``."""
    chips = len(result["accuracy"])
    bits = np.frombuffer(base64.b64decode(result["correct"]), np.uint8)
    return np.unpackbits(bits, count=chips * images).reshape(chips, images).astype(bool)


@torch.no_grad()
def answers(
    network: torch.nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    noise: torch.Generator | None = None,
    batch: int = 1000,
) -> np.ndarray:
    """Right and wrong answers, bool, shape ``(chips, images)``.

    Args:
        noise: generator of read errors of binary weights, which are sensed anew for every batch (analogue
            layers draw their read noise at every product by themselves).
    """
    network.eval()
    forward = _fast(network)
    parts = []
    for start in range(0, len(x), batch):
        if noise is not None:
            network.refresh(noise)
            forward = _fast(network)
        output = forward(x[start : start + batch])
        hits = output.argmax(-1) == y[start : start + batch]
        parts.append(hits.reshape(-1, hits.shape[-1]))
    return torch.cat(parts, 1).numpy()


def _fast(network: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The bit-packed form of a network that has one (dense and binary), bit-exact; else the network itself."""
    try:
        return PackedNetwork.from_network(network)
    except RefusedError:
        return network


def _network(study: Study, setup: Setup, task: Task, circuit: Circuit | None, chips: int | None) -> Any:
    return setup.rule.build_network(
        study.network,
        kind=setup.circuit.layers,
        circuit=circuit,
        chips=chips,
        shape=task.shape,
        classes=task.classes,
        seed=study.seed,
    )


def _designed(study: Study, setup: Setup, task: Task, circuit: Circuit) -> Any:
    """The network before fabrication: software, or nominal resonators, which need their circuit to mean anything."""
    return _network(study, setup, task, circuit if circuit.layers == "rf" else None, None)


def software(study: Study, setup: Setup, task: Task) -> Any:
    """The study's network before fabrication, not trained yet."""
    return _designed(study, setup, task, setup.circuit)


def programmed(study: Study, setup: Setup, task: Task, circuit: Circuit, source: Any) -> Any:
    """The study's chips with the content of `source`."""
    network = _network(study, setup, task, circuit, study.chips)
    network.fabricate(generator_for(study.seed, "chips"))
    network.program(source, generator_for(study.seed, "program"))
    return network


def fit(
    network: Any, study: Study, setup: Setup, task: Task, progress: Callable[[float, str], None] | None = None
) -> list[dict[str, Any]]:
    """Train a network as the study says."""
    epochs, batch = setup.schedule(len(task.x_train))
    return learning.fit(
        network,
        setup.rule,
        task.x_train,
        task.y_train,
        epochs=epochs,
        batch=batch,
        seed=study.seed,
        progress=None if progress is None else lambda share, text="": progress(0.98 * share, text),
    )


def _train_software(study: Study, setup: Setup, task: Task, folder: Path, progress) -> dict[str, Any]:
    """Train the network in software and keep its weights beside the rows."""
    network = software(study, setup, task)
    history = fit(network, study, setup, task, progress)
    content = safetensors.torch.save({k: v.contiguous() for k, v in network.state_dict().items()})
    write_atomic(folder / WEIGHTS, content)
    right = answers(network, task.x_test, task.y_test)
    return {
        "accuracy": right.mean(1).tolist(),
        "correct": base64.b64encode(np.packbits(right).tobytes()).decode(),
        "history": history,
        "weights": hashlib.sha256(content).hexdigest(),
    }


def weights_intact(result: dict[str, Any], folder: Path) -> bool:
    """Whether the stored software weights are the ones that a stored training row speaks of."""
    try:
        content = (folder / WEIGHTS).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content).hexdigest() == result.get("weights")


def load_software(network: Any, folder: Path) -> None:
    """Put the software weights kept in `folder` into a network of the same layout.

    Raises:
        StoreError: there are none, or they belong to another network.
    """
    try:
        network.load_state_dict(safetensors.torch.load((folder / WEIGHTS).read_bytes()))
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise StoreError(f"{folder / WEIGHTS} cannot be read ({said}); start the audit again") from error
