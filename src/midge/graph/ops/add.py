"""add, sub and squared_difference: both operands are brought to one scale, then combined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph.elementwise import (
    Activated,
    Arithmetic,
    Numbers,
    Trio,
    expect_symmetric,
    rescaled_codes,
)
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    requantization,
    requantize,
    wrap_int32,
)
from midge.graph.types import Array, DType, Rounding, Tensor

_TYPES = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)


@dataclass(frozen=True, kw_only=True)
class CommonScale(Arithmetic):
    """``combine(a, b)``, where codes are first brought to twice the larger of the two scales."""

    left_shifts: ClassVar[dict[DType, int]] = {DType.INT8: 20, DType.INT16: 15}
    """Fraction bits that codes gain before they are rescaled."""
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def combine(self, a: Numbers, b: Numbers) -> Numbers:
        """The operator itself, on float32 and on integers."""
        raise NotImplementedError

    def real_factors(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[float, float, float]:
        """Factors of a, of b and of what they combine to."""
        raise NotImplementedError

    def factors(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[Requantization, ...]:
        """The same in fixed point."""
        reals = self.real_factors(a, b, y)
        return tuple(requantization(np.array([real]), self.rounding) for real in reals)

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """The factors can be had."""
        self.factors(a, b, y)

    def of_codes(self, a: Int64Array, b: Int64Array, trio: Trio) -> Array:
        """Each operand is rescaled and rounded, then what they combine to."""
        factor_a, factor_b, factor_y = self.factors(*trio)
        shift = self.left_shifts[trio[2].dtype]
        result = self.combine(requantize(a << shift, factor_a), requantize(b << shift, factor_b))
        return rescaled_codes(result, factor_y, trio[2], self.clamp)

    def of_integers(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """Exact."""
        return self.combine(a, b)

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """One rounding an operation."""
        return self.combine(a, b)


@dataclass(frozen=True, kw_only=True)
class _Sum(CommonScale, Activated):
    """add and sub."""

    types = _TYPES

    def real_factors(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[float, float, float]:
        """In double precision."""
        twice = 2.0 * max(a.scale, b.scale)
        one = 2.0 ** self.left_shifts[y.dtype]
        return a.scale / twice, b.scale / twice, twice / (one * y.scale)

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """The output's scale is not over 2**19 (int16: 2**14) times finer than the operands'."""
        bits = self.left_shifts[y.dtype] - 1
        if self.real_factors(a, b, y)[2] >= 1:
            raise UserError(
                f"scales {a.scale:g} and {b.scale:g} are not under 2**{bits} times the output's "
                f"{y.scale:g}"
            )
        super().check_codes(a, b, y)


@dataclass(frozen=True, kw_only=True)
class Add(_Sum):
    """``y = clamp(a + b)``; of codes ``clamp(rescale_y(rescale_a(a') + rescale_b(b')) + y_zero)``.

    ``a' = (a - a_zero) << s`` and ``b' = (b - b_zero) << s``, s = 20 for int8 and 15 for int16.

    Inputs:
        a, b: int8 or int16, per tensor, or plain int32 (sums wrap around) or float32, of shapes
            that broadcast as NumPy's do; either may be a constant.

    Output:
        The operands' type, of the broadcast shape.

    Sources: TFLM `kernels/internal/reference/integer_ops/add.h`, `reference/add.h`; factors, in
    double precision, from `micro/kernels/add_common.cc`.
    """

    kind = "add"

    def combine(self, a: Numbers, b: Numbers) -> Numbers:
        """Their sum."""
        return a + b


@dataclass(frozen=True, kw_only=True)
class Sub(_Sum):
    """``y = clamp(a - b)``; codes as in `Add`.

    Inputs and output: as of `Add`.

    Sources: TFLM `kernels/internal/reference/sub.h`, `micro/kernels/sub_common.cc`, whose factors
    are written in float and come out as in double precision.
    """

    kind = "sub"

    def combine(self, a: Numbers, b: Numbers) -> Numbers:
        """Their difference."""
        return a - b


@dataclass(frozen=True, kw_only=True)
class SquaredDifference(CommonScale):
    """``y = (a - b)**2``; of codes ``saturate(rescale_y((scaled_a - scaled_b)**2) + y_zero)``.

    ``scaled_a = rescale_a((a - a_zero) << s)`` and so is b's, s = 7 for int8 and 0 for int16.

    Inputs:
        a, b: int8, or int16 with zero point 0, per tensor, or plain int32 (results wrap around) or
            float32, of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        The operands' type, of the broadcast shape; int16 with zero point 0.

    Source: TFLM `micro/kernels/squared_difference.cc`.
    """

    kind = "squared_difference"
    types = _TYPES
    left_shifts: ClassVar[dict[DType, int]] = {DType.INT8: 7, DType.INT16: 0}

    def combine(self, a: Numbers, b: Numbers) -> Numbers:
        """Their difference, which int32 holds or wraps, squared."""
        difference: Numbers = a - b
        if difference.dtype == np.int64:
            difference = wrap_int32(difference)
        square: Numbers = difference * difference
        return square

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """The factors can be had, and no difference of int16 leaves 16 bits and a sign."""
        expect_symmetric(a, b, y)
        super().check_codes(a, b, y)

    def real_factors(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[float, float, float]:
        """In double precision."""
        twice = 2.0 * max(a.scale, b.scale)
        one = 4.0 ** self.left_shifts[y.dtype]
        return a.scale / twice, b.scale / twice, twice * twice / (one * y.scale)
