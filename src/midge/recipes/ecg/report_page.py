"""The report of the heart-rhythm recipe as one page of HTML that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import jinja2

from midge.recipes.ecg.heart_rate import NEAR_BEATS, HeartRate
from midge.recipes.ecg.report_data import Board, EcgReport, Published, Scores, Share, Strip
from midge.recipes.ecg.report_heart_rate import (
    HeartPicture,
    close_up_of,
    draw_heart_rate,
    figure_row,
    milliseconds,
    rhythms_of,
)
from midge.recipes.ecg.report_pictures import byte_bars, draw_curves, matrix_of
from midge.recipes.ecg.report_strips import NAMES, StripPicture, clock_time, draw_strip
from midge.report.html_page import page_environment
from midge.report.wording import NO_BREAK, NOTHING_TO_SHOW, byte_count, count

CELL_MAH = 225.0
"""Of a CR2032 lithium cell, as its makers state it."""
CELL_V = 3.0
SCORED = "NSV"
QUESTIONS = (
    ("V", "Ventricular beats"),
    ("S", "Supraventricular beats"),
    ("suspicious", "Any ectopic beat, by how suspicious it is"),
)
SETS = {
    "all": "All test records, beats as the device detects them",
    "without 232": "Without record 232, which holds most of the S beats",
    "reference beats": "At the cardiologists' beat positions, as the literature does",
}


@dataclass(frozen=True)
class Card:
    """One headline.

    Attributes:
        label: What it is.
        value: With its unit.
        notes: What else there is to say.
    """

    label: str
    value: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DrawnStrip:
    """A strip with its picture and heading."""

    strip: Strip
    picture: StripPicture
    when: str


def render_ecg_html(report: EcgReport) -> str:
    """The page for a browser: no script, no outside resource, light and dark, fit for print.

    Returns:
        HTML; the same report gives the same text.
    """
    kinds = groupby(report.strips, key=lambda strip: strip.kind)
    systems, heart = report.systems, report.heart_rate
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            cards=_cards(report),
            sets=[(key, title) for key, title in SETS.items() if key in systems[0].scores],
            steps=_steps(report),
            curves=[c for c in (draw_curves(systems, *q) for q in QUESTIONS) if c],
            matrices=[matrix_of(s.title, s.scores["all"]) for s in systems],
            bars=byte_bars(report.uplink),
            strips=[(kind, [_drawn(s) for s in group]) for kind, group in kinds],
            battery=battery_text,
            short_title=short_title,
            classes=NAMES,
            scored=SCORED,
            share_text=share_text,
            points=points_text,
            beside=_beside(report.published),
            heart_pictures=_heart_pictures(report.heart_rate),
            heart_rows=[
                figure_row(f"record {heart.record}", heart.shown),
                figure_row(f"all {heart.all.records} test records", heart.all),
            ],
            heart_ms=milliseconds(heart.board),
            heart_rhythms=rhythms_of(heart),
            near_beats=NEAR_BEATS,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    """Templates of this package, and those of every report: the style sheet and the filters."""
    shared = page_environment()
    loaders = [jinja2.PackageLoader("midge.recipes.ecg", ""), shared.loader]
    return shared.overlay(loader=jinja2.ChoiceLoader([at for at in loaders if at is not None]))


def share_text(share: Share, places: int = 1) -> str:
    """``91.3 %``; a dash where there is nothing."""
    return NOTHING_TO_SHOW if share is None else f"{100 * share:.{places}f}{NO_BREAK}%"


def points_text(share: Share) -> str:
    """The number alone, for the columns of a table whose head says percent."""
    return NOTHING_TO_SHOW if share is None else f"{100 * share:.1f}"


def battery_text(board: Board) -> str:
    """How long a CR2032 feeds the computing alone: ``14 months``; a dash where that is unknown."""
    if not board.power_uw:
        return NOTHING_TO_SHOW
    days = CELL_MAH * CELL_V * 1e3 / board.power_uw / 24
    if days < 99.5:
        return f"{days:.0f}{NO_BREAK}days"
    months = days / 30.44
    return f"{months:.0f}{NO_BREAK}months" if months < 36 else f"{months / 12:.1f}{NO_BREAK}years"


def short_title(board: Board) -> str:
    """A board's title without what stands in brackets."""
    return board.title.partition(" (")[0]


def _drawn(strip: Strip) -> DrawnStrip:
    return DrawnStrip(strip, draw_strip(strip), clock_time(strip.start_s))


def _heart_pictures(heart: HeartRate) -> list[tuple[HeartPicture, str]]:
    """The whole record, and a stretch of it beat by beat."""
    from_s, to_s = close_up_of(heart)
    return [
        (draw_heart_rate(heart, 0.0, heart.duration_s), "The whole record"),
        (draw_heart_rate(heart, from_s, to_s), f"{clock_time(from_s)} to {clock_time(to_s)}"),
    ]


def _cards(report: EcgReport) -> list[Card]:
    device, cascade = (report.system(name).scores["all"] for name in ("device", "cascade"))
    cloud = report.system("cloud").scores["all"]
    board = report.boards[0]
    uplink = report.uplink
    return [
        _class_card("Ventricular beats", "V", device, cascade),
        _class_card("Supraventricular beats", "S", device, cascade),
        Card(
            "Wrist and cloud together",
            share_text(cascade.macro_f1),
            (
                "macro-F1 over N, S, V",
                f"the cloud alone, streaming everything: {share_text(cloud.macro_f1)}",
                f"the device alone: {share_text(device.macro_f1)}",
            ),
        ),
        Card(
            "Sent to the cloud",
            share_text(uplink.sent_bytes / uplink.packed_bytes if uplink.packed_bytes else None),
            (
                f"of what streaming the lead in 12 bits takes: {byte_count(uplink.sent_bytes)}",
                f"{count(uplink.flagged)} of {count(uplink.beats)} beats flagged",
            ),
        ),
        Card(
            "On the wrist",
            f"{board.flash_bytes / 1024:.1f}{NO_BREAK}KiB",
            (
                "of flash, weights included",
                f"{byte_count(board.ram_bytes)} of RAM, of it "
                f"{byte_count(board.stack_bytes)} stack",
                f"the core computes {share_text(board.duty, 2)} of the time",
            ),
        ),
        Card(
            "A CR2032 lasts",
            battery_text(board),
            (
                f"{CELL_MAH:.0f} mAh, for computing alone: the sensor, the radio and sleep come "
                "on top",
                "from modelled cycles and the vendor's current"
                if board.power_uw
                else "not known: the vendor publishes no current",
            ),
        ),
    ]


def _class_card(label: str, name: str, device: Scores, cascade: Scores) -> Card:
    return Card(
        label,
        share_text(device.sensitivity[name]),
        (
            "sensitivity of the device alone",
            f"of those that it calls so, {share_text(device.predictivity[name])} are",
            f"with the cloud: {share_text(cascade.sensitivity[name])} "
            f"and {share_text(cascade.predictivity[name])}",
        ),
    )


def _steps(report: EcgReport) -> list[tuple[str, str, str]]:
    """The path of a beat: step, figure, what it means."""
    uplink = report.uplink
    flagged = uplink.flagged / uplink.beats if uplink.beats else None
    seen = report.detector.sensitivity
    samples = round(uplink.hours * 3600 * report.rate_hz)
    sent = uplink.sent_bytes / uplink.packed_bytes if uplink.packed_bytes else None
    return [
        ("samples", count(samples), f"{report.rate_hz} a second of lead {report.lead}"),
        ("beats", count(uplink.beats), f"the detector finds {share_text(seen, 2)} of them"),
        ("flagged", count(uplink.flagged), f"{share_text(flagged)} of the beats are suspicious"),
        ("sent", byte_count(uplink.sent_bytes), f"{share_text(sent)} of the 12-bit samples"),
        ("judged again", count(uplink.flagged), "by the large network, in their context"),
    ]


def _beside(published: Sequence[Published]) -> list[tuple[Published, Mapping[str, str]]]:
    """Others' rows with their figures as text, by class and kind."""
    rows: list[tuple[Published, Mapping[str, str]]] = []
    for row in published:
        texts = {}
        for name in SCORED:
            for kind, values in (("se", row.sensitivity), ("pp", row.predictivity)):
                value = values.get(name)
                texts[f"{name}{kind}"] = NOTHING_TO_SHOW if value is None else f"{value:g}"
        rows.append((row, texts))
    return rows
