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
        self._covered = [[False] * width for _ in range(height)]
        self._labelled = [[False] * width for _ in range(height)]

    def box(self, x0: int, y0: int, x1: int, y1: int, *, open_left: bool, open_right: bool) -> None:
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
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                self._covered[y][x] = True

    def fill_holes(self, glyph: str) -> None:
        """Fill what no box covers between the leftmost and the rightmost box of every row."""
        for covered, glyphs in zip(self._covered, self._glyphs, strict=True):
            inside = [x for x, is_covered in enumerate(covered) if is_covered]
            for x in range(inside[0], inside[-1]) if inside else ():
                if not covered[x]:
                    glyphs[x] = glyph

    def fill(self, x0: int, y0: int, x1: int, y1: int, glyph: str) -> None:
        """Fill the inside of a box, where no line runs; nothing if it has no inside."""
        for y in range(y0 + 1, y1):
            for x in range(x0 + 1, x1):
                if not self._lines[y][x]:
                    self._glyphs[y][x] = glyph

    def label(self, x0: int, y0: int, x1: int, y1: int, choices: tuple[str, ...]) -> None:
        """Write the first of `choices` that has room inside the box, as near its middle as can be.

        A label covers a fill only if none of the choices finds an unfilled place, and then where
        the box begins, if one of them has room there.
        """
        middle = (y0 + y1) / 2
        rows = sorted(range(y0 + 1, y1), key=lambda y: (abs(y - middle), y))
        free = {y: self._free_runs(y, x0 + 1, x1, over_fill=False) for y in rows}
        filled = {y: self._free_runs(y, x0 + 1, x1, over_fill=True) for y in rows}
        first = {y: [run for run in filled[y][:1] if run.start == x0 + 1] for y in rows}
        for runs_of_row in (free, first, filled):
            for text in choices:
                for y, runs in runs_of_row.items():
                    run = max(runs, key=len, default=range(0))
                    if len(run) >= len(text):
                        x = run.start + (len(run) - len(text)) // 2
                        self.text(x, y, text)
                        self._labelled[y][x : x + len(text)] = [True] * len(text)
                        return

    def text(self, x: int, y: int, text: str) -> None:
        """Write `text` from a place on; lines stay above it."""
        self._glyphs[y][x : x + len(text)] = text

    def _free_runs(self, y: int, x0: int, x1: int, *, over_fill: bool) -> list[range]:
        runs = []
        start = x0
        for x in range(x0, x1 + 1):
            if (
                x == x1
                or self._lines[y][x]
                or self._labelled[y][x]
                or (not over_fill and self._glyphs[y][x] != " ")
            ):
                if x > start:
                    runs.append(range(start, x))
                start = x + 1
        return runs

    def lines(self) -> list[str]:
        """Return the rows from top to bottom."""
        return [
            "".join(
                _LINES[line] if line else glyph
                for line, glyph in zip(line_row, glyph_row, strict=True)
            )
            for line_row, glyph_row in zip(self._lines, self._glyphs, strict=True)
        ]
