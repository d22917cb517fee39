"""Runs many single-operator networks in one program, each layer's tensors laid out by hand.

Every input stands exactly as far behind the output as its kernel promises to be safe, so that a
run of it tests the kernel and its promise at once. Operands that are not to share stand apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from midge.c_emitter import Choice, Kernel, Layer, emit_c, layers_of
from midge.driver import Artifact
from midge.driver.compare_layers import unequal_elements
from midge.driver.settings import Settings
from midge.graph import Graph, Rounding, initial_state, interpret, outputs_of, state_after
from midge.memory_plan import Plan, Problem, plan_memory
from midge.toolchain import ModelInterface, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import target
from support.networks import Array, Joined

Distance = Callable[[Kernel, Layer, int], int | None]


def promised(kernel: Kernel, layer: Layer, index: int) -> int | None:
    """The distance that the kernel itself gives."""
    return kernel.overlap(layer, index)


@dataclass(frozen=True)
class Bench:
    """Where to run.

    Attributes:
        core: A core.
        cc: A compiler.
    """

    core: str
    cc: str = "zig"


def with_rounding(graph: Graph, rounding: Rounding) -> Graph:
    """The graph with another rounding in every operator that has one."""
    ops = [
        replace(op, attributes=replace(op.attributes, rounding=rounding))
        if hasattr(op.attributes, "rounding")
        else op
        for op in graph.ops
    ]
    return replace(graph, ops=tuple(ops))


def lay_out(graph: Graph, choice: Choice, distance: Distance, operand: int) -> Plan:
    """Give every layer bytes of its own, in which input `operand` overlaps the output if it may.

    What a layer without a kernel gives is its input's bytes.
    """
    offsets: dict[str, int] = {}
    scratch: dict[str, int] = {}
    end = 0

    def place(name: str, at: int, size: int) -> None:
        nonlocal end
        offsets[name] = at
        end = max(end, at + size)

    readers = Counter(name for op in graph.ops for name in op.inputs)
    for layer, kernel in zip(layers_of(graph), choice, strict=True):
        start = -(-end // 16) * 16
        computed = [t for t in layer.inputs if t is not None and t.is_computed]
        if kernel is None:
            (x,) = computed
            if x.name not in offsets:
                place(x.name, start, x.size_bytes)
            offsets[layer.output.name] = offsets[x.name]
            continue
        shared = layer.optional(operand)
        gap = None
        if shared is not None and readers[shared.name] == 1 and shared.name not in offsets:
            gap = distance(kernel, layer, operand) if shared.is_computed else None
        if gap is None or shared is None:
            for y in layer.outputs:
                place(y.name, max(start, -(-end // 8) * 8), y.size_bytes)
        else:
            y = layer.output
            # Kernels load words, so tensors stand on words: the distance is rounded up.
            gap = -(-gap // 4) * 4
            place(y.name, start + max(-gap, 0), y.size_bytes)
            place(shared.name, start + max(gap, 0), shared.size_bytes)
        for tensor in computed:
            if tensor.name not in offsets:
                place(tensor.name, -(-end // 8) * 8, tensor.size_bytes)
        size = kernel.scratch_bytes(layer)
        if size:
            scratch[layer.op.name] = -(-end // 8) * 8
            end = scratch[layer.op.name] + size
    for name in graph.inputs:
        if name not in offsets:
            place(name, -(-end // 16) * 16, graph.tensors[name].size_bytes)
    # What is emitted depends on nothing but the places.
    return replace(
        plan_memory(Problem((), (), (), ())),
        order=tuple(range(len(graph.ops))),
        offsets=offsets,
        scratch_offsets=scratch,
        arena_bytes=end,
    )


def build_layers(
    graph: Graph,
    choice: Choice,
    bench: Bench,
    distance: Distance = promised,
    operand: int = 0,
) -> Artifact:
    """Emit and build a graph of single layers, laid out by `lay_out`."""
    plan = lay_out(graph, choice, distance, operand)
    emitted = emit_c(graph, choice, plan, VERSION)
    interface = ModelInterface(
        graph.name,
        tuple(graph.tensors[n].size_bytes for n in graph.inputs),
        tuple(graph.tensors[n].size_bytes for n in graph.outputs),
        tuple(s for s in emitted.layer_symbols if s is not None),
    )
    program = build(find_compiler(bench.cc, bench.core), emitted.files, interface)
    return Artifact(graph, choice, plan, emitted, program, Settings(target(bench.core), bench.cc))


def unequal_networks(joined: Joined, artifact: Artifact, seeds: Sequence[int]) -> dict[str, str]:
    """Run each seed's samples; what differs from the interpreter, by the name of the network."""
    samples = [joined.sample(seed) for seed in seeds]
    machine = artifact.open_machine()
    wrong: dict[str, str] = {}
    state = initial_state(artifact.graph)
    for seed, sample, run in zip(
        seeds, samples, machine.run([artifact.to_bytes(s) for s in samples]), strict=True
    ):
        device = artifact.from_bytes(run.outputs)
        computed = interpret(artifact.graph, sample, state)
        state = state_after(artifact.graph, computed)
        values = outputs_of(artifact.graph, computed)
        for name, expected in values.items():
            difference = _first_difference(device[name], expected)
            if difference:
                network = joined.network_of(name)
                wrong.setdefault(
                    network.name, f"sample {seed}, {difference}\n{network.description}"
                )
    return wrong


def _first_difference(device: Array, expected: Array) -> str:
    unequal = np.argwhere(unequal_elements(device, np.ascontiguousarray(expected)))
    if not len(unequal):
        return ""
    at = tuple(int(i) for i in unequal[0])
    return (
        f"element {list(at)}: device {device[at]}, interpreter {expected[at]}; "
        f"{len(unequal)} of {expected.size} differ"
    )
