"""QDQ models and QLinear operators: parameters unchanged, codes as ONNX Runtime's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import Array, imported, model, node, ours, reals, theirs

from midge.errors import UserError
from midge.graph import DType, Graph, Rounding
from midge.graph.ops.conversions import Quantize

SCALE = np.float32(0.03)


def integers(*shape: int, dtype: Any = np.int8, seed: int = 0) -> Array:
    limits = np.iinfo(dtype)
    found: Array = np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape, dtype)
    return found


def scalars(**values: Any) -> dict[str, Array]:
    return {name: np.asarray(value) for name, value in values.items()}


def agrees(proto: Any, inputs: dict[str, Array], steps: float = 0.0) -> Graph:
    """Interpreter and ONNX Runtime give the same codes, or reals at most some steps apart."""
    graph = imported(proto)
    for a, b in zip(ours(graph, inputs), theirs(proto, inputs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=0, atol=steps)
    return graph


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16])
@pytest.mark.parametrize("zero", [0, 5, 100])
def test_what_is_quantised_and_dequantised(dtype: Any, zero: int) -> None:
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    x = np.concatenate([reals(200, low=-9, high=9), np.float32([-1e9, 1e9, 0])])
    proto = model(nodes, {"x": x}, scalars(s=SCALE, z=np.array(zero, dtype)), opset=21)
    graph = agrees(proto, {"x": x})
    (quantize, dequantize) = graph.ops
    assert isinstance(quantize.attributes, Quantize)
    assert quantize.attributes.rounding is Rounding.HALF_EVEN
    assert dequantize.kind == "dequantize"
    q = graph.tensors[quantize.outputs[0]]
    assert q.dtype is (DType.INT16 if dtype == np.int16 else DType.INT8)
    assert q.scale == SCALE
    assert q.zero_point == (zero - 128 if dtype == np.uint8 else zero)


def test_halfway_cases_go_to_the_even_step() -> None:
    x = np.arange(-80, 80, dtype=np.float32) / 4
    made = node("QuantizeLinear", ["x", "s", "z"], ["y"])
    constants = scalars(s=np.float32(0.5), z=np.array(3, np.int8))
    agrees(model([made], {"x": x}, constants), {"x": x})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_codes_at_the_ends_of_a_graph(dtype: Any) -> None:
    constants = scalars(s=SCALE, z=np.array(17, dtype), t=np.float32(0.05), u=np.array(90, dtype))
    nodes = [
        node("DequantizeLinear", ["x", "s", "z"], ["r"]),
        node("Relu", ["r"], ["a"]),
        node("QuantizeLinear", ["a", "t", "u"], ["y"]),
    ]
    x = integers(300, dtype=dtype)
    # A product of two float32 may lie on the other side of a half.
    graph = agrees(model(nodes, {"x": x}, constants), {"x": x}, steps=1)
    assert graph.tensors["x"].quantization is not None
    assert graph.tensors["x"].zero_point == 17
    assert graph.tensors["y"].zero_point == 90
    inner = [t.dtype for t in graph.tensors.values() if t.name not in ("x", "y")]
    assert DType.UINT8 not in inner


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_operators_that_move_codes(dtype: Any) -> None:
    constants = scalars(
        s=SCALE,
        z=np.array(40, dtype),
        shape=np.array([1, 2, 4, 4]),
        p=np.array([0, 1, 0, 0, 0, 0, 1, 0]),
    )
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("Reshape", ["q", "shape"], ["image"]),
        node("Pad", ["image", "p", "z"], ["padded"]),
        node("MaxPool", ["padded"], ["pooled"], kernel_shape=[2, 2]),
        node("Transpose", ["pooled"], ["turned"], perm=[0, 2, 3, 1]),
        node("Concat", ["turned", "turned"], ["joined"], axis=2),
        node("Split", ["joined", "sizes"], ["a", "b"], axis=2),
        node("DequantizeLinear", ["b", "s", "z"], ["y"]),
    ]
    x = reals(32)
    constants["sizes"] = np.array([4, 2])
    graph = agrees(model(nodes, {"x": x}, constants), {"x": x})
    assert all(t.dtype in (DType.FLOAT32, DType.INT8) for t in graph.tensors.values())


def test_an_input_of_codes_is_known_by_what_dequantises_it() -> None:
    constants = scalars(s=SCALE, z=np.array(3, np.int8), shape=np.array([6]))
    nodes = [
        node("Reshape", ["x", "shape"], ["flat"]),
        node("DequantizeLinear", ["flat", "s", "z"], ["y"]),
    ]
    x = integers(2, 3)
    graph = agrees(model(nodes, {"x": x}, constants), {"x": x})
    assert graph.tensors["x"].zero_point == 3


def test_codes_are_dequantised_as_they_were_quantised() -> None:
    constants = scalars(s=SCALE, t=np.float32(0.5), z=np.array(3, np.int8))
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "t", "z"], ["y"]),
    ]
    with pytest.raises(UserError, match="another scale or zero point"):
        imported(model(nodes, {"x": reals(3)}, constants))


def qdq_conv(x: Array, w: Array, w_scale: Array, w_zero: Array, dtype: Any, opset: int = 17) -> Any:
    """A quantised convolution with a bias, as ONNX Runtime's quantizer writes it."""
    b_scale = (SCALE * w_scale).astype(np.float32)
    constants = scalars(
        xs=SCALE,
        xz=np.array(20, dtype),
        ys=np.float32(0.4),
        yz=np.array(11, dtype),
        w=w,
        ws=w_scale,
        wz=w_zero,
        b=np.arange(-3, w.shape[0] - 3, dtype=np.int32) * 500,
        bs=b_scale,
        bz=np.zeros(b_scale.shape, np.int32),
    )
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        node("Conv", ["xd", "wd", "bd"], ["c"], pads=[1] * (2 * (x.ndim - 2))),
        node("QuantizeLinear", ["c", "ys", "yz"], ["yq"]),
        node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
    ]
    return model(nodes, {"x": x}, constants, opset=opset)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("rank", [1, 2])
def test_a_quantised_convolution(dtype: Any, per_channel: bool, rank: int) -> None:
    x = reals(1, 3, *[6] * rank)
    w = integers(5, 3, *[3] * rank, seed=1)
    scales = reals(5 if per_channel else 1, low=0.01, high=0.02)
    zeros = np.zeros(scales.shape, np.int8)
    proto = qdq_conv(x, w, scales, zeros, dtype)
    graph = agrees(proto, {"x": x}, steps=0.41)
    (conv,) = (op for op in graph.ops if op.kind == "conv_2d")
    for name, stored in ((conv.inputs[1], DType.INT8), (conv.inputs[2], DType.INT32)):
        (producer,) = (op for op in graph.ops if name in op.outputs)
        assert producer.kind == "dequantize"
        codes = graph.tensors[producer.inputs[0]]
        assert codes.dtype is stored
        assert codes.is_constant
        assert codes.quantization is not None
        assert codes.quantization.axis == (0 if per_channel else None)
    weights = graph.tensors[next(o for o in graph.ops if conv.inputs[1] in o.outputs).inputs[0]]
    np.testing.assert_array_equal(
        np.asarray(weights.data).reshape(5, -1, 3), np.moveaxis(w, 1, -1).reshape(5, -1, 3)
    )
    np.testing.assert_array_equal(weights.quantization.scale, scales)


def test_weights_of_uint8_become_int8() -> None:
    x, w = reals(1, 3, 5, 5), integers(4, 3, 3, 3, dtype=np.uint8, seed=1)
    proto = qdq_conv(x, w, np.float32([0.01]), np.array([130], np.uint8), np.uint8)
    graph = agrees(proto, {"x": x}, steps=0.41)
    (codes,) = (t for t in graph.tensors.values() if t.is_constant and t.dtype is DType.INT8)
    assert codes.zero_point == 2


@pytest.mark.parametrize("code", [TensorProto.INT4, TensorProto.UINT4])
def test_weights_of_four_bits(code: int) -> None:
    x, low = reals(2, 8), -8 if code == TensorProto.INT4 else 0
    w = np.random.default_rng(0).integers(low, low + 16, (8, 3))
    nodes = [
        node("DequantizeLinear", ["w", "s", "z"], ["wd"], axis=1),
        node("MatMul", ["x", "wd"], ["y"]),
    ]
    proto = model(nodes, {"x": x}, {"s": np.float32([0.1, 0.2, 0.3])}, opset=21)
    proto.ir_version = 10
    zeros = [0, 0, 0] if code == TensorProto.INT4 else [8, 7, 8]
    for name, values, shape in (("w", w.reshape(-1), [8, 3]), ("z", zeros, [3])):
        proto.graph.initializer.append(helper.make_tensor(name, code, shape, values))
    graph = agrees(proto, {"x": x}, steps=1e-5)
    (codes,) = (t for t in graph.tensors.values() if t.dtype is DType.INT4)
    np.testing.assert_array_equal(codes.data, (w - (8 if low == 0 else 0)).T)
    assert codes.quantization is not None
    assert codes.quantization.axis == 0


def test_a_constant_is_quantised_while_the_file_is_read() -> None:
    w = reals(4, 3)
    constants = scalars(w=w, s=np.float32([0.1, 0.2, 0.3]), z=np.zeros(3, np.int8))
    nodes = [
        node("QuantizeLinear", ["w", "s", "z"], ["wq"], axis=1),
        node("DequantizeLinear", ["wq", "s", "z"], ["wd"], axis=1),
        node("MatMul", ["x", "wd"], ["y"]),
    ]
    x = reals(2, 4)
    graph = agrees(model(nodes, {"x": x}, constants), {"x": x}, steps=1e-6)
    assert [op.kind for op in graph.ops] == ["dequantize", "fully_connected"]


def test_scales_along_a_dimension_of_what_is_computed() -> None:
    constants = scalars(s=np.float32([0.1, 0.2, 0.3]), z=np.array([0, 5, 100], np.uint8))
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1),
        node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1),
    ]
    x = reals(40, 3, low=-20, high=20)
    agrees(model(nodes, {"x": x}, constants, ["y", "q"]), {"x": x})


def qlinear(op_type: str, x: Array, w: Array, scales: Array, **attributes: Any) -> Any:
    kind = x.dtype
    constants = scalars(
        xs=SCALE,
        xz=np.array(9, kind),
        w=w,
        ws=scales,
        wz=np.zeros(scales.shape, w.dtype),
        ys=np.float32(0.3),
        yz=np.array(30, kind),
    )
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    if op_type == "QLinearConv":
        constants["b"] = np.arange(w.shape[0], dtype=np.int32) * 100
        names.append("b")
    return model([node(op_type, names, ["y"], **attributes)], {"x": x}, constants)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_qlinear_operators(dtype: Any) -> None:
    # With weights of 8 bits the sums of ONNX Runtime saturate on CPUs without VNNI.
    x, w = integers(1, 3, 6, 6, dtype=dtype), integers(4, 3, 3, 3, seed=1) // 2
    agrees(qlinear("QLinearConv", x, w, reals(4, low=0.01, high=0.02)), {"x": x}, steps=1)
    x, w = integers(5, 6, dtype=dtype), integers(6, 4, seed=1) // 2
    agrees(qlinear("QLinearMatMul", x, w, np.array(0.01, np.float32)), {"x": x}, steps=1)


def test_a_model_of_onnx_runtimes_own_quantizer(tmp_path: Path) -> None:
    from onnxruntime import quantization

    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], name="first"),
        node("Relu", ["c1"], ["r1"]),
        node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["p1", "w2", "b2"], ["c2"], group=4, name="second"),
        node("GlobalAveragePool", ["c2"], ["g"]),
        node("Flatten", ["g"], ["f"]),
        node("Gemm", ["f", "w3", "b3"], ["y"], transB=1, name="last"),
    ]
    x = reals(1, 3, 8, 8)
    constants = {
        "w1": reals(4, 3, 3, 3, seed=1, low=-0.3, high=0.3),
        "b1": reals(4, seed=2),
        "w2": reals(4, 1, 3, 3, seed=3, low=-0.4, high=0.4),
        "b2": reals(4, seed=4),
        "w3": reals(5, 4, seed=5),
        "b3": reals(5, seed=6),
    }
    proto = model(nodes, {"x": x}, constants)
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5]))
    onnx.save(proto, tmp_path / "float.onnx")

    class Samples(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.samples = iter([{"x": reals(1, 3, 8, 8, seed=i)} for i in range(8)])

        def get_next(self) -> Any:
            return next(self.samples, None)

    for name, activations in (("unsigned", "QUInt8"), ("signed", "QInt8")):
        path = tmp_path / f"{name}.onnx"
        quantization.quantize_static(
            tmp_path / "float.onnx",
            path,
            Samples(),
            per_channel=True,
            activation_type=quantization.QuantType[activations],
        )
        quantised = onnx.load(path)
        # One code of the last layer, which a rounding anywhere before it may move.
        (step,) = (
            float(numpy_helper.to_array(i))
            for i in quantised.graph.initializer
            if i.name == "y_scale"
        )
        graph = agrees(quantised, {"x": x}, steps=1.01 * step)
        assert {"first", "second", "last"} <= {op.name for op in graph.ops}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"s": np.float32(0)}, "a scale that is not a positive finite number"),
        ({"s": np.float32(np.nan)}, "a scale that is not a positive finite number"),
        (
            {"s": np.float32([0.1, 0.2]), "z": np.zeros(2, np.int8)},
            "2 scales along a dimension of 3",
        ),
        ({"z": np.zeros(2, np.int8)}, "1 scales and 2 zero points"),
        ({"s": np.ones((2, 2), np.float32)}, "scales of shape [2, 2]"),
        ({"s": np.float64(0.1)}, "scales are float64"),
        ({"z": np.array(0, np.uint16)}, "computes codes of uint16"),
    ],
)
def test_parameters_that_are_none(changed: dict[str, Any], message: str) -> None:
    constants = scalars(**({"s": SCALE, "z": np.array(0, np.int8)} | changed))
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=1)]
    with pytest.raises(UserError) as raised:
        imported(model(nodes, {"x": reals(2, 3)}, constants))
    assert message in str(raised.value)


def test_codes_of_uint8_are_not_computed_with() -> None:
    constants = scalars(s=SCALE, z=np.array(0, np.uint8))
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("Add", ["q", "z"], ["y"])]
    with pytest.raises(UserError, match="computes with uint8 codes"):
        imported(model(nodes, {"x": reals(2, 3)}, constants))
