"""What an application needs of a network's inputs and outputs in C: their types and conversions."""

from __future__ import annotations

from collections.abc import Sequence

from midge.c_emitter import c_text
from midge.c_emitter.c_text import float_literal
from midge.graph import DType, Tensor


def element_type(tensor: Tensor) -> str:
    """The C type of a tensor's elements."""
    return c_text.c_type(tensor.dtype.numpy)


def interface_type(tensors: Sequence[Tensor]) -> str:
    """What ``<name>_input`` or ``<name>_output`` points to: the common type, or ``void``."""
    kinds = {element_type(t) for t in tensors}
    return kinds.pop() if len(kinds) == 1 else "void"


def quantize_text(name: str, macro: str, index: int, tensor: Tensor) -> list[str]:
    """A function from a real number to an element of an input; nothing for plain numbers."""
    if tensor.quantization is None or tensor.dtype not in (DType.INT8, DType.INT16, DType.UINT8):
        return []
    low, high = tensor.dtype.limits
    reach = high - low + 1
    kind = element_type(tensor)
    return [
        f"/* A real number as input {index} stores it: the quotient by the scale rounded half away from zero,",
        "   plus the zero point, saturated. What is not a number is stored as the least value. */",
        f"static inline {kind} {name}_quantize_input{index}(float real) {{",
        f"    const float steps = real / {macro}_INPUT{index}_SCALE;",
        f"    if (!(steps > -{reach}.0f)) {{",
        f"        return {low};",
        "    }",
        f"    if (steps >= {reach}.0f) {{",
        f"        return {high};",
        "    }",
        "    int stored = (int)steps;",
        "    /* Exact, where adding a half before truncating would round the largest number under it up. */",
        "    const float rest = steps - (float)stored;",
        f"    stored += {macro}_INPUT{index}_ZERO_POINT + (rest >= 0.5f) - (rest <= -0.5f);",
        f"    return ({kind})(stored < {low} ? {low} : stored > {high} ? {high} : stored);",
        "}",
        "",
    ]


def dequantize_text(name: str, macro: str, index: int, tensor: Tensor) -> list[str]:
    """A function from an element of an output to a real number; nothing for plain numbers."""
    if tensor.quantization is None or tensor.dtype not in (DType.INT8, DType.INT16, DType.UINT8):
        return []
    return [
        f"/* The real number that a value of output {index} stands for. */",
        f"static inline float {name}_dequantize_output{index}({element_type(tensor)} stored) {{",
        f"    return (float)(stored - {macro}_OUTPUT{index}_ZERO_POINT) * {macro}_OUTPUT{index}_SCALE;",
        "}",
        "",
    ]


def tensor_macros(macro: str, role: str, tensor: Tensor) -> list[str]:
    """Size, scale and zero point of an input or output."""
    lines = [
        f"/* {c_text.comment(tensor.name)}: {c_text.shape_text(tensor)} */",
        f"#define {macro}_{role}_BYTES {tensor.size_bytes}",
    ]
    if tensor.quantization is not None:
        lines += [
            f"#define {macro}_{role}_SCALE {float_literal(tensor.scale)}",
            f"#define {macro}_{role}_ZERO_POINT ({tensor.zero_point})",
        ]
    return [*lines, ""]
