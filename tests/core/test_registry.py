"""A catalogue finds final classes, not the bases they share."""

import sys

import pytest

from nanoneurons.core.errors import UnknownNameError
from nanoneurons.core.registry import Folder

SHARED = """
from abc import ABC, abstractmethod

class Thing(ABC):
    @abstractmethod
    def use(self): ...
"""
FINAL = """
from abc import abstractmethod
from things_for_a_test._thing import Thing

class Abstract(Thing):
    @abstractmethod
    def more(self): ...

class _Base(Thing):
    def use(self): ...

class Unrelated: ...

class Zeppelin(_Base): ...
"""


@pytest.fixture
def things(tmp_path, monkeypatch):
    package = tmp_path / "things_for_a_test"
    package.mkdir()
    for name, text in {"__init__": "", "_thing": SHARED, "big_zeppelin": FINAL, "empty": "x = 1"}.items():
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield Folder("things_for_a_test", "thing", "Thing")
    for name in [name for name in sys.modules if name.startswith("things_for_a_test")]:
        del sys.modules[name]


def test_names_come_from_the_files(things):
    assert list(things) == ["big-zeppelin", "empty"]


def test_bases_are_no_entries(things):
    assert things["big-zeppelin"].__name__ == "Zeppelin"


def test_a_file_without_a_final_class_is_a_fault_of_the_program(things):
    with pytest.raises(TypeError, match="empty defines no final Thing"):
        things["empty"]


def test_unknown_names_get_a_suggestion(things):
    with pytest.raises(UnknownNameError, match="did you mean 'big-zeppelin'"):
        things["zeppelin"]
