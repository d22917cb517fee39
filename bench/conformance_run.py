"""A node test through importer, passes and emitter to C on this machine, and back."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.conformance_cases import Array, Case
from midge import MidgeError
from midge.c_emitter import choose_kernels, emit_c
from midge.driver.main_path import plan_graph
from midge.errors import ToolError, UserError
from midge.graph import Graph, interpret, outputs_of
from midge.importers.onnx import import_onnx
from midge.passes import run_passes
from midge.passes.to_channels_last import to_channels_last
from midge.toolchain import build_host_library
from midge.version import VERSION

FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
DUMMY = "midge_dummy"


@dataclass(frozen=True)
class Prepared:
    """A case as C.

    Attributes:
        case: Itself.
        bound: Names of inputs that became constants.
        graph: What was emitted.
        arena_bytes: Of a run.
        files: The C.
    """

    case: Case
    bound: tuple[str, ...]
    graph: Graph
    arena_bytes: int
    state_bytes: int
    files: Mapping[str, str]


def prepare(case: Case, number: int) -> Prepared:
    """Import a case, lower it, emit it.

    Operands that Midge has to know while it compiles, such as shapes, axes and weights, are given
    as constants of the case's own values: none at first, then all but the first operand, then all.
    A case of which nothing is left to compute then passes an input through beside it.

    Raises:
        MidgeError: it cannot be had in any of these ways; the first refusal.
    """
    refusal: MidgeError | None = None
    names = tuple(case.inputs)
    for bound in dict.fromkeys(((), names[1:], names)):
        try:
            graph = import_onnx(_with_constants(case, bound), case.name, f"case_{number}")
            return _emitted(case, bound, graph)
        except MidgeError as error:
            refusal = refusal or error
    assert refusal is not None
    raise refusal


def _with_constants(case: Case, bound: Sequence[str]) -> bytes:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for name in bound:
        model.graph.initializer.append(numpy_helper.from_array(case.inputs[name], name))
    if len(bound) == len(case.inputs):
        given = helper.make_tensor_value_info(DUMMY, TensorProto.FLOAT, [1])
        model.graph.input.append(given)
        model.graph.node.append(helper.make_node("Identity", [DUMMY], [f"{DUMMY}_out"]))
        returned = helper.make_tensor_value_info(f"{DUMMY}_out", TensorProto.FLOAT, [1])
        model.graph.output.append(returned)
    return bytes(model.SerializeToString())


def _emitted(case: Case, bound: tuple[str, ...], graph: Graph) -> Prepared:
    lowered = run_passes(to_channels_last(graph))
    planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=False)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, VERSION)
    state = sum(-(-t.size_bytes // 16) * 16 for t in planned.graph.variables)
    arena = planned.plan.arena_bytes
    return Prepared(case, bound, planned.graph, arena, state, emitted.files)


def library_of(cases: Sequence[Prepared]) -> ctypes.CDLL:
    """All of them in one library.

    Raises:
        ToolError: the C of one does not compile without a warning.
    """
    files = {name: text for prepared in cases for name, text in prepared.files.items()}
    return ctypes.CDLL(str(build_host_library(files, flags=FLAGS)))


def verdict(prepared: Prepared, library: ctypes.CDLL) -> str:
    """How C, interpreter and suite disagree; "" where they agree."""
    case, graph = prepared.case, prepared.graph
    inputs = _given(prepared)
    found = _run(prepared, library, inputs)
    meant = outputs_of(graph, interpret(graph, inputs))
    for name, value in found.items():
        if value.tobytes() != meant[name].tobytes():
            return f"C and interpreter differ in {name}"
    names = [n for n in graph.outputs if not n.startswith(DUMMY)]
    for name, expected in zip(names, case.outputs, strict=True):
        value = _in_source_order(graph, name, found[name])
        problem = _unequal(value, np.asarray(expected), case)
        if problem:
            return f"{name}: {problem}"
    return ""


def _given(prepared: Prepared) -> dict[str, Array]:
    graph = prepared.graph
    given: dict[str, Array] = {}
    for name in graph.inputs:
        source = prepared.case.inputs.get(name, np.zeros(1, np.float32))
        order = graph.layouts.get(name)
        array = source if order is None else source.transpose(order)
        tensor = graph.tensors[name]
        if array.shape != tensor.shape:
            raise UserError(f"input {name} is {list(tensor.shape)}, the case has {array.shape}")
        given[name] = np.array(array, tensor.dtype.numpy, order="C")
    return given


def _in_source_order(graph: Graph, name: str, value: Array) -> Array:
    order = graph.layouts.get(name)
    return value if order is None else value.transpose(np.argsort(order))


def _unequal(value: Array, expected: Array, case: Case) -> str:
    if value.shape != expected.shape:
        return f"shape {list(value.shape)}, expected {list(expected.shape)}"
    narrowed = expected.dtype == np.int64 and value.dtype == np.int32
    if value.dtype != expected.dtype and not narrowed:
        return f"{value.dtype}, expected {expected.dtype}"
    close = np.isclose(
        value.astype(np.float64),
        expected.astype(np.float64),
        rtol=case.rtol,
        atol=case.atol,
        equal_nan=True,
    )
    if close.all():
        return ""
    at = int(np.argmin(close.reshape(-1)))
    return (
        f"{value.reshape(-1)[at]!s}, expected {expected.reshape(-1)[at]!s}; "
        f"{np.count_nonzero(~close)} of {close.size} elements differ"
    )


def _run(prepared: Prepared, library: ctypes.CDLL, inputs: Mapping[str, Array]) -> dict[str, Array]:
    graph = prepared.graph
    functions = {
        step: getattr(library, f"{graph.name}_{step}")
        for step in ("init", "input", "output", "run")
    }
    for step in ("input", "output"):
        functions[step].restype = ctypes.c_void_p
    arena, _kept = _room(prepared.arena_bytes)
    state, _held = _room(prepared.state_bytes)
    functions["init"](arena, state if graph.variables else None)
    for index, name in enumerate(graph.inputs):
        data = inputs[name]
        ctypes.memmove(functions["input"](arena, index), data.ctypes.data, data.nbytes)
    if functions["run"](arena, state if graph.variables else None) != 0:
        raise ToolError(f"{graph.name}_run did not return 0")
    outputs: dict[str, Array] = {}
    for index, name in enumerate(graph.outputs):
        tensor = graph.tensors[name]
        data = np.empty(tensor.shape, tensor.dtype.numpy)
        ctypes.memmove(data.ctypes.data, functions["output"](arena, index), data.nbytes)
        outputs[name] = data
    return outputs


def _room(size_bytes: int) -> tuple[ctypes.c_void_p, object]:
    """Memory aligned to 16 bytes, and what keeps it."""
    room = (ctypes.c_uint8 * (size_bytes + 16))()
    return ctypes.c_void_p(-(-ctypes.addressof(room) // 16) * 16), room
