"""add_n: the sum of two or more tensors of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.elementwise import centred, rescaled_codes
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import INT32_MAX, Requantization, requantization
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

LEFT_SHIFT = 20
"""Fraction bits that codes gain before they are halved, as in an addition; nothing is rounded."""
MOST_INPUTS = 256
"""The kernel keeps a list of them on its stack."""


@dataclass(frozen=True, kw_only=True)
class AddN(Attributes):
    """``y = 0 + x_0 + x_1 + ...``, from left to right.

    Of codes ``saturate(rescale((-x_zero + (x_0 - x_zero) + ...) << 19) + y_zero)``:
    the sum starts from the code 0, not from the real 0. So does TFLM's; where the zero point is not
    0 the result is off by it.

    Inputs:
        x_0, x_1, ...: 2 to 256, of one shape; int8, per tensor, all of one quantisation and at most
            as many as int32 holds the sum of, or float32. Any may be a constant.

    Output:
        The inputs' type and shape.

    Sources: TFLM `kernels/internal/reference/add_n.h`, `micro/kernels/add_n.cc`.
    """

    kind = "add_n"
    types = (DType.INT8, DType.FLOAT32)
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factor(self, x: Tensor, y: Tensor) -> Requantization:
        """Of the sum, in double precision."""
        real = 2.0 * x.scale / (2.0**LEFT_SHIFT * y.scale)
        return requantization(np.array([real]), self.rounding)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the inputs' shape and type."""
        first, *others = (tensor(t) for t in take(inputs, max(len(inputs), 2)))
        expect_type(first, *self.types)
        if len(inputs) > MOST_INPUTS:
            raise UserError(f"has {len(inputs)} inputs; supported: up to {MOST_INPUTS}")
        for value in others:
            expect_type(value, first.dtype)
            if value.shape != first.shape:
                raise UserError(
                    f"{value.name} has shape {list(value.shape)}, {first.name} "
                    f"{list(first.shape)}; expected one shape"
                )
        return (TensorType(first.shape, first.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """One quantisation of all inputs, an output that is not too fine, sums within int32."""
        first, y = tensor(inputs[0]), outputs[0]
        if first.dtype is DType.FLOAT32:
            return
        for value in (*(tensor(t) for t in inputs), y):
            expect_per_tensor(value)
        for value in (tensor(t) for t in inputs[1:]):
            if value.quantization != first.quantization:
                raise UserError(
                    f"{value.name} has scale {value.scale:g} and zero point {value.zero_point}, "
                    f"{first.name} {first.scale:g} and {first.zero_point}; expected one "
                    "quantisation of all inputs"
                )
        if first.scale / y.scale >= 2.0 ** (LEFT_SHIFT - 1):
            raise UserError(
                f"scale {first.scale:g} is not under 2**{LEFT_SHIFT - 1} times the output's "
                f"{y.scale:g}"
            )
        if self.largest_sum(len(inputs), first) > INT32_MAX:
            raise UserError(f"sums of {len(inputs)} inputs leave int32; supported here: up to 15")

    @staticmethod
    def largest_sum(count: int, x: Tensor) -> int:
        """A bound on the magnitude of the sum of so many codes, halved."""
        low, high = x.dtype.limits
        reach = max(high - x.zero_point, x.zero_point - low)
        return (count * reach + abs(x.zero_point)) << (LEFT_SHIFT - 1)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """In the order of the inputs."""
        x, y = tensor(inputs[0]), outputs[0]
        if x.dtype is DType.FLOAT32:
            real = np.zeros(y.shape, np.float32)
            with np.errstate(all="ignore"):
                for value in values:
                    real = np.asarray(real + np.asarray(value), np.float32)
            return (real,)
        total = np.full(y.shape, -x.zero_point, np.int64)
        for value in values:
            total = total + centred(value, x)
        return (rescaled_codes(total << (LEFT_SHIFT - 1), self.factor(x, y), y),)
