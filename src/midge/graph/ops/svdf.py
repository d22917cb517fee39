"""svdf: a rank-one filter bank over features, then over time, whose memory outlives a run."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import float_math
from midge.graph.accumulate import worst_sum
from midge.graph.float_clamp import Float32Array
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_rank,
    expect_shape,
    expect_type,
    take,
    tensor,
)
from midge.graph.requantize import (
    INT32_MAX,
    INT32_MIN,
    Requantization,
    requantization,
    requantize,
)
from midge.graph.types import Array, Attributes, DType, Rounding, Tensor, TensorType
from midge.graph.weighted_float import matrix_product


class SvdfActivation(enum.Enum):
    """What a float32 svdf ends in; an int8 one saturates, and no more."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    RELU_N1_TO_1 = "relu_n1_to_1"
    TANH = "tanh"
    SIGN_BIT = "sign_bit"


_ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)
_CLAMPS = {
    SvdfActivation.RELU: (0.0, None),
    SvdfActivation.RELU6: (0.0, 6.0),
    SvdfActivation.RELU_N1_TO_1: (-1.0, 1.0),
}


@dataclass(frozen=True, kw_only=True)
class Svdf(Attributes):
    """``y[b,u] = activation(bias[u] + sum_{r,j} time[f,j] * memory[b,f,j])``, ``f = u*rank + r``.

    Before that each filter's memory moves on by one step: its oldest value leaves, and
    ``sum_k feature[f,k] * x[b,k]`` enters behind the newest. In int8 that value is rescaled and
    saturated to the memory's type, and the sum over time is saturated to int32, rescaled and
    saturated to int8. (TFLM's sum over time is undefined where it leaves int32, which time weights
    of ten bits, as converters write them, cannot do, and those of sixteen seldom.)

    Inputs:
        x: int8 or float32 [batch, k].
        feature: constant [filters, k] of x's type, filters a multiple of `rank`.
        time: constant [filters, steps]; int8 or int16 with int8, float32 with float32.
        memory: a variable [batch, filters * steps] of the type of `time`.
        bias: int32 or float32 constant [filters / rank], optional.

    Output:
        [batch, filters / rank] of x's type. Everything is quantised per tensor; weights have zero
        point 0.

    Source: TFLM `micro/kernels/svdf_common.cc`.
    """

    kind = "svdf"
    types = (DType.INT8, DType.FLOAT32)
    rank: int
    activation: SvdfActivation = SvdfActivation.NONE
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def updates(self) -> tuple[int, ...]:
        """The memory."""
        return (3,)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [batch, units] of x's type."""
        x, feature, time, memory, bias = take(inputs, 4, 1)
        x, feature, time, memory = (tensor(t) for t in (x, feature, time, memory))
        expect_type(x, *self.types)
        for value in (x, feature, time, memory):
            expect_rank(value, 2)
        (batch, features), filters = x.shape, feature.shape[0]
        if self.rank < 1 or filters % self.rank:
            raise UserError(f"rank {self.rank} does not divide the {filters} filters")
        units = filters // self.rank
        expect_shape(feature, (filters, features))
        expect_shape(time, (filters, time.shape[1]))
        expect_shape(memory, (batch, filters * time.shape[1]))
        if bias is not None:
            expect_shape(bias, (units,))
        return (TensorType((batch, units), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Types that belong together, and sums over features that cannot leave int32."""
        x, feature, time, memory, bias = take(inputs, 4, 1)
        x, feature, time, memory = (tensor(t) for t in (x, feature, time, memory))
        for value in (feature, time, *([] if bias is None else [bias])):
            expect_constant(value)
        expect_type(feature, x.dtype)
        expect_type(memory, time.dtype)
        if x.dtype is DType.FLOAT32:
            expect_type(time, DType.FLOAT32)
            if bias is not None:
                expect_type(bias, DType.FLOAT32)
            return
        expect_type(time, DType.INT8, DType.INT16)
        if bias is not None:
            expect_type(bias, DType.INT32)
        for value in (x, feature, time, memory, outputs[0]):
            expect_per_tensor(value)
        for value in (feature, time):
            if value.zero_point != 0:
                raise UserError(
                    f"{value.name} has a zero point other than 0; supported here: symmetric weights"
                )
        if self.activation is not SvdfActivation.NONE:
            raise UserError(
                f"activation {self.activation.value} of an int8 svdf, which TFLite Micro leaves "
                "out; supported: none"
            )
        if self.rounding not in _ROUNDINGS:
            raise UserError(f"rounding {self.rounding.value} has no meaning for svdf")
        worst = worst_sum(x, feature, None, channel_axis=0)
        if worst > INT32_MAX:
            raise UserError(
                f"sums of up to {worst} over features overflow int32; {feature.name} is too large"
            )
        self.factors(x, (feature, time, memory), outputs[0])

    def factors(
        self, x: Tensor, weights: tuple[Tensor, Tensor, Tensor], y: Tensor
    ) -> tuple[Requantization, Requantization]:
        """Of a sum over features in units of the memory, and over time in units of the output.

        Args:
            x: Input.
            weights: Of features, of time, and the memory.
            y: Output.
        """
        feature, time, memory = weights
        # TFLM's sources divide in float32 what its package on PyPI divides in double precision.
        reals = x.scale * feature.scale / memory.scale, memory.scale * time.scale / y.scale
        first, second = (requantization(np.array([real]), self.rounding) for real in reals)
        return first, second

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Output, then the memory as the run leaves it."""
        x, feature, time, memory = (np.asarray(v) for v in values[:4])
        bias = values[4] if len(values) > 4 else None
        kept = memory.reshape(x.shape[0], *time.shape)
        if outputs[0].dtype is DType.FLOAT32:
            kept = _moved_on(kept, matrix_product(x, feature.T))
            result: Array = self._float_output(kept, time, bias)
            return result, kept.reshape(memory.shape)
        stored = [tensor(t) for t in inputs[:4]]
        zero = stored[3].zero_point
        first, second = self.factors(stored[0], (stored[1], stored[2], stored[3]), outputs[0])
        sums = (x.astype(np.float64) - stored[0].zero_point) @ feature.astype(np.float64).T
        newest = np.clip(requantize(sums.astype(np.int64), first), *stored[3].dtype.limits)
        # A zero point is added behind the clamp, and wraps around where it leaves the type.
        kept = _moved_on(kept, (newest + zero).astype(memory.dtype))
        products = (kept.astype(np.int64) - zero) * time.astype(np.int64)
        total = products.reshape(*outputs[0].shape, -1).sum(axis=-1, dtype=np.int64)
        if bias is not None:
            total = total + bias.astype(np.int64)
        total = np.clip(total, INT32_MIN, INT32_MAX)
        result = requantize(total, second) + outputs[0].zero_point
        return np.clip(result, *DType.INT8.limits).astype(np.int8), kept.reshape(memory.shape)

    def _float_output(self, memory: Array, weights: Array, bias: Array | None) -> Float32Array:
        """Each filter is summed over time, then a unit's filters are added to its bias."""
        kept, time = np.asarray(memory, np.float32), np.asarray(weights, np.float32)
        batch, filters, steps = kept.shape
        by_filter = np.zeros((batch, filters), np.float32)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for j in range(steps):
                by_filter = by_filter + time[:, j] * kept[..., j]
            sums = by_filter.reshape(batch, -1, self.rank)
            total = np.zeros(sums.shape[:2], np.float32)
            if bias is not None:
                total = total + np.asarray(bias, np.float32)
            for r in range(self.rank):
                total = total + sums[..., r]
        return _activate(total, self.activation)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:  # noqa: ARG002
        """Batch times filters times features and steps."""
        x, feature, time = (tensor(t) for t in inputs[:3])
        return x.shape[0] * (feature.size + time.size)


def _moved_on(kept: Array, newest: Array) -> Array:
    """Each filter's memory without its oldest value, behind it the newest."""
    return np.concatenate([kept[..., 1:], newest[..., None]], axis=-1)


def _activate(values: Float32Array, activation: SvdfActivation) -> Float32Array:
    """A clamp takes what is not a number for its upper bound, or the lower where it has no upper.

    Source: TFLM `micro/kernels/activation_utils.h`, ActivationValFloat, which calls fmin and fmax.
    """
    if activation is SvdfActivation.TANH:
        return float_math.tanh(values)
    if activation is SvdfActivation.SIGN_BIT:
        # What is not a number has no sign: processors give it different ones.
        return (np.signbit(values) & ~np.isnan(values)).astype(np.float32)
    low, high = _CLAMPS.get(activation, (None, None))
    if high is not None:
        values = np.where(values < np.float32(high), values, np.float32(high))
    if low is not None:
        values = np.where(values > np.float32(low), values, np.float32(low))
    return values
