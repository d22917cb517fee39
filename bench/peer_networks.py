"""The networks as the other compilers are given them.

Each gets the same integers, in the form it reads: a .tflite file by this project's own writer
(batch fixed to 1, RESHAPE with its options, operator versions as converters write them), or tensors
and operators as plain arrays and JSON, for what is built in an environment without Midge.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.graph import Graph, Op, Rounding, Tensor
from midge.synthetic import model_description as description
from midge.synthetic import write_tflite

# The versions that TensorFlow's converter writes for int8 (lite/tools/versioning/op_version.cc).
_VERSIONS = {
    "conv_2d": 3,
    "depthwise_conv_2d": 3,
    "fully_connected": 4,
    "average_pool_2d": 2,
    "add": 2,
}


def without_softmax(graph: Graph) -> Graph:
    """The network up to a closing softmax: not every compiler has one.

    Its cost is small: kws01 has 12 classes, and spends 0.1 % of its instructions there.
    """
    last = graph.ops[-1]
    if last.kind != "softmax":
        return graph
    return replace(graph, outputs=(last.inputs[0],)).with_ops(graph.ops[:-1])


def rounded_half_even(graph: Graph) -> Graph:
    """The same network with every requantisation rounded as ONNX's QLinear operators do."""
    return graph.with_ops([replace(op, attributes=_half_even(op.attributes)) for op in graph.ops])


def _half_even(attributes: Any) -> Any:
    if not hasattr(attributes, "rounding"):
        return attributes
    return replace(attributes, rounding=Rounding.HALF_EVEN)


def write_network(graph: Graph, folder: Path) -> None:
    """Write ``network.tflite``, ``network.json`` and ``network.npz`` into a folder.

    The JSON lists the operators with their attributes and each tensor's shape, scales and zero
    point; the .npz holds the constants by index. Pairs are (height, width).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "network.tflite").write_bytes(write_tflite(_description(graph)))
    names = {name: index for index, name in enumerate(graph.tensors)}
    constants = {str(names[t.name]): t.data for t in graph.tensors.values() if t.is_constant}
    np.savez(folder / "network.npz", **constants)  # type: ignore[arg-type] # data is not None here
    content = {
        "tensors": [_tensor_json(tensor) for tensor in graph.tensors.values()],
        "operators": [_operator_json(op, names) for op in graph.ops],
        "input": names[graph.inputs[0]],
        "output": names[graph.outputs[0]],
    }
    (folder / "network.json").write_text(json.dumps(content), "utf-8")


@dataclass(frozen=True)
class Values:
    """How a peer's C takes or gives a tensor.

    Attributes:
        dtype: ``int8`` with the tensor's own quantisation, or ``float32`` reals.
        channels_first: Images are NCHW instead of NHWC.
    """

    dtype: str
    channels_first: bool

    def encode(self, x: NDArray[np.int8], tensor: Tensor) -> bytes:
        """A sample of the network's int8 as this peer takes it."""
        values: NDArray[Any] = x.reshape(tensor.shape)
        if self.dtype == "float32":
            values = ((values.astype(np.float64) - tensor.zero_point) * tensor.scale).astype("<f4")
        if self.channels_first and values.ndim == 4:
            values = values.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(values).tobytes()

    def decode(self, content: bytes, tensor: Tensor) -> NDArray[np.int8]:
        """What this peer gives as the network's int8; reals are quantised, half to even."""
        if self.dtype == "int8":
            return np.frombuffer(content, np.int8)
        reals = np.frombuffer(content, "<f4").astype(np.float64)
        steps = np.rint(reals / tensor.scale) + tensor.zero_point
        clipped: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
        return clipped

    def size_bytes(self, tensor: Tensor) -> int:
        """Bytes of the tensor in this form."""
        return tensor.size * (4 if self.dtype == "float32" else 1)


def _description(graph: Graph) -> description.ModelDescription:
    tensors = [
        description.Tensor(t.name, t.shape, t.dtype.value, _quantization(t), t.data)
        for t in graph.tensors.values()
    ]
    operators = []
    for op in graph.ops:
        inputs = [name or None for name in op.inputs]
        if op.kind == "reshape":
            shape = np.array(op.attributes.shape, np.int32)  # type: ignore[attr-defined]
            inputs.append(f"{op.name}_shape")
            tensors.append(
                description.Tensor(f"{op.name}_shape", shape.shape, "int32", None, shape)
            )
        operators.append(
            description.Operator(
                op.kind.upper(),
                tuple(inputs),
                op.outputs,
                _options(op),
                _VERSIONS.get(op.kind, 1),
            )
        )
    return description.ModelDescription(
        tuple(tensors), tuple(operators), graph.inputs, graph.outputs
    )


def _quantization(tensor: Tensor) -> description.Quantization | None:
    found = tensor.quantization
    if found is None:
        return None
    return description.Quantization(
        tuple(float(s) for s in found.scale),
        tuple(int(z) for z in found.zero_point),
        found.axis or 0,
    )


def _options(op: Op) -> description.Options:
    has: Any = op.attributes
    activation = has.activation.name if hasattr(has, "activation") else "NONE"
    padded = hasattr(has, "pad_before") and any((*has.pad_before, *has.pad_after))
    padding = "SAME" if padded else "VALID"
    if op.kind == "conv_2d":
        return description.Conv2DOptions(padding, has.stride, has.dilation, activation)
    if op.kind == "depthwise_conv_2d":
        return description.DepthwiseConv2DOptions(padding, has.stride, has.dilation, 1, activation)
    if op.kind == "average_pool_2d":
        return description.Pool2DOptions(has.kernel, padding, has.stride, activation)
    if op.kind == "fully_connected":
        return description.FullyConnectedOptions(activation, has.keep_dims)
    if op.kind == "add":
        return description.AddOptions(activation)
    if op.kind == "reshape":
        return description.ReshapeOptions(has.shape)
    raise NotImplementedError(f"{op.name}: {op.kind} is in none of the four networks")


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    found = tensor.quantization
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "scale": [float(s) for s in found.scale] if found else None,
        "zero_point": int(found.zero_point[0]) if found else None,
    }


def _operator_json(op: Op, names: dict[str, int]) -> dict[str, Any]:
    has: Any = op.attributes
    content: dict[str, Any] = {
        "kind": op.kind,
        "inputs": [names[name] for name in op.inputs if name],
        "output": names[op.outputs[0]],
        "activation": has.activation.value if hasattr(has, "activation") else "none",
    }
    for name in ("stride", "dilation", "pad_before", "pad_after", "kernel", "shape"):
        if hasattr(has, name):
            content[name] = list(getattr(has, name))
    return content
