"""The trainings of a design study: accuracy of a small network of resonators at one damping, crowding and spread."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from nanoneurons import data, learning, networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import StudyError
from nanoneurons.core.random import generator_for

from .chips import answers
from .study import Study

__all__ = ["Condition", "Runs", "circuit_of", "merged", "run_condition"]


@dataclass(frozen=True)
class Condition:
    """One point of the study; `spread` and the `twin` of training are None where nothing is fabricated."""

    tones: int
    damping: float
    crosstalk: int = 1
    spread: float | None = None
    twin: str | None = None

    @property
    def job(self) -> str:
        """Its name in the folder of results."""
        text = f"tones:{self.tones} damping:{self.damping!r}"
        if self.spread is None:
            return f"{text} crosstalk:{self.crosstalk}"
        return f"{text} spread:{self.spread!r} twin:{self.twin}"

    @classmethod
    def of(cls, job: str) -> Condition:
        """The condition that a job's name stands for."""
        found = dict(re.findall(r"(\w+):(\S+)", job))
        spread = float(found["spread"]) if "spread" in found else None
        return cls(
            int(found["tones"]), float(found["damping"]), int(found.get("crosstalk", 1)), spread, found.get("twin")
        )


@dataclass(frozen=True)
class Runs:
    """What every training of one design study shares.

    Attributes:
        line_power: mean power in W of all tones together; None for the circuit's full power per input.
        sizes: of the data set as loaded.
    """

    ideal: Study
    chip: Study
    hidden: int
    line_power: float | None
    seeds: int
    sizes: tuple[int, int]

    def key(self) -> str:
        """Hash that stored rows are bound to."""
        content = [self.ideal.canonical(), self.chip.canonical(), self.hidden, self.line_power, self.seeds, self.sizes]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def run_condition(runs: Runs, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train and test at one condition: seeds one by one, or chips side by side where resonances have a spread."""
    condition = Condition.of(job)
    dataset = data.load(runs.ideal.task)
    x, y = merged(dataset.x_train, condition.tones), dataset.y_train
    test = merged(dataset.x_test, condition.tones)
    study = runs.ideal
    if condition.twin is not None:
        study = runs.chip.with_values(rule_parameters={"twin": condition.twin})
    setup = study.setup()
    circuit = circuit_of(setup.circuit, condition)
    if runs.line_power is not None:
        circuit = dataclasses.replace(circuit, full_power=runs.line_power / float(x.sum(1).mean()))
    middle = [runs.hidden] if runs.hidden else []
    spec = "-".join(str(n) for n in (condition.tones, *middle, dataset.classes))
    epochs, batch = setup.schedule(len(x))
    chips = None if condition.spread is None else study.chips
    seeds = range(study.seed, study.seed + (runs.seeds if chips is None else 1))
    tables = []
    for done, seed in enumerate(seeds):
        network = networks.build(
            spec, kind="rf", circuit=circuit, chips=chips, shape=(condition.tones,), classes=dataset.classes, seed=seed
        )
        if chips is not None:
            network.program_initial(generator_for(seed, "chips"))
        learning.fit(
            network, setup.rule, x, y, epochs=epochs, batch=batch, seed=seed,
            progress=lambda share, text="", done=done: progress((done + 0.98 * share) / len(seeds), text),
        )  # fmt: skip
        tables.append(answers(network, test, dataset.y_test))
    right = np.concatenate(tables)
    return {"accuracy": right.mean(1).tolist(), "correct": base64.b64encode(np.packbits(right).tobytes()).decode()}


def merged(x: torch.Tensor, tones: int) -> torch.Tensor:
    """Samples with fewer inputs, ``(samples, tones)``: means of neighbouring inputs, scaled to the same total power.

    Images are merged in both directions when `tones` is a square, anything else along its one axis.

    Raises:
        StudyError: more tones than inputs.
    """
    inputs = math.prod(x.shape[1:])
    if tones > inputs:
        raise StudyError(f"{tones} tones, but a sample of this task has {inputs} inputs; ask for {inputs} or fewer")
    if tones == inputs:
        return x.flatten(1)
    side = math.isqrt(tones)
    if x.dim() == 4 and x.shape[1] == 1 and side * side == tones and side <= min(x.shape[2:]):
        found = F.adaptive_avg_pool2d(x, side).flatten(1)
    else:
        found = F.adaptive_avg_pool1d(x.flatten(1).unsqueeze(1), tones).squeeze(1)
    return found * (inputs / tones)


def circuit_of(base: Any, condition: Condition) -> RfChain:
    """Chains without any imperfection but crosstalk and the spread of resonances; the first shifts scale with lines.

    Raises:
        ParameterError: a damping or spread that the device cannot have.
    """
    assert isinstance(base, RfChain)
    ideal = base.only("crosstalk")
    device = ideal.device.replace(damping=condition.damping, resonance_spread=condition.spread or 0.0)
    shift = base.initial_shift * condition.damping / base.device.nominal_damping
    return dataclasses.replace(
        ideal, device=device, crosstalk=float(condition.crosstalk), initial_shift=min(shift, 1.0)
    )
