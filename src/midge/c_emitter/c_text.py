"""C literals: numbers, structs, arrays. The same values always give the same text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from midge.graph import Tensor

_C_TYPES = {
    np.dtype(np.int8): "int8_t",
    np.dtype(np.int16): "int16_t",
    np.dtype(np.int32): "int32_t",
    np.dtype(np.uint32): "uint32_t",
}


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The stdint.h name of a NumPy integer type."""
    return _C_TYPES[dtype.newbyteorder("=")]


def literal(value: object) -> str:
    """A field's value as C: a number, expression (str), struct (mapping) or array (sequence)."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f".{k} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "{" + ", ".join(literal(v) for v in value) + "}"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int | np.integer):
        # The most negative int32 has no literal of its own in C.
        return "INT32_MIN" if value == -(2**31) else str(int(value))
    raise TypeError(f"no C literal for {value!r}")


def compound(struct: str, fields: Mapping[str, object], indent: int) -> str:
    """A pointer to a constant struct, one field a line."""
    pad = " " * indent
    lines = [f"{pad}    .{k} = {literal(v)}," for k, v in fields.items()]
    return "\n".join([f"&(const struct {struct}){{", *lines, f"{pad}}}"])


def array(name: str, values: npt.NDArray[np.integer], alignment: int) -> str:
    """The definition of a constant array, wrapped at 110 columns."""
    kind = c_type(values.dtype)
    suffix = "u" if values.dtype.kind == "u" else ""
    numbers = ["INT32_MIN" if v == -(2**31) else f"{v}{suffix}" for v in values.tolist()]
    body = textwrap.fill(
        ", ".join(numbers), width=110, initial_indent="    ", subsequent_indent="    "
    )
    return (
        f"static const {kind} {name}[{values.size}] MIDGE_ALIGNED({alignment}) = {{\n{body}\n}};\n"
    )


def comment(text: str) -> str:
    """Text that neither ends the comment it stands in nor opens another; one line of ASCII."""
    ascii_text = " ".join(text.encode("ascii", "backslashreplace").decode("ascii").split())
    printable = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", ascii_text)
    return printable.replace("*/", "* /").replace("/*", "/ *").rstrip("\\")


def shape_text(tensor: Tensor) -> str:
    """A tensor's type and shape, such as ``int8 1x49x10x1``."""
    return f"{tensor.dtype.value} {'x'.join(map(str, tensor.shape)) or 'scalar'}"
