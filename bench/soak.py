"""The long sweeps: everything that the tests take samples of, run to the end.

::

    python -m bench.soak [--quick] [--only SWEEP] [--networks N] [--files N] [--steps N]
                         [--start SEED]

- ``goldens``: every golden sample of the four MLPerf Tiny networks on every core, with both
  compilers and both emulators, byte for byte; instructions counted twice.
- ``random``: random networks, core, compiler and emulator in rotation.
- ``operators``: every operator alone, on every core.
- ``streaming``: networks with state, ten thousand steps each, on every core with both compilers.
- ``hostile``: spoiled files of every operator and type.

Interrupted, it keeps what is done; started again, it goes on: a golden row is known by its program
and samples, a made network by the sources. The summary goes to ``bench/results/soak.md`` and
``.json``. It exits with 1 when anything disagreed.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import shutil
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import midge
from bench import soak_goldens, soak_hostile, soak_networks, soak_streaming
from bench.markdown import RESULTS, write_results
from bench.mlperf_tiny import REPOSITORY
from bench.soak_hostile import HostileTally
from bench.soak_networks import Tally
from bench.soak_streaming import StreamingTally
from midge import MidgeError, processes

SWEEPS = ("goldens", "random", "operators", "streaming", "hostile")


class Record:
    """The results file: read at the start, written after every step."""

    def __init__(self, folder: str, *, again: bool) -> None:
        """Read what an earlier run left.

        Args:
            folder: Where ``soak.json`` and ``soak.md`` stand.
            again: Forget it.
        """
        self._folder = folder
        path = Path(folder) / "soak.json"
        known: dict[str, Any] = {}
        if path.is_file() and not again:
            known = json.loads(path.read_text("utf-8"))
        goldens = known.get("goldens", {"rows": [], "skipped": []})
        self.rows = [soak_goldens.Row.from_json(row) for row in goldens["rows"]]
        self.skipped: list[str] = goldens["skipped"]
        self.tallies = {
            name: Tally.from_json(known[name]) if known.get(name) else Tally("")
            for name in ("random", "operators")
        }
        self.hostile = HostileTally.from_json(known.get("hostile", {}))
        self.streaming = StreamingTally.from_json(known.get("streaming", {}))

    @property
    def failed(self) -> bool:
        """Whether anything disagreed."""
        tallies = (*self.tallies.values(), self.hostile, self.streaming)
        return any(row.problems for row in self.rows) or any(t.failures for t in tallies)

    def keep_goldens(self, rows: list[soak_goldens.Row], skipped: list[str]) -> None:
        """Take in the rows so far."""
        self.rows, self.skipped = rows, skipped
        self.write()

    def tally(self, name: str, scope: str) -> Tally:
        """The tally of a sweep, a new one unless the known one is about the same cases."""
        if self.tallies[name].scope != scope:
            self.tallies[name] = Tally(scope)
        return self.tallies[name]

    def write(self) -> None:
        """Write both files.

        Raises:
            UserError: the folder cannot be written.
        """
        content = {
            "made_with": _versions(),
            "goldens": {"rows": [row.to_json() for row in self.rows], "skipped": self.skipped},
            **{name: tally.to_json() for name, tally in self.tallies.items()},
            "streaming": self.streaming.to_json(),
            "hostile": self.hostile.to_json(),
        }
        write_results(self._folder, "soak", self._text(), content)

    def _text(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
        return "\n".join(
            [
                "# Soak",
                "",
                f"Written by `python -m bench.soak`, which says what is swept. {versions}.",
                "",
                "## Golden files",
                "",
                soak_goldens.summary(self.rows, self.skipped),
                "## Random networks",
                "",
                soak_networks.summary(self.tallies["random"], "networks"),
                "## Every operator alone",
                "",
                soak_networks.summary(self.tallies["operators"], "pairs of network and core"),
                "## Streams",
                "",
                soak_streaming.summary(self.streaming),
                "## Spoiled files",
                "",
                soak_hostile.summary(self.hostile),
            ]
        )


def _versions() -> dict[str, str]:
    packages = ("unicorn", "ziglang", "tflite-micro", "numpy")
    own = {"Midge": midge.__version__, "Python": platform.python_version()}
    own |= {name: version(name) for name in packages}
    programs = {"QEMU": "qemu-system-arm", "QEMU for RISC-V": "qemu-system-riscv32"}
    programs |= {"GCC for Arm": "arm-none-eabi-gcc", "GCC for RISC-V": "riscv64-unknown-elf-gcc"}
    return own | {name: _version_of(program) for name, program in programs.items()}


@cache
def _version_of(program: str) -> str:
    """The first number with dots that a program says of itself, or that it is not installed."""
    if shutil.which(program) is None:
        return "not installed"
    said = processes.run([program, "--version"], timeout_s=60).stdout_text
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else "of unknown version"


def run(options: argparse.Namespace, record: Record) -> None:
    """Run the sweeps that were asked for."""
    if options.only in (None, "goldens"):
        soak_goldens.sweep(
            options.match, quick=options.quick, known=record.rows, keep=record.keep_goldens
        )
    sources = f"sources {soak_networks.sources_digest()[:16]}"
    if options.only in (None, "random"):
        scope = f"seeds from {options.start} on, {sources}"
        count = options.networks if options.networks is not None else 26 if options.quick else 5000
        cases = soak_networks.random_cases(options.start)
        tally = record.tally("random", scope)
        soak_networks.sweep("random", cases, count, tally, lambda _: record.write())
    if options.only in (None, "operators"):
        cases = soak_networks.operator_cases(options.match)
        count = len(list(soak_networks.operator_cases(options.match)))
        if options.quick:
            count = min(count, 26)
        only = f" named {options.match}" if options.match else ""
        tally = record.tally("operators", f"cases{only}, {sources}")
        soak_networks.sweep("operators", cases, count, tally, lambda _: record.write())
    if options.only in (None, "streaming"):
        steps = options.steps if options.steps is not None else 200 if options.quick else 10_000
        scope = f"{steps} steps, {sources}"
        if record.streaming.scope != scope:
            record.streaming = StreamingTally(scope)
        soak_streaming.sweep(steps, record.streaming, lambda _: record.write(), quick=options.quick)
    if options.only in (None, "hostile"):
        if record.hostile.scope != sources:
            record.hostile = HostileTally(sources)
        count = options.files if options.files is not None else 100 if options.quick else 10_000
        soak_hostile.sweep(count, record.hostile, lambda _: record.write())


def main(arguments: list[str] | None = None) -> int:
    """Run the sweeps; 0 when everything agreed, 1 when something did not."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a few of everything, minutes")
    parser.add_argument("--only", choices=SWEEPS, help="one sweep")
    parser.add_argument("--networks", type=int, metavar="N", help="random networks (5000)")
    parser.add_argument("--files", type=int, metavar="N", help="spoiled files (10000)")
    parser.add_argument("--steps", type=int, metavar="N", help="of each stream (10000)")
    parser.add_argument("--start", type=int, default=0, metavar="SEED", help="first seed (0)")
    parser.add_argument("--match", default="", metavar="TEXT", help="rows whose name holds this")
    parser.add_argument("--again", action="store_true", help="forget what an earlier run left")
    parser.add_argument("--output", metavar="FOLDER", help="where the summary goes")
    options = parser.parse_args(arguments)
    # A quick run must not replace the record of a complete one.
    folder = options.output or (str(REPOSITORY / "build" / "soak") if options.quick else RESULTS)
    try:
        record = Record(folder, again=options.again)
        run(options, record)
    except MidgeError as error:
        print(f"bench.soak: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\ninterrupted; what is done stands in {folder}, and the same command goes on")
        return 130
    print(f"wrote {folder}/soak.md; {'something disagreed' if record.failed else 'all agree'}")
    return 1 if record.failed else 0


if __name__ == "__main__":
    sys.exit(main())
