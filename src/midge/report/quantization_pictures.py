"""The drawings of one layer: its values under its codes, the ranges of its channels and weights.

Everything here is geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from midge.report.quantization_noise import Tick, real
from midge.report.quantization_reasons import codes_spanned
from midge.report.wording import NO_BREAK, count

Json = dict[str, Any]
Points = tuple[tuple[float, float], ...]

PLOT_WIDTH = 318.0
PLOT_LEFT = 6.0
HISTOGRAM_TOP = 26.0
HISTOGRAM_HEIGHT = 92.0
CHANNELS_HEIGHT = 92.0
WEIGHTS_HEIGHT = 56.0
WIDEST_BAR = 14.0


@dataclass(frozen=True)
class Span:
    """A rectangle with an optional tooltip."""

    x: float
    y: float
    width: float
    height: float
    tooltip: str = ""


@dataclass(frozen=True)
class Histogram:
    """Values of a layer along the line of reals, heights on a logarithmic scale.

    Attributes:
        bars: Of the float network; of the integers where there is none.
        outline: Of the integers, beside a float network.
        codes: Where codes are.
        inner: Where nearly all values of the float network are.
        inner_text: How many codes that is.
        ticks: Ends of the axis and of the codes, those that have room.
    """

    width: float
    height: float
    bottom: float
    bars: tuple[Span, ...]
    outline: Points
    codes: Span | None
    inner: Span | None
    inner_text: str
    ticks: tuple[Tick, ...]


def draw_histogram(picture: Json) -> Histogram:
    """Lay it out.

    Args:
        picture: Of the pictures' ``layers``.
    """
    low: float = picture["low"]
    high: float = picture["high"]
    bottom = HISTOGRAM_TOP + HISTOGRAM_HEIGHT

    def x(value: float) -> float:
        share = (value - low) / (high - low)
        return PLOT_LEFT + PLOT_WIDTH * min(max(share, 0.0), 1.0)

    filled = picture["float"] or picture["integer"]
    most = max(*filled, *picture["integer"], 1)
    step = PLOT_WIDTH / len(filled)

    def height(number: int) -> float:
        return HISTOGRAM_HEIGHT * math.log1p(number) / math.log1p(most)

    bars = tuple(
        Span(PLOT_LEFT + i * step, bottom - height(n), step, height(n), _bin(picture, i, n))
        for i, n in enumerate(filled)
        if n
    )
    outline: list[tuple[float, float]] = []
    if picture["float"]:
        for i, n in enumerate(picture["integer"]):
            y = bottom - height(n)
            outline += [(PLOT_LEFT + i * step, y), (PLOT_LEFT + (i + 1) * step, y)]
    codes = inner = None
    inner_text = ""
    ends = [low, high]
    if picture["codes"]:
        first, last = picture["codes"]
        codes = Span(x(first), HISTOGRAM_TOP, max(x(last) - x(first), 1.0), HISTOGRAM_HEIGHT)
        ends = [first, last, low, high]
    if picture["inner"]:
        first, last = picture["inner"]
        inner = Span(x(first), 16, max(x(last) - x(first), 1.0), 5)
        spanned = codes_spanned(first, last, picture["scale"])
        # Beyond the ends there is no code.
        if spanned is not None and picture["codes"]:
            spanned = codes_spanned(
                max(first, picture["codes"][0]), min(last, picture["codes"][1]), picture["scale"]
            )
            inner_text = f"99{NO_BREAK}% of the values: {count(max(spanned or 0, 0))} codes"
        else:
            inner_text = f"99{NO_BREAK}% of the values"
    return Histogram(
        width=PLOT_WIDTH + 2 * PLOT_LEFT,
        height=bottom + 18,
        bottom=bottom,
        bars=bars,
        outline=tuple(outline),
        codes=codes,
        inner=inner,
        inner_text=inner_text,
        ticks=_apart([Tick(x(v), real(v)) for v in ends]),
    )


def _bin(picture: Json, index: int, number: int) -> str:
    step = (picture["high"] - picture["low"]) / len(picture["integer"])
    first = picture["low"] + index * step
    values = "value" if number == 1 else "values"
    return f"{count(number)} {values} from {real(first)} to {real(first + step)}"


def _apart(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    """Those that have room beside the ones before them, from left to right."""
    kept: list[Tick] = []
    for tick in ticks:
        if all(abs(tick.at - other.at) > 58 for other in kept):
            kept.append(tick)
    return tuple(sorted(kept, key=lambda tick: tick.at))


@dataclass(frozen=True)
class Columns:
    """Something of each channel, side by side.

    Attributes:
        bars: As quantised.
        before: In the float network as it was, where that differs.
        zero: y of zero.
        codes: Where codes are; None where that is not said.
        top_text: The value at the upper end.
        bottom_text: At the lower.
    """

    width: float
    height: float
    bars: tuple[Span, ...]
    before: tuple[Span, ...]
    zero: float
    codes: Span | None
    top_text: str
    bottom_text: str


def draw_channels(picture: Json) -> Columns | None:
    """The range of each channel's values beside the range of codes; None where it is not known.

    Args:
        picture: Of the pictures' ``layers``.
    """
    ranges, before = picture["channels"], picture["channels_before"] or []
    if not ranges:
        return None
    ends: list[float] = [v for pair in (*ranges, *before) for v in pair]
    low, high = min(*ends, 0.0), max(*ends, 0.0)
    codes = picture["codes"]
    if codes:
        # What is far beyond the codes would make all else flat.
        beyond = codes[1] - codes[0]
        low = max(min(low, codes[0]), codes[0] - beyond)
        high = min(max(high, codes[1]), codes[1] + beyond)
    if not high > low:
        return None

    def y(value: float) -> float:
        share = (value - low) / (high - low)
        return 4 + CHANNELS_HEIGHT * (1 - min(max(share, 0.0), 1.0))

    def spans(pairs: Sequence[Sequence[float]], said: str) -> tuple[Span, ...]:
        step, width = _columns(len(pairs))
        found = []
        for i, (least, most) in enumerate(pairs):
            height = max(y(least) - y(most), 1.0)
            tooltip = f"channel {i}{said}: {real(least)} to {real(most)}"
            x = PLOT_LEFT + i * step + (step - width) / 2
            found.append(Span(x, y(least) - height, width, height, tooltip))
        return tuple(found)

    return Columns(
        width=PLOT_WIDTH + 2 * PLOT_LEFT,
        height=CHANNELS_HEIGHT + 8,
        bars=spans(ranges, ""),
        before=spans(before, ", as in the float model"),
        zero=y(0.0),
        codes=Span(PLOT_LEFT, y(codes[1]), PLOT_WIDTH, y(codes[0]) - y(codes[1]))
        if codes
        else None,
        top_text=real(high),
        bottom_text=real(low),
    )


def draw_weights(picture: Json) -> Columns | None:
    """The largest weight of each output channel; None where there are no such weights.

    Args:
        picture: Of the pictures' ``layers``.
    """
    weights = picture["weights"]
    if weights is None:
        return None
    stored, exact = weights["stored"], weights["float"] or []
    most = max(*stored, *exact)
    if not most > 0:
        return None

    def spans(values: Sequence[float], said: str) -> tuple[Span, ...]:
        step, width = _columns(len(values))
        return tuple(
            Span(
                PLOT_LEFT + i * step + (step - width) / 2,
                4 + WEIGHTS_HEIGHT * (1 - value / most),
                width,
                max(WEIGHTS_HEIGHT * value / most, 1.0),
                f"channel {i}{said}: {real(value)}",
            )
            for i, value in enumerate(values)
        )

    changed = any(not math.isclose(a, b, rel_tol=0.1) for a, b in zip(stored, exact, strict=False))
    return Columns(
        width=PLOT_WIDTH + 2 * PLOT_LEFT,
        height=WEIGHTS_HEIGHT + 8,
        bars=spans(stored, ""),
        before=spans(exact, ", as in the float model") if changed else (),
        zero=4 + WEIGHTS_HEIGHT,
        codes=None,
        top_text=real(most),
        bottom_text="",
    )


def _columns(number: int) -> tuple[float, float]:
    """The step from one channel to the next, and a bar's width."""
    step = PLOT_WIDTH / max(number, 1)
    return step, min(max(step - 2, step * 0.6), WIDEST_BAR)
