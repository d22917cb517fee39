"""Kernels of operators on each element of one tensor.

Every function of one byte is a table of 256; other integers are rescaled or interpolated; floats
are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import elementwise_distance
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places, operands
from midge.graph import Attributes, DType, Rounding
from midge.graph.elementwise_unary import Piece, PiecewiseLinear, RealFunction
from midge.graph.function_tables import int16_table
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Rsqrt, Sin, Sqrt, Square
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid, Mish, Silu, Softplus
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, LogicalNot, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish

CLAMPS = (Relu, Relu6, ReluN1To1)
LINEAR = (*CLAMPS, LeakyRelu, Abs, Neg)
"""Straight lines with a bend or two; quantize is one too."""
CURVES = (Elu, Gelu, HardSwish, Exp, Log, Silu, Mish, Softplus, HardSigmoid, Erf)
"""Functions that int16 interpolates."""

_FUNCTIONS: dict[type[Attributes], str] = {
    Abs: "ABS",
    Ceil: "CEIL",
    Cos: "COS",
    Elu: "ELU",
    Erf: "ERF",
    Exp: "EXP",
    Floor: "FLOOR",
    HardSigmoid: "HARD_SIGMOID",
    HardSwish: "HARD_SWISH",
    LeakyRelu: "LEAKY_RELU",
    Log: "LOG",
    Logistic: "LOGISTIC",
    Mish: "MISH",
    Neg: "NEG",
    Relu: "CLAMP",
    Relu6: "CLAMP",
    ReluN1To1: "CLAMP",
    Round: "ROUND",
    Rsqrt: "RSQRT",
    Silu: "SILU",
    Sin: "SIN",
    Softplus: "SOFTPLUS",
    Sqrt: "SQRT",
    Square: "SQUARE",
    Tanh: "TANH",
}
"""Names in `unary_f32.h`; gelu has two."""
FLOAT_KINDS = (*(operator.kind for operator in _FUNCTIONS), Gelu.kind)


class _Elementwise(Kernel):
    """One element after the other."""

    struct: str

    def overlap(self, layer: Layer, index: int) -> int | None:
        """An element is read before it is overwritten, and once."""
        return elementwise_distance(layer, index)

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """What stands behind the size in the struct."""
        return {}

    def tables(self, layer: Layer) -> tuple[Constant, ...]:  # noqa: ARG002 - most have none
        """Arrays that follow the input among the arguments."""
        return ()

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant input stands in flash."""
        inputs, held = operands(layer, places, ("input",))
        tables = self.tables(layer)
        names = (places.constant(table.suffix) for table in tables)
        fields = {"size": layer.output.size, **self.fields(layer, places)}
        arguments = (*inputs, *names, places.outputs[0])
        return Call(arguments, self.struct, fields, (*held, *tables))


class LookupPortable(_Elementwise):
    """A table made by the operator itself, of all bytes."""

    kinds = (*FLOAT_KINDS, "quantize")
    types = (DType.INT8, DType.UINT8)
    function = "midge_lookup_s8"
    source = "lookup_s8.h"
    struct = "midge_lookup"

    def applies(self, layer: Layer) -> bool:
        """A byte comes out as well."""
        return layer.output.dtype.size_bits == 8

    def tables(self, layer: Layer) -> tuple[Constant, ...]:
        """In the order of bytes without sign."""
        shape = (256,)
        x = replace(layer.input(0), shape=shape, data=None)
        y = replace(layer.output, shape=shape)
        codes = np.arange(256, dtype=np.uint8).view(x.dtype.numpy)
        (results,) = layer.op.attributes.evaluate((codes,), (x,), (y,))
        return (Constant("table", results.view(np.uint8), 1),)


class PiecewisePortable(_Elementwise):
    """Integers of one type to those of another."""

    source = "piecewise_linear.h"
    struct = "midge_piecewise"

    def __init__(self, kinds: tuple[str, ...], x: DType, y: DType) -> None:
        self.kinds = kinds
        self.types = (x,)
        self.output = y
        self.function = f"midge_piecewise_{_SUFFIXES[x]}_{_SUFFIXES[y]}"

    def applies(self, layer: Layer) -> bool:
        """What is rescaled to an int32 is not held at 2**30 as other results are."""
        attributes = _linear(layer)
        if layer.output.dtype is not self.output or attributes.rounding not in weighted.ROUNDINGS:
            return False
        above, _ = attributes.pieces(layer.input(0), layer.output)
        return (
            self.output is not DType.INT32
            or attributes.rounding is Rounding.TFLITE_DOUBLE
            or int(above.factor.shift[0]) < 0
        )

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:
        """Zero points, clamp and both pieces."""
        x, y = layer.input(0), layer.output
        attributes = _linear(layer)
        above, below = attributes.pieces(x, y)
        low, high = attributes.bounds(y)
        return {
            "x_zero": x.zero_point,
            "y_zero": y.zero_point,
            "low": low,
            "high": high,
            "straight": above is below,
            "above": self._piece(above, places),
            "below": self._piece(below, places),
        }

    def _piece(self, piece: Piece, places: Places) -> Mapping[str, object]:
        narrow = self.types[0].size_bits < 32
        found, _ = weighted.factor_fields(piece.factor, narrow, places, "factors")
        wide = bool(found["wide"]) and self.output is not DType.INT32
        return {
            "factors": {**found, "wide": wide},
            "negate_input": piece.negate_input,
            "negate_result": piece.negate_result,
        }


class InterpolatePortable(_Elementwise):
    """Between the entries of a table."""

    kinds = tuple(operator.kind for operator in CURVES)
    types = (DType.INT16,)
    function = "midge_interpolate_s16"
    source = "interpolate_s16.h"
    struct = "midge_interpolate"

    def tables(self, layer: Layer) -> tuple[Constant, ...]:
        """513 entries."""
        attributes = layer.op.attributes
        if not isinstance(attributes, RealFunction):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        return (Constant("table", int16_table(attributes.real, layer.input(0), layer.output)),)


class LogisticInt16(_Elementwise):
    """Between the entries of the one table that logistic and tanh share."""

    kinds = (Logistic.kind, Tanh.kind)
    types = (DType.INT16,)
    function = "midge_logistic_s16"
    source = "logistic_s16.h"
    struct = "midge_logistic_s16"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """The factor to the table's steps."""
        attributes = layer.op.attributes
        if not isinstance(attributes, Logistic | Tanh):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        multiplier, shift = attributes.int16_argument(layer.input(0))
        is_tanh = isinstance(attributes, Tanh)
        return {"multiplier": multiplier, "shift": shift, "is_tanh": is_tanh}


class RsqrtInt16(_Elementwise):
    """Newton's method in fixed point."""

    kinds = (Rsqrt.kind,)
    types = (DType.INT16,)
    function = "midge_rsqrt_s16"
    source = "rsqrt_s16.h"
    struct = "midge_rsqrt"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:
        """The factor to the output's steps."""
        attributes = layer.op.attributes
        if not isinstance(attributes, Rsqrt):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        factor = attributes.factor(layer.input(0), layer.output)
        return {"factors": weighted.factor_fields(factor, True, places)[0]}


class UnaryFloat(_Elementwise):
    """The function itself."""

    kinds = FLOAT_KINDS
    types = (DType.FLOAT32,)
    function = "midge_unary_f32"
    source = "unary_f32.h"
    struct = "midge_unary"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """Which function, and its attributes."""
        attributes = layer.op.attributes
        if isinstance(attributes, Gelu):
            name = "GELU_TANH" if attributes.approximate else "GELU_ERF"
        else:
            name = _FUNCTIONS[type(attributes)]
        fields: dict[str, object] = {"function": f"MIDGE_UNARY_{name}"}
        if isinstance(attributes, CLAMPS):
            fields |= {"a": attributes.low, "b": attributes.high}
        elif isinstance(attributes, LeakyRelu):
            fields["a"] = np.float32(attributes.alpha)
        elif isinstance(attributes, HardSigmoid):
            fields |= {"a": np.float32(attributes.alpha), "b": np.float32(attributes.beta)}
        return fields


class LogicalNotPortable(_Elementwise):
    """Byte by byte."""

    kinds = (LogicalNot.kind,)
    types = (DType.BOOL,)
    function = "midge_logical_not_u8"
    source = "logical_not.h"
    struct = "midge_logical_not"


class QuantizeFloat(_Elementwise):
    """float32 to integers."""

    kinds = ("quantize",)
    types = (DType.FLOAT32,)
    source = "quantize_f32.h"
    struct = "midge_quantize"

    def __init__(self, y: DType) -> None:
        self.output = y
        self.function = f"midge_quantize_f32_{_SUFFIXES[y]}"

    def applies(self, layer: Layer) -> bool:
        """This output type."""
        return layer.output.dtype is self.output

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """Scale, zero point and the ends on both sides of it."""
        y = layer.output
        low, high = (np.float32(limit - y.zero_point) for limit in y.dtype.limits)
        fields = {"y_zero": y.zero_point, "scale": np.float32(y.scale), "low": low, "high": high}
        is_even = _linear(layer).rounding is Rounding.HALF_EVEN
        return {"half_even": 1, **fields} if is_even else fields


class DequantizePortable(_Elementwise):
    """Integers to float32."""

    kinds = ("dequantize",)
    source = "dequantize.h"
    struct = "midge_dequantize"

    def __init__(self, x: DType) -> None:
        self.types = (x,)
        self.function = f"midge_dequantize_{_SUFFIXES[x]}"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """Zero point and scale."""
        x = layer.input(0)
        return {"x_zero": x.zero_point, "scale": np.float32(x.scale)}


class CastPortable(_Elementwise):
    """Any type to any other."""

    kinds = ("cast",)
    types = tuple(t for t in DType if t is not DType.INT4)
    function = "midge_cast_any"
    source = "cast.h"
    struct = "midge_cast"

    def fields(self, layer: Layer, places: Places) -> Mapping[str, object]:  # noqa: ARG002
        """Both types."""
        names = {"from": layer.input(0), "to": layer.output}
        return {k: f"MIDGE_CAST_{_SUFFIXES[t.dtype].upper()}" for k, t in names.items()}


def _linear(layer: Layer) -> PiecewiseLinear:
    attributes = layer.op.attributes
    if not isinstance(attributes, PiecewiseLinear):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


_SUFFIXES = {
    DType.BOOL: "bool",
    DType.FLOAT32: "f32",
    DType.INT16: "s16",
    DType.INT32: "s32",
    DType.INT64: "s64",
    DType.INT8: "s8",
    DType.UINT8: "u8",
}
_INT8, _INT16, _INT32 = DType.INT8, DType.INT16, DType.INT32

KERNELS = (
    LookupPortable(),
    PiecewisePortable((*(operator.kind for operator in LINEAR), "quantize"), _INT16, _INT16),
    PiecewisePortable(("quantize",), _INT16, _INT8),
    PiecewisePortable(("quantize",), _INT16, _INT32),
    PiecewisePortable(("quantize",), _INT8, _INT16),
    PiecewisePortable(("quantize",), _INT8, _INT32),
    PiecewisePortable(("quantize",), _INT32, _INT8),
    PiecewisePortable(("quantize",), _INT32, _INT16),
    InterpolatePortable(),
    LogisticInt16(),
    RsqrtInt16(),
    UnaryFloat(),
    LogicalNotPortable(),
    *(QuantizeFloat(t) for t in (DType.INT8, DType.INT16)),
    *(DequantizePortable(t) for t in (DType.INT8, DType.INT16, DType.UINT8)),
    CastPortable(),
)
