"""Is this a graph? Stands before and after every pass, and before anything is computed."""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_per_tensor
from midge.graph.types import Attributes, DType, Graph, Op, Quantization, Tensor

LARGEST_TENSOR_BYTES = 1 << 28
"""Far beyond any microcontroller; stops a hostile file from asking for gigabytes."""
LONGEST_GRAPH_NAME = 128
"""Of emitted files and symbols; file systems and linkers take twice as much."""
HIGHEST_RANK = 8


def verify(graph: Graph, *, has_ends: bool = True) -> Graph:
    """Check every invariant that the rest of Midge relies on.

    Names are unique and known; each tensor is written once, before it is read; shapes and types are
    those that the operators' rules give; quantisation is there and in range; no accumulator can
    overflow; nothing is of a size that only a hostile file has. Nothing is computed, and nothing
    large allocated, before that is known.

    Args:
        graph: Any graph.
        has_ends: It has inputs and outputs; False for the part that sets variables.

    Returns:
        The graph itself, so that steps can be chained.

    Raises:
        UserError: the first broken invariant, with its place.
    """
    if len(graph.name) > LONGEST_GRAPH_NAME:
        raise UserError(
            f"graph name {graph.name[:20]!r}... has {len(graph.name)} characters; up to "
            f"{LONGEST_GRAPH_NAME} are supported"
        )
    if not re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", graph.name):
        raise UserError(
            f"graph name {graph.name!r} is not a C identifier of an application: letters, "
            "digits and _, no digit and no __ first"
        )
    if not re.fullmatch(r"([0-9a-f]{64})?", graph.digest):
        raise UserError(
            f"{graph.name}: digest {graph.digest!r} is not SHA-256 in 64 hexadecimal digits"
        )
    for name, tensor in graph.tensors.items():
        _verify_tensor(graph, name, tensor)
    _verify_state(graph)
    if has_ends:
        _verify_ends(graph)
    _verify_layouts(graph)
    written = {n for n, t in graph.tensors.items() if not t.is_computed} | {*graph.inputs}
    op_names: set[str] = set()
    for op in graph.ops:
        place = f"{graph.name}: op {op.name!r} ({op.kind})"
        _verify_name(place, op.name)
        if op.name in op_names:
            raise UserError(f"{place}: another op has this name")
        op_names.add(op.name)
        _verify_op(graph, op, place, written)
    for name in graph.outputs:
        if name not in written:
            raise UserError(f"{graph.name}: output {name!r} is never computed")
    # What an operator reads or writes it has checked itself, and said more of.
    ends = (graph.tensors[name] for name in (*graph.inputs, *graph.outputs))
    for role, tensors in (("input or output", ends), ("variable", graph.variables)):
        for tensor in (t for t in tensors if t.quantization is not None):
            try:
                expect_per_tensor(tensor)
            except UserError as error:
                raise type(error)(f"{graph.name}: {role} {error}") from None
    return graph


def _verify_state(graph: Graph) -> None:
    state_bytes = sum(t.size_bytes for t in graph.variables)
    if state_bytes > LARGEST_TENSOR_BYTES:
        raise UserError(
            f"{graph.name}: its {len(graph.variables)} variables take {state_bytes} bytes; at most "
            f"{LARGEST_TENSOR_BYTES} are supported"
        )


def _verify_ends(graph: Graph) -> None:
    for role, names in (("input", graph.inputs), ("output", graph.outputs)):
        if not names:
            raise UserError(f"{graph.name}: has no {role}s")
        for name in names:
            if name not in graph.tensors:
                raise UserError(f"{graph.name}: {role} {name!r} is not a tensor of the graph")
    if len(set(graph.inputs)) != len(graph.inputs):
        raise UserError(f"{graph.name}: an input is listed twice: {list(graph.inputs)}")
    for name in graph.inputs:
        if not graph.tensors[name].is_computed:
            what = "variable" if graph.tensors[name].variable else "constant"
            raise UserError(f"{graph.name}: input {name!r} is a {what}")
    for name in graph.outputs:
        if graph.tensors[name].variable:
            raise UserError(f"{graph.name}: output {name!r} is a variable; read it by an operator")


def _verify_layouts(graph: Graph) -> None:
    for name, permutation in graph.layouts.items():
        if name not in graph.inputs and name not in graph.outputs:
            raise UserError(f"{graph.name}: layout of {name!r}, which is neither input nor output")
        rank = len(graph.tensors[name].shape)
        plain = isinstance(permutation, tuple) and all(type(d) is int for d in permutation)
        if not plain or sorted(permutation) != list(range(rank)):
            raise UserError(
                f"{graph.name}: layout of {name!r} is {permutation!r}; expected a tuple with each "
                f"of its {rank} dimensions once"
            )


def _verify_tensor(graph: Graph, name: str, tensor: Tensor) -> None:
    place = f"{graph.name}: tensor {name!r}"
    _verify_name(place, name)
    if tensor.name != name:
        raise UserError(f"{place}: is filed under another name than its own, {tensor.name!r}")
    if len(tensor.shape) > HIGHEST_RANK:
        raise UserError(
            f"{place}: has {len(tensor.shape)} dimensions; up to {HIGHEST_RANK} are supported"
        )
    if any(extent < 1 for extent in tensor.shape):
        raise UserError(f"{place}: shape {list(tensor.shape)} has a dimension under 1")
    if tensor.size_bytes > LARGEST_TENSOR_BYTES:
        raise UserError(
            f"{place}: {tensor.size_bytes} bytes; at most {LARGEST_TENSOR_BYTES} are supported"
        )
    if tensor.quantization is not None:
        _verify_quantization(place, tensor.shape, tensor.quantization)
    data = tensor.data
    if tensor.dtype is DType.INT4:
        if data is None or tensor.variable:
            raise UserError(f"{place}: is int4 and not a constant; supported: int4 weights")
        if data.dtype == np.int8 and data.size and not -8 <= data.min() <= data.max() <= 7:
            raise UserError(f"{place}: holds {data.min()} to {data.max()}; int4 holds -8 to 7")
    if tensor.variable and data is None:
        raise UserError(f"{place}: is a variable without a first value")
    if data is not None and (data.shape != tensor.shape or data.dtype != tensor.dtype.numpy):
        raise UserError(
            f"{place}: holds {data.dtype}{list(data.shape)}, "
            f"declared {tensor.dtype.value}{list(tensor.shape)}"
        )


def _verify_name(place: str, name: str) -> None:
    if not name:
        raise UserError(f"{place}: has an empty name")
    # Reports and messages are written as UTF-8, which has no lone surrogates.
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise UserError(f"{place}: its name is not Unicode text")


def _verify_quantization(place: str, shape: tuple[int, ...], quantization: Quantization) -> None:
    axis, scale, zero_point = quantization.axis, quantization.scale, quantization.zero_point
    if axis is not None and not 0 <= axis < len(shape):
        raise UserError(f"{place}: quantised along dimension {axis} of shape {list(shape)}")
    types = (scale.dtype.name, scale.ndim, zero_point.dtype.name, zero_point.ndim)
    if types != ("float32", 1, "int64", 1):
        raise UserError(
            f"{place}: scales are {scale.dtype}{list(scale.shape)} and zero points "
            f"{zero_point.dtype}{list(zero_point.shape)}; expected float32[n] and int64[n]"
        )


def _verify_op(graph: Graph, op: Op, place: str, written: set[str]) -> None:
    for name in op.inputs:
        if name and name not in graph.tensors:
            raise UserError(f"{place}: input {name!r} is not a tensor of the graph")
        if name and name not in written:
            raise UserError(f"{place}: reads {name!r} before anything writes it")
    for name in op.outputs:
        if name not in graph.tensors:
            raise UserError(f"{place}: output {name!r} is not a tensor of the graph")
        if name in written:
            raise UserError(f"{place}: writes {name!r}, which is written already")
        written.add(name)
    _verify_attributes(op.attributes, place)
    _verify_updates(graph, op, place)
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    try:
        types = op.attributes.infer(inputs)
        if len(types) != len(outputs):
            raise UserError(f"has {len(outputs)} outputs; expected {len(types)}")
        for expected, tensor in zip(types, outputs, strict=True):
            if math.prod(expected.shape) > LARGEST_TENSOR_BYTES:
                raise UserError(
                    f"{tensor.name} would have shape {list(expected.shape)}, over "
                    f"{LARGEST_TENSOR_BYTES} elements"
                )
            if (tensor.shape, tensor.dtype) != (expected.shape, expected.dtype):
                raise UserError(
                    f"{tensor.name} is {tensor.dtype.value}{list(tensor.shape)}; the operator "
                    f"gives {expected.dtype.value}{list(expected.shape)}"
                )
        op.attributes.check(inputs, outputs)
    except UserError as error:
        raise type(error)(f"{place}: {error}") from None


def _verify_updates(graph: Graph, op: Op, place: str) -> None:
    for index in op.attributes.updates():
        name = op.inputs[index] if index < len(op.inputs) else ""
        if not name or not graph.tensors[name].variable:
            raise UserError(f"{place}: rewrites input {index}, {name!r}, which is not a variable")


def _verify_attributes(attributes: Attributes, place: str) -> None:
    """Attributes are of their declared types: what is made by hand is not checked by Python."""
    kind: Any = type(attributes)
    for name, declared in _fields(kind).items():
        value = getattr(attributes, name)
        if not _is_of(value, declared):
            raise UserError(f"{place}: {name} is {value!r}; expected {declared}")


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """The attributes of an operator and their types; evaluating annotations takes a while."""
    hints = get_type_hints(kind)
    return {name: t for name, t in hints.items() if get_origin(t) is not ClassVar}


def _is_of(value: object, declared: Any) -> bool:
    if get_origin(declared) is not tuple:
        return type(value) is declared
    kinds = get_args(declared)
    if not isinstance(value, tuple):
        return False
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return all(_is_of(v, kinds[0]) for v in value)
    return len(value) == len(kinds) and all(
        _is_of(v, kind) for v, kind in zip(value, kinds, strict=True)
    )
