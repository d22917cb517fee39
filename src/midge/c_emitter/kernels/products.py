"""Kernels of mul, prelu and div of codes: `mul.h`, `prelu.h`, `div_s8.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import BroadcastKernel, Fields, attributes_of, factor_fields
from midge.c_emitter.kernel import Constant, Layer, Places
from midge.c_emitter.windowed import activation_fields
from midge.graph import Activation, DType, Tensor
from midge.graph.ops.div import RECIPROCALS, Div
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu

_SUFFIXES = {DType.INT8: "s8", DType.INT16: "s16"}


def _reach(x: Tensor) -> tuple[int, int]:
    low, high = x.dtype.limits
    return low - x.zero_point, high - x.zero_point


def _product_reach(a: Tensor, b: Tensor) -> tuple[int, int]:
    ends = [m * n for m in _reach(a) for n in _reach(b)]
    return min(ends), max(ends)


class MulPortable(BroadcastKernel):
    """Element by element."""

    kinds = (Mul.kind,)
    variant = "portable"
    source = "mul.h"
    struct = "midge_mul"

    def __init__(self, dtype: DType) -> None:
        self.types = (dtype,)
        self.function = f"midge_mul_{_SUFFIXES[dtype]}"

    def applies(self, layer: Layer) -> bool:
        """The roundings that `requantize.h` has."""
        rounding = attributes_of(layer, Mul).rounding
        return rounding in weighted.SUM_ROUNDINGS and super().applies(layer)

    def fields(self, layer: Layer, places: Places) -> Fields:
        """One factor, zero points and clamp."""
        attributes = attributes_of(layer, Mul)
        a, b, y = layer.input(0), layer.input(1), layer.output
        factors = {"product": attributes.factor(a, b, y)}
        return {
            "a_zero": a.zero_point,
            "b_zero": b.zero_point,
            **factor_fields(factors, {"product": _product_reach(a, b)}, places),
            **activation_fields(y, attributes.activation),
        }, ()


class MulDsp(MulPortable):
    """The same source behind the DSP extension's header, which brings its high multiply."""

    variant = "dsp"
    source = "mul_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10


class PreluPortable(BroadcastKernel):
    """Element by element."""

    kinds = (Prelu.kind,)
    variant = "portable"
    source = "prelu.h"
    struct = "midge_prelu"
    names = ("x", "slope")

    def __init__(self, dtype: DType) -> None:
        self.types = (dtype,)
        self.function = f"midge_prelu_{_SUFFIXES[dtype]}"

    def applies(self, layer: Layer) -> bool:
        """The roundings that `requantize.h` has."""
        rounding = attributes_of(layer, Prelu).rounding
        return rounding in weighted.ROUNDINGS and super().applies(layer)

    def fields(self, layer: Layer, places: Places) -> Fields:
        """A factor for each branch, zero points and the ends of the type."""
        attributes = attributes_of(layer, Prelu)
        x, slope, y = layer.input(0), layer.input(1), layer.output
        kept, product = attributes.factors(x, slope, y)
        reaches = {"kept": _reach(x), "product": _product_reach(x, slope)}
        return {
            "x_zero": x.zero_point,
            "slope_zero": slope.zero_point,
            **factor_fields({"kept": kept, "product": product}, reaches, places),
            **activation_fields(y, Activation.NONE),
        }, ()


class PreluDsp(PreluPortable):
    """The same source behind the DSP extension's header, which brings its high multiply."""

    variant = "dsp"
    source = "prelu_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10


class DivPortable(BroadcastKernel):
    """Element by element, by a table of 1 KB."""

    kinds = (Div.kind,)
    variant = "portable"
    types = (DType.INT8,)
    function = "midge_div_s8"
    source = "div_s8.h"
    struct = "midge_div_s8"

    def fields(self, layer: Layer, places: Places) -> Fields:
        """The table, the factor, zero points and clamp."""
        attributes = attributes_of(layer, Div)
        a, b, y = layer.input(0), layer.input(1), layer.output
        factor = attributes.factor(a, b, y)
        return {
            "a_zero": a.zero_point,
            "b_zero": b.zero_point,
            "reciprocals": places.constant("reciprocals"),
            "multiplier": int(factor.multiplier[0]),
            "shift": -int(factor.shift[0]),
            **activation_fields(y, attributes.activation),
        }, (Constant("reciprocals", RECIPROCALS.astype(np.int32)),)


KERNELS = (
    MulPortable(DType.INT8),
    MulDsp(DType.INT8),
    MulPortable(DType.INT16),
    PreluPortable(DType.INT8),
    PreluDsp(DType.INT8),
    PreluPortable(DType.INT16),
    PreluDsp(DType.INT16),
    DivPortable(),
)
