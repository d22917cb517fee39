"""C literals: numbers, structs, arrays. The same values always give the same text."""

from __future__ import annotations

import math
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
    np.dtype(np.int64): "int64_t",
    np.dtype(np.uint8): "uint8_t",
    np.dtype(np.uint16): "uint16_t",
    np.dtype(np.uint32): "uint32_t",
    # One byte, 0 or 1: `bool` would need a header, and means no more.
    np.dtype(np.bool_): "uint8_t",
    np.dtype(np.float32): "float",
}


def c_type(dtype: np.dtype[np.generic]) -> str:
    """The C name of a NumPy type."""
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
    if isinstance(value, np.float32):
        return float_literal(float(value))
    raise TypeError(f"no C literal for {value!r}")


def compound(struct: str, fields: Mapping[str, object], indent: int) -> str:
    """A pointer to a constant struct, one field a line."""
    pad = " " * indent
    lines = [f"{pad}    .{k} = {literal(v)}," for k, v in fields.items()]
    return "\n".join([f"&(const struct {struct}){{", *lines, f"{pad}}}"])


def float_literal(value: float) -> str:
    """A float32 as a C literal that reads back exactly; NaN without its payload."""
    if math.isnan(value):
        return '__builtin_nanf("")'
    if math.isinf(value):
        return "__builtin_inff()" if value > 0 else "-__builtin_inff()"
    text = f"{value:.9g}"
    return text + ("f" if "." in text or "e" in text else ".0f")


def _element(value: float, kind: str) -> str:
    if kind == "float":
        return float_literal(value)
    if kind == "int64_t":
        return "INT64_MIN" if value == -(2**63) else f"INT64_C({value})"
    if kind.startswith("uint"):
        return f"{int(value)}u"
    return "INT32_MIN" if value == -(2**31) else str(value)


def array(name: str, values: npt.NDArray[np.generic], alignment: int) -> str:
    """The definition of a constant array, wrapped at 110 columns."""
    kind = c_type(values.dtype)
    numbers = [_element(v, kind) for v in values.tolist()]
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
