"""Strips of signal as they stand on ECG paper: 25 mm a second, 10 mm a millivolt.

Geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from midge.recipes.ecg.report_data import Strip, StripBeat

LEFT = 38.0
SECOND = 57.0
MILLIVOLT = SECOND * 10 / 25
TOP = 24.0
"""Where the paper begins; above it stand the cardiologists' classes."""
LINE = 15.0
"""A line of letters below the paper."""
LEAST_MV, MOST_MV = 0.9, 2.2
"""How far from the baseline the paper reaches at least and at most; beyond, the pen stops."""

NAMES = {
    "N": "normal",
    "S": "supraventricular",
    "V": "ventricular",
    "F": "fusion",
    "Q": "unclassifiable",
}


@dataclass(frozen=True)
class Letter:
    """A class beside its beat.

    Attributes:
        x: Centre.
        y: Baseline of the text.
        text: The class; a middle dot where a beat was not seen.
        css: ``right``, ``wrong`` or ``reference``.
    """

    x: float
    y: float
    text: str
    css: str


@dataclass(frozen=True)
class StripPicture:
    """A strip, laid out.

    Attributes:
        width: Of all.
        height: Of all.
        left: Where the paper begins.
        right: Where it ends.
        top: Of the paper.
        bottom: Of the paper.
        fine: x of the lines of 0.2 s.
        coarse: x of the lines of a second.
        across: y of the lines of half a millivolt.
        trace: The signal.
        spans: What was sent to the cloud: x and width.
        middle: x of the beat that the strip is shown for.
        letters: What was said of each beat.
        rows: The lines' names: text and y.
        words: The whole in words, for those who cannot see it.
    """

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    fine: tuple[float, ...]
    coarse: tuple[float, ...]
    across: tuple[float, ...]
    trace: tuple[tuple[float, float], ...]
    spans: tuple[tuple[float, float], ...]
    middle: float
    letters: tuple[Letter, ...]
    rows: tuple[tuple[str, float], ...]
    words: str


def draw_strip(strip: Strip) -> StripPicture:
    """Lay it out."""
    baseline = median(strip.millivolts)
    heights = [v - baseline for v in strip.millivolts]
    above = min(max(LEAST_MV, *heights), MOST_MV)
    below = min(max(LEAST_MV / 2, *(-h for h in heights)), MOST_MV)
    seconds = (len(heights) - 1) / strip.rate_hz
    right, bottom = LEFT + seconds * SECOND, TOP + (above + below) * MILLIVOLT
    zero = TOP + above * MILLIVOLT

    def x(sample: float) -> float:
        return LEFT + min(max(sample / strip.rate_hz, 0.0), seconds) * SECOND

    rows = (
        ("truth", 14.0),
        ("wrist", bottom + LINE),
        ("both", bottom + 2 * LINE),
    )
    return StripPicture(
        width=right + 4,
        height=bottom + 2 * LINE + 8,
        left=LEFT,
        right=right,
        top=TOP,
        bottom=bottom,
        fine=tuple(LEFT + i * SECOND / 5 for i in range(1, math.floor(5 * seconds) + 1) if i % 5),
        coarse=tuple(LEFT + i * SECOND for i in range(math.floor(seconds) + 1)),
        across=tuple(
            zero - i * MILLIVOLT / 2
            for i in range(-math.floor(2 * below), math.floor(2 * above) + 1)
        ),
        trace=tuple(
            (x(i), zero - min(max(h, -below), above) * MILLIVOLT) for i, h in enumerate(heights)
        ),
        spans=tuple((x(first), x(last) - x(first)) for first, last in strip.sent),
        middle=x(strip.beats[strip.middle].at),
        letters=tuple(_letters(strip.beats, x, [y for _, y in rows])),
        rows=rows,
        words=_words(strip),
    )


def _letters(
    beats: Sequence[StripBeat], x: Callable[[float], float], lines: Sequence[float]
) -> list[Letter]:
    found = []
    for beat in beats:
        at = x(beat.at)
        if at < LEFT + 3:
            continue
        found.append(Letter(at, lines[0], beat.reference or "·", "reference"))
        for said, line in ((beat.device, lines[1]), (beat.cascade, lines[2])):
            css = "right" if said == beat.reference or _either(beat.reference, said) else "wrong"
            found.append(Letter(at, line, said or "·", css))
    return found


def _either(reference: str, said: str) -> bool:
    """EC57 counts no answer to a fusion or an unclassifiable beat as an error of another class."""
    return reference in ("F", "Q") and said != ""


def _words(strip: Strip) -> str:
    beat = strip.beats[strip.middle]

    def name(letter: str) -> str:
        return NAMES.get(letter, "no beat")

    flagged = "flagged" if beat.flagged else "not flagged"
    return (
        f"Record {strip.record} at {clock_time(strip.start_s)}: the beat in the middle is "
        f"{name(beat.reference)}; the device said {name(beat.device)}, {flagged}; together "
        f"with the cloud {name(beat.cascade)}"
    )


def clock_time(seconds: float) -> str:
    """``12:03``, minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def thin_out(values: Sequence[float], rate_hz: float, most_hz: float) -> tuple[list[float], float]:
    """Fewer samples that keep peaks: of each group the one farthest from its neighbour before.

    Args:
        values: The samples.
        rate_hz: Of them.
        most_hz: What a picture needs at most.

    Returns:
        the samples kept, and their rate.
    """
    step = max(math.ceil(rate_hz / most_hz), 1)
    kept = [values[0]] if values else []
    for first, last in pairwise(range(1, len(values) + 1, step)):
        kept.append(max(values[first:last], key=lambda v: abs(v - kept[-1])))
    return kept, rate_hz / step
