"""The report of the vibration recipe: as data, as a page, as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import jinja2

from midge.report.html_page import page_environment
from midge.report.wording import (
    NO_BREAK,
    NOTHING_TO_SHOW,
    aligned,
    byte_count,
    count,
    energy,
    latency,
)

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class BearingReport:
    """All of report.json; no clock and no path is in it.

    Attributes:
        midge: Version of Midge.
        version: Of the recipe.
        notice: Which recordings.
        synthetic: They are made up.
        quick: Little data, short training.
        seed: Of everything random.
        board: Its title.
        train: Recordings that were learnt from.
        test: Recordings of the figures.
        classes: Names.
        confusion: Of ``float32`` and ``int8``: windows, rows the truth, columns what was said.
        model_digest: SHA-256 of the integer network's file.
        flash_bytes: Code and weights of the network.
        ram_bytes: Arena and stack.
        instructions: Of one decision.
        latency_ms: Of one decision, modelled; None without a model.
        energy_uj: Of one decision, modelled; None without a model.
    """

    midge: str
    version: str
    notice: str
    synthetic: bool
    quick: bool
    seed: int
    board: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    classes: tuple[str, ...]
    confusion: Mapping[str, Counts]
    model_digest: str
    flash_bytes: int
    ram_bytes: int
    instructions: int
    latency_ms: float | None
    energy_uj: float | None

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain

    def right(self, network: str) -> float:
        """Mean over the classes of the share of windows whose class was said."""
        rows = self.confusion[network]
        return sum(row[i] / max(sum(row), 1) for i, row in enumerate(rows)) / len(rows)

    def found(self, network: str) -> float:
        """Of the windows of worn bearings, those that were not called healthy."""
        rows = self.confusion[network][1:]
        return sum(sum(row[1:]) for row in rows) / max(sum(map(sum, rows)), 1)

    def false_alarms(self, network: str) -> float:
        """Of the windows of healthy bearings, those that were called worn."""
        row = self.confusion[network][0]
        return sum(row[1:]) / max(sum(row), 1)


def _share(value: float) -> str:
    return f"{100 * value:.1f}{NO_BREAK}%"


def _figures(report: BearingReport) -> list[tuple[str, str, str]]:
    """Label, value, what it is."""
    time = NOTHING_TO_SHOW if report.latency_ms is None else latency(report.latency_ms)
    spent = NOTHING_TO_SHOW if report.energy_uj is None else energy(report.energy_uj)
    return [
        ("Worn bearings found", _share(report.found("int8")), "of the windows of worn bearings"),
        ("False alarms", _share(report.false_alarms("int8")), "of the windows of healthy ones"),
        ("Right part", _share(report.right("int8")), "mean over the four classes"),
        ("Flash", byte_count(report.flash_bytes), "the network's code and weights"),
        ("RAM", byte_count(report.ram_bytes), "arena and stack"),
        ("A decision", time, f"{count(report.instructions)} instructions, {spent}, modelled"),
    ]


@cache
def _environment() -> jinja2.Environment:
    shared = page_environment()
    loaders = [jinja2.PackageLoader("midge.recipes.vibration", ""), shared.loader]
    return shared.overlay(loader=jinja2.ChoiceLoader([at for at in loaders if at is not None]))


def render_html(report: BearingReport) -> str:
    """The page: no script, no outside resource; the same report gives the same text."""
    page = _environment().get_template("vibration.html")
    return page.render(report=report, figures=_figures(report))


def render_text(report: BearingReport) -> str:
    """A few lines for a terminal."""
    lines = [f"Bearing faults on {report.board}", report.notice]
    if report.quick:
        lines.append("QUICK: little data and short training; the figures mean nothing")
    lines += [f"{label}: {value} ({what})" for label, value, what in _figures(report)]
    head = ("truth, in windows", *(f"said {name}" for name in report.classes))
    rows = [
        (name, *map(str, row))
        for name, row in zip(report.classes, report.confusion["int8"], strict=True)
    ]
    lines += ["", *aligned([head, *rows], (0,))]
    return "\n".join(lines).replace(NO_BREAK, " ") + "\n"
