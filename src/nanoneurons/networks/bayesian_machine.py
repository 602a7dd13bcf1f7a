r"""The Bayesian machine: features become observations, memory gives their likelihoods, logic multiplies them.

.. math:: \hat y = \arg\max_y\; p(y) \prod_i p(o_i \mid y)

Source: Harabi et al., Nature Electronics 6, 52 (2023); Turck et al., Communications Engineering 4, 35 (2025).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.circuits._bayesian_energy import decision_counts
from nanoneurons.circuits._bayesian_logic import MISSING, MODES, BayesianLogic, Decision
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import draw_key, generator_for
from nanoneurons.layers.likelihoods import LikelihoodMemory

from . import _bayesian_file

__all__ = ["BayesianMachine"]

SERIOUS = 1e-3  # share of wrong bits beyond which their cause is worth a word


class BayesianMachine(nn.Module):
    """A row per hypothesis, a column per observation, a table of likelihoods where they meet.

    An input feature that is NaN is a missing observation. The machine's content is in buffers, so that
    ``state_dict()`` is the machine, and with a circuit the chip.

    Args:
        features: inputs of a sample.
        rows: hypotheses.
        columns: features used, at most `features`.
        bins: values an observation can take: words of a block.
        logic: random numbers, cycles and mode; one column more than `columns` when there is a prior.
        prior: whether column 0 holds the prior.
        circuit: circuit of the memory; None for software.
        chips: chips side by side, or None.
        seed: seed of the upsets.

    Attributes:
        chosen: feature behind each column, int64, ``(columns,)``.
        edges: limits between bins, ascending, float64, ``(columns, bins - 1)``; a value on a limit belongs above it.
        bit_errors: share of the bits that were read otherwise than written, right after `program`.
    """

    chosen: torch.Tensor
    edges: torch.Tensor

    def __init__(
        self, features: int, rows: int, columns: int, bins: int, *, logic: BayesianLogic, prior: bool = False,
        circuit: Circuit | None = None, chips: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 1 <= columns <= features:
            raise ParameterError(f"columns must be 1 to the {features} features there are, not {columns}")
        if bins < 2:
            raise ParameterError(f"an observation needs at least 2 bins, not {bins}")
        if logic.columns != columns + prior:
            raise ParameterError(f"the logic has {logic.columns} columns, the machine {columns + prior}")
        self.features, self.prior, self.logic, self.chips = features, prior, logic, chips
        self.memory = LikelihoodMemory(rows, columns + prior, bins, circuit=circuit, chips=chips)
        self.register_buffer("chosen", torch.arange(columns))
        self.register_buffer("edges", torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1].repeat(columns, 1))
        self.upsets = generator_for(seed, "upsets")
        self.bit_errors = 0.0

    # -- content ----------------------------------------------------------------------------------------

    @torch.no_grad()
    def store(self, chosen: np.ndarray, edges: np.ndarray, words: np.ndarray) -> None:
        """Put feature numbers, limits of bins and words ``(*chips, rows, columns, bins)`` into a software machine.

        Raises:
            ParameterError: the words, limits or features are not as many as the machine holds.
        """
        held = (self.memory.rows, self.memory.columns, self.memory.bins)
        all_held = held if self.chips is None else (self.chips, *held)
        for what, given, fits in (
            ("words", words, all_held), ("limits of bins", edges, tuple(self.edges.shape)),
            ("feature numbers", chosen, tuple(self.chosen.shape)),
        ):  # fmt: skip
            if np.shape(given) != fits:
                raise ParameterError(
                    f"{what} of shape {np.shape(given)}, but the machine ({held[0]} hypotheses, {held[1]} columns, "
                    f"{held[2]} bins) takes {fits}"
                )
        self.chosen.copy_(torch.as_tensor(chosen))
        self.edges.copy_(torch.as_tensor(edges))
        self.memory.write(words)

    @property
    def device_layers(self) -> list[LikelihoodMemory]:
        """The memory."""
        return [self.memory]

    @property
    def device_modules(self) -> list[LikelihoodMemory]:
        """The memory."""
        return [self.memory]

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices."""
        self.memory.fabricate(generator)

    def program(self, source: BayesianMachine, generator: torch.Generator) -> None:
        """Write the content of another machine of the same layout into this one's devices."""
        self.chosen.copy_(source.chosen)
        self.edges.copy_(source.edges)
        wanted = source.memory.weight.expand(self.memory.weight.shape)
        self.memory.program(wanted, generator)
        self.bit_errors = float((self.memory.weight != wanted).float().mean())

    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read the memory anew."""
        self.memory.refresh(generator)

    def one_chip(self, chip: int | None) -> Self:
        """A software machine with the words that a chip held when it was read last.

        Raises:
            ParameterError: no such chip, or chips side by side and none was chosen.
        """
        words = self.memory.words()
        if self.chips is None:
            if chip is not None:
                raise ParameterError(f"there is no chip {chip}: the machine is in software; leave the chip out")
            own = words
        elif chip is None or not 0 <= chip < self.chips:
            asked = "say which" if chip is None else f"there is no chip {chip}"
            raise ParameterError(f"the machine has {self.chips} chips; {asked} (0 to {self.chips - 1})")
        else:
            own = words[chip]
        return self._software(own)

    def save(self, path: str | Path) -> Path:
        """Write the machine as safetensors, whole or not at all: words as read last, limits, cycles, mode, seeds.

        Devices are not kept: a machine with errors of reading comes back as software that has these errors.
        """
        tensors = {"words": self.memory.words(), "chosen": self.chosen.numpy(), "edges": self.edges.numpy()}
        return _bayesian_file.write(path, tensors, self.logic, self.features, self.prior)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A software machine from a file of `save`.

        Raises:
            StoreError: no such file, or not a whole and sound machine.
        """
        tensors, logic, features, prior = _bayesian_file.read(path)
        return cls._with(tensors, logic, features, prior)

    def _software(self, words: np.ndarray) -> Self:
        tensors = {"words": words, "chosen": self.chosen.numpy(), "edges": self.edges.numpy()}
        return self._with(tensors, self.logic, self.features, self.prior)

    @classmethod
    def _with(cls, tensors: dict[str, np.ndarray], logic: BayesianLogic, features: int, prior: bool) -> Self:
        words = tensors["words"]
        rows, columns, bins = words.shape[-3:]
        chips = words.shape[0] if words.ndim > 3 else None
        machine = cls(features, rows, columns - prior, bins, logic=logic, prior=prior, chips=chips)
        machine.store(tensors["chosen"], tensors["edges"], words)
        return machine

    # -- use ----------------------------------------------------------------------------------------------

    def observe(self, x: torch.Tensor) -> np.ndarray:
        """Bins of the chosen features, int32, ``(batch, columns)``, the prior's column included; -1 where NaN."""
        values = x.flatten(1)[:, self.chosen].to(torch.float64).T.contiguous()
        bins = torch.searchsorted(self.edges, values, right=True, out_int32=True)
        seen = torch.where(values.isnan(), MISSING, bins).T
        if self.prior:
            seen = torch.cat([torch.zeros_like(seen[:, :1]), seen], 1)
        return seen.numpy()

    def decide(self, x: torch.Tensor) -> Decision:
        """Run the machine on inputs ``(batch, *shape)``."""
        return self.decide_observed(self.observe(x))

    def decide_observed(self, observed: np.ndarray) -> Decision:
        """Run the machine on bins ``(batch, columns)``."""
        rate = getattr(self.memory.circuit, "upset_rate", 0.0) if self.memory.fabricated else 0.0
        key = draw_key(self.upsets) if rate else 0
        return self.logic.decide(self.memory.words(), observed, rate, key)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores whose largest is the decision, float32, ``(*chips, batch, rows)``: counts, or 255 less the sums."""
        decision = self.decide(x)
        scores = decision.counts.astype(np.float32)
        if self.logic.mode == "logarithmic":
            scores = 255 - scores
        np.put_along_axis(scores, decision.winner[..., None].astype(np.int64), scores.max(-1, keepdims=True) + 0.5, -1)
        return torch.from_numpy(scores)

    # -- what a decision takes -----------------------------------------------------------------------------

    @property
    def layout(self) -> str:
        """The machine's size in words."""
        return f"{self.memory.rows} hypotheses × {self.memory.columns} observations × {self.memory.bins} bins"

    @torch.no_grad()
    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of one decision on one chip; with samples `x`, means over them and the chips, else the most."""
        return self._events(self.logic, x)

    @torch.no_grad()
    def counts_by_mode(self, x: torch.Tensor) -> dict[str, Counts]:
        """Events of one decision in the machine's own mode and in those that its words also serve, means over `x`.

        Stored likelihoods serve both stochastic modes, and as many logarithms take what their number says; of stored
        logarithms no stochastic mode can be told.
        """
        modes = (self.logic.mode,) if self.logic.mode == "logarithmic" else MODES
        ones = {mode: self.logic.ones if mode == self.logic.mode else 1 for mode in modes}
        return {mode: self._events(dataclasses.replace(self.logic, mode=mode, ones=ones[mode]), x) for mode in modes}

    def _events(self, logic: BayesianLogic, x: torch.Tensor | None) -> Counts:
        cycles, ones = float(logic.length), None
        if x is not None and logic.mode != "logarithmic":
            found = logic.decide(self.memory.words(), self.observe(x))
            cycles, ones = float(found.cycle.mean()), float(found.counts.sum(-1).mean())
        mode = "full" if logic.ones > 1 else logic.mode  # as many counters, and the largest of them
        events = decision_counts(mode, self.memory.rows, self.memory.columns, cycles, ones)
        return self.memory.counts() + events

    @torch.no_grad()
    def measured(self, x: torch.Tensor) -> dict[str, float]:
        """Mean cycles of a decision, share of samples for which no row could be chosen, share of wrong bits."""
        found = self.decide(x)
        cycles, undecided = float(found.cycle.mean()), float(1 - found.decided.mean())
        return {"cycles": cycles, "undecided": undecided, "bit_errors": self.bit_errors}

    def remarks(self, measured: Mapping[str, float]) -> tuple[str, ...]:
        """What `measured` found, in sentences."""
        circuit = self.memory.circuit
        why = "all sums stop at 255" if self.logic.mode == "logarithmic" else "no row gives a single 1"
        wrong = f"{100 * measured['bit_errors']:.3g} % of the stored bits are read otherwise than written"
        if measured["bit_errors"] > SERIOUS and circuit is not None and circuit.suspects():
            wrong += f"; {circuit.suspects()}"
        return (
            f"A decision takes {measured['cycles']:.4g} cycles on average; {100 * measured['undecided']:.3g} % of the "
            f"samples are left undecided ({why}) and count as answers for the first hypothesis.",
            f"{wrong}.",
        )
