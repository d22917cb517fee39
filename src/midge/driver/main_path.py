"""The main path: from a file to a program that has run on a virtual microcontroller.

Read `load`, `compile_graph` and `realise`: that is Midge, from top to bottom.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from midge.graph import Graph, Rounding, read_graph, verify, write_graph
from midge.importers import import_tflite
from midge.importers.torch_archive import import_pt2
from midge.memory_plan import Plan, Problem, plan_memory
from midge.passes import run_passes
from midge.passes.lower_qdq import lower_qdq
from midge.passes.to_channels_last import to_channels_last
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.version import VERSION
from midge.virtual_mcu import target as find_target

LARGEST_FILE_BYTES = 1 << 31
"""Of a model file; a .tflite cannot be larger, and no microcontroller holds a hundredth of it."""


def load(path: str | Path, name: str | None = None) -> Graph:
    """Read a model file.

    A .midge file holds a graph as it is. A .tflite file keeps its order of dimensions, which is
    Midge's. The models of ONNX (.onnx) and of `torch.export` (.pt2) are brought to it: the graph's
    `layouts` say how, and a quantised model becomes one of integers.

    Args:
        path: A .midge, .onnx, .pt2 or .tflite file.
        name: Name of the graph and prefix of the emitted C; when None, the one that a .midge file
            holds, or made from the file's name.

    Raises:
        UserError: the file cannot be read, is damaged, or needs what Midge does not have.
        ToolError: the package that reads such files is not installed.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix)
    if reader is None:
        hint = _HINTS.get(path.suffix, "")
        raise UserError(
            f"{path}: unknown kind of model {path.suffix!r}; supported: {', '.join(_READERS)}{hint}"
        )
    try:
        size_bytes = path.stat().st_size
        if size_bytes > LARGEST_FILE_BYTES:
            raise UserError(f"{path}: has {size_bytes} bytes; up to {LARGEST_FILE_BYTES} are read")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{str(path)!r}: cannot be read: {error}") from None
    return reader(data, path.name, name)


def save(graph: Graph, path: str | Path) -> None:
    """Write a graph as a .midge file, which `load` reads as the same graph.

    The file appears whole or not at all: one that is there already is replaced once the new one is
    complete.

    Raises:
        UserError: the name does not end in .midge, the graph does not verify, or the file cannot
            be written.
    """
    path = Path(path)
    if path.suffix != ".midge":
        raise UserError(f"{path}: a graph is written as .midge; name the file so")
    content = write_graph(graph)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            partial.write_bytes(content)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{str(path)!r}: cannot be written: {error}") from None


def _read_midge(data: bytes, source: str, name: str | None) -> Graph:
    graph = read_graph(data, source)
    return verify(replace(graph, name=name)) if name else graph


def _read_onnx(data: bytes, source: str, name: str | None) -> Graph:
    try:
        # Here, because it needs the package onnx, which is an extra.
        from midge.importers.onnx import import_onnx  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("midge"):
            raise
        raise ToolError(
            f"{source}: reading it needs the package {error.name}, which is not installed; "
            "pip install 'midge[onnx]'"
        ) from None
    return _channels_last_integers(import_onnx(data, source, name), source)


def _read_pt2(data: bytes, source: str, name: str | None) -> Graph:
    return _channels_last_integers(import_pt2(data, source, name), source)


def _channels_last_integers(graph: Graph, source: str) -> Graph:
    """A framework's model in Midge's order of dimensions, and a quantised one in integers."""
    try:
        ordered = to_channels_last(graph)
        if {op.kind for op in ordered.ops}.isdisjoint(("quantize", "dequantize")):
            return ordered
        # Both frameworks multiply by float32 scales and round half to even.
        return lower_qdq(ordered, Rounding.HALF_EVEN)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None


_READERS: Mapping[str, Callable[[bytes, str, str | None], Graph]] = {
    ".midge": _read_midge,
    ".onnx": _read_onnx,
    ".pt2": _read_pt2,
    ".tflite": import_tflite,
}
_WEIGHTS = "; it holds weights without the network: write a .pt2 by torch.export.save"
_HINTS = {
    ".pt": _WEIGHTS,
    ".pth": _WEIGHTS,
    ".h5": "; convert it by tf.lite.TFLiteConverter",
    ".keras": "; convert it by tf.lite.TFLiteConverter",
}


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
    plan = _places(problem)
    ordered = graph.with_ops([graph.ops[i] for i in plan.order])
    return Planned(ordered, tuple(choice[i] for i in plan.order), problem, plan)


@functools.lru_cache(maxsize=64)
def _places(problem: Problem) -> Plan:
    """Remembered: a network is often built again, for another core or with another kernel."""
    return plan_memory(problem)


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
