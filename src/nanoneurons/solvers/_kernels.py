"""Compiled kernels: the generated source lies in a cache folder, so that Numba compiles it once per machine."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

from nanoneurons.core.errors import StoreError

from ._codegen import Shape, source
from ._equation import Equation

__all__ = ["kernel", "module"]


def _folders() -> list[Path]:
    """Where kernels may lie, as Numba looks for its cache: named, beside this file, the user's cache, temporary."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return [Path(named) / "nanoneurons-kernels"]
    import pooch

    return [Path(__file__).parent / "__pycache__" / "kernels", Path(pooch.os_cache("nanoneurons")) / "kernels"]


@cache
def kernel(equation: Equation, shape: Shape) -> Callable[..., None]:
    """The compiled kernel of an equation for one shape of problem."""
    return module(source(equation, shape)).kernel


def module(text: str) -> ModuleType:
    """The module with this source, kept in the first folder that can be written."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    name = f"nanoneurons_kernel_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    for folder in (*_folders(), Path(tempfile.gettempdir()) / f"nanoneurons-kernels-{os.getpid()}"):
        path = folder / f"{name}.py"
        try:
            _write(path, text)
        except OSError:
            continue
        return _import(name, path)
    raise StoreError("no folder can be written for compiled kernels; set NUMBA_CACHE_DIR to one")


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)


def _import(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
