"""Networks made on the spot: NumPy interpreter, TFLite Micro and emulated C give the same bytes.

`random` rotates core, compiler and emulator over random networks; `operators` takes every operator
alone with every attribute and extreme number, on every core.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
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
    check_on_device,
    graph_of,
)
from support.oracle import ModelRefusedError

SAMPLE_SEEDS = range(5)
"""One sample of each kind that `SyntheticNetwork.sample_inputs` makes."""


# A single case must not replace the record of a sweep.
_ELSEWHERE = "--again --output build/soak"


@dataclass(frozen=True)
class Case:
    """A network and where it runs.

    Attributes:
        name: Says which network.
        network: Makes it.
        machine: Core, compiler, emulator.
        again: The command that runs this case alone.
    """

    name: str
    network: Callable[[], SyntheticNetwork]
    machine: Machine
    again: str


@dataclass
class Tally:
    """What a sweep has shown so far.

    Attributes:
        scope: Which cases it is about: where they start, and the digest of the sources they ran.
        done: Cases run, from the first on.
        machines: How many ran on each machine.
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
        yield Case(
            f"random_network({seed}, ops=OPERATORS, dtype={dtype!r})",
            partial(random_network, seed, ops=OPERATORS, dtype=dtype),
            rotation[seed % len(rotation)],
            f"python -m bench.soak --only random --start {seed} --networks 1 {_ELSEWHERE}",
        )


def operator_cases(match: str) -> Iterator[Case]:
    """Every single-operator network on every core, compilers and emulators in rotation."""
    for index, network in enumerate(single_op_networks()):
        for core_index, core in enumerate(CORES):
            emulators = KNOWN_CORES[core].emulators
            turn = index + core_index
            machine = Machine(core, ("zig", "gcc")[turn % 2], emulators[turn // 2 % len(emulators)])
            name = f"{network.name} on {machine}"
            if match in name:
                again = f"python -m bench.soak --only operators --match '{name}' {_ELSEWHERE}"
                yield Case(name, partial(_itself, network), machine, again)


def _itself(network: SyntheticNetwork) -> SyntheticNetwork:
    return network


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
    kept = time.monotonic()
    try:
        for case in itertools.islice(cases, tally.done, total):
            start = time.monotonic()
            _check(case, tally)
            tally.done += 1
            tally.seconds = round(tally.seconds + time.monotonic() - start, 2)
            failed = f"{len(tally.failures)} failed, " if tally.failures else ""
            rate = tally.done / max(tally.seconds, 1e-9)
            progress.advance(1, f"{tally.done} of {total}, {failed}{rate:.2f} a second")
            if time.monotonic() - kept > 5:
                keep(tally)
                kept = time.monotonic()
    finally:
        progress.close()
        keep(tally)


def _check(case: Case, tally: Tally) -> None:
    machine = str(case.machine)
    try:
        network = case.network()
        graph = graph_of(network)
        check_against_oracle(network, graph, SAMPLE_SEEDS)
        check_on_device(network, graph, case.machine, SAMPLE_SEEDS)
    except ToolError as error:
        # A compiler or emulator that is not there disproves nothing; one that fails on this very
        # network does.
        if "not found" not in str(error):
            _fail(case, tally, error)
        else:
            tally.skipped[machine] = str(error)
            return
    except (AssertionError, MidgeError, ModelRefusedError) as error:
        _fail(case, tally, error)
    tally.machines[machine] = tally.machines.get(machine, 0) + 1


def _fail(case: Case, tally: Tally, error: Exception) -> None:
    tally.failures.append(
        {
            "case": case.name,
            "machine": str(case.machine),
            "what": f"{type(error).__name__}: {error}"[:2000],
            "again": case.again,
        }
    )
    print(f"\n{case.name} on {case.machine}: {error}\n{case.again}", file=sys.stderr, flush=True)


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
