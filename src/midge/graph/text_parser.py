"""Text -> graph: the inverse of `midge.graph.text.format_graph`, for text from anywhere.

Nothing is evaluated and nothing nests deeper than a list in a list; memory and time are proportional
to the text, which is limited itself. A text that parses is not yet a sensible graph: `verify` says so.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph.ops import OPS
from midge.graph.text import FORMAT_NAME, FORMAT_VERSION, type_text
from midge.graph.text_tokens import Line, constant_digest, hidden_character
from midge.graph.types import Array, Attributes, DType, Graph, Op, Quantization, Tensor
from midge.graph.verify import HIGHEST_RANK

LARGEST_TEXT = 1 << 24
"""Characters; the networks of MLPerf Tiny take some tens of thousands."""
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

_T = TypeVar("_T")


def parse_graph(text: str, constants: Mapping[str, Array] | None = None) -> Graph:
    """Read a graph from its text form.

    Args:
        text: What `format_graph` gave; lines that are empty or start with ``#`` are passed over.
        constants: The elements of constants that stand as a digest, by tensor name, of the tensor's
            shape and dtype.

    Returns:
        The graph, equal to the one that was formatted. It is not verified.

    Raises:
        UserError: the text is malformed, with line, column, what was found and what was expected; or
            a constant is missing or not the one that the text names.
        UnsupportedError: it is of another version, or has an operator that Midge does not have.
    """
    if len(text) > LARGEST_TEXT:
        raise UserError(f"graph text: {len(text)} characters; up to {LARGEST_TEXT} are read")
    if hidden := hidden_character(text):
        number = text.count("\n", 0, hidden.start()) + 1
        column = hidden.start() - text.rfind("\n", 0, hidden.start())
        code = f"\\u{{{ord(hidden[0]):x}}}"
        raise UserError(
            f"graph text: line {number}, column {column}: found an invisible character, "
            f"expected it to be written {code} inside a name"
        )
    return _Parser(text, constants or {}).graph()


class _Parser:
    """One pass over the lines."""

    def __init__(self, text: str, constants: Mapping[str, Array]) -> None:
        self.lines = iter(text.split("\n"))
        self.number = 0
        self.constants = constants
        self.names: dict[str, str] = {}
        self.tensors: dict[str, Tensor] = {}

    def graph(self) -> Graph:
        line = self.next_line()
        line.version()
