"""gru: gated recurrent units over a sequence, with or without a state that outlives a run.

For importers. Gates stand in the order reset, update, new, as PyTorch has them:

- `torch.nn.GRU`: ``weights = weight_ih_l0``, ``recurrent = weight_hh_l0``, ``bias = bias_ih_l0``,
  ``recurrent_bias = bias_hh_l0`` as they stand; `time_major` is ``not batch_first``. One operator a
  layer of the stack. ``output`` is y, ``h_n`` a `slice` of its last step.
- ONNX GRU: its gates stand as update, reset, hidden: the first two blocks of W, R and B change
  places; B is the input's biases, then the recurrent ones; `linear_before_reset` is the file's,
  `time_major` is ``layout == 0``. Y has a dimension for the directions: a `reshape`.
- Two directions are two operators: the second reads x through a `slice` with a step of -1 over
  time, and what it gives goes through another; a `concatenation` joins them.
- A state that is kept from run to run is a variable as sixth input, with `stateful`. Otherwise each
  run starts from zeros, or from a tensor as sixth input.
- Another activation than sigmoid and tanh, and ONNX's ``clip`` and ``sequence_lens``, have no
  counterpart.

How a float operator becomes a quantised one says `midge.graph.quantized_forms.quantize_gru`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.graph import float_math
from midge.graph import requantize as rq
from midge.graph.accumulate import accumulator_bounds, worst_sum
from midge.graph.elementwise import expect_symmetric
from midge.graph.float_clamp import Float32Array
from midge.graph.int16_tables import sigmoid_q15, tanh_q15
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_quantized,
    expect_rank,
    expect_shape,
    expect_type,
    take,
    tensor,
)
from midge.graph.types import Array, Attributes, DType, Quantization, Rounding, Tensor, TensorType
from midge.graph.weighted_float import matrix_product

AnyArray = npt.NDArray[Any]
GATES = 3
X, WEIGHTS, RECURRENT, BIAS, RECURRENT_BIAS, HIDDEN = range(6)
"""Places among the inputs."""
HIDDEN_SCALE = 2.0**-15
"""Of a quantised hidden state, int16: it lies in [-1, 1)."""
GATE_STEPS = 12288
"""Steps to one of what a sigmoid or tanh is taken of: those of `midge.graph.int16_tables`."""
LARGEST_GATE = 2**29
"""Of each of the two sums of a gate, in these steps; their sum, and products with it, fit then."""
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)


class Factors(NamedTuple):
    """What the sums of a quantised gru are in other units.

    Attributes:
        inputs: Of x and its weights, one a row of the weights or one for all, in `GATE_STEPS`.
        recurrent: Of the hidden state and its weights, likewise.
        output: Of the hidden state, in steps of the output.
    """

    inputs: rq.Requantization
    recurrent: rq.Requantization
    output: rq.Requantization


@dataclass(frozen=True, kw_only=True)
class Gru(Attributes):
    """Gates r and z decide what a hidden state takes in and keeps.

    For each step, with ``h`` from the step before, and rows W_r, W_z, W_n of the weights::

        r = sigmoid(W_r x + b_r + (R_r h + c_r))
        z = sigmoid(W_z x + b_z + (R_z h + c_z))
        n = tanh(W_n x + b_n + r * (R_n h + c_n))       where linear_before_reset
        n = tanh(W_n x + b_n + (R_n (r * h) + c_n))     elsewhere
        y = h' = n + z * (h - n)

    float32 sums start from 0 and run upwards, one rounding an operation. Of integers each of the
    two sums of a gate is rescaled to steps of 1/12288; sigmoid and tanh are interpolated in a
    table, to Q0.15; products are rounded, halves up. The hidden state is an int16 in Q0.15 also
    where activations are int8: what changes slowly would stand still in int8.

    Attributes:
        linear_before_reset: The reset gate comes behind the recurrent product, as in PyTorch.
        stateful: The hidden state is a variable that the next run starts from.
        time_major: x is [steps, batch, k].
        rounding: Of rescaled sums: tflite_double or single.

    Inputs:
        x: int8, int16 or float32 [batch, steps, k], [steps, batch, k] where `time_major`; integers
            per tensor, int16 with zero point 0.
        weights: constant [3 * n, k], gates in the order r, z, n; int8 per tensor or along dimension
            0 with zero points 0, or float32 with float32.
        recurrent: constant [3 * n, n], likewise.
        bias: optional constant [3 * n]; int32 in units of x's and the row's scale, or float32.
        recurrent_bias: optional constant [3 * n], likewise of the hidden state and its weights.
        hidden: [batch, n], where `stateful` a variable, elsewhere what a run starts from, zeros
            where left out; int16 with scale 1/32768 and zero point 0, or float32.

    Output:
        x's shape with n for k, of x's type, with a scale of its own: every step's hidden state. An
        int16's zero point is 0.

    Sources: `torch.nn.GRU`; ONNX operator GRU (opset 14); Cho et al., "Learning Phrase
    Representations using RNN Encoder-Decoder", EMNLP 2014.
    """

    kind = "gru"
    types = (DType.FLOAT32, DType.INT8, DType.INT16)
    linear_before_reset: bool = True
    stateful: bool = False
    time_major: bool = False
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def updates(self) -> tuple[int, ...]:
        """The hidden state, where it is kept."""
        return (HIDDEN,) if self.stateful else ()

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [.., .., n] of x's type."""
        x, weights, recurrent, *optional = take(inputs, 3, 3)
        x, weights, recurrent = tensor(x), tensor(weights), tensor(recurrent)
        expect_type(x, *self.types)
        expect_rank(x, 3)
        expect_rank(recurrent, 2)
        units = recurrent.shape[1]
        shapes: list[tuple[int, ...]] = [(GATES * units, x.shape[2]), (GATES * units, units)]
        shapes += [(GATES * units,)] * 2 + [(self.batches(x), units)]
        for value, shape in zip((weights, recurrent, *optional), shapes, strict=True):
            if value is not None:
                expect_shape(value, shape)
        return (TensorType((*x.shape[:2], units), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Types that belong together, a sound quantisation, and sums that overflow nothing."""
        x, weights, recurrent, bias, recurrent_bias, hidden = take(inputs, 3, 3)
        x, weights, recurrent = tensor(x), tensor(weights), tensor(recurrent)
        is_float = x.dtype is DType.FLOAT32
        for value, stored in (
            (weights, DType.INT8),
            (recurrent, DType.INT8),
            (bias, DType.INT32),
            (recurrent_bias, DType.INT32),
        ):
            if value is None:
                continue
            expect_type(value, DType.FLOAT32 if is_float else stored)
            expect_constant(value)
            if is_float and not np.all(np.isfinite(np.asarray(value.data, np.float32))):
                raise UserError(f"{value.name} holds a number that is not finite")
        if hidden is not None:
            expect_type(hidden, DType.FLOAT32 if is_float else DType.INT16)
        if is_float:
            return
        for value in (x, outputs[0]):
            expect_per_tensor(value)
            expect_symmetric(value)
        for value in (weights, recurrent):
            _expect_rows(value)
        if hidden is not None:
            expect_per_tensor(hidden)
            if (hidden.scale, hidden.zero_point) != (HIDDEN_SCALE, 0):
                raise UserError(
                    f"{hidden.name} has scale {hidden.scale:g} and zero point {hidden.zero_point}; "
                    "expected 1/32768 and 0"
                )
        if self.rounding not in ROUNDINGS:
            raise UserError(
                f"rounding {self.rounding.value}; supported here: tflite_double, single"
            )
        factors = self.factors(inputs, outputs[0])
        _check_sum(x, weights, bias, factors.inputs)
        _check_sum(HIDDEN_STATE, recurrent, recurrent_bias, factors.recurrent)

    def batches(self, x: Tensor) -> int:
        """Sequences side by side."""
        return x.shape[1] if self.time_major else x.shape[0]

    def factors(self, inputs: Sequence[Tensor | None], y: Tensor) -> Factors:
        """Of a quantised gru.

        Raises:
            UserError: one of them is too large.
        """
        x, weights, recurrent = (tensor(t) for t in inputs[:3])

        def of_sum(scale: float, rows: Tensor) -> rq.Requantization:
            scales = expect_quantized(rows).scale.astype(np.float64)
            return rq.requantization(scale * scales * GATE_STEPS, self.rounding)

        return Factors(
            of_sum(x.scale, weights),
            of_sum(HIDDEN_SCALE, recurrent),
            rq.requantization(np.array([HIDDEN_SCALE / y.scale]), self.rounding),
        )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Output, and where it is kept the hidden state as the run leaves it."""
        stored, y = tensor(inputs[X]), outputs[0]
        is_float = stored.dtype is DType.FLOAT32
        kind = np.float32 if is_float else np.int64
        arrays: list[AnyArray | None] = [
            None if value is None else np.asarray(value).astype(kind)
            for value in (*values, None, None, None)[: HIDDEN + 1]
        ]
        units = y.shape[2]
        rows = (GATES * units,)
        shapes = {BIAS: rows, RECURRENT_BIAS: rows, HIDDEN: (self.batches(stored), units)}
        x, w, v, b, c, state = (
            np.zeros(shapes[i], kind) if array is None else array for i, array in enumerate(arrays)
        )
        steps = x if self.time_major else x.swapaxes(0, 1)
        factors = None if is_float else self.factors(inputs, y)
        if factors is not None:
            steps = steps - stored.zero_point
        states = []
        with np.errstate(all="ignore"):
            for row in steps:
                if factors is None:
                    state = self._float_step(row, state, (w, v, b, c))
                else:
                    state = self._step(row, state, (w, v, b, c), factors)
                states.append(state)
        result: AnyArray = np.stack(states)
        if factors is not None:
            scaled = rq.requantize(result, factors.output) + y.zero_point
            result = np.clip(scaled, *y.dtype.limits)
        result = result if self.time_major else result.swapaxes(0, 1)
        output = np.ascontiguousarray(result).astype(y.dtype.numpy)
        if not self.stateful:
            return (output,)
        return output, state.astype(np.float32 if is_float else np.int16)

    def _step(
        self,
        x: rq.Int64Array,
        h: rq.Int64Array,
        constants: tuple[rq.Int64Array, ...],
        factors: Factors,
    ) -> rq.Int64Array:
        """One step of all sequences, quantised; x without its zero point."""
        w, v, b, c = constants
        units = h.shape[1]
        new = slice(2 * units, None)
        one = rq.requantize(x @ w.T + b, factors.inputs)
        two = rq.requantize(h @ v.T + c, factors.recurrent)
        gates = sigmoid_q15((one + two)[:, : 2 * units])
        r, z = gates[:, :units], gates[:, units:]
        if self.linear_before_reset:
            recurrent = _product_q15(r, two[:, new])
        else:
            sums = _product_q15(r, h) @ v[new].T + c[new]
            recurrent = rq.requantize(sums, _of_rows(factors.recurrent, new))
        n = tanh_q15(one[:, new] + recurrent)
        return n + _product_q15(z, h - n)

    def _float_step(
        self, x: Float32Array, h: Float32Array, constants: tuple[Float32Array, ...]
    ) -> Float32Array:
        """One step of all sequences in float32."""
        w, v, b, c = constants
        units = h.shape[1]
        new = slice(2 * units, None)
        one = matrix_product(x, w.T) + b
        two = matrix_product(h, v.T) + c
        gates = float_math.logistic((one + two)[:, : 2 * units])
        r, z = gates[:, :units], gates[:, units:]
        if self.linear_before_reset:
            recurrent = r * two[:, new]
        else:
            recurrent = matrix_product(r * h, v[new].T) + c[new]
        n = float_math.tanh(one[:, new] + recurrent)
        return n + z * (h - n)

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Steps and sequences times three gates of inputs and hidden state."""
        units = outputs[0].shape[2]
        return outputs[0].size * GATES * (tensor(inputs[X]).shape[2] + units)


HIDDEN_STATE = Tensor(
    "the hidden state", (1,), DType.INT16, Quantization.per_tensor(HIDDEN_SCALE, 0)
)
"""For rules that look at its type and scale alone."""


def _product_q15(a: rq.Int64Array, b: rq.Int64Array) -> rq.Int64Array:
    """``a * b / 2**15``, rounded, halves up."""
    return (a * b + (1 << 14)) >> 15


def _of_rows(factors: rq.Requantization, rows: slice) -> rq.Requantization:
    """The factors of some rows of the weights."""
    if factors.multiplier.size == 1:
        return factors
    return rq.Requantization(factors.multiplier[rows], factors.shift[rows], factors.rounding)


def _expect_rows(w: Tensor) -> None:
    """Symmetric weights, quantised per tensor or row by row."""
    quantization = expect_quantized(w)
    if np.any(quantization.zero_point != 0):
        raise UserError(
            f"{w.name} has a zero point other than 0; supported here: symmetric weights"
        )
    if quantization.scale.size != 1 and quantization.axis != 0:
        raise UserError(
            f"{w.name} is quantised along dimension {quantization.axis}; supported here: 0"
        )


def _check_sum(x: Tensor, w: Tensor, bias: Tensor | None, factors: rq.Requantization) -> None:
    """No sum of a gate overflows, nor what it is rescaled to."""
    worst = worst_sum(x, w, bias, channel_axis=0)
    if worst > rq.INT32_MAX:
        raise UserError(f"sums of up to {worst} overflow int32; {w.name} or its bias is too large")
    # In double precision: what is that large must not be multiplied in 32 bits.
    real = factors.multiplier.astype(np.float64) * 2.0 ** (factors.shift.astype(np.float64) - 31)
    ends = np.abs(np.stack(accumulator_bounds(x, w, bias, channel_axis=0))).max(axis=0)
    rescaled = float((ends * real).max())
    if rescaled > LARGEST_GATE:
        raise UserError(
            f"sums of up to {rescaled / GATE_STEPS:g} as reals are beyond a gate's "
            f"{LARGEST_GATE // GATE_STEPS}; {w.name} or its bias is too large"
        )
