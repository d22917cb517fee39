"""What operators on each element of one tensor share: the shape rule, and two kinds of meaning.

`RealFunction` is a function of reals, computed in float32; integers are taken to reals and back, as
TFLite does through tables. `PiecewiseLinear` rescales integers, with one factor above the zero
point and one below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import function_tables
from midge.graph.elementwise import expect_symmetric
from midge.graph.function_tables import Float32Array
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    requantization,
    requantize,
    wrap_int32,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

QUANTIZED_OR_FLOAT = (DType.INT8, DType.INT16, DType.FLOAT32)
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)
"""How integers of 8, 16 and 32 bits may be rescaled."""


class Unary(Attributes):
    """An operator whose output has x's shape, and each element follows from one of x."""

    def output_type(self, x: Tensor) -> DType:
        """The output's element type."""
        return x.dtype

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape."""
        (x,) = take(inputs, 1)
        x = tensor(x)
        expect_type(x, *self.types)
        return (TensorType(x.shape, self.output_type(x)),)


class RealOrQuantized(Unary):
    """A function of float32 numbers, and its counterpart on integers."""

    def real(self, x: Float32Array) -> Float32Array:
        """The meaning for float32."""
        raise NotImplementedError

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """What must hold of integers."""
        raise NotImplementedError

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """The meaning for integers."""
        raise NotImplementedError

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Integers have one scale each, int16 zero points of 0."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            return
        expect_per_tensor(x)
        expect_per_tensor(y)
        expect_symmetric(x, y)
        self.check_quantized(x, y)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """By the type of x."""
        x, stored = tensor(inputs[0]), np.asarray(values[0])
        if x.dtype is DType.FLOAT32:
            return (function_tables.quietly(self.real, stored.astype(np.float32)),)
        return (self.evaluate_quantized(stored, x, outputs[0]),)


class RealFunction(RealOrQuantized):
    """An operator that is a function of float32 numbers.

    Integers are taken to reals, and the function's value to the nearest integer, halfway cases away
    from zero, held within the type; where the function has no value the least integer stands. Of
    int16 that is done at 513 places, between which lie straight lines.
    """

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """Float32 can compute with the scales."""
        function_tables.expect_usable_scale(x)
        function_tables.expect_usable_scale(y)

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """Through a table."""
        if x.dtype is DType.INT16:
            table = function_tables.int16_table(self.real, x, y)
            return function_tables.interpolate(values, table)
        return function_tables.int8_lookup(values, function_tables.int8_table(self.real, x, y))


@dataclass(frozen=True)
class Piece:
    """One straight part of a function of ``v = x - x_zero``.

    Attributes:
        factor: From v's steps to the output's.
        negate_input: It is -v that is rescaled.
        negate_result: The rescaled value is negated.
    """

    factor: Requantization
    negate_input: bool = False
    negate_result: bool = False

    def apply(self, v: Int64Array) -> Int64Array:
        """The output, without its zero point."""
        scaled = requantize(-v if self.negate_input else v, self.factor)
        return -scaled if self.negate_result else scaled


@dataclass(frozen=True, kw_only=True)
class PiecewiseLinear(RealOrQuantized):
    """``y = clamp(rescale(x - x_zero) + y_zero)``, straight on each side of the zero point."""

    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """The part of ``v >= 0`` and that of ``v < 0``."""
        raise NotImplementedError

    def bounds(self, y: Tensor) -> tuple[int, int]:
        """The clamp, ends included."""
        return y.dtype.limits

    def check_quantized(self, x: Tensor, y: Tensor) -> None:
        """Factors can hold the ratio of the scales, codes the clamp."""
        self.pieces(x, y)
        self.bounds(y)

    def evaluate_quantized(self, values: Array, x: Tensor, y: Tensor) -> Array:
        """Rescaled, rounded and clamped."""
        above, below = self.pieces(x, y)
        v = wrap_int32(values.astype(np.int64) - x.zero_point)
        scaled = np.where(v >= 0, above.apply(v), below.apply(v)) + y.zero_point
        return np.asarray(np.clip(scaled, *self.bounds(y))).astype(y.dtype.numpy)


def scale_ratio(x: Tensor, y: Tensor, rounding: Rounding) -> Requantization:
    """The quotient of two scales, in double precision, as a factor; errors as of `one_factor`."""
    return one_factor(x.scale / y.scale, rounding)


def one_factor(real: float, rounding: Rounding) -> Requantization:
    """One factor for all elements.

    Raises:
        UserError: it is too large, or the rounding has no meaning here.
    """
    if rounding not in ROUNDINGS:
        supported = ", ".join(r.value for r in ROUNDINGS)
        raise UserError(f"rounding {rounding.value}; supported here: {supported}")
    return requantization(np.array([real]), rounding)
