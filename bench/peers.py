"""Other compilers that install from PyPI, on the same networks, compilers and virtual Cortex-M4.

``python -m bench.peers`` makes an environment for each below ``build/peers``, lets it write C for
the four MLPerf Tiny networks (without their closing softmax, which not all of them have), builds
that C as Midge's is built, runs it, and writes ``bench/results/peers.md`` and ``.json``. A peer
that cannot be installed, or does not take a network, stands there with its reason.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import midge
from bench.behind import behind_peers
from bench.markdown import RESULTS, put_between, table, write_results
from bench.mlperf_tiny import NETWORKS, REPOSITORY, Golden, Network
from bench.peer_environments import BUILD, PEERS, NotTakenError, Peer
from bench.peer_networks import Values, rounded_half_even, without_softmax, write_network
from bench.peer_programs import CORE, build_peer
from midge import Graph, MidgeError, ToolError, UserError
from midge.graph import Tensor, interpret, outputs_of
from midge.toolchain import Program
from midge.virtual_mcu import layer_cycles, open_machine, target, total_cycles

COMPILERS = ("zig", "gcc")
_COUNTED = 5
_TITLE = (
    "# Other compilers from PyPI\n\nWritten by `python -m bench.peers`: the same networks without "
    "their closing softmax, the same C compilers at -O2, the same virtual Cortex-M4; all measured "
    "here. RAM is inputs, outputs, arena, variables and stack. Values are compared with Midge's "
    "interpreter over 25 real samples; `furthest off` is in steps of the output's int8; `equal, "
    "half to even` compares with the interpreter when that rounds as ONNX does.\n\n"
)
_COMPARED = (25, 0)


@dataclass(frozen=True)
class Row:
    """One network by one tool and one C compiler; costs are None where it was not taken.

    Attributes:
        network: Short name.
        tool: Name and version.
        variant: How it compiled.
        compiler: The C compiler's version.
        instructions: Issued, the median of five real samples.
        cycles: With memory that answers at once.
        code: Flash bytes of instructions, library routines included.
        weights: Flash bytes of everything constant.
        buffers: RAM bytes of inputs, outputs and scratch.
        static: RAM bytes of its own variables.
        stack: RAM bytes of stack, by painting.
        equal: Output values that equal the network's own.
        values: Of how many, over 25 real samples.
        furthest: Most steps that a value is off.
        equal_half_even: Values equal to the network's when that rounds half to even, as ONNX does.
        numerics: How its arithmetic stands to the network's.
        note: Why there are no costs, or what had to be done.
    """

    network: str
    tool: str
    variant: str
    compiler: str = ""
    instructions: int | None = None
    cycles: int | None = None
    code: int | None = None
    weights: int | None = None
    buffers: int | None = None
    static: int | None = None
    stack: int | None = None
    equal: int | None = None
    values: int | None = None
    furthest: int | None = None
    equal_half_even: int | None = None
    numerics: str = ""
    note: str = ""

    @property
    def flash(self) -> int | None:
        """Flash bytes altogether."""
        return None if self.code is None or self.weights is None else self.code + self.weights

    @property
    def ram(self) -> int | None:
        """RAM bytes altogether."""
        if self.buffers is None or self.static is None or self.stack is None:
            return None
        return self.buffers + self.static + self.stack


@dataclass(frozen=True)
class Task:
    """A network, its samples, and the right answers.

    Attributes:
        network: Which.
        graph: Without its softmax.
        samples: Inputs.
        expected: int8 [n, outputs], from the interpreter.
        half_even: The same with every requantisation rounded half to even.
    """

    network: Network
    graph: Graph
    samples: Golden
    expected: NDArray[np.int8]
    half_even: NDArray[np.int8]

    @staticmethod
    def of(network: Network) -> Task:
        """Read the network and compute the answers."""
        graph = without_softmax(network.load())
        samples = network.golden().first(*_COMPARED)
        answers = [_answers(g, samples) for g in (graph, rounded_half_even(graph))]
        return Task(network, graph, samples, *answers)

    @property
    def ends(self) -> tuple[Tensor, Tensor]:
        """Input and output."""
        tensors = self.graph.tensors
        return tensors[self.graph.inputs[0]], tensors[self.graph.outputs[0]]

    def measure(self, program: Program, takes: Values, gives: Values) -> dict[str, Any]:
        """Run a program: the costs of a `Row`."""
        source, result = self.ends
        inputs = [takes.encode(x, source) for x in self.samples.inputs]
        machine = open_machine(program, timeout_s=1200)
        inferences = machine.run([(x,) for x in inputs])
        found = np.stack([gives.decode(i.outputs[0], result) for i in inferences])
        off = np.abs(found.astype(int) - self.expected)
        traces = sorted(
            (machine.trace((x,))[1] for x in inputs[:_COUNTED]), key=lambda t: t.instructions
        )
        median = traces[(len(traces) - 1) // 2]
        cycles = total_cycles(layer_cycles(target(CORE), median, program.read))
        return {
            "compiler": program.compiler,
            "instructions": median.instructions,
            "cycles": cycles.zero_wait if cycles else None,
            "code": program.code_bytes,
            "weights": program.weights_bytes,
            "buffers": program.arena_bytes,
            "static": program.static_bytes,
            "stack": max(i.stack_peak_bytes for i in inferences),
            "equal": int(np.count_nonzero(off == 0)),
            "values": off.size,
            "furthest": int(off.max()),
            "equal_half_even": int(np.count_nonzero(found == self.half_even)),
        }


def _answers(graph: Graph, samples: Golden) -> NDArray[np.int8]:
    (source,), (result,) = graph.inputs, graph.outputs
    shape = graph.tensors[source].shape
    answers = [
        outputs_of(graph, interpret(graph, {source: x.reshape(shape)}))[result]
        for x in samples.inputs
    ]
    return np.stack(answers).reshape(len(answers), -1).astype(np.int8)


def midge_rows(task: Task) -> list[Row]:
    """Midge itself."""
    values = Values("int8", channels_first=False)
    rows = []
    tool = f"Midge {midge.__version__}"
    for cc in COMPILERS:
        try:
            artifact = midge.compile(task.graph, target=CORE, cc=cc, measured=True)
        except ToolError as error:
            rows.append(Row(task.network.name, tool, "as it is", cc, note=str(error)))
            continue
        costs = task.measure(artifact.built, values, values)
        rows.append(Row(task.network.name, tool, "as it is", **costs))
    return rows


def peer_rows(task: Task, peer: Peer) -> list[Row]:
    """A peer in all its variants."""
    folder = BUILD / "networks" / task.network.name
    write_network(task.graph, folder)
    rows = []
    for variant in peer.variants:
        tool = f"{peer.name} {peer.version}"
        try:
            sources, report = peer.compile(folder, variant, task.network.path)
        except NotTakenError as error:
            rows.append(Row(task.network.name, tool, variant, note=f"not taken: {error}"))
            continue
        for cc in COMPILERS:
            try:
                program = build_peer(sources, report, task.ends, cc, peer.stack_bytes)
                costs = task.measure(program, Values(**report["input"]), Values(**report["output"]))
            except MidgeError as error:
                first = str(error).splitlines()
                rows.append(Row(task.network.name, tool, variant, cc, note=" ".join(first[:3])))
                continue
            numerics = "float" if report["input"]["dtype"] == "float32" else peer.numerics
            note = f"file as published: {report['as_published']}"
            rows.append(
                Row(task.network.name, tool, variant, **costs, numerics=numerics, note=note)
            )
    return rows


def summary(rows: list[Row], skipped: list[str]) -> str:
    """What was measured, as Markdown."""
    parts = []
    for network in NETWORKS.values():
        taken = [row for row in rows if row.network == network.name and row.instructions]
        best = {row.compiler: row.instructions for row in taken if row.tool.startswith("Midge")}
        body = [
            (
                row.tool,
                row.variant,
                row.compiler,
                row.instructions,
                _times(row.instructions, best.get(row.compiler)),
                row.cycles,
                row.code,
                row.weights,
                row.flash,
                row.ram,
                f"{row.equal:,} of {row.values:,}",
                row.furthest,
                None if row.equal == row.values else row.equal_half_even,
            )
            for row in taken
        ]
        header = (
            "tool",
            "variant",
            "C compiler",
            "instructions",
            "times Midge",
            "cycles",
            "code",
            "constants",
            "flash",
            "RAM",
            "equal values",
            "furthest off",
            "equal, half to even",
        )
        notes = {
            f"- {row.tool}{'' if row.instructions else f', {row.variant}'}: {row.note}": None
            for row in rows
            if row.network == network.name and row.note
        }
        parts.append(f"### {network.name}, {network.title}\n")
        parts.append(table(header, body, left=3))
        parts += [*notes, ""] if notes else []
    parts += ["### Where a peer needs less\n", behind_peers(rows)]
    parts += ["### Not run\n", *(f"- {reason}" for reason in skipped)] if skipped else []
    return "\n".join(parts)


def _times(instructions: int | None, own: int | None) -> str | None:
    return f"{instructions / own:.2f}" if instructions and own else None


def _kept(folder: str) -> tuple[list[Row], list[str]]:
    """The peers' rows of an earlier run, and what it left out.

    Raises:
        UserError: there was none.
    """
    path = Path(folder) / "peers.json"
    if not path.is_file():
        raise UserError(f"{path}: is not there; run `python -m bench.peers` without --keep first")
    content = json.loads(path.read_text("utf-8"))
    rows = [Row(**row) for row in content["rows"]]
    return [row for row in rows if not row.tool.startswith("Midge")], content["skipped"]


def main(arguments: list[str] | None = None) -> int:
    """Compare, and write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--only", choices=[peer.name for peer in PEERS], help="one peer")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="Midge anew; the others' rows as measured last",
    )
    parser.add_argument("--output", metavar="FOLDER", default=RESULTS, help="where it goes")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    skipped: list[str] = []
    try:
        tasks = [Task.of(network) for network in NETWORKS.values()]
        for task in tasks:
            rows += midge_rows(task)
        if options.keep:
            kept, skipped = _kept(options.output)
            rows += kept
        for peer in () if options.keep else PEERS:
            if options.only not in (None, peer.name):
                continue
            try:
                peer.install()
            except ToolError as error:
                skipped.append(str(error))
                continue
            for task in tasks:
                found = peer_rows(task, peer)
                rows += found
                for row in found:
                    print(
                        row.network,
                        row.tool,
                        row.variant,
                        row.compiler,
                        row.instructions or row.note,
                    )
        content = {"rows": [asdict(row) for row in rows], "skipped": skipped}
        text = summary(rows, skipped)
        write_results(options.output, "peers", f"{_TITLE}{text}", content)
        if options.output == RESULTS and options.only is None:
            put_between(REPOSITORY / "docs" / "benchmarks.md", "bench:peers", text)
    except MidgeError as error:
        print(f"bench.peers: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {options.output}/peers.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
