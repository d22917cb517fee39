"""Kernels that are chosen -> a plan, C, and a program."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from midge.c_emitter import Choice, Emitted, emit_c, planning_problem
from midge.c_emitter.emitter import ARENA_ALIGNMENT
from midge.c_emitter.problem import running_order
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_feed import frame_adapter
from midge.driver.artifact import Artifact
from midge.driver.fit import explain_overflow
from midge.driver.settings import Settings
from midge.errors import ToolError
from midge.graph import Graph
from midge.memory_plan import Plan, Problem, plan_memory
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.version import VERSION


def realise(
    graph: Graph, choice: Choice, settings: Settings, groups: Sequence[Group] = ()
) -> Artifact:
    """Plan the memory, emit the C and build it, for kernels that are chosen already.

    Args:
        graph: A verified graph, after all passes.
        choice: A kernel for each of its ops.
        settings: For what.
        groups: Ops that run row by row.

    Raises:
        DoesNotFitError: not even the memory that is emulated for the core holds it.
        ToolError: the C compiler is missing or fails.
    """
    planned = plan_graph(graph, choice, keep_input=settings.keep_input, groups=groups)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, VERSION, planned.groups)
    program = _build(planned, emitted, settings)
    return Artifact(
        planned.graph,
        planned.choice,
        planned.plan,
        emitted,
        program,
        settings,
        groups=planned.groups,
    )


@dataclass(frozen=True)
class Planned:
    """A graph and its kernels in running order, with a place for every tensor.

    Attributes:
        graph: Its ops in the plan's order.
        choice: A kernel for each op.
        problem: What the planner was asked, in the order before.
        plan: What it answered.
        groups: Ops that run row by row, by their places in the plan's order.
    """

    graph: Graph
    choice: Choice
    problem: Problem
    plan: Plan
    groups: tuple[Group, ...] = ()


def plan_graph(
    graph: Graph, choice: Choice, *, keep_input: bool, groups: Sequence[Group] = ()
) -> Planned:
    """Place every tensor, and bring the ops into the order that the plan wants."""
    problem = planning_problem(graph, choice, keep_input=keep_input, groups=groups)
    plan = _places(problem)
    order, moved = running_order(groups, len(graph.ops), plan.order)
    ordered = graph.with_ops([graph.ops[i] for i in order])
    return Planned(ordered, tuple(choice[i] for i in order), problem, plan, moved)


@functools.lru_cache(maxsize=64)
def _places(problem: Problem) -> Plan:
    """Remembered: a network is often built again, for another core or with another kernel."""
    return plan_memory(problem)


def _build(planned: Planned, emitted: Emitted, settings: Settings) -> Program | None:
    """Compile and link; None for a core that no compiler here knows.

    A network that is fed row by row is built behind an adapter, which takes a whole input.
    """
    graph, core = planned.graph, settings.target.core
    if not core.emulated:
        return None
    name, files = graph.name, emitted.files
    layers = tuple(s for s in emitted.layer_symbols if s is not None)
    if settings.feed_rows:
        name, adapter = frame_adapter(graph, planned.plan, ARENA_ALIGNMENT)
        files, layers = {**files, **adapter}, ()
    interface = ModelInterface(
        name=name,
        input_bytes=tuple(graph.tensors[n].size_bytes for n in graph.inputs),
        output_bytes=tuple(graph.tensors[n].size_bytes for n in graph.outputs),
        layers=layers,
    )
    compiler = find_compiler(settings.cc, core.name)
    try:
        return build(compiler, files, interface, optimisation=settings.optimisation)
    except ToolError as error:
        raise explain_overflow(error, graph, planned.plan, settings.target) from None
