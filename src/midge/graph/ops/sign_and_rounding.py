"""abs, neg, floor, ceil, round and logical_not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.elementwise_unary import (
    QUANTIZED_OR_FLOAT,
    Piece,
    PiecewiseLinear,
    RealFunction,
    Unary,
    scale_ratio,
)
from midge.graph.function_tables import Float32Array
from midge.graph.types import Array, DType, Tensor


@dataclass(frozen=True, kw_only=True)
class Abs(PiecewiseLinear):
    """``y = |x|``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/elementwise.cc`, which takes int16 without quantisation as well.
    """

    kind = "abs"
    types = QUANTIZED_OR_FLOAT

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """What is rescaled is the magnitude."""
        ratio = scale_ratio(x, y, self.rounding)
        return Piece(ratio), Piece(ratio, negate_input=True)

    def real(self, x: Float32Array) -> Float32Array:
        """Without the sign, also of zero."""
        return np.abs(x)


@dataclass(frozen=True, kw_only=True)
class Neg(PiecewiseLinear):
    """``y = -x``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/neg.cc`, float32 alone; integers are rescaled as abs does.
    """

    kind = "neg"
    types = QUANTIZED_OR_FLOAT

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """It is the negated difference that is rescaled."""
        piece = Piece(scale_ratio(x, y, self.rounding), negate_input=True)
        return piece, piece

    def real(self, x: Float32Array) -> Float32Array:
        """With the other sign, also of zero."""
        return -x


@dataclass(frozen=True, kw_only=True)
class Floor(RealFunction):
    """``y`` is the largest whole number that is not over x.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/floor.cc`, float32 alone.
    """

    kind = "floor"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """Exact; zero keeps its sign."""
        return np.floor(x)


@dataclass(frozen=True, kw_only=True)
class Ceil(RealFunction):
    """``y`` is the least whole number that is not under x.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/ceil.cc`, float32 alone.
    """

    kind = "ceil"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """Exact; -0.0 from above -1 to 0."""
        return np.ceil(x)


@dataclass(frozen=True, kw_only=True)
class Round(RealFunction):
    """``y`` is the nearest whole number, halfway cases to the even one.

    Input:
        x: float32, or int8 per tensor.

    Output:
        of x's shape and type.

    Source: TFLM `kernels/internal/reference/round.h`, float32 alone.
    """

    kind = "round"
    types = (DType.INT8, DType.FLOAT32)

    def real(self, x: Float32Array) -> Float32Array:
        """Exact; what is rounded up from under 0 is +0.0."""
        floor = np.floor(x)
        rest = x - floor
        half = np.float32(0.5)
        is_even = np.floor(floor * half) * np.float32(2) == floor
        down = (rest < half) | ((rest == half) & is_even)
        return np.where(down, floor, floor + np.float32(1))


@dataclass(frozen=True, kw_only=True)
class LogicalNot(Unary):
    """``y = not x``.

    Input:
        x: bool. The output has its shape and type.

    Source: TFLM `micro/kernels/elementwise.cc`.
    """

    kind = "logical_not"
    types = (DType.BOOL,)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """The other of the two."""
        return (np.logical_not(np.asarray(values[0])),)
