"""Let emx-onnx-cgen 1.4.0 compile a network; runs in its own environment, not in Midge's.

``python peer_emx.py NETWORK VARIANT ORIGINAL OUT``: the folder of `peer_networks.write_network`,
``int8`` (ONNX QLinearConv and, as ONNX Runtime's quantiser writes them, QGemm, QLinearAdd and
QLinearGlobalAveragePool of the domain com.microsoft) or ``float32`` (the weights dequantised), a
file that is not read, and the folder for the C and ``peer.json``. Images are NCHW.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_DOMAIN = "com.microsoft"


class Builder:
    """An ONNX graph while it grows."""

    def __init__(self, folder: Path, variant: str) -> None:
        """Read the network."""
        network = json.loads((folder / "network.json").read_text("utf-8"))
        self.tensors: list[dict[str, Any]] = network["tensors"]
        self.operators: list[dict[str, Any]] = network["operators"]
        self.input: int = network["input"]
        self.output: int = network["output"]
        self.constants = dict(np.load(folder / "network.npz"))
        self.quantized = variant == "int8"
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def model(self) -> Any:
        """The whole model, checked."""
        for operator in self.operators:
            getattr(self, f"_{operator['kind']}")(operator)
        # ONNX's shape inference does not know the operators of com.microsoft.
        between = [self._value(operator["output"]) for operator in self.operators[:-1]]
        graph = helper.make_graph(
            self.nodes,
            "net",
            [self._value(self.input)],
            [self._value(self.output)],
            self.initializers,
            value_info=between,
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_DOMAIN, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model)
        return model

    def _value(self, index: int) -> Any:
        kind = TensorProto.INT8 if self.quantized else TensorProto.FLOAT
        return helper.make_tensor_value_info(self._name(index), kind, self._shape(index))

    def _shape(self, index: int) -> list[int]:
        shape = self.tensors[index]["shape"]
        return [shape[0], shape[3], shape[1], shape[2]] if len(shape) == 4 else shape

    def _name(self, index: int) -> str:
        return f"t{index}"

    def _constant(self, name: str, values: Any) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _scale(self, index: int) -> tuple[str, str]:
        """Scale and zero point of an activation, as constants."""
        tensor, name = self.tensors[index], self._name(index)
        known = {value.name for value in self.initializers}
        if f"{name}_scale" not in known:
            self._constant(f"{name}_scale", np.float32(tensor["scale"][0]))
            self._constant(f"{name}_zero", np.int8(tensor["zero_point"]))
        return f"{name}_scale", f"{name}_zero"

    def _clamps_by_type(self, operator: dict[str, Any]) -> None:
        """A ReLU onto zero point -128 is what saturation to int8 does."""
        zero_point = self.tensors[operator["output"]]["zero_point"]
        if operator["activation"] not in ("none", "relu") or (
            operator["activation"] == "relu" and zero_point != -128
        ):
            raise NotImplementedError(f"{operator['activation']} with zero point {zero_point}")

    def _reals(self, index: int, axis: int) -> Any:
        """A constant's real values."""
        tensor = self.tensors[index]
        scale = np.asarray(tensor["scale"], np.float64)
        shape = [-1 if d == axis else 1 for d in range(len(tensor["shape"]))]
        return self.constants[str(index)] * (scale.reshape(shape) if scale.size > 1 else scale)

    def _weighted(self, operator: dict[str, Any], weights: Any, node: str, **more: Any) -> None:
        """A layer of weights and biases, of either kind."""
        x, w, b = operator["inputs"]
        y, name = operator["output"], self._name(operator["inputs"][1])
        bias = self.constants[str(b)]
        if not self.quantized:
            real_bias = (
                bias
                * np.float64(self.tensors[x]["scale"][0])
                * np.asarray(self.tensors[w]["scale"], np.float64)
            )
            inputs = [
                self._name(x),
                self._constant(name, weights.astype(np.float32)),
                self._constant(f"{name}_bias", real_bias.astype(np.float32)),
            ]
            clamped = operator["activation"] == "relu"
            result = f"{self._name(y)}_sum" if clamped else self._name(y)
            self.nodes.append(helper.make_node(node, inputs, [result], **more))
            if clamped:
                self.nodes.append(helper.make_node("Relu", [result], [self._name(y)]))
            return
        self._clamps_by_type(operator)
        scales = np.asarray(self.tensors[w]["scale"], np.float32)
        scales = scales if scales.size > 1 else scales[0]
        weight_inputs = [
            self._constant(name, weights),
            self._constant(f"{name}_scale", scales),
            self._constant(f"{name}_zero", np.zeros(np.shape(scales), np.int8)),
        ]
        bias_input = self._constant(f"{name}_bias", bias)
        inputs = [self._name(x), *self._scale(x), *weight_inputs]
        if node == "Conv":
            inputs += [*self._scale(y), bias_input]
            self.nodes.append(helper.make_node("QLinearConv", inputs, [self._name(y)], **more))
        else:
            inputs += [bias_input, *self._scale(y)]
            self.nodes.append(
                helper.make_node("QGemm", inputs, [self._name(y)], domain=_DOMAIN, **more)
            )

    def _window(self, operator: dict[str, Any]) -> dict[str, Any]:
        pads = [*operator["pad_before"], *operator["pad_after"]]
        return {"strides": operator["stride"], "pads": pads, "dilations": operator["dilation"]}

    def _conv_2d(self, operator: dict[str, Any]) -> None:
        weights = operator["inputs"][1]
        values = self.constants[str(weights)] if self.quantized else self._reals(weights, 0)
        self._weighted(operator, values.transpose(0, 3, 1, 2), "Conv", **self._window(operator))

    def _depthwise_conv_2d(self, operator: dict[str, Any]) -> None:
        weights = operator["inputs"][1]
        values = self.constants[str(weights)] if self.quantized else self._reals(weights, 3)
        groups = values.shape[3]
        self._weighted(
            operator, values.transpose(3, 0, 1, 2), "Conv", group=groups, **self._window(operator)
        )

    def _fully_connected(self, operator: dict[str, Any]) -> None:
        weights = operator["inputs"][1]
        values = self.constants[str(weights)] if self.quantized else self._reals(weights, 0)
        self._weighted(operator, values, "Gemm", transB=1)

    def _average_pool_2d(self, operator: dict[str, Any]) -> None:
        (x,), y = operator["inputs"], operator["output"]
        if operator["kernel"] != self.tensors[x]["shape"][1:3]:
            raise NotImplementedError("a pool that is not global")
        if self.quantized:
            inputs = [self._name(x), *self._scale(x), *self._scale(y)]
            node = helper.make_node(
                "QLinearGlobalAveragePool", inputs, [self._name(y)], domain=_DOMAIN
            )
        else:
            node = helper.make_node("GlobalAveragePool", [self._name(x)], [self._name(y)])
        self.nodes.append(node)

    def _add(self, operator: dict[str, Any]) -> None:
        (a, b), y = operator["inputs"], operator["output"]
        if self.quantized:
            self._clamps_by_type(operator)
            inputs = [self._name(a), *self._scale(a), self._name(b), *self._scale(b)]
            inputs += self._scale(y)
            self.nodes.append(
                helper.make_node("QLinearAdd", inputs, [self._name(y)], domain=_DOMAIN)
            )
            return
        result = f"{self._name(y)}_sum"
        self.nodes.append(helper.make_node("Add", [self._name(a), self._name(b)], [result]))
        self.nodes.append(helper.make_node("Relu", [result], [self._name(y)]))

    def _reshape(self, operator: dict[str, Any]) -> None:
        # Only after global pools here: NCHW and NHWC are the same there.
        (x,), y = operator["inputs"], operator["output"]
        name = self._constant(f"t{y}_shape", np.array(operator["shape"], np.int64))
        self.nodes.append(helper.make_node("Reshape", [self._name(x), name], [self._name(y)]))


def main() -> None:
    """Write the ONNX file, then the C."""
    network, variant, _, out = sys.argv[1:]
    folder = Path(out) / "c"
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(Path(network), variant)
    onnx.save(builder.model(), Path(out) / "net.onnx")
    # Everything in flash or on the stack: nothing from files or the heap.
    options = ["--large-weight-threshold", "0", "--large-temp-threshold", "0"]
    command = [sys.executable, "-m", "emx_onnx_cgen", "compile", *options, "--model-name", "net"]
    done = subprocess.run(
        [*command, str(Path(out) / "net.onnx"), str(folder / "peer_net.c")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    source = (folder / "peer_net.c").read_text("utf-8")
    prototype = re.search(r"^void net\(([^)]*)\)", source, re.MULTILINE)
    if prototype is None:
        raise SystemExit("the emitted C has no function called net")
    values = {"dtype": variant, "channels_first": True}
    content = {
        "as_published": "does not read .tflite",
        "include": [],
        "declare": f"void net({prototype[1]});",
        "call": "net((const void *)in, (void *)out);",
        "scratch_bytes": 0,
        "input": values,
        "output": values,
    }
    (Path(out) / "peer.json").write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    main()
