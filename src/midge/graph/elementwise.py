"""What operators on each element of two or more tensors share: shapes, types, plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph.float_clamp import activate_float
from midge.graph.operands import expect_per_tensor, expect_type, take, tensor
from midge.graph.requantize import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    Requantization,
    activation_range,
    requantize,
    wrap_int32,
)
from midge.graph.types import Activation, Array, Attributes, DType, Tensor, TensorType

QUANTIZED = (DType.INT8, DType.INT16)
"""Types whose arithmetic rescales."""
Numbers = npt.NDArray[Any]
"""int64 that holds exact results, or float32."""
Trio = tuple[Tensor, Tensor, Tensor]
"""Both operands and the output."""

_INT32_RANGES = {
    Activation.NONE: (INT32_MIN, INT32_MAX),
    Activation.RELU: (0, INT32_MAX),
    Activation.RELU6: (0, 6),
    Activation.RELU_N1_TO_1: (-1, 1),
}


def broadcast_shape(*tensors: Tensor) -> tuple[int, ...]:
    """The shape that tensors broadcast to, as NumPy's do.

    Raises:
        UserError: they do not.
    """
    try:
        return np.broadcast_shapes(*(t.shape for t in tensors))
    except ValueError:
        *first, last = (f"{list(t.shape)} of {t.name}" for t in tensors)
        raise UserError(f"shapes {', '.join(first)} and {last} do not broadcast") from None


def integer_activation_range(y: Tensor, activation: Activation) -> tuple[int, int]:
    """The clamp of a fused activation on codes or plain int32, ends included.

    Source for plain numbers: TFLM `kernels/kernel_util.h`, CalculateActivationRange.
    """
    if y.dtype is DType.INT32:
        return _INT32_RANGES[activation]
    return activation_range(y, activation)


def expect_plain(*tensors: Tensor) -> None:
    """Integers that stand for themselves."""
    for value in tensors:
        if value.quantization is not None:
            raise UserError(
                f"{value.name} is {value.dtype.value} with quantisation parameters, which this "
                "operator would not heed; supported here: plain numbers"
            )


def expect_symmetric(*tensors: Tensor) -> None:
    """int16 tensors have the zero point 0."""
    for value in tensors:
        if value.dtype is DType.INT16 and value.zero_point != 0:
            raise UserError(
                f"{value.name} is int16 with zero point {value.zero_point}; supported here: 0"
            )


def centred(value: Array | None, source: Tensor) -> Int64Array:
    """Codes less their zero point."""
    return np.asarray(value).astype(np.int64) - source.zero_point


def as_codes(scaled: Int64Array, y: Tensor, activation: Activation = Activation.NONE) -> Array:
    """Rescaled results with the output's zero point, clamped, in its type."""
    clamped = np.clip(scaled + y.zero_point, *activation_range(y, activation))
    # Factors have one dimension, and bring it to scalars.
    return np.asarray(clamped).reshape(y.shape).astype(y.dtype.numpy)


def rescaled_codes(
    exact: Int64Array, factor: Requantization, y: Tensor, activation: Activation = Activation.NONE
) -> Array:
    """Exact results as the output's codes."""
    return as_codes(requantize(exact, factor), y, activation)


@dataclass(frozen=True, kw_only=True)
class Binary(Attributes):
    """An operator on each element of two tensors of one type that broadcast as NumPy's do."""

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of the broadcast shape, of the operands' type."""
        a, b = (tensor(t) for t in take(inputs, 2))
        expect_type(a, *self.types)
        expect_type(b, a.dtype)
        return (TensorType(broadcast_shape(a, b), a.dtype),)


@dataclass(frozen=True, kw_only=True)
class Arithmetic(Binary):
    """A binary operator that computes: codes are rescaled, int32 wraps around, float32 rounds.

    A subclass says what it does with each of the three.
    """

    @property
    def clamp(self) -> Activation:
        """The fused activation; none where the schema has none."""
        return Activation.NONE

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Codes with one scale each; plain numbers without."""
        a, b, y = tensor(inputs[0]), tensor(inputs[1]), outputs[0]
        if y.dtype in QUANTIZED:
            for value in (a, b, y):
                expect_per_tensor(value)
            activation_range(y, self.clamp)
            self.check_codes(a, b, y)
        elif y.dtype is DType.INT32:
            expect_plain(a, b, y)

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """By the type of the operands."""
        trio = tensor(inputs[0]), tensor(inputs[1]), outputs[0]
        a, b = np.asarray(values[0]), np.asarray(values[1])
        if trio[2].dtype in QUANTIZED:
            return (self.of_codes(centred(a, trio[0]), centred(b, trio[1]), trio),)
        if trio[2].dtype is DType.INT32:
            exact = self.of_integers(a.astype(np.int64), b.astype(np.int64))
            clamped = np.clip(wrap_int32(exact), *integer_activation_range(trio[2], self.clamp))
            return (np.asarray(clamped).astype(np.int32),)
        # Overflow, infinities and what is not a number are values like others.
        with np.errstate(all="ignore"):
            return (np.asarray(self.finish_floats(self.of_floats(a, b)), np.float32),)

    def check_codes(self, a: Tensor, b: Tensor, y: Tensor) -> None:
        """Raise UserError where scales and zero points do not suit."""

    def of_codes(self, a: Int64Array, b: Int64Array, trio: Trio) -> Array:
        """Output codes from centred operands."""
        raise NotImplementedError

    def of_integers(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """Results of int32 operands before they wrap around."""
        raise NotImplementedError

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """float32 from float32, by single IEEE operations."""
        raise NotImplementedError

    def finish_floats(self, values: Numbers) -> Numbers:
        """What is behind a float32 result; nothing without a fused activation."""
        return values


@dataclass(frozen=True, kw_only=True)
class Activated(Arithmetic):
    """An arithmetic operator with a fused activation."""

    activation: Activation = Activation.NONE

    @property
    def clamp(self) -> Activation:
        """As the attribute says."""
        return self.activation

    def finish_floats(self, values: Numbers) -> Numbers:
        """The clamp; it holds infinities even where no activation is fused."""
        return activate_float(values, self.activation)
