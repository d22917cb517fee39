"""The heart rate as the learner saw it, drawn: rates and forecasts, regimes, surprise, rhythms.

Geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from midge.recipes.ecg.heart_rate import HeartRate, OnBoard, Regime, Rhythm, Tally
from midge.recipes.ecg.report_pictures import Mark
from midge.recipes.ecg.report_strips import clock_time
from midge.recipes.ecg.rhythms import FIBRILLATION, RHYTHMS, SINUS

WIDTH, LEFT, RIGHT = 1080.0, 66.0, 1060.0
LANE, GAP = 16.0, 6.0
RATE_HEIGHT, SURPRISE_HEIGHT = 190.0, 96.0
HEADING = 30.0
"""Above a field."""
LETTER = 6.6
"""Width of a letter in a lane, about."""
CLOSE_UP_S = 120.0
HIGHEST_BPM = 240.0
"""Above it the pen stops: an interval so short is a false detection's."""
RAREST = 4.0
"""Of the axis of surprise, as a power of ten: one beat in 10,000."""
REGIME_TINTS = 6
RHYTHM_TINTS = {SINUS: "sinus", FIBRILLATION: "fibrillation", "AFL": "flutter"}

Place = Callable[[float], float]


@dataclass(frozen=True)
class Box:
    """A stretch on a lane.

    Attributes:
        x: Left.
        width: Of it.
        css: Its tint.
        text: On it; "" where it does not fit.
        title: Tooltip.
    """

    x: float
    width: float
    css: str
    text: str
    title: str


@dataclass(frozen=True)
class Frame:
    """A field with its axis."""

    top: float
    bottom: float
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class HeartPicture:
    """A stretch of a record, laid out.

    Attributes:
        width, height: Of all.
        left, right: Of the fields.
        lanes: Names of the lines and y of their text.
        rhythm_y: Top of the cardiologists' lane; None where they noted none.
        rhythms: On it.
        ectopic_y: Top of the lane of ectopic beats.
        ectopic: x and class.
        regime_y: Top of the learner's lane.
        regimes: On it, and behind the rates.
        rates: The field of the heart rate.
        measured: x, y of each beat.
        forecast: x, y of what was forecast for it.
        surprise: The field of how unusual beats are.
        stems: x, y of each beat.
        threshold: y of the rate of false alarms that was asked for.
        flags: Of each flagged beat: x, y among the rates, y among the stems.
        times: Marks of the common axis.
        dotted: There is room for a dot a beat.
        words: The whole in words, for those who cannot see it.
    """

    width: float
    height: float
    left: float
    right: float
    lanes: tuple[tuple[str, float], ...]
    rhythm_y: float | None
    rhythms: tuple[Box, ...]
    ectopic_y: float
    ectopic: tuple[tuple[float, str], ...]
    regime_y: float
    regimes: tuple[Box, ...]
    rates: Frame
    measured: tuple[tuple[float, float], ...]
    forecast: tuple[tuple[float, float], ...]
    surprise: Frame
    stems: tuple[tuple[float, float], ...]
    threshold: float
    flags: tuple[tuple[float, float, float], ...]
    times: tuple[Mark, ...]
    dotted: bool
    words: str


def close_up_of(heart: HeartRate) -> tuple[float, float]:
    """Which seconds are shown large.

    Round the first atrial fibrillation, else round the first change of rhythm, else the middle.
    """
    begins = [r.from_s for r in heart.rhythms if r.name == FIBRILLATION and r.from_s > 0]
    begins += [r.from_s for r in heart.rhythms[1:]]
    middle = begins[0] if begins else heart.duration_s / 2
    first = max(min(middle - CLOSE_UP_S / 2, heart.duration_s - CLOSE_UP_S), 0.0)
    return first, min(first + CLOSE_UP_S, heart.duration_s)


def draw_heart_rate(heart: HeartRate, from_s: float, to_s: float) -> HeartPicture:
    """Lay out the seconds from `from_s` to `to_s`."""
    shown = [i for i, at in enumerate(heart.at_s) if from_s <= at <= to_s]

    def x(at_s: float) -> float:
        share = (min(max(at_s, from_s), to_s) - from_s) / (to_s - from_s)
        return LEFT + share * (RIGHT - LEFT)

    rhythm_y = GAP if heart.rhythms else None
    ectopic_y = GAP + (LANE + GAP if heart.rhythms else 0)
    regime_y = ectopic_y + LANE + GAP
    top = regime_y + LANE + HEADING
    ahead = [(i, rate) for i in shown if (rate := heart.forecast_bpm[i]) is not None]
    rates, y = _rates([heart.rate_bpm[i] for i in shown] + [rate for _, rate in ahead], top)
    surprise, rare = _surprise(rates.bottom + HEADING)
    stems = {i: rare(heart.anomaly[i]) for i in shown}
    flags = [i for i in heart.flagged if i in stems]
    lanes = [("beats", ectopic_y + 12), ("regime", regime_y + 12)]
    if rhythm_y is not None:
        lanes.insert(0, ("rhythm", rhythm_y + 12))
    return HeartPicture(
        width=WIDTH,
        height=surprise.bottom + 36,
        left=LEFT,
        right=RIGHT,
        lanes=tuple(lanes),
        rhythm_y=rhythm_y,
        rhythms=_boxes(heart.rhythms, x, from_s, to_s),
        ectopic_y=ectopic_y,
        ectopic=tuple((x(at), name) for at, name in heart.ectopic if from_s <= at <= to_s),
        regime_y=regime_y,
        regimes=_boxes(heart.regimes, x, from_s, to_s),
        rates=rates,
        measured=tuple((x(heart.at_s[i]), y(heart.rate_bpm[i])) for i in shown),
        forecast=tuple((x(heart.at_s[i]), y(rate)) for i, rate in ahead),
        surprise=surprise,
        stems=tuple((x(heart.at_s[i]), at) for i, at in stems.items()),
        threshold=rare(heart.false_alarm_rate),
        flags=tuple((x(heart.at_s[i]), y(heart.rate_bpm[i]), stems[i]) for i in flags),
        times=_times(from_s, to_s, x),
        dotted=len(shown) < (RIGHT - LEFT) / 3,
        words=_words(heart, from_s, to_s, len(shown), len(flags)),
    )


def _rates(values: Sequence[float], top: float) -> tuple[Frame, Place]:
    """The field of heart rates, in steps of 20 beats a minute, and where a rate stands in it."""
    low = 20.0 * math.floor(min(values, default=60.0) / 20)
    high = min(20.0 * math.ceil(max(values, default=80.0) / 20), HIGHEST_BPM)
    high = max(high, low + 40)
    bottom = top + RATE_HEIGHT

    def y(rate: float) -> float:
        return bottom - (min(max(rate, low), high) - low) / (high - low) * RATE_HEIGHT

    step = 20 if high - low <= 120 else 40
    marks = range(int(low), int(high) + 1, step)
    return Frame(top, bottom, tuple(Mark(y(rate), str(rate)) for rate in marks)), y


def _surprise(top: float) -> tuple[Frame, Place]:
    """The field of how rare beats are, logarithmic, and where a share of beats stands in it."""
    bottom = top + SURPRISE_HEIGHT

    def y(share: float) -> float:
        power = -math.log10(share) if share > 0 else RAREST
        return bottom - min(max(power, 0.0), RAREST) / RAREST * SURPRISE_HEIGHT

    marks = (Mark(y(10.0**-power), f"{10**power:,}") for power in range(int(RAREST) + 1))
    return Frame(top, bottom, tuple(marks)), y


def _boxes(
    spans: Sequence[Rhythm] | Sequence[Regime], x: Place, from_s: float, to_s: float
) -> tuple[Box, ...]:
    """Those of the stretches that can be seen."""
    boxes = []
    for span in spans:
        if span.to_s <= from_s or span.from_s >= to_s:
            continue
        left, right = x(span.from_s), x(span.to_s)
        css, text, name = _rhythm(span) if isinstance(span, Rhythm) else _regime(span)
        fits = right - left > LETTER * len(text) + 6
        title = f"{name}, {clock_time(span.from_s)} to {clock_time(span.to_s)}"
        width = min(max(right - left, 0.8), RIGHT - left)
        boxes.append(Box(left, width, css, text if fits else "", title))
    return tuple(boxes)


def _rhythm(span: Rhythm) -> tuple[str, str, str]:
    """Tint, text, and name in words."""
    return RHYTHM_TINTS.get(span.name, "other"), span.name, RHYTHMS.get(span.name, span.name)


def _regime(span: Regime) -> tuple[str, str, str]:
    """Tint, text, and name in words."""
    if span.identity < 0:
        return "settling", "", "no regime yet"
    tint = f"regime-{span.identity % REGIME_TINTS}"
    return tint, str(span.identity), f"regime {span.identity}"


def _times(from_s: float, to_s: float, x: Place) -> tuple[Mark, ...]:
    """Steps of a round number of seconds, at most 16."""
    step = next(s for s in (10, 15, 30, 60, 120, 300, 600, 3600, 86400) if (to_s - from_s) / s < 16)
    first = math.ceil(from_s / step)
    return tuple(
        Mark(x(k * step), clock_time(k * step)) for k in range(first, math.floor(to_s / step) + 1)
    )


def _words(heart: HeartRate, from_s: float, to_s: float, beats: int, flagged: int) -> str:
    return (
        f"Record {heart.record}, {clock_time(from_s)} to {clock_time(to_s)}: the heart rate at "
        f"{beats} beats, what was forecast for each one beat before, the learner's regimes, how "
        f"unusual each beat was; {flagged} are flagged"
    )


@dataclass(frozen=True)
class FigureRow:
    """A row of the table.

    Attributes:
        title: Of what.
        tally: The sums.
        errors: Mean absolute error of learner, last rate, mean of eight; beats a minute.
        flags: A thousand beats.
        odd: Share of the flagged beats at odd beats, and of all beats.
        near: Share of the flagged beats near changes of rhythm, and of all beats.
    """

    title: str
    tally: Tally
    errors: tuple[float, float, float]
    flags: float
    odd: tuple[float | None, float | None]
    near: tuple[float | None, float | None]


def figure_row(title: str, found: Tally) -> FigureRow:
    """The sums as means and shares; None where there is nothing to share."""

    def share(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    many = max(found.forecast, 1)
    changed = found.changes > 0
    return FigureRow(
        title=title,
        tally=found,
        errors=(found.learner_bpm / many, found.last_bpm / many, found.mean_bpm / many),
        flags=1000 * found.flagged / max(found.beats, 1),
        odd=(share(found.flagged_odd, found.flagged), share(found.odd, found.beats)),
        near=(
            share(found.flagged_near, found.flagged) if changed else None,
            share(found.near, found.beats) if changed else None,
        ),
    )


def rhythms_of(heart: HeartRate) -> list[tuple[str, str]]:
    """The rhythms that stand on the picture, each once, and what they stand for."""
    return [(name, RHYTHMS.get(name, "")) for name in dict.fromkeys(r.name for r in heart.rhythms)]


def milliseconds(board: OnBoard) -> float | None:
    """A beat's on the board; None where cycles or clock are not known."""
    if board.cycles is None or board.clock_hz is None:
        return None
    return board.cycles / board.clock_hz * 1e3
