"""Run jobs on one or many processes, with the same rows either way, and resume after any kind of death."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any, cast

from nanoneurons.core.errors import ConvergenceWarning, NanoneuronsError, StoreError
from nanoneurons.core.threads import one_blas_thread

from .progress import Reporter, Silent
from .store import Store

__all__ = ["fingerprint", "one_thread", "plain", "run_jobs", "workers_for"]

Result = dict[str, Any]
Stage = Sequence[str] | Callable[[dict[str, Result]], Sequence[str]]
Function = Callable[[Any, str, Path, Callable[[float, str], None]], Result]

_SINGLE = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}


def run_jobs(
    stages: Sequence[Stage],
    function: Function,
    config: Any,
    folder: str | Path,
    workers: int | None = 1,
    progress: Reporter | None = None,
) -> dict[str, dict[str, Any]]:
    """Run ``function(config, job, folder, progress)`` for every job that has no stored result yet.

    Args:
        stages: lists of job names; a stage starts when the one before is finished. A stage may also be
            a function that makes its list from the results so far.
        function: a module-level function; returns plain JSON values. It must take every random number from
            generators that depend on the job only, then the rows are the same on any number of workers.
        config: pydantic model, dataclass or dict; its hash tells whether a stored result still counts.
        workers: processes, each with one thread; 1 stays in this process. None: one per usable core.

    Returns:
        ``{job: {"job", "seconds", "result"}}`` in the order of the stages. What a job warned of (relaxations that had
        not settled) is the list ``warnings`` of its result.

    Raises:
        StoreError: the folder is in use, or cannot be written (then without a partial file).
    """
    report: Reporter = progress if progress is not None else Silent()
    store = Store(folder, fingerprint(config))
    count = workers_for(workers)
    done: dict[str, dict[str, Any]] = {}
    try:
        with store.locked(), _Crew(function, config, store.folder, count) as crew:
            store.sweep()
            for stage in stages:
                results = {job: entry["result"] for job, entry in done.items()}
                jobs = list(stage(results) if callable(stage) else stage)
                _refuse_clashes(store, [*done, *jobs])
                found = {job: entry for job in jobs if (entry := store.load(job)) is not None}
                missing = [job for job in jobs if job not in found]
                report.plan(missing, len(found))
                for job, seconds, result in crew.work(missing, report):
                    found[job] = store.save(job, seconds, result)
                    report.finished(job, seconds)
                done |= {job: found[job] for job in jobs}
    finally:
        report.close()
    return done


def workers_for(workers: int | None) -> int:
    """Number of processes: as asked, else one per core that this process may use."""
    if workers is not None:
        return workers
    with contextlib.suppress(AttributeError):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def fingerprint(config: Any) -> str:
    """Hash of a configuration; a config with a method ``key()`` says it itself.

    A device file (``.toml``) that a value names counts by its content.
    """
    if callable(getattr(config, "key", None)):
        return str(config.key())
    values = plain(config)
    text = json.dumps(values, sort_keys=True) + "".join(_contents(values))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _contents(value: Any) -> Iterator[str]:
    """Hashes of the device files that a value, or the values in it, name."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _contents(item)
    elif isinstance(value, str) and value.endswith(".toml") and Path(value).is_file():
        yield hashlib.sha256(Path(value).read_bytes()).hexdigest()


def plain(config: Any) -> Any:
    """A configuration as plain JSON values."""
    if callable(getattr(config, "model_dump", None)):
        return config.model_dump(mode="json")
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return json.loads(json.dumps(dataclasses.asdict(config)))
    return json.loads(json.dumps(config))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread, then restore: sums are then taken in one order on every machine load."""
    import numba
    import torch

    before, kernels = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    try:
        with one_blas_thread():
            yield
    finally:
        torch.set_num_threads(before)
        numba.set_num_threads(kernels)


def _refuse_clashes(store: Store, jobs: list[str]) -> None:
    names = [store.path(job).name for job in jobs]
    twice = sorted({job for job, name in zip(jobs, names, strict=True) if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"jobs {', '.join(twice)} would share a file; give them names that differ in letters or digits"
        )


class _Crew:
    """Processes that take one job at a time over a pipe; started at the first use."""

    def __init__(self, function: Function, config: Any, folder: Path, count: int) -> None:
        self.task = (function, config, folder)
        self.count = count
        self.members: list[tuple[Any, connection.Connection]] = []

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        for process, pipe in self.members:
            pipe.close()  # an idle worker ends when its pipe does
            if kind is not None:
                process.terminate()
        for process, _pipe in self.members:
            process.join()

    def work(self, jobs: list[str], report: Reporter) -> Iterator[tuple[str, float, Result]]:
        """Yield ``(job, seconds, result)`` as jobs end."""
        if self.count == 1:
            yield from self._here(jobs, report)
        elif jobs:
            self._hire(min(self.count, len(jobs)))
            yield from self._elsewhere(list(jobs), report)

    def _here(self, jobs: list[str], report: Reporter) -> Iterator[tuple[str, float, Result]]:
        function, config, folder = self.task
        for job in jobs:
            report.started(job)
            begin = time.perf_counter()
            with one_thread():
                moved = lambda share, text="", job=job: report.moved(job, share, text)  # noqa: E731
                result = _attentive(function, config, job, folder, moved)
            yield job, time.perf_counter() - begin, result

    def _hire(self, count: int) -> None:
        context = get_context("spawn")
        before = {name: os.environ.get(name) for name in _SINGLE}
        os.environ.update(_SINGLE)  # read by the numerical libraries when a worker loads them
        try:
            with _no_interrupt():
                self._start(context, count)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)

    def _start(self, context: Any, count: int) -> None:
        while len(self.members) < count:
            ours, theirs = context.Pipe()
            process = context.Process(target=_labour, args=(theirs, *self.task), daemon=True)
            process.start()
            theirs.close()
            self.members.append((process, ours))

    def _elsewhere(self, waiting: list[str], report: Reporter) -> Iterator[tuple[str, float, Result]]:
        busy: dict[connection.Connection, str] = {}
        idle = [pipe for _, pipe in self.members]
        while waiting or busy:
            while waiting and idle:
                pipe, job = idle.pop(), waiting.pop(0)
                busy[pipe] = job
                try:
                    pipe.send(job)
                except OSError:
                    raise _died(job) from None
                report.started(job)
            for pipe in cast("list[connection.Connection]", connection.wait(list(busy))):
                job = busy[pipe]
                try:
                    kind, *content = pipe.recv()
                except (EOFError, OSError):
                    raise _died(job) from None
                if kind == "moved":
                    report.moved(job, *content)
                    continue
                idle.append(pipe)
                del busy[pipe]
                if kind == "failed":
                    raise content[0]
                yield job, *content


def _attentive(function: Function, config: Any, job: str, folder: Path, progress: Callable[..., None]) -> Result:
    """The result of a job, with what it warned of: a warning in a worker process would be seen by nobody."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        result = function(config, job, folder, progress)
    texts: list[str] = []
    for found in caught:
        if issubclass(found.category, ConvergenceWarning):
            texts.append(str(found.message))
        else:
            warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
    return {**result, "warnings": list(dict.fromkeys(texts))} if texts else result


def _died(job: str) -> StoreError:
    return StoreError(f"the worker of job {job!r} died, perhaps for lack of memory; start again with fewer --workers")


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit the mask and never see it."""
    if not hasattr(signal, "pthread_sigmask"):  # pragma: no cover - Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _labour(pipe: connection.Connection, function: Function, config: Any, folder: Path) -> None:
    """What a worker process does: one job after the other until the pipe closes.

    The environment it was started with holds every numerical library to one thread.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def moved(share: float, text: str = "") -> None:
        pipe.send(("moved", float(share), str(text)))

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            job = pipe.recv()
            begin = time.perf_counter()
            try:
                result = _attentive(function, config, job, folder, moved)
            except Exception as error:
                pipe.send(("failed", _portable(error)))
            else:
                pipe.send(("done", time.perf_counter() - begin, result))


def _portable(error: Exception) -> Exception:
    """A user's error as it is; any other with its traceback as text, which survives the pipe."""
    if isinstance(error, NanoneuronsError):
        return type(error)(str(error))
    return RuntimeError("in a worker process:\n" + "".join(traceback.format_exception(error)))


def _end_with_parent() -> None:
    """Leave no orphan at work when the parent is killed outright."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
