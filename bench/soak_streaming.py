"""Networks with state, step after step: interpreter, TFLite Micro and emulated C agree.

TFLite Micro runs a stream in one interpreter, Midge's interpreter passes the state on itself, and
each core keeps it in the memory that its application gave it. Every output of every step is held
against the interpreter's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import midge
from bench.markdown import table
from bench.mlperf_tiny import CORES, REPOSITORY
from bench.progress import Progress, duration
from midge import MidgeError, ToolError
from midge.importers import import_tflite
from midge.synthetic import SyntheticNetwork, lstm_model, streaming_keyword_model
from midge.virtual_mcu import CORES as KNOWN_CORES

sys.path.insert(0, str(REPOSITORY / "tests"))

from support.differential import Machine, interpreter_outputs
from support.oracle import ModelRefusedError, tflm_outputs_of_samples

Array = NDArray[Any]

MODELS = {"streaming_keyword_model": streaming_keyword_model, "lstm_model": lstm_model}
_QUICK_CORES = ("cortex-m0plus", "cortex-m4", "rv32imc")
ORACLE = "TFLite Micro"


@dataclass
class StreamingTally:
    """What the sweep has shown so far.

    Attributes:
        scope: Which streams it is about: how long, and the digest of the sources.
        rows: For each model and machine, or the oracle: steps equal, of how many, instructions.
        failures: What disagreed, and where first.
        skipped: Machines that are not installed here, with the reason.
    """

    scope: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> StreamingTally:
        """Out of plain data."""
        return StreamingTally(**content)

    def has(self, model: str, machine: str) -> bool:
        """Whether it has run."""
        return any((row["model"], row["machine"]) == (model, machine) for row in self.rows)

    def count(
        self, model: str, machine: str, differing: list[int], steps: int, **more: Any
    ) -> None:
        """Take in one run: the steps whose outputs differ."""
        row = {"model": model, "machine": machine, "equal": steps - len(differing), "steps": steps}
        self.rows.append(row | more)
        if differing:
            said = f"{len(differing)} of {steps} steps differ, the first is {differing[0]}"
            self.failures.append({"model": model, "machine": machine, "said": said})


def machines(*, quick: bool) -> list[Machine]:
    """Every core with both compilers, its emulators in turn."""
    found = []
    for index, core in enumerate(c for c in CORES if not quick or c in _QUICK_CORES):
        emulators = KNOWN_CORES[core].emulators
        for turn, cc in enumerate(("zig", "gcc"), start=index):
            found.append(Machine(core, cc, emulators[turn % len(emulators)]))
    return found


def sweep(
    steps: int, tally: StreamingTally, keep: Callable[[StreamingTally], None], *, quick: bool
) -> None:
    """Run what the tally does not have yet.

    Args:
        steps: Of each stream.
        tally: What is known; it is brought up to date.
        keep: Called with the tally after every stream.
        quick: Three cores instead of all.
    """
    places = machines(quick=quick)
    progress = Progress("streaming", len(MODELS) * (1 + len(places)))
    try:
        for name, make in MODELS.items():
            if tally.has(name, ORACLE) and all(tally.has(name, str(m)) for m in places):
                progress.advance(1 + len(places), name)
                continue
            made = make()
            samples = [made.sample_inputs(seed) for seed in range(steps)]
            graph = import_tflite(made.model_bytes, f"{name}.tflite")
            expected = [outputs[0] for outputs in interpreter_outputs(graph, samples)]
            if not tally.has(name, ORACLE):
                _ask_oracle(made, name, samples, expected, tally)
                keep(tally)
            progress.advance(1, f"{name}: {ORACLE}")
            for machine in places:
                if not tally.has(name, str(machine)):
                    _run(made, name, machine, samples, expected, tally)
                    keep(tally)
                progress.advance(1, f"{name} on {machine}")
    finally:
        progress.close()
        keep(tally)


def _differing(found: list[Array], expected: list[Array]) -> list[int]:
    pairs = enumerate(zip(found, expected, strict=True))
    return [step for step, (a, b) in pairs if not np.array_equal(a, b)]


def _ask_oracle(
    made: SyntheticNetwork,
    name: str,
    samples: list[list[Array]],
    expected: list[Array],
    tally: StreamingTally,
) -> None:
    start = time.monotonic()
    try:
        outputs = tflm_outputs_of_samples(made.model_bytes, samples, stream=True)
    except ModelRefusedError as error:
        tally.failures.append({"model": name, "machine": ORACLE, "said": str(error)[:2000]})
        return
    differing = _differing([o[0] for o in outputs], expected)
    distinct = len(np.unique(np.stack(expected), axis=0))
    seconds = round(time.monotonic() - start, 1)
    tally.count(name, ORACLE, differing, len(samples), distinct=distinct, seconds=seconds)


def _run(
    made: SyntheticNetwork,
    name: str,
    machine: Machine,
    samples: list[list[Array]],
    expected: list[Array],
    tally: StreamingTally,
) -> None:
    start = time.monotonic()
    graph = import_tflite(made.model_bytes, f"{name}.tflite")
    try:
        artifact = midge.compile(graph, target=machine.core, cc=machine.cc)
        device = artifact.open_machine(machine.emulator)
        raw = [tuple(np.ascontiguousarray(x).tobytes() for x in sample) for sample in samples]
        inferences = device.run(raw)
    except ToolError as error:
        if "not found" not in str(error):
            raise
        tally.skipped[str(machine)] = str(error).splitlines()[0]
        return
    except MidgeError as error:
        said = f"{type(error).__name__}: {error}"[:2000]
        tally.failures.append({"model": name, "machine": str(machine), "said": said})
        return
    found = [next(iter(artifact.from_bytes(i.outputs).values())) for i in inferences]
    counts = sorted(i.instructions for i in inferences)
    tally.count(
        name,
        str(machine),
        _differing(found, expected),
        len(samples),
        compiler=artifact.built.compiler,
        state_bytes=artifact.built.state_bytes,
        instructions=counts[(len(counts) - 1) // 2],
        least=counts[0],
        most=counts[-1],
        seconds=round(time.monotonic() - start, 1),
    )


def summary(tally: StreamingTally) -> str:
    """The section of ``soak.md``."""
    if not tally.rows:
        return "Not run.\n"
    lines = [f"Scope: {tally.scope}.", ""]
    for row in (r for r in tally.rows if r["machine"] == ORACLE):
        lines.append(
            f"- {row['model']}: the interpreter equals {ORACLE} in {row['equal']:,} of "
            f"{row['steps']:,} steps, in every byte; {row['distinct']:,} different outputs."
        )
    runs = [r for r in tally.rows if r["machine"] != ORACLE]
    steps = sum(r["steps"] for r in runs)
    equal = sum(r["equal"] for r in runs)
    seconds = duration(sum(r["seconds"] for r in tally.rows))
    lines += [
        f"- Emulated cores: {equal:,} of {steps:,} steps equal the interpreter's in every byte, "
        f"in {len(runs)} builds; {seconds} of the host.",
        *(f"- Skipped: {machine}: {why}" for machine, why in sorted(tally.skipped.items())),
        *(f"- FAILED: {f['model']} on {f['machine']}: {f['said']}" for f in tally.failures),
        "",
    ]
    header = ("model", "core / compiler / emulator", "steps equal", "state, bytes")
    rows = [
        (
            *(row["model"], row["machine"].replace("/", " / ")),
            f"{row['equal']:,} of {row['steps']:,}",
            f"{row['state_bytes']:,}",
            f"{row['instructions']:,}",
            f"{row['least'] - row['instructions']:+,} to +{row['most'] - row['instructions']:,}",
        )
        for row in runs
    ]
    header = (*header, "instructions, median", "least to most")
    return "\n".join([*lines, table(header, rows, left=2)])
