"""What operators that move elements refuse, each message whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, plain, refuses

from midge.graph import Attributes, DType, Tensor, verify
from midge.graph.movement import Movement
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation, Pack
from midge.graph.ops.gather import Gather
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.shape import Shape, ZerosLike
from midge.graph.ops.slice import Slice
from midge.graph.ops.space import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from midge.graph.ops.split import Split, Unpack
from midge.graph.ops.transpose import Transpose

X, A, B = int8("x", 2, 3), int8("a", 2, 3), int8("b", 2, 4)
IMAGE = int8("x", 4, 4, 6, 3)
INDICES = plain("i", 2, dtype=DType.INT32)
INT4 = Tensor("x", (2, 3), DType.INT4, None, np.zeros((2, 3), np.int8))
SUPPORTED = "supported here: int8, int16, float32, int32, int64, uint8, bool"

Refusal = tuple[str, Attributes, tuple[Tensor | None, ...]]

SHAPES: list[Refusal] = [
    (
        "permutation [0, 0] does not name each of the 2 dimensions of x once",
        Transpose(permutation=(0, 0)),
        (X,),
    ),
    (
        "permutation [0] does not name each of the 2 dimensions of x once",
        Transpose(permutation=(0,)),
        (X,),
    ),
    ("takes at least one input, found none", Concatenation(axis=0), ()),
    ("takes at least one input, found none", Pack(axis=0), ()),
    ("a required input is left out", Concatenation(axis=0), (A, None)),
    ("axis 2 is no dimension of a[2, 3]", Concatenation(axis=2), (A, A)),
    ("axis -1 is no dimension of a[2, 3]", Concatenation(axis=-1), (A, A)),
    (
        "shapes [2, 3] of a and [2, 4] of b differ in more than dimension 0",
        Concatenation(axis=0),
        (A, B),
    ),
    (
        "shapes [2, 3] of a and [2, 3, 1] of c differ in more than dimension 1",
        Concatenation(axis=1),
        (A, int8("c", 2, 3, 1)),
    ),
    (
        "i is int32; supported here: int8",
        Concatenation(axis=0),
        (int8("a", 2), INDICES),
    ),
    ("shapes [2, 3] of a and [2, 4] of b are not equal", Pack(axis=0), (A, B)),
    ("axis 3 is no dimension of an output of 3", Pack(axis=3), (A, A)),
    ("axis -1 is no dimension of an output of 3", Pack(axis=-1), (A, A)),
    ("axis 2 is no dimension of x[2, 3]", Split(axis=2, sizes=(1,)), (X,)),
    *(
        (
            f"sizes {list(sizes)} do not divide the 3 elements of dimension 1 of x into pieces of "
            "at least 1",
            Split(axis=1, sizes=sizes),
            (X,),
        )
        for sizes in ((), (1, 1), (3, 0), (4, -1), (2, 2))
    ),
    ("axis -1 is no dimension of x[2, 3]", Unpack(axis=-1), (X,)),
    (
        "unpacks 4097 slices of x; up to 4096 are supported",
        Unpack(axis=0),
        (plain("x", 4097),),
    ),
    (
        "begin [0], size [2, 3] and step [1, 1] do not name each dimension of x[2, 3]",
        Slice(begin=(0,), size=(2, 3), step=(1, 1), shape=(2, 3)),
        (X,),
    ),
    *(
        (
            f"begin [0, {begin}], size [1, {size}] and step [1, {step}] leave x[2, 3]",
            Slice(begin=(0, begin), size=(1, size), step=(1, step), shape=(size,)),
            (X,),
        )
        for begin, size, step in (
            *((3, 1, 1), (-1, 1, 1), (1, 3, 1), (0, 2, -1), (2, 3, -2), (0, 0, 1), (0, 1, 0)),
        )
    ),
    (
        "shape [3] does not hold [2, 2] elements",
        Slice(begin=(0, 0), size=(2, 2), step=(1, 1), shape=(3,)),
        (X,),
    ),
    ("x[2, 3] does not broadcast to [3, 3]", BroadcastTo(shape=(3, 3)), (X,)),
    ("x[2, 3] does not broadcast to [3]", BroadcastTo(shape=(3,)), (X,)),
    *(
        (
            f"multiples {list(multiples)} are not one of at least 1 for each dimension of x[2, 3]",
            Tile(multiples=multiples),
            (X,),
        )
        for multiples in ((2,), (2, 0), (-1, 2))
    ),
    (
        "v[2] is not one element",
        Pad(before=(0, 0), after=(1, 1)),
        (X, int8("v", 2)),
    ),
    (
        "v is int32; supported here: int8",
        Pad(before=(0, 0), after=(1, 1)),
        (X, plain("v", dtype=DType.INT32)),
    ),
    (
        "padding (2, 0), (0, 0) is wider than the reflect image of x[2, 3]",
        MirrorPad(before=(2, 0), after=(0, 0), mirror=Mirror.REFLECT),
        (X,),
    ),
    (
        "padding (0, 0), (0, 4) is wider than the symmetric image of x[2, 3]",
        MirrorPad(before=(0, 0), after=(0, 4), mirror=Mirror.SYMMETRIC),
        (X,),
    ),
    (
        "padding (0,), (0, 4) does not name each dimension of x",
        MirrorPad(before=(0,), after=(0, 4), mirror=Mirror.SYMMETRIC),
        (X,),
    ),
    ("x has shape [2, 3]; expected 4 dimensions", SpaceToDepth(block=1), (X,)),
    ("blocks of 3 do not divide x[4, 4, 6, 3]", SpaceToDepth(block=3), (IMAGE,)),
    ("blocks of 0 do not divide x[4, 4, 6, 3]", SpaceToDepth(block=0), (IMAGE,)),
    ("x has shape [2, 3]; expected 4 dimensions", DepthToSpace(block=1), (X,)),
    ("blocks of 2x2 do not divide the 3 channels of x", DepthToSpace(block=2), (IMAGE,)),
    ("blocks of -1x-1 do not divide the 3 channels of x", DepthToSpace(block=-1), (IMAGE,)),
    (
        "x has shape [2, 3]; expected 3 or 4 dimensions",
        SpaceToBatch(block=(), before=(), after=()),
        (X,),
    ),
    (
        "block [2], [0, 0] before and [0, 0] after do not name each of the 2 spatial dimensions "
        "of x",
        SpaceToBatch(block=(2,), before=(0, 0), after=(0, 0)),
        (IMAGE,),
    ),
    (
        "block [2, 0] must be at least 1, [0, 0] before and [0, 0] after at least 0",
        BatchToSpace(block=(2, 0), before=(0, 0), after=(0, 0)),
        (IMAGE,),
    ),
    (
        "block [2, 2] must be at least 1, [0, -2] before and [0, 0] after at least 0",
        SpaceToBatch(block=(2, 2), before=(0, -2), after=(0, 0)),
        (IMAGE,),
    ),
    (
        "blocks of [2, 4] do not divide x, which is padded to [6, 7]",
        SpaceToBatch(block=(2, 4), before=(1, 1), after=(1, 0)),
        (IMAGE,),
    ),
    (
        "blocks of [3, 1] do not divide the 4 batches of x",
        BatchToSpace(block=(3, 1), before=(0, 0), after=(0, 0)),
        (IMAGE,),
    ),
    (
        "crops [4, 0] before and [4, 0] after leave nothing of x[4, 4, 6, 3]",
        BatchToSpace(block=(2, 2), before=(4, 0), after=(4, 0)),
        (IMAGE,),
    ),
    ("i is float32; supported here: int32", Gather(axis=0), (X, plain("i", dtype=DType.FLOAT32))),
    ("axis 2 is no dimension of x[2, 3]", Gather(axis=2), (X, INDICES)),
    *(
        (
            f"batch_dims {dims} is not from 0 to axis {axis} and the 1 dimensions of i",
            Gather(axis=axis, batch_dims=dims),
            (int8("x", 2, 3, 4), INDICES),
        )
        for axis, dims in ((0, 1), (2, 2), (1, -1))
    ),
    (
        "x[3, 2] and i[2] differ in the first 1 dimensions",
        Gather(axis=1, batch_dims=1),
        (int8("x", 3, 2), INDICES),
    ),
    ("x has shape [2, 3]; expected 4 dimensions", ResizeNearest(size=(1, 1)), (X,)),
    ("size [0, 1] is under 1", ResizeNearest(size=(0, 1)), (IMAGE,)),
    (
        "align_corners and half_pixel_centers exclude each other",
        ResizeNearest(size=(1, 1), align_corners=True, half_pixel_centers=True),
        (IMAGE,),
    ),
    ("extents as int8; supported: int32, int64", Shape(dtype=DType.INT8), (X,)),
    ("x is a scalar, which has no extents", Shape(), (int8("x"),)),
    *(
        (f"x is int4; {SUPPORTED}", attributes, (INT4,))
        for attributes in (
            *(Transpose(permutation=(0, 1)), Split(axis=0, sizes=(2,)), Unpack(axis=0)),
            *(BroadcastTo(shape=(2, 3)), Tile(multiples=(1, 1)), Shape(), ZerosLike()),
            *(Concatenation(axis=0), Pack(axis=0), Pad(before=(0, 0), after=(0, 0))),
            *(SpaceToDepth(block=1), DepthToSpace(block=1), ResizeNearest(size=(1, 1))),
            SpaceToBatch(block=(1,), before=(0,), after=(0,)),
            BatchToSpace(block=(1,), before=(0,), after=(0,)),
            Slice(begin=(0, 0), size=(1, 1), step=(1, 1), shape=(1,)),
            MirrorPad(before=(0, 0), after=(0, 0), mirror=Mirror.REFLECT),
        )
    ),
    (f"x is int4; {SUPPORTED}", Gather(axis=0), (INT4, INDICES)),
    *(
        (f"takes 1 inputs and 0 optional ones, found ['x', '{A.name}']", attributes, (X, A))
        for attributes in (Transpose(permutation=(0, 1)), Shape(), ZerosLike(), Unpack(axis=0))
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("message", "attributes", "inputs"), SHAPES, ids=[f"{a.kind}-{m[:40]}" for m, a, _ in SHAPES]
)
def test_shape_rule_refuses(
    message: str, attributes: Attributes, inputs: tuple[Tensor | None, ...]
) -> None:
    with refuses(message) as error:
        attributes.infer(inputs)
    assert str(error.value) == message


def test_an_output_of_a_size_that_only_a_hostile_file_has() -> None:
    # 2**100 elements: known before anything is made of that size.
    huge = Tile(multiples=(2**50, 2**50))
    with refuses("over 268435456 elements"):
        verify(one_op(huge, (X,), int8("y", 2, 3)))
    with refuses("over 268435456 elements"):
        verify(one_op(BroadcastTo(shape=(2**60, 2, 3)), (X,), int8("y", 2, 3)))
    with refuses("over 268435456 elements"):
        resized = ResizeNearest(size=(2**30, 2**30))
        verify(one_op(resized, (IMAGE,), int8("y", 4, 1, 1, 3)))


RESCALES = "x has scale 0.5 and zero point 0, {} and {}; this operator does not rescale, they must be equal"
MOVES: list[tuple[Movement, Tensor, tuple[int, ...]]] = [
    (Transpose(permutation=(1, 0)), X, (3, 2)),
    (Concatenation(axis=0), X, (2, 3)),
    (Pack(axis=0), X, (1, 2, 3)),
    (Split(axis=0, sizes=(2,)), X, (2, 3)),
    (Slice(begin=(0, 0), size=(1, 1), step=(1, 1), shape=(1,)), X, (1,)),
    (BroadcastTo(shape=(2, 2, 3)), X, (2, 2, 3)),
    (Tile(multiples=(1, 2)), X, (2, 6)),
    (MirrorPad(before=(1, 0), after=(0, 0), mirror=Mirror.REFLECT), X, (3, 3)),
    (SpaceToDepth(block=2), IMAGE, (4, 2, 3, 12)),
    (DepthToSpace(block=1), IMAGE, (4, 4, 6, 3)),
    (SpaceToBatch(block=(2, 2), before=(0, 0), after=(0, 0)), IMAGE, (16, 2, 3, 3)),
    (BatchToSpace(block=(2, 2), before=(0, 0), after=(0, 0)), IMAGE, (1, 8, 12, 3)),
    (ResizeNearest(size=(1, 1)), IMAGE, (4, 1, 1, 3)),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("attributes", "x", "shape"), MOVES, ids=[a.kind for a, _, _ in MOVES])
def test_nothing_is_rescaled(attributes: Movement, x: Tensor, shape: tuple[int, ...]) -> None:
    verify(one_op(attributes, (x,), int8("y", *shape)))
    with refuses(RESCALES.format("y 0.25", 0)):
        verify(one_op(attributes, (x,), int8("y", *shape, scale=0.25)))
    with refuses(RESCALES.format("y 0.5", 3)):
        verify(one_op(attributes, (x,), int8("y", *shape, zero_point=3)))
    with refuses("y is int8 without quantisation parameters"):
        verify(one_op(attributes, (x,), plain("y", *shape)))
    bare = replace(x, quantization=None)
    verify(one_op(attributes, (bare,), plain("y", *shape)))


@pytest.mark.tiny
def test_further_inputs_and_outputs_are_not_rescaled_either() -> None:
    other = int8("a", 2, 3, scale=0.25)
    with refuses("a has scale 0.25 and zero point 0, y 0.5 and 0"):
        verify(one_op(Concatenation(axis=0), (X, other), int8("y", 4, 3)))
    with refuses(RESCALES.format("z 0.25", 0)):
        outputs = int8("y", 1, 3), int8("z", 1, 3, scale=0.25)
        verify(one_op(Split(axis=0, sizes=(1, 1)), (X,), *outputs))
    with refuses("v has scale 0.5 and zero point 3, y 0.5 and 0"):
        value = int8("v", zero_point=3)
        verify(one_op(Pad(before=(0, 0), after=(1, 0)), (X, value), int8("y", 3, 3)))
    with refuses(RESCALES.format("y 0.25", 0)):
        verify(one_op(Gather(axis=0), (X, INDICES), int8("y", 2, 3, scale=0.25)))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        (Pad(before=(0, 1, 0), after=(0, 1, 0)), (1, 4, 1)),
        (SpaceToBatch(block=(1,), before=(1,), after=(1,)), (1, 4, 1)),
    ],
)
def test_zero_of_a_wide_integer_has_bytes_of_0(
    attributes: Attributes, shape: tuple[int, ...]
) -> None:
    x, y = int8("x", 1, 2, 1, zero_point=7), int8("y", *shape, zero_point=7)
    verify(one_op(attributes, (x,), y))
    wide = [replace(t, dtype=DType.INT16) for t in (x, y)]
    with refuses("y is int16 with zero point 7; expected 0 here"):
        verify(one_op(attributes, wide[:1], wide[1]))


@pytest.mark.tiny
@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 2), (-(2**31), 2**31 - 1)])
def test_constant_indices_lie_inside(low: int, high: int) -> None:
    message = f"i holds indices from {low} to {high}; expected 0 to 1"
    with refuses(message):
        verify(one_op(Gather(axis=0), (X, int32("i", [low, high])), int8("y", 2, 3)))
    verify(one_op(Gather(axis=0), (X, int32("i", [0, 1])), int8("y", 2, 3)))
