"""The drawings of the heart-rhythm report but for the strips: curves, matrices, bars.

Geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from midge.recipes.ecg.report_data import Curve, Scores, System, Uplink

SIDE = 250.0
CURVES_LEFT, CURVES_TOP = 44.0, 10.0
LEAST_FALSE = 1e-3
"""Where the axis of false alarms begins; it is logarithmic, for all of interest is at its left."""

LINE_STYLES = {
    "float": "float",
    "int8": "int8",
    "device": "device",
    "cloud": "cloud",
    "cascade": "cascade",
}


@dataclass(frozen=True)
class Mark:
    """A place on an axis and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A system's curve.

    Attributes:
        css: Its style.
        title: Tooltip.
        points: From left to right.
        at: Where it works.
    """

    css: str
    title: str
    points: tuple[tuple[float, float], ...]
    at: tuple[float, float]


@dataclass(frozen=True)
class CurvePlot:
    """The curves of all systems for one question.

    Attributes:
        name: Of the question.
        title: In words.
        width: Of all.
        height: Of all.
        left: Of the plot.
        right: Of the plot.
        top: Of the plot.
        bottom: Of the plot.
        x_marks: Of false alarms.
        y_marks: Of the sensitivity.
        lines: One a system.
    """

    name: str
    title: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]
    lines: tuple[Line, ...]


def draw_curves(systems: Sequence[System], name: str, title: str) -> CurvePlot | None:
    """All systems' curves that tell `name` from all else; None where no system has one."""
    right, bottom = CURVES_LEFT + SIDE, CURVES_TOP + SIDE

    def place(point: tuple[float, float]) -> tuple[float, float]:
        false, hit = point
        logarithm = math.log10(max(false, LEAST_FALSE) / LEAST_FALSE) / -math.log10(LEAST_FALSE)
        return CURVES_LEFT + SIDE * min(logarithm, 1.0), bottom - SIDE * min(max(hit, 0.0), 1.0)

    lines = []
    for system in systems:
        for curve in system.curves:
            if curve.name == name:
                points = tuple(place(p) for p in _from_the_axis(curve))
                text = f"{system.title}: area {curve.area:.3f}"
                lines.append(Line(LINE_STYLES[system.name], text, points, place(curve.at)))
    if not lines:
        return None
    shares = (0.001, 0.01, 0.1, 1.0)
    return CurvePlot(
        name=name,
        title=title,
        width=right + 22,
        height=bottom + 38,
        left=CURVES_LEFT,
        right=right,
        top=CURVES_TOP,
        bottom=bottom,
        x_marks=tuple(Mark(place((s, 0.0))[0], f"{100 * s:g} %") for s in shares),
        y_marks=tuple(Mark(place((1.0, s / 4))[1], f"{25 * s} %") for s in range(5)),
        lines=tuple(lines),
    )


def _from_the_axis(curve: Curve) -> list[tuple[float, float]]:
    """Its points from the left end of the axis on: of those before it, the highest."""
    before = [hit for false, hit in curve.points if false <= LEAST_FALSE]
    return [(LEAST_FALSE, max(before, default=0.0))] + [
        point for point in curve.points if point[0] > LEAST_FALSE
    ]


@dataclass(frozen=True)
class Cell:
    """Of a matrix.

    Attributes:
        number: Beats.
        share: Of the row.
        css: ``same`` on the diagonal, ``off`` beside it; ``other`` in the rows of what no system
            can say; ``none`` where there are none.
    """

    number: int
    share: float
    css: str


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix.

    Attributes:
        title: Of the system.
        columns: What was said.
        rows: The cardiologists' class, and the cells.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def matrix_of(title: str, scores: Scores) -> Matrix:
    """A matrix with each cell's share of its row; rows without beats are left out."""
    rows = []
    for name, counts in zip(scores.rows, scores.confusion, strict=True):
        whole = sum(counts)
        if not whole:
            continue
        beside = "off" if name in scores.columns else "other"
        cells = tuple(
            Cell(n, n / whole, "none" if not n else "same" if column == name else beside)
            for column, n in zip(scores.columns, counts, strict=True)
        )
        rows.append((name, cells))
    return Matrix(title, scores.columns, tuple(rows))


@dataclass(frozen=True)
class ByteBar:
    """Bytes of one way to send.

    Attributes:
        title: The way.
        size_bytes: For all test records.
        per_hour_bytes: An hour of one lead.
        share: Of the longest bar, for its length.
        of_packed: Of the samples in 12 bits.
        css: Its tint.
    """

    title: str
    size_bytes: int
    per_hour_bytes: float
    share: float
    of_packed: float
    css: str


def byte_bars(uplink: Uplink) -> tuple[ByteBar, ...]:
    """The ways to send, the dearest first."""
    ways = (
        ("every sample, 16 bits", uplink.plain_bytes, "second"),
        ("every sample, 12 bits", uplink.packed_bytes, "second"),
        ("every sample, losslessly coded", uplink.coded_bytes, "fourth"),
        ("flagged beats in their context, coded", uplink.sent_bytes, "first"),
    )
    most = max(size for _, size, _ in ways) or 1
    packed, hours = uplink.packed_bytes or 1, uplink.hours or 1.0
    return tuple(
        ByteBar(title, size, size / hours, size / most, size / packed, css)
        for title, size, css in ways
    )
