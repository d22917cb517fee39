"""What changes nothing is left out; reshapes of reshapes are one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from midge.graph import Attributes, DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.rectifiers import Relu
from midge.graph.ops.reductions import Mean, ReduceMax
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.slice import Slice
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose
from midge.graph.ops.variable import AssignVariable
from midge.passes.drop_identities import drop_identities
from support.channels_first import ChannelsFirst, assert_same, kinds

SHAPE = (1, 2, 3)
IDENTITIES: list[Attributes] = [
    Reshape(shape=SHAPE),
    Transpose(permutation=(0, 1, 2)),
    Pad(before=(0,) * 3, after=(0,) * 3),
    MirrorPad(before=(0,) * 3, after=(0,) * 3, mirror=Mirror.REFLECT),
    Slice(begin=(0,) * 3, size=SHAPE, step=(-1, 1, 1), shape=SHAPE),
    Split(axis=2, sizes=(3,)),
    Concatenation(axis=1),
    BroadcastTo(shape=SHAPE),
    Tile(multiples=(1, 1, 1)),
]


@pytest.mark.tiny
@pytest.mark.parametrize("attributes", IDENTITIES, ids=lambda a: a.kind)
def test_each_identity(attributes: Attributes) -> None:
    net = ChannelsFirst()
    x = net.input(*SHAPE)
    inner = net.builder.one("same", attributes, (net.relu(x),))
    end = net.builder.one("end", attributes, (net.relu6(inner),), output="result")
    fed = net.builder.one("fed", attributes, (x,), output="copy")
    before = net.graph(end, fed)
    after = verify(drop_identities(before))
    # An input under another name stays a copy; one that a transpose makes is a reshape.
    kind = "reshape" if isinstance(attributes, Transpose) else attributes.kind
    assert kinds(after) == ["relu", "relu6", kind]
    assert_same(before, after)
    assert drop_identities(after) is after


@pytest.mark.tiny
def test_what_moves_something_stays() -> None:
    for attributes in (
        Slice(begin=(0, 1, 0), size=SHAPE, step=(1, -1, 1), shape=SHAPE),
        Transpose(permutation=(0, 2, 1)),
        Pad(before=(0, 1, 0), after=(0,) * 3),
        Tile(multiples=(2, 1, 1)),
    ):
        net = ChannelsFirst()
        graph = net.graph(net.relu(net.builder.one("moves", attributes, (net.input(*SHAPE),))))
        assert drop_identities(graph) is graph


@pytest.mark.tiny
def test_reshapes_in_a_row_are_one() -> None:
    net = ChannelsFirst()
    x = net.relu(net.input(2, 3, 4))
    y = net.builder.reshaped(net.builder.reshaped(x, (6, 4)), (2, 12))
    back = net.builder.reshaped(y, (2, 3, 4))
    before = net.graph(net.relu(y), net.relu6(back))
    after = verify(drop_identities(before))
    assert kinds(after) == ["relu", "reshape", "relu", "relu6"]
    assert_same(before, after)


@pytest.mark.tiny
def test_a_transpose_of_extents_of_one_is_a_reshape() -> None:
    net = ChannelsFirst()
    x = net.relu(net.input(1, 5, 1, 4))
    before = net.graph(net.relu(net.builder.transposed(x, (1, 2, 0, 3))))
    after = verify(drop_identities(before))
    assert kinds(after) == ["relu", "reshape", "relu"]
    assert after.ops[1].attributes == Reshape(shape=(5, 1, 1, 4))
    assert_same(before, after)


@pytest.mark.tiny
@pytest.mark.parametrize("kind", [Mean, ReduceMax])
def test_a_reduction_does_not_keep_what_is_taken_away(kind: type[Mean]) -> None:
    net = ChannelsFirst()
    y = net.builder.one("reduced", kind(axes=(1, 2), keep_dims=True), (net.input(1, 3, 4, 5),))
    before = net.graph(net.relu(net.builder.reshaped(y, (1, 5))))
    after = verify(drop_identities(before))
    assert kinds(after) == [kind.kind, "relu"]
    assert_same(before, after)
    # Another shape than without them, or another reader: they stay.
    net = ChannelsFirst()
    y = net.builder.one("reduced", kind(axes=(1, 2), keep_dims=True), (net.input(1, 3, 4, 5),))
    graph = net.graph(net.relu(net.builder.reshaped(y, (5,))))
    assert drop_identities(graph) is graph
    net = ChannelsFirst()
    y = net.builder.one("reduced", kind(axes=(1, 2), keep_dims=True), (net.input(1, 3, 4, 5),))
    graph = net.graph(net.relu(net.builder.reshaped(y, (1, 5))), y)
    assert drop_identities(graph) is graph


@pytest.mark.tiny
def test_two_outputs_of_one_value_stay_two() -> None:
    net = ChannelsFirst()
    x = net.relu(net.input(2, 2))
    copy = net.builder.one("copy", Reshape(shape=(2, 2)), (x,))
    again = net.builder.one("again", Reshape(shape=(2, 2)), (copy,))
    before = net.graph(x, copy, again)
    after = verify(drop_identities(before))
    assert_same(before, after)
    assert len(set(after.outputs)) == 3


@pytest.mark.tiny
def test_a_scale_that_differs_by_a_hair_stays() -> None:
    a, b = (
        Tensor(n, (2,), DType.INT8, Quantization.per_tensor(s, 0))
        for n, s in (("x", 2e-6), ("y", 2.5e-6))
    )
    z = replace(b, name="z")
    ops = (Op("same", Reshape(shape=(2,)), ("x",), ("y",)), Op("relu", Relu(), ("y",), ("z",)))
    graph = verify(Graph("g", {"x": a, "y": b, "z": z}, ops, ("x",), ("z",)))
    assert drop_identities(graph) is graph


@pytest.mark.tiny
def test_what_a_variable_held_stays_a_copy() -> None:
    kept = Tensor("kept", (2,), DType.FLOAT32, None, np.zeros(2, np.float32), variable=True)
    tensors = {"kept": kept} | {n: Tensor(n, (2,), DType.FLOAT32) for n in ("x", "t", "y")}
    ops = (
        Op("copy", Reshape(shape=(2,)), ("kept",), ("t",)),
        Op("assign", AssignVariable(), ("kept", "x"), ()),
        Op("relu", Relu(), ("t",), ("y",)),
    )
    graph = verify(Graph("g", tensors, ops, ("x",), ("y",)))
    assert drop_identities(graph) is graph
