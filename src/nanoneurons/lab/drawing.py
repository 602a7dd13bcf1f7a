"""Matplotlib set up for reports: one look, and figures as inline SVG in a wide and a narrow form."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed, and none is asked for

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanoneurons.core.files import write_atomic

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "ORANGE",
    "RED",
    "TEAL",
    "Draw",
    "Picture",
    "axes",
    "both",
    "is_narrow",
    "save",
    "svg",
]

# Okabe and Ito's palette: told apart by the colour-blind and in grey print.
BLUE, ORANGE, TEAL, RED, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a8f98", "#1f2328"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.titlesize": 11,
    "axes.edgecolor": "#555b64",
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e6ea",
    "grid.linewidth": 0.8,
    "xtick.color": "#3a3f47",
    "ytick.color": "#3a3f47",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "svg.fonttype": "path",  # the report looks the same without any font installed
    "svg.hashsalt": "nanoneurons",
}
WIDE, NARROW = 7.4, 3.7  # inches: about a column of a page, and a phone

Draw = Callable[[Figure], None]


@dataclass(frozen=True)
class Picture:
    """A figure of the report: its name, what it shows, its size and how to draw it."""

    name: str
    title: str
    caption: str
    draw: Draw
    height: float = 3.6
    narrow_height: float | None = None


def svg(draw: Draw, width: float, height: float, title: str, prefix: str) -> str:
    """Draw a figure of the given size in inches and return it as an ``<svg>`` element.

    Args:
        prefix: put before every identifier, so that many figures can stand in one page.
    """
    with matplotlib.rc_context(STYLE):
        figure = plt.figure(figsize=(width, height), layout="constrained")
        try:
            draw(figure)
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        finally:
            plt.close(figure)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    safe = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{safe}" ', 1).strip()


def both(draw: Draw, height: float, title: str, prefix: str, *, narrow_height: float | None = None) -> dict[str, str]:
    """The figure for a wide page and for a phone, with text of the same size."""
    return {
        "wide": svg(draw, WIDE, height, title, prefix + "-w"),
        "narrow": svg(draw, NARROW, narrow_height or height, title, prefix + "-n"),
    }


def axes(figure: Figure) -> Axes:
    """The one set of axes of a simple figure."""
    return figure.add_subplot()


def is_narrow(figure: Figure) -> bool:
    """Whether the figure is drawn for a phone."""
    return figure.get_figwidth() < 5


def save(picture: Picture, path: Path) -> None:
    """Write one figure with its title to a file whose suffix says the format; replaced only when complete.

    Raises:
        StoreError: the file cannot be written.
    """
    with matplotlib.rc_context({**STYLE, "savefig.dpi": 160}):
        figure = plt.figure(figsize=(WIDE, picture.height), layout="constrained")
        try:
            picture.draw(figure)
            figure.suptitle(picture.title)
            buffer = io.BytesIO()
            figure.savefig(buffer, format=path.suffix.lower().lstrip("."))
        finally:
            plt.close(figure)
    write_atomic(path, buffer.getvalue())
