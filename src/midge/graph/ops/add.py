"""add: the sum of two tensors of different scales, broadcast, with a fused clamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    Int64Array,
    Requantization,
    activation_range,
    requantization,
    requantize,
)
from midge.graph.types import Activation, Array, Attributes, DType, Rounding, Tensor, TensorType

LEFT_SHIFT = 20
"""Fraction bits that the inputs gain before they are brought to one scale."""


@dataclass(frozen=True, kw_only=True)
class Add(Attributes):
    """``y = clamp(rescale_y(rescale_a(da << 20) + rescale_b(db << 20)) + y_zero)``.

    ``da = a - a_zero`` and ``db = b - b_zero``.

    Inputs:
        a, b: int8, per tensor, of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        int8 of the broadcast shape.

    Sources: TFLM `kernels/internal/reference/integer_ops/add.h`; factors from
    `micro/kernels/add_common.cc`.
    """

    kind = "add"
    types = (DType.INT8,)
    activation: Activation = Activation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the broadcast shape, int8."""
        a, b = (tensor(t) for t in take(inputs, 2))
        expect_type(a, DType.INT8)
        expect_type(b, DType.INT8)
        try:
            return (TensorType(np.broadcast_shapes(a.shape, b.shape), DType.INT8),)
        except ValueError:
            raise UserError(
                f"shapes {list(a.shape)} of {a.name} and {list(b.shape)} of {b.name} "
                "do not broadcast"
            ) from None

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """One scale each; the output's scale is not over 2**19 times finer than the inputs'."""
        a, b = (tensor(t) for t in take(inputs, 2))
        for value in (a, b, outputs[0]):
            expect_type(value, DType.INT8)
            expect_per_tensor(value)
        if max(a.scale, b.scale) / outputs[0].scale >= 2.0 ** (LEFT_SHIFT - 1):
            raise UserError(
                f"scales {a.scale:g} and {b.scale:g} are not under 2**19 times the output's "
                f"{outputs[0].scale:g}"
            )
        activation_range(outputs[0], self.activation)

    def factors(self, a: Tensor, b: Tensor, y: Tensor) -> tuple[Requantization, ...]:
        """The factors of a, of b (both to twice the larger scale), and of their sum."""
        twice = 2.0 * max(a.scale, b.scale)
        reals = (a.scale / twice, b.scale / twice, twice / (2.0**LEFT_SHIFT * y.scale))
        return tuple(requantization(np.array([real]), self.rounding) for real in reals)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Each input is rescaled and rounded, then the sum."""
        a, b = tensor(inputs[0]), tensor(inputs[1])
        factor_a, factor_b, factor_y = self.factors(a, b, outputs[0])

        def rescaled(value: Array | None, source: Tensor, factor: Requantization) -> Int64Array:
            centred = np.asarray(value).astype(np.int64) - source.zero_point
            return requantize(centred << LEFT_SHIFT, factor)

        total = rescaled(values[0], a, factor_a) + rescaled(values[1], b, factor_b)
        result = requantize(total, factor_y) + outputs[0].zero_point
        low, high = activation_range(outputs[0], self.activation)
        return (np.clip(result, low, high).astype(np.int8),)
