"""Small ONNX networks of one operator each, quantised and run by ONNX Runtime on the CPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

OPSET = 17
Shapes = Mapping[str, tuple[int, ...]]


class OnnxBuilder:
    """Nodes and constants in the making."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weights(self, name: str, *shape: int) -> str:
        drawn = self.random.normal(size=shape) * 0.3
        return self.constant(name, drawn.astype(np.float32))

    def node(self, kind: str, *inputs: str, to: str = "y", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [to], name=f"{to}_{kind}", **attributes))
        return to

    def surround(self, inputs: Shapes, output: float, dtype: Any) -> None:
        """QuantizeLinear and DequantizeLinear behind the inputs and the output."""
        names = {**{name: f"{name}_held" for name in inputs}, "y": "y_real"}
        for node in self.nodes:
            node.input[:] = [names.get(n, n) for n in node.input]
            node.output[:] = [names.get(n, n) for n in node.output]
        inner, self.nodes = self.nodes, []
        middle = 0 if dtype is np.int8 else 128
        for number, name in enumerate(inputs):
            self._pair(name, names[name], 0.025 - 0.0041 * number, dtype(middle - 9 + 2 * number))
        self.nodes.extend(inner)
        self._pair(names["y"], "y", output, dtype(middle - 31))

    def _pair(self, source: str, to: str, scale: float, zero: Any) -> None:
        s = self.constant(f"{to}_scale", np.float32(scale))
        z = self.constant(f"{to}_zero", zero)
        codes = self.node("QuantizeLinear", source, s, z, to=f"{to}_codes")
        self.node("DequantizeLinear", codes, s, z, to=to)

    def model(self, inputs: Shapes, output: str = "y") -> onnx.ModelProto:
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))
            for name, shape in inputs.items()
        ]
        made = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "net", ends, made, self.constants)
        # The IR of the opset: older runtimes read it.
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8
        )
        return onnx.shape_inference.infer_shapes(model)


@dataclass(frozen=True)
class Case:
    """A network.

    Attributes:
        build: Adds the nodes that make "y" of the inputs.
        inputs: Shapes of the inputs.
        output: Scale of the output where ONNX Runtime's quantizer leaves the operator alone: QDQ is
            then put around it here.
    """

    build: Callable[[OnnxBuilder], object]
    inputs: Shapes
    output: float | None = None


IMAGE: Shapes = {"x": (1, 4, 9, 8)}
TWO_IMAGES: Shapes = {"x": (1, 4, 9, 8), "z": (1, 4, 9, 8)}
ROWS: Shapes = {"x": (6, 20)}


def _conv(b: OnnxBuilder, *shape: int, **attributes: Any) -> str:
    w, bias = b.weights("w", *shape), b.weights("b", shape[0])
    return b.node("Conv", "x", w, bias, **attributes)


def _resize(b: OnnxBuilder) -> str:
    scales = b.constant("scales", np.float32([1, 1, 2, 2]))
    more = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    return b.node("Resize", "x", "", scales, nearest_mode="floor", **more)


def _pad(b: OnnxBuilder) -> str:
    return b.node("Pad", "x", b.constant("pads", np.int64([0, 0, 1, 2, 0, 0, 1, 0])))


CASES: dict[str, Case] = {
    "Conv": Case(lambda b: _conv(b, 8, 4, 3, 3, pads=[1] * 4), IMAGE),
    "Conv, pointwise": Case(lambda b: _conv(b, 12, 4, 1, 1), IMAGE),
    "Conv, strided": Case(lambda b: _conv(b, 8, 4, 3, 3, strides=[2, 2]), IMAGE),
    "Conv, dilated": Case(lambda b: _conv(b, 8, 4, 2, 2, dilations=[2, 2]), IMAGE),
    "Conv, grouped": Case(lambda b: _conv(b, 8, 2, 3, 3, group=2), IMAGE),
    "Conv, depthwise": Case(lambda b: _conv(b, 4, 1, 3, 3, group=4, pads=[1] * 4), IMAGE),
    "Gemm": Case(
        lambda b: b.node("Gemm", "x", b.weights("w", 10, 20), b.weights("b", 10), transB=1), ROWS
    ),
    "MatMul": Case(lambda b: b.node("MatMul", "x", b.weights("w", 20, 10)), ROWS),
    "MatMul of two inputs": Case(
        lambda b: b.node("MatMul", "x", "z"), {"x": (2, 6, 20), "z": (2, 20, 5)}
    ),
    "Mul": Case(lambda b: b.node("Mul", "x", "z"), TWO_IMAGES),
    "GlobalAveragePool": Case(lambda b: b.node("GlobalAveragePool", "x"), IMAGE),
    "MaxPool": Case(
        lambda b: b.node("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2]), IMAGE, 0.025
    ),
    "Sigmoid": Case(lambda b: b.node("Sigmoid", "x"), IMAGE),
    "LeakyRelu": Case(lambda b: b.node("LeakyRelu", "x", alpha=0.1), IMAGE),
    "Tanh": Case(lambda b: b.node("Tanh", "x"), IMAGE, 1 / 127),
    "HardSwish": Case(lambda b: b.node("HardSwish", "x"), IMAGE, 0.02),
    "Relu": Case(lambda b: b.node("Relu", "x"), IMAGE, 0.03),
    "Clip": Case(
        lambda b: b.node(
            "Clip", "x", b.constant("low", np.float32(0)), b.constant("high", np.float32(2))
        ),
        IMAGE,
        0.018,
    ),
    "Concat": Case(lambda b: b.node("Concat", "x", "z", axis=1), TWO_IMAGES),
    "Resize, nearest": Case(_resize, IMAGE, 0.025),
    "Transpose": Case(lambda b: b.node("Transpose", "x", perm=[0, 2, 1, 3]), IMAGE, 0.025),
    "Pad": Case(_pad, IMAGE),
    "Add": Case(lambda b: b.node("Add", "x", "z"), TWO_IMAGES),
    "Sub": Case(lambda b: b.node("Sub", "x", "z"), TWO_IMAGES, 0.05),
    "AveragePool": Case(
        lambda b: b.node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2]), IMAGE, 0.02
    ),
    "Softmax": Case(lambda b: b.node("Softmax", "x", axis=-1), ROWS),
    "ReduceMean": Case(lambda b: b.node("ReduceMean", "x", axes=[1], keepdims=1), ROWS, 0.007),
    "Div": Case(lambda b: b.node("Div", "x", b.constant("c", np.float32([[2.5]]))), ROWS, 0.01),
}
"""By the name of the ONNX operator and what is special."""


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: Iterator[dict[str, Any]]) -> None:
        self._samples = samples

    def get_next(self) -> dict[str, Any] | None:
        return next(self._samples, None)


def samples(inputs: Shapes, count: int, seed: int) -> list[dict[str, Any]]:
    """Arrays in the model's order of dimensions."""
    random = np.random.default_rng(seed)
    return [
        {n: random.normal(size=s).astype(np.float32) for n, s in inputs.items()}
        for _ in range(count)
    ]


def quantized_file(
    name: str,
    activations: str,
    folder: Path,
    build: Callable[[OnnxBuilder], object] | None = None,
    inputs: Shapes | None = None,
) -> Path:
    """A network, as ONNX Runtime quantises it.

    Weights have seven bits: CPUs without VNNI add pairs of products of eight bits in 16 bits, which
    saturate.

    Args:
        name: Of the case, or of another network that `build` and `inputs` give.
        activations: "int8" or "uint8".
        folder: Where files are written.
        build: As of a case.
        inputs: As of a case.
    """
    case = CASES[name] if build is None or inputs is None else Case(build, inputs)
    builder = OnnxBuilder(seed=len(name))
    case.build(builder)
    made = folder / f"{name}_{activations}.onnx"
    if case.output is not None:
        dtype = np.int8 if activations == "int8" else np.uint8
        builder.surround(case.inputs, case.output, dtype)
        onnx.save(builder.model(case.inputs), made)
        return made
    plain = folder / f"{name}.onnx"
    onnx.save(builder.model(case.inputs), plain)
    logging.disable(logging.WARNING)
    try:
        quantize_static(
            plain,
            made,
            _Reader(iter(samples(case.inputs, 16, seed=1))),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QInt8 if activations == "int8" else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.disable(logging.NOTSET)
    return made


class Session:
    """A model in ONNX Runtime.

    Attributes:
        kinds: Operators that it runs, the integer ones among them where `optimised`.
    """

    def __init__(self, file: Path, *, optimised: bool) -> None:
        options = onnxruntime.SessionOptions()
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = (
            level.ORT_ENABLE_EXTENDED if optimised else level.ORT_DISABLE_ALL
        )
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        kept = file.with_suffix(".optimised.onnx")
        options.optimized_model_filepath = str(kept)
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.kinds = [node.op_type for node in onnx.load(kept).graph.node]

    def run(self, sample: Mapping[str, Any]) -> Any:
        """The first output, float32."""
        return self._session.run(None, dict(sample))[0]
