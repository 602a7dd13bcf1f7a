r"""A reservoir made of one oscillator used many times: virtual nodes that follow each other in time.

Every frame of an input sequence is held for ``nodes`` intervals of length :math:`\theta` while a fixed random mask
scans it, so the oscillator sees one current per interval and its amplitude at the end of each is one node:

.. math:: I_{f,i} = I_{dc} + \Delta I \,\mathrm{clip}_{\pm 1}\Big(g \sum_c x_{f,c}\, M_{c,i}\Big),
          \qquad V_{f,i} = \text{amplitude after } \theta \text{ at } I_{f,i}

Memory comes from the oscillator alone: with :math:`\theta` below its relaxation time a node still feels its
predecessors, the first nodes of a frame those of the frame before. There is no delay line.

Any oscillator of the catalogue serves. Chips are the first axis: one chip is one junction, all chips see the same mask.

Not modelled: the rise time of the current source, the filter of the envelope detector, a phase read-out (phase noise
does not reach an amplitude that is detected).

Source: Torrejon et al., Nature 547, 428 (2017); Appeltant et al., Nat. Commun. 2, 468 (2011) for the mask.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nanoneurons.core.errors import DataError, ParameterError, RefusedError
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import OscillatorDevice

__all__ = ["MASKS", "TimeMultiplexedReservoir", "draw_mask"]

MASKS = ("binary", "uniform", "normal")
_BATCH = 1 << 22  # amplitudes computed at once: a few tens of MB
_SETTLING = 60.0  # relaxation times at rest before a sequence: enough to grow from a millionth of the amplitude


def draw_mask(
    channels: int, nodes: int, generator: torch.Generator, kind: Literal["binary", "uniform", "normal"] = "binary"
) -> torch.Tensor:
    """A random mask ``(channels, nodes)``, float64: -1 or +1, uniform in [-1, 1], or standard normal.

    Raises:
        ParameterError: an unknown kind, or no channel or node.
    """
    if kind not in MASKS:
        raise ParameterError(f"mask {kind!r} is unknown; use one of {', '.join(MASKS)}")
    if channels < 1 or nodes < 1:
        raise ParameterError(f"a mask needs at least one channel and one node, not {channels} x {nodes}")
    shape = (channels, nodes)
    if kind == "normal":
        return torch.randn(shape, generator=generator, dtype=torch.float64)
    mask = 2.0 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1.0
    return mask if kind == "uniform" else torch.where(mask < 0, -1.0, 1.0).to(torch.float64)


@dataclass(frozen=True, eq=False)
class TimeMultiplexedReservoir:
    """One oscillator, a mask, a node time.

    Attributes:
        device: the oscillator; its noise is drawn where a generator is given, and off where none is.
        mask: ``(channels, nodes)``.
        node_time: theta in s.
        direct_current: operating point in A, where the oscillator also rests before a sequence.
        swing: largest distance of the current from the operating point in A.
        gain: factor between the masked input and the swing; `scaled_to` finds it.
        junctions: state of the chips, ``(chips, 1)``, as `fabricated` draws it; None is one nominal junction.

    Raises:
        ParameterError: a value that is not finite or has the wrong sign or shape.
        RefusedError: the largest current is beyond the junction's breakdown.
    """

    device: OscillatorDevice
    mask: torch.Tensor
    node_time: float = 100e-9
    direct_current: float = 7e-3
    swing: float = 3e-3
    gain: float = 1.0
    junctions: State | None = None

    def __post_init__(self) -> None:
        for name in ("node_time", "swing", "gain", "direct_current"):
            value = getattr(self, name)
            if not (math.isfinite(value) and (value > 0 or name == "direct_current")):
                raise ParameterError(f"{name} = {value:g} of a reservoir must be a finite, positive number in SI units")
        if self.mask.dim() != 2 or 0 in self.mask.shape:
            raise ParameterError(f"the mask must be (channels, nodes), not of shape {tuple(self.mask.shape)}")
        if not torch.isfinite(self.mask).all():
            raise ParameterError("the mask holds values that are not finite; draw it with draw_mask")
        largest = max(abs(self.direct_current + self.swing), abs(self.direct_current - self.swing))
        breakdown = self.device.current_range()[1]
        if largest > breakdown:
            raise RefusedError(
                f"{1e3 * self.direct_current:g} mA with a swing of {1e3 * self.swing:g} mA reaches "
                f"{1e3 * largest:g} mA, beyond the breakdown at {1e3 * breakdown:g} mA; "
                "lower the direct current or the swing"
            )

    def fabricated(self, chips: int, generator: torch.Generator) -> TimeMultiplexedReservoir:
        """Copy with `chips` junctions, drawn with their device-to-device spread."""
        return dataclasses.replace(self, junctions=self.device.init((chips, 1), generator))

    @property
    def chips(self) -> int | None:
        """Junctions side by side, or None for the nominal one."""
        return None if self.junctions is None else next(iter(self.junctions.values())).shape[0]

    @property
    def channels(self) -> int:
        """Inputs per frame."""
        return self.mask.shape[0]

    @property
    def nodes(self) -> int:
        """Virtual nodes."""
        return self.mask.shape[1]

    def scaled_to(self, sequences: Sequence[torch.Tensor], share: float = 1.0) -> TimeMultiplexedReservoir:
        """Copy whose swing is just filled by the masked input of `sequences` (training ones).

        Args:
            share: of the masked values that shall lie within the swing; the source clips the others. Below 1
                it is met on evenly spaced frames, a few million values.
        """
        if not 0 < share <= 1:
            raise ParameterError(f"share = {share:g} of masked values within the swing must lie in (0, 1]")
        _check(sequences, self.channels)
        frames = torch.cat(list(sequences))
        if share < 1:
            frames = frames[:: max(1, len(frames) * self.nodes // _BATCH)]
        level = 0.0
        for part in frames.split(max(1, _BATCH // self.nodes)):
            masked = (part @ self.mask.to(part.dtype)).abs_()
            level = max(level, float(masked.max() if share == 1 else np.quantile(masked.numpy(), share)))
        if level == 0:
            raise DataError("every masked input is zero, so no gain fills the swing; give an input that varies")
        return dataclasses.replace(self, gain=1.0 / level)

    def states(
        self, sequences: torch.Tensor | Sequence[torch.Tensor], generator: torch.Generator | None = None
    ) -> torch.Tensor | list[torch.Tensor]:
        """Node amplitudes in V of one sequence ``(frames, channels)``, or of each of many.

        Args:
            generator: source of the device's noise; None for none.

        Returns:
            ``(*chips, frames, nodes)``, or a list of such.

        Raises:
            DataError: a sequence of the wrong shape, or with values that are not finite (says which).
        """
        if isinstance(sequences, torch.Tensor):
            return self.states([sequences], generator)[0]
        found: list[torch.Tensor] = [torch.empty(0)] * len(sequences)
        for numbers, parts in self.stream(sequences, generator):
            for number, part in zip(numbers, parts, strict=True):
                found[number] = part
        return found

    def stream(
        self, sequences: Sequence[torch.Tensor], generator: torch.Generator | None = None
    ) -> Iterator[tuple[list[int], list[torch.Tensor]]]:
        """The same in batches of sequences of similar length: pairs of their numbers and their states.

        What is not kept is not stored, so thousands of utterances on thousands of nodes pass through a few tens of MB.
        """
        _check(sequences, self.channels)
        order = np.argsort([len(s) for s in sequences], kind="stable").tolist()
        per_frame = self.nodes * (self.chips or 1)
        while order:
            longest, count = 1, 0
            while count < len(order):
                longest = max(longest, len(sequences[order[count]]))
                if count and (count + 1) * longest * per_frame > _BATCH:
                    break
                count += 1
            batch, order = order[:count], order[count:]
            yield batch, self._respond([sequences[i] for i in batch], generator)

    def _respond(self, batch: list[torch.Tensor], generator: torch.Generator | None) -> list[torch.Tensor]:
        lengths = [len(s) for s in batch]
        frames = torch.cat(list(batch))
        level = (frames @ (self.mask.to(frames.dtype) * self.gain)).clamp_(-1.0, 1.0)
        current = level.mul_(self.swing).add_(self.direct_current)
        # shorter sequences are followed by the resting current, whose amplitudes are cut off again
        if len(set(lengths)) == 1:
            drive = current.reshape(len(batch), lengths[0], self.nodes)
        else:
            drive = current.new_full((len(batch), max(lengths), self.nodes), self.direct_current)
            for row, part in zip(drive, current.split(lengths), strict=True):
                row[: len(part)] = part
        drive = drive.flatten(1).expand(self.chips or 1, -1, -1)
        # the ideal device has the junctions' own parameters all the same: they are in the state
        device = self.device if generator is not None else self.device.ideal()
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        found = device.respond(self._rested(device, len(batch), draws), drive, self.node_time, draws)
        found = found.unflatten(-1, (-1, self.nodes))
        return [found[0 if self.chips is None else slice(None), i, :n] for i, n in enumerate(lengths)]

    def _rested(self, device: OscillatorDevice, sequences: int, generator: torch.Generator) -> State:
        """The junctions after a long time at the resting current, each once per sequence."""
        junctions = self.junctions
        if junctions is None:
            junctions = device.ideal().init((1, 1), torch.Generator().manual_seed(0))
        shape = (self.chips or 1, sequences)
        state = {name: value.expand(*shape, *value.shape[2:]).clone() for name, value in junctions.items()}
        time = float(device.relaxation_time(torch.tensor(self.direct_current, dtype=torch.float64)))
        if not math.isfinite(time):
            raise ParameterError(
                f"the oscillator does not settle at {1e3 * self.direct_current:g} mA; "
                "choose a direct current off threshold"
            )
        current = torch.full(shape, self.direct_current, dtype=torch.float64)
        return device.advance(state, current, _SETTLING * time / 10, 10, generator)


def _check(sequences: Sequence[torch.Tensor], channels: int) -> None:
    """Refuse sequences that do not fit the mask or are not finite."""
    if not len(sequences):
        raise DataError("there is no sequence; give at least one of shape (frames, channels)")
    for number, sequence in enumerate(sequences):
        if sequence.dim() != 2 or sequence.shape[1] != channels or not len(sequence):
            raise DataError(
                f"sequence {number} has shape {tuple(sequence.shape)}, but the mask takes (frames, {channels})"
            )
        if not torch.isfinite(sequence).all():
            frame = int((~torch.isfinite(sequence)).any(1).nonzero()[0])
            raise DataError(f"sequence {number} holds a value that is not finite in frame {frame}; repair the input")
