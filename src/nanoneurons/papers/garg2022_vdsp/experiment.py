"""Digits learnt without labels by voltage-dependent synaptic plasticity (Garg et al. 2022).

1. 784 inputs and 100, 400 or 500 competing neurons on MNIST with the settings of the authors' program. It drives the
   trained network 200 times harder while neurons are labelled and tested than while they learn (a factor 1/step is
   there in one place and not in the other); the published accuracies are those of that drive. The same weights are also
   read with the drive of the training, as a circuit would, with twice that drive, and by other read-outs.
2. The rule against one of spike times when the frequency of the inputs changes: both learn and are tested at every
   frequency with the constants that suit them best at the published one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons.core.errors import ParameterError
from nanoneurons.learning.vdsp import VDSP
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _frequency, _memristors, _sizes

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Voltage-dependent synaptic plasticity: digits learnt without labels"
CITATION = VDSP.citation

_PARTS = {"size": _sizes, "frequency": _frequency, "memristor": _memristors}


@dataclass(frozen=True)
class Config:
    """Settings; the network is that of the authors' program.

    Learning rates and epochs are not recorded for the published accuracies; ours were chosen on the last 10,000
    training digits. Those of 100 neurons are the best of four by the mean of three seeds, within the error of the next
    (6e-4 and five epochs, 3e-4 and ten).

    Attributes:
        extra_seeds: seeds of the smallest size beyond `seeds`; it takes least time and differs most from seed to seed.
        neurons, rates, finals, epochs: sizes of the network, with the learning rate of each, what is left of it at the
            end (it falls geometrically), and the passes.
        released_gain: factor of the drive in labelling and testing in the authors' program; `physical_gain` that of the
            row in between.
        train_samples, test_samples: digits used, 0 for all; `label_samples` those that label the neurons where the
            drive is not the released one (with the released one, all training digits).
        frequency_scales: what the frequency of the inputs is multiplied by; `frequency_samples` digits are shown once.
        memristor_neurons: competing neurons of the three memristors.
        vdsp_rate, stdp_up, stdp_down, stdp_window: the two rules in that comparison, chosen at the published frequency.
    """

    seeds: int = 3
    extra_seeds: int = 2
    first_seed: int = 0
    neurons: tuple[int, ...] = (100, 400, 500)
    rates: tuple[float, ...] = (4e-4, 1.2e-3, 1.2e-3)
    finals: tuple[float, ...] = (1.0, 1.0, 1.0)
    epochs: tuple[int, ...] = (8, 3, 3)
    released_gain: float = 200.0
    physical_gain: float = 2.0
    train_samples: int = 0
    label_samples: int = 10000
    test_samples: int = 0
    frequency_neurons: int = 50
    frequency_samples: int = 5000
    frequency_scales: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0)
    memristor_neurons: int = 200
    vdsp_rate: float = 0.01
    stdp_up: float = 0.01
    stdp_down: float = 0.01
    stdp_window: float = 0.02

    def __post_init__(self) -> None:
        at_least(self, seeds=1, neurons=1, epochs=1, label_samples=1, frequency_neurons=1, frequency_samples=1)
        at_least(self, memristor_neurons=1, extra_seeds=0)
        at_least(self, rates=1e-9, finals=1e-6, released_gain=1e-3, physical_gain=1e-3, frequency_scales=0.01)
        counts = [len(getattr(self, name)) for name in ("neurons", "rates", "finals", "epochs")]
        if len(set(counts)) > 1:
            found = ", ".join(map(str, counts))
            raise ParameterError(f"settings neurons, rates, finals and epochs need as many values each, not {found}")


QUICK = Config(
    seeds=1, extra_seeds=0, neurons=(20,), rates=(4e-3,), finals=(1.0,), epochs=(1,), train_samples=2000,
    label_samples=1000, test_samples=500,
    frequency_neurons=20, frequency_samples=1000, frequency_scales=(0.25, 1.0),
    memristor_neurons=20,
)  # fmt: skip


def jobs(config: Config) -> list[list[str]]:
    """One stage: per seed every size, both rules at every frequency, and the memristors; more seeds of the smallest."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    stage = [f"{part}/{job}/seed{s}" for s in seeds for part, module in _PARTS.items() for job in module.jobs(config)]
    smallest = min(config.neurons)
    more = _sizes.seeds_of(config, smallest)[config.seeds :]
    return [stage + [f"size/{smallest}/seed{s}" for s in more]]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    part, *what, seed = job.split("/")
    return _PARTS[part].run(config, what, int(seed.removeprefix("seed")), progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracies by size, drive and read-out, and what a change of the frequency costs each rule."""
    return [row for module in _PARTS.values() for row in module.quantities(config, results)]


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Accuracy against neurons, receptive fields, accuracy against frequency."""
    return [figure for module in _PARTS.values() for figure in module.figures(config, results)]
