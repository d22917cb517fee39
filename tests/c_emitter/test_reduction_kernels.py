"""How reductions and arguments are laid out for their kernels, and what they promise of memory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import midge
from midge.c_emitter import KERNELS, Kernel, Layer, layers_of
from midge.c_emitter.kernels.reductions import RANK, reduction_groups
from midge.graph import Attributes, DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.ops.argument import ArgMax, ArgMin
from midge.graph.ops.cumsum import Cumsum
from midge.graph.ops.reductions import ReduceMax

shapes = st.lists(st.integers(1, 3), min_size=1, max_size=5)


def one_op(attributes: Attributes, x: Tensor) -> Graph:
    (result,) = attributes.infer((x,))
    y = Tensor("y", result.shape, result.dtype)
    if y.dtype is x.dtype:
        y = Tensor("y", result.shape, result.dtype, x.quantization)
    op = Op("op", attributes, ("x",), ("y",))
    return verify(Graph("g", {"x": x, "y": y}, (op,), ("x",), ("y",)))


def int8(*shape: int) -> Tensor:
    return Tensor("x", shape, DType.INT8, Quantization.per_tensor(0.5, 0))


def promise(graph: Graph) -> int | None:
    (layer,) = layers_of(graph)
    return kernel_of(layer).overlap(layer, 0)


def kernel_of(layer: Layer) -> Kernel:
    (kernel,) = (k for k in KERNELS[layer.op.kind] if layer.input(0).dtype in k.types)
    return kernel


def least_safe(reads: list[set[int]], size: int, written: int, input_bytes: int) -> int:
    """From the definition: output `i` is written after `reads[i]`, elements of `size` bytes."""
    worst = -input_bytes
    for number in range(len(reads)):
        for later in reads[number + 1 :]:
            worst = max(worst, (number + 1) * written - size * min(later))
    return worst


@given(shape=st.lists(st.integers(1, 3), min_size=1, max_size=8), data=st.data())
def test_groups_visit_each_element_once_in_the_order_of_outputs(
    shape: list[int], data: st.DataObject
) -> None:
    axes = tuple(a for a in range(len(shape)) if data.draw(st.booleans()))
    kept, reduced = reduction_groups(tuple(shape), axes)
    assert len(kept) <= RANK
    assert len(reduced) <= RANK

    def offsets(groups: list[tuple[int, int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        total = np.zeros(1, np.int64)
        for extent, stride in groups:
            total = (total[:, None] + stride * np.arange(extent)).reshape(-1)
        return total

    visited = offsets(kept)[:, None] + offsets(reduced)
    elements = np.arange(math.prod(shape)).reshape(shape)
    moved = np.moveaxis(elements, axes, range(-len(axes), 0)) if axes else elements
    assert np.array_equal(visited, moved.reshape(visited.shape))


@settings(deadline=None)
@given(shape=shapes, data=st.data())
def test_a_reduction_promises_what_follows_from_its_order(
    shape: list[int], data: st.DataObject
) -> None:
    axes = tuple(a for a in range(len(shape)) if data.draw(st.booleans()))
    elements = np.arange(math.prod(shape)).reshape(shape)
    moved = np.moveaxis(elements, axes, range(-len(axes), 0)) if axes else elements
    count = math.prod(shape[a] for a in axes)
    reads = [set(row.tolist()) for row in moved.reshape(-1, count)]
    graph = one_op(ReduceMax(axes=axes), int8(*shape))
    assert promise(graph) == least_safe(reads, 1, 1, elements.size)


@settings(deadline=None)
@given(
    shape=shapes,
    data=st.data(),
    dtype=st.sampled_from((DType.INT8, DType.FLOAT32)),
    index=st.sampled_from((DType.INT32, DType.INT64)),
)
def test_an_argument_promises_what_follows_from_its_order(
    shape: list[int], data: st.DataObject, dtype: DType, index: DType
) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = int8(*shape) if dtype is DType.INT8 else Tensor("x", tuple(shape), dtype)
    rows = np.moveaxis(np.arange(x.size).reshape(shape), axis, -1).reshape(-1, shape[axis])
    size, written = dtype.size_bits // 8, index.size_bits // 8
    exact = least_safe([set(row.tolist()) for row in rows], size, written, x.size_bytes)
    assert promise(one_op(ArgMax(axis=axis, index_type=index), x)) == exact


def test_running_sums_share_memory_only_where_they_go_up_in_it() -> None:
    assert promise(one_op(Cumsum(axis=1), int8(2, 3))) == 0
    assert promise(one_op(Cumsum(axis=1, exclusive=True), int8(2, 3, 1))) == 0
    assert promise(one_op(Cumsum(axis=0), int8(2, 3))) is None
    assert promise(one_op(Cumsum(axis=1, reverse=True), int8(2, 3))) is None


@pytest.mark.parametrize("dtype", [DType.INT8, DType.FLOAT32])
def test_indices_of_64_bits_on_a_core(dtype: DType) -> None:
    # TFLite Micro has none, so no network of the differential tests has them for these types.
    x = int8(2, 7, 3) if dtype is DType.INT8 else Tensor("x", (2, 7, 3), dtype)
    values = np.random.default_rng(0).integers(-5, 5, x.shape).astype(dtype.numpy)
    for kind, expected in ((ArgMax, np.argmax), (ArgMin, np.argmin)):
        graph = one_op(kind(axis=1, index_type=DType.INT64), x)
        found = midge.compile(graph, target="cortex-m0plus").run(values).outputs
        assert found.dtype == np.int64
        assert np.array_equal(found, expected(values, axis=1))


OTHERS = ("mean", "arg_max", "cumsum", "softmax", "log_softmax", "max_pool_2d", "resize_bilinear")


@pytest.mark.parametrize("kind", OTHERS)
def test_a_kernel_is_not_called_for_another_operator(kind: str) -> None:
    layer = Layer(0, Op("op", Cumsum(axis=0), ("x",), ("y",)), (int8(3),), (int8(3),))
    if kind == "cumsum":
        layer = Layer(0, Op("op", ArgMax(axis=0), ("x",), ("y",)), (int8(3),), (int8(3),))
    with pytest.raises(TypeError, match="op is a"):
        KERNELS[kind][0].call(layer, None)  # type: ignore[arg-type]
