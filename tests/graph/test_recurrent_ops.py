"""svdf and lstm: what they compute, worked out by hand, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from graph_builders import int8, int32, per_channel, per_tensor, refuses

from midge.graph import (
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Rounding,
    Tensor,
    initial_state,
    interpret,
    state_after,
    verify,
)
from midge.graph.ops.lstm import Lstm
from midge.graph.ops.svdf import Svdf, SvdfActivation


def state(name: str, dtype: DType, *shape: int, scale: float = 1.0, zero_point: int = 0) -> Tensor:
    quantization = None if dtype is DType.FLOAT32 else per_tensor(scale, zero_point)
    first = np.full(shape, zero_point, dtype.numpy)
    return Tensor(name, shape, dtype, quantization, first, variable=True)


def real(name: str, *shape: int, data: npt.ArrayLike | None = None) -> Tensor:
    held = None if data is None else np.asarray(data, np.float32).reshape(shape)
    return Tensor(name, shape, DType.FLOAT32, None, held)


def graph_of(attributes: Attributes, inputs: Sequence[Tensor | None], y: Tensor) -> Graph:
    there = [t for t in inputs if t is not None]
    names = tuple(t.name if t else "" for t in inputs)
    return Graph(
        "g",
        {t.name: t for t in (*there, y)},
        (Op("the_op", attributes, names, (y.name,)),),
        tuple(t.name for t in there if t.is_computed),
        (y.name,),
    )


def run(graph: Graph, samples: Sequence[Array]) -> tuple[list[Array], dict[str, Array]]:
    """Outputs of a stream, and the state that it leaves."""
    verify(graph)
    kept = initial_state(graph)
    outputs = []
    for sample in samples:
        values = interpret(graph, {graph.inputs[0]: sample}, kept)
        kept = state_after(graph, values)
        outputs.append(values[graph.outputs[0]])
    return outputs, kept


# ---- svdf ----------------------------------------------------------------------------------------

X = int8("x", 1, 2, scale=1.0)
FEATURE = int8("feature", 4, 2, scale=1.0, data=[[1, 0], [0, 1], [1, 1], [2, 0]])
TIME = int8("time", 4, 2, scale=1.0, data=[[1, 2], [1, 0], [0, 1], [-1, 1]])
MEMORY = state("memory", DType.INT8, 1, 8)
BIAS = int32("bias", [10, -5])
Y = int8("y", 1, 2, scale=1.0)
SVDF = (X, FEATURE, TIME, MEMORY, BIAS)


@pytest.mark.tiny
def test_svdf_remembers_two_steps_of_each_filter() -> None:
    graph = graph_of(Svdf(rank=2), SVDF, Y)
    outputs, kept = run(graph, [np.array([v], np.int8) for v in ([3, 4], [5, -6], [0, 0])])
    # Filters give 3, 4, 7, 6, then 5, -6, -1, 10, then nothing.
    assert outputs[0].tolist() == [[10 + 2 * 3, -5 + 7 + 6]]
    assert outputs[1].tolist() == [[10 + 3 + 2 * 5 + 4, -5 - 1 - 6 + 10]]
    assert outputs[2].tolist() == [[10 + 5 - 6, -5 + 0 - 10]]
    assert kept["memory"].tolist() == [[5, 0, -6, 0, -1, 0, 10, 0]]


@pytest.mark.tiny
def test_svdf_without_a_bias_starts_from_zero() -> None:
    outputs, _ = run(graph_of(Svdf(rank=2), (*SVDF[:4], None), Y), [np.array([[3, 4]], np.int8)])
    assert outputs[0].tolist() == [[6, 13]]
    outputs, _ = run(graph_of(Svdf(rank=2), SVDF[:4], Y), [np.array([[3, 4]], np.int8)])
    assert outputs[0].tolist() == [[6, 13]]


@pytest.mark.tiny
def test_svdf_saturates_the_memory_and_wraps_behind_its_zero_point() -> None:
    memory = state("memory", DType.INT8, 1, 8, zero_point=3)
    graph = graph_of(Svdf(rank=2), (X, FEATURE, TIME, memory, BIAS), Y)
    (output,), kept = run(graph, [np.array([[100, 100]], np.int8)])
    # Sums of 100, 100, 200 and 200 are held at 127; 127 + 3 is -126 in int8, so -129 as a real.
    assert kept["memory"].tolist() == [[3, 103, 3, 103, 3, -126, 3, -126]]
    assert output.tolist() == [[127, -128]]


@pytest.mark.tiny
def test_svdf_holds_sums_over_time_at_the_ends_of_int32() -> None:
    quantization = per_tensor(1.0)
    time = Tensor("time", (1, 4), DType.INT16, quantization, np.full((1, 4), 32767, np.int16))
    feature = int8("feature", 1, 1, scale=300.0, data=[[127]])
    inputs = (int8("x", 1, 1, scale=1.0), feature, time, state("memory", DType.INT16, 1, 4))
    graph = graph_of(Svdf(rank=1), inputs, int8("y", 1, 1, scale=2.0**24, zero_point=-1))
    outputs, _ = run(graph, [np.array([[127]], np.int8)] * 4)
    # 32767 * 32767 a step in units of 2^24: 64, 128, and from then on what int32 holds.
    assert [int(y[0, 0]) for y in outputs] == [63, 127, 127, 127]
    assert [int(y[0, 0]) for y in run(graph, [np.array([[-127]], np.int8)] * 4)[0]] == [
        *(-65, -128, -128, -128)
    ]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (SvdfActivation.NONE, [-2.5, -0.0, 0.5, 9.0]),
        (SvdfActivation.RELU, [0.0, 0.0, 0.5, 9.0]),
        (SvdfActivation.RELU6, [0.0, 0.0, 0.5, 6.0]),
        (SvdfActivation.RELU_N1_TO_1, [-1.0, 0.0, 0.5, 1.0]),
        (SvdfActivation.TANH, [-0.98661430, 0.0, 0.46211717, 1.0]),
        (SvdfActivation.SIGN_BIT, [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_svdf_activations_of_float32(activation: SvdfActivation, expected: list[float]) -> None:
    inputs = (
        real("x", 4, 1),
        real("feature", 1, 1, data=[[2.0]]),
        real("time", 1, 1, data=[[1.0]]),
        state("memory", DType.FLOAT32, 4, 1),
    )
    graph = graph_of(Svdf(rank=1, activation=activation), inputs, real("y", 4, 1))
    sample = np.array([[-1.25], [0.0], [0.25], [4.5]], np.float32)
    (output,), kept = run(graph, [sample])
    assert output[:, 0] == pytest.approx(expected, abs=1e-7)
    assert np.array_equal(kept["memory"], 2 * sample)
    # What is not a number takes the upper bound, or the lower one where there is no upper one.
    ((none, *_),), _ = run(graph, [np.full((4, 1), np.nan, np.float32)])
    of_nan = {"relu": 0.0, "relu6": 6.0, "relu_n1_to_1": 1.0, "sign_bit": 0.0}
    assert none[0] == of_nan[activation.value] if activation.value in of_nan else np.isnan(none[0])


@pytest.mark.tiny
def test_svdf_adds_one_float_after_the_other() -> None:
    inputs = (
        real("x", 1, 3),
        real("feature", 1, 3, data=[[1, 1, 1]]),
        real("time", 1, 1, data=[[1.0]]),
        state("memory", DType.FLOAT32, 1, 1),
        real("bias", 1, data=[1.0]),
    )
    graph = graph_of(Svdf(rank=1), inputs, real("y", 1, 1))
    (output,), _ = run(graph, [np.array([[1.0, 2.0**-24, 2.0**-24]], np.float32)])
    assert output[0, 0] == 2.0, "each small one is rounded away by itself"


def svdf(message: str, *changed: Tensor | None, y: Tensor = Y, **attributes: object) -> object:
    """A refusal; `changed` replaces the inputs of its name, None leaves them all."""
    by_name = {t.name: t for t in changed if t is not None}
    inputs = [by_name.get(t.name, t) for t in SVDF]
    return pytest.param(message, Svdf(**{"rank": 2, **attributes}), inputs, y, id=message[:60])  # type: ignore[arg-type]


SHORTS = Tensor("time", (4, 2), DType.INT16, per_tensor(1.0), np.ones((4, 2), np.int16))
SVDF_REFUSALS = [
    svdf("rank 3 does not divide the 4 filters", rank=3),
    svdf("rank 0 does not divide the 4 filters", rank=0),
    svdf("x has shape [2]; expected 2 dimensions", int8("x", 2)),
    svdf("feature has shape [4, 3]; expected [4, 2]", int8("feature", 4, 3, data=1)),
    svdf("time has shape [3, 2]; expected [4, 2]", int8("time", 3, 2, data=1)),
    svdf("memory has shape [1, 9]; expected [1, 8]", state("memory", DType.INT8, 1, 9)),
    svdf("bias has shape [3]; expected [2]", int32("bias", [1, 2, 3])),
    svdf("y is int8[1, 4]; the operator gives int8[1, 2]", y=int8("y", 1, 4)),
    svdf(
        "x is int16; supported here: int8, float32",
        Tensor("x", (1, 2), DType.INT16, per_tensor()),
    ),
    svdf(
        "feature is int16; supported here: int8",
        Tensor("feature", (4, 2), DType.INT16, per_tensor(), np.ones((4, 2), np.int16)),
    ),
    svdf("memory is int8; supported here: int16", SHORTS),
    svdf("time is int32; supported here: int8, int16", int32("time", np.ones((4, 2))),
         state("memory", DType.INT32, 1, 8)),
    svdf("bias is int8; supported here: int32", int8("bias", 2, data=1)),
    svdf("feature is computed at run time; supported here: a constant", int8("feature", 4, 2)),
    svdf("time is computed at run time; supported here: a constant", int8("time", 4, 2)),
    svdf("bias is computed at run time; supported here: a constant",
         Tensor("bias", (2,), DType.INT32)),
    svdf("x is int8 without quantisation parameters", Tensor("x", (1, 2), DType.INT8)),
    svdf(
        "feature is quantised per channel; supported here: per tensor",
        replace(FEATURE, quantization=per_channel([1, 2, 3, 4], 0)),
    ),
    svdf(
        "time has a zero point other than 0; supported here: symmetric weights",
        replace(TIME, quantization=per_tensor(1.0, 1)),
    ),
    svdf(
        "activation relu of an int8 svdf, which TFLite Micro leaves out; supported: none",
        activation=SvdfActivation.RELU,
    ),
    svdf("rounding half_even has no meaning for svdf", rounding=Rounding.HALF_EVEN),
    svdf(
        "the scales give a factor of 1e+20; expected one from 0 to under 2**30",
        replace(MEMORY, quantization=per_tensor(1e-20)),
    ),
    svdf(
        "rewrites input 3, 'memory', which is not a variable",
        int8("memory", 1, 8, data=0),
    ),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), SVDF_REFUSALS)
def test_svdf_refuses(message: str, attributes: Svdf, inputs: Sequence[Tensor], y: Tensor) -> None:
    with refuses(message):
        verify(graph_of(attributes, inputs, y))


@pytest.mark.tiny
def test_svdf_refuses_sums_over_features_that_leave_int32() -> None:
    wide = int8("feature", 4, 2**17, scale=1.0, data=-128)
    inputs = (int8("x", 1, 2**17, scale=1.0), wide, TIME, MEMORY, BIAS)
    with refuses("sums of up to 2147483648 over features overflow int32; feature is too large"):
        verify(graph_of(Svdf(rank=2), inputs, Y))


@pytest.mark.tiny
def test_float_svdf_refuses_other_types_beside_it() -> None:
    inputs = [
        real("x", 1, 1),
        real("feature", 1, 1, data=[[2.0]]),
        real("time", 1, 1, data=[[1.0]]),
        state("memory", DType.FLOAT32, 1, 1),
        int32("bias", [1]),
    ]
    with refuses("bias is int32; supported here: float32"):
        verify(graph_of(Svdf(rank=1), inputs, real("y", 1, 1)))
    inputs[2:] = [int8("time", 1, 1, data=1), state("memory", DType.INT8, 1, 1)]
    with refuses("time is int8; supported here: float32"):
        verify(graph_of(Svdf(rank=1), inputs, real("y", 1, 1)))


@pytest.mark.tiny
def test_a_float_variable_with_a_scale_is_refused() -> None:
    inputs = [
        real("x", 1, 1),
        real("feature", 1, 1, data=[[2.0]]),
        real("time", 1, 1, data=[[1.0]]),
        replace(state("memory", DType.FLOAT32, 1, 1), quantization=per_tensor()),
    ]
    with refuses("g: variable memory is float32, which cannot be quantised"):
        verify(graph_of(Svdf(rank=1), inputs, real("y", 1, 1)))


# ---- lstm ----------------------------------------------------------------------------------------

UNITS = 1
LSTM_X = int8("x", 1, 3, 2, scale=1.0)
LSTM_Y = int8("y", 1, 3, 1, scale=1 / 128, zero_point=5)
HIDDEN = replace(state("hidden", DType.INT8, 1, 1, scale=1 / 128, zero_point=5))
CELL = state("cell", DType.INT16, 1, 1, scale=2.0**-11)


def lstm_inputs(
    x: Tensor = LSTM_X,
    hidden: Tensor = HIDDEN,
    cell: Tensor = CELL,
    biases: Sequence[int] = (0, 0, 0, 0),
    bias_type: DType = DType.INT32,
) -> list[Tensor]:
    features, units = x.shape[2], hidden.shape[1]
    return [
        x,
        *(int8(f"w{i}", units, features, scale=2.0**-12, data=0) for i in range(4)),
        *(int8(f"r{i}", units, units, scale=2.0**-12, data=0) for i in range(4)),
        *(
            Tensor(f"b{i}", (units,), bias_type, None, np.full(units, b, bias_type.numpy))
            for i, b in enumerate(biases)
        ),
        hidden,
        cell,
    ]


@pytest.mark.tiny
def test_lstm_of_open_gates_halves_and_adds() -> None:
    # Gates of 0 are half open; a cell gate of 8, the end of Q3.12, is tanh's end, 32767.
    graph = graph_of(Lstm(), lstm_inputs(biases=(0, 0, 32767, 0)), LSTM_Y)
    (output,), kept = run(graph, [np.zeros((1, 3, 2), np.int8)])
    cells = [0.5, 0.75, 0.875]
    assert kept["cell"].tolist() == [[round(0.875 * 2048)]]
    hidden = [round(0.5 * np.tanh(c) * 128) + 5 for c in cells]
    assert output.reshape(-1).tolist() == hidden == [35, 46, 50]
    assert kept["hidden"].tolist() == [[hidden[-1]]]
    (clipped,), kept = run(
        graph_of(Lstm(cell_clip=0.6), lstm_inputs(biases=(0, 0, 32767, 0)), LSTM_Y),
        [np.zeros((1, 3, 2), np.int8)],
    )
    assert kept["cell"].tolist() == [[int(0.6 * 2048)]]
    assert clipped.reshape(-1).tolist() == [35, 39, 39]


@pytest.mark.tiny
def test_lstm_gates_saturate_before_they_are_added() -> None:
    # Both sums of the cell gate leave Q3.12, one at each end: together they are -1, where the sum
    # of both would be far over the upper one.
    inputs = lstm_inputs(int8("x", 1, 1, 2, scale=1.0), biases=(32767, -32768, 10**6, 32767))
    inputs[7] = int8("r2", 1, 1, scale=1.0, data=-128)
    hidden = state("hidden", DType.INT8, 1, 1, scale=1 / 128, zero_point=5)
    inputs[13] = replace(hidden, data=np.array([[127]], np.int8))
    inputs[14] = state("cell", DType.INT16, 1, 1, scale=2.0**-15)
    y = int8("y", 1, 1, 1, scale=1 / 128, zero_point=5)
    (output,), kept = run(graph_of(Lstm(), inputs, y), [np.zeros((1, 1, 2), np.int8)])
    # tanh(-2**-12) is -8 in Q0.15, as the cell is here.
    assert kept["cell"].tolist() == [[-8]]
    assert output.tolist() == [[[5]]]


@pytest.mark.tiny
@pytest.mark.parametrize("time_major", [False, True])
def test_lstm_sequences_do_not_touch_each_other(time_major: bool) -> None:
    rng = np.random.default_rng(1)
    x = int8("x", *((5, 3, 2) if time_major else (3, 5, 2)), scale=0.05)
    hidden = state("hidden", DType.INT8, 3, 4, scale=1 / 128)
    cell = state("cell", DType.INT16, 12, scale=2.0**-11)
    inputs = lstm_inputs(x, hidden, cell, biases=(100, -200, 300, 50))
    for i in range(1, 9):
        drawn = rng.integers(-127, 128, inputs[i].shape).astype(np.int8)
        inputs[i] = replace(inputs[i], data=drawn, quantization=per_tensor(0.01))
    y = int8("y", *x.shape[:2], 4, scale=1 / 128)
    graph = graph_of(Lstm(time_major=time_major), inputs, y)
    sample = rng.integers(-128, 128, x.shape).astype(np.int8)
    (together,), kept = run(graph, [sample])
    for batch in range(3):
        alone = replace(x, shape=(5, 1, 2) if time_major else (1, 5, 2))
        one = [
            alone,
            *inputs[1:13],
            state("hidden", DType.INT8, 1, 4, scale=1 / 128),
            state("cell", DType.INT16, 1, 4, scale=2.0**-11),
        ]
        small = graph_of(
            Lstm(time_major=time_major), one, int8("y", *alone.shape[:2], 4, scale=1 / 128)
        )
        place = (slice(None), slice(batch, batch + 1)) if time_major else slice(batch, batch + 1)
        (expected,), state_alone = run(small, [sample[place]])
        assert np.array_equal(together[place], expected)
        assert np.array_equal(kept["hidden"][batch], state_alone["hidden"][0])
        assert np.array_equal(kept["cell"].reshape(3, 4)[batch], state_alone["cell"][0])


@pytest.mark.tiny
def test_float_lstm_by_the_book() -> None:
    rng = np.random.default_rng(2)
    arrays = [rng.standard_normal((4, 3)) for _ in range(4)]
    arrays += [rng.standard_normal((4, 4)) for _ in range(4)]
    arrays += [rng.standard_normal(4) for _ in range(4)]
    constants = [real(f"c{i}", *a.shape, data=a) for i, a in enumerate(arrays)]
    inputs = [
        real("x", 1, 6, 3),
        *constants,
        state("hidden", DType.FLOAT32, 1, 4),
        state("cell", DType.FLOAT32, 1, 4),
    ]
    graph = graph_of(Lstm(cell_clip=0.8), inputs, real("y", 1, 6, 4))
    sample = rng.standard_normal((1, 6, 3)).astype(np.float32)
    (output,), kept = run(graph, [sample])
    h, c = np.zeros(4), np.zeros(4)
    for step in range(6):
        gates = [arrays[g] @ sample[0, step] + arrays[4 + g] @ h + arrays[8 + g] for g in range(4)]
        i, f, o = (1 / (1 + np.exp(-gates[g])) for g in (0, 1, 3))
        c = np.clip(f * c + i * np.tanh(gates[2]), -0.8, 0.8)
        h = o * np.tanh(c)
        assert output[0, step] == pytest.approx(h, abs=1e-6)
    assert kept["cell"][0] == pytest.approx(c, abs=1e-6)
    assert np.abs(kept["cell"]).max() == np.float32(0.8), "something was clipped"
    (output,), kept = run(graph, [np.full((1, 6, 3), np.nan, np.float32)])
    assert kept["cell"].tolist() == [[np.float32(0.8)] * 4], "NaN is taken for the upper bound"


def lstm(message: str, place: int, tensor: Tensor, y: Tensor = LSTM_Y) -> object:
    inputs = lstm_inputs()
    inputs[place] = tensor
    return pytest.param(message, Lstm(), inputs, y, id=message[:60])


INT16_HIDDEN = state("hidden", DType.INT16, 1, 1, scale=2.0**-15)
LSTM_REFUSALS = [
    lstm("x has shape [3, 2]; expected 3 dimensions", 0, int8("x", 3, 2)),
    lstm("x is uint8; supported here: int8, int16, float32", 0,
         Tensor("x", (1, 3, 2), DType.UINT8, per_tensor())),
    lstm("w1 has shape [1, 3]; expected [1, 2]", 2, int8("w1", 1, 3, data=0)),
    lstm("r2 has shape [2, 1]; expected [1, 1]", 7, int8("r2", 2, 1, data=0)),
    lstm("b3 has shape [2]; expected [1]", 12, int32("b3", [0, 0])),
    lstm("hidden has shape [2, 1]; expected [1, 1]", 13, state("hidden", DType.INT8, 2, 1)),
    lstm("hidden has shape [1]; expected 2 dimensions", 13, state("hidden", DType.INT8, 1)),
    lstm("cell has shape [2]; expected 1 elements, 1 for each of 1 sequences", 14,
         state("cell", DType.INT16, 2, scale=2.0**-11)),
    lstm("hidden is int16; supported here: int8", 13, INT16_HIDDEN),
    lstm("cell is int8; supported here: int16", 14, state("cell", DType.INT8, 1, 1)),
    lstm("w0 is computed at run time; supported here: a constant", 1, int8("w0", 1, 2)),
    lstm("w0 is int16; supported here: int8", 1,
         Tensor("w0", (1, 2), DType.INT16, per_tensor(), np.zeros((1, 2), np.int16))),
    lstm("b0 is int64; supported here: int32", 9,
         Tensor("b0", (1,), DType.INT64, None, np.zeros(1, np.int64))),
    lstm("w3 has a zero point other than 0; supported here: symmetric weights and a symmetric cell",
         4, int8("w3", 1, 2, zero_point=1, data=0)),
    lstm("cell has a zero point other than 0", 14,
         state("cell", DType.INT16, 1, 1, scale=2.0**-11, zero_point=1)),
    lstm("cell has scale 0.0006; expected a power of two from 2**-30 to 4", 14,
         state("cell", DType.INT16, 1, 1, scale=0.0006)),
    lstm("cell has scale 8; expected a power of two from 2**-30 to 4", 14,
         state("cell", DType.INT16, 1, 1, scale=8.0)),
    lstm("hidden has scale 0.25 and zero point 5, y 0.0078125 and 5; this operator does not rescale",
         13, state("hidden", DType.INT8, 1, 1, scale=0.25, zero_point=5)),
    lstm("r0 is int8 without quantisation parameters", 5,
         Tensor("r0", (1, 1), DType.INT8, None, np.zeros((1, 1), np.int8))),
    lstm("sums of up to 2147483648 overflow int32; w0 or its bias is too large", 9,
         int32("b0", [-(2**31)])),
    lstm("the scales give a factor of 4.096e+33; expected one from 0 to under 2**30", 1,
         int8("w0", 1, 2, scale=1e30, data=1)),
    lstm("y is int8[1, 3, 2]; the operator gives int8[1, 3, 1]", 0, LSTM_X,
         int8("y", 1, 3, 2, scale=1 / 128, zero_point=5)),
    lstm("rewrites input 14, 'cell', which is not a variable", 14,
         Tensor("cell", (1, 1), DType.INT16, per_tensor(2.0**-11), np.zeros((1, 1), np.int16))),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), LSTM_REFUSALS)
def test_lstm_refuses(message: str, attributes: Lstm, inputs: Sequence[Tensor], y: Tensor) -> None:
    with refuses(message):
        verify(graph_of(attributes, inputs, y))


@pytest.mark.tiny
@pytest.mark.parametrize("clip", [float("nan"), float("inf")])
def test_lstm_refuses_a_clip_that_is_no_number(clip: float) -> None:
    with refuses(f"cell_clip {clip} is not a finite number"):
        verify(graph_of(Lstm(cell_clip=clip), lstm_inputs(), LSTM_Y))


@pytest.mark.tiny
def test_lstm_refuses_other_roundings() -> None:
    with refuses("rounding single has no meaning for lstm"):
        verify(graph_of(Lstm(rounding=Rounding.SINGLE), lstm_inputs(), LSTM_Y))


@pytest.mark.tiny
def test_int16_lstm_bounds_its_long_sums() -> None:
    x = Tensor("x", (1, 3, 2), DType.INT16, per_tensor(2.0**-12))
    y = Tensor("y", (1, 3, 1), DType.INT16, per_tensor(2.0**-15))
    inputs = lstm_inputs(x, INT16_HIDDEN, bias_type=DType.INT64)
    verify(graph_of(Lstm(), inputs, y))
    far = Tensor("b2", (1,), DType.INT64, None, np.array([-(2**63)], np.int64))
    with refuses("sums of up to 9223372036854775808 overflow 48 bits; w2 or its bias is too large"):
        verify(graph_of(Lstm(), [*inputs[:11], far, *inputs[12:]], y))
    far = replace(far, data=np.array([2**46], np.int64))
    coarse = int8("w2", 1, 2, scale=1.0, data=0)
    with refuses("in Q3.12 overflow int32; w2 is too large"):
        verify(graph_of(Lstm(), [*inputs[:3], coarse, *inputs[4:11], far, *inputs[12:]], y))


@pytest.mark.tiny
def test_a_clip_smaller_than_a_step_of_the_cell_holds_it_at_zero() -> None:
    graph = graph_of(Lstm(cell_clip=1e-9), lstm_inputs(biases=(0, 0, 32767, 0)), LSTM_Y)
    (output,), kept = run(graph, [np.zeros((1, 3, 2), np.int8)])
    assert kept["cell"].tolist() == [[0]]
    assert output.reshape(-1).tolist() == [5, 5, 5]


@pytest.mark.tiny
def test_macs_are_those_of_the_matrices() -> None:
    assert graph_of(Svdf(rank=2), SVDF, Y).macs() == 4 * 2 + 4 * 2
    assert graph_of(Lstm(), lstm_inputs(), LSTM_Y).macs() == 3 * 4 * (2 + 1)
