"""A learner's C against its twin: ``python -m bench.adapt_soak``, a million ticks an arithmetic.

The C runs on this machine and on the virtual nRF52840, tick by tick through the whole stream. The
twin goes through every block of a thousand ticks (or every one of ``--every``), each from the
checkpoint that this machine's C has left before it, so that blocks are independent and fill all
cores. What ticks tell and the checkpoint behind each block are compared. Writes
``bench/results/adapt_soak.{md,json}``, in which an arithmetic that is not run keeps its row; exits
with 1 where anything differed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.markdown import RESULTS, table, write_results
from midge.adapt import StreamModel
from midge.driver.learner import compile_learner
from midge.driver.learner_host import HostLearner
from midge.driver.learner_stream import CHUNK_TICKS, SAVE, kinds_of

TICKS = 1_000_000
TARGET = "nrf52840"
TWIN = "the twin"
CHANNELS = 4
ARITHMETICS = ("float32", "fixed")
MADE_BY = "bench.adapt_soak of Midge"
BLOCKS_A_LINE = 16
"""Of progress."""
MOST_WAITING = 8
"""Blocks that wait for the twin."""
Said = tuple[NDArray[np.void], bytes]
"""What ticks told, and the checkpoint behind the last."""
_TELLS = ("anomaly", "regime", "is_flagged", "is_new", "drift")


@dataclass
class Tally:
    """What was compared with the C on this machine.

    Attributes:
        every: Blocks from one that the twin follows to the next.
        ticks: By who was compared.
        different: Blocks in which anything differed, likewise.
        regimes, changes, flags: What was told.
    """

    every: int
    ticks: dict[str, int]
    different: dict[str, int]
    regimes: int = 0
    changes: int = 0
    flags: int = 0

    def compare(self, who: str, theirs: Said, ours: Said) -> None:
        """Add a block."""
        (said, state), (told, saved) = theirs, ours
        same = all(np.array_equal(said[tells], told[tells]) for tells in _TELLS)
        self.different[who] += not (same and state == saved)
        self.ticks[who] += len(told)

    def count(self, told: NDArray[np.void]) -> None:
        """Add what a block told."""
        self.regimes = max(self.regimes, int(told["regime"].max()) + 1)
        self.changes += int(told["drift"].sum())
        self.flags += int(told["is_flagged"].sum())


def block(number: int, ticks: int) -> NDArray[np.float32]:
    """Another kind of signal in each block: regimes, steps, gaps, spikes, a stuck channel."""
    rng = np.random.default_rng(number)
    t = np.arange(ticks)[:, None]
    speed = np.array([0.05, 0.31, 0.83])[(number + t // 300) % 3]
    x = np.sin(speed * t * (1 + 0.3 * np.arange(CHANNELS))) * rng.uniform(0.5, 2, CHANNELS)
    x = x + 0.05 * rng.normal(size=x.shape) + 10 * (number // 20 % 3)
    if number % 5 == 1:
        x[rng.random(x.shape) < 0.02] = np.nan
    if number % 7 == 2:
        x[rng.random(x.shape) < 0.005] *= 1e3
    if number % 11 == 3:
        x[ticks // 4 :, number % CHANNELS] = 1.5
    if number % 50 == 4:
        x *= 10.0 ** rng.uniform(-30, 15)
    return x.astype(np.float32)


def soak(arithmetic: str, ticks: int, every: int) -> Tally:
    """Compare so many ticks; the twin follows every so many blocks."""
    model = learner_in(arithmetic)
    artifact = compile_learner(model, target=TARGET)
    host, machine = HostLearner(model), artifact.open_machine()
    tally = Tally(every, {TARGET: 0, TWIN: 0}, {TARGET: 0, TWIN: 0})
    waiting: deque[tuple[Future[Said], Said]] = deque()
    begun, before = time.monotonic(), model.save()
    with ThreadPoolExecutor(1) as beside, ProcessPoolExecutor(os.cpu_count()) as twins:
        for number, start in enumerate(range(0, ticks, CHUNK_TICKS)):
            fed = block(number, min(CHUNK_TICKS, ticks - start))
            chunk = artifact.stream.chunk(model.samples(fed), SAVE)
            running = beside.submit(machine.feed, chunk, len(fed))
            ours = host.feed(fed, forecasts=False), host.save()
            if number % every == 0:
                waiting.append((twins.submit(twin_of, before, number, len(fed)), ours))
            before = ours[1]
            done = running.result()
            board = artifact.stream.told(done.output, len(fed)), artifact.stream.saved(done.output)
            tally.compare(TARGET, board, ours)
            tally.count(ours[0])
            while len(waiting) > MOST_WAITING or (waiting and waiting[0][0].done()):
                _meet(tally, waiting)
            if number % BLOCKS_A_LINE == 0:
                differ = sum(tally.different.values())
                print(
                    f"{arithmetic}: {start + len(fed):,} of {ticks:,} ticks, "
                    f"{time.monotonic() - begun:.0f} s, blocks that differ: {differ}",
                    file=sys.stderr,
                    flush=True,
                )
        while waiting:
            _meet(tally, waiting)
    return tally


def _meet(tally: Tally, waiting: deque[tuple[Future[Said], Said]]) -> None:
    theirs, ours = waiting.popleft()
    tally.compare(TWIN, theirs.result(), ours)


def learner_in(arithmetic: str) -> StreamModel:
    """A learner that has seen nothing."""
    if arithmetic == "fixed":
        return StreamModel(CHANNELS, 60, "8 KB", arithmetic="fixed", resolution=2**-12)
    return StreamModel(CHANNELS, 60, "8 KB")


def twin_of(before: bytes, number: int, ticks: int) -> Said:
    """What the twin tells of a block, from a checkpoint on, and its checkpoint behind it."""
    twin = StreamModel.restore(before)
    told = np.zeros(ticks, kinds_of(twin.dialect.number)[0])
    for tick, sample in enumerate(block(number, ticks)):
        step = twin.update(sample)
        share = step.anomaly * twin.dialect.certain
        told[tick] = (share, step.regime, step.is_flagged, step.is_new, step.drift, 0, 0)
    return told, twin.save()


def main(argv: Sequence[str]) -> int:
    """Compare, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.adapt_soak", description=__doc__)
    parser.add_argument("--arithmetic", choices=ARITHMETICS, action="append")
    parser.add_argument("--ticks", type=int, default=TICKS)
    parser.add_argument(
        "--every", type=int, default=1, help="blocks from one the twin follows to the next"
    )
    options = parser.parse_args(argv)
    content = kept()
    for arithmetic in options.arithmetic or ARITHMETICS:
        content[arithmetic] = asdict(soak(arithmetic, options.ticks, options.every))
        write_results(RESULTS, "adapt_soak", text_of(content), {"made by": MADE_BY} | content)
    return 1 if any(any(part["different"].values()) for part in content.values()) else 0


def kept() -> dict[str, Any]:
    """Tallies of earlier runs, by arithmetic."""
    path = Path(RESULTS) / "adapt_soak.json"
    before = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {name: before[name] for name in ARITHMETICS if name in before}


def text_of(content: dict[str, Any]) -> str:
    """The results as Markdown."""
    counts = ("regimes", "changes", "flags")
    rows = [
        [arithmetic, who, part["ticks"][who], count, *(part[name] for name in counts)]
        for arithmetic, part in content.items()
        for who, count in part["different"].items()
    ]
    header = ("arithmetic", "compared", "ticks", "blocks that differ", *counts)
    commands = ", ".join(
        f"`python -m bench.adapt_soak --arithmetic {arithmetic} --every {part['every']}`"
        for arithmetic, part in content.items()
    )
    return (
        f"# The C of Midge's learner against its twin\n\nFrom {commands}: "
        f"{CHANNELS} channels, horizon 60. The C on this machine goes through a stream of many "
        "kinds of signal; the virtual board goes through all of it, the twin through blocks of "
        f"{CHUNK_TICKS:,} ticks, each from the C's checkpoint before it. What ticks tell and the "
        "checkpoint behind each block are compared with those of the C on this machine.\n\n"
        + table(header, rows, left=2)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
