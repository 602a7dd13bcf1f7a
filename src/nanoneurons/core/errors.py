"""Errors that a user can cause; each says what is wrong and what to do about it.

The command line prints them as one line and exits with status 2; in Python they are ordinary
exceptions that also derive from the built-in type a caller would expect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "DivergedError",
    "NanoneuronsError",
    "ParameterError",
    "RefusedError",
    "RunawayError",
    "StoreError",
    "StudyError",
    "UnknownNameError",
    "nearest",
]


class NanoneuronsError(Exception):
    """Base of every error that names a culprit and a remedy."""


class ParameterError(NanoneuronsError, ValueError):
    """A parameter has the wrong type, unit or range."""


class UnknownNameError(NanoneuronsError, KeyError):
    """A name (device, rule, task, paper, key) is not in its catalogue."""

    def __str__(self) -> str:  # KeyError would print the repr, quotes included
        return str(self.args[0]) if self.args else ""


class DataError(NanoneuronsError, ValueError):
    """A data set is missing, corrupt, or holds values that cannot be used."""


class DivergedError(NanoneuronsError, ArithmeticError):
    """Training or a relaxation produced a value that is not a number."""


class RunawayError(DivergedError):
    """A population of neurons fires faster than it may; the message names it."""


class ConvergenceWarning(UserWarning):
    """A relaxation stopped before it had settled; says how far it was and how many steps would do."""


class StudyError(NanoneuronsError, ValueError):
    """A study file is malformed or asks for something contradictory."""


class RefusedError(NanoneuronsError, ValueError):
    """A combination of device, circuit and rule that cannot work; the message gives the reason."""


class StoreError(NanoneuronsError, OSError):
    """Results could not be written or read back."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest known name, or an empty string."""
    lowered = {k.lower(): k for k in known}
    match = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
    return f" (did you mean {lowered[match[0]]!r}?)" if match else ""
