"""quantize, dequantize and cast: elements of another type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.elementwise_unary import Piece, PiecewiseLinear, Unary, scale_ratio
from midge.graph.float_math import round_half_away
from midge.graph.function_tables import Float32Array, expect_usable_scale
from midge.graph.operands import (
    expect_per_tensor,
    expect_quantized,
    expect_type,
    take,
    tensor,
)
from midge.graph.types import Array, DType, Quantization, Rounding, Tensor, TensorType

QUANTIZED_TO: dict[DType, tuple[DType, ...]] = {
    DType.FLOAT32: (DType.INT8, DType.INT16),
    DType.INT8: (DType.INT8, DType.INT16, DType.INT32, DType.UINT8),
    DType.INT16: (DType.INT8, DType.INT16, DType.INT32),
    DType.INT32: (DType.INT8, DType.INT16),
    DType.UINT8: (DType.INT8,),
}
"""Output types of quantize by the input's."""
STORED = (DType.INT4, DType.INT32, DType.INT64)
"""Further types of constants that dequantize takes: weights and biases."""


@dataclass(frozen=True, kw_only=True)
class Quantize(PiecewiseLinear):
    """``y = clamp(round(x / y_scale) + y_zero)`` of reals; integers are rescaled.

    Halfway cases of reals go away from zero, under `half_even` to the even step; integers have no
    such rounding.

    Input:
        x: float32; int8, int16, int32 or uint8 per tensor.

    Output:
        of x's shape and the type `to`, one of `QUANTIZED_TO`, per tensor. NaN becomes the zero
        point, what is too large the type's end.

    Sources: TFLM `micro/kernels/quantize_common.cc`,
    `kernels/internal/reference/quantize.h` and `requantize.h`; ONNX, QuantizeLinear.
    """

    kind = "quantize"
    types = tuple(QUANTIZED_TO)
    to: DType

    def output_type(self, x: Tensor) -> DType:
        """`to`, where there is a way from x's type."""
        supported = QUANTIZED_TO[x.dtype]
        if self.to not in supported:
            names = ", ".join(t.value for t in supported)
            raise UserError(
                f"{x.name} is {x.dtype.value}, to be quantised to {self.to.value}; supported from "
                f"it: {names}"
            )
        return self.to

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """One scale each; zero points of any type."""
        x, y = tensor(inputs[0]), outputs[0]
        expect_per_tensor(y)
        if x.dtype is DType.FLOAT32:
            expect_usable_scale(y)
        else:
            expect_per_tensor(x)
            self.pieces(x, y)

    def pieces(self, x: Tensor, y: Tensor) -> tuple[Piece, Piece]:
        """One factor."""
        piece = Piece(scale_ratio(x, y, self.rounding))
        return piece, piece

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Reals are divided by the scale and rounded."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is not DType.FLOAT32:
            return (self.evaluate_quantized(np.asarray(values[0]), x, y),)
        low, high = (limit - y.zero_point for limit in y.dtype.limits)
        with np.errstate(over="ignore", under="ignore"):
            exact = np.asarray(values[0], np.float32) / np.float32(y.scale)
        steps = np.rint(exact) if self.rounding is Rounding.HALF_EVEN else round_half_away(exact)
        steps = np.where(np.isnan(steps), np.float32(0), np.clip(steps, low, high))
        return ((steps.astype(np.int64) + y.zero_point).astype(y.dtype.numpy),)


@dataclass(frozen=True, kw_only=True)
class Dequantize(Unary):
    """``y = x_scale * (x - x_zero)``.

    Input:
        x: int8, int16 or uint8 per tensor; a constant of any integer type, per tensor or with a
            scale and zero point for each index of one dimension.

    Output:
        float32 of x's shape.

    Sources: TFLM `kernels/internal/reference/dequantize.h`, whose product in double precision is
    exact: rounding it once gives what a float32 product does; ONNX, DequantizeLinear.
    """

    kind = "dequantize"
    types = (DType.INT8, DType.INT16, DType.UINT8)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """float32 of x's shape."""
        x = tensor(take(inputs, 1)[0])
        expect_type(x, *self.types, *(STORED if x.is_constant else ()))
        return (TensorType(x.shape, DType.FLOAT32),)

    def check(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> None:
        """One scale; constants may have one for each index of a dimension."""
        x = tensor(inputs[0])
        if x.is_constant:
            expect_quantized(x)
        else:
            expect_per_tensor(x)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """A product a element."""
        x, stored = tensor(inputs[0]), np.asarray(values[0]).astype(np.int64)
        scale, zero = along_axis(x, expect_quantized(x))
        with np.errstate(over="ignore", under="ignore"):
            return ((stored - zero).astype(np.float32) * scale,)


def along_axis(x: Tensor, quantization: Quantization) -> tuple[Float32Array, npt.NDArray[np.int64]]:
    """Scales and zero points of a shape that broadcasts along the tensor's dimensions."""
    if quantization.axis is None:
        shape: tuple[int, ...] = ()
    else:
        shape = tuple(-1 if d == quantization.axis else 1 for d in range(len(x.shape)))
    return quantization.scale.reshape(shape), quantization.zero_point.reshape(shape)


@dataclass(frozen=True, kw_only=True)
class Cast(Unary):
    """``y`` is x in another type; stored integers count, whatever reals they stand for.

    Input:
        x: of any type of activations.

    Output:
        of x's shape and the type `to`. Integers lose their upper bits; reals are cut towards zero
        and held within the type, NaN becoming 0; integers become the nearest float32, ties to even;
        what is not zero is true.

    Source: TFLM `micro/kernels/cast.cc`, which lacks int64 and uint8.
    """

    kind = "cast"
    types = tuple(t for t in DType if t is not DType.INT4)
    to: DType

    def output_type(self, x: Tensor) -> DType:  # noqa: ARG002 - the interface has it
        """`to`."""
        if self.to not in self.types:
            names = ", ".join(t.value for t in self.types)
            raise UserError(f"casts to {self.to.value}; supported: {names}")
        return self.to

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """No value is out of range for what converts it."""
        stored = np.asarray(values[0])
        if tensor(inputs[0]).dtype is DType.FLOAT32 and self.to not in (DType.FLOAT32, DType.BOOL):
            return (_truncated(stored.astype(np.float32), self.to),)
        return (stored.astype(self.to.numpy),)


def _truncated(x: Float32Array, to: DType) -> Array:
    low, high = to.limits
    exact = np.where(np.isnan(x), 0.0, x).astype(np.float64)
    # The greatest int64 is no float64: what reaches 2**63 is set apart.
    inside = np.where((exact > low) & (exact < high), exact, 0.0).astype(np.int64)
    return np.where(exact >= high, high, np.where(exact <= low, low, inside)).astype(to.numpy)
