"""The arena of the image networks on the Cortex-M4: whole, in rows, and fed row by row.

`python -m bench.ram` writes ``bench/results/ram.md`` and ``ram.json``. Every program runs golden
samples and is compared with them before it counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

import midge
from bench.markdown import RESULTS, table, write_results
from bench.mlperf_tiny import NETWORKS, Network
from bench.progress import Progress
from midge.c_emitter import Choice, choose_kernels, emit_c, leanest_kernels, sparing_kernels
from midge.c_emitter.choose import LITTLE_SCRATCH_BYTES
from midge.c_emitter.emitter import ARENA_ALIGNMENT
from midge.c_emitter.problem import planning_problem, running_order
from midge.c_emitter.streaming_choice import Grouping, choose_groups
from midge.c_emitter.streaming_feed import frame_adapter
from midge.errors import MidgeError
from midge.graph import Graph, verify
from midge.memory_plan import Plan, plan_memory
from midge.passes import run_passes
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import layer_cycles, open_machine, target, total_cycles

CORE = "cortex-m4"
SAMPLES = 3
AIMS = {"vww01": (34 * 1024, 16 * 1024), "ic01": (26 * 1024, None), "kws01": (10 * 1024, None)}
"""Arena with the input in it, and arena of a network that is fed; None where nothing is asked."""
WHOLE, ROWS, FED = "whole", "rows", "fed"
KERNELS = {"fast": choose_kernels, "sparing": sparing_kernels, "lean": leanest_kernels}
"""Kernels by rule: the fastest, the fastest with little scratch, those with the least scratch."""


@dataclass(frozen=True)
class Row:
    """One network, one way.

    Attributes:
        network: Short name.
        kernels: Of `KERNELS`.
        way: `WHOLE`: one layer after the other; `ROWS`: groups run row by row; `FED`: and the
            application hands in the input row by row.
        groups: First and last operator of each group.
        arena: Bytes, the input counted where it stands in it.
        stack_peak: Bytes of stack, by painting; of a fed network, of a whole frame.
        instructions: One inference.
        cycles: The same, memory answering at once.
        code: Bytes of flash.
        moved: Bytes copied from row to row.
        equal: Golden samples whose outputs are equal in every byte.
    """

    network: str
    kernels: str
    way: str
    groups: tuple[tuple[int, int], ...]
    arena: int
    stack_peak: int
    instructions: int
    cycles: int | None
    code: int
    moved: int
    equal: int


def measure(network: Network, kernels: str, way: str) -> Row:
    """Plan, build, run and compare."""
    graph = run_passes(verify(network.load()))
    golden = network.golden().first(SAMPLES, 0)
    features = target(CORE).core.features
    choice = KERNELS[kernels](graph, features)
    grouping = Grouping((), 0, 0, 0)
    if way != WHOLE:
        grouping = choose_groups(graph, choice, features, fed=way == FED)
    plan, program = _realise(graph, choice, grouping)
    machine = open_machine(program, emulator="unicorn")
    samples = [(sample.tobytes(),) for sample in golden.inputs]
    runs = machine.run(samples)
    outputs = [np.frombuffer(run.outputs[0], np.int8) for run in runs]
    equal = sum(
        np.array_equal(a, b.reshape(-1)) for a, b in zip(outputs, golden.outputs, strict=True)
    )
    _, trace = machine.trace(samples[0])
    cycles = total_cycles(layer_cycles(target(CORE), trace, program.read))
    return Row(
        network=network.name,
        kernels=kernels,
        way=way,
        groups=tuple((g.first, g.last) for g in grouping.groups),
        arena=plan.arena_bytes,
        stack_peak=max(run.stack_peak_bytes for run in runs),
        instructions=trace.instructions,
        cycles=cycles.zero_wait if cycles else None,
        code=program.code_bytes,
        moved=grouping.moved_bytes,
        equal=equal,
    )


def _realise(graph: Graph, choice: Choice, grouping: Grouping) -> tuple[Plan, Program]:
    plan = plan_memory(planning_problem(graph, choice, groups=grouping.groups))
    order, groups = running_order(grouping.groups, len(graph.ops), plan.order)
    ordered = graph.with_ops([graph.ops[i] for i in order])
    emitted = emit_c(ordered, tuple(choice[i] for i in order), plan, VERSION, groups)
    name, files = graph.name, dict(emitted.files)
    layers = tuple(s for s in emitted.layer_symbols if s is not None)
    if any(group.fed for group in groups):
        name, adapter = frame_adapter(ordered, plan, ARENA_ALIGNMENT)
        files, layers = files | adapter, ()
    sizes = [
        tuple(graph.tensors[n].size_bytes for n in names) for names in (graph.inputs, graph.outputs)
    ]
    interface = ModelInterface(name, sizes[0], sizes[1], layers)
    return plan, build(find_compiler("zig", CORE), files, interface)


def ram_table(rows: Sequence[Row]) -> str:
    """Arenas, and what they cost."""
    whole = {(r.network, r.kernels): r for r in rows if r.way == WHOLE}
    lines: list[list[object]] = []
    for row in rows:
        before = whole[row.network, row.kernels]
        spans = ", ".join(f"{first}-{last}" for first, last in row.groups) or None
        price = f"{100 * (row.instructions / before.instructions - 1):+.1f} %"
        lines.append(
            [
                *(row.network, row.kernels, row.way, spans),
                *(row.arena, row.stack_peak, row.instructions, row.cycles),
                *(None if row.way == WHOLE else price, row.code),
            ]
        )
    header = ["network", "kernels", "way", "groups", "arena", "stack", "instructions", "cycles"]
    return table([*header, "price", "code"], lines, left=4)


def aim_table(rows: Sequence[Row]) -> str:
    """The aims, and what each choice of kernels comes to."""
    lines: list[list[object]] = []
    for name, aims in AIMS.items():
        for way, aim in zip((ROWS, FED), aims, strict=True):
            found = {r.kernels: r.arena for r in rows if (r.network, r.way) == (name, way)}
            if aim is None or not found:
                continue
            holds = [kernels for kernels, arena in found.items() if arena <= aim]
            lines.append([name, way, *found.values(), aim, ", ".join(holds) or "none"])
    return table(["network", "way", *KERNELS, "at most", "holds with"], lines, left=2)


def summary(rows: Sequence[Row]) -> str:
    """The page."""
    return "\n".join(
        [
            "# RAM: whole, in rows, fed row by row\n",
            f"Written by `python -m bench.ram`, Midge {midge.__version__}: Cortex-M4, zig -O2, the",
            "MLPerf Tiny networks with images. Bytes; the arena holds the input, except where the",
            "application feeds it. Kernels by rule: `fast` are the fastest, `sparing` the fastest",
            f"with at most {LITTLE_SCRATCH_BYTES} bytes of scratch, `lean` those that need least.",
            "The price is in instructions against the same kernels on whole layers. Every",
            f"program's outputs equal the golden files' on {SAMPLES} real samples.\n",
            aim_table(rows),
            ram_table(rows),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="bench.ram", description=__doc__)
    parser.add_argument(
        "--output", metavar="FOLDER", help="where to write instead of bench/results"
    )
    options = parser.parse_args(arguments)
    folder = options.output or RESULTS
    plan = [(n, k, w) for n in AIMS for k in KERNELS for w in (WHOLE, ROWS, FED)]
    progress = Progress("ram", len(plan))
    try:
        rows = []
        for name, kernels, way in plan:
            rows.append(measure(NETWORKS[name], kernels, way))
            progress.advance(1, f"{name}/{kernels}/{way}")
        progress.close()
        content = {"midge": midge.__version__, "measured": [asdict(row) for row in rows]}
        write_results(folder, "ram", summary(rows), content)
    except MidgeError as error:
        print(f"bench.ram: {error}", file=sys.stderr)
        return error.exit_code
    wrong = [row for row in rows if row.equal != SAMPLES]
    for row in wrong:
        print(f"wrong outputs: {row.network}, {row.kernels}, {row.way}")
    print(f"wrote {folder}/ram.md")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
