"""What torch.export says of a network, in plain data: from a program in memory or a .pt2 archive.

PyTorch itself is not needed here. Operators are known by the names of their overloads, such as
``aten.conv2d.default``, arguments by the names of the operator's schema; what is left out has the
schema's default.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

from midge.graph import Array, DType


class TorchType(enum.Enum):
    """Element types. The value is PyTorch's name."""

    UINT8 = "uint8"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BOOL = "bool"
    OTHER = "another type"
    """Complex, eight-bit floating-point and whatever comes."""


GRAPH_TYPES: Mapping[TorchType, DType] = {
    TorchType.UINT8: DType.UINT8,
    TorchType.INT8: DType.INT8,
    TorchType.INT16: DType.INT16,
    TorchType.INT32: DType.INT32,
    TorchType.INT64: DType.INT32,
    TorchType.FLOAT32: DType.FLOAT32,
    TorchType.BOOL: DType.BOOL,
}
"""What holds the values of computed tensors; indices have 32 bits on a microcontroller."""


@dataclass(frozen=True)
class Ref:
    """An argument that is a value of the program.

    Attributes:
        name: Of an input, a constant or a node's output.
    """

    name: str


@dataclass(frozen=True)
class Refused:
    """An argument that no converter can read.

    Attributes:
        what: It is, for messages: ``a symbolic size``.
    """

    what: str


Argument = bool | int | float | str | TorchType | Ref | Refused | tuple["Argument", ...] | None
"""What a node is given."""


@dataclass(frozen=True)
class TensorMeta:
    """Extent and element type of a value.

    Attributes:
        shape: Static.
        dtype: PyTorch's element type.
    """

    shape: tuple[int, ...]
    dtype: TorchType


@dataclass(frozen=True)
class Constant:
    """A parameter, buffer or constant tensor.

    Attributes:
        target: Where it stands in the user's module, such as ``features.3.conv.weight``.
        array: Its elements: of the NumPy dtype of its type, bfloat16 as float32; or, where they
            cannot be had, a text that says why.
    """

    target: str
    array: Array | str


@dataclass(frozen=True)
class Node:
    """A call of an operator.

    Attributes:
        name: Unique in the program.
        op: The operator's overload, such as ``aten.relu.default``.
        arguments: By the names of the operator's schema, those that were given.
        outputs: Names of its values, in order; a list of tensors counts as that many.
        module: Path of the innermost module in whose forward it stands; "" for the outermost.
        source: The user's line that calls it, such as ``model.py, line 7``; "" where unknown.
    """

    name: str
    op: str
    arguments: Mapping[str, Argument]
    outputs: tuple[str, ...]
    module: str = ""
    source: str = ""


@dataclass(frozen=True)
class Program:
    """A network.

    Attributes:
        inputs: Names of the tensors that the caller gives.
        constants: Parameters, buffers and constant tensors by the names of their values.
        buffers: Names of those values that are buffers.
        nodes: In an order in which they can run.
        outputs: Values that the caller takes, in order; None where the module returns none there.
        mutations: Buffers that the program changes: value of the buffer -> its last value.
        metas: By name, of every tensor.
        problems: What of the program cannot be said here, a line each.
        digest: SHA-256 of the file it was read from, hex; "" for one in memory.
    """

    inputs: tuple[str, ...]
    constants: Mapping[str, Constant]
    buffers: frozenset[str]
    nodes: tuple[Node, ...]
    outputs: tuple[Argument, ...]
    mutations: Mapping[str, str]
    metas: Mapping[str, TensorMeta]
    problems: tuple[str, ...] = ()
    digest: str = ""


def module_path(fields: str) -> str:
    """The innermost module's path out of what an archive says of it.

    Args:
        fields: ``key,path,class`` of each module from outside in, separated by semicolons.
    """
    innermost = fields.rsplit(";", 1)[-1]
    parts = innermost.split(",")
    return clean_path(",".join(parts[1:-1])) if len(parts) >= 3 else ""


def clean_path(path: str) -> str:
    """A module's path without what tracing has put around it."""
    cleaned = re.sub(r"^L\['self'\]\.?|^L__self__\.?", "", path)
    # A module that is called several times has the number of the call behind an @.
    return re.sub(r"@\d+$", "", cleaned)


_FRAME = re.compile(r'^ *File "(?P<file>[^"\n]*)", line (?P<line>\d+), in [^\n]*', re.MULTILINE)
_FRAMEWORK = re.compile(r"[/\\](torch|torchao)[/\\]")


def source_line(trace: str) -> str:
    """The innermost of the user's own lines in a stack trace: ``model.py, line 7``, or ""."""
    frames = [f for f in _FRAME.finditer(trace) if not _FRAMEWORK.search(f["file"])]
    if not frames:
        return ""
    file = re.split(r"[/\\]", frames[-1]["file"])[-1]
    return f"{file}, line {frames[-1]['line']}"
