"""Shows samples to competing neurons spike by spike: input spikes first, then the loop that follows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from nanoneurons.core.errors import RefusedError
from nanoneurons.core.update import Update
from nanoneurons.physics.spike_timing import SimplifiedLaw, TimingLaw

from ._competing_neurons import numbers_of
from ._event_kernel import run
from ._input_events import current_events, poisson_events
from ._timing_kernel import NEVER, NO_TIMING, SIMPLIFIED, TRACES, Timing, Traces
from .competition import PoissonInputs

if TYPE_CHECKING:
    from .competitive import CompetitiveNetwork

__all__ = ["SpikeTiming", "present_events"]

_CHUNK = 64  # samples whose input spikes are held at a time


@dataclass
class SpikeTiming:
    """Plasticity by spike timing, and the traces it keeps from one presentation to the next.

    Args:
        law: what the times of spikes do to a weight.
        normalise: mean weight to which the synapses of every neuron are scaled after every sample, or 0; software only.
    """

    law: TimingLaw | SimplifiedLaw
    normalise: float = 0.0
    traces: Traces | None = field(default=None, repr=False)

    @property
    def kind(self) -> int:
        """Which law, for the compiled loop."""
        return SIMPLIFIED if isinstance(self.law, SimplifiedLaw) else TRACES

    def constants(self, step: float) -> Timing:
        """Numbers of the compiled loop for steps of that length in s."""
        law, one = self.law, np.float32
        if isinstance(law, SimplifiedLaw):
            window = math.floor(law.window / step * (1 + 1e-9))
            return Timing(
                one(law.up), one(law.down), one(0), one(0), one(law.steepness_up), one(law.steepness_down),
                one(window), one(1), one(1), one(1), one(1), one(0),
            )  # fmt: skip
        keep = [one(math.exp(-step / tau)) for tau in (law.tau_up, law.tau_x, law.tau_down, law.tau_y)]
        return Timing(
            one(law.up), one(law.down), one(law.triplet_up), one(law.triplet_down), one(law.bound_up),
            one(law.bound_down), one(law.offset), *keep, one(law.pairing == "nearest"),
        )  # fmt: skip

    def begin(self, chips: int, lanes: int, inputs: int, neurons: int, pending: bool) -> Traces:
        """The traces, made anew where their shape has changed."""
        kept, rows = self.traces, chips * lanes
        if kept is None or kept.x1.shape != (rows, inputs) or bool(kept.pending.size) != pending:
            x, y = (rows, inputs), (rows, neurons)
            start = np.full(x, NEVER if self.kind == SIMPLIFIED else 0.0, np.float32)
            factors = np.full((rows, 4), 0.0 if self.kind == SIMPLIFIED else 1.0)
            waiting = np.zeros((chips, inputs, neurons) if pending else (chips, 0, neurons), np.float32)
            kept = Traces(
                start, np.zeros(x, np.float32), np.zeros(y, np.float32), np.zeros(y, np.float32), factors, waiting
            )
            self.traces = kept
        return kept

    def wanted(
        self, chip: torch.Tensor, lane: torch.Tensor, row: torch.Tensor, weights: torch.Tensor, step: float
    ) -> Update:
        """Change of rows ``(events, in)`` at output spikes: depression that waited, then what the spike does."""
        assert self.traces is not None
        law, now = self.law, self.traces
        at = chip * (len(now.x1) // len(now.pending)) + lane
        x1, factors = torch.from_numpy(now.x1)[at], torch.from_numpy(now.factors)[at].float()
        if isinstance(law, SimplifiedLaw):
            recent = x1 + factors[:, :1] <= float(self.constants(step).offset)
            up = law.up * torch.exp(-law.steepness_up * weights)
            down = -law.down * torch.exp(-law.steepness_down * (1 - weights))
            return Update(torch.where(recent, up, down).to(weights.dtype))
        x1 = x1 * factors[:, :1]
        y2 = torch.from_numpy(now.y2)[at, row].unsqueeze(1) * factors[:, 3:4]
        inside = weights.clamp(0, 1)
        change = (1 - inside) ** law.bound_up * (x1 - law.offset) * (law.up + law.triplet_up * y2)
        if law.down or law.triplet_down:
            pending = torch.from_numpy(now.pending)
            change -= inside**law.bound_down * pending[chip, :, row]
            pending[chip, :, row] = 0
        return Update(change.to(weights.dtype))


def _input_spikes(network: CompetitiveNetwork, x: torch.Tensor, offsets: np.ndarray, fresh: bool) -> np.ndarray:
    cells, shown = network.cells, network.presentation
    if isinstance(cells, PoissonInputs):
        rates = (x.flatten(1) * (cells.rate * shown.step)).float().numpy()
        which = poisson_events(rates, shown.steps, network.noise_key, int(network.shown), offsets)
        network.shown += len(x)
        return which
    drives = cells.drive(x.flatten(1).double()).numpy()
    return current_events(
        drives, network.v_in.numpy(), network.rf_in.numpy(), shown.step, cells.time_constant, cells.threshold,
        cells.reset, cells.refractory, shown.pause, fresh, offsets,
    )  # fmt: skip


def present_events(
    network: CompetitiveNetwork,
    x: torch.Tensor,
    plasticity: SpikeTiming | None,
    generator: torch.Generator | None,
    progress: Callable[[float, str], None] | None = None,
) -> torch.Tensor:
    """See `CompetitiveNetwork.present`; samples have been checked."""
    shown, o, synapses = network.presentation, network.competitors, network.synapses
    chips, lanes = network.chips or 1, shown.together if plasticity is not None else 1
    n, m = synapses.out_features, synapses.in_features
    fresh = bool(shown.fresh or lanes > 1)
    inside = synapses.fabricated
    pauses = inside and plasticity is not None
    if pauses and plasticity is not None and plasticity.normalise:
        raise RefusedError("devices cannot be scaled to a sum after every sample; set normalise = 0")
    target = plasticity.normalise * m if plasticity is not None else 0.0

    def lane_state(name: str) -> np.ndarray:
        value = getattr(network, name).numpy().astype(np.int64 if name == "held" else np.float64)
        return np.repeat(value, lanes, 0)

    states = {name: lane_state(name) for name in ("v_out", "rf_out", "held", "filtered")}
    adaptation = network.adaptation.numpy()
    constants = numbers_of(o, shown, plasticity is not None)
    if plasticity is None:
        law, timing = NO_TIMING, SpikeTiming(TimingLaw(0.0, 0.0, 1.0, 1.0)).constants(shown.step)
        none = np.zeros((chips * lanes, 0), np.float32)
        traces = Traces(none, none, none, none, np.zeros((chips * lanes, 4)), np.zeros((chips, 0, 0), np.float32))
    else:
        law, timing = plasticity.kind, plasticity.constants(shown.step)
        traces = plasticity.begin(chips, lanes, m, n, pauses)
    weights = synapses.weight.detach() if network.chips is not None else synapses.weight.detach().unsqueeze(0)
    columns = weights.transpose(1, 2).contiguous().float()
    counts = torch.zeros(chips, len(x), n, dtype=torch.int32)
    sent = 0
    chunk = max(lanes, _CHUNK // lanes * lanes)
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        offsets = np.zeros((chips, len(part), shown.steps + 1), np.int64)
        which = _input_spikes(network, part, offsets, fresh)
        sent += len(which)
        cursor, events = torch.zeros(chips, 4, dtype=torch.int64), torch.zeros(chips, n, dtype=torch.bool)
        spikes = np.zeros((chips, len(part), n), np.int32)
        while not run(
            which, offsets, columns.numpy(), states["v_out"], states["rf_out"], adaptation, states["held"],
            states["filtered"], traces, cursor.numpy(), events.numpy(), spikes, fresh, constants, law, timing,
            np.float32(target), pauses,
        ):  # fmt: skip
            assert plasticity is not None and generator is not None
            chip, row = (events & (cursor[:, 3:] == 1)).nonzero(as_tuple=True)
            lane = cursor[chip, 2]
            where = (chip, row) if network.chips is not None else (row,)
            read = synapses.weight.detach()[where]
            synapses.apply_at(where, plasticity.wanted(chip, lane, row, read, shown.step), generator)
            columns[chip, :, row] = synapses.weight.detach()[where]
        counts[:, start : start + len(part)] = torch.from_numpy(spikes)
        if plasticity is not None:
            network.check_calm(counts[:, start : start + len(part)])
        if progress is not None:
            progress((start + len(part)) / len(x), "")
    if plasticity is not None and not pauses:
        learnt = columns.transpose(1, 2)
        synapses.weight.data.copy_(learnt if network.chips is not None else learnt[0])
    for name, value in states.items():
        getattr(network, name).copy_(torch.from_numpy(value[::lanes]))
    network.input_spikes.fill_(sent / chips / len(x))
    return counts
