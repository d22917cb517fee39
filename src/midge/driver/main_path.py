"""The main path: from a file to a program that has run on a virtual microcontroller.

Read `load`, `compile_graph` and `realise`: that is Midge, from top to bottom.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from midge.c_emitter import (
    Choice,
    Emitted,
    Measure,
    choose_kernels,
    emit_c,
    leanest_kernels,
    planning_problem,
)
from midge.driver.artifact import Artifact
from midge.driver.fit import check_fits, explain_overflow
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError, ToolError, UserError
from midge.graph import Graph, verify
from midge.importers import import_tflite
from midge.memory_plan import Plan, Problem, plan_memory
from midge.passes import run_passes
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import target as find_target


def load(path: str | Path, name: str | None = None) -> Graph:
    """Read a model file.

    Args:
        path: A .tflite file.
        name: Name of the graph and prefix of the emitted C; made from the file's name when None.

    Raises:
        UserError: the file cannot be read, is damaged, or needs what Midge does not have.
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise UserError(f"{path}: unknown kind of model {path.suffix!r}; supported: .tflite")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return import_tflite(data, path.name, name)


def compile_graph(
    graph: Graph,
    *,
    target: str = "cortex-m4",
    cc: str = "zig",
    optimisation: str = "-O2",
    keep_input: bool = False,
    measured: bool = False,
) -> Artifact:
    """Compile a network for a core or a board.

    Args:
        graph: From `load`, or made in memory.
        target: A name that `midge targets` lists.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler, such as ``-O2``.
        keep_input: Inputs survive a run; costs their bytes in the arena.
        measured: Choose between kernels by running each on the virtual core instead of by rule.

    Returns:
        The emitted C, the program and the plan; `Artifact.run` runs it.

    Raises:
        UserError: the graph or an option is at fault.
        DoesNotFitError: the board is too small.
        ToolError: the C compiler is missing or fails.
    """
    settings = Settings(find_target(target), cc, optimisation, keep_input)
    lowered = run_passes(verify(graph))
    measure = _measure_on_virtual_core(lowered, settings) if measured else None
    features = settings.target.core.features
    fastest = choose_kernels(lowered, features, measure)
    leanest = leanest_kernels(lowered, features)
    refusals = []
    for choice in dict.fromkeys((fastest, leanest)):
        try:
            artifact = realise(lowered, choice, settings)
            check_fits(artifact)
            return artifact
        except DoesNotFitError as error:
            refusals.append(error)
    raise refusals[0]


def realise(graph: Graph, choice: Choice, settings: Settings) -> Artifact:
    """Plan the memory, emit the C and build it, for kernels that are chosen already.

    Raises:
        DoesNotFitError: not even the memory that is emulated for the core holds it.
        ToolError: the C compiler is missing or fails.
    """
    planned = plan_graph(graph, choice, keep_input=settings.keep_input)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, VERSION)
    program = _build(planned, emitted, settings)
    return Artifact(planned.graph, planned.choice, planned.plan, emitted, program, settings)


@dataclass(frozen=True)
class Planned:
    """A graph and its kernels in running order, with a place for every tensor.

    Attributes:
        graph: Its ops in the plan's order.
        choice: A kernel for each op.
        problem: What the planner was asked, in the order before.
        plan: What it answered.
    """

    graph: Graph
    choice: Choice
    problem: Problem
    plan: Plan


def plan_graph(graph: Graph, choice: Choice, *, keep_input: bool) -> Planned:
    """Place every tensor, and bring the ops into the order that the plan wants."""
    problem = planning_problem(graph, choice, keep_input=keep_input)
    plan = plan_memory(problem)
    ordered = graph.with_ops([graph.ops[i] for i in plan.order])
    return Planned(ordered, tuple(choice[i] for i in plan.order), problem, plan)


def _build(planned: Planned, emitted: Emitted, settings: Settings) -> Program | None:
    """Compile and link; None for a core that no compiler here knows."""
    graph, core = planned.graph, settings.target.core
    if not core.emulated:
        return None
    interface = ModelInterface(
        name=graph.name,
        input_bytes=tuple(graph.tensors[n].size_bytes for n in graph.inputs),
        output_bytes=tuple(graph.tensors[n].size_bytes for n in graph.outputs),
        layers=tuple(s for s in emitted.layer_symbols if s is not None),
    )
    compiler = find_compiler(settings.cc, core.name)
    try:
        return build(compiler, emitted.files, interface, optimisation=settings.optimisation)
    except ToolError as error:
        raise explain_overflow(error, graph, planned.plan, settings.target) from None


_DOES_NOT_FIT = 1 << 62
"""Cycles of a layer whose program cannot even be linked."""


def _measure_on_virtual_core(graph: Graph, settings: Settings) -> Measure:
    def measure(choice: Choice) -> list[int]:
        try:
            costs = realise(graph, choice, settings).layer_costs()
        except DoesNotFitError:
            return [_DOES_NOT_FIT] * len(graph.ops)
        return [costs[op.name] for op in graph.ops]

    return measure
