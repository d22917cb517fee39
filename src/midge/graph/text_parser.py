"""Text -> graph: the inverse of `midge.graph.text.format_graph`, for text from anywhere.

Nothing is evaluated, and nothing nests deeper than an attribute's type says; memory and time are
proportional to the text, whose size is limited. A text that parses is not yet a sensible graph:
`verify` says whether it is.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import math
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import InternalError, UnsupportedError, UserError
from midge.graph.ops import OPS
from midge.graph.text_tokens import (
    FORMAT_NAME,
    FORMAT_VERSION,
    Line,
    constant_digest,
    hidden_character,
    type_text,
)
from midge.graph.types import Array, Attributes, DType, Graph, Op, Quantization, Tensor
from midge.graph.verify import HIGHEST_RANK

LARGEST_TEXT = 1 << 21
"""Characters, read in seconds; the networks of MLPerf Tiny take up to a hundred thousand."""
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1


ConstantSource = Callable[[str, DType, tuple[int, ...]], Array]
"""Gives the elements of a constant by its name, type and shape, or raises UserError.

It is asked in the text's order. What it may say is "is not there"; the place is added.
"""


def parse_graph(text: str, constants: Mapping[str, Array] | None = None) -> Graph:
    """Read a graph from its text form.

    Args:
        text: What `format_graph` gave; lines that are empty or start with ``#`` are passed over.
        constants: The elements of constants that stand as a digest, by tensor name, of the tensor's
            shape and dtype.

    Returns:
        The graph, equal to the one that was formatted. It is not verified.

    Raises:
        UserError: the text is malformed, with line, column, what was found and what was expected;
            or a constant is missing or not the one that the text names.
        UnsupportedError: it is of another version, or has an operator that Midge does not have.
    """
    given = constants or {}

    def given_constant(name: str, dtype: DType, shape: tuple[int, ...]) -> Array:
        if name not in given:
            raise UserError(f"is not among the {len(given)} given ones")
        data = given[name]
        if (data.dtype, data.shape) != (dtype.numpy, shape):
            raise UserError(f"is given as {data.dtype}{list(data.shape)}")
        return data

    return parse_text(text, given_constant)


def parse_text(text: str, constant: ConstantSource, *, first_line: int = 1) -> Graph:
    """As `parse_graph`, where constants come from a function.

    Args:
        text: What `format_graph` gave.
        constant: Called for each constant that stands as a digest.
        first_line: Number of the text's first line in what it is a part of, for messages.

    Raises:
        UserError: as `parse_graph`; or what `constant` raises, with the place.
        UnsupportedError: as `parse_graph`.
    """
    if len(text) > LARGEST_TEXT:
        raise UserError(f"graph text: {len(text)} characters; up to {LARGEST_TEXT} are read")
    if hidden := hidden_character(text):
        number = text.count("\n", 0, hidden.start()) + first_line
        column = hidden.start() - text.rfind("\n", 0, hidden.start())
        raise UserError(
            f"graph text: line {number}, column {column}: found an invisible character, expected "
            f"it as \\u{{{ord(hidden[0]):x}}} in a name"
        )
    return _Parser(text, constant, first_line).graph()


class _Parser:
    """One pass over the lines; the first word of a line says what it holds."""

    def __init__(self, text: str, constant: ConstantSource, first_line: int) -> None:
        self.constant_source = constant
        self.names: dict[str, str] = {}  # by reference, such as %3
        self.tensors: dict[str, Tensor] = {}
        lines = text.split("\n")
        _check_version(lines[0], first_line)
        self.last_line = first_line + len(lines) - 1
        self.lines: Iterator[tuple[int, str]] = (
            (number, line)
            for number, line in enumerate(lines[1:], start=first_line + 1)
            if line.strip(" ") and not line.startswith("#")
        )

    def graph(self) -> Graph:
        line = self.next_line()
        line.mark("graph")
        name, digest = line.name("the graph's name in double quotes"), ""
        if line.token.kind == "digest":
            digest = line.take("digest", "a digest").removeprefix("sha256:")
        line.end()
        line = self.next_line()
        while line.skip("tensor"):
            self.tensor(line)
            line = self.next_line()
        inputs = self.ends(line, "inputs", "'tensor' or 'inputs'")
        line = self.next_line()
        outputs = self.ends(line, "outputs", "'outputs'")
        layouts: dict[str, tuple[int, ...]] = {}
        line = self.next_line()
        while line.skip("layout"):
            self.layout(line, layouts)
            line = self.next_line()
        ops: list[Op] = []
        while line.skip("op"):
            ops.append(self.op(line))
            line = self.next_line()
        if not line.skip("end"):
            raise line.error("'op' or 'end'" if ops else "'layout', 'op' or 'end'")
        line.end()
        for number, rest in self.lines:
            raise Line(rest, number).error("no more lines after 'end'")
        return Graph(name, self.tensors, tuple(ops), inputs, outputs, digest, layouts)

    def next_line(self) -> Line:
        for number, line in self.lines:
            return Line(line, number)
        raise UserError(
            f"graph text: line {self.last_line}: found the end of the text, expected a line "
            "'end'; the text is cut off"
        )

    def ends(self, line: Line, word: str, expected: str) -> tuple[str, ...]:
        if not line.skip(word):
            raise line.error(expected)
        names = self.references(line)
        line.end()
        return names

    def references(self, line: Line) -> tuple[str, ...]:
        names: list[str] = []
        while line.token.kind == "tensor" or line.sees("none") or names:
            names.append("" if line.skip("none") else self.reference(line))
            if not line.skip(","):
                break
        return tuple(names)

    def reference(self, line: Line) -> str:
        if line.token.kind == "tensor" and line.token.text not in self.names:
            raise line.error("a tensor that a line above declares")
        return self.names[line.take("tensor", "a tensor such as %0")]

    def layout(self, line: Line, layouts: dict[str, tuple[int, ...]]) -> None:
        at = line.token
        name = self.reference(line)
        if name in layouts:
            line.token = at
            raise line.error("a tensor that has no layout yet")
        numbers = _list(line, lambda: line.integer(INT64_MIN, INT64_MAX), HIGHEST_RANK)
        layouts[name] = tuple(numbers)
        line.end()

    def tensor(self, line: Line) -> None:
        if line.token.text in self.names:
            raise line.error("a number that no other tensor has")
        reference = line.take("tensor", "the tensor's number, such as %0")
        at = line.token
        name = line.name("the tensor's name in double quotes")
        if not name or name in self.tensors:
            line.token = at
            raise line.error("a name that is not empty and that no other tensor has")
        dtype = _dtype(line)
        shape = tuple(_list(line, lambda: line.integer(INT64_MIN, INT64_MAX), HIGHEST_RANK))
        quantization = _quantization(line)
        variable = line.skip("variable")
        data = self.data(line, name, dtype, shape) if line.skip("data") else None
        line.end()
        self.names[reference] = name
        self.tensors[name] = Tensor(name, shape, dtype, quantization, data, variable)

    def data(self, line: Line, name: str, dtype: DType, shape: tuple[int, ...]) -> Array:
        line.mark("=")
        at = line.token
        if at.kind == "digest":
            digest = line.take("digest", "a digest")
            return self.constant(line, name, (dtype, shape), digest)
        if dtype in (DType.FLOAT32, DType.BOOL):
            raise line.error(f"sha256: and 64 hexadecimal digits for {dtype.value}")
        values = _list(line, lambda: line.integer(*dtype.limits))
        if len(values) != math.prod(shape) or any(extent < 0 for extent in shape):
            line.token = at
            raise line.error(f"as many as {type_text(dtype, shape)} has", f"{len(values)} elements")
        return np.array(values, dtype.numpy).reshape(shape)

    def constant(
        self, line: Line, name: str, declared: tuple[DType, tuple[int, ...]], digest: str
    ) -> Array:
        dtype, shape = declared
        expected = f"{type_text(dtype, shape)} of {digest}"
        place = f"graph text: line {line.number}: constant {name!r}"
        try:
            data = self.constant_source(name, dtype, shape)
        except UserError as error:
            raise type(error)(f"{place} {error}; expected {expected}") from None
        if constant_digest(data) != digest:
            raise UserError(f"{place} is given with {constant_digest(data)}; expected {expected}")
        return data

    def op(self, line: Line) -> Op:
        name = line.name("the operator's name in double quotes")
        kind = line.token.text
        if line.token.kind == "word" and kind not in OPS:
            near = difflib.get_close_matches(kind, OPS, 3) or sorted(OPS)[:3]
            error = line.error(f"one of {len(OPS)} operators, such as {', '.join(near)}")
            raise UnsupportedError(str(error))
        line.take("word", "an operator such as conv_2d")
        line.mark("(")
        inputs = self.references(line)
        line.mark(")")
        line.mark("->")
        outputs = self.references(line)
        return Op(name, _attributes(line, OPS[kind]), inputs, outputs)


def _check_version(line: str, number: int) -> None:
    place = f"graph text: line {number}"
    found = re.fullmatch(rf"{FORMAT_NAME} ([0-9]{{1,9}})", line)
    if found is None:
        raise UserError(f"{place}: found {line[:40]!r}, expected '{FORMAT_NAME} {FORMAT_VERSION}'")
    if int(found[1]) != FORMAT_VERSION:
        newer = int(found[1]) > FORMAT_VERSION
        hint = "a newer Midge wrote it: update Midge" if newer else "no Midge writes that"
        raise UnsupportedError(
            f"{place}: found version {found[1]}, expected {FORMAT_VERSION}; {hint}"
        )


def _dtype(line: Line) -> DType:
    names = [dtype.value for dtype in DType]
    if line.token.text not in names:
        raise line.error(f"an element type: {', '.join(names)}")
    return DType(line.take("word", "an element type"))


def _list(line: Line, item: Callable[[], int], longest: int | None = None) -> list[int]:
    """Items in square brackets."""
    items: list[int] = []
    line.mark("[")
    while not line.skip("]"):
        if items:
            line.mark(",")
        if longest is not None and len(items) == longest:
            raise line.error(f"at most {longest} numbers")
        items.append(item())
    return items


def _quantization(line: Line) -> Quantization | None:
    if not line.skip("scale"):
        return None

    line.mark("=")
    scale_bits = _list(line, line.float32_bits) if line.sees("[") else [line.float32_bits()]
    line.mark("zero_point")
    line.mark("=")
    if line.sees("["):
        zeros = _list(line, lambda: line.integer(INT64_MIN, INT64_MAX))
    else:
        zeros = [line.integer(INT64_MIN, INT64_MAX)] * len(scale_bits)
    axis = None
    if line.skip("axis"):
        line.mark("=")
        axis = line.integer(0, HIGHEST_RANK - 1)
    scale: npt.NDArray[np.float32] = np.array(scale_bits, np.uint32).view(np.float32)
    return Quantization(scale, np.array(zeros, np.int64), axis)


def _attributes(line: Line, kind: type[Attributes]) -> Attributes:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    while line.token.kind != "end":
        name = line.token.text
        if name not in fields or name in values:
            missing = ", ".join(n for n in fields if n not in values) or "none"
            raise line.error(f"an attribute of {kind.kind} that is not given yet: {missing}")
        line.take("word", "an attribute")
        line.mark("=")
        values[name] = _value(line, hints[name])
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise line.error(f"attribute {name}, which {kind.kind} must have")
    return kind(**values)


def _value(line: Line, hint: Any) -> Any:
    """A value of the type that an attribute is annotated with."""
    if typing.get_origin(hint) is tuple:
        return _tuple(line, typing.get_args(hint))
    if hint is bool:
        if line.token.text not in ("true", "false"):
            raise line.error("true or false")
        return line.take("word", "true or false") == "true"
    if hint is int:
        return line.integer(INT64_MIN, INT64_MAX)
    if hint is float:
        return line.float64()
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        members = {str(member.value): member for member in hint}
        if line.token.text not in members:
            raise line.error(f"one of {', '.join(members)}")
        return members[line.take("word", "a name")]
    raise InternalError(f"graph text: attributes of type {hint} have no text form")


def _tuple(line: Line, items: tuple[Any, ...]) -> tuple[Any, ...]:
    variable = items[-1] is Ellipsis
    values: list[Any] = []
    at = line.token
    line.mark("[")
    while not line.skip("]"):
        if values:
            line.mark(",")
        if not variable and len(values) == len(items):
            raise line.error(f"']' after {len(items)} values")
        values.append(_value(line, items[0] if variable else items[len(values)]))
    if not variable and len(values) != len(items):
        line.token = at
        raise line.error(f"{len(items)} values", f"{len(values)}")
    return tuple(values)
