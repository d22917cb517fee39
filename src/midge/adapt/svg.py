"""Pictures as SVG text: lines over time, bands of regimes, curves on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH = 900
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 26, 24
_MOST_TICKS = 8
_LABEL_HEIGHT = 18
_INK = "#222"
_COLOURS = ("#222222", "#d1495b", "#00798c", "#edae49", "#5f4bb6", "#66a182")
_BANDS = ("#cfe8ef", "#f6d6ad", "#d8e2c8", "#e3d0e6", "#f3c5c5", "#cfd2ea", "#e9e4b4", "#d9d9d9")


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: In the legend.
        values: [points]; NaN leaves a gap.
        x: [points]; None for 0, 1, 2, ...
    """

    name: str
    values: Floats
    x: Floats | None = None


def line_chart(
    title: str,
    lines: Sequence[Line],
    height: int = 180,
    marks: Sequence[int] = (),
    logarithmic: bool = False,
) -> str:
    """Lines over a common axis, thinned to what a screen shows.

    Args:
        title: Above the chart.
        lines: Drawn in order, the first at the back.
        height: In pixels.
        marks: Places on the axis with a red tick at the top.
        logarithmic: Both axes.
    """
    scale = np.log10 if logarithmic else np.asarray
    points = [(scale(_axis(line)), scale(line.values)) for line in lines]
    low_x, high_x = _range([x for x, _ in points])
    low_y, high_y = _range([y for _, y in points])
    if logarithmic:
        low_y, high_y = _decades(low_y, high_y)
        low_x, high_x = _decades(low_x, high_x)
    place = _Place(low_x, high_x, low_y, high_y, height)
    parts = [_open(height, title)]
    parts += _frame(place, logarithmic)
    for index, (line, (x, y)) in enumerate(zip(lines, points, strict=True)):
        colour = _COLOURS[index % len(_COLOURS)]
        parts.append(
            f'<path d="{_path(x, y, place)}" fill="none" stroke="{colour}" stroke-width="1.2"/>'
        )
        at = WIDTH - _RIGHT - 130 * (len(lines) - index)
        parts.append(
            f'<text x="{at}" y="16" fill="{colour}" font-size="12">{escape(line.name)}</text>'
        )
    for mark in marks:
        across = place.x(float(mark))
        parts.append(
            f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{_TOP}" y2="{_TOP + 8}" stroke="#d00"/>'
        )
    return "".join([*parts, "</svg>"])


def band_chart(title: str, rows: Sequence[tuple[str, NDArray[np.int64]]]) -> str:
    """For each row, a band whose colour says which regime held when.

    Args:
        title: Above.
        rows: A name and the regime of every tick.
    """
    thick, gap = 18, 6
    height = _TOP + _BOTTOM + len(rows) * (thick + gap)
    ticks = max((len(regimes) for _, regimes in rows), default=1)
    place = _Place(0.0, float(max(ticks, 1)), 0.0, 1.0, height)
    parts = [_open(height, title)]
    for index, (name, regimes) in enumerate(rows):
        y = _TOP + index * (thick + gap)
        parts.append(f'<text x="4" y="{y + 13}" font-size="11" fill="{_INK}">{escape(name)}</text>')
        for begin, end, regime in _runs(regimes):
            left, right = place.x(float(begin)), place.x(float(end))
            colour = _BANDS[regime % len(_BANDS)]
            parts.append(
                f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 0.5):.1f}" '
                f'height="{thick}" fill="{colour}"><title>regime {regime}, ticks {begin} to '
                f"{end - 1}</title></rect>"
            )
    for tick in _ticks(0.0, float(ticks)):
        at = place.x(tick)
        parts.append(
            f'<text x="{at:.1f}" y="{height - 8}" font-size="11" fill="{_INK}" '
            f'text-anchor="middle">{tick:g}</text>'
        )
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class _Place:
    """Where data lie on the picture."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    height: int

    def x(self, value: float) -> float:
        share = (value - self.low_x) / (self.high_x - self.low_x)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low_y) / (self.high_y - self.low_y)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)


def _open(height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="100%" role="img" font-family="sans-serif" style="background:#fff">'
        f"<title>{escape(title)}</title>"
        f'<text x="{_LEFT}" y="16" font-size="13" fill="{_INK}">{escape(title)}</text>'
    )


def _axis(line: Line) -> Floats:
    return np.arange(len(line.values), dtype=np.float64) if line.x is None else line.x


def _range(parts: Sequence[Floats]) -> tuple[float, float]:
    finite = [part[np.isfinite(part)] for part in parts]
    values = np.concatenate(finite) if finite else np.zeros(1)
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _decades(low: float, high: float) -> tuple[float, float]:
    """Whole powers of ten around a range of logarithms."""
    return float(np.floor(low)), float(max(np.ceil(high), np.floor(low) + 1))


def _frame(place: _Place, logarithmic: bool) -> list[str]:
    parts = []
    ticks = _powers if logarithmic else _ticks
    for tick in _some(ticks(place.low_y, place.high_y), place.height):
        at = place.y(tick)
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" '
            f'stroke="#e5e5e5"/><text x="{_LEFT - 6}" y="{at + 4:.1f}" font-size="11" '
            f'fill="{_INK}" text-anchor="end">{_named(tick, logarithmic)}</text>'
        )
    for tick in ticks(place.low_x, place.high_x):
        at = place.x(tick)
        # At the right edge a label in the middle would be cut.
        anchor = "end" if at > WIDTH - 2 * _RIGHT else "middle"
        parts.append(
            f'<text x="{at:.1f}" y="{place.height - 8}" font-size="11" fill="{_INK}" '
            f'text-anchor="{anchor}">{_named(tick, logarithmic)}</text>'
        )
    return parts


def _named(tick: float, logarithmic: bool) -> str:
    if not logarithmic:
        return f"{tick:g}"
    return f"{10**tick:,.0f}" if tick >= 0 else f"{10**tick:.3g}"


def _some(ticks: list[float], height: int) -> list[float]:
    """Every so many of them that their labels have room."""
    room = max(1, (height - _TOP - _BOTTOM) // _LABEL_HEIGHT)
    return ticks[:: -(-len(ticks) // room)]


def _powers(low: float, high: float) -> list[float]:
    return [float(power) for power in range(round(low), round(high) + 1)]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers across a range."""
    rough = (high - low) / _MOST_TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(s for s in (1, 2, 5, 10) if s * power >= rough)
    first = np.ceil(low / step)
    return [float(round(k * step, 12)) + 0.0 for k in np.arange(first, np.floor(high / step) + 1)]


def _path(x: Floats, y: Floats, place: _Place) -> str:
    x, y = _thinned(x, y)
    parts, pen_down = [], False
    for across, up in zip(x, y, strict=True):
        if not np.isfinite(up):
            pen_down = False
            continue
        parts.append(f"{'L' if pen_down else 'M'}{place.x(across):.1f} {place.y(up):.1f}")
        pen_down = True
    return "".join(parts)


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest of each pixel's samples, in their order."""
    pixels = WIDTH - _LEFT - _RIGHT
    if len(y) <= 2 * pixels:
        return x, y
    kept: list[int] = []
    for part in np.array_split(np.arange(len(y)), pixels):
        finite = part[np.isfinite(y[part])]
        if len(finite):
            least, most = finite[np.argmin(y[finite])], finite[np.argmax(y[finite])]
            kept += sorted({int(least), int(most)})
        else:
            kept.append(int(part[0]))
    return x[kept], y[kept]


def _runs(values: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Begin, end (not inside) and value of each stretch of equal values."""
    if not len(values):
        return []
    cuts = np.flatnonzero(np.diff(values)) + 1
    begins, ends = [0, *cuts.tolist()], [*cuts.tolist(), len(values)]
    return [(b, e, int(values[b])) for b, e in zip(begins, ends, strict=True)]
