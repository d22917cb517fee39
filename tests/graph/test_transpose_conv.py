"""transpose_conv: meaning, worked out by hand, and limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from graph_builders import int8, int32, one_op, per_tensor, random_int8, refuses

from midge.graph import Activation, Array, DType, Rounding, Tensor, interpret, outputs_of, verify
from midge.graph.ops.transpose_conv import TransposeConv

LONG = Rounding.TFLITE_16X8
FLOAT = DType.FLOAT32


def tensor(name: str, dtype: DType, *shape: int, data: npt.ArrayLike | None = None) -> Tensor:
    quantization = per_tensor(1.0) if dtype in (DType.INT8, DType.INT16) else None
    held = None if data is None else np.asarray(data, dtype.numpy).reshape(shape)
    return Tensor(name, shape, dtype, quantization, held)


def computed(
    attributes: TransposeConv, inputs: Sequence[Tensor | None], y: Tensor, values: npt.ArrayLike
) -> Array:
    x = inputs[0]
    assert x is not None
    graph = verify(one_op(attributes, inputs, y))
    (output,) = outputs_of(
        graph, interpret(graph, {"x": np.asarray(values, x.dtype.numpy).reshape(x.shape)})
    ).values()
    return output


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, FLOAT])
@pytest.mark.parametrize(
    ("stride", "pad", "extent", "expected"),
    [
        (2, 0, 5, [1, 10, 100 + 2, 20, 0]),
        (2, 0, 4, [1, 10, 102, 20]),
        (2, 1, 4, [10, 102, 20, 0]),
        (1, 0, 4, [1, 12, 120, 0]),
        (3, 0, 7, [1, 10, 100, 2, 20, 0, 0]),
        (1, 2, 1, [120]),
        (4, 0, 2, [1, 10]),
    ],
)
def test_inputs_are_spread_along_a_row(
    dtype: DType, stride: int, pad: int, extent: int, expected: list[int]
) -> None:
    # The last tap is beside 2 off: 100 * 2 does not fit int8.
    values, taps = [1, 2], [1, 10, 100]
    attributes = TransposeConv(
        extent=(1, extent),
        stride=(1, stride),
        pad_before=(0, pad),
        rounding=LONG if dtype is DType.INT16 else Rounding.TFLITE_DOUBLE,
    )
    kept = DType.INT8 if dtype is DType.INT16 else dtype
    x, w = tensor("x", dtype, 1, 1, 2, 1), tensor("w", kept, 1, 1, 3, 1, data=taps)
    found = computed(attributes, (x, w), tensor("y", dtype, 1, 1, extent, 1), values)
    limit = 127 if dtype is DType.INT8 else 1000
    whole = np.zeros(30, int)
    for k, value in enumerate(values):
        whole[k * stride : k * stride + 3] += value * np.array(taps)
    assert found.reshape(-1).tolist() == np.minimum(whole[pad : pad + extent], limit).tolist()
    assert np.minimum(expected, limit)[:3].tolist() == found.reshape(-1)[:3].tolist()


def test_channels_zero_points_and_bias() -> None:
    attributes = TransposeConv(extent=(2, 2), stride=(2, 2))
    x, y = int8("x", 1, 1, 1, 2, scale=1.0, zero_point=-10), int8("y", 1, 2, 2, 2, scale=1.0)
    w = np.zeros((2, 1, 2, 2))
    w[0, 0, 0], w[0, 0, 1], w[1, 0, 1] = [1, 2], [3, -1], [-2, 5]
    weights = int8("w", 2, 1, 2, 2, scale=1.0, data=w)
    found = computed(attributes, (x, weights, int32("b", [7, -7])), y, [-9, -8])
    # Centred: 1 and 2. The second row is out of reach: the bias alone.
    assert found.tolist() == [[[[7 + 5, -7], [7 + 1, -7 + 8]], [[7, -7], [7, -7]]]]


def test_an_activation_is_fused_behind_the_bias() -> None:
    attributes = TransposeConv(extent=(1, 1), activation=Activation.RELU6)
    for dtype, b in ((DType.INT8, int32("b", [100])), (FLOAT, tensor("b", FLOAT, 1, data=[100]))):
        x, w = tensor("x", dtype, 1, 1, 1, 1), tensor("w", dtype, 1, 1, 1, 1, data=[1])
        y = tensor("y", dtype, 1, 1, 1, 1)
        assert computed(attributes, (x, w, b), y, [1]).item() == 6
        assert computed(attributes, (x, w, None), y, [-1]).item() == 0


def test_float_sums_run_over_inputs_in_order() -> None:
    attributes = TransposeConv(extent=(1, 3), pad_before=(0, 1))
    x, w = tensor("x", FLOAT, 1, 1, 3, 1), tensor("w", FLOAT, 1, 1, 3, 1, data=[1, 1, 1])
    y = tensor("y", FLOAT, 1, 1, 3, 1)
    # 1e8 + 1 is 1e8 in float32.
    assert computed(attributes, (x, w), y, [1e8, 1, -1e8])[0, 0, 1, 0] == 0
    assert computed(attributes, (x, w), y, [1e8, -1e8, 1])[0, 0, 1, 0] == 1


def test_stride_1_is_a_convolution_with_the_kernel_turned_round() -> None:
    from midge.graph.ops.conv_2d import Conv2D

    rng = np.random.default_rng(0)
    w = rng.integers(-20, 20, (5, 3, 2, 4))
    x, y = int8("x", 2, 6, 5, 4, zero_point=9), int8("y", 2, 6, 5, 5, scale=300.0)
    values = random_int8(x.shape, 3)
    transposed = TransposeConv(extent=(6, 5), pad_before=(1, 0))
    found = computed(transposed, (x, int8("w", *w.shape, data=w)), y, values)
    turned = int8("w", *w.shape, data=w[:, ::-1, ::-1])
    graph = one_op(Conv2D(pad_before=(1, 1), pad_after=(1, 0)), (x, turned), y)
    (expected,) = outputs_of(graph, interpret(verify(graph), {"x": values})).values()
    assert np.array_equal(found, expected)


def test_an_int16_bias_is_taken_beside_long_sums() -> None:
    attributes = TransposeConv(extent=(1, 1), rounding=LONG)
    x, y = tensor("x", DType.INT16, 1, 1, 1, 1), tensor("y", DType.INT16, 1, 1, 1, 1)
    w = tensor("w", DType.INT8, 1, 1, 1, 1, data=[3])
    for dtype in (DType.INT16, DType.INT64):
        b = Tensor("b", (1,), dtype, None, np.array([-1000], dtype.numpy))
        assert computed(attributes, (x, w, b), y, [200]).item() == -400


def test_macs_are_those_of_every_tap() -> None:
    x, w = int8("x", 2, 3, 4, 5), int8("w", 6, 2, 3, 5, data=1)
    graph = one_op(TransposeConv(extent=(6, 8)), (x, w), int8("y", 2, 6, 8, 6))
    assert verify(graph).macs() == 2 * 3 * 4 * 5 * 2 * 3 * 6


X, W = int8("x", 1, 3, 3, 2), int8("w", 4, 2, 2, 2, data=1)
Y = int8("y", 1, 4, 4, 4)
HERE = TransposeConv(extent=(4, 4))
REFUSALS = [
    ("x has shape [3, 3, 2]; expected 4 dimensions", HERE, (int8("x", 3, 3, 2), W), Y),
    ("w has shape [4, 2, 2]; expected 4 dimensions", HERE, (X, int8("w", 4, 2, 2, data=1)), Y),
    (
        "x is int32; supported here: int8, int16, float32",
        HERE,
        (Tensor("x", X.shape, DType.INT32), W),
        Y,
    ),
    (
        "w has shape [4, 2, 2, 3]; expected [o, h, w, 2] for 2 channels",
        HERE,
        (X, int8("w", 4, 2, 2, 3, data=1)),
        Y,
    ),
    (
        "extent (4, 0) and stride (1, 1) must be at least 1 and padding (0, 0) at least 0",
        TransposeConv(extent=(4, 0)),
        (X, W),
        Y,
    ),
    (
        "extent (4, 4) and stride (0, 1) must be at least 1",
        TransposeConv(extent=(4, 4), stride=(0, 1)),
        (X, W),
        Y,
    ),
    (
        "padding (0, -1) at least 0",
        TransposeConv(extent=(4, 4), pad_before=(0, -1)),
        (X, W),
        Y,
    ),
    (
        "kernel (2, 2), stride (1, 32769) and padding (0, 0) may be at most 32768",
        TransposeConv(extent=(4, 4), stride=(1, 32769)),
        (X, W),
        Y,
    ),
    ("y is int8[1, 4, 4, 4]; the operator gives", TransposeConv(extent=(4, 5)), (X, W), Y),
    (
        "windows of (128, 128) taps around 16384 elements write 268435456; supported: up to",
        TransposeConv(extent=(4, 4)),
        (int8("x", 1, 64, 128, 2), int8("w", 4, 128, 128, 2, data=1)),
        Y,
    ),
    (
        "w is int4; supported here: int8",
        HERE,
        (X, Tensor("w", W.shape, DType.INT4, per_tensor(), np.ones(W.shape, np.int8))),
        Y,
    ),
    (
        "b is int32; supported here: int64, int16",
        TransposeConv(extent=(4, 4), rounding=LONG),
        (tensor("x", DType.INT16, *X.shape), W, int32("b", [1, 2, 3, 4])),
        tensor("y", DType.INT16, *Y.shape),
    ),
    (
        "x has zero point 3; supported for int16: 0",
        TransposeConv(extent=(4, 4), rounding=LONG),
        (Tensor("x", X.shape, DType.INT16, per_tensor(1.0, 3)), W),
        tensor("y", DType.INT16, *Y.shape),
    ),
    (
        "w is int8; supported here: float32",
        HERE,
        (tensor("x", FLOAT, *X.shape), W),
        tensor("y", FLOAT, *Y.shape),
    ),
]


@pytest.mark.parametrize(
    ("message", "attributes", "inputs", "y"), REFUSALS, ids=[r[0][:50] for r in REFUSALS]
)
def test_refusal(
    message: str, attributes: TransposeConv, inputs: tuple[Tensor | None, ...], y: Tensor
) -> None:
    with refuses(message):
        verify(one_op(attributes, inputs, y))
