"""A graph as text: one operator a line, to read, to compare, to keep.

::

    midge-graph 1
    graph "kws" sha256:5b1f...
    tensor %0 "input_1" int8[1, 49, 10, 1] scale=0.58471 zero_point=83
    tensor %1 "conv/weights" int8[8, 3, 3, 1] scale=[0.01, ...] zero_point=0 axis=0 data=sha256:...
    tensor %2 "conv/bias" int32[8] data=[1, -4, 0, 12, 7, 7, 0, -1]
    tensor %3 "relu;with \\"quotes\\"" int8[1, 49, 10, 8] scale=0.1 zero_point=-128
    inputs %0
    outputs %3
    op "00_conv_2d" conv_2d(%0, %1, %2) -> %3 pad_before=[1, 1] pad_after=[1, 1] activation=relu
    end

The first line names the version of the form; a reader refuses one that it does not know. Attributes
stand by name, in the order of their class, without those that have their default. An input that is
left out is ``none``. Large constants stand as the SHA-256 of their little-endian elements; whoever
parses brings the elements along. The same graph gives the same text, byte for byte, and
`midge.graph.text_parser.parse_graph` reads the same graph from it, bit for bit.
"""

from __future__ import annotations

import dataclasses
import enum
import re

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.text_summary import summarize
from midge.graph.text_tokens import (
    INLINE_ELEMENTS,
    constant_digest,
    float32_text,
    float64_text,
    quote,
)
from midge.graph.types import Array, Attributes, DType, Graph, Op, Quantization, Tensor

FORMAT_NAME = "midge-graph"
FORMAT_VERSION = 1


def format_graph(graph: Graph, *, full: bool = True) -> str:
    """The graph as text.

    Args:
        graph: Any graph whose operators name its tensors.
        full: Everything but large constants, for `parse_graph`; otherwise a table for people, 100
            columns wide, which cannot be parsed.

    Returns:
        Lines, each with its end.

    Raises:
        UserError: an operator names a tensor that is not there, or a value that has no text.
    """
    if not full:
        return summarize(graph)
    ids = {name: f"%{number}" for number, name in enumerate(graph.tensors)}
    if not re.fullmatch("([0-9a-f]{64})?", graph.digest):
        raise UserError(f"{graph.name}: digest {graph.digest!r} has no text; verify the graph first")
    lines = [
        f"{FORMAT_NAME} {FORMAT_VERSION}",
        f"graph {quote(graph.name)}" + (f" sha256:{graph.digest}" if graph.digest else ""),
        *(_tensor_line(ids[name], name, tensor) for name, tensor in graph.tensors.items()),
        " ".join(["inputs", _references(graph, ids, graph.inputs)]).rstrip(),
        " ".join(["outputs", _references(graph, ids, graph.outputs)]).rstrip(),
        *(_op_line(graph, ids, op) for op in graph.ops),
        "end",
    ]
    return "\n".join(lines) + "\n"


def _references(graph: Graph, ids: dict[str, str], names: tuple[str, ...]) -> str:
    for name in names:
        if name and name not in ids:
            raise UserError(
                f"{graph.name}: {name!r} is named but is not a tensor of the graph; "
                "verify the graph first"
            )
    return ", ".join(ids[name] if name else "none" for name in names)


def _op_line(graph: Graph, ids: dict[str, str], op: Op) -> str:
    inputs, outputs = (_references(graph, ids, names) for names in (op.inputs, op.outputs))
    words = [f"op {quote(op.name)} {op.kind}({inputs}) ->", outputs, *attribute_words(op.attributes)]
    return " ".join(word for word in words if word)


def attribute_words(attributes: Attributes) -> list[str]:
    """``name=value`` for each attribute that has not its default."""
    words = []
    for field in dataclasses.fields(attributes):
        value = getattr(attributes, field.name)
        if value != field.default or _value_text(value) != _value_text(field.default):
            words.append(f"{field.name}={_value_text(value)}")
    return words


def _value_text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case enum.Enum():
            return str(value.value)
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return float64_text(float(value))
        case tuple():
            return f"[{', '.join(map(_value_text, value))}]"
        case _:
            raise UserError(f"attribute value {value!r} has no text")


def _tensor_line(reference: str, name: str, tensor: Tensor) -> str:
    if tensor.name != name:
        raise UserError(f"tensor {name!r} is filed under another name than its own, {tensor.name!r}")
    words = [f"tensor {reference} {quote(name)} {type_text(tensor.dtype, tensor.shape)}"]
    if tensor.quantization is not None:
        words += _quantization_words(tensor.quantization)
    if tensor.data is not None:
        words.append(f"data={_constant_text(tensor.dtype, tensor.data)}")
    return " ".join(words)


def type_text(dtype: DType, shape: tuple[int, ...]) -> str:
    """Element type and shape, such as ``int8[1, 64]``."""
    return f"{dtype.value}[{', '.join(map(str, shape))}]"


def _quantization_words(quantization: Quantization) -> list[str]:
    scale, zero_point = quantization.scale, quantization.zero_point
    scales = [float32_text(s) for s in scale]
    words = [f"scale={scales[0] if len(scales) == 1 else _list_text(scales)}"]
    if zero_point.size == scale.size and np.unique(zero_point).size == 1:
        words.append(f"zero_point={int(zero_point[0])}")
    else:
        words.append(f"zero_point={_list_text([str(int(z)) for z in zero_point])}")
    if quantization.axis is not None:
        words.append(f"axis={quantization.axis}")
    return words


def _constant_text(dtype: DType, data: Array) -> str:
    if data.size > INLINE_ELEMENTS or dtype in (DType.FLOAT32, DType.BOOL):
        return constant_digest(data)
    elements: npt.NDArray[np.int64] = data.astype(np.int64).reshape(-1)
    return _list_text([str(int(e)) for e in elements])


def _list_text(items: list[str]) -> str:
    return f"[{', '.join(items)}]"
