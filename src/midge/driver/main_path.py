"""The main path: from a file to a program that has run on a virtual microcontroller.

Read `load`, `compile_graph` and `realise` (of `realise.py`): that is Midge, from top to bottom.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from midge.c_emitter import leanest_kernels
from midge.driver.artifact import Artifact
from midge.driver.fit import check_fits, over_budget
from midge.driver.goals import BALANCED, RAM, check_goal, kernels_by_rule, row_groups
from midge.driver.measure import Progress
from midge.driver.realise import Planned, plan_graph, realise
from midge.driver.selection import build_selected, levels_for
from midge.driver.settings import Settings
from midge.errors import DoesNotFitError, ToolError, UserError
from midge.graph import Graph, Rounding, read_graph, verify, write_graph
from midge.importers import import_tflite
from midge.importers.torch_archive import import_pt2
from midge.passes import run_passes
from midge.passes.lower_qdq import lower_qdq
from midge.passes.to_channels_last import to_channels_last
from midge.virtual_mcu import target as find_target

__all__ = ["Planned", "compile_graph", "load", "plan_graph", "realise", "save"]

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
    optimisation: str | None = None,
    keep_input: bool = False,
    optimize: str = BALANCED,
    measured: bool = False,
    feed_rows: bool = False,
    ram_budget: int | None = None,
    flash_budget: int | None = None,
    progress: Progress | None = None,
) -> Artifact:
    """Compile a network for a core or a board.

    Args:
        graph: From `load`, or made in memory.
        target: A name that `midge targets` lists.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler, such as ``-O2``, which None stands for; where
            kernels are measured within a limit of code, None allows ``-Os`` as well.
        keep_input: Inputs survive a run; costs their bytes in the arena.
        optimize: ``balanced``, ``speed``, ``ram`` or ``flash``: what the kernels are chosen for.
        measured: Choose between kernels by running each on the virtual core instead of by rule;
            takes a minute at most, and is remembered. By rule where nothing emulates the target.
        feed_rows: The application hands in the input row by row, by ``<name>_feed_row``; it takes
            no place in the arena. `Artifact.run` feeds the rows of whole inputs.
        ram_budget: Bytes of RAM, the stack included, within which kernels are chosen; where none
            are, those that come nearest. `check_budget` says whether it holds.
        flash_budget: Bytes of flash, likewise.
        progress: Called with a line for each program that is measured.

    Returns:
        The emitted C, the program and the plan; `Artifact.run` runs it.

    Raises:
        UserError: the graph or an option is at fault.
        DoesNotFitError: the board is too small.
        ToolError: the C compiler is missing or fails.
    """
    goal = check_goal(optimize)
    if feed_rows and keep_input:
        raise UserError(
            "feed_rows (--feed-rows) and keep_input (--keep-input) exclude each other: an input "
            "that is handed in row by row stands nowhere, so it cannot be kept; leave one out"
        )
    settings = Settings(
        find_target(target),
        cc,
        optimisation or "-O2",
        keep_input,
        goal,
        feed_rows,
        ram_budget,
        flash_budget,
    )
    lowered = run_passes(verify(graph))
    if not measured or not settings.target.core.emulated:
        return _by_rule(lowered, settings)
    levels = levels_for(settings, optimisation)
    artifact = build_selected(lowered, settings, levels, progress or _silent)
    check_fits(artifact)
    return artifact


def _by_rule(graph: Graph, settings: Settings) -> Artifact:
    """The goal's kernels by rule; where they do not fit, the leanest; then these row by row.

    Where nothing is within a budget, that which comes nearest.

    Raises:
        DoesNotFitError: nothing fits; the refusal is that of the goal's kernels.
    """
    features = settings.target.core.features
    leanest = leanest_kernels(graph, features)
    chosen = kernels_by_rule(settings.optimize, graph, features, fed=settings.feed_rows)
    if settings.feed_rows or settings.optimize == RAM:
        artifact = realise(graph, chosen, settings, row_groups(graph, chosen, settings, None))
        check_fits(artifact)
        return artifact
    refusals, built = [], []
    for choice, by_rows in dict.fromkeys(((chosen, False), (leanest, False), (leanest, True))):
        budget = settings.ram_bytes
        groups = row_groups(graph, choice, settings, budget) if by_rows else ()
        try:
            artifact = realise(graph, choice, settings, groups)
            check_fits(artifact)
        except DoesNotFitError as error:
            refusals.append(error)
            continue
        built.append(artifact)
        if not over_budget(artifact):
            break
    if not built:
        raise refusals[0]
    return min(built, key=over_budget)


def _silent(_line: str) -> None:
    """Nobody asked for progress."""
