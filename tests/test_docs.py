"""The documentation covers every entry, links to what exists, and its code runs."""

import importlib.util
import re
import runpy
from pathlib import Path

import pytest

from nanoneurons import data, devices, learning, papers
from nanoneurons.cli import _describe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.fixture(scope="module")
def generator():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "_generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generator):
    return generator.pages()


def test_every_entry_has_a_page(generator, pages):
    kinds = {
        "devices": _describe.device_names(),
        "rules": list(learning.catalogue),
        "tasks": list(data.catalogue),
        "papers": list(papers.catalogue),
    }
    for kind, names in kinds.items():
        index = pages[f"catalogue/{kind}/index.md"]
        for name in names:
            file = generator.file_name(name)
            assert f"({file})" in index
            assert pages[f"catalogue/{kind}/{file}"].startswith("# ")


def test_device_pages_show_every_parameter(generator, pages):
    for spec in _describe.device_names():
        page = pages[f"catalogue/devices/{generator.file_name(spec)}"]
        for parameter in _describe.device(spec)["parameters"]:
            assert f"| `{parameter['name']}` |" in page


def test_pages_of_other_kinds(samples, generator):
    pages = generator.pages()
    oscillator, junction = (pages[f"catalogue/devices/{n}.md"] for n in ("relaxing-oscillator", "switching-junction"))
    assert "## Oscillation" in oscillator
    assert "| threshold current | 4 mA |" in oscillator
    assert "| linewidth there | no closed form here |" in oscillator
    for page in (oscillator, junction):
        assert "conductance" not in page.split("## ")[0]
        assert "Default rule" not in page
    assert "For oscillators." in pages["catalogue/rules/frequency-shift.md"]
    test_tables_have_equal_rows(pages)
    index = pages["catalogue/devices/index.md"]
    assert "| [`switching-junction`](switching-junction.md) | junction | switching junction |" in index


def test_every_command_and_option_is_in_the_reference(pages):
    import typer

    from nanoneurons.cli._main import app

    reference = pages["catalogue/cli.md"]
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", {"": command})
        for sub, leaf in inner.items():
            assert f"## nanoneurons {name} {sub}".strip() in reference
            for parameter in leaf.params:
                for option in getattr(parameter, "opts", []):
                    if option.startswith("--") and option != "--help":
                        assert option in reference


def test_tables_have_equal_rows(pages):
    for path, text in pages.items():
        widths = set()
        for line in [*text.splitlines(), ""]:  # an empty line ends the last table
            if line.startswith("|"):
                widths.add(len(re.findall(r"(?<!\\)\|", line)))
            else:
                assert len(widths) <= 1, f"{path}: a cell breaks its table before {line!r}"
                widths = set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page, generator, pages):
    for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = (page.parent / target).resolve()
        inside = str(path).removeprefix(str(ROOT / "docs") + "/")
        assert path.exists() or inside in pages, f"{page.name} links to {target}"


BLOCKS = [
    (page.name, text)
    for page in (
        ROOT / "README.md",
        ROOT / "docs" / "getting-started.md",
        ROOT / "docs" / "oscillators.md",
        ROOT / "docs" / "radio-frequency.md",
        ROOT / "docs" / "equilibrium-propagation.md",
        ROOT / "docs" / "spiking.md",
        ROOT / "docs" / "bayesian.md",
    )
    for text in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_shown_code_runs(page, code, capsys):
    exec(compile(code, page, "exec"), {})
    shown = "bits" if "BayesianMachine" in code else "tensor("  # machines that reason explain, others print accuracies
    assert shown in capsys.readouterr().out


def test_the_tutorial_of_your_own_device_runs(tmp_path, monkeypatch, capsys):
    """Its file is made by the script it names; then its Python and its device files, as they stand there."""
    page = (ROOT / "docs" / "your-own-device.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples" / "make_measurements.py"))["make"]()
    head = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)[0]
    assert (tmp_path / "pulses.csv").read_text().startswith(head)
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(compile(code, "your-own-device.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "it fits" in shown and "tensor(" in shown
    for name, digits in (("read_noise", 3), ("write_noise", 2)):  # the page states what the fit says
        known, value = names["file"].known[name], getattr(names["file"].device, name)
        assert f"{value:.{digits}f}" in page
        assert name == "write_noise" or f"{known.low:.{digits}f} to {known.high:.{digits}f}" in page
    for number, text in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)):
        (tmp_path / f"{number}.toml").write_text(text, encoding="utf-8")
        assert devices.load_file(f"{number}.toml").known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_shown_commands_exist(page):
    import typer

    from nanoneurons.cli._main import app

    commands = typer.main.get_command(app).commands
    for block in re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] == ["nanoneurons"] and len(words) > 1:
                assert words[1] in commands, line
                known = {option for parameter in commands[words[1]].params for option in getattr(parameter, "opts", [])}
                for word in words[2:]:
                    assert not word.startswith("--") or word in known, line
