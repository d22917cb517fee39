"""Every golden sample of the four networks, on every core, compiler and emulator, byte for byte."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import midge
from bench.markdown import table
from bench.mlperf_tiny import CORES, NETWORKS, Golden
from bench.progress import Progress
from midge import Artifact, MidgeError, ToolError
from midge.virtual_mcu import CORES as KNOWN_CORES
from midge.virtual_mcu import Inference, Machine, QemuMachine

COMPILERS = ("zig", "gcc")
_CHUNK = 25
_QUICK = (5, 2)


@dataclass(frozen=True)
class EmulatorRun:
    """What one emulator made of a program.

    Attributes:
        emulator: Its name.
        samples: Inferences run.
        equal: Those whose every output byte equals the golden file's.
        seconds: Of the host, compiling left out.
    """

    emulator: str
    samples: int
    equal: int
    seconds: float


@dataclass(frozen=True)
class Row:
    """One network, built by one compiler for one core.

    Attributes:
        network: Short name.
        core: Where it ran.
        cc: The compiler, ``zig`` or ``gcc``.
        compiler: Its version.
        evidence: SHA-256 of the program and the golden file, hex: what the row is about.
        real: Real samples.
        random: Random ones.
        least: Instructions of the cheapest inference.
        median: Of the median one.
        most: Of the dearest.
        runs: By emulator.
        compared: Samples whose instructions and stack were counted by both emulators.
        same: Those for which both agree on both.
        clock_error: Instructions between QEMU's blocks and the core's own clock, on one sample.
        clock_resolution: How exact that clock is, in instructions.
        problems: What went wrong, each with the way to see it again.
        missing: Emulators that are not installed, with the reason.
    """

    network: str
    core: str
    cc: str
    compiler: str
    evidence: str
    real: int
    random: int
    least: int
    median: int
    most: int
    runs: tuple[EmulatorRun, ...]
    compared: int
    same: int
    clock_error: float | None
    clock_resolution: float | None
    problems: tuple[str, ...]
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What `--match` looks into."""
        return f"{self.network}/{self.core}/{self.cc}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> Row:
        """Out of plain data."""
        runs = tuple(EmulatorRun(**run) for run in content["runs"])
        lists = {name: tuple(content.get(name, ())) for name in ("problems", "missing")}
        return Row(**content | {"runs": runs} | lists)


def sweep(
    match: str, *, quick: bool, known: Sequence[Row], keep: Callable[[list[Row], list[str]], None]
) -> None:
    """Run the rows whose name holds `match`.

    Args:
        match: Part of ``network/core/compiler``; empty for all.
        quick: A few samples a row instead of all.
        known: Rows of an earlier run; one for the same program and samples is not run again.
        keep: Called after each row with all rows so far and with what could not be run.
    """
    plan = [name for name in _names() if match in "/".join(name)]
    networks = {name: NETWORKS[name] for name, _, _ in plan}
    golden = {
        name: network.golden().first(*_QUICK) if quick else network.golden()
        for name, network in networks.items()
    }
    work = {name: networks[name].load().macs() * len(golden[name].inputs) for name in networks}
    progress = Progress("goldens", sum(work[n] * _emulators(core) for n, core, _ in plan))
    rows = [row for row in known if match and match not in row.name]
    skipped: list[str] = []
    for at, (name, core, cc) in enumerate(plan):
        try:
            artifact = midge.compile(networks[name].load(), target=core, cc=cc)
            evidence = _evidence(artifact, golden[name])
            row = _found(known, evidence) or _run(artifact, golden[name], evidence, progress)
        except ToolError as error:
            skipped.append(f"{name}/{core}/{cc}: {error}")
        else:
            rows.append(row)
        progress.reach(sum(work[n] * _emulators(c) for n, c, _ in plan[: at + 1]))
        keep(sorted(rows, key=_order), skipped)
    progress.close()


def _names() -> Iterator[tuple[str, str, str]]:
    for network in NETWORKS:
        for core in CORES:
            for cc in COMPILERS:
                yield network, core, cc


def _order(row: Row) -> int:
    return list(_names()).index((row.network, row.core, row.cc))


def _emulators(core: str) -> int:
    return len(KNOWN_CORES[core].emulators)


def _evidence(artifact: Artifact, golden: Golden) -> str:
    samples = f"{golden.digest}, {golden.real} of {len(golden.inputs)}"
    return hashlib.sha256(artifact.built.elf + samples.encode()).hexdigest()


def _found(known: Sequence[Row], evidence: str) -> Row | None:
    for row in known:
        if row.evidence == evidence and not row.problems and not row.missing:
            return row
    return None


def _run(artifact: Artifact, golden: Golden, evidence: str, progress: Progress) -> Row:
    network, core, cc = artifact.graph.name, artifact.built.core, artifact.settings.cc
    label = f"{network}/{core}/{cc}"
    again = f"python -m bench.soak --only goldens --match {label}"
    work = artifact.graph.macs()
    problems: list[str] = []
    missing: list[str] = []
    runs: list[EmulatorRun] = []
    counted: list[list[tuple[int, int]]] = []
    for emulator in artifact.settings.target.core.emulators:
        start = time.monotonic()
        equal = 0
        counts: list[tuple[int, int]] = []
        try:
            machine = artifact.open_machine(emulator)
        except ToolError as error:
            missing.append(f"{label}/{emulator}: {error}")
            continue
        try:
            for at, inference in enumerate(_inferences(machine, golden)):
                counts.append((inference.instructions, inference.stack_peak_bytes))
                if inference.outputs[0] == golden.outputs[at].tobytes():
                    equal += 1
                elif len(problems) < 5:
                    problems.append(f"{emulator}, sample {at}: outputs differ; {again}")
                rate = (at + 1) / (time.monotonic() - start)
                progress.advance(work, f"{label}/{emulator} {at + 1}, {rate:.1f} a second")
        except MidgeError as error:
            problems.append(f"{emulator}, after {len(counts)} samples: {error}; {again}")
        runs.append(EmulatorRun(emulator, len(counts), equal, round(time.monotonic() - start, 1)))
        counted.append(counts)
    pairs = list(zip(*counted, strict=False)) if len(counted) > 1 else []
    same = sum(first == second for first, second in pairs)
    if same < len(pairs):
        at = [first == second for first, second in pairs].index(False)
        problems.append(f"sample {at}: instructions, stack {pairs[at]} differ; {again}")
    with_qemu = any(run.emulator == "qemu" for run in runs)
    off, resolution = _clock(artifact, golden, counted[-1]) if with_qemu else (None, None)
    if off is not None and resolution is not None and abs(off) >= resolution:
        problems.append(f"the core's clock is {off:g} instructions off; {again}")
    instructions = [count for count, _ in counted[0]] if counted and counted[0] else [0]
    return Row(
        network=network,
        core=core,
        cc=cc,
        compiler=artifact.built.compiler,
        evidence=evidence,
        real=golden.real,
        random=len(golden.inputs) - golden.real,
        least=min(instructions),
        median=statistics.median_low(instructions),
        most=max(instructions),
        runs=tuple(runs),
        compared=len(pairs),
        same=same,
        clock_error=off,
        clock_resolution=resolution,
        problems=tuple(problems),
        missing=tuple(missing),
    )


def _inferences(machine: Machine, golden: Golden) -> Iterator[Inference]:
    for at in range(0, len(golden.inputs), _CHUNK):
        yield from machine.run([(x.tobytes(),) for x in golden.inputs[at : at + _CHUNK]])


def _clock(
    artifact: Artifact, golden: Golden, counted: Sequence[tuple[int, int]]
) -> tuple[float | None, float | None]:
    """The first sample by the core's own clock, which shares no code with the block counts."""
    if not counted:
        return None, None
    machine = artifact.open_machine("qemu")
    if not isinstance(machine, QemuMachine):
        return None, None
    (reading,) = machine.run_by_clock([(golden.inputs[0].tobytes(),)])
    if reading.instructions is None:
        return None, None
    return reading.instructions - counted[0][0], reading.resolution


def summary(rows: Sequence[Row], skipped: Sequence[str]) -> str:
    """The rows as Markdown, what they add up to first."""
    if not rows:
        return "Not run.\n"
    totals = {
        emulator: [run for row in rows for run in row.runs if run.emulator == emulator]
        for emulator in ("unicorn", "qemu")
    }
    lines = [
        f"- {emulator.capitalize() if emulator == 'unicorn' else 'QEMU'}: "
        f"{sum(r.equal for r in runs):,} of {sum(r.samples for r in runs):,} inferences equal the "
        f"golden file in every byte, in {len(runs)} builds."
        for emulator, runs in totals.items()
        if runs
    ]
    compared, same = sum(r.compared for r in rows), sum(r.same for r in rows)
    clocked = [row for row in rows if row.clock_error is not None]
    within = [r for r in clocked if abs(r.clock_error or 0) < (r.clock_resolution or 0)]
    lines += [
        f"- Instructions and stack: Unicorn and QEMU agree exactly on {same:,} of {compared:,} "
        "inferences that both ran.",
        f"- The core's own clock (SysTick, minstret) confirms the count within its resolution in "
        f"{len(within)} of {len(clocked)} builds, one inference each.",
    ]
    problems = [f"- {row.name}: {problem}" for row in rows for problem in row.problems]
    lines += ["", "What went wrong:", "", *problems] if problems else []
    absent = [*skipped, *(reason for row in rows for reason in row.missing)]
    lines += ["", "Not run:", "", *(f"- {reason}" for reason in absent)] if absent else []
    header = (
        "network",
        "core",
        "compiler",
        "real + random",
        "equal, Unicorn",
        "equal, QEMU",
        "instructions, median",
        "least to most",
        "counts equal",
        "host s",
    )
    body = [
        (
            row.network,
            row.core,
            row.compiler,
            f"{row.real} + {row.random}",
            _equal(row, "unicorn"),
            _equal(row, "qemu"),
            row.median,
            f"{row.least - row.median:+,} to {row.most - row.median:+,}",
            f"{row.same} of {row.compared}" if row.compared else None,
            " + ".join(f"{run.seconds:g}" for run in row.runs),
        )
        for row in rows
        if row.runs
    ]
    return "\n".join(lines) + "\n\n" + table(header, body, left=3)


def _equal(row: Row, emulator: str) -> str | None:
    for run in row.runs:
        if run.emulator == emulator:
            return f"{run.equal} of {run.samples}"
    return None
