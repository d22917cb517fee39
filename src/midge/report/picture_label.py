"""A label for an area: across or along it, shortened to fit, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midge.report.wording import columns, shorten

LETTER_WIDTH = 6.05
"""Advance of a letter at the drawing's 10-unit monospaced type, with a little to spare."""
LINE_HEIGHT = 12.0
MARGIN = 3.0
FEWEST_LETTERS = 4

Area = tuple[float, float, float, float]
"""x, y, width and height."""


@dataclass(frozen=True)
class Label:
    """Lines around a point.

    Attributes:
        x: Middle.
        y: Middle.
        lines: One or two.
        upright: Turned by a quarter, to be read upwards.
    """

    x: float
    y: float
    lines: tuple[str, ...]
    upright: bool


def place_label(name: str, size: str, areas: Sequence[Area]) -> Label | None:
    """Put a name, and its size if there is room, into the area that shows most of it.

    Args:
        name: Shortened in the middle where need be.
        size: Shown whole or not at all.
        areas: To choose from; the earlier wins where two show as much.

    Returns:
        the label; None where only a stump of the name would fit.
    """
    best: tuple[int, Label] | None = None
    for area in areas:
        for upright in (False, True):
            found = _in_area(name, size, area, upright)
            if found is not None and (best is None or found[0] > best[0]):
                best = found
    return best[1] if best else None


def _in_area(name: str, size: str, area: Area, upright: bool) -> tuple[int, Label] | None:
    """The label and how many of its letters can be read."""
    x, y, width, height = area
    along, across = (height, width) if upright else (width, height)
    letters = int((along - 2 * MARGIN) / LETTER_WIDTH)
    rows = int(across / LINE_HEIGHT)
    wanted = columns(name)
    if rows < 1 or letters < min(FEWEST_LETTERS, wanted):
        return None
    lines: tuple[str, ...] = (shorten(name, letters),)
    if rows >= 2 and columns(size) <= letters:
        lines = (*lines, size)
    elif columns(name) + 2 + columns(size) <= letters:
        lines = (f"{name}  {size}",)
    readable = min(letters, wanted) + (columns(size) if len(lines) > 1 else 0)
    return readable, Label(x + width / 2, y + height / 2, lines, upright)
