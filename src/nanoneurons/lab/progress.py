"""Progress on stderr: a bar with names and remaining time on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Literal, Protocol

__all__ = ["Bar", "Lines", "Reporter", "Silent", "reporter"]

Kind = Literal["auto", "plain", "none"]


class Reporter(Protocol):
    """Hears what the runner does."""

    def plan(self, jobs: list[str], done: int) -> None:
        """More jobs are known: all that remain of this stage, and how many were found finished."""

    def started(self, job: str) -> None:
        """A job began."""

    def moved(self, job: str, fraction: float, text: str) -> None:
        """A job came to `fraction` of its work."""

    def finished(self, job: str, seconds: float) -> None:
        """A job's row is stored."""

    def close(self) -> None:
        """The run is over or was interrupted."""


def reporter(kind: Kind) -> Reporter:
    """``auto`` is a bar on a terminal and lines elsewhere; ``plain`` is lines; ``none`` is silence."""
    if kind == "none":
        return Silent()
    return Bar() if kind == "auto" and sys.stderr.isatty() else Lines()


class Silent:
    """Says nothing."""

    def plan(self, jobs: list[str], done: int) -> None: ...

    def started(self, job: str) -> None: ...

    def moved(self, job: str, fraction: float, text: str) -> None: ...

    def finished(self, job: str, seconds: float) -> None: ...

    def close(self) -> None: ...


class _Work:
    """How much is done and, from the pace so far, how long the rest takes."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.running: dict[str, float] = {}
        self.fresh = 0.0
        self.begin: float | None = None

    @property
    def share(self) -> float:
        """Work done, in jobs, the running ones counted by their fraction."""
        return self.done + sum(self.running.values())

    def remaining(self) -> float | None:
        """Seconds left at the pace of the jobs done in this run; None before there is a pace."""
        paced = self.fresh + sum(self.running.values())
        if self.begin is None or paced < 0.05:
            return None
        return (time.monotonic() - self.begin) / paced * (self.total - self.share)


class Lines(_Work):
    """One line per finished job."""

    def plan(self, jobs: list[str], done: int) -> None:
        self.total += len(jobs) + done
        self.done += done
        if done:
            self._say(f"{done} finished before, {len(jobs)} to do")

    def started(self, job: str) -> None:
        self.begin = self.begin or time.monotonic()
        self.running[job] = 0.0

    def moved(self, job: str, fraction: float, text: str) -> None:
        self.running[job] = fraction

    def finished(self, job: str, seconds: float) -> None:
        self.running.pop(job, None)
        self.done += 1
        self.fresh += 1
        left = self.remaining()
        rest = "" if not left else f", about {duration(left)} left"
        self._say(f"{self.done}/{self.total} {job} ({seconds:.1f} s{rest})")

    def close(self) -> None:
        pass

    @staticmethod
    def _say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Bar(_Work):
    """A live bar: all jobs, the running ones by name, the time that is left."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self.task = self.bar.add_task("starting", total=None, note="")
        self.texts: dict[str, str] = {}
        self.bar.start()

    def plan(self, jobs: list[str], done: int) -> None:
        self.total += len(jobs) + done
        self.done += done
        self._show()

    def started(self, job: str) -> None:
        self.begin = self.begin or time.monotonic()
        self.running[job] = 0.0
        self._show()

    def moved(self, job: str, fraction: float, text: str) -> None:
        self.running[job] = fraction
        self.texts[job] = text
        self._show()

    def finished(self, job: str, seconds: float) -> None:
        self.running.pop(job, None)
        self.done += 1
        self.fresh += 1
        self._show()

    def close(self) -> None:
        self.bar.stop()

    def _show(self) -> None:
        left = self.remaining()
        rest = "" if left is None else f", about {duration(left)} left"
        names = ", ".join(f"{job} {self.texts.get(job, '')}".strip() for job in self.running)
        self.bar.update(
            self.task,
            total=self.total,
            completed=self.share,
            description=names or "working",
            note=f"{self.done} of {self.total}{rest}",
        )


def duration(seconds: float) -> str:
    """A time span for people: ``45 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
