"""Jobs give the same rows on any number of processes, survive any death, and never leave half a file."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch

from nanoneurons.core.errors import RefusedError, StoreError
from nanoneurons.lab.progress import Lines, duration
from nanoneurons.lab.runner import fingerprint, run_jobs
from nanoneurons.lab.store import Store, read_rows

JOBS = textwrap.dedent(
    """
    import hashlib
    import os
    import time
    from pathlib import Path
    from nanoneurons.core.errors import RefusedError

    def light(config, job, folder, progress):
        # the later jobs of a run that is to be killed never end by themselves, however slow the machine
        time.sleep(60 if job in os.environ.get("NANONEURONS_TEST_HOLD", "") else config["pause"])
        return {"digest": hashlib.sha256(job.encode()).hexdigest(), "third": 1 / 3}

    def draw(config, job, folder, progress):
        with (Path(folder) / "calls.txt").open("a") as log:
            log.write(job + "\\n")
        progress(0.5, "half")
        if job == "restless":
            import warnings
            from nanoneurons.core.errors import ConvergenceWarning
            for steps in (50, 50, 80):
                warnings.warn(f"about {steps} steps would do", ConvergenceWarning)
        if job == "refused":
            raise RefusedError("no such pair; use another")
        if job == "bug":
            raise KeyError("oops")
        if job == "die":
            os._exit(3)
        import torch
        from nanoneurons.core.random import generator_for
        g = generator_for(config["seed"], job)
        x = torch.rand(300, 300, generator=g)
        return {"sum": float((x @ x).sum()), "threads": torch.get_num_threads(), "pair": (1, 2)}
    """
)


@pytest.fixture
def draw(tmp_path, monkeypatch):
    """A job function in a module that worker processes can import."""
    (tmp_path / "lab_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("lab_jobs", None)
    import lab_jobs

    return lab_jobs.draw


def calls(folder):
    return (folder / "calls.txt").read_text().split()


def rows(done):
    return {job: entry["result"] for job, entry in done.items()}


def test_one_and_two_workers_give_equal_rows(draw, tmp_path):
    stages = [["a", "b:x@0.25", "c"], lambda found: [f"after-{len(found)}"]]
    one = run_jobs(stages, draw, {"seed": 7}, tmp_path / "one", 1)
    two = run_jobs(stages, draw, {"seed": 7}, tmp_path / "two", 2)
    assert list(one) == list(two) == ["a", "b:x@0.25", "c", "after-3"]
    assert rows(one) == rows(two)
    assert one["a"]["result"]["threads"] == 1, "one thread also in this process"
    assert one["a"]["result"]["pair"] == [1, 2], "a fresh row is as JSON gives it back"


def test_thread_number_is_restored(draw, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run_jobs([["a"]], draw, {"seed": 1}, tmp_path / "r", 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_finished_jobs_are_skipped_and_corrupt_ones_redone(draw, tmp_path):
    out = tmp_path / "run"
    first = run_jobs([["a", "b", "c"]], draw, {"seed": 7}, out, 1)
    path = Store(out, "").path("b")
    path.write_bytes(path.read_bytes()[:40] + b"\xff\x00")
    (out / "jobs" / ".c.json.99.ab.tmp").write_text("torn")
    again = run_jobs([["a", "b", "c"]], draw, {"seed": 7}, out, 1)
    assert rows(again) == rows(first)
    assert calls(out) == ["a", "b", "c", "b"]
    assert not list(out.glob("**/.*")), "no lock and no temporary file is left"
    run_jobs([["a"]], draw, {"seed": 8}, out, 1)
    assert calls(out)[4:] == ["a"], "a row of another configuration does not count"


def test_errors_of_a_worker_arrive_whole(draw, tmp_path):
    for workers in (1, 2):
        with pytest.raises(RefusedError, match="no such pair"):
            run_jobs([["a", "refused"]], draw, {"seed": 7}, tmp_path / f"r{workers}", workers)
    with pytest.raises(StoreError, match="worker of job 'die' died"):
        run_jobs([["die", "a"]], draw, {"seed": 7}, tmp_path / "r4", 2)


def test_full_disk_is_one_line_without_partial_files(draw, tmp_path, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="disk is full") as caught:
        run_jobs([["a"]], draw, {"seed": 7}, tmp_path / "r", 1)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "r" / "jobs").iterdir()) == []


def test_a_folder_serves_one_run_at_a_time(draw, tmp_path):
    out = tmp_path / "run"
    with Store(out, "k").locked(), pytest.raises(StoreError, match="another run is at work"):
        run_jobs([["a"]], draw, {"seed": 7}, out, 1)
    (out / ".lock").write_text("left by a process that was killed")
    run_jobs([["a"]], draw, {"seed": 7}, out, 1)


def test_jobs_that_would_share_a_file_are_refused(draw, tmp_path):
    with pytest.raises(ValueError, match="share a file"):
        run_jobs([["a:b", "a@b"]], draw, {"seed": 7}, tmp_path / "r", 1)


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background of a shell
sys.path.insert(0, {path!r})
from lab_jobs import light
from nanoneurons.lab.runner import run_jobs
if __name__ == "__main__":
    run_jobs([list("abcdef")], light, {{"pause": 0.05}}, {out!r}, {workers})
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
@pytest.mark.parametrize(("workers", "how"), [(2, signal.SIGKILL), (2, signal.SIGINT)])
def test_killed_runs_resume_with_equal_rows(draw, tmp_path, workers, how):
    out = tmp_path / "killed"
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=str(tmp_path), out=str(out), workers=workers))
    held = {**os.environ, "NANONEURONS_TEST_HOLD": "def"}
    process = subprocess.Popen([sys.executable, str(script)], stderr=subprocess.PIPE, env=held)
    finished = []
    deadline = time.monotonic() + 60
    while len(finished) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
        finished = list((out / "jobs").glob("[a-f].json"))
    process.send_signal(how)
    process.communicate(timeout=120)
    kept = {path: path.read_text() for path in (out / "jobs").glob("[a-f].json")}
    assert 2 <= len(kept) < 6
    time.sleep(0.5)
    assert len(list((out / "jobs").glob("[a-f].json"))) == len(kept), "no orphan goes on"
    config, light = {"pause": 0.05}, sys.modules["lab_jobs"].light
    resumed = run_jobs([list("abcdef")], light, config, out, 1)
    assert all(path.read_text() == text for path, text in kept.items()), "finished rows are not touched"
    assert rows(resumed) == rows(run_jobs([list("abcdef")], light, config, tmp_path / "whole", 1))


def test_progress_lines_name_jobs_and_guess_the_rest(draw, tmp_path, capsys):
    out = tmp_path / "r"
    run_jobs([["a"]], draw, {"seed": 7}, out, 1)
    run_jobs([["a", "b", "c"]], draw, {"seed": 7}, out, 1, Lines())
    text = capsys.readouterr().err.splitlines()
    assert text[0] == "1 finished before, 2 to do"
    assert text[1].startswith("2/3 b (") and "left" in text[1]
    assert text[2].startswith("3/3 c (")
    assert [duration(s) for s in (12, 200, 7500)] == ["12 s", "3 min", "2 h 5 min"]


def test_fingerprint_ignores_key_order():
    assert fingerprint({"a": 1, "b": (2,)}) == fingerprint({"b": [2], "a": 1}) != fingerprint({"a": 2, "b": [2]})


def test_read_rows_says_what_is_wrong(tmp_path):
    with pytest.raises(StoreError, match=r"no rows\.json"):
        read_rows(tmp_path)
    (tmp_path / "rows.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        read_rows(tmp_path)
    (tmp_path / "rows.json").write_text(json.dumps({"kind": "diary"}))
    with pytest.raises(StoreError, match="not a result"):
        read_rows(Path(tmp_path))


@pytest.mark.parametrize("workers", [1, 2])
def test_warnings_of_jobs_come_back_with_their_results(draw, tmp_path, workers):
    """Also from worker processes, also when the run is resumed; quiet jobs have none."""
    for _ in range(2):
        done = run_jobs([["restless", "calm"]], draw, {"seed": 1}, tmp_path / f"out{workers}", workers=workers)
        assert done["restless"]["result"]["warnings"] == ["about 50 steps would do", "about 80 steps would do"]
        assert "warnings" not in done["calm"]["result"]
