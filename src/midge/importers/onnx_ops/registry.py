"""The table of converters, and the decorator that fills it."""

from __future__ import annotations

from collections.abc import Callable

from midge.importers.onnx_ops.operands import OnnxOp, Value

Converted = Value | tuple[Value | None, ...]
"""A node's output, or all of them; None for one that may not be read."""
Convert = Callable[[OnnxOp], Converted]

CONVERTERS: dict[tuple[str, str], Convert] = {}
"""By domain ("" for ONNX's own) and type of the node."""

KEEP_CODES: set[str] = set()
"""Types of nodes whose results do not change when 128 is taken from all codes that they move."""


def converts(
    *op_types: str, domain: str = "", keeps_codes: bool = False
) -> Callable[[Convert], Convert]:
    """Register a function as the converter of some types of nodes.

    Args:
        op_types: Their names.
        domain: "" for ONNX's own.
        keeps_codes: Elements are moved or chosen, and nothing is computed with them.
    """

    def register(convert: Convert) -> Convert:
        for op_type in op_types:
            CONVERTERS[domain, op_type] = convert
            if keeps_codes:
                KEEP_CODES.add(op_type)
        return convert

    return register


def outputs_of(converted: Converted) -> tuple[Value | None, ...]:
    """As a tuple."""
    return converted if isinstance(converted, tuple) else (converted,)


__all__ = ["CONVERTERS", "KEEP_CODES", "Convert", "Converted", "converts", "outputs_of"]
