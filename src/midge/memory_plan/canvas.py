"""A character canvas for boxes that touch, cross and carry labels."""

from __future__ import annotations

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
_LINES = {
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "┌",
    DOWN | LEFT: "┐",
    UP | RIGHT: "└",
    UP | LEFT: "┘",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    DOWN | LEFT | RIGHT: "┬",
    UP | LEFT | RIGHT: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
    UP: "│",
    DOWN: "│",
    LEFT: "─",
    RIGHT: "─",
}


class Canvas:
    """Boxes share the lines where they touch; fills and labels keep off lines.

    Coordinates are (column, row), row 0 at the top. A box is given by the columns and rows of its
    lines, so its inside is one smaller on every side.
    """

    def __init__(self, width: int, height: int) -> None:
        self._lines = [[0] * width for _ in range(height)]
        self._glyphs = [[" "] * width for _ in range(height)]

    def box(
        self, x0: int, y0: int, x1: int, y1: int, *, open_left: bool, open_right: bool
    ) -> None:
        """Draw the outline; an open side is where the box continues on another canvas."""
        for x in range(x0, x1):
            for y in (y0, y1):
                self._lines[y][x] |= RIGHT
                self._lines[y][x + 1] |= LEFT
        for x, is_open in ((x0, open_left), (x1, open_right)):
            if not is_open:
                for y in range(y0, y1):
                    self._lines[y][x] |= DOWN
                    self._lines[y + 1][x] |= UP

    def fill(self, x0: int, y0: int, x1: int, y1: int, glyph: str) -> None:
        """Fill the inside of a box, where no line runs; nothing if it has no inside."""
        for y in range(y0 + 1, y1):
            for x in range(x0 + 1, x1):
                if not self._lines[y][x]:
                    self._glyphs[y][x] = glyph

    def label(self, x0: int, y0: int, x1: int, y1: int, choices: tuple[str, ...]) -> None:
        """Write the first of `choices` that has room inside the box, as near its middle as can be."""
        middle = (y0 + y1) / 2
        inside = sorted(range(y0 + 1, y1), key=lambda y: (abs(y - middle), y))
        for text in choices:
            for y in inside:
                run = self._longest_free_run(y, x0 + 1, x1)
                if len(run) >= len(text):
                    self.text(run.start + (len(run) - len(text)) // 2, y, text)
                    return

    def text(self, x: int, y: int, text: str) -> None:
        """Write `text` from a place on, over whatever is there but lines."""
        for k, glyph in enumerate(text):
            self._glyphs[y][x + k] = glyph

    def _longest_free_run(self, y: int, x0: int, x1: int) -> range:
        best = range(x0, x0)
        start = x0
        for x in range(x0, x1 + 1):
            if x == x1 or self._lines[y][x] or self._glyphs[y][x] != " ":
                if x - start > len(best):
                    best = range(start, x)
                start = x + 1
        return best

    def lines(self) -> list[str]:
        """Return the rows from top to bottom."""
        return [
            "".join(
                _LINES[line] if line else glyph
                for line, glyph in zip(line_row, glyph_row, strict=True)
            )
            for line_row, glyph_row in zip(self._lines, self._glyphs, strict=True)
        ]
