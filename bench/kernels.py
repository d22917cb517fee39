"""What each goal of ``--optimize`` gives: layer by layer, on each core, beside the project's aims.

``python -m bench.kernels`` compiles the four MLPerf Tiny networks for each core and goal with every
kernel measured, holds golden samples against TFLite Micro's answers, and writes
``bench/results/kernels.md`` and ``.json``. Counts are exact: two runs give the same file, but for
the seconds that a compilation took. ``--core``, ``--network`` and ``--goal`` take a part of it,
which is merged into what the file holds already.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import midge
from bench.kernel_aims import Aim, aims_of
from bench.markdown import RESULTS, table, write_results
from bench.mlperf_tiny import NETWORKS, Network
from bench.progress import Progress
from bench.quoted import CMSIS_NN, COUNTS
from midge import MidgeError, ToolError
from midge.driver.goals import GOALS

CORES = (
    "cortex-m4",
    "stm32l4r5zi",
    "cortex-m7",
    "cortex-m33",
    "cortex-m0plus",
    "cortex-m55",
    "rv32imc",
)
"""Cores, and the board whose flash the records were made with."""
SAMPLES = 3


@dataclass(frozen=True)
class LayerRow:
    """One layer of a compiled network.

    Attributes:
        name: Its op.
        kernel: The variant that was taken.
        macs: As it runs.
        instructions: Issued.
        cycles: With the board's flash, or at zero wait on a core; None without a model.
        weights: Flash bytes of its constants.
        code: Flash bytes of its function.
        scratch: Arena bytes for itself alone.
    """

    name: str
    kernel: str
    macs: int
    instructions: int
    cycles: int | None
    weights: int
    code: int
    scratch: int


@dataclass(frozen=True)
class Row:
    """One network on one core for one goal.

    Attributes:
        network: Short name.
        core: Core or board.
        goal: Of ``--optimize``.
        optimisation: Level of the C compiler that was taken.
        equal: Samples whose output equals the golden file's in every byte, of three.
        instructions: Of the median sample.
        cycles: Zero wait; None without a model.
        cycles_modelled: With the board's flash.
        macs: As it runs, constant channels removed.
        macs_given: Of the network as it was given.
        constants: Bytes, after all passes.
        constants_given: Bytes of the network as it was given.
        weights: Flash bytes of everything constant.
        code: Flash bytes of instructions.
        arena: RAM bytes of tensors and scratch.
        live_set: The largest sum of tensors that are alive at once.
        seconds: What compiling took: all of it, measured or remembered.
        layers: One row each.
    """

    network: str
    core: str
    goal: str
    optimisation: str
    equal: int
    instructions: int
    cycles: int | None
    cycles_modelled: int | None
    macs: int
    macs_given: int
    constants: int
    constants_given: int
    weights: int
    code: int
    arena: int
    live_set: int
    seconds: float
    layers: tuple[LayerRow, ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """What the row is of."""
        return (self.network, self.core, self.goal)


def measure(network: Network, core: str, goal: str) -> Row:
    """Compile with every kernel measured, and run golden samples.

    Raises:
        ToolError: a compiler or emulator is missing.
    """
    graph, golden = network.load(), network.golden()
    start = time.monotonic()
    artifact = midge.compile(graph, target=core, optimize=goal, measured=True)
    seconds = time.monotonic() - start
    result = artifact.run(golden.inputs[:SAMPLES])
    outputs = np.asarray(result.outputs).reshape(SAMPLES, -1)
    expected = golden.outputs[:SAMPLES].reshape(SAMPLES, -1)
    return Row(
        network=network.name,
        core=core,
        goal=goal,
        optimisation=artifact.settings.optimisation,
        equal=int((outputs == expected).all(axis=1).sum()),
        instructions=result.instructions,
        cycles=result.cycles,
        cycles_modelled=result.cycles_modelled,
        macs=artifact.graph.macs(),
        macs_given=graph.macs(),
        constants=artifact.graph.constant_bytes(),
        constants_given=graph.constant_bytes(),
        weights=result.flash_bytes.weights,
        code=result.flash_bytes.code,
        arena=artifact.plan.arena_bytes,
        live_set=artifact.plan.live_set_bytes,
        seconds=round(seconds, 1),
        layers=tuple(
            LayerRow(
                layer.name,
                layer.variant,
                layer.macs,
                layer.instructions,
                layer.cycles if layer.cycles_modelled is None else layer.cycles_modelled,
                layer.weights_bytes,
                layer.code_bytes,
                layer.scratch_bytes,
            )
            for layer in result.layers
        ),
    )


def totals_table(rows: Sequence[Row], core: str) -> str:
    """Every network and goal on one core."""
    header = (
        "network",
        "goal",
        "instructions",
        "per MAC given",
        "per MAC run",
        "cycles",
        "per MAC given",
        "weights",
        "of live constants",
        "code",
        "arena",
        "CMSIS-NN, instructions",
    )
    body: list[tuple[object, ...]] = []
    for row in rows:
        if row.core != core:
            continue
        cycles = row.cycles if row.cycles_modelled is None else row.cycles_modelled
        peer = next((c for c in COUNTS if (c.core, c.software) == (core, CMSIS_NN)), None)
        body.append(
            (
                row.network,
                row.goal if row.optimisation == "-O2" else f"{row.goal}, {row.optimisation}",
                row.instructions,
                _ratio(row.instructions, row.macs_given),
                _ratio(row.instructions, row.macs),
                cycles,
                _ratio(cycles, row.macs_given),
                row.weights,
                _ratio(row.weights, row.constants, 3),
                row.code,
                row.arena,
                peer and peer.of(row.network),
            )
        )
    return table(header, body, left=2)


def aims_table(rows: Sequence[Row]) -> str:
    """The aims with what was found."""
    body = [
        (*aim.of, aim.what, aim.found, aim.most, "reached" if aim.reached else "missed")
        for aim in _aims(rows)
    ]
    return table(("network", "core", "goal", "figure", "found", "aim", ""), body, left=4)


def layers_table(row: Row) -> str:
    """The layers of one network."""
    header = ("layer", "kernel", "MACs", "instructions", "per MAC", "cycles", "per MAC")
    header += ("weights", "code", "scratch")
    body = [
        (
            layer.name,
            layer.kernel,
            layer.macs,
            layer.instructions,
            _ratio(layer.instructions, layer.macs),
            layer.cycles,
            _ratio(layer.cycles, layer.macs),
            layer.weights,
            layer.code,
            layer.scratch,
        )
        for layer in row.layers
    ]
    return table(header, body, left=2)


def summary(rows: Sequence[Row], skipped: Sequence[str]) -> str:
    """``kernels.md``."""
    aims = _aims(rows)
    reached = sum(aim.reached for aim in aims)
    parts = [
        "# Midge's kernels by goal\n",
        "Written by `python -m bench.kernels`: instructions and cycles of one inference, counted "
        f"on the virtual core; outputs of {SAMPLES} golden samples equal in every byte unless a "
        "row says otherwise. Cycles are those at zero wait on a core, and with the flash's wait "
        "states and caches on the board. `MAC given` counts the network as it was given, `MAC run` "
        "what is left of it when channels that never change are gone; `live constants` are the "
        "constants that are left. zig -O2 unless said.\n",
        f"## Aims\n\n{reached} of {len(aims)} are reached.\n",
        aims_table(rows),
    ]
    for core in CORES:
        if any(row.core == core for row in rows):
            parts += [f"## {core}\n", totals_table(rows, core)]
    parts.append("## Layer by layer\n")
    for row in rows:
        if row.goal in ("speed", "balanced"):
            parts += [f"### {row.network}, {row.core}, {row.goal}\n", layers_table(row)]
    parts += ["## Not run\n", *(f"- {reason}" for reason in skipped), ""] if skipped else []
    return "\n".join(parts)


def _aims(rows: Sequence[Row]) -> list[Aim]:
    return [aim for row in rows for aim in aims_of(**_figures(row))]


def _figures(row: Row) -> dict[str, Any]:
    figures = asdict(row)
    for unused in ("layers", "equal", "seconds", "optimisation", "macs", "macs_given"):
        del figures[unused]
    return figures


def _ratio(part: int | None, whole: int, places: int = 2) -> str | None:
    return None if part is None or not whole else f"{part / whole:.{places}f}"


def _known(folder: str) -> dict[tuple[str, str, str], Row]:
    """What an earlier run has written, to which a part is added."""
    path = Path(folder) / "kernels.json"
    if not path.is_file():
        return {}
    found = {}
    for content in json.loads(path.read_text("utf-8"))["measured"]:
        layers = tuple(LayerRow(**layer) for layer in content.pop("layers"))
        row = Row(**content, layers=layers)
        found[row.key] = row
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 when an output is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernels", description=__doc__)
    parser.add_argument("--core", action="append", choices=CORES)
    parser.add_argument("--network", action="append", choices=list(NETWORKS))
    parser.add_argument("--goal", action="append", choices=GOALS)
    parser.add_argument("--output", metavar="FOLDER", default=RESULTS)
    options = parser.parse_args(arguments)
    plan = [
        (name, core, goal)
        for core in options.core or CORES
        for name in options.network or NETWORKS
        for goal in options.goal or GOALS
    ]
    whole = not (options.core or options.network or options.goal)
    rows = {} if whole else _known(options.output)
    skipped: list[str] = []
    try:
        progress = Progress("kernels", len(plan))
        for name, core, goal in plan:
            try:
                rows[name, core, goal] = measure(NETWORKS[name], core, goal)
            except ToolError as error:
                skipped.append(f"{name}, {core}, {goal}: {error}")
            progress.advance(1, f"{name}/{core}/{goal}")
        progress.close()
        order = {
            key: i
            for i, key in enumerate((n, c, g) for c in CORES for n in NETWORKS for g in GOALS)
        }
        ordered = sorted(rows.values(), key=lambda row: order[row.key])
        content = {
            "midge": midge.__version__,
            "measured": [asdict(row) for row in ordered],
            "aims": [asdict(aim) | {"reached": aim.reached} for aim in _aims(ordered)],
            "skipped": skipped,
        }
        write_results(options.output, "kernels", summary(ordered, skipped), content)
    except MidgeError as error:
        print(f"bench.kernels: {error}", file=sys.stderr)
        return error.exit_code
    wrong = [row for row in ordered if row.equal != SAMPLES]
    for row in wrong:
        print(f"wrong outputs: {', '.join(row.key)}")
    print(f"wrote {options.output}/kernels.md")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
