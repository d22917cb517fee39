"""A monitor of a bearing, its costs and choice: ``python -m bench.adapt_vibration [FOLDER]``.

The choice sees the first half of the healthy record alone, with made-up faults added to the last
part of it. The costs are those of a piece of the records on the virtual nRF52840, whose answers are
held against the twin.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.markdown import RESULTS, table, write_results
from midge.adapt.benchmark.data_files import bearings
from midge.adapt.benchmark.vibration import (
    AIM_MS,
    MONITOR,
    first_half,
    milliseconds,
)
from midge.adapt.benchmark.vibration_signals import (
    RATE_HZ,
    Records,
    Signal,
    in_counts,
    on_one_level,
    with_impulses,
    with_noise,
)
from midge.adapt.monitor import AlarmRule, Monitor
from midge.driver.learner_host import HostLearner
from midge.driver.monitor import compile_monitor
from midge.errors import InternalError
from midge.signals import BandEnergies

FRAMES, OCTAVES = (256, 512, 1024), (3, 4, 5)
NOISES_DB = (None, 10.0, 0.0)
RULES = ((3, 3), (3, 4), (4, 5), (5, 6), (5, 8), (6, 8), (8, 12))
ALARMS_S = 1e-4 / 512 * RATE_HZ
"""Alarms a second that each setting may raise by chance, as if frames were independent."""
LEARN_S, HELD_S = 1.7, 1.75
STRENGTHS = (0.5, 1.0, 2.0)
SEEDS = range(8)
TARGETS = ("nrf52840", "rp2040")
DEVICE_LEARN_S, DEVICE_HEARD_S = 1.0, 0.2
STARTS_S = 0.25
START_SEEDS = range(5)
MADE_BY = "bench.adapt_vibration of Midge"

Frames = NDArray[np.int16]


@dataclass(frozen=True)
class Choice:
    """One setting on the first half of the healthy record.

    Attributes:
        frame, octaves: Of the front end.
        flagged, of: The rule.
        found: By noise, the share of made-up faults with an alarm in time.
        false_alarms: Seeds and noises in which the held-back part of the record raised one.
    """

    frame: int
    octaves: int
    flagged: int
    of: int
    found: tuple[float, ...]
    false_alarms: int


class _Judge:
    """A learner in C that knows what is normal, and judges frames as a `Monitor` does."""

    def __init__(self, front: BandEnergies) -> None:
        self.front = front
        self._host = HostLearner(Monitor(front, learn=0).new_model())
        self._fresh = self._learned = self._host.state.copy()

    def learn(self, energies: Frames) -> None:
        self._host.state[:] = self._fresh
        self._host.feed(energies, forecasts=False)
        self._learned = self._host.state.copy()

    def first_alarm(self, rule: AlarmRule, energies: Frames) -> int | None:
        """Among frames behind what was learned, from 0."""
        rate = rule.flag_rate(ALARMS_S * self.front.frame / RATE_HZ)
        state, flags = self._host.state, np.zeros(len(energies), bool)
        state[:] = self._learned
        for place, row in enumerate(energies):
            before = state.copy()
            anomaly = self._host.feed(row[None], forecasts=False)["anomaly"][0]
            flags[place] = anomaly < rate
            if place and flags[place - 1 : place + 1].all():
                state[:] = before
        raised = rule.raised(flags)
        return int(raised.argmax()) if raised.any() else None


def choices(healthy: Signal) -> Iterator[Choice]:
    """Every setting, measured."""
    half = first_half(healthy)
    for frame, octaves in itertools.product(FRAMES, OCTAVES):
        judge = _Judge(BandEnergies("bands", frame, octaves))
        found = {rule: np.zeros(len(NOISES_DB)) for rule in RULES}
        alarms = dict.fromkeys(RULES, 0)
        for place, noise in enumerate(NOISES_DB):
            for seed in SEEDS:
                usual, worn = _heard(judge, half, noise, seed)
                for rule in RULES:
                    one = AlarmRule(*rule)
                    alarms[rule] += judge.first_alarm(one, usual) is not None
                    firsts = [judge.first_alarm(one, energies) for energies in worn]
                    in_time = [_in_time(judge.front, first) for first in firsts]
                    found[rule][place] += np.mean(in_time) / len(SEEDS)
        for rule in RULES:
            yield Choice(frame, octaves, *rule, tuple(found[rule].tolist()), alarms[rule])


def _heard(
    judge: _Judge, half: Signal, noise: float | None, seed: int
) -> tuple[Frames, list[Frames]]:
    """The part that was held back, and the start of faults made up in it; `judge` has learned."""
    rng = np.random.default_rng([seed, 1])
    learned, held = half[: int(LEARN_S * RATE_HZ)], half[int(HELD_S * RATE_HZ) :]
    judge.learn(judge.front.run(in_counts(with_noise(learned, noise, rng))))

    def seen(signal: Signal) -> Frames:
        return judge.front.run(in_counts(with_noise(signal, noise, rng)))[1:]

    start = int(AIM_MS * 1.5 / 1000 * RATE_HZ)
    worn = [with_impulses(held, strength, rng)[:start] for strength in 2 * STRENGTHS]
    return seen(held), [seen(one) for one in worn]


def _in_time(front: BandEnergies, first: int | None) -> bool:
    return first is not None and milliseconds(front, first) <= AIM_MS


def starts(records: Records) -> list[dict[str, Any]]:
    """By noise: alarms in time when a worn record is cut in at every quarter of a second."""
    judge, step = _Judge(MONITOR.front), int(STARTS_S * RATE_HZ)
    half = first_half(on_one_level(records.healthy))
    rows = []
    for noise in NOISES_DB:
        in_time: list[bool] = []
        for seed in START_SEEDS if noise is not None else START_SEEDS[:1]:
            rng = np.random.default_rng([seed, 2])
            judge.learn(judge.front.run(in_counts(with_noise(half, noise, rng))))
            for record in records.faults.values():
                worn = on_one_level(record)
                for start in range(0, worn.size - step, step):
                    piece = with_noise(worn[start : start + step], noise, rng)
                    energies = judge.front.run(in_counts(piece))[1:]
                    first = judge.first_alarm(MONITOR.rule, energies)
                    in_time.append(_in_time(judge.front, first))
        rows.append({"noise_db": noise, "starts": len(in_time), "in_time": sum(in_time)})
    return rows


def device(target: str, healthy: Signal, fault: Signal) -> dict[str, Any]:
    """A monitor that learns from a piece of the healthy record, then hears a fault, on a board.

    Raises:
        InternalError: The board and the twin differ.
    """
    frames = int(DEVICE_LEARN_S * RATE_HZ) // MONITOR.front.frame
    learned, heard = frames * MONITOR.front.frame, int(DEVICE_HEARD_S * RATE_HZ)
    monitor = replace(MONITOR, learn=frames)
    fed = in_counts(np.concatenate([healthy[:learned], fault[:heard]]))
    run, told = compile_monitor(monitor, target=target).run(fed), monitor.watch(fed)
    for name, expected in (
        ("energies", told.energies),
        ("anomaly", told.anomaly.astype(np.float32)),
        ("is_alarm", told.alarm),
    ):
        if not np.array_equal(run.told[name], expected):
            raise InternalError(f"{target}: the board and the twin differ in {name}")
    first = int(told.alarm.argmax()) + 1 - frames if told.alarm.any() else None
    return {
        "target": target,
        **run.cost.to_json(),
        "duty": run.cost.duty(RATE_HZ),
        "alarm_ms": None if first is None else 1e3 * first * MONITOR.front.frame / RATE_HZ,
    }


def text_of(rows: list[Choice], boards: list[dict[str, Any]], cut_in: list[dict[str, Any]]) -> str:
    """The page."""
    top = "# Midge's monitor of a bearing\n\nFrom `python -m bench.adapt_vibration`.\n"
    return "\n".join([top, _costs_text(boards), _starts_text(cut_in), _choice_text(rows)])


def _costs_text(boards: list[dict[str, Any]]) -> str:
    header = (
        *("board", "cycles a sample", "cycles a frame", "flash", "duty"),
        *("RAM", "stack", "code", "alarm, ms"),
    )
    lines = [
        [
            board["target"],
            *(round(board["front_cycles"]), round(board["frame_cycles"])),
            f"{board['flash_factor']:.3f}" if board["flash_factor"] else None,
            f"{100 * board['duty']:.1f} %",
            *(board["state_bytes"], board["stack_bound_bytes"], board["flash_bytes"]),
            None if board["alarm_ms"] is None else f"{board['alarm_ms']:.0f}",
        ]
        for board in boards
    ]
    return (
        f"## What it costs\n\nOctaves of {MONITOR.front.frame} samples at {RATE_HZ:,} Hz, "
        f"{MONITOR.front.octaves} of them, a learner in {MONITOR.ram} and its copy; "
        f"{DEVICE_LEARN_S:g} s of the healthy record and {DEVICE_HEARD_S:g} s of one with a fault, "
        "compiled by zig's clang at -O2. Energies, anomalies and alarms equal the twin's in every "
        "bit. Cycles are those of the core with memory that answers at once; *flash* is by how "
        "much the board's flash lengthens them, *duty* the share of the time that the core "
        "computes, flash included where its wait states are published; *alarm* its time from where "
        "the fault begins.\n\n" + table(header, lines)
    )


def _starts_text(cut_in: list[dict[str, Any]]) -> str:
    lines = [[_named(row["noise_db"]), row["starts"], row["in_time"]] for row in cut_in]
    return (
        "## Wherever it cuts in\n\nLearned from the whole first half; every worn record heard "
        f"from every {STARTS_S:g} s on, in the place of its start alone: the alarms within "
        f"{AIM_MS} ms; noise of {len(START_SEEDS)} seeds.\n\n"
        + table(["noise", "starts", "in time"], lines)
    )


def _choice_text(rows: list[Choice]) -> str:
    ranked = sorted(rows, key=lambda row: -sum(row.found))
    lines = [
        [
            *(f"{row.frame}", row.octaves, f"{row.flagged} of {row.of}"),
            *(f"{share:.2f}" for share in row.found),
            f"{sum(row.found):.2f}",
            row.false_alarms,
        ]
        for row in ranked[:16]
    ]
    header = ["frame", "octaves", "alarm", *map(_named, NOISES_DB), "sum", "false alarms"]
    return (
        "## How its settings were chosen\n\nOn the first half of the healthy record alone: "
        f"learned from its first {LEARN_S:g} s; faults made up in what lies behind "
        f"{HELD_S:g} s, with {', '.join(f'{one:g}' for one in STRENGTHS)} of its RMS; "
        f"{len(SEEDS)} seeds. Every setting raises alarms by chance at the same rate. Shown: the "
        f"share of faults with an alarm within {AIM_MS} ms, and runs in which the part held back "
        f"raised one, of {len(SEEDS) * len(NOISES_DB)}; the best 16 of {len(rows)}.\n\n"
        + table(header, lines)
    )


def _named(noise_db: float | None) -> str:
    return "clean" if noise_db is None else f"{noise_db:g} dB"


def main(folder: str) -> None:
    """Measure all and write ``adapt_vibration.{md,json}``."""
    records = bearings()
    healthy = on_one_level(records.healthy)
    fault = on_one_level(next(iter(records.faults.values())))
    boards = [device(target, healthy, fault) for target in TARGETS]
    rows = list(choices(healthy))
    cut_in = starts(records)
    content = {
        "made by": MADE_BY,
        "boards": boards,
        "starts": cut_in,
        "choices": [asdict(row) for row in rows],
    }
    write_results(folder, "adapt_vibration", text_of(rows, boards, cut_in), content)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else RESULTS)
