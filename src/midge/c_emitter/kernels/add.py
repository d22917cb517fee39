"""Kernels of add, sub and squared_difference of codes: `add.h`, `add_dsp.h`."""

from __future__ import annotations

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import BroadcastKernel, Fields, attributes_of, factor_fields
from midge.c_emitter.kernel import Layer, Places
from midge.c_emitter.windowed import activation_fields
from midge.graph import DType, Tensor
from midge.graph.ops.add import Add, CommonScale, SquaredDifference, Sub

_COMBINATIONS = {
    Add.kind: "MIDGE_SUM",
    Sub.kind: "MIDGE_DIFFERENCE",
    SquaredDifference.kind: "MIDGE_SQUARED_DIFFERENCE",
}
_FUNCTIONS = {DType.INT8: "midge_add_s8", DType.INT16: "midge_add_s16"}
_Reach = tuple[int, int]


class AddPortable(BroadcastKernel):
    """Element by element."""

    kinds = tuple(_COMBINATIONS)
    variant = "portable"
    source = "add.h"
    struct = "midge_add"

    def __init__(self, dtype: DType) -> None:
        self.types = (dtype,)
        self.function = _FUNCTIONS[dtype]

    def applies(self, layer: Layer) -> bool:
        """The roundings that `requantize.h` has."""
        rounding = attributes_of(layer, CommonScale).rounding
        return rounding in weighted.ROUNDINGS and super().applies(layer)

    def fields(self, layer: Layer, places: Places) -> Fields:
        """Factors, zero points and clamp."""
        attributes = attributes_of(layer, CommonScale)
        a, b, y = layer.input(0), layer.input(1), layer.output
        left_shift = attributes.left_shifts[y.dtype]
        reach_a, reach_b = _reach(a, left_shift), _reach(b, left_shift)
        reaches = {"a": reach_a, "b": reach_b, "result": _combined(attributes, reach_a, reach_b)}
        factors = dict(zip(reaches, attributes.factors(a, b, y), strict=True))
        return {
            "combination": _COMBINATIONS[layer.op.kind],
            "a_zero": a.zero_point,
            "b_zero": b.zero_point,
            "left_shift": left_shift,
            **factor_fields(factors, reaches, places),
            **activation_fields(y, attributes.clamp),
        }, ()


class AddDsp(AddPortable):
    """The same source behind the DSP extension's header, which brings its high multiply."""

    variant = "dsp"
    source = "add_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10


def _reach(x: Tensor, left_shift: int) -> _Reach:
    """The least and the greatest shifted operand."""
    low, high = x.dtype.limits
    return (low - x.zero_point) << left_shift, (high - x.zero_point) << left_shift


def _combined(attributes: CommonScale, a: _Reach, b: _Reach) -> _Reach:
    """The least and the greatest result of operands that are halved at least, before rescaling."""
    (low_a, high_a), (low_b, high_b) = ((low // 2, -(-high // 2)) for low, high in (a, b))
    if isinstance(attributes, Add):
        return low_a + low_b, high_a + high_b
    low, high = low_a - high_b, high_a - low_b
    if isinstance(attributes, SquaredDifference):
        return 0, max(low**2, high**2)
    return low, high


KERNELS = (
    AddPortable(DType.INT8),
    AddDsp(DType.INT8),
    AddPortable(DType.INT16),
    AddDsp(DType.INT16),
)
