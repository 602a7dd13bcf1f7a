"""Drawing of the fabricated machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nanoneurons.papers._paper import Figure

from ._chip import BINS, COLUMNS, ROWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["layout_figure"]

_MEMORY, _LOGIC, _RANDOM, _COUNTER = "#cfdcec", "#f6d5d8", "#d6ead9", "#efe6bf"


def layout_figure() -> Figure:
    """Blocks, shift registers, AND rows and counters."""

    def draw(canvas: Canvas) -> None:
        from matplotlib.patches import Rectangle

        ax = canvas.subplots()
        small = canvas.get_figwidth() < 5
        size = 5.5 if small else 8

        def box(x: float, y: float, width: float, height: float, colour: str, text: str) -> None:
            ax.add_patch(Rectangle((x, y), width, height, fc=colour, ec="#444444", lw=0.8))
            ax.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=size)

        for column in range(COLUMNS):
            x = 2 * column
            box(x, 0.2, 1.6, 0.6, _RANDOM, f"LFSR {column + 1}")
            ax.plot([x + 1.2, x + 1.2], [0.8, 1.45 * ROWS], color="#228833", lw=0.8, zorder=0)
            ax.annotate(
                f"O{column + 1}", (x + 0.4, 1.5), (x + 0.4, 1.1), fontsize=size, ha="center", va="center",
                arrowprops={"arrowstyle": "->", "lw": 0.8, "color": "#444444"},
            )  # fmt: skip
            for row in range(ROWS):
                y = 1.5 + 1.4 * row
                box(x, y, 0.8, 0.9, _MEMORY, f"{BINS} × 8\n2T2R")
                box(x + 0.9, y, 0.6, 0.4, _LOGIC, "p > r")
                box(x + 0.9, y + 0.5, 0.6, 0.4, _LOGIC, "AND")
        for row in range(ROWS):
            y = 2.2 + 1.4 * row
            ax.annotate(
                "", (2 * COLUMNS, y), (0.0, y), arrowprops={"arrowstyle": "->", "lw": 0.8, "color": "#aa3344"}, zorder=0
            )
            box(2 * COLUMNS, y - 0.3, 1.5, 0.6, _COUNTER, f"count\ny = {row + 1}" if small else f"count, y = {row + 1}")
        ax.set_xlim(-0.2, 2 * COLUMNS + 1.7)
        ax.set_ylim(1.4 * ROWS + 1.6, 0)
        ax.axis("off")

    devices = 2 * ROWS * COLUMNS * BINS * 8
    return Figure(
        "layout",
        f"The fabricated machine: {ROWS} hypotheses (rows) and {COLUMNS} observations (columns), each block {BINS} "
        f"words of 8 bits in pairs of memristors, {devices:,} in all. An observation O selects a word in all blocks "
        "of its column; one shift register (LFSR) a column makes the random numbers r, which a comparator turns into a "
        "bit that is 1 with probability p; the bits of a row are multiplied (AND) and counted.",
        draw, "Layout", 4.0,
    )  # fmt: skip
