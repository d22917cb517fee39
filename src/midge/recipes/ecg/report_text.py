"""The report of the heart-rhythm recipe for a terminal, and its table for a page of text."""

from __future__ import annotations

from midge.recipes.ecg.report_data import EcgReport, Scores
from midge.recipes.ecg.report_heart_rate import figure_row
from midge.recipes.ecg.report_page import (
    SCORED,
    SETS,
    battery_text,
    points_text,
    share_text,
    short_title,
)
from midge.report.wording import NO_BREAK, aligned, byte_count, count, decimal

_HEAD = ("", "macro-F1", "N Se", "N +P", "S Se", "S +P", "V Se", "V +P", "accuracy")


def render_ecg_text(report: EcgReport) -> str:
    """A screen of it; the same report gives the same text."""
    lines = [f"Heart rhythm on {short_title(report.boards[0])}"]
    if report.synthetic:
        lines.append("SYNTHETIC: signals from a model of the heart; nothing here is of patients")
    if report.quick:
        lines.append("QUICK: little data and short training; the figures mean nothing")
    lines += [
        f"{report.database}: {len(report.train)} records to learn from, "
        f"{len(report.test)} others to test on; seed {report.seed}",
        "",
    ]
    for key, title in SETS.items():
        if key not in report.systems[0].scores:
            continue
        rows = [
            (system.title, *_figures(system.scores[key]))
            for system in report.systems
            if key in system.scores
        ]
        lines += [f"{title}, percent", *aligned([_HEAD, *rows], (0,)), ""]
    uplink = report.uplink
    sent = uplink.sent_bytes / uplink.packed_bytes if uplink.packed_bytes else None
    lines += [
        f"sent to the cloud: {share_text(sent)} of the lead's samples in 12 bits "
        f"({byte_count(uplink.sent_bytes)}); {count(uplink.flagged)} of {count(uplink.beats)} "
        "beats flagged",
        f"beats found: {share_text(report.detector.sensitivity, 2)}, of what is found "
        f"{share_text(report.detector.predictivity, 2)} are beats (test records)",
        _heart(report),
        "",
        *aligned(_boards(report), (0, 9)),
        "",
    ]
    met = sum(goal.met is True for goal in report.goals)
    lines.append(f"{met} of {len(report.goals)} goals met")
    for goal in report.goals:
        if not goal.met:
            verdict = "not measured" if goal.met is None else "MISSED"
            lines.append(f"{verdict}: {goal.what}: {goal.value} ({goal.bound})")
    return "\n".join(lines).replace(NO_BREAK, " ") + "\n"


def _heart(report: EcgReport) -> str:
    row = figure_row("", report.heart_rate.all)
    differs = "" if report.heart_rate.board.equal else "; its C DIFFERS from the twin"
    mine, last, mean = row.errors
    return (
        f"heart rate a beat ahead, mean error in beats a minute: learner {mine:.2f}, "
        f"last rate {last:.2f}, mean of eight {mean:.2f}; {row.flags:.1f} of 1,000 beats flagged"
        f"{differs}"
    )


def _figures(scores: Scores) -> tuple[str, ...]:
    figures = [points_text(scores.macro_f1)]
    for name in SCORED:
        figures += [
            points_text(scores.sensitivity.get(name)),
            points_text(scores.predictivity.get(name)),
        ]
    return (*figures, points_text(scores.accuracy))


def _boards(report: EcgReport) -> list[tuple[str, ...]]:
    head = ("board", "flash", "RAM", "stack", "cycles a sample", "of a beat", "takes", "duty")
    rows: list[tuple[str, ...]] = [(*head, "CR2032", "events")]
    for board in report.boards:
        rows.append(
            (
                short_title(board),
                byte_count(board.flash_bytes),
                byte_count(board.ram_bytes),
                byte_count(board.stack_bytes),
                "–" if board.cycles is None else count(round(board.cycles)),
                "–" if board.beat_cycles is None else count(board.beat_cycles),
                "–" if board.beat_ms is None else f"{decimal(board.beat_ms)} ms",
                share_text(board.duty, 2),
                battery_text(board),
                f"{count(board.beats)} beats "
                + ("equal to the twin" if board.equal else "DIFFER from the twin: a defect"),
            )
        )
    return rows
