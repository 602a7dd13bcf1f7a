"""What is exported is what the audit measured: the software machine, or a chip with the errors of its first reading."""

import json
import shutil

import numpy as np
import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import ParameterError, RefusedError, StoreError, StudyError, UnknownNameError
from nanoneurons.lab import audit, chips, export
from nanoneurons.lab.store import read_rows
from nanoneurons.lab.study import Study
from nanoneurons.networks.bayesian_machine import BayesianMachine

LEAKY = {"high_spread_device": 2.0}  # so many errors that no two chips hold the same words


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    rng = np.random.default_rng(4)
    y = np.arange(240) % 3
    path = tmp_path_factory.mktemp("task") / "task.npz"
    np.savez(path, x=rng.normal(size=(240, 5)) + y[:, None], y=y)
    return f"user:{path}"


@pytest.fixture(scope="module")
def study(task):
    rule = {"mode": "first", "cycles": 100, "bins": 8}
    return Study(
        device="hfox-binary", device_parameters=LEAKY, task=task, network="bayesian", rule_parameters=rule, chips=3,
        seed=7,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit")
    audit.run(study, out, workers=1, progress="none")
    return out


def exported(source, out, **options):
    said = export.run(source, "verilog", out, vectors=6, **options)
    return said, BayesianMachine.load(out / "machine.safetensors")


def right_answers(machine, study):
    task = chips.task_for(data.load(study.task), study.setup())
    return (machine(task.x_test).argmax(-1) == task.y_test).numpy(), len(task.y_test)


def test_a_chip_answers_as_it_did_in_the_audit(folder, study, tmp_path):
    row = json.loads((folder / "jobs" / "full.json").read_text())["result"]
    assert read_rows(folder)["study"]["chips"] == 3
    held = []
    for chip in range(3):
        _, machine = exported(folder, tmp_path / str(chip), chip=chip)
        answers, count = right_answers(machine, study)
        assert (chips.correct_table(row, count)[chip] == answers).all(), chip
        held.append(machine.memory.words())
    _, software = exported(folder, tmp_path / "software")
    assert all((words != software.memory.words()).any() for words in held)
    assert (held[0] != held[1]).any()


def test_the_software_machine_is_the_audits(folder, study, tmp_path):
    said, machine = exported(folder, tmp_path / "out")
    row = json.loads((folder / "jobs" / "train.json").read_text())["result"]
    answers, count = right_answers(machine, study)
    assert (chips.correct_table(row, count)[0] == answers).all()
    assert said["machine"]["mode"] == "first"
    assert said["machine"]["cycles"] == 100
    assert said["machine"]["chip"] is None
    assert (said["simulation"], said["synthesis"]) == (None, None)
    assert sorted(said["files"]) == sorted(p.name for p in (tmp_path / "out").iterdir())


def test_a_study_is_trained_on_the_spot(folder, study, tmp_path):
    file = study.save(tmp_path / "study.toml")
    for options in ({}, {"chip": 1}):
        said, machine = exported(file, tmp_path / "spot", **options)
        stored, audited = exported(folder, tmp_path / "audited", **options)
        assert said["machine"] == stored["machine"]
        for name in said["files"]:
            assert (tmp_path / "spot" / name).read_bytes() == (tmp_path / "audited" / name).read_bytes(), name
        assert torch.equal(machine.edges, audited.edges)


def test_a_saved_machine(folder, tmp_path):
    _, machine = exported(folder, tmp_path / "out", chip=2)
    said, again = exported(tmp_path / "out" / "machine.safetensors", tmp_path / "again")
    assert (again.memory.words() == machine.memory.words()).all()
    assert said["machine"]["chip"] is None
    with pytest.raises(ParameterError, match="the machine is in software"):
        exported(tmp_path / "out" / "machine.safetensors", tmp_path / "none", chip=0)


def test_damaged_audits_are_refused(folder, tmp_path):
    def copy(name):
        return shutil.copytree(folder, tmp_path / name)

    torn = copy("torn")
    (torn / "software.safetensors").write_bytes((torn / "software.safetensors").read_bytes()[:-3])
    with pytest.raises(StoreError, match="not what the audit wrote"):
        exported(torn, tmp_path / "out")
    (torn / "jobs" / "train.json").unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        exported(torn, tmp_path / "out")
    other = copy("other")
    text = (other / "config.toml").read_text()
    (other / "config.toml").write_text(text.replace("seed = 7", "seed = 8"))
    with pytest.raises(StoreError, match="other data or by another version"):
        exported(other, tmp_path / "out")
    (other / "config.toml").write_text("device = ")
    with pytest.raises(StoreError, match="start the audit again"):
        exported(other, tmp_path / "out")
    (other / "config.toml").write_text("epochs_ = 3")
    with pytest.raises(StudyError, match="not the study of an audit"):
        exported(other, tmp_path / "out")
    (other / "config.toml").unlink()
    with pytest.raises(StoreError, match=r"holds no config\.toml"):
        exported(other, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refused_before_anything_is_trained(task, study, tmp_path, monkeypatch):
    monkeypatch.setattr(chips, "fit", lambda *_: pytest.fail("trained"))
    out = tmp_path / "out"
    other = Study(device="hfox-weak-reset", task=task, network="5-4-3").save(tmp_path / "other.toml")
    with pytest.raises(RefusedError, match="describes Bayesian machines, not a FeedForward"):
        exported(other, out)
    file = study.save(tmp_path / "study.toml")
    with pytest.raises(StudyError, match=r"3 chips, so there is no chip 3 \(0 to 2\)"):
        exported(file, out, chip=3)
    with pytest.raises(UnknownNameError, match="unknown format 'verilo'"):
        export.run(file, "verilo", out)
    with pytest.raises(StudyError, match="nothing to export"):
        exported(tmp_path / "machine.pkl", out)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="apt-get install iverilog"):
        exported(file, out, simulate=True)
    with pytest.raises(RefusedError, match="apt-get install yosys"):
        exported(file, out, synthesise=True)
    assert not out.exists()
