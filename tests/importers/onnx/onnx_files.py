"""Small .onnx files for the tests of this room, and what ONNX Runtime says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from midge.graph import Graph, interpret, outputs_of
from midge.importers.onnx import import_onnx

Array = NDArray[Any]
TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int64): TensorProto.INT64,
    np.dtype(np.bool_): TensorProto.BOOL,
}


def node(op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Any:
    return helper.make_node(op_type, inputs, outputs, **attributes)


def model(
    nodes: Sequence[Any],
    inputs: Mapping[str, Array],
    constants: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    domains: Sequence[str] = (),
) -> Any:
    """A ModelProto whose inputs have the arrays' shapes and types."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [
            helper.make_tensor_value_info(name, TYPES[np.asarray(x).dtype], np.shape(x))
            for name, x in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name, type=_untyped()) for name in outputs],
        [numpy_helper.from_array(np.asarray(x), name) for name, x in (constants or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def _untyped() -> Any:
    return helper.make_tensor_type_proto(TensorProto.FLOAT, None)


def imported(proto: Any) -> Graph:
    return import_onnx(proto.SerializeToString(), "model.onnx")


def ours(graph: Graph, inputs: Mapping[str, Array]) -> list[Array]:
    given = {n: np.asarray(inputs[n]).astype(graph.tensors[n].dtype.numpy) for n in graph.inputs}
    return list(outputs_of(graph, interpret(graph, given)).values())


def theirs(proto: Any, inputs: Mapping[str, Array]) -> list[Array]:
    """By ONNX Runtime on one thread, without its own fusions; it infers the outputs' types."""
    named = onnx.ModelProto()
    named.CopyFrom(proto)
    for output in named.graph.output:
        output.ClearField("type")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        named.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(None, {n: np.asarray(x) for n, x in inputs.items()})
    return found


def check(proto: Any, inputs: Mapping[str, Array], ulps: float = 4, sums: int = 0) -> Graph:
    """Interpreter and ONNX Runtime agree within a few units in the last place.

    Args:
        proto: A model.
        inputs: Of it.
        ulps: Of each result by itself.
        sums: Addends of a result, which the two add in different orders: so many units of the
            largest result are allowed as well.
    """
    graph = imported(proto)
    found, expected = ours(graph, inputs), theirs(proto, inputs)
    assert list(graph.outputs) == [o.name for o in proto.graph.output]
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        if b.dtype != np.float32:
            np.testing.assert_array_equal(a, b)
            continue
        largest = np.abs(b[np.isfinite(b)]).max(initial=0.0)
        unit = float(np.finfo(np.float32).eps)
        np.testing.assert_allclose(a, b, rtol=ulps * unit, atol=(sums + 1) * unit * float(largest))
    return graph


def reals(*shape: int, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)
