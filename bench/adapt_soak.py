"""A learner's C against its twin: ``python -m bench.adapt_soak [TICKS] [EVERY]``, a million ticks.

The C runs on this machine and on the virtual nRF52840, tick by tick through the whole stream. The
twin goes through every block of a thousand ticks (or every EVERYth), each from the checkpoint that
this machine's C has left before it, so that blocks are independent and fill all cores. What ticks
tell and the checkpoint behind each block are compared. Writes
``bench/results/adapt_soak.{md,json}``; exits with 1 where anything differed.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.markdown import RESULTS, table, write_results
from midge.adapt import StreamModel
from midge.driver.learner import compile_learner
from midge.driver.learner_host import HostLearner
from midge.driver.learner_stream import CHUNK_TICKS, SAVE, TOLD

TICKS = 1_000_000
TARGET = "nrf52840"
TWIN = "the twin"
CHANNELS = 4
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
        ticks: By who was compared.
        different: Blocks in which anything differed, likewise.
        regimes, changes, flags: What was told.
    """

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


def soak(ticks: int, every: int) -> Tally:
    """Compare so many ticks; the twin follows every so many blocks."""
    model = StreamModel(CHANNELS, 60, "8 KB")
    artifact = compile_learner(model, target=TARGET)
    host, machine = HostLearner(model), artifact.open_machine()
    tally = Tally({TARGET: 0, TWIN: 0}, {TARGET: 0, TWIN: 0})
    waiting: deque[tuple[Future[Said], Said]] = deque()
    begun, before = time.monotonic(), model.save()
    with ThreadPoolExecutor(1) as beside, ProcessPoolExecutor(os.cpu_count()) as twins:
        for number, start in enumerate(range(0, ticks, CHUNK_TICKS)):
            fed = block(number, min(CHUNK_TICKS, ticks - start))
            running = beside.submit(machine.feed, artifact.stream.chunk(fed, SAVE), len(fed))
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
                print(
                    f"{start + len(fed):,} of {ticks:,} ticks, {time.monotonic() - begun:.0f} s, "
                    f"blocks that differ: {sum(tally.different.values())}",
                    file=sys.stderr,
                    flush=True,
                )
        while waiting:
            _meet(tally, waiting)
    return tally


def _meet(tally: Tally, waiting: deque[tuple[Future[Said], Said]]) -> None:
    theirs, ours = waiting.popleft()
    tally.compare(TWIN, theirs.result(), ours)


def twin_of(before: bytes, number: int, ticks: int) -> Said:
    """What the twin tells of a block, from a checkpoint on, and its checkpoint behind it."""
    twin = StreamModel.restore(before)
    told = np.zeros(ticks, TOLD)
    for tick, sample in enumerate(block(number, ticks)):
        step = twin.update(sample)
        told[tick] = (*(step.anomaly, step.regime, step.is_flagged, step.is_new, step.drift, 0, 0),)
    return told, twin.save()


def main(ticks: int, every: int) -> int:
    """Compare, write."""
    tally = soak(ticks, every)
    rows = [[who, f"{tally.ticks[who]:,}", count] for who, count in tally.different.items()]
    text = (
        "# The C of Midge's learner against its twin\n\nFrom `python -m bench.adapt_soak"
        f"{'' if every == 1 else f' {ticks} {every}'}`: {CHANNELS} channels, horizon 60, "
        f"{ticks:,} ticks on this machine, which told {tally.regimes:,} regimes, "
        f"{tally.changes:,} changes, {tally.flags:,} flags. The virtual board goes through all of "
        f"them, the twin through blocks of {CHUNK_TICKS:,}, each from the C's checkpoint before "
        "it; what was told and the checkpoint behind each block are compared with those of the C "
        "on this machine.\n\n" + table(("compared", "ticks", "blocks that differ"), rows)
    )
    content = {
        "made by": MADE_BY,
        "ticks": tally.ticks,
        "different": tally.different,
        "regimes": tally.regimes,
        "changes": tally.changes,
        "flags": tally.flags,
    }
    write_results(RESULTS, "adapt_soak", text, content)
    return 1 if any(tally.different.values()) else 0


if __name__ == "__main__":
    _given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*[*_given, *(TICKS, 1)[len(_given) :]]))
