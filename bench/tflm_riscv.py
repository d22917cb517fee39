"""TFLite Micro's reference kernels on RISC-V, beside Midge: instructions of one inference.

``python -m bench.tflm_riscv`` fetches TFLite Micro and what it includes from GitHub, at fixed
commits, into ``build/tflm``, or takes folders that hold them (``--tflm``, ``--flatbuffers``,
``--gemmlowp``, ``--ruy``). It compiles the interpreter and the operators of each MLPerf Tiny
network as TFLite Micro's Makefile does for this core (interpreter -Os, kernels -O2 unless
``--level`` says otherwise), runs golden samples on the virtual RV32IMC, and compiles the same
networks with Midge. TFLite Micro has no other kernels for RISC-V. The result is
``bench/results/tflm_riscv.md`` and ``.json``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import midge
from bench.markdown import RESULTS, table, write_results
from bench.mlperf_tiny import NETWORKS, REPOSITORY, Golden, Network
from bench.progress import Progress
from bench.tflm_riscv_build import (
    ARENA_BYTES,
    CORE,
    CORE_LEVEL,
    compile_tflm,
    find_tools,
    link_network,
)
from bench.tflm_riscv_sources import (
    CORE_SOURCES,
    KERNEL_SOURCES,
    ORIGINS,
    TFLM,
    Sources,
    find_sources,
)
from midge import MidgeError, ToolError
from midge.toolchain import COMPILER_KINDS, Program
from midge.virtual_mcu import open_machine

KERNEL_LEVELS = ("-O2", "-O3", "-Os")
"""TFLite Micro's own, which is taken unless asked, and others."""
GOALS = ("balanced", "speed")
SAMPLES = 3
AIM = 3.0
"""Times fewer instructions than TFLite Micro: the project's aim."""


@dataclass(frozen=True)
class Row:
    """One network by one software; one inference, the median of three real samples.

    Attributes:
        network: Short name.
        software: What ran.
        compiler: What built it, and how.
        equal: Samples whose output equals the golden file's in every byte, of three.
        instructions: Issued.
        macs: Of the network as it was given.
        code: Flash bytes of instructions, library routines included.
        constants: Flash bytes of weights, for TFLite Micro of the model file and tables.
        ram: Bytes of the arena, and for TFLite Micro of its static objects.
        stack: Bytes of stack, by painting.
        own: Whether it is Midge.
    """

    network: str
    software: str
    compiler: str
    equal: int
    instructions: int
    macs: int
    code: int
    constants: int
    ram: int
    stack: int
    own: bool


def peer_row(network: Network, program: Program, compiler: str, macs: int) -> Row:
    """Run TFLite Micro."""
    golden = network.golden().first(SAMPLES, 0)
    machine = open_machine(program)
    runs = machine.run([(sample.tobytes(),) for sample in golden.inputs])
    used = machine.read(program.symbol("tflm_arena_used").address, 4)
    return Row(
        network=network.name,
        software=f"TFLite Micro {TFLM.commit[:8]}, reference kernels",
        compiler=compiler,
        equal=_equal(golden, [run.outputs[0] for run in runs]),
        instructions=round(statistics.median(run.instructions for run in runs)),
        macs=macs,
        code=program.code_bytes,
        constants=program.weights_bytes,
        ram=int.from_bytes(used, "little") + program.static_bytes,
        stack=max(run.stack_peak_bytes for run in runs),
        own=False,
    )


def own_row(network: Network, goal: str, cc: str) -> Row:
    """Compile with Midge, every kernel measured, and run."""
    graph, golden = network.load(), network.golden().first(SAMPLES, 0)
    artifact = midge.compile(graph, target=CORE, optimize=goal, cc=cc, measured=True)
    runs = open_machine(artifact.built).run([(sample.tobytes(),) for sample in golden.inputs])
    return Row(
        network=network.name,
        software=f"Midge {midge.__version__}, {goal}",
        compiler=f"{artifact.built.compiler}, {artifact.settings.optimisation}",
        equal=_equal(golden, [run.outputs[0] for run in runs]),
        instructions=round(statistics.median(run.instructions for run in runs)),
        macs=graph.macs(),
        code=artifact.built.code_bytes,
        constants=artifact.built.weights_bytes,
        ram=artifact.plan.arena_bytes,
        stack=max(run.stack_peak_bytes for run in runs),
        own=True,
    )


def _equal(golden: Golden, outputs: Sequence[bytes]) -> int:
    return sum(
        found == expected.tobytes() for found, expected in zip(outputs, golden.outputs, strict=True)
    )


def peer_rows(sources: Sources, cc: str, level: str, networks: Sequence[str]) -> list[Row]:
    """TFLite Micro by one compiler with kernels at one level.

    Raises:
        ToolError: a tool is missing or does not take the sources.
    """
    tools = find_tools(cc)
    progress = Progress(f"tflm {cc} {level}", len(CORE_SOURCES) + len(KERNEL_SOURCES))
    cache = REPOSITORY / "build" / "tflm" / "objects"
    compiled = compile_tflm(tools, sources, level, cache, lambda name: progress.advance(1, name))
    progress.close()
    rows = []
    for name in networks:
        network, macs = NETWORKS[name], NETWORKS[name].load().macs()
        golden = network.golden()
        sizes = (golden.inputs[0].nbytes, golden.outputs[0].nbytes)
        model = network.path.read_bytes()
        program = link_network(tools, sources, compiled, name, model, sizes)
        how = f"{program.compiler}, interpreter {CORE_LEVEL}, kernels {level}"
        rows.append(peer_row(network, program, how, macs))
    return rows


def fastest(rows: Sequence[Row], network: str) -> int | None:
    """The fewest instructions of TFLite Micro, whoever compiled it."""
    found = [row.instructions for row in rows if row.network == network and not row.own]
    return min(found, default=None)


def figures(rows: Sequence[Row]) -> str:
    """All rows, with how many times fewer instructions Midge takes than TFLite Micro's best."""
    header = ("network", "software", "compiler", "instructions", "per MAC", "TFLM's best, times")
    header += ("code", "constants", "RAM", "stack")
    body = []
    for row in rows:
        best = fastest(rows, row.network)
        times = f"{best / row.instructions:.2f}" if best and row.own else None
        per_mac = f"{row.instructions / row.macs:.2f}"
        sizes = (row.code, row.constants, row.ram, row.stack)
        body.append(
            (row.network, row.software, row.compiler, row.instructions, per_mac, times, *sizes)
        )
    return table(header, body, left=3)


def summary(rows: Sequence[Row], skipped: Sequence[str]) -> str:
    """``tflm_riscv.md``."""
    commits = ", ".join(f"{o.name} {o.commit[:12].rstrip('.')}" for o in ORIGINS)
    kept = [
        fastest(rows, row.network) is not None
        and row.instructions * AIM <= (fastest(rows, row.network) or 0)
        for row in rows
        if row.own
    ]
    parts = [
        "# TFLite Micro on RISC-V, beside Midge\n",
        f"Written by `python -m bench.tflm_riscv`, all of it measured here on the virtual "
        f"{CORE.upper()}: instructions of one inference, the median of {SAMPLES} golden samples "
        "whose outputs equal the golden file's in every byte unless listed below. TFLite Micro: "
        f"{commits}; its release build with the flags of its `riscv32_generic` target, the "
        "operators of the network and no others, the whole of `Invoke()` counted; of it, "
        "preparing is not counted. It has no kernels for RISC-V but the reference ones. RAM is the "
        f"arena that was used (of {ARENA_BYTES:,} bytes given) and static objects; bytes.\n",
        f"Midge takes at least {AIM:.0f} times fewer instructions than the fastest build of TFLite "
        f"Micro in {sum(kept)} of {len(kept)} rows.\n",
        figures(rows),
    ]
    wrong = [f"{row.network}, {row.software}, {row.compiler}" for row in rows if _is_wrong(row)]
    parts += ["## Wrong outputs\n", *(f"- {what}" for what in wrong), ""] if wrong else []
    parts += ["## Not run\n", *(f"- {reason}" for reason in skipped), ""] if skipped else []
    return "\n".join(parts)


def _is_wrong(row: Row) -> bool:
    return row.equal != SAMPLES


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 when an output is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.tflm_riscv", description=__doc__)
    parser.add_argument("--cc", action="append", choices=COMPILER_KINDS)
    parser.add_argument("--network", action="append", choices=list(NETWORKS))
    parser.add_argument("--level", action="append", choices=KERNEL_LEVELS)
    for origin in ORIGINS:
        parser.add_argument(f"--{origin.name}", metavar="FOLDER", type=Path)
    parser.add_argument("--output", metavar="FOLDER", default=RESULTS)
    options = parser.parse_args(arguments)
    networks = options.network or list(NETWORKS)
    rows: list[Row] = []
    skipped: list[str] = []
    try:
        given = {origin.name: getattr(options, origin.name) for origin in ORIGINS}
        sources = find_sources(given, REPOSITORY / "build" / "tflm")
        for cc in options.cc or COMPILER_KINDS:
            try:
                for level in options.level or KERNEL_LEVELS[:1]:
                    rows += peer_rows(sources, cc, level, networks)
                rows += [own_row(NETWORKS[name], goal, cc) for name in networks for goal in GOALS]
            except ToolError as error:
                skipped.append(f"{cc}: {error}")
        rows.sort(key=lambda row: (networks.index(row.network), row.own))
        content = {
            "midge": midge.__version__,
            "sources": {origin.name: origin.commit for origin in ORIGINS},
            "measured": [asdict(row) for row in rows],
            "skipped": skipped,
        }
        write_results(options.output, "tflm_riscv", summary(rows, skipped), content)
    except MidgeError as error:
        print(f"bench.tflm_riscv: {error}", file=sys.stderr)
        return error.exit_code
    for row in filter(_is_wrong, rows):
        print(f"wrong outputs: {row.network}, {row.software}, {row.compiler}")
    print(f"wrote {options.output}/tflm_riscv.md")
    return 1 if any(map(_is_wrong, rows)) else 0


if __name__ == "__main__":
    sys.exit(main())
