"""Networks made on the spot: NumPy interpreter, TFLite Micro and emulated C give the same bytes.

`random` rotates core, compiler and emulator over random networks; `operators` takes every operator
alone with every attribute and extreme number, on every core.
"""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench.markdown import table
from bench.mlperf_tiny import CORES, REPOSITORY
from bench.progress import Progress, duration
from midge import MidgeError, ToolError
from midge.synthetic import OPERATORS, SyntheticNetwork, random_network, single_op_networks
from midge.virtual_mcu import CORES as KNOWN_CORES

# The tests' comparison is the one place that says what "agree" means.
sys.path.insert(0, str(REPOSITORY / "tests"))

from support.differential import (
    Machine,
    check_against_oracle,
    check_joined_on_device,
    check_on_device,
    graph_of,
)
from support.oracle import ModelRefusedError

NETWORKS_A_PROGRAM = 100
SAMPLE_SEEDS = range(5)
"""One sample of each kind that `SyntheticNetwork.sample_inputs` makes."""


# A single case must not replace the record of a sweep.
_ELSEWHERE = "--again --output build/soak"


@dataclass(frozen=True)
class Case:
    """Networks and where they run.

    Attributes:
        name: Says which networks.
        check: Holds the three answers against each other; raises where they differ.
        machine: Core, compiler, emulator.
        again: The command that runs this case alone.
        networks: How many there are.
    """

    name: str
    check: Callable[[], None]
    machine: Machine
    again: str
    networks: int = 1


@dataclass
class Tally:
    """What a sweep has shown so far.

    Attributes:
        scope: Which cases it is about: where they start, and the digest of the sources they ran.
        done: Cases run, from the first on.
        machines: How many networks ran on each machine.
        failures: What disagreed: case, machine, the first lines of what was said, how to repeat it.
        skipped: Machines that are not installed here, with the reason.
        seconds: Of the host.
    """

    scope: str
    done: int = 0
    machines: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> Tally:
        """Out of plain data."""
        return Tally(**content)


def machines() -> list[Machine]:
    """Every core with every compiler and emulator."""
    return [
        Machine(core, cc, emulator)
        for core in CORES
        for cc in ("zig", "gcc")
        for emulator in KNOWN_CORES[core].emulators
    ]


DTYPES = ("int8", "int8", "int16", "int8", "float32")
"""Of the first inputs of random networks, in rotation."""


def random_cases(start: int) -> Iterator[Case]:
    """Random networks from seed `start` on; the seed alone decides type and machine."""
    rotation = machines()
    for seed in itertools.count(start):
        dtype = DTYPES[seed // len(rotation) % len(DTYPES)]
        machine = rotation[seed % len(rotation)]
        yield Case(
            f"random_network({seed}, ops=OPERATORS, dtype={dtype!r})",
            partial(_check_random, seed, dtype, machine),
            machine,
            f"python -m bench.soak --only random --start {seed} --networks 1 {_ELSEWHERE}",
        )


def _check_random(seed: int, dtype: str, machine: Machine) -> None:
    network = random_network(seed, ops=OPERATORS, dtype=dtype)
    graph = graph_of(network)
    check_against_oracle(network, graph, SAMPLE_SEEDS)
    check_on_device(network, graph, machine, SAMPLE_SEEDS)


def operator_cases(match: str) -> Iterator[Case]:
    """Every single-operator network on every core, compilers and emulators in rotation.

    Networks of one operator share a program, `NETWORKS_A_PROGRAM` at a time.
    """
    groups: dict[str, list[SyntheticNetwork]] = {}
    for network in single_op_networks():
        groups.setdefault(network.name.split("/")[0], []).append(network)
    chunks = [
        (f"{name}/{start}", made[start : start + NETWORKS_A_PROGRAM])
        for name, made in groups.items()
        for start in range(0, len(made), NETWORKS_A_PROGRAM)
    ]
    for index, (title, networks) in enumerate(chunks):
        for core_index, core in enumerate(CORES):
            emulators = KNOWN_CORES[core].emulators
            turn = index + core_index
            machine = Machine(core, ("zig", "gcc")[turn % 2], emulators[turn // 2 % len(emulators)])
            name = f"{title} on {machine}"
            if match in name:
                again = f"python -m bench.soak --only operators --match '{name}' {_ELSEWHERE}"
                check = partial(_check_alone, networks, machine, with_oracle=core_index == 0)
                yield Case(name, check, machine, again, len(networks))


def _check_alone(
    networks: Sequence[SyntheticNetwork], machine: Machine, *, with_oracle: bool
) -> None:
    if with_oracle:
        for network in networks:
            check_against_oracle(network, graph_of(network), SAMPLE_SEEDS)
    check_joined_on_device(networks, machine, SAMPLE_SEEDS)


def sources_digest() -> str:
    """SHA-256 of everything that decides a sweep's answers, hex."""
    kinds = {".py", ".c", ".h", ".ld", ".S", ".toml"}
    digest = hashlib.sha256()
    for folder in ("src/midge", "tests/support"):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in kinds and "report" not in path.parts:
                digest.update(f"{path.relative_to(REPOSITORY).as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def sweep(
    title: str,
    cases: Iterable[Case],
    total: int,
    tally: Tally,
    keep: Callable[[Tally], None],
) -> None:
    """Run cases after those that the tally counts already.

    Args:
        title: For the line of progress.
        cases: In a fixed order.
        total: How many of them to have run in the end.
        tally: What is known; it is brought up to date.
        keep: Called with the tally every few seconds, and when the sweep ends in any way.
    """
    progress = Progress(title, total - tally.done)
    kept = start = time.monotonic()
    before = tally.seconds
    chosen = list(itertools.islice(cases, tally.done, total))
    _CASES[:] = chosen
    # Forked, so that the cases need not be sent.
    context = multiprocessing.get_context("fork")
    try:
        with context.Pool(os.cpu_count()) as pool:
            answers = pool.imap(_answer, range(len(chosen)), chunksize=2)
            for case, (kind, said) in zip(chosen, answers, strict=True):
                _count(case, kind, said, tally)
                tally.done += 1
                tally.seconds = round(before + time.monotonic() - start, 2)
                failed = f"{len(tally.failures)} failed, " if tally.failures else ""
                rate = tally.done / max(tally.seconds, 1e-9)
                progress.advance(1, f"{tally.done} of {total}, {failed}{rate:.2f} a second")
                if time.monotonic() - kept > 5:
                    keep(tally)
                    kept = time.monotonic()
    finally:
        progress.close()
        keep(tally)


_CASES: list[Case] = []
"""Those of the sweep that runs, for the processes that it forks."""


def _answer(index: int) -> tuple[str, str]:
    """(``agrees``, ``skipped`` or ``failed``, what was said) of one case."""
    try:
        _CASES[index].check()
    except ToolError as error:
        # A compiler or emulator that is not there disproves nothing; one that fails on this very
        # network does.
        kind = "skipped" if "not found" in str(error) else "failed"
        return kind, f"{type(error).__name__}: {error}"[:2000]
    except (AssertionError, MidgeError, ModelRefusedError) as error:
        return "failed", f"{type(error).__name__}: {error}"[:2000]
    return "agrees", ""


def _count(case: Case, kind: str, said: str, tally: Tally) -> None:
    machine = str(case.machine)
    if kind == "skipped":
        tally.skipped[machine] = said
        return
    tally.machines[machine] = tally.machines.get(machine, 0) + case.networks
    if kind == "failed":
        tally.failures.append(
            {"case": case.name, "machine": machine, "what": said, "again": case.again}
        )
        print(f"\n{case.name} on {machine}: {said}\n{case.again}", file=sys.stderr, flush=True)


def summary(tally: Tally, what: str) -> str:
    """A tally as Markdown."""
    if not tally.done:
        return "Not run.\n"
    ran = sum(tally.machines.values())
    agreed = ran - len(tally.failures)
    lines = [
        f"{agreed:,} of {ran:,} {what} agree in every byte: interpreter, TFLite Micro and emulated "
        f"C, {len(SAMPLE_SEEDS)} samples each. {duration(tally.seconds)} of the host; "
        f"{tally.scope}."
    ]
    remarks = [
        f"- {f['case']}, {f['machine']}: {f['what'].splitlines()[0]} `{f['again']}`"
        for f in tally.failures
    ]
    remarks += [f"- not run on {name}: {reason}" for name, reason in sorted(tally.skipped.items())]
    lines += ["", *remarks] if remarks else []
    order = [str(machine) for machine in machines()]
    counts = {name: tally.machines.get(name, 0) for name in order}
    columns = [f"{cc}, {e}" for cc in ("zig", "gcc") for e in ("unicorn", "qemu")]
    body = [
        [core, *(counts.get(f"{core}/{column.replace(', ', '/')}") for column in columns)]
        for core in CORES
    ]
    return "\n".join([*lines, "", table(("networks on", *columns), body)])
