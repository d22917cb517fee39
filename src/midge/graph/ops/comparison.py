"""equal, not_equal, greater, greater_equal, less, less_equal: bool from two tensors, broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from midge.errors import UserError
from midge.graph.elementwise import Binary, centred
from midge.graph.operands import expect_per_tensor, expect_same_reals, tensor
from midge.graph.requantize import Requantization, requantization, requantize
from midge.graph.types import Array, DType, Rounding, Tensor, TensorType

LEFT_SHIFT = 8
"""Fraction bits that codes gain before they are brought to reals."""
_NUMBERS = (DType.INT8, DType.INT32, DType.INT64, DType.FLOAT32)


@dataclass(frozen=True, kw_only=True)
class Comparison(Binary):
    """``y = compare(a, b)``; of codes ``compare(rescale_a(a'), rescale_b(b'))``.

    ``a' = (a - a_zero) << 8`` times a's scale, rounded, and so for b: codes whose reals lie within
    2**-8 of each other may count as equal.

    Inputs:
        a, b: int8, per tensor, with scales under 1, or int32, int64 or float32 (`Equal` and
            `NotEqual` also bool), of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        bool of the broadcast shape.

    Sources: TFLM `kernels/internal/reference/comparisons.h`, `micro/kernels/comparisons.cc`.
    """

    types: ClassVar[tuple[DType, ...]] = _NUMBERS
    compare: ClassVar[Callable[..., Any]]
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def factors(self, a: Tensor, b: Tensor) -> tuple[Requantization, Requantization]:
        """From codes to reals."""
        return (
            requantization(np.array([a.scale]), self.rounding),
            requantization(np.array([b.scale]), self.rounding),
        )

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the broadcast shape, bool."""
        (operands,) = super().infer(inputs)
        return (TensorType(operands.shape, DType.BOOL),)

    def check(
        self,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],  # noqa: ARG002 - it is not quantised
    ) -> None:
        """Codes have one scale each, under 1; other integers are compared as they are stored."""
        a, b = tensor(inputs[0]), tensor(inputs[1])
        if a.dtype is not DType.INT8:
            if a.dtype in (DType.INT32, DType.INT64):
                expect_same_reals(a, b)
            return
        for value in (a, b):
            expect_per_tensor(value)
            if value.scale >= 1:
                raise UserError(
                    f"{value.name} has scale {value.scale:g}; a comparison takes scales under 1"
                )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Element by element; any comparison but `not_equal` with what is not a number is false."""
        a, b = np.asarray(values[0]), np.asarray(values[1])
        types = tensor(inputs[0]), tensor(inputs[1])
        if types[0].dtype is DType.INT8:
            factor_a, factor_b = self.factors(*types)
            a = requantize(centred(a, types[0]) << LEFT_SHIFT, factor_a)
            b = requantize(centred(b, types[1]) << LEFT_SHIFT, factor_b)
        return (np.asarray(type(self).compare(a, b)).reshape(outputs[0].shape),)


@dataclass(frozen=True, kw_only=True)
class Equal(Comparison):
    """``a == b``; see `Comparison`."""

    kind = "equal"
    types = (*_NUMBERS, DType.BOOL)
    compare = np.equal


@dataclass(frozen=True, kw_only=True)
class NotEqual(Comparison):
    """``a != b``; see `Comparison`."""

    kind = "not_equal"
    types = (*_NUMBERS, DType.BOOL)
    compare = np.not_equal


@dataclass(frozen=True, kw_only=True)
class Greater(Comparison):
    """``a > b``; see `Comparison`."""

    kind = "greater"
    compare = np.greater


@dataclass(frozen=True, kw_only=True)
class GreaterEqual(Comparison):
    """``a >= b``; see `Comparison`."""

    kind = "greater_equal"
    compare = np.greater_equal


@dataclass(frozen=True, kw_only=True)
class Less(Comparison):
    """``a < b``; see `Comparison`."""

    kind = "less"
    compare = np.less


@dataclass(frozen=True, kw_only=True)
class LessEqual(Comparison):
    """``a <= b``; see `Comparison`."""

    kind = "less_equal"
    compare = np.less_equal
