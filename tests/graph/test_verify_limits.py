"""What `verify` and folding refuse although each operator alone would take it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, one_op, refuses

from midge.graph import DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.ops.add import Add
from midge.graph.ops.average_pool_2d import AveragePool2D
from midge.graph.ops.conv_2d import Conv2D
from midge.passes import run_passes

X, Y, U = int8("x", 4), int8("y", 4), int8("u", 4)
SUM = Graph("g", {t.name: t for t in (X, Y)}, (Op("o", Add(), ("x", "x"), ("y",)),), ("x",), ("y",))


def with_input(tensor: Tensor) -> Graph:
    return replace(SUM, tensors={**SUM.tensors, tensor.name: tensor}, inputs=("x", tensor.name))


@pytest.mark.parametrize("scale", [np.nan, np.inf, 0.0, -1.0])
def test_an_unused_input_has_a_usable_scale(scale: float) -> None:
    odd = replace(U, quantization=Quantization.per_tensor(scale, 0))
    with refuses("g: input or output u has a scale that is not a positive finite number"):
        verify(with_input(odd))


def test_an_unused_input_has_one_scale() -> None:
    scales = Quantization(np.full(4, 0.5, np.float32), np.zeros(4, np.int64), 0)
    with refuses("g: input or output u is quantised per channel"):
        verify(with_input(replace(U, quantization=scales)))


def test_an_output_that_is_a_constant_is_checked_too() -> None:
    odd = replace(U, data=np.zeros(4, np.int8), quantization=Quantization.per_tensor(1.0, 2**40))
    graph = replace(SUM, tensors={**SUM.tensors, "u": odd}, outputs=("y", "u"))
    with refuses("g: input or output u has a zero point outside int8"):
        verify(graph)


def test_a_tensor_that_nothing_writes_does_not_reach_the_planner() -> None:
    graph = replace(SUM, tensors={**SUM.tensors, "u": U})
    assert "u" not in run_passes(graph).tensors


@pytest.mark.parametrize(
    "stride", [1, (1,), (1, 1, 1), (1.0, 1), [1, 1], (np.int64(1), 1)], ids=repr
)
def test_attributes_are_of_their_declared_types(stride: object) -> None:
    convolution = Conv2D(stride=stride)  # type: ignore[arg-type]
    x, w = (
        int8("x", 1, 4, 4, 1),
        replace(int8("w", 1, 1, 1, 1), data=np.ones((1, 1, 1, 1), np.int8)),
    )
    with refuses("g: op 'the_conv_2d' (conv_2d): stride is "):
        verify(one_op(convolution, (x, w, None), int8("y", 1, 4, 4, 1)))


def test_an_activation_is_not_its_name() -> None:
    graph = replace(SUM, ops=(Op("o", Add(activation="relu"), ("x", "x"), ("y",)),))  # type: ignore[arg-type]
    with refuses("activation is 'relu'; expected <enum 'Activation'>"):
        verify(graph)


def test_a_mean_of_more_than_int32_holds_is_refused() -> None:
    x = Tensor("x", (1, 4097, 4097, 1), DType.INT8, Quantization.per_tensor(1.0, 0))
    y = Tensor("y", (1, 1, 1, 1), DType.INT8, Quantization.per_tensor(1.0, 0))
    with refuses("sums of 16785409 elements may overflow int32; up to 8388608 fit"):
        verify(one_op(AveragePool2D(kernel=(4097, 4097)), (x,), y))


def test_constants_do_not_grow_large_when_folded() -> None:
    a, b = int8("a", 4096, 1, data=0), int8("b", 1, 2048, data=0)
    big = Op("big", Add(), ("a", "b"), ("ab",))
    graph = replace(
        SUM,
        tensors={**SUM.tensors, **{t.name: t for t in (a, b, int8("ab", 4096, 2048))}},
        ops=(big, *SUM.ops),
        outputs=("y", "ab"),
    )
    with refuses("op 'big' (add) computes over 4194304 constants"):
        run_passes(graph)


@pytest.mark.parametrize("name", ["__stddef", "a" * 129])
def test_names_that_a_compiler_or_file_system_would_not_take(name: str) -> None:
    with refuses("graph name"):
        verify(replace(SUM, name=name))
