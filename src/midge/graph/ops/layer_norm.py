"""layer_norm: rows brought to a mean of zero and a variance of one, then scaled and shifted.

For importers: `torch.nn.LayerNorm` over several trailing dimensions, and ONNX LayerNormalization
with another axis, is a `reshape` to rows, this operator, and a `reshape` back; gamma and beta are
reshaped to one dimension. Where `elementwise_affine` is off both are left out. How a float operator
becomes a quantised one says `midge.graph.quantized_forms.quantize_layer_norm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from midge.errors import UserError
from midge.graph import fixed_point, float_math
from midge.graph import requantize as rq
from midge.graph.elementwise import expect_symmetric
from midge.graph.float_clamp import Float32Array
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_shape,
    expect_type,
    take,
    tensor,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType

LONGEST_ROW = 4095
"""The variance of a longer row of int16 has more than 62 bits."""
LARGEST_VARIANCE = 2**62
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)


class Bits(NamedTuple):
    """How the numbers between the input and the output of an integer layer_norm are held.

    Attributes:
        variance: Fraction bits of a row's variance times the square of its length.
        normal: Fraction bits of a normalised element, and of what beta is added to where there is
            no gamma.
        product: Bits that the product of a normalised element and gamma is shifted right by.
    """

    variance: int
    normal: int
    product: int


def bits_of(dtype: DType, length: int) -> Bits:
    """For rows of `length` elements of int8 or int16.

    A normalised element is under the root of `length`. One of int8 has 16 bits, so that its product
    with a gamma of int16 has 32; one of int16 has 25.
    """
    whole = math.ceil(math.log2(length) / 2)
    return Bits(16, 15 - whole, 0) if dtype is DType.INT8 else Bits(8, 24 - whole, 15)


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Attributes):
    """``y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`` along the last dimension.

    Mean and variance are those of the row: sums divided by its length n.

    float32 is summed in order, one rounding an operation: the mean is a quotient, the variance that
    of the squared differences to it, their factor ``1 / sqrt(variance + epsilon)``.

    Of integers both are exact: with ``d = n * x - sum(x)``, ``x - mean = d / n`` and the variance
    is ``(n * sum(x**2) - sum(x)**2) / n**2``. The factor is a fixed-point inverse square root with
    a relative error under 2**-26; the normalised element is rounded to `Bits.normal` fraction bits,
    multiplied by gamma, shifted, added to beta, rescaled.

    Attributes:
        epsilon: A float32 from 0 up.
        rounding: Of the last rescaling: tflite_double or single.

    Inputs:
        x: float32, int8 or int16 of rank 1 or more; integers per tensor, rows of up to 4095.
        gamma: optional constant [n]: float32; with integers int16 of one scale and zero point 0.
        beta: optional constant [n]: float32; with integers int32 in units of what it is added to:
            gamma's scale (1 without) times ``2**(product - normal)``, see `bits_of`.

    Output:
        x's shape and type, with a scale of its own; an int16's zero point is 0, as x's.

    Sources: ONNX operator LayerNormalization (opset 17); `torch.nn.LayerNorm`; Ba, Kiros, Hinton,
    "Layer Normalization", arXiv:1607.06450.
    """

    kind = "layer_norm"
    types = (DType.FLOAT32, DType.INT8, DType.INT16)
    epsilon: float = 1e-5
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output of x's shape and type."""
        x, *constants = take(inputs, 1, 2)
        x = tensor(x)
        expect_type(x, *self.types)
        if not x.shape:
            raise UserError(f"{x.name} is a scalar; expected at least one dimension")
        for value in constants:
            if value is not None:
                expect_shape(value, x.shape[-1:])
        return (TensorType(x.shape, x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Types that belong together; nothing overflows."""
        x, gamma, beta = take(inputs, 1, 2)
        x, y = tensor(x), outputs[0]
        if not 0 <= self.epsilon <= float(np.finfo(np.float32).max):
            raise UserError(f"epsilon {self.epsilon:g}; expected a float32 from 0 up")
        is_float = x.dtype is DType.FLOAT32
        for value, stored in ((gamma, DType.INT16), (beta, DType.INT32)):
            if value is not None:
                expect_type(value, DType.FLOAT32 if is_float else stored)
                expect_constant(value)
        if is_float:
            return
        for value in (x, y, *([gamma] if gamma else [])):
            expect_per_tensor(value)
            expect_symmetric(value)
        if x.shape[-1] > LONGEST_ROW:
            raise UserError(
                f"{x.name} has rows of {x.shape[-1]}; supported of integers: up to {LONGEST_ROW}"
            )
        if self.rounding not in ROUNDINGS:
            raise UserError(
                f"rounding {self.rounding.value}; supported here: tflite_double, single"
            )
        if self.variance_offset(x) > LARGEST_VARIANCE:
            raise UserError(
                f"epsilon {self.epsilon:g} is {self.epsilon / x.scale**2:g} squared steps of "
                f"{x.name}, whose scale is {x.scale:g}; it hides every difference"
            )
        self.factor(x, gamma, y)
        worst = self.largest_sum(x, gamma, beta)
        if worst > rq.INT32_MAX:
            raise UserError(f"sums of up to {worst} overflow int32; beta is too large")

    def variance_offset(self, x: Tensor) -> int:
        """Epsilon in units of the variance of x's row as the integers have it."""
        squares = float(np.float32(self.epsilon)) / x.scale**2 * x.shape[-1] ** 2
        # A quotient beyond any float64 is as good as any over the limit.
        scaled = squares * 2.0 ** bits_of(x.dtype, x.shape[-1]).variance
        return round(scaled) if scaled < 2.0**63 else 2**63

    def factor(self, x: Tensor, gamma: Tensor | None, y: Tensor) -> rq.Requantization:
        """What one unit of the sum with beta is in units of the output.

        Raises:
            UserError: it is too large.
        """
        unit = sum_scale(x, gamma)
        return rq.requantization(np.array([unit / y.scale]), self.rounding)

    def largest_sum(self, x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> int:
        """The largest magnitude of what is rescaled."""
        bits = bits_of(x.dtype, x.shape[-1])
        normal = (math.isqrt(x.shape[-1] << 2 * bits.normal)) + 2
        gains = 1 if gamma is None else int(np.abs(np.asarray(gamma.data).astype(np.int64)).max())
        offsets = 0 if beta is None else int(np.abs(np.asarray(beta.data).astype(np.int64)).max())
        return (normal * gains >> (0 if gamma is None else bits.product)) + 1 + offsets

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Row by row."""
        x, gamma, beta = (*values, None, None)[:3]
        if tensor(inputs[0]).dtype is DType.FLOAT32:
            return (self._of_float(np.asarray(x, np.float32), gamma, beta),)
        stored, held = tensor(inputs[0]), (*inputs, None, None)[1]
        length = stored.shape[-1]
        bits = bits_of(stored.dtype, length)
        row = np.asarray(x).astype(np.int64)
        total = row.sum(axis=-1, keepdims=True)
        differences = length * row - total
        variance = length * (row * row).sum(axis=-1, keepdims=True) - total * total
        variance = (variance << bits.variance) + self.variance_offset(stored)
        multiplier, shift = inverse_root(variance, bits)
        normal = (differences * multiplier + (np.int64(1) << shift - 1)) >> shift
        if gamma is not None:
            half = (1 << bits.product) >> 1
            normal = (normal * gamma.astype(np.int64) + half) >> bits.product
        if beta is not None:
            normal = normal + beta.astype(np.int64)
        y = outputs[0]
        scaled = rq.requantize(normal, self.factor(stored, held, y)) + y.zero_point
        return (np.clip(scaled, *y.dtype.limits).astype(y.dtype.numpy),)

    def _of_float(self, x: Float32Array, gamma: Array | None, beta: Array | None) -> Float32Array:
        length = np.array(x.shape[-1], np.float32)
        with np.errstate(all="ignore"):
            mean = float_math.divide(_row_sums(x), length)
            centred = x - mean
            variance = float_math.divide(_row_sums(centred * centred), length)
            root = float_math.sqrt(variance + np.float32(self.epsilon))
            y = centred * float_math.divide(np.array(1, np.float32), root)
            if gamma is not None:
                y = y * np.asarray(gamma, np.float32)
            if beta is not None:
                y = y + np.asarray(beta, np.float32)
        return y


def sum_scale(x: Tensor, gamma: Tensor | None) -> float:
    """What one unit of beta, and of what it is added to, stands for in an integer layer_norm."""
    bits = bits_of(x.dtype, x.shape[-1])
    if gamma is None:
        return 2.0**-bits.normal
    return gamma.scale * 2.0 ** (bits.product - bits.normal)


def inverse_root(variance: rq.Int64Array, bits: Bits) -> tuple[rq.Int64Array, rq.Int64Array]:
    """(multiplier, right shift) that take a row's differences to normalised elements.

    Args:
        variance: Of each row, with the offset, in `Bits.variance` fraction bits.
        bits: The row's.
    """
    # One over the least variance of elements that differ; where all are equal, so are the results.
    held = np.maximum(variance, np.int64(1) << bits.variance)
    # Brought to [2**29, 2**31) by pairs of bits, as the root's argument.
    length = np.frompyfunc(int.bit_length, 1, 1)(held.astype(object)).astype(np.int64)
    pairs = (length - 30) >> 1
    brought = np.where(
        pairs < 0, held << np.maximum(-2 * pairs, 0), held >> np.maximum(2 * pairs, 0)
    )
    multiplier, shift = fixed_point.inverse_square_root(brought)
    return multiplier, 31 + shift + pairs - bits.variance // 2 - bits.normal


def _row_sums(x: Float32Array) -> Float32Array:
    """Of each row, in order, as a last dimension of one."""
    total = np.zeros(x.shape[:-1], np.float32)
    for column in np.moveaxis(x, -1, 0):
        total = total + column
    return total[..., None]
