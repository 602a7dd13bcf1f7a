"""Reproductions: verdicts, seconds over resumed runs, the exact answer, and the report, with a tiny made-up paper."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from nanoneurons.core.errors import ParameterError, StoreError, StudyError
from nanoneurons.lab import report, reproduce
from nanoneurons.lab.store import read_rows
from nanoneurons.papers._paper import Entry, Figure, Quantity


@dataclass(frozen=True)
class Config:
    seeds: int = 3
    sizes: tuple[int, ...] = (4, 2)
    level: float = 98.0

    def __post_init__(self):
        if self.level > 100:
            raise ValueError("level must not exceed 100")


def run(config, job, folder, progress):
    progress(0.5, "half way")
    return {"accuracy": config.level + int(job.removeprefix("seed"))}


def quantities(config, results):
    values = [r["accuracy"] for r in results.values()]
    mean = sum(values) / len(values)
    return [
        Quantity("accuracy", mean, 1.0, config.seeds, "%", "on a made-up task"),
        Quantity("speed", -0.5, None, config.seeds, "points"),
        Quantity("extra", 3.0, None, config.seeds, "1"),
    ]


def figures(config, results):
    def draw(canvas):
        canvas.add_subplot().plot(range(len(config.sizes)), config.sizes)

    return [Figure("sizes", "Sizes.", draw)]


PAPER = SimpleNamespace(
    TITLE="A made-up work",
    CITATION="@article{nobody}",
    Config=Config,
    QUICK=Config(seeds=1),
    jobs=lambda config: [[f"seed{n}" for n in range(config.seeds)]],
    run=run,
    quantities=quantities,
    figures=figures,
)


@pytest.fixture
def published(monkeypatch):
    entries = {
        "accuracy": Entry("accuracy", 98.5, True, "Table 1", "within", 1.0, "spread of seeds"),
        "speed": Entry("speed", None, False, "not read", "at_least", 0.0, "must not slow down"),
    }
    monkeypatch.setattr(reproduce, "experiment", lambda key: PAPER)
    monkeypatch.setattr(reproduce, "load_published", lambda key: entries)
    return entries


def go(out, **options):
    return reproduce.run("made-up", out=out, workers=1, progress="none", **options)


def test_the_answer_is_exactly_as_agreed(published, tmp_path):
    answer = go(tmp_path)
    assert list(answer) == ["key", "config", "seconds", "rows"]
    assert answer["config"] == {"seeds": 3, "sizes": [4, 2], "level": 98.0}
    assert answer["rows"][0] == {
        "quantity": "accuracy", "published": 98.5, "verified": True, "measured": 99.0, "spread": 1.0, "seeds": 3,
        "unit": "%", "tolerance": "within ± 1", "verdict": "pass",
    }  # fmt: skip
    assert [r["verdict"] for r in answer["rows"]] == ["pass", "short", "info"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 of 2 quantities reproduced; short: speed" in page
    assert "−0.50 points" in page and "unverified" in page and "on a made-up task" in page
    assert (tmp_path / "figures" / "sizes.svg").exists()


def test_seconds_add_up_over_resumed_runs(published, tmp_path):
    first = go(tmp_path)
    (tmp_path / "jobs" / "seed1.json").unlink()
    again = go(tmp_path)
    assert again["rows"] == first["rows"]
    assert again["seconds"] > 0
    assert go(tmp_path)["seconds"] == again["seconds"], "a run that finds everything done adds no time"


@pytest.mark.parametrize("options", [{"quick": True}, {"overrides": {"level": 97.0}}])
def test_quick_and_changed_runs_never_give_a_verdict(published, tmp_path, options):
    answer = go(tmp_path, **options)
    assert {r["verdict"] for r in answer["rows"]} == {"info"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no verdict" in page


def test_what_nobody_measured_falls_short(published, tmp_path):
    published["gone"] = Entry("gone", None, False, "Fig. 2", "at_least", 1.0, "it is the point of the paper")
    row = go(tmp_path)["rows"][-1]
    assert (row["quantity"], row["measured"], row["verdict"]) == ("gone", None, "short")


def test_settings_are_checked(published, tmp_path):
    with pytest.raises(StudyError, match="did you mean 'seeds'"):
        go(tmp_path, overrides={"seed": 3})
    with pytest.raises(ParameterError, match="must not exceed 100"):
        go(tmp_path, overrides={"level": 101.0})
    go(tmp_path, seeds=1)
    with pytest.raises(StoreError, match="choose another folder"):
        go(tmp_path, seeds=2)


def test_report_is_made_from_rows_alone(published, tmp_path):
    go(tmp_path)
    before = (tmp_path / "report.html").read_bytes()
    for path in (tmp_path / "jobs").iterdir():
        path.unlink()
    assert report.write(tmp_path).read_bytes() == before
    assert read_rows(tmp_path)["kind"] == "reproduction"


def test_default_folder_is_named_by_its_settings(published):
    names = {reproduce.folder_name("made-up", **o) for o in ({}, {"quick": True}, {"seeds": 5}, {"seeds": 3})}
    assert len(names) == 3 and all(n.startswith("made-up-") for n in names)
