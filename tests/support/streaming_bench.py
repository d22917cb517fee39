"""Builds networks of which some layers run row by row, and holds them against the interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from midge.c_emitter import Choice, Emitted, emit_c
from midge.c_emitter.emitter import ARENA_ALIGNMENT
from midge.c_emitter.problem import planning_problem, running_order
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_feed import frame_adapter
from midge.graph import Array, Graph, interpret, outputs_of
from midge.memory_plan import Plan, plan_memory
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import open_machine


@dataclass(frozen=True)
class Streamed:
    """A network that was planned, emitted and built with groups.

    Attributes:
        graph: In running order.
        groups: In that order.
        plan: Of the memory.
        emitted: The C, without an adapter.
        program: The C of the network, with an adapter where it is fed.
    """

    graph: Graph
    groups: tuple[Group, ...]
    plan: Plan
    emitted: Emitted
    program: Program


@dataclass(frozen=True)
class Written:
    """A network that was planned and emitted with groups.

    Attributes:
        graph: In running order.
        groups: In that order.
        plan: Of the memory.
        emitted: The C.
    """

    graph: Graph
    groups: tuple[Group, ...]
    plan: Plan
    emitted: Emitted


def write_streamed(
    graph: Graph, choice: Choice, groups: Sequence[Group], plan: Plan | None = None
) -> Written:
    """Plan, unless that has been done, and emit."""
    if plan is None:
        plan = plan_memory(planning_problem(graph, choice, groups=groups))
    order, moved = running_order(groups, len(graph.ops), plan.order)
    ordered = graph.with_ops([graph.ops[i] for i in order])
    kernels = tuple(choice[i] for i in order)
    return Written(ordered, moved, plan, emit_c(ordered, kernels, plan, VERSION, moved))


def build_streamed(
    graph: Graph,
    choice: Choice,
    groups: Sequence[Group],
    core: str = "cortex-m4",
    cc: str = "zig",
    optimisation: str = "-O2",
    plan: Plan | None = None,
) -> Streamed:
    """Plan, unless that has been done, emit and build."""
    written = write_streamed(graph, choice, groups, plan)
    ordered, moved, plan, emitted = written.graph, written.groups, written.plan, written.emitted
    name, files = graph.name, dict(emitted.files)
    if any(group.fed for group in groups):
        name, adapter = frame_adapter(ordered, plan, ARENA_ALIGNMENT)
        files |= adapter
    interface = ModelInterface(
        name,
        tuple(graph.tensors[n].size_bytes for n in graph.inputs),
        tuple(graph.tensors[n].size_bytes for n in graph.outputs),
        () if name != graph.name else tuple(s for s in emitted.layer_symbols if s is not None),
    )
    program = build(find_compiler(cc, core), files, interface, optimisation=optimisation)
    return Streamed(ordered, moved, plan, emitted, program)


def unequal_outputs(
    streamed: Streamed, samples: Sequence[Mapping[str, Array]], emulator: str = "unicorn"
) -> list[str]:
    """Run samples one after the other; what differs from the interpreter."""
    graph = streamed.graph
    machine = open_machine(streamed.program, emulator=emulator)
    raw = [tuple(np.ascontiguousarray(s[n]).tobytes() for n in graph.inputs) for s in samples]
    wrong = []
    for number, (sample, run) in enumerate(zip(samples, machine.run(raw), strict=True)):
        expected = outputs_of(graph, interpret(graph, sample))
        for content, (name, value) in zip(run.outputs, expected.items(), strict=True):
            device = np.frombuffer(content, value.dtype).reshape(value.shape)
            if not np.array_equal(device, value):
                differ = np.count_nonzero(device != value)
                wrong.append(f"sample {number}, {name}: {differ} of {value.size} differ")
    return wrong


def instructions(streamed: Streamed, sample: Mapping[str, Array]) -> int:
    """Of one inference."""
    machine = open_machine(streamed.program, emulator="unicorn")
    raw = tuple(np.ascontiguousarray(sample[n]).tobytes() for n in streamed.graph.inputs)
    return machine.run([raw])[0].instructions
