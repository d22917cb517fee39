"""lstm: long short-term memory over a sequence, whose state may outlive a run.

For importers. Gates stand in the order i, f, g, o, one constant a gate:

- `torch.nn.LSTM`: the four quarters of ``weight_ih_l0`` are the input weights, those of
  ``weight_hh_l0`` the recurrent ones, in its order; a gate has one bias, the sum of its two.
  `time_major` is ``not batch_first``. The output is y, ``h_n`` a `slice` of its last step.
- ONNX LSTM: the quarters of W, R and B stand as i, o, f, g; B is the input's biases, then the
  recurrent ones, to be added. Y has a dimension for the directions: a `reshape`. Its last cell,
  peepholes and ``sequence_lens`` have no counterpart.
- Hidden state and cell are variables of zeros. Without a state that is kept, `stateful` is off, and
  each run starts from zeros. Where a run starts from tensors, `assign_variable` puts them there in
  front of a stateful operator.
- Two directions are two operators, the second between `slice`s with a step of -1 over time.

float32 is PyTorch's in exact arithmetic; sums are taken in another order. How a float operator
becomes a quantised one says `midge.graph.quantized_forms.quantize_lstm`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from midge.errors import UserError
from midge.graph import float_math
from midge.graph import requantize as rq
from midge.graph.accumulate import LARGEST_LONG_SUM, accumulator_bounds, is_long, worst_sum
from midge.graph.float_clamp import Float32Array, activate_float
from midge.graph.int16_tables import scaled_argument, sigmoid_q15, tanh_q15
from midge.graph.operands import (
    expect_constant,
    expect_per_tensor,
    expect_rank,
    expect_same_quantization,
    expect_shape,
    expect_type,
    take,
    tensor,
)
from midge.graph.types import (
    Activation,
    Array,
    Attributes,
    DType,
    Rounding,
    Tensor,
    TensorType,
)
from midge.graph.weighted_float import matrix_product

GATES = 4
HIDDEN, CELL = 13, 14
"""Places of the two variables among the inputs."""
GATE_SCALE = 2.0**-12
"""Of a gate in front of its sigmoid or tanh; in Q3.12."""
UNIT_SCALE = 2.0**-15
"""Of what comes out of a sigmoid or tanh; in Q0.15."""
_BIAS_TYPES = {
    DType.INT8: DType.INT32,
    DType.INT16: DType.INT64,
    DType.FLOAT32: DType.FLOAT32,
}


class Tanh(NamedTuple):
    """How tanh takes the cell: ``cell * multiplier / 2**shift`` is its argument, in 1/12288."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class Factors:
    """What the products of a quantised lstm are in units of what they are added to or stored as.

    Attributes:
        inputs: Of x and its weights, for each gate, in units of `GATE_SCALE`.
        recurrent: Of the hidden state and its weights, for each gate.
        forget: Of the forget gate and the cell, in units of the cell.
        update: Of the input gate and the cell gate, in units of the cell.
        output: Of the output gate and the cell's tanh, in units of the hidden state.
    """

    inputs: tuple[rq.Requantization, ...]
    recurrent: tuple[rq.Requantization, ...]
    forget: rq.Requantization
    update: rq.Requantization
    output: rq.Requantization


@dataclass(frozen=True, kw_only=True)
class Lstm(Attributes):
    """Gates i, f, g and o decide what a cell forgets, takes in and shows.

    For each step, with ``h`` and ``c`` from the step before::

        gate = act(W_gate x + b_gate + R_gate h)      act: sigmoid; tanh for g
        c' = clip(f * c + i * g)                      to cell_clip on both sides, where over 0
        y = h' = o * tanh(c')

    Quantised, the two sums of a gate are rescaled and saturated to Q3.12 each, then added and
    saturated; sigmoid and tanh are interpolated in a table, products rescaled and rounded.

    Inputs:
        x: int8, int16 or float32 [batch, steps, k], [steps, batch, k] where `time_major`.
        four input weights: constants [n, k] for i, f, g, o; int8, or float32 with float32.
        four recurrent weights: constants [n, n], in the same order.
        four biases: constants [n]; int32 with int8, int64 with int16, float32 with float32.
        hidden: a variable [batch, n] of x's type, with the output's quantisation.
        cell: a variable of batch * n elements; int16 with a power of two for a scale and zero point
            0, or float32.

    Output:
        x's shape with n for k, of x's type: every step's hidden state. Everything is quantised per
        tensor, weights with zero point 0.

    Sums of int16 and int8 have 64 bits and round as `Rounding.TFLITE_16X8`, all other rescaling as
    `rounding` says.

    Attributes:
        time_major: x is [steps, batch, k].
        cell_clip: Bound of the cell; none where it is 0 or less.
        stateful: A run starts from what the last one left; off, from zeros.
        rounding: tflite_double.

    Source: TFLM `micro/kernels/lstm_eval.h`, `lstm_eval.cc`, `lstm_eval_common.cc`.
    """

    kind = "lstm"
    types = (DType.INT8, DType.INT16, DType.FLOAT32)
    time_major: bool = False
    cell_clip: float = 0.0
    stateful: bool = True
    rounding: Rounding = Rounding.TFLITE_DOUBLE

    def updates(self) -> tuple[int, ...]:
        """Hidden state and cell."""
        return (HIDDEN, CELL)

    def infer(self, inputs: Sequence[Tensor | None]) -> tuple[TensorType, ...]:
        """Output [.., .., n] of x's type."""
        x, *weights, hidden, cell = (tensor(t) for t in take(inputs, CELL + 1))
        expect_type(x, *self.types)
        expect_rank(x, 3)
        expect_rank(hidden, 2)
        batch, units = self.batches(x), hidden.shape[1]
        expect_shape(hidden, (batch, units))
        if cell.size != batch * units:
            raise UserError(
                f"{cell.name} has shape {list(cell.shape)}; expected {batch * units} elements, "
                f"{units} for each of {batch} sequences"
            )
        shapes = [(units, x.shape[2])] * GATES + [(units, units)] * GATES + [(units,)] * GATES
        for value, shape in zip(weights, shapes, strict=True):
            expect_shape(value, shape)
        return (TensorType((*x.shape[:2], units), x.dtype),)

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Types that belong together, a sound quantisation, and sums that overflow nothing."""
        x, *weights, hidden, cell = (tensor(t) for t in take(inputs, CELL + 1))
        is_float = x.dtype is DType.FLOAT32
        expect_type(hidden, x.dtype)
        expect_type(cell, DType.FLOAT32 if is_float else DType.INT16)
        for value in weights:
            expect_constant(value)
        for value in weights[: 2 * GATES]:
            expect_type(value, DType.FLOAT32 if is_float else DType.INT8)
        for value in weights[2 * GATES :]:
            expect_type(value, _BIAS_TYPES[x.dtype])
        if not math.isfinite(self.cell_clip):
            raise UserError(f"cell_clip {self.cell_clip} is not a finite number")
        if is_float:
            return
        for value in (x, *weights[: 2 * GATES], hidden, cell, outputs[0]):
            expect_per_tensor(value)
        for value in (*weights[: 2 * GATES], cell):
            if value.zero_point != 0:
                raise UserError(
                    f"{value.name} has a zero point other than 0; supported here: symmetric "
                    "weights and a symmetric cell"
                )
        expect_same_quantization(hidden, outputs[0])
        if self.rounding is not Rounding.TFLITE_DOUBLE:
            raise UserError(f"rounding {self.rounding.value} has no meaning for lstm")
        self.tanh(cell)
        factors = self.factors(inputs)
        for gate in range(GATES):
            _check_sum(x, weights[gate], factors.inputs[gate], weights[2 * GATES + gate])
            _check_sum(hidden, weights[GATES + gate], factors.recurrent[gate], None)

    def batches(self, x: Tensor) -> int:
        """Sequences side by side."""
        return x.shape[1] if self.time_major else x.shape[0]

    def tanh(self, cell: Tensor) -> Tanh:
        """Of a cell whose scale is a power of two, as far as int32 goes.

        Raises:
            UserError: the scale is none, or beyond that.
        """
        power = round(math.log2(cell.scale))
        if cell.scale != 2.0**power or not -30 <= power <= 2:
            raise UserError(
                f"{cell.name} has scale {cell.scale:g}; expected a power of two from 2**-30 to 4"
            )
        shift = power + 12
        return Tanh(3 << shift, 0) if shift >= 0 else Tanh(3, -shift)

    def clip(self, cell: Tensor) -> int:
        """The largest magnitude of a quantised cell; 0 where it is not clipped."""
        if self.cell_clip <= 0:
            return 0
        return int(min(self.cell_clip / cell.scale, 32767.0))

    def factors(self, inputs: Sequence[Tensor | None]) -> Factors:
        """Of a quantised lstm.

        Raises:
            UserError: one of them is too large.
        """
        x, *weights, hidden, cell = (tensor(t) for t in inputs)
        sums = Rounding.TFLITE_16X8 if x.dtype is DType.INT16 else self.rounding

        def of_sum(source: Tensor, weight: Tensor) -> rq.Requantization:
            # In double precision, as in `accumulate.sum_factors`.
            return rq.requantization(np.array([source.scale * weight.scale / GATE_SCALE]), sums)

        def of_product(first: float, second: float, result: float) -> rq.Requantization:
            return rq.requantization(np.array([first * second / result]), self.rounding)

        return Factors(
            inputs=tuple(of_sum(x, w) for w in weights[:GATES]),
            recurrent=tuple(of_sum(hidden, w) for w in weights[GATES : 2 * GATES]),
            forget=of_product(UNIT_SCALE, cell.scale, cell.scale),
            update=of_product(UNIT_SCALE, UNIT_SCALE, cell.scale),
            output=of_product(UNIT_SCALE, UNIT_SCALE, hidden.scale),
        )

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
    ) -> tuple[Array, ...]:
        """Output, then hidden state and cell as the run leaves them."""
        x, *weights, hidden, cell = (np.asarray(v) for v in values)
        steps = x if self.time_major else x.swapaxes(0, 1)
        batch, units = hidden.shape
        if not self.stateful:
            zero = 0 if x.dtype == np.float32 else tensor(inputs[HIDDEN]).zero_point
            hidden, cell = np.full_like(hidden, zero), np.zeros_like(cell)
        state = hidden, cell.reshape(batch, units)
        results = []
        step = self._float_step if x.dtype == np.float32 else self._step
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for row in steps:
                state = step(row, weights, state, inputs)
                results.append(state[0])
        y = np.stack(results)
        y = np.ascontiguousarray(y if self.time_major else y.swapaxes(0, 1))
        return y.reshape(outputs[0].shape), state[0], state[1].reshape(cell.shape)

    def _step(
        self,
        x: Array,
        weights: Sequence[Array],
        state: tuple[Array, Array],
        inputs: Sequence[Tensor | None],
    ) -> tuple[Array, Array]:
        """One step of all sequences, quantised."""
        source, hidden, cell = (tensor(inputs[i]) for i in (0, HIDDEN, CELL))
        factors = self.factors(inputs)
        row = x.astype(np.int64) - source.zero_point
        before = state[0].astype(np.int64) - hidden.zero_point
        gates = []
        for gate in range(GATES):
            one = row @ weights[gate].astype(np.int64).T
            one = one + weights[2 * GATES + gate].astype(np.int64)
            two = before @ weights[GATES + gate].astype(np.int64).T
            total = _saturated(rq.requantize(one, factors.inputs[gate])) + _saturated(
                rq.requantize(two, factors.recurrent[gate])
            )
            argument = scaled_argument(_saturated(total), 3, 0)
            gates.append(tanh_q15(argument) if gate == 2 else sigmoid_q15(argument))
        i, f, g, o = gates
        kept = _saturated(rq.requantize(f * state[1].astype(np.int64), factors.forget))
        kept = _saturated(kept + _saturated(rq.requantize(i * g, factors.update)))
        clip = self.clip(cell)
        if self.cell_clip > 0:
            kept = np.clip(kept, -clip, clip)
        squashed = tanh_q15(scaled_argument(kept, *self.tanh(cell)))
        result = rq.requantize(squashed * o, factors.output) + hidden.zero_point
        result = np.clip(result, *hidden.dtype.limits)
        return result.astype(hidden.dtype.numpy), kept.astype(np.int16)

    def _float_step(
        self,
        x: Array,
        weights: Sequence[Array],
        state: tuple[Array, Array],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the other one needs them
    ) -> tuple[Array, Array]:
        """One step of all sequences in float32."""
        gates = []
        for gate in range(GATES):
            bias = np.asarray(weights[2 * GATES + gate], np.float32)
            one = _limited(matrix_product(x, weights[gate].T) + bias)
            total = one + _limited(matrix_product(state[0], weights[GATES + gate].T))
            gates.append(float_math.tanh(total) if gate == 2 else float_math.logistic(total))
        i, f, g, o = gates
        kept = _limited(f * np.asarray(state[1], np.float32)) + _limited(i * g)
        clip = np.float32(self.cell_clip)
        if clip > 0:
            # What is not a number is taken for the upper bound.
            kept = np.where(kept < clip, kept, clip)
            kept = np.where(kept < -clip, -clip, kept)
        return _limited(float_math.tanh(kept) * o), kept

    def macs(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
        """Steps and sequences times four gates of inputs and hidden state."""
        units = outputs[0].shape[2]
        return outputs[0].size * GATES * (tensor(inputs[0]).shape[2] + units)


def _saturated(values: rq.Int64Array) -> rq.Int64Array:
    """To int16."""
    clipped: rq.Int64Array = np.clip(values, *DType.INT16.limits)
    return clipped


def _limited(values: Float32Array) -> Float32Array:
    """Infinities to the largest finite numbers, as TFLM does behind sums and products."""
    return activate_float(values, Activation.NONE)


def _check_sum(x: Tensor, w: Tensor, factors: rq.Requantization, bias: Tensor | None) -> None:
    """No sum of a gate overflows, and nothing that it is rescaled to."""
    worst = worst_sum(x, w, bias, channel_axis=0)
    long = is_long(factors.rounding)
    limit, bits = (LARGEST_LONG_SUM, "48 bits") if long else (rq.INT32_MAX, "int32")
    if worst > limit:
        raise UserError(f"sums of up to {worst} overflow {bits}; {w.name} or its bias is too large")
    if not long:
        return
    ends = np.stack(accumulator_bounds(x, w, bias, channel_axis=0))
    rescaled = int(np.abs(rq.requantize(ends, factors)).max())
    if rescaled > rq.INT32_MAX:
        raise UserError(f"sums of up to {rescaled} in Q3.12 overflow int32; {w.name} is too large")
