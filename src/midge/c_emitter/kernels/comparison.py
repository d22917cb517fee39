"""Kernels of comparisons and of logical_and and logical_or: `compare.h`, `compare_s8.h`."""

from __future__ import annotations

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import BroadcastKernel, Fields, attributes_of, factor_fields
from midge.c_emitter.kernel import Layer, Places
from midge.graph import DType, Tensor
from midge.graph.ops.comparison import (
    LEFT_SHIFT,
    Comparison,
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    NotEqual,
)
from midge.graph.ops.logical import LogicalAnd, LogicalOr

_COMPARISONS = {
    Equal.kind: "MIDGE_EQUAL",
    NotEqual.kind: "MIDGE_NOT_EQUAL",
    Greater.kind: "MIDGE_GREATER",
    GreaterEqual.kind: "MIDGE_GREATER_EQUAL",
    Less.kind: "MIDGE_LESS",
    LessEqual.kind: "MIDGE_LESS_EQUAL",
}
_OF_BOOL = {LogicalAnd.kind: "MIDGE_LOGICAL_AND", LogicalOr.kind: "MIDGE_LOGICAL_OR"}


class ComparePortable(BroadcastKernel):
    """Numbers as they are stored."""

    kinds = tuple(_COMPARISONS)
    source = "compare.h"
    struct = "midge_compare"

    def __init__(self, dtype: DType, suffix: str) -> None:
        self.types = (dtype,)
        self.function = f"midge_compare_{suffix}"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Which comparison."""
        return {"comparison": (_COMPARISONS | _OF_BOOL)[layer.op.kind]}, ()


class CompareBool(ComparePortable):
    """Bytes that are 0 or not."""

    kinds = (Equal.kind, NotEqual.kind, *_OF_BOOL)


class CompareCodes(BroadcastKernel):
    """Codes brought to reals."""

    kinds = tuple(_COMPARISONS)
    function = "midge_compare_s8"
    source = "compare_s8.h"
    struct = "midge_compare_s8"

    def applies(self, layer: Layer) -> bool:
        """The roundings that `requantize.h` has."""
        rounding = attributes_of(layer, Comparison).rounding
        return rounding in weighted.ROUNDINGS and super().applies(layer)

    def fields(self, layer: Layer, places: Places) -> Fields:
        """Which comparison, factors and zero points."""
        a, b = layer.input(0), layer.input(1)
        factors = dict(zip("ab", attributes_of(layer, Comparison).factors(a, b), strict=True))
        reaches = {"a": _reach(a), "b": _reach(b)}
        return {
            "comparison": _COMPARISONS[layer.op.kind],
            "a_zero": a.zero_point,
            "b_zero": b.zero_point,
            **factor_fields(factors, reaches, places),
        }, ()


def _reach(x: Tensor) -> tuple[int, int]:
    low, high = x.dtype.limits
    return (low - x.zero_point) << LEFT_SHIFT, (high - x.zero_point) << LEFT_SHIFT


KERNELS = (
    ComparePortable(DType.INT32, "s32"),
    ComparePortable(DType.INT64, "s64"),
    ComparePortable(DType.FLOAT32, "f32"),
    CompareBool(DType.BOOL, "u8"),
    CompareCodes(),
)
