"""Exit statuses, one-line errors, quick start, JSON alone on stdout."""

import json
import os
import subprocess
import sys

import pytest
import typer

from nanoneurons import __version__
from nanoneurons.cli import _main
from nanoneurons.cli._main import app, run
from nanoneurons.core.errors import DataError

COMMANDS = {"audit", "design", "export", "fit", "reproduce", "report", "devices", "rules", "tasks", "papers", "data"}


def one_line(capsys):
    """The only line on stderr; stdout must be empty."""
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("nanoneurons: ")
    return line


def launched(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "nanoneurons", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_the_commands_are_these():
    assert set(typer.main.get_command(app).commands) == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_has_an_example(command, capsys):
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert command == "data" or f"Example: nanoneurons {command}" in " ".join(text.split())


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"nanoneurons {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["devces"], "'devices'"),
        (["devices", "--jsn"], "--json"),
        (["devices", "hfox-weak-rest"], "did you mean 'hfox-weak-reset'"),
        (["devices", "missing.toml"], "does not exist"),
        (["rules", "pulsed-adm"], "did you mean 'pulsed-adam'"),
        (["tasks", "minst"], "did you mean 'mnist'"),
        (["papers", "majumdar2021-weak-rest"], "did you mean 'majumdar2021-weak-reset'"),
        (["reproduce", "majumdar2021"], "did you mean 'majumdar2021-weak-reset'"),
        (["reproduce", "majumdar2021-weak-reset", "--quick", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["reproduce", "majumdar2021-weak-reset", "--set", "epochs"], "NAME=VALUE"),
        (["reproduce"], "argument 'key'"),
        (["report", "nowhere"], "nowhere"),
        (["audit"], "--device"),
        (["audit", "nowhere.toml"], "nowhere.toml"),
        (["audit", "--device", "hfox-weak-rest"], "did you mean 'hfox-weak-reset'"),
        (["audit", "--device", "hfox-weak-reset", "--chips", "many"], "--chips"),
        (["audit", "--device", "hfox-weak-reset", "--chips", "0"], "chips"),
        (["audit", "--device", "hfox-weak-reset", "--set", "resistance=7 kg"], "ohm"),
        (["audit", "--device", "hfox-weak-reset", "--set", "resistance=1e30"], "resistance"),
        (["audit", "--device", "hfox-weak-reset", "--set", "resistence=7 kohm"], "did you mean 'resistance'"),
        (["audit", "--device", "hfox-weak-reset", "--rule", "pulsed-adm"], "did you mean 'pulsed-adam'"),
        (["audit", "--device", "hfox-binary", "--rule", "pulsed-adam"], "no intermediate states"),
        (["audit", "--device", "hfox-weak-reset", "--task", "user:nowhere.npz"], "nowhere.npz"),
        (["audit", "--device", "hfox-weak-reset", "--task", "fashion-mnist"], "data fetch fashion-mnist"),
        (["audit", "--device", "hfox-weak-reset", "--network", "65-10"], "65"),
        (["data", "check", "user:nowhere.csv"], "nowhere.csv"),
        (["data", "fetch", "digits"], "needs no download"),
        (["data", "list", "--root", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert said in one_line(capsys)
    assert list(tmp_path.iterdir()) == [], "a refused command left files behind"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "relaxing-oscillator"], "nanoneurons devices relaxing-oscillator --plot"),
        (["--device", "switching-junction"], "nanoneurons reproduce"),
        (["--device", "lif"], "takes its weights from a memory device"),
        (["--device", "hfox-weak-reset", "--rule", "frequency-shift"], "trains oscillators"),
    ],
)
def test_an_audit_refuses_what_trains_no_layers(samples, arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["audit", *arguments]) == 2
    assert said in one_line(capsys)
    assert list(tmp_path.iterdir()) == [], "a refused command left files behind"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('device = "hfox-weak-reset"\nchip = 3', "did you mean 'chips'"),
        ('device = "hfox-weak-reset"\nchips = "three"', "chips"),
        ("device = ", "cannot be read"),
        ('task = "digits"', "device"),
        ('device = "hfox-weak-reset"\n[device_parameters]\nresistance = "7 uS"', "ohm"),
    ],
)
def test_wrong_study_file(text, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(text)
    assert run(["audit", "study.toml"]) == 2
    line = one_line(capsys)
    assert said in line
    assert "study.toml" in line
    assert [p.name for p in tmp_path.iterdir()] == ["study.toml"]


def test_no_traceback_in_a_real_process(tmp_path):
    done = launched("devices", "hfox-weak-rest")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def broken():
    raise RuntimeError("first line\nsecond line")


def test_unexpected_errors_are_short_and_say_how_to_see_more(capsys, monkeypatch):
    monkeypatch.setattr(_main, "app", lambda **_: broken())
    monkeypatch.delenv("NANONEURONS_DEBUG", raising=False)
    assert run([]) == 70
    line = one_line(capsys)
    assert "RuntimeError: first line" in line
    assert "NANONEURONS_DEBUG=1" in line
    monkeypatch.setenv("NANONEURONS_DEBUG", "1")
    with pytest.raises(RuntimeError):
        run([])


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (MemoryError(), 70), (DataError("a\nb"), 2)])
def test_other_ends(error, status, capsys, monkeypatch):
    def fail(**_):
        raise error

    monkeypatch.setattr(_main, "app", fail)
    assert run([]) == status
    one_line(capsys)


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m nanoneurons devices hfox-weak-reset | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.mark.parametrize("code", ["import nanoneurons", "from nanoneurons.cli._main import run; run(['--help'])"])
def test_starts_without_the_heavy_libraries(code):
    heavy = "{'torch', 'numpy', 'scipy', 'numba', 'matplotlib', 'pint', 'sklearn', 'pydantic'}"
    check = f"import sys; {code}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("arguments", [["-c", "import nanoneurons"], ["-m", "nanoneurons", "--help"]])
def test_starts_within_a_second(arguments):
    def seconds():
        before = os.times()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, timeout=60)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Time of the processor, which other programs on the machine do not lengthen; the first start fills caches.
    assert min(seconds() for _ in range(3)) < 1.0


@pytest.mark.parametrize(
    "arguments", [["devices"], ["rules"], ["tasks"], ["papers"], ["data", "list"], ["data", "check"]]
)
def test_json_is_one_object_and_nothing_else(arguments, capsys):
    assert run([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ((kind, entries),) = found.items()
    assert kind == arguments[0]
    assert entries
    assert all(entry["name"] for entry in entries)


def test_completion_lists_names_without_torch():
    done = launched(_NANONEURONS_COMPLETE="complete_bash", COMP_WORDS="nanoneurons devices hf", COMP_CWORD="2")
    assert "hfox-weak-reset" in done.stdout
    code = "import sys; from nanoneurons.cli import _names; _names.devices(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
