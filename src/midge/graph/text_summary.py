"""A graph as two tables for people, 100 columns wide: what it computes, and in which numbers."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from midge.graph.text_tokens import attribute_words, quote
from midge.graph.types import Activation, DType, Graph, Op, Quantization, Tensor

WIDTH = 100
"""Columns of a terminal."""
NARROWEST = 8
"""Columns that a name keeps when its table is too wide."""


def summarize(graph: Graph) -> str:
    """The graph as text for people; `format_graph` with ``full=False`` gives it."""
    sources = dict.fromkeys(graph.inputs, "in")
    if len(graph.inputs) > 1:
        sources = {name: f"in {number}" for number, name in enumerate(graph.inputs)}
    for number, op in enumerate(graph.ops):
        sources.update(dict.fromkeys(op.outputs, str(number)))
    operators = [_operator_row(graph, number, op, sources) for number, op in enumerate(graph.ops)]
    numbers = [_number_row(graph, number, op) for number, op in enumerate(graph.ops)]
    title = (
        f"{graph.name}: {_counted(len(graph.ops), 'operator')}, {graph.macs():,} MACs, "
        f"{graph.constant_bytes():,} bytes of constants"
    )
    blocks = [
        [title],
        _table(_NO_HEAD, [_end_row(graph, *end) for end in _ends(graph)], "llllll", elastic=(1,)),
        _table(_OPERATOR_COLUMNS, operators, "rlllllllr", elastic=(1, 7, 2)),
        _table(_NUMBER_COLUMNS, numbers, "rrrl", elastic=(3,)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


_NO_HEAD: tuple[str, ...] = ()
_OPERATOR_COLUMNS = ("#", "operator", "from", "output", "kernel", "stride", "pad", "also", "MACs")
_NUMBER_COLUMNS = ("#", "output scale", "zero point", "constants")


def _ends(graph: Graph) -> list[tuple[str, str]]:
    variables = (("state", t.name) for t in graph.variables)
    return [
        *(("input", n) for n in graph.inputs),
        *(("output", n) for n in graph.outputs),
        *variables,
    ]


def _end_row(graph: Graph, role: str, name: str) -> tuple[str, ...]:
    tensor = graph.tensors[name]
    scale, zero_point = _numbers(tensor.quantization)
    return (
        role,
        quote(name)[1:-1],
        f"{tensor.dtype.value} {_times(tensor.shape)}",
        f"scale {scale}" if scale else "",
        f"zero point {zero_point}" if zero_point else "",
        f"in the source {_times(graph.source_shape(name))}" if name in graph.layouts else "",
    )


def _operator_row(graph: Graph, number: int, op: Op, sources: dict[str, str]) -> tuple[str, ...]:
    name = quote(op.name)[1:-1]
    inputs, outputs = graph.op_inputs(op), graph.op_outputs(op)
    read = [sources.get(t.name, quote(t.name)[1:-1]) for t in inputs if t and not t.is_constant]
    attributes = op.attributes
    apart = ("kernel", "stride", "pad_before", "pad_after", "activation", "shape")
    also = [word for word in attribute_words(attributes) if word.partition("=")[0] not in apart]
    activation = getattr(attributes, "activation", Activation.NONE)
    if activation.value != Activation.NONE.value:
        also.insert(0, activation.value)
    kernel = getattr(attributes, "kernel", None)
    stride = getattr(attributes, "stride", None)
    if kernel is None and stride is not None and len(inputs) > 1 and inputs[1] is not None:
        kernel = inputs[1].shape[1:3]
    macs = attributes.macs(inputs, outputs)
    return (
        str(number),
        name if op.kind in op.name else f"{name} ({op.kind})",
        ", ".join(read),
        ", ".join(_times(t.shape) for t in outputs),
        _times(kernel or ()),
        "" if stride in (None, (1, 1)) else _times(stride),
        _padding(getattr(attributes, "pad_before", ()), getattr(attributes, "pad_after", ())),
        " ".join(also),
        f"{macs:,}" if macs else "",
    )


def _number_row(graph: Graph, number: int, op: Op) -> tuple[str, ...]:
    outputs = [_numbers(t.quantization) for t in graph.op_outputs(op)]
    constants = [_constant(t) for t in graph.op_inputs(op) if t and t.is_constant]
    return (
        str(number),
        ", ".join(scale for scale, _ in outputs),
        ", ".join(zero_point for _, zero_point in outputs),
        "; ".join(constants),
    )


def _constant(tensor: Tensor) -> str:
    described = f"{tensor.dtype.value} {_times(tensor.shape)}"
    quantization = tensor.quantization
    # The scale of an int32 bias is the product of two others and is never read.
    if quantization is None or tensor.dtype is DType.INT32:
        return described
    if quantization.scale.size == 1:
        return f"{described}, scale {_numbers(quantization)[0]}"
    return f"{described}, {quantization.scale.size} scales {_numbers(quantization)[0]}"


def _numbers(quantization: Quantization | None) -> tuple[str, str]:
    """Scale and zero point, each a number or a range; two empty texts where there are none."""
    if quantization is None:
        return "", ""
    scale = _range(f"{float(s):.5g}" for s in np.sort(quantization.scale))
    return scale, _range(str(int(z)) for z in np.sort(quantization.zero_point))


def _range(ascending: Iterable[str]) -> str:
    numbers = list(ascending)
    if not numbers:
        return "none"
    return numbers[0] if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"


def _padding(before: tuple[int, ...], after: tuple[int, ...]) -> str:
    """``1×1`` on both sides, or before and after as ``0×0+1×1``; "" where there is none."""
    if not any((*before, *after)):
        return ""
    return _times(before) if before == after else f"{_times(before)}+{_times(after)}"


def _times(extents: Sequence[int]) -> str:
    return "×".join(map(str, extents))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _table(
    head: Sequence[str], body: Sequence[Sequence[str]], alignment: str, elastic: Sequence[int]
) -> list[str]:
    """Lines of aligned columns, two spaces apart; elastic ones give way where it is too wide.

    A column in which no row of the body has anything is left out.
    """
    rows = [head, *body] if head else body
    columns = [c for c in range(len(alignment)) if any(row[c] for row in body or rows)]
    widths = {c: max(_columns_of(row[c]) for row in rows) for c in columns}
    for c in elastic:
        excess = sum(widths.values()) + 2 * (len(columns) - 1) - WIDTH
        if c in widths and excess > 0:
            widths[c] = max(min(widths[c], NARROWEST), widths[c] - excess)
    lines = []
    for row in rows:
        cells = []
        for c in columns:
            cell = _shortened(row[c], widths[c])
            space = " " * (widths[c] - _columns_of(cell))
            cells.append(space + cell if alignment[c] == "r" else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines


def _shortened(text: str, width: int) -> str:
    """The text, its middle left out until it fits."""
    if _columns_of(text) <= width:
        return text
    # Of a name of a megabyte only the ends are looked at.
    most = 4 * width
    head, tail = text[: len(text) // 2][:most], text[len(text) // 2 :][-most:]
    while _columns_of(head) + _columns_of(tail) >= width:
        if len(head) > len(tail):
            head = head[:-1]
        else:
            tail = tail[1:]
    return f"{head}…{tail}"


def _columns_of(text: str) -> int:
    """Columns of a terminal that a text takes: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
