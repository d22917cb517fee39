"""A learner's C against its twin over a million ticks: ``python -m bench.adapt_soak [TICKS]``.

The C runs on this machine and on the virtual nRF52840. Behind every block of a thousand ticks the
checkpoints of all three are compared, and what the ticks told. Writes
``bench/results/adapt_soak.{md,json}``; exits with 1 where anything differed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
CHANNELS = 4
MADE_BY = "bench.adapt_soak of Midge"
BLOCKS_A_LINE = 16
"""Of progress."""
Said = tuple[NDArray[np.void], bytes]
"""What ticks told, and the checkpoint behind the last."""
_TELLS = ("anomaly", "regime", "is_flagged", "is_new", "drift")


@dataclass
class Tally:
    """What was compared.

    Attributes:
        ticks: With the twin.
        different: Blocks in which anything differed, by where the C ran.
        regimes, changes, flags: What the twin told.
    """

    ticks: int
    different: dict[str, int]
    regimes: int
    changes: int
    flags: int

    def compare(self, twin: Said, others: Mapping[str, Said]) -> None:
        """Add a block."""
        told, saved = twin
        for name, (said, state) in others.items():
            same = all(np.array_equal(said[tells], told[tells]) for tells in _TELLS)
            self.different[name] += not (same and state == saved)
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


def soak(ticks: int) -> Tally:
    """Compare so many ticks; the emulator runs a block while the twin learns it."""
    twin = StreamModel(CHANNELS, 60, "8 KB")
    artifact = compile_learner(twin, target=TARGET)
    host, machine = HostLearner(twin), artifact.open_machine()
    tally = Tally(ticks, {"this machine": 0, TARGET: 0}, 0, 0, 0)
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as beside:
        for number, start in enumerate(range(0, ticks, CHUNK_TICKS)):
            fed = block(number, min(CHUNK_TICKS, ticks - start))
            running = beside.submit(machine.feed, artifact.stream.chunk(fed, SAVE), len(fed))
            expected = twin_of(twin, fed)
            done = running.result()
            board = artifact.stream.told(done.output, len(fed)), artifact.stream.saved(done.output)
            here = host.feed(fed, forecasts=False), host.save()
            tally.compare(expected, {"this machine": here, TARGET: board})
            if number % BLOCKS_A_LINE == 0:
                print(
                    f"{start + len(fed):,} of {ticks:,} ticks, {time.monotonic() - begun:.0f} s, "
                    f"blocks that differ: {sum(tally.different.values())}",
                    file=sys.stderr,
                    flush=True,
                )
    return tally


def twin_of(twin: StreamModel, fed: NDArray[np.float32]) -> Said:
    """What the twin tells of a block, and its checkpoint behind it."""
    told = np.zeros(len(fed), TOLD)
    for tick, sample in enumerate(fed):
        step = twin.update(sample)
        told[tick] = (*(step.anomaly, step.regime, step.is_flagged, step.is_new, step.drift, 0, 0),)
    return told, twin.save()


def main(ticks: int) -> int:
    """Compare, write."""
    tally = soak(ticks)
    rows = [[place, tally.ticks, count] for place, count in tally.different.items()]
    text = (
        "# The C of Midge's learner against its twin\n\nFrom `python -m bench.adapt_soak`: "
        f"{CHANNELS} channels, horizon 60; the twin told {tally.regimes:,} regimes, "
        f"{tally.changes:,} changes, {tally.flags:,} flags. Checkpoints are compared behind every "
        f"{CHUNK_TICKS:,} ticks.\n\n" + table(("C on", "ticks", "blocks that differ"), rows)
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
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else TICKS))
