"""Mutants of the kernels: changes to their arithmetic that some test has to notice.

::

    python -m bench.mutants [--match conv] [--jobs 2] [--limit N] [--all] [--record FILE]
                            [--seconds N]

Every operator and every constant of the C in ``device/kernels`` is changed, one at a time. A mutant
is killed when it does not build, computes other outputs than the interpreter, writes elsewhere,
crashes, hangs, does what a sanitizer calls undefined, or fails a unit test in ``tests/device`` that
names its file. One that survives shows a case that no test has, unless
``bench/equivalent_mutants.toml`` says why it cannot be noticed. One that is explained is judged
with ``--all`` only: nothing takes longer than to see nothing.

Verdicts are kept in ``build/mutants/verdicts.jsonl`` while a run goes on, so it may be interrupted
and started again, and after a new test judges the survivors alone; `bench.mutants_record` has the
rules by which a verdict still holds. ``--seconds`` ends a run early, and counts what is left; with
0 nothing is judged, and the summary is that of the record.

The summary goes to ``bench/results/mutants.md`` and ``.json``; with ``--match`` or ``--limit`` to
``build/mutants``. It exits with 1 when mutants without an explanation survive or some are left.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import midge
from bench.markdown import RESULTS, table, write_results
from bench.mlperf_tiny import REPOSITORY
from bench.mutants_judge import (
    FAILED_TEST,
    LEFT,
    NOT_JUDGED,
    SURVIVED,
    VERDICTS,
    Trial,
    kernel_files,
    kernels_of,
    name_of,
    trials,
)
from bench.mutants_record import Key, Record
from bench.mutants_source import Mutant, mutants
from bench.mutants_tests import UnitTests, unit_tests
from bench.progress import Progress
from midge import MidgeError, ToolError, UserError
from midge.c_emitter import Kernel

EXPLANATIONS = Path(__file__).with_name("equivalent_mutants.toml")

_BEFORE_TESTS = 3
"""Trials that are quicker than to start the unit tests."""
RECORD = REPOSITORY / "build" / "mutants" / "verdicts.jsonl"


@dataclass(frozen=True)
class Judged:
    """A mutant and what became of it: one of `VERDICTS`."""

    mutant: Mutant
    verdict: str

    @property
    def survived(self) -> bool:
        """Whether nothing noticed it, as far as was looked."""
        return self.verdict in (SURVIVED, NOT_JUDGED)


@dataclass(frozen=True)
class Report:
    """What a run has shown.

    Attributes:
        judged: In the order of files and places.
        explained: Explanations of all runs.
        unreached: Kernels of undecided files that no network needs, and such files that are part of
            no trial.
    """

    judged: Sequence[Judged]
    explained: Mapping[Key, str]
    unreached: Sequence[str]

    @property
    def surviving(self) -> list[Mutant]:
        """Those that survive without an explanation."""
        return [j.mutant for j in self.judged if j.survived and j.mutant.key not in self.explained]

    @property
    def stale(self) -> list[tuple[Key, str]]:
        """Explanations of judged files that explain nothing, and why they do not."""
        verdicts = {j.mutant.key: j for j in self.judged}
        files = {j.mutant.file for j in self.judged}
        found = []
        for key in self.explained:
            if key in verdicts and not verdicts[key].survived:
                found.append((key, f"it is killed: {verdicts[key].verdict}"))
            elif key not in verdicts and key[0] in files:
                found.append((key, "there is no such mutant"))
        return found

    @property
    def left(self) -> int:
        """How many nobody has judged yet."""
        return sum(j.verdict == LEFT for j in self.judged)

    def rows(self) -> list[tuple[str, int, int, int, int, int]]:
        """For each file: mutants, killed, explained, surviving, not judged yet."""
        surviving = Counter(m.file for m in self.surviving)
        counts = Counter(j.mutant.file for j in self.judged)
        unnoticed = Counter(j.mutant.file for j in self.judged if j.survived)
        left = Counter(j.mutant.file for j in self.judged if j.verdict == LEFT)
        return [
            (
                *(file, n, n - unnoticed[file] - left[file]),
                *(unnoticed[file] - surviving[file], surviving[file], left[file]),
            )
            for file, n in sorted(counts.items())
        ]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        names = ("mutants", "killed", "explained", "surviving", "left")
        return {
            "made_with": _versions(),
            "files": {row[0]: dict(zip(names, row[1:], strict=True)) for row in self.rows()},
            "verdicts": {v: sum(j.verdict == v for j in self.judged) for v in VERDICTS},
            "survivors": [
                {
                    "id": m.id,
                    "function": m.function,
                    "line": m.text,
                    "occurrence": m.occurrence,
                    "change": m.change,
                }
                for m in self.surviving
            ],
            "stale": [{"key": list(key), "why": why} for key, why in self.stale],
            "unreached": list(self.unreached),
        }

    def text(self) -> str:
        """As Markdown."""
        rows = self.rows()
        total = [sum(column) for column in list(zip(*rows, strict=True))[1:]] or [0] * 5
        header = ("file", "mutants", "killed", "explained", "surviving", "not judged yet")
        lines = [
            "# Mutants",
            "",
            "Written by `python -m bench.mutants`, which says what a mutant is and who kills it; "
            "[equivalent_mutants.toml](../equivalent_mutants.toml) has the explanations. "
            + ", ".join(f"{name} {number}" for name, number in _versions().items())
            + ".",
            "",
            table(header, [*rows, ("all", *total)]),
            *_section(
                "Surviving without an explanation",
                [
                    f"`{m.id}` in {m.function or 'no function'}: `{m.change}`"
                    for m in self.surviving
                ],
            ),
            *_section(
                "Explanations that explain nothing",
                [
                    f"{key[0]}, {key[1]}, `{key[2]}`, {key[3]} {key[4]}: {why}"
                    for key, why in self.stale
                ],
            ),
            *_section("Kernels and files that no network reaches", list(self.unreached)),
        ]
        return "\n".join(lines)


def _section(title: str, entries: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {e}" for e in entries), ""] if entries else []


def _versions() -> dict[str, str]:
    return {"Midge": midge.__version__, "ziglang": version("ziglang")}


def explanations(path: Path) -> dict[Key, str]:
    """Why mutants cannot be noticed, by the mutant's key.

    Raises:
        UserError: the file is not as its own first lines say.
    """
    try:
        entries = tomllib.loads(path.read_text("utf-8")).get("mutant", [])
        found: dict[Key, str] = {}
        for entry in entries:
            numbers = entry.get("occurrence", 1)
            for number in numbers if isinstance(numbers, list) else [numbers]:
                key = (entry["file"], entry["function"], entry["line"], entry["kind"], number)
                if key in found:
                    raise UserError(f"{path}: {key} is explained twice")
                found[key] = entry["why"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error!r}") from None
    return found


def selected(files: Mapping[str, str], match: str, limit: int | None) -> list[Mutant]:
    """The mutants in whose id a regular expression is found, at most so many."""
    every = [m for name, text in files.items() for m in mutants(name, text)]
    return [m for m in every if re.search(match, m.id)][:limit]


@dataclass(frozen=True)
class Court:
    """Who judges the mutants of one file.

    Attributes:
        text: The file as it stands.
        trials: Networks.
        tests: Unit tests; None where the file has none.
        noticed: By function, the place of the judge that noticed the last mutant in it.
    """

    text: str
    trials: Sequence[Trial]
    tests: UnitTests | None
    noticed: dict[str, int] = field(default_factory=dict)

    @cached_property
    def judges(self) -> str:
        """Digest of the trials and the unit tests."""
        parts = [trial.digest for trial in self.trials]
        if self.tests is not None:
            parts += [path.read_text("utf-8") for path in self.tests.paths]
        return _digest(*parts)

    @cached_property
    def _judges(self) -> list[Callable[[str], str]]:
        """Verdicts on a changed text; unit tests come after the smallest trials."""
        found: list[Callable[[str], str]] = [partial(t.judge, self.text) for t in self.trials]
        if self.tests is not None:
            found.insert(_BEFORE_TESTS, self._by_tests)
        return found

    def judge(self, mutant: Mutant) -> Judged:
        """The first verdict but survival, asking first who noticed the last in this function."""
        mutated = mutant.apply(self.text)
        order = list(range(len(self._judges)))
        first = self.noticed.get(mutant.function)
        if first is not None:
            order.insert(0, order.pop(first))
        for place in order:
            verdict = self._judges[place](mutated)
            if verdict != SURVIVED:
                self.noticed[mutant.function] = place
                return Judged(mutant, verdict)
        return Judged(mutant, SURVIVED)

    def _by_tests(self, mutated: str) -> str:
        assert self.tests is not None
        return SURVIVED if self.tests.run(mutated) == 0 else FAILED_TEST


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def courts(texts: Mapping[str, str], kernels: Sequence[Kernel], jobs: int) -> dict[str, Court]:
    """Who judges the mutants of these files, each found to let the unchanged file pass.

    Args:
        texts: The files.
        kernels: Those that hold any of them.
        jobs: What runs at once.

    Raises:
        ToolError: a kernel fails as it stands.
    """
    progress = Progress("making trials", len(kernels))
    prepared = trials(kernels, partial(progress.advance, 1))
    progress.close()
    found = {
        file: Court(text, [t for t in prepared if t.holds(text)], unit_tests(file))
        for file, text in texts.items()
    }
    tests = [court.tests for court in found.values() if court.tests is not None]
    with ThreadPoolExecutor(jobs) as pool:
        passed = pool.map(lambda trial: trial.judge("", "") == SURVIVED, prepared)
        passed_tests = pool.map(lambda test: test.run(texts[test.file]) == 0, tests)
        names = [judge.name for judge in prepared] + [judge.name for judge in tests]
        for name, fine in zip(names, (*passed, *passed_tests), strict=True):
            if not fine:
                raise ToolError(
                    f"{name}: the kernels as they stand do not pass this; run the tests and "
                    "mend that first"
                )
    return found


def run(
    chosen: Sequence[Mutant],
    files: Mapping[str, str],
    jobs: int,
    *,
    everyone: bool = False,
    record: Path | None = None,
    seconds: float = math.inf,
) -> Report:
    """Judge mutants.

    Args:
        chosen: In order.
        files: Every kernel file.
        jobs: What runs at once.
        everyone: Judge those with an explanation too.
        record: A file of verdicts that may still hold; this run's are added to it.
        seconds: Of wall-clock time, after which no further mutant is tried; 0 takes every verdict
            from the record, that of a survivor even where its judges have changed.

    Raises:
        UserError: the explanations or the record cannot be read.
        ToolError: a kernel fails as it stands.
    """
    known = explanations(EXPLANATIONS)
    accused = [m for m in chosen if everyone or m.key not in known]
    sources = {m.key: _digest(m.apply(files[m.file])) for m in accused}
    found: dict[str, Court] = {}
    kernels: list[Kernel] = []
    with Record(record, (SURVIVED,)) as verdicts:
        last = {m.key: verdicts.last(m.key, sources[m.key]) or LEFT for m in accused}
        judged = {m.key: Judged(m, last[m.key]) for m in accused}
        undecided = [m for m in accused if last[m.key] in (SURVIVED, LEFT)]
        if seconds > 0:
            texts = {m.file: files[m.file] for m in undecided}
            kernels = kernels_of(texts.values())
            found = courts(texts, kernels, jobs)
            deadline = time.monotonic() + seconds

            def judge(mutant: Mutant) -> Judged:
                court = found[mutant.file]
                about = (mutant.key, sources[mutant.key], court.judges)
                known_verdict = verdicts.find(*about)
                if known_verdict is not None:
                    return Judged(mutant, known_verdict)
                if time.monotonic() > deadline:
                    return Judged(mutant, LEFT)
                result = court.judge(mutant)
                verdicts.add(*about, result.verdict)
                return result

            progress = Progress("mutants", len(undecided))
            pool = ThreadPoolExecutor(jobs)
            try:
                unnoticed = 0
                for number, result in enumerate(pool.map(judge, undecided), 1):
                    judged[result.mutant.key] = result
                    unnoticed += result.survived
                    progress.advance(1, f"{number} of {len(undecided)}, {unnoticed} unnoticed")
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                progress.close()
    tried = {trial.kernel for court in found.values() for trial in court.trials}
    unreached = [name_of(k) for k in kernels if k not in tried]
    unreached += sorted(f for f, court in found.items() if not court.trials)
    return Report([judged.get(m.key, Judged(m, NOT_JUDGED)) for m in chosen], known, unreached)


def main(arguments: list[str] | None = None) -> int:
    """Make mutants and judge them; 1 when some survive without an explanation."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.mutants", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--match", default="", metavar="REGEX", help="ids in which this is found")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N of them")
    parser.add_argument("--all", action="store_true", help="judge explained ones too")
    parser.add_argument("--output", metavar="FOLDER", help="where the summary goes")
    parser.add_argument("--seconds", type=float, default=math.inf, metavar="N", help="end early")
    parser.add_argument("--record", metavar="FILE", default=str(RECORD), help="verdicts so far")
    options = parser.parse_args(arguments)
    # A part must not replace the record of a complete run.
    part = bool(options.match) or options.limit is not None
    folder = options.output or (str(REPOSITORY / "build" / "mutants") if part else RESULTS)
    try:
        files = kernel_files()
        chosen = selected(files, options.match, options.limit)
        report = run(
            chosen,
            files,
            options.jobs,
            everyone=options.all,
            record=Path(options.record),
            seconds=options.seconds,
        )
        write_results(folder, "mutants", report.text(), report.to_json())
    except MidgeError as error:
        print(f"bench.mutants: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted; the same command goes on from here")
        return 130
    for mutant in report.surviving:
        print(f"{mutant.id} in {mutant.function}: {mutant.change}")
    left = f", {report.left} are not judged yet" if report.left else ""
    print(
        f"wrote {folder}/mutants.md; {len(report.surviving)} survive without an explanation{left}"
    )
    return 1 if report.surviving or report.left else 0


if __name__ == "__main__":
    sys.exit(main())
