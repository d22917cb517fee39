r"""A graph as text: one operator a line, to read, to compare, to keep.

::

    midge-graph 1
    graph "kws" sha256:5b1f...
    tensor %0 "input_1" int8[1, 49, 10, 1] scale=0.58471 zero_point=83
    tensor %1 "conv/weights" int8[8, 3, 3, 1] scale=[0.01, ...] zero_point=0 axis=0 data=sha256:...
    tensor %2 "conv/bias" int32[8] data=[1, -4, 0, 12, 7, 7, 0, -1]
    tensor %3 "relu;with \"quotes\"" int8[1, 49, 10, 8] scale=0.1 zero_point=-128
    inputs %0
    outputs %3
    layout %0 [0, 2, 3, 1]
    op "00_conv_2d" conv_2d(%0, %1, %2) -> %3 pad_before=[1, 1] pad_after=[1, 1] activation=relu
    end

The first line names the version of the form; a reader refuses one that it does not know.
Attributes stand by name, in the order of their class, without those that have their default. An
input that is left out is ``none``. A ``layout`` line stands for each input or output whose
dimensions have another order than in the source model: `Graph.layouts`. A ``variable`` outlives a
run; its data is its first value. Large constants stand as the SHA-256 of their little-endian
elements; whoever parses brings the elements along, and `midge.graph.file_form` keeps both in one
file. The same graph gives the same text, byte for byte, and `midge.graph.text_parser.parse_graph`
reads the same graph from it, bit for bit.
"""

from __future__ import annotations

import re

import numpy as np

from midge.errors import UserError
from midge.graph.text_summary import summarize
from midge.graph.text_tokens import (
    FORMAT_NAME,
    FORMAT_VERSION,
    attribute_words,
    constant_digest,
    float32_text,
    list_text,
    quote,
    type_text,
)
from midge.graph.types import Array, DType, Graph, Op, Quantization, Tensor

INLINE_ELEMENTS = 16
"""Constants of integers up to this many are written out; others by their digest."""


def format_graph(graph: Graph, *, full: bool = True) -> str:
    """The graph as text.

    Args:
        graph: Any graph whose operators name its tensors; a verified one where not `full`.
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
        raise UserError(
            f"{graph.name}: digest {graph.digest!r} has no text; verify the graph first"
        )
    lines = [
        f"{FORMAT_NAME} {FORMAT_VERSION}",
        f"graph {quote(graph.name)}" + (f" sha256:{graph.digest}" if graph.digest else ""),
        *(_tensor_line(ids[name], name, tensor) for name, tensor in graph.tensors.items()),
        " ".join(["inputs", _references(graph, ids, graph.inputs)]).rstrip(),
        " ".join(["outputs", _references(graph, ids, graph.outputs)]).rstrip(),
        *_layout_lines(graph, ids),
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


def _layout_lines(graph: Graph, ids: dict[str, str]) -> list[str]:
    """In the order of the tensors, so that equal graphs give the same text."""
    _references(graph, ids, tuple(graph.layouts))
    return [
        f"layout {ids[name]} {list_text([str(int(d)) for d in graph.layouts[name]])}"
        for name in graph.tensors
        if name in graph.layouts
    ]


def _op_line(graph: Graph, ids: dict[str, str], op: Op) -> str:
    inputs, outputs = (_references(graph, ids, names) for names in (op.inputs, op.outputs))
    words = [
        f"op {quote(op.name)} {op.kind}({inputs}) ->",
        outputs,
        *attribute_words(op.attributes),
    ]
    return " ".join(word for word in words if word)


def _tensor_line(reference: str, name: str, tensor: Tensor) -> str:
    if tensor.name != name:
        raise UserError(
            f"tensor {name!r} is filed under another name than its own, {tensor.name!r}"
        )
    words = [f"tensor {reference} {quote(name)} {type_text(tensor.dtype, tensor.shape)}"]
    if tensor.quantization is not None:
        words += _quantization_words(tensor.quantization)
    if tensor.variable:
        words.append("variable")
    if tensor.data is not None:
        words.append(f"data={_constant_text(tensor.dtype, tensor.data)}")
    return " ".join(words)


def _quantization_words(quantization: Quantization) -> list[str]:
    scale, zero_point = quantization.scale, quantization.zero_point
    scales = [float32_text(s) for s in scale]
    words = [f"scale={scales[0] if len(scales) == 1 else list_text(scales)}"]
    if zero_point.size == scale.size and np.unique(zero_point).size == 1:
        words.append(f"zero_point={int(zero_point[0])}")
    else:
        words.append(f"zero_point={list_text([str(int(z)) for z in zero_point])}")
    if quantization.axis is not None:
        words.append(f"axis={quantization.axis}")
    return words


def stands_as_digest(dtype: DType, data: Array) -> bool:
    """True for constants whose elements the text does not hold."""
    return data.size > INLINE_ELEMENTS or dtype in (DType.FLOAT32, DType.BOOL)


def _constant_text(dtype: DType, data: Array) -> str:
    if stands_as_digest(dtype, data):
        return constant_digest(data)
    return list_text([str(e) for e in data.reshape(-1).tolist()])
