"""The ONNX backend node tests on the emitted C, compiled for this machine.

::

    python -m bench.conformance [--only OPERATOR ...] [--out FOLDER]

Each case of an operator of ``bench/conformance_operators.txt`` goes through importer, passes,
kernels and memory plan to C, which is compiled with warnings as errors and run; its outputs must
equal the interpreter's bit for bit and the suite's within the suite's tolerance. What does not
count is left out by rules, which `bench.conformance_cases` states. Results go to
``bench/results/conformance.md`` and ``.json``. It exits with 1 under 95 %.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from bench.conformance_cases import Case, Skipped, all_cases, listed_operators
from bench.conformance_run import Prepared, library_of, prepare, verdict
from bench.markdown import RESULTS, table, write_results
from midge import MidgeError
from midge.errors import ToolError

TOGETHER = 24
"""Cases in one library."""
WANTED_PERCENT = 95.0


def judge(cases: Sequence[Case]) -> dict[str, str]:
    """By name of the case: "" where it passes, else why not."""
    results: dict[str, str] = {}
    waiting: list[Prepared] = []
    for number, case in enumerate(cases):
        try:
            waiting.append(prepare(case, number))
        except MidgeError as error:
            results[case.name] = _one_line(error)
        if len(waiting) == TOGETHER:
            results |= _run_together(waiting)
            waiting = []
            print(f"{number + 1} of {len(cases)}", file=sys.stderr, flush=True)
    return results | _run_together(waiting)


def _run_together(cases: Sequence[Prepared]) -> dict[str, str]:
    """Build them at once; where that fails, one by one."""
    if not cases:
        return {}
    try:
        library = library_of(cases)
    except ToolError as error:
        if len(cases) == 1:
            return {cases[0].case.name: _one_line(error)}
        return {k: v for each in cases for k, v in _run_together([each]).items()}
    results: dict[str, str] = {}
    for prepared in cases:
        try:
            results[prepared.case.name] = verdict(prepared, library)
        except MidgeError as error:
            results[prepared.case.name] = _one_line(error)
    return results


def _one_line(error: MidgeError) -> str:
    text = " ".join(str(error).split("\nsupported operators")[0].split())
    return text.split("what Midge does not have: ")[-1][:300]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write.

    Returns:
        0 where at least 95 % pass.
    """
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--only", nargs="+", metavar="OPERATOR", help="these operators alone")
    parser.add_argument("--out", default=RESULTS, help="where the results go")
    options = parser.parse_args(arguments)
    found = [c for c in all_cases() if not options.only or c.operator in options.only]
    cases = [c for c in found if isinstance(c, Case)]
    skipped = [c for c in found if isinstance(c, Skipped)]
    results = judge(cases)
    text, passed = _report(cases, skipped, results)
    print(text)
    if not options.only:
        content = {
            "onnx": version("onnx"),
            "cases": len(cases),
            "passed": passed,
            "failed": {c.name: results[c.name] for c in cases if results[c.name]},
            "skipped": dict(sorted(Counter(s.rule for s in skipped).items())),
            "skipped_cases": {s.name: s.rule for s in skipped},
        }
        write_results(options.out, "conformance", text, content)
    return 0 if 100 * passed >= WANTED_PERCENT * len(cases) else 1


def _report(
    cases: Sequence[Case], skipped: Sequence[Skipped], results: dict[str, str]
) -> tuple[str, int]:
    """The page, and how many pass."""
    passed = sum(not results[c.name] for c in cases)
    rows = []
    for operator in listed_operators():
        own = [c for c in cases if c.operator == operator]
        left = [s for s in skipped if s.operator == operator]
        if own or left:
            good = sum(not results[c.name] for c in own)
            rules = Counter(s.rule for s in left)
            said = "; ".join(f"{n} {rule}" for rule, n in sorted(rules.items()))
            rows.append((operator, good, len(own) - good, len(left), said))
    rules = Counter(s.rule for s in skipped)
    percent = 100 * passed / max(len(cases), 1)
    lines = [
        "# ONNX backend node tests on the emitted C\n",
        f"Written by `make conformance` with onnx {version('onnx')}: {passed} of {len(cases)} "
        f"cases pass, {percent:.1f} %. {len({c.operator for c in cases})} operators have cases.\n",
        "A case passes where the C, compiled for this machine, gives the interpreter's bits and "
        "the suite's numbers within the suite's tolerance. Operands that have to be known when a "
        "network is compiled (shapes, axes, weights) are given as constants of the case's own "
        "values.\n",
        "## Not counted, by rule\n",
        table(("rule", "cases"), sorted(rules.items())),
        "## Failed\n",
        table(
            ("case", "operator", "why"),
            [(c.name, c.operator, _cell(results[c.name])) for c in cases if results[c.name]],
            left=3,
        ),
        "## By operator\n",
        table(("operator", "passed", "failed", "not counted", "because"), rows),
    ]
    return "\n".join(lines), passed


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
