"""Reading ``NAME=VALUE`` options."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nanoneurons.core.errors import StudyError

__all__ = ["assignments"]


def assignments(pairs: Sequence[str]) -> dict[str, object]:
    """Turn ``NAME=VALUE`` texts into values: numbers, true, false and lists as in JSON, all else as text.

    Raises:
        StudyError: a text has no name or no value.
    """
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip() or not text.strip():
            raise StudyError(f"--set {pair!r} is not NAME=VALUE, for example --set epochs=3")
        try:
            found[name.strip()] = json.loads(text)
        except ValueError:
            found[name.strip()] = text.strip()
    return found
