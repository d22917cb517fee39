"""relu, relu6, relu_n1_to_1 and leaky_relu: straight lines with a bend or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph.elementwise_unary import (
    QUANTIZED_OR_FLOAT,
    Piece,
    PiecewiseLinear,
    one_factor,
    scale_ratio,
)
from midge.graph.float_clamp import clamp_float
from midge.graph.function_tables import Float32Array
from midge.graph.requantize import activation_range
from midge.graph.types import Activation, Tensor


class _Clamp(PiecewiseLinear):
    """A clamp to two reals; integers are rescaled as well."""

    activation: ClassVar[Activation]
    low: ClassVar[np.float32]
    high: ClassVar[np.float32]

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """One factor throughout."""
        piece = Piece(scale_ratio(x, y, self.rounding))
        return piece, piece

    def bounds(self, y: Tensor) -> tuple[int, int]:
        """The clamp of a fused activation."""
        return activation_range(y, self.activation)

    def real(self, x: Float32Array) -> Float32Array:
        """A clamp in which NaN stays NaN and a zero keeps its sign."""
        return clamp_float(x, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Relu(_Clamp):
    """``y = max(x, 0)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLM `micro/kernels/activations_common.cc`.
    """

    kind = "relu"
    types = QUANTIZED_OR_FLOAT
    activation = Activation.RELU
    low, high = np.float32(0), np.float32(np.inf)


@dataclass(frozen=True, kw_only=True)
class Relu6(_Clamp):
    """``y = min(max(x, 0), 6)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLite `kernels/activations.cc`, QuantizedReluX. TFLM does not rescale: it is equal
    where input and output have one scale and zero point, and clamps input codes elsewhere.
    """

    kind = "relu6"
    types = QUANTIZED_OR_FLOAT
    activation = Activation.RELU6
    low, high = np.float32(0), np.float32(6)


@dataclass(frozen=True, kw_only=True)
class ReluN1To1(_Clamp):
    """``y = min(max(x, -1), 1)``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    Source: TFLite `kernels/activations.cc`, QuantizedReluX; TFLM does not have it.
    """

    kind = "relu_n1_to_1"
    types = QUANTIZED_OR_FLOAT
    activation = Activation.RELU_N1_TO_1
    low, high = np.float32(-1), np.float32(1)


@dataclass(frozen=True, kw_only=True)
class LeakyRelu(PiecewiseLinear):
    """``y = x`` where ``x > 0``, elsewhere ``y = alpha * x``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type.

    `alpha` is a float32 of any sign and size. Sources: TFLM
    `kernels/internal/reference/leaky_relu.h`, `micro/kernels/leaky_relu_common.cc`.
    """

    kind = "leaky_relu"
    types = QUANTIZED_OR_FLOAT
    alpha: float

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """The factor below has alpha's magnitude, in double precision; its sign comes last."""
        ratio = x.scale * float(np.float32(self.alpha)) / y.scale
        above = Piece(scale_ratio(x, y, self.rounding))
        below = Piece(one_factor(abs(ratio), self.rounding), negate_result=ratio < 0)
        return above, below

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Alpha is a finite float32; scales as of any piecewise linear operator."""
        if not abs(self.alpha) <= float(np.finfo(np.float32).max):
            raise UserError(f"alpha {self.alpha:g} is not a finite float32")
        super().check(inputs, outputs)

    def real(self, x: Float32Array) -> Float32Array:
        """Alpha may be over 1 or under 0: the sign of x decides, not the larger of two."""
        return np.where(x > 0, x, x * np.float32(self.alpha))
