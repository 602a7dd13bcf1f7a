"""Pulse measurements as events: one per train of pulses, with the mean of the reads that follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoneurons.fitting._state_space import START
from nanoneurons.measurements import Pulses

__all__ = ["Events", "events_of", "wild_re_reads"]


@dataclass(frozen=True)
class Events:
    """Events of all devices, one device after the other.

    Attributes:
        start: first event of each device, and the end, ``(devices + 1,)``.
        first: 1 at the start of a fresh device's run, `START` at the start of another run, 0 else, ``(events,)``.
        pulses: signed pulses before the event's reads.
        y: mean of its reads, 0 without reads.
        count: number of its reads.
        of: event of each reading of the data, -1 where there is none, ``(runs, readings)``.
        again: number of re-reads of each device, reads minus events with reads, ``(devices,)``.
        scatter: sum of squares of reads about their event's mean, ``(devices,)``.
        constant: rest of the log density of the reads given their means, ``(devices,)``.
    """

    start: np.ndarray
    first: np.ndarray
    pulses: np.ndarray
    y: np.ndarray
    count: np.ndarray
    of: np.ndarray
    again: np.ndarray
    scatter: np.ndarray
    constant: np.ndarray

    @property
    def device(self) -> np.ndarray:
        """Device of each event."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def moved(self, centre: float, scale: float) -> Events:
        """The same with readings ``(y - centre) / scale``."""
        y = np.where(self.count > 0, (self.y - centre) / scale, 0.0)
        return Events(
            self.start, self.first, self.pulses, y, self.count, self.of, self.again, self.scatter / scale**2,
            self.constant,
        )  # fmt: skip

    def of_devices(self, chosen: np.ndarray) -> Events:
        """Events of the chosen devices (indices), in that order; `of` is left empty."""
        picked = [np.arange(int(self.start[i]), int(self.start[i + 1])) for i in chosen]
        index = np.concatenate(picked) if picked else np.zeros(0, np.int64)
        start = np.concatenate([[0], np.cumsum([len(p) for p in picked])]).astype(np.int64)
        return Events(
            start, self.first[index], self.pulses[index], self.y[index], self.count[index], np.zeros((0, 0), np.int64),
            self.again[chosen], self.scatter[chosen], self.constant[chosen],
        )  # fmt: skip


def events_of(data: Pulses) -> Events:
    """Sort the readings by device and cycle, and gather re-reads and missing readings into events."""
    runs, length = data.reading.shape
    devices = len(data.devices)
    order = np.lexsort((np.arange(runs), data.cycle, data.device))
    reading, pulses = data.reading[order], np.nan_to_num(np.asarray(data.pulses, dtype=np.float64)[order])
    seen = np.isfinite(reading)
    last = np.where(seen.any(1), length - np.argmax(seen[:, ::-1], axis=1), 0)
    inside = np.arange(length) < last[:, None]
    whole = np.rint(pulses).astype(np.int64)
    opens = inside & (whole != 0)
    opens[:, :1] = inside[:, :1]
    event = np.where(inside, np.cumsum(opens.ravel()).reshape(runs, length) - 1, -1)
    total = int(opens.sum())

    count = np.bincount(event[seen], minlength=total)
    y = np.bincount(event[seen], weights=reading[seen], minlength=total) / np.maximum(count, 1)
    owner = np.repeat(data.device[order], opens.sum(1))
    squares = np.bincount(event[seen], weights=(reading[seen] - y[event[seen]]) ** 2, minlength=total)
    run_start = np.zeros((runs, length), dtype=np.int64)
    if length and runs:
        run_start[:, 0] = START
        earliest = np.r_[True, np.diff(data.device[order]) != 0]
        run_start[earliest & (whole[:, 0] == 0), 0] = 1
    many = np.maximum(count, 1)
    of = np.empty_like(event)
    of[order] = event
    return Events(
        start=np.searchsorted(owner, np.arange(devices + 1)).astype(np.int64),
        first=run_start[opens],
        pulses=whole[opens],
        y=y,
        count=count.astype(np.int64),
        of=of,
        again=np.bincount(owner, weights=many - 1, minlength=devices),
        scatter=np.bincount(owner, weights=squares, minlength=devices),
        constant=np.bincount(
            owner, weights=-0.5 * (many - 1) * np.log(2 * np.pi) - 0.5 * np.log(many), minlength=devices
        ),
    )


def wild_re_reads(data: Pulses, limit: float = 8.0) -> np.ndarray:
    """Readings of events whose re-reads differ by more than `limit` of their own (robust) standard deviations.

    Which of two reads is wrong cannot be told, so all reads of such an event are named; bool of the readings' shape.
    """
    events = events_of(data)
    inside = (events.of >= 0) & np.isfinite(data.reading)
    event = np.where(inside, events.of, 0)
    again = inside & (events.count[event] > 1) if len(events.count) else inside
    rest = np.where(again, np.abs(data.reading - events.y[event]), 0.0) if again.any() else np.zeros(data.reading.shape)
    typical = 1.4826 * float(np.median(rest[again])) if again.any() else 0.0
    if typical <= 0:
        return np.zeros(data.reading.shape, bool)
    bad = np.zeros(len(events.y), bool)
    bad[event[again & (rest > limit * typical)]] = True
    return again & bad[event]
