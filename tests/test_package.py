"""What holds for the project as a whole: version, changelog, citation, public names, shipped files."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import nanoneurons

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_version_changelog_and_citation_agree():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (unreleased|\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)
    assert newest is not None, "the changelog needs a heading like '## [0.1.0] - unreleased'"
    assert newest[1] == nanoneurons.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == nanoneurons.__version__
    assert citation["preferred-citation"]["version"] == nanoneurons.__version__
    assert citation["license"] == PYPROJECT["project"]["license"]


@pytest.mark.parametrize("name", nanoneurons.__all__)
def test_convenience_names_exist(name):
    assert getattr(nanoneurons, name) is not None
    assert name in dir(nanoneurons)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'lod_device'"):
        _ = nanoneurons.lod_device


def test_shipped_studies_parse():
    from nanoneurons.lab.study import Study

    studies = list((ROOT / "examples").glob("*.toml"))
    assert studies
    for file in studies:
        Study.load(file)


def test_constraints_pin_every_declared_dependency():
    pinned = set()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pinned.add(name.lower().replace("_", "-"))
            assert re.fullmatch(r"[\w.]+", version), f"{line}: constraints hold plain versions only"
    extras = PYPROJECT["project"]["optional-dependencies"]
    declared = [*PYPROJECT["project"]["dependencies"], *(d for ds in extras.values() for d in ds)]
    names = {re.split(r"[<>=\[]", d)[0].lower().replace("_", "-") for d in declared} - {"nanoneurons"}
    assert names <= pinned


def test_source_never_unpickles():
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for pattern in (r"allow_pickle=True", r"import pickle", r"(?<!safetensors\.)torch\.load\(", r"shell=True"):
            assert re.search(pattern, text) is None, f"{file.name} has {pattern}"


def test_global_random_functions_are_not_used():
    forbidden = re.compile(r"torch\.manual_seed|np\.random\.(seed|rand|randn|normal|uniform|randint|choice|shuffle)\(")
    for file in (ROOT / "src").rglob("*.py"):
        found = forbidden.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.name} uses {found and found[0]}"
