"""Writing TOML: keys, values and rows as text that reads back to the same values."""

from __future__ import annotations

import json
from typing import Any

from .errors import ParameterError

__all__ = ["key", "value"]


def key(name: str) -> str:
    """A key, quoted where it must be."""
    plain = all(c.isascii() and (c.isalnum() or c in "-_") for c in name) and name
    return name if plain else value(name)


def value(given: Any) -> str:
    """Text, number, list or (inline) table; a float keeps every bit.

    Raises:
        ParameterError: anything else, None included.
    """
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        text = given.encode("utf-8", "backslashreplace").decode()  # names of files may hold what is no text
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(given, float):
        return repr(float(given))  # numpy's float64 is a float that shows itself otherwise
    if isinstance(given, int):
        return repr(given)
    if isinstance(given, list | tuple):
        return f"[{', '.join(value(item) for item in given)}]"  # type: ignore[reportUnknownVariableType]
    if isinstance(given, dict):
        pairs = ", ".join(f"{key(str(k))} = {value(v)}" for k, v in given.items())  # type: ignore[reportUnknownVariableType]
        return f"{{ {pairs} }}" if pairs else "{}"
    raise ParameterError(f"{given!r} cannot be written to a TOML file; use text or numbers")
