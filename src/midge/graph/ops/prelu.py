"""prelu: negative elements are multiplied by a slope of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.graph.elementwise import as_codes, broadcast_shape, centred
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import Requantization, requantization, requantize
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType


@dataclass(frozen=True, kw_only=True)
class Prelu(Attributes):
    """``y = x if x >= 0 else x * slope``.

    Of codes, with ``x' = x - x_zero``: ``rescale(x')``, and ``rescale(x' * (slope - slope_zero))``
    where x' is negative, plus ``y_zero``, saturated.

    Inputs:
        x: int8 or int16, per tensor, or float32.
        slope: int8, per tensor, for int8 and int16; float32 for float32; of a shape that broadcasts
            with x's as NumPy's do.

    Output:
        x's type, of the broadcast shape.

    Sources: TFLM `kernels/internal/reference/prelu.h`, `micro/kernels/prelu_common.cc`.
    """

    kind = "prelu"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, x: Tensor, slope: Tensor, y: Tensor) -> tuple[Requantization, Requantization]:
        """Of elements that are kept, and of products."""
        kept, product = x.scale / y.scale, x.scale * slope.scale / y.scale
        return (
            requantization(np.array([kept]), self.rounding),
            requantization(np.array([product]), self.rounding),
        )

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the broadcast shape, of x's type."""
        x, slope = (tensor(t) for t in take(inputs, 2))
        expect_type(x, *self.types)
        expect_type(slope, DType.FLOAT32 if x.dtype is DType.FLOAT32 else DType.INT8)
        return (TensorType(broadcast_shape(x, slope), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Codes have one scale each, and the factors can be had."""
        x, slope, y = tensor(inputs[0]), tensor(inputs[1]), outputs[0]
        if x.dtype is not DType.FLOAT32:
            for value in (x, slope, y):
                expect_per_tensor(value)
            self.factors(x, slope, y)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Both branches, then a choice."""
        x, slope, y = tensor(inputs[0]), tensor(inputs[1]), outputs[0]
        if x.dtype is DType.FLOAT32:
            real, slopes = np.asarray(values[0]), np.asarray(values[1])
            with np.errstate(all="ignore"):
                return (np.asarray(np.where(real >= 0, real, real * slopes), np.float32),)
        codes = centred(values[0], x)
        kept, product = self.factors(x, slope, y)
        negative = requantize(codes * centred(values[1], slope), product)
        return (as_codes(np.where(codes >= 0, requantize(codes, kept), negative), y),)
