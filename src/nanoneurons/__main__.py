"""``python -m nanoneurons`` is the command ``nanoneurons``."""

from __future__ import annotations

from nanoneurons.cli import main

if __name__ == "__main__":
    main()
