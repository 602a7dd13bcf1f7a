"""The command line: verbs only, no physics.

Exit status: 0 done; 1 a reproduction fell short of its published number, or exported hardware differs from Python;
2 wrong usage or input, told in one line; 70 a fault of the program; 130 interrupted.
"""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
