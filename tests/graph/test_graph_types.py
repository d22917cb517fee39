"""Equality, sizes and the small promises of the graph's data."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, per_channel, per_tensor

from midge.graph import DType, Graph, Op, Quantization, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.reshape import Reshape


@pytest.mark.tiny
def test_quantisation_is_equal_bit_by_bit() -> None:
    assert per_tensor(0.1, 3) == per_tensor(0.1, 3)
    assert hash(per_tensor(0.1, 3)) == hash(per_tensor(0.1, 3))
    assert per_tensor(0.1, 3) != per_tensor(0.1, 4)
    assert per_tensor(0.1) != per_tensor(float(np.nextafter(np.float32(0.1), np.float32(1))))
    assert per_channel([1, 2], 0) != per_channel([1, 2], 1)
    assert per_tensor(0.1) != "0.1"
    # A NaN that nothing reads does not make a graph differ from itself; equal ones hash equally.
    assert per_tensor(float("nan")) == per_tensor(float("nan"))
    assert per_tensor(0.0) != per_tensor(-0.0)


def test_tensors_are_equal_with_their_data() -> None:
    assert int8("x", 2, data=[1, 2]) == int8("x", 2, data=[1, 2])
    assert hash(int8("x", 2)) == hash(int8("x", 2))
    assert int8("x", 2, data=[1, 2]) != int8("x", 2, data=[1, 3])
    assert int8("x", 2, data=[1, 2]) != int8("x", 2)
    assert int8("x", 2) != int8("z", 2)
    assert int8("x", 2) != Tensor("x", (2,), DType.INT8)
    assert int8("x", 2) != 2
    one = Tensor("x", (1,), DType.INT8, None, np.ones(1, np.int8))
    assert one != Tensor("x", (1,), DType.INT8, None, np.ones(1, np.int16))


def test_sizes() -> None:
    assert (int8("x").size, int8("x", 2, 3).size_bytes) == (1, 6)
    assert int32("b", [1, 2, 3]).size_bytes == 12
    sizes = {t: t.size_bits for t in DType}
    assert sizes.pop(DType.INT4) == 4
    assert sizes == {t: 8 * np.dtype(t.value).itemsize for t in DType if t is not DType.INT4}
    assert Tensor("w", (3, 3), DType.INT4).size_bytes == 5
    assert DType.INT4.limits == (-8, 7)
    assert DType.INT8.limits == (-128, 127)
    assert DType.UINT8.limits == (0, 255)


def test_a_single_scale_is_asked_for_only_where_there_is_one() -> None:
    assert (int8("x", 1, scale=0.5, zero_point=7).scale, int8("x", 1).zero_point) == (0.5, 0)
    for tensor in (
        Tensor("x", (2,), DType.INT8, per_channel([1, 2], 0)),
        Tensor("x", (2,), DType.INT8),
    ):
        with pytest.raises(ValueError, match="x: has no single scale; verify the graph first"):
            _ = tensor.scale


def test_a_graph_cannot_be_changed_in_place() -> None:
    graph = one_op(Add(), (int8("a", 2), int8("b", 2)), int8("y", 2))
    with pytest.raises(TypeError):
        graph.tensors["c"] = int8("c", 2)  # type: ignore[index]
    given = {"a": int8("a", 2)}
    kept = Graph("g", given, (), ("a",), ("a",))
    given.clear()
    assert set(kept.tensors) == {"a"}


def test_with_ops_drops_what_nothing_names() -> None:
    graph = one_op(Add(), (int8("a", 2), int8("b", 2, data=1)), int8("y", 2))
    reshape = Op("r", Reshape(shape=(2,)), ("a",), ("y",))
    assert set(graph.with_ops([reshape]).tensors) == {"a", "y"}
    more = {**graph.tensors, "c": int8("c", 2), "d": int8("d", 2)}
    grown = graph.with_ops([*graph.ops, Op("s", Reshape(shape=(2,)), ("y",), ("c",))], more)
    assert set(grown.tensors) == {"a", "b", "y", "c"}
    assert (grown.name, grown.inputs, grown.outputs) == ("g", ("a",), ("y",))


def test_constant_bytes_count_what_operators_read_once() -> None:
    b = int8("b", 3, data=1)
    graph = one_op(Add(), (b, b), int8("y", 3))
    unused = {**graph.tensors, "c": int8("c", 99, data=1)}
    assert Graph("g", unused, graph.ops, ("b",), ("y",)).constant_bytes() == 3


def test_quantization_per_tensor_rounds_to_float32() -> None:
    quantization = Quantization.per_tensor(0.1, -5)
    assert quantization.scale.dtype == np.float32
    assert quantization.zero_point.dtype == np.int64
    assert float(quantization.scale[0]) == float(np.float32(0.1))
