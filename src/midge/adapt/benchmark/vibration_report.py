"""The vibration protocol as tables and as pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark import vibration
from midge.adapt.benchmark.vibration_signals import Records
from midge.adapt.page import heading, note
from midge.adapt.svg import Line, line_chart

_DRAWN_DB, _DRAWN_SEED = 0.0, 0
_DRAWN_FRAMES = 94
_LEAST_TAIL = 1e-12

Json = dict[str, Any]
Table = Callable[[Sequence[str], Sequence[Sequence[str]], int], str]


def markdown(content: Json, table: Table) -> str:
    """The section: methods by noise, then the learner by record.

    Args:
        content: Of `vibration.run`.
        table: From a head, rows, and how many columns stand left-aligned, to Markdown.
    """
    frame_ms = 1e3 * content["frame"] / content["rate_hz"]
    flagged, of = content["rule"]
    noises = list(dict.fromkeys(row["noise_db"] for row in content["rows"]))
    records = list(dict.fromkeys(row["record"] for row in content["rows"] if row["record"]))
    methods = list(dict.fromkeys(row["method"] for row in content["rows"]))
    return "\n".join(
        [
            "## Vibration\n",
            f"{content['notice']}. Every record on unit RMS, but for the last method. Learned from "
            f"the first half of the healthy record, {content['learned_frames']} frames of "
            f"{frame_ms:.1f} ms; an alarm is {flagged} flagged frames of the last {of}, and every "
            f"method gets the rate of flags that makes it {content['alarm_rate']:g} a frame by "
            "chance. The first frame of a record is not judged, so no alarm can come before "
            f"{frame_ms * (flagged + 1):.0f} ms.\n",
            f"Alarms within {content['aim_ms']} ms of a worn record's start; the latest first "
            f"alarm within the {content['heard_s']:g} s that are heard; the share of those frames "
            "in alarm; false alarms on the second half of the healthy record, and how long that "
            "was.\n",
            table(
                ["method", "noise", "in time", "latest, ms", "in alarm", "false alarms", "in, s"],
                [_method_row(content, m, noise) for m in methods for noise in noises],
                2,
            ),
            "The learner by record: median and latest time to the first alarm in ms, and the share "
            "of frames in alarm.\n",
            table(
                ["record", *[_named(noise) for noise in noises]],
                [
                    [record, *[_record_cell(content, record, noise) for noise in noises]]
                    for record in records
                ],
                1,
            ),
        ]
    )


def _method_row(content: Json, method: str, noise: float | None) -> list[str]:
    rows = [r for r in content["rows"] if (r["method"], r["noise_db"]) == (method, noise)]
    worn = [row for row in rows if row["record"] is not None]
    healthy = [row for row in rows if row["record"] is None]
    firsts = [row["first_ms"] for row in worn]
    in_time = sum(first is not None and first <= content["aim_ms"] for first in firsts)
    frames = sum(row["frames"] for row in healthy)
    return [
        method,
        _named(noise),
        f"{in_time} of {len(worn)}",
        "none" if None in firsts else f"{max(firsts):.0f}",
        f"{100 * np.mean([row['share'] for row in worn]):.0f} %",
        str(sum(row["alarms"] for row in healthy)),
        f"{frames * content['frame'] / content['rate_hz']:.1f}",
    ]


def _record_cell(content: Json, record: str, noise: float | None) -> str:
    key = (vibration.LEARNER, record, noise)
    rows = [r for r in content["rows"] if (r["method"], r["record"], r["noise_db"]) == key]
    firsts = [row["first_ms"] for row in rows if row["first_ms"] is not None]
    share = f"{100 * np.mean([row['share'] for row in rows]):.0f} %"
    if len(firsts) < len(rows):
        return f"{len(rows) - len(firsts)} of {len(rows)} missed, {share}"
    return f"{np.median(firsts):.0f} / {max(firsts):.0f}, {share}"


def _named(noise: float | None) -> str:
    return "none" if noise is None else f"{noise:g} dB"


def pictures(records: Records) -> list[str]:
    """How unusual frames of the healthy record are, and those of worn ones behind them."""
    pieces = vibration.pieces_of(records, _DRAWN_DB, _DRAWN_SEED)
    learned, second, *worn = pieces.items()
    parts = [
        heading("Vibration"),
        note(
            f"{records.notice}. Minus the logarithm of the tail probability of each frame: the "
            "last second of the healthy record, then the first of a worn one, noise at "
            f"{_DRAWN_DB:g} dB. Red: frames in alarm. The records meet at frame "
            f"{_DRAWN_FRAMES}."
        ),
    ]
    usual = vibration.watches(learned[1], second[1])
    for name, piece in worn[:: max(1, len(worn) // 4)]:
        heard = vibration.watches(learned[1], piece)
        strange = _strange(
            np.concatenate([usual.anomaly[-_DRAWN_FRAMES:], heard.anomaly[:_DRAWN_FRAMES]])
        )
        alarm = np.concatenate([usual.alarm[-_DRAWN_FRAMES:], heard.alarm[:_DRAWN_FRAMES]])
        marks = np.flatnonzero(alarm).tolist()
        parts.append(line_chart(name, [Line("-log10 p", strange)], height=120, marks=marks))
    return parts


def _strange(anomaly: NDArray[np.float64]) -> NDArray[np.float64]:
    out: NDArray[np.float64] = -np.log10(np.maximum(anomaly, _LEAST_TAIL))
    return out
