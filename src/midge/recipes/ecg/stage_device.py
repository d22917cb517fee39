"""Stages `compile` and `emulate`: the application as C, and what it does on virtual boards."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from midge.driver.application import ApplicationRun, compile_application
from midge.recipes.ecg.application_files import read_application
from midge.recipes.ecg.records import Int16Array
from midge.recipes.ecg.stage_data import load_records
from midge.recipes.ecg.stage_learning import load_application
from midge.recipes.processes import each
from midge.recipes.stage_context import StageContext
from midge.signals import Chain, Detections, Events
from midge.virtual_mcu import target

BOARDS = ("nrf52840", "rp2040", "esp32c3")
"""A Cortex-M4, a Cortex-M0+ and a RISC-V without floating point; the named board comes first."""
QUICK_BOARDS = 1
CHOSEN = ("100", "200", "232", "233")
"""Test records that go to the device first: a quiet one, V in noise, many S, V of many forms."""


@dataclass(frozen=True)
class Job:
    """A record on a board."""

    board: str
    record: str


def boards_for(context: StageContext) -> tuple[str, ...]:
    """The board that was asked for, then the others."""
    asked = context.settings.target
    boards = (asked, *(name for name in BOARDS if name != asked))
    return boards[:QUICK_BOARDS] if context.settings.quick else boards


def compile_boards(context: StageContext) -> None:
    """Leaves the C of the application in a folder a board, and ``sizes.json``."""
    application = load_application(context)
    sizes = {}
    boards = boards_for(context)
    for number, board in enumerate(boards):
        context.progress.at(number, len(boards), board)
        artifact = compile_application(application, target=board)
        for name, text in artifact.files.items():
            context.save_text(f"{board}/{name}", text)
        ram, flash = artifact.ram(), artifact.flash
        sizes[board] = {
            "flash_code": flash.code,
            "flash_constants": flash.constants,
            "ram_chain": ram.chain,
            "ram_arena": ram.arena,
            "stack_bound": artifact.stack_bound_bytes,
        }
    context.save_json("sizes.json", sizes)


def emulate_boards(context: StageContext) -> None:
    """Leaves ``boards.json``, and a file a record and board, which a killed run finds again."""
    records = load_records(context, "test")
    by_name = {record.name: record for record in records}
    order = [name for name in CHOSEN if name in by_name]
    order += [name for name in by_name if name not in order]
    names = order[: context.settings.records_on_device]
    jobs = [Job(board, name) for board in boards_for(context) for name in names]
    left = [job for job in jobs if not (context.folder / _file(job)).exists()]
    made, chain = context.inputs["quantise"], load_application(context).chain
    work = [(job, made, chain, by_name[job.record].samples) for job in left]
    for number, (job, result) in enumerate(each(_do, work)):
        context.save_json(_file(job), result)
        context.progress.at(number + 1, len(left), f"record {job.record} on {job.board}")
    found = {job: json.loads((context.folder / _file(job)).read_text("utf-8")) for job in jobs}
    boards = [
        _board_entry(board, names, [found[Job(board, name)] for name in names])
        for board in boards_for(context)
    ]
    context.save_json("boards.json", boards)


def _do(work: tuple[Job, Path, Chain, Int16Array]) -> tuple[Job, dict[str, Any]]:
    job, made, chain, samples = work
    return job, run_on_board(made, chain, job.board, samples)


def _file(job: Job) -> str:
    return f"{job.board}-{job.record}.json"


def run_on_board(made: Path, chain: Chain, board: str, samples: Int16Array) -> dict[str, Any]:
    """Feed a record to the emulated board, and hold every event against the twin's.

    Args:
        made: Where the network and its decision stand: a graph does not travel between processes.
        chain: What the network was made for.
        board: Where it runs.
        samples: int16 [n].

    Returns:
        what it cost, ``beats``, and ``different``: the names of what the twin says otherwise.
    """
    application = read_application(made, chain)
    run = compile_application(application, target=board).run(samples)
    expected = application.run(samples)
    sent = [] if run.sent == application.send(samples).data else ["sent"]
    return {
        "beats": len(expected),
        "different": differences(run, expected) + sent,
        "cost": run.cost.to_json(),
    }


def differences(run: ApplicationRun, expected: Events) -> list[str]:
    """Names of the parts of an event that the device and its twin do not agree on in every bit."""
    if run.events is None:
        return ["events"]
    pairs: list[tuple[str, object, object]] = [
        (field.name, run.events, expected) for field in fields(Events) if field.name != "found"
    ]
    # The device does not hand out its template.
    pairs += [
        (field.name, run.found, expected.found)
        for field in fields(Detections)
        if field.name != "templates"
    ]
    return [
        name
        for name, ours, theirs in pairs
        if not np.array_equal(getattr(ours, name), getattr(theirs, name))
    ]


def _board_entry(board: str, names: list[str], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """A row of the report: means over the records, the most of all of them."""
    place = target(board)
    costs = [run["cost"] for run in runs]
    samples = sum(cost["samples"] for cost in costs)
    cycles = [_modelled(cost, "cycles") for cost in costs]
    dearest = [_modelled(cost["beat"], "cycles") for cost in costs]
    longest = [cost["longest_ms"] for cost in costs]
    duties = [cost["duty"] for cost in costs]
    powers = [cost["energy_uj_per_second"] for cost in costs]
    ram = max((cost["ram"] for cost in costs), key=lambda ram: int(ram["total"]))
    return {
        "name": board,
        "title": place.title,
        "clock_hz": place.clock_hz,
        "flash_bytes": costs[0]["flash"]["total"],
        "ram_bytes": ram["total"],
        "stack_bytes": ram["stack_bound"] or ram["stack_peak"],
        "sample_instructions": _instructions(costs, "sample"),
        "beat_instructions": _instructions(costs, "beat"),
        "cycles": None if None in cycles else sum(c for c in cycles if c) / samples,
        "beat_cycles": None if None in dearest else max(c for c in dearest if c is not None),
        "beat_ms": None if None in longest else max(longest),
        "duty": None if None in duties else sum(duties) / len(duties),
        "power_uw": None if None in powers else sum(powers) / len(powers),
        "records": names,
        "beats": sum(run["beats"] for run in runs),
        "equal": not any(run["different"] for run in runs),
    }


def _modelled(cost: dict[str, Any], name: str) -> int | None:
    """Cycles with the board's flash where they are known, else with memory that answers at once."""
    flash: int | None = cost[f"{name}_modelled"]
    at_once: int | None = cost[name]
    return at_once if flash is None else flash


def _instructions(costs: list[dict[str, Any]], kind: str) -> list[float]:
    calls = sum(cost[kind]["calls"] for cost in costs)
    total = sum(cost[kind]["calls"] * cost[kind]["mean"] for cost in costs)
    return [total / max(calls, 1), max(cost[kind]["largest"] for cost in costs)]
