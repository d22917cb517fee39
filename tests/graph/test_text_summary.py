"""The tables for people."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, per_channel, plain, refuses

from midge.graph import (
    Activation,
    DType,
    Graph,
    Op,
    Tensor,
    format_graph,
    parse_graph,
    verify,
)
from midge.graph.ops.add import Add
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.reshape import Reshape


def network() -> Graph:
    x = int8("input_1", 1, 8, 8, 3, scale=0.58471, zero_point=83)
    w = Tensor(
        "w",
        (4, 3, 3, 3),
        DType.INT8,
        per_channel([0.5, 1, 2, 0.25], 0),
        np.ones((4, 3, 3, 3), np.int8),
    )
    b = int32("b", [1, 2, 3, 4])
    h, p = (
        int8("h", 1, 4, 4, 4, scale=0.1, zero_point=-128),
        int8("p", 1, 4, 4, 4, scale=0.1, zero_point=-128),
    )
    s, r = int8("s", 1, 4, 4, 4), int8("r", 1, 64)
    v, y = int8("v", 10, 64, scale=0.02, data=1), int8("Identity", 1, 10, scale=1 / 256)
    ops = (
        Op(
            "00_conv_2d",
            Conv2D(stride=(2, 2), pad_after=(1, 1), activation=Activation.RELU),
            ("input_1", "w", "b"),
            ("h",),
        ),
        Op("smooth", MaxPool2D(kernel=(3, 3), pad_before=(1, 1), pad_after=(1, 1)), ("h",), ("p",)),
        Op("02_add", Add(), ("h", "p"), ("s",)),
        Op("03_reshape", Reshape(shape=(1, 64)), ("s",), ("r",)),
        Op("04_fully_connected", FullyConnected(keep_dims=True), ("r", "v"), ("Identity",)),
    )
    tensors = {t.name: t for t in (x, w, b, h, p, s, r, v, y)}
    return verify(Graph("net", tensors, ops, ("input_1",), ("Identity",)))


EXPECTED = """\
net: 5 operators, 2,368 MACs, 764 bytes of constants

input   input_1   int8 1×8×8×3  scale 0.58471    zero point 83
output  Identity  int8 1×10     scale 0.0039062  zero point 0

#  operator              from  output   kernel  stride  pad      also             MACs
0  00_conv_2d            in    1×4×4×4  3×3     2×2     0×0+1×1  relu            1,728
1  smooth (max_pool_2d)  0     1×4×4×4  3×3             1×1
2  02_add                0, 1  1×4×4×4
3  03_reshape            2     1×64
4  04_fully_connected    3     1×10                              keep_dims=true    640

#  output scale  zero point  constants
0           0.1        -128  int8 4×3×3×3, 4 scales 0.25 to 2; int32 4
1           0.1        -128
2           0.5           0
3           0.5           0
4     0.0039062           0  int8 10×64, scale 0.02
"""


@pytest.mark.tiny
def test_a_network_for_people() -> None:
    assert format_graph(network(), full=False) == EXPECTED


def test_the_tables_cannot_be_taken_for_a_graph() -> None:
    with refuses("line 1: found 'net: 5 operators, 2,368 MACs, 764 bytes"):
        parse_graph(EXPECTED)


def test_several_inputs_are_numbered_and_constants_named() -> None:
    a, b, y = int8("a", 2), int8("b", 2), int8("y", 2)
    both = format_graph(one_op(Add(), (a, b), y), full=False)
    assert "0  the_add   in 0, in 1  2\n" in both
    assert "input   a  int8 2  scale 0.5  zero point 0\ninput   b  int8 2" in both
    constant = format_graph(one_op(Add(), (a, int8("b", 2, data=1)), y), full=False)
    assert "0  the_add   in    2\n" in constant
    assert "0           0.5           0  int8 2, scale 0.5\n" in constant


def test_a_graph_without_quantisation_shows_no_scales() -> None:
    graph = one_op(
        Reshape(shape=(2,)), (plain("x", 2, dtype=DType.INT32),), plain("y", 2, dtype=DType.INT32)
    )
    text = format_graph(graph, full=False)
    assert "scale" not in text.partition("#")[0]
    assert "1 operator, 0 MACs, 0 bytes" in text


def test_long_and_wide_names_are_cut_in_the_middle() -> None:
    name = "model/" + "层" * 60 + "\n;end"
    x = int8(name, 1, 4)
    ops = (Op("very_long_" * 12, Reshape(shape=(4,)), (name,), ("y",)),)
    graph = verify(Graph("g", {name: x, "y": int8("y", 4)}, ops, (name,), ("y",)))
    lines = format_graph(graph, full=False).splitlines()
    (input_line,) = (line for line in lines if line.startswith("input"))
    assert "model/层" in input_line
    assert "…" in input_line
    assert r"\n;end  int8 1×4  scale 0.5  zero point 0" in input_line
    (op_line,) = (line for line in lines if line.startswith("0  very_long_"))
    assert "…" in op_line
    # Two columns each: 100 of them hold fewer than 100 such characters.
    assert len(input_line) + input_line.count("层") in (99, 100)
    assert len(op_line) <= max(map(len, lines)) <= 100
