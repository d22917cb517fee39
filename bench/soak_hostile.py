"""Spoiled files: each ends in a message, or in a network that verify accepts and that runs cleanly.

Every file is judged in a process whose memory is limited and that a watchdog ends. One accepted
network in `BUILT_ONE_IN` is compiled and run on this machine under the address and the
undefined-behaviour sanitizers.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.mlperf_tiny import REPOSITORY
from bench.progress import Progress, duration

sys.path.insert(0, str(REPOSITORY / "tests"))

from support import hostile

MEMORY_BYTES = 3 << 30
"""Of address space, for reading, verifying and interpreting."""
WATCHDOG_S = 120
BUILT_ONE_IN = 4


@dataclass
class HostileTally:
    """What the sweep has shown so far.

    Attributes:
        scope: Which files it is about: the digest of the sources that made and read them.
        done: Files judged, from the first seed on.
        outcomes: How many were refused, accepted, and accepted, built and run.
        failures: What was neither: the file and what was said.
        seconds: Of the host.
    """

    scope: str = ""
    done: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> HostileTally:
        """Out of plain data."""
        return HostileTally(**content)


def judge(seed: int) -> tuple[int, str, str]:
    """(seed, outcome or ``failed``, what was said)."""

    def bark(*_: object) -> None:
        raise TimeoutError(f"no answer within {WATCHDOG_S} s")

    signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, WATCHDOG_S)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    name = f"seed {seed}"
    try:
        spoiled = hostile.spoiled_file(seed)
        name = spoiled.name
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
        try:
            answer = hostile.check(spoiled, build=False)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        if answer == "accepted" and seed % BUILT_ONE_IN == 0:
            # The address sanitizer wants terabytes of address space.
            answer = hostile.check(spoiled, build=True)
        return seed, answer, ""
    except BaseException as error:  # a finding, whatever it is
        return seed, "failed", f"{name}: {type(error).__name__}: {error}"[:2000]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def sweep(total: int, tally: HostileTally, keep: Callable[[HostileTally], None]) -> None:
    """Judge files after those that the tally counts already.

    Args:
        total: How many to have judged in the end.
        tally: What is known; it is brought up to date.
        keep: Called with the tally every few seconds, and when the sweep ends in any way.
    """
    progress = Progress("hostile", total - tally.done)
    kept = start = time.monotonic()
    before = tally.seconds
    context = multiprocessing.get_context("spawn")
    try:
        with context.Pool(os.cpu_count()) as pool:
            for seed, answer, said in pool.imap(judge, range(tally.done, total), chunksize=4):
                tally.done += 1
                tally.seconds = round(before + time.monotonic() - start, 2)
                if answer == "failed":
                    tally.failures.append({"seed": str(seed), "what": said})
                    print(f"\n{said}", file=sys.stderr, flush=True)
                else:
                    tally.outcomes[answer] = tally.outcomes.get(answer, 0) + 1
                progress.advance(1, f"{tally.done} of {total}, {len(tally.failures)} failed")
                if time.monotonic() - kept > 5:
                    keep(tally)
                    kept = time.monotonic()
    finally:
        progress.close()
        keep(tally)


def summary(tally: HostileTally) -> str:
    """The tally as Markdown."""
    if not tally.done:
        return "Not run.\n"
    counts = tally.outcomes
    lines = [
        f"{tally.done:,} spoiled files: {counts.get('refused', 0):,} refused with a message, "
        f"{counts.get('accepted', 0):,} accepted by verify and interpreted, "
        f"{counts.get('built', 0):,} more also compiled and run under the address and "
        f"undefined-behaviour sanitizers; {len(tally.failures):,} ended otherwise. At most "
        f"{MEMORY_BYTES >> 30} GB of address space and {WATCHDOG_S} s each. "
        f"{duration(tally.seconds)} of the host; {tally.scope}."
    ]
    lines += [f"- {failure['what'].splitlines()[0]}" for failure in tally.failures]
    return "\n".join(lines) + "\n"
