"""How operators that move elements are read from a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tflite_files import activation, constant, imported, integers, quantization, refuses

from midge.graph import Attributes, DType, Graph, interpret, outputs_of
from midge.graph.ops.broadcast_to import BroadcastTo, Tile
from midge.graph.ops.concatenation import Concatenation, Pack
from midge.graph.ops.gather import Gather
from midge.graph.ops.pad import Mirror, MirrorPad, Pad
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.shape import Shape, ZerosLike
from midge.graph.ops.slice import Slice
from midge.graph.ops.space import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from midge.graph.ops.split import Split, Unpack
from midge.graph.ops.transpose import Transpose
from midge.importers import import_tflite
from midge.passes import run_passes
from midge.synthetic import movement_operators as move
from midge.synthetic.model_description import Conv2DOptions, Fields, Quantization, Tensor
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.synthetic_network import SyntheticNetwork
from support.networks import INPUT, bell_weights, network
from support.oracle import tflm_outputs

NONE = Fields()
X = activation("x", 2, 3)
IMAGE = activation("x", 4, 4, 6, 3)


def y(*shape: int) -> Tensor:
    return activation("y", *shape)


def int64(name: str, values: Any) -> Tensor:
    data = np.array(values, np.int64)
    return Tensor(name, data.shape, "int64", None, data)


def plain(name: str, *shape: int, dtype: str = "int32") -> Tensor:
    return Tensor(name, shape, dtype)


def table(name: str, **values: Any) -> Fields:
    return Fields.of(f"{name}Options", **values)


SPLITS = [y(2, 1), activation("z", 2, 2)]
CONCATENATION, PACK, UNPACK = (
    lambda axis: table("Concatenation", Axis=axis),
    lambda axis, count: table("Pack", ValuesCount=count, Axis=axis),
    lambda axis, count: table("Unpack", Num=count, Axis=axis),
)

Read = tuple[Attributes, str, Fields, list[Tensor], list[Tensor]]
READ: list[Read] = [
    (Transpose(permutation=(1, 0)), "TRANSPOSE", NONE, [X, integers("p", [1, 0])], [y(3, 2)]),
    (Transpose(permutation=(1, 0)), "TRANSPOSE", NONE, [X, int64("p", [-1, -2])], [y(3, 2)]),
    (Concatenation(axis=1), "CONCATENATION", CONCATENATION(-1), [X, X], [y(2, 6)]),
    (Concatenation(axis=0), "CONCATENATION", CONCATENATION(0), [X, constant("c", 1, 3)], [y(3, 3)]),
    (Pack(axis=2), "PACK", PACK(-1, 2), [X, X], [y(2, 3, 2)]),
    (Pack(axis=0), "PACK", PACK(-3, 1), [X], [y(1, 2, 3)]),
    (Unpack(axis=0), "UNPACK", UNPACK(-2, 2), [X], [y(3), activation("z", 3)]),
    (
        Split(axis=0, sizes=(1, 1)),
        "SPLIT",
        table("Split", NumSplits=2),
        [integers("a", -2), X],
        [y(1, 3), activation("z", 1, 3)],
    ),
    (
        Split(axis=1, sizes=(1, 2)),
        "SPLIT_V",
        table("SplitV", NumSplits=2),
        [X, integers("s", [1, -1]), integers("a", [1])],
        SPLITS,
    ),
    (
        Slice(begin=(0, 1), size=(2, 2), step=(1, 1), shape=(2, 2)),
        "SLICE",
        NONE,
        [X, integers("b", [0, 1]), integers("s", [2, -1])],
        [y(2, 2)],
    ),
    (
        Gather(axis=1, batch_dims=1),
        "GATHER",
        table("Gather", Axis=-1, BatchDims=-1),
        [X, integers("i", [[0], [2]])],
        [y(2, 1)],
    ),
    (
        BroadcastTo(shape=(2, 2, 3)),
        "BROADCAST_TO",
        NONE,
        [X, integers("s", [2, 2, 3])],
        [y(2, 2, 3)],
    ),
    (Tile(multiples=(1, 2)), "TILE", NONE, [X, int64("m", [1, 2])], [y(2, 6)]),
    (BroadcastTo(shape=(2, 3)), "FILL", NONE, [integers("s", [2, 3]), activation("v")], [y(2, 3)]),
    (Pad(before=(1, 0), after=(0, 2)), "PAD", NONE, [X, int64("p", [[1, 0], [0, 2]])], [y(3, 5)]),
    (
        MirrorPad(before=(1, 0), after=(0, 2), mirror=Mirror.REFLECT),
        "MIRROR_PAD",
        table("MirrorPad", Mode=0),
        [X, integers("p", [[1, 0], [0, 2]])],
        [y(3, 5)],
    ),
    (
        MirrorPad(before=(2, 0), after=(0, 3), mirror=Mirror.SYMMETRIC),
        "MIRROR_PAD",
        table("MirrorPad", Mode=1),
        [X, int64("p", [[2, 0], [0, 3]])],
        [y(4, 6)],
    ),
    (
        SpaceToDepth(block=2),
        "SPACE_TO_DEPTH",
        table("SpaceToDepth", BlockSize=2),
        [IMAGE],
        [y(4, 2, 3, 12)],
    ),
    (
        DepthToSpace(block=1),
        "DEPTH_TO_SPACE",
        table("DepthToSpace", BlockSize=1),
        [IMAGE],
        [y(4, 4, 6, 3)],
    ),
    (
        SpaceToBatch(block=(2, 3), before=(1, 0), after=(1, 3)),
        "SPACE_TO_BATCH_ND",
        NONE,
        [IMAGE, integers("b", [2, 3]), integers("p", [[1, 1], [0, 3]])],
        [y(24, 3, 3, 3)],
    ),
    (
        BatchToSpace(block=(2, 2), before=(1, 0), after=(2, 3)),
        "BATCH_TO_SPACE_ND",
        NONE,
        [IMAGE, integers("b", [2, 2]), integers("c", [[1, 2], [0, 3]])],
        [y(1, 5, 9, 3)],
    ),
    (
        ResizeNearest(size=(2, 5), align_corners=True),
        "RESIZE_NEAREST_NEIGHBOR",
        table("ResizeNearestNeighbor", AlignCorners=True),
        [IMAGE, integers("s", [2, 5])],
        [y(4, 2, 5, 3)],
    ),
    (
        ResizeNearest(size=(2, 5), half_pixel_centers=True),
        "RESIZE_NEAREST_NEIGHBOR",
        table("ResizeNearestNeighbor", HalfPixelCenters=True),
        [IMAGE, integers("s", [2, 5])],
        [y(4, 2, 5, 3)],
    ),
    (Reshape(shape=(3, 2)), "SQUEEZE", table("Squeeze"), [activation("x", 1, 3, 1, 2)], [y(3, 2)]),
    (
        Reshape(shape=(1, 3, 2)),
        "SQUEEZE",
        table("Squeeze", SqueezeDims=(-2, 2)),
        [activation("x", 1, 3, 1, 2)],
        [y(1, 3, 2)],
    ),
    (Reshape(shape=(2, 3, 1)), "EXPAND_DIMS", NONE, [X, integers("a", -1)], [y(2, 3, 1)]),
    (Reshape(shape=(1, 2, 3)), "EXPAND_DIMS", NONE, [X, int64("a", [0])], [y(1, 2, 3)]),
    (Shape(), "SHAPE", table("Shape", OutType=2), [X], [plain("y", 2)]),
    (
        Shape(dtype=DType.INT64),
        "SHAPE",
        table("Shape", OutType=4),
        [X],
        [plain("y", 2, dtype="int64")],
    ),
    (ZerosLike(), "ZEROS_LIKE", NONE, [X], [y(2, 3)]),
]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("expected", "op", "options", "inputs", "outputs"),
    READ,
    ids=[f"{i}-{r[1]}" for i, r in enumerate(READ)],
)
def test_attributes(
    expected: Attributes, op: str, options: Fields, inputs: list[Tensor], outputs: list[Tensor]
) -> None:
    graph = imported(op, options, inputs, *outputs)
    (found,) = graph.ops
    assert found.attributes == expected
    carries = {n for n in found.inputs if graph.tensors[n].is_constant}
    assert carries <= {"c", "i"}, "what carries attributes alone is dropped"


Refused = tuple[str, str, Fields, list[Tensor], list[Tensor]]
ONE = [y(1)]
REFUSED: list[Refused] = [
    (
        "p has shape [3]; expected [2]",
        "TRANSPOSE",
        NONE,
        [X, integers("p", [0, 1, 2])],
        ONE,
    ),
    ("axis 2 is no dimension of 2", "TRANSPOSE", NONE, [X, integers("p", [0, 2])], ONE),
    (
        "input p is computed at run time; a constant is supported",
        "TRANSPOSE",
        NONE,
        [X, plain("p", 2)],
        ONE,
    ),
    ("has no ConcatenationOptions", "CONCATENATION", NONE, [X, X], ONE),
    ("axis -3 is no dimension of 2", "CONCATENATION", CONCATENATION(-3), [X, X], ONE),
    (
        "fused activation 1 is not supported (TFLite Micro refuses it); supported: NONE",
        "CONCATENATION",
        table("Concatenation", FusedActivationFunction=1),
        [X, X],
        ONE,
    ),
    ("packs 3 values; has 2 inputs", "PACK", PACK(0, 3), [X, X], ONE),
    ("axis 3 is no dimension of 3", "PACK", PACK(3, 2), [X, X], ONE),
    ("unpacks 3 values; has 1 outputs", "UNPACK", UNPACK(0, 3), [X], ONE),
    ("axis 2 is no dimension of 2", "UNPACK", UNPACK(2, 1), [X], ONE),
    (
        "a has shape [2]; expected one element",
        "SPLIT",
        table("Split", NumSplits=1),
        [integers("a", [0, 1]), X],
        ONE,
    ),
    *(
        (
            f"splits dimension 1 of x[2, 3] into {count} equal pieces for {len(outputs)} outputs",
            "SPLIT",
            table("Split", NumSplits=count),
            [integers("a", 1), X],
            outputs,
        )
        for count, outputs in ((2, SPLITS), (3, SPLITS), (2**31 - 1, SPLITS), (0, []))
    ),
    (
        "s has shape [1]; expected [2]",
        "SPLIT_V",
        NONE,
        [X, integers("s", [3]), integers("a", 1)],
        SPLITS,
    ),
    (
        "sizes [-1, -1] have more than one -1",
        "SPLIT_V",
        NONE,
        [X, integers("s", [-1, -1]), integers("a", 1)],
        SPLITS,
    ),
    (
        "s has shape [3]; expected [2]",
        "SLICE",
        NONE,
        [X, integers("b", [0, 0]), integers("s", [1, 1, 1])],
        ONE,
    ),
    ("axis 2 is no dimension of 2", "GATHER", table("Gather", Axis=2), [X, integers("i", 0)], ONE),
    (
        "s has shape [1, 1]; expected one dimension",
        "BROADCAST_TO",
        NONE,
        [X, integers("s", [[1]])],
        ONE,
    ),
    (
        "s has 9 elements; expected at most 8",
        "BROADCAST_TO",
        NONE,
        [X, integers("s", [1] * 9)],
        ONE,
    ),
    (
        "fills with v[2]; expected one element",
        "FILL",
        NONE,
        [integers("s", [2, 3]), activation("v", 2)],
        ONE,
    ),
    ("has 4 inputs; expected 2 or 3", "PADV2", NONE, [X, integers("p", [[0, 0]] * 2), X, X], ONE),
    (
        "paddings have shape [2]; expected [2, 2] for x",
        "MIRROR_PAD",
        table("MirrorPad"),
        [X, integers("p", [0, 1])],
        ONE,
    ),
    (
        "mode 2 is neither REFLECT nor SYMMETRIC",
        "MIRROR_PAD",
        table("MirrorPad", Mode=2),
        [X, integers("p", [[0, 0]] * 2)],
        ONE,
    ),
    (
        "paddings have shape [1, 2]; expected [2, 2] for x",
        "SPACE_TO_BATCH_ND",
        NONE,
        [IMAGE, integers("b", [2, 2]), integers("p", [[0, 0]])],
        ONE,
    ),
    (
        "s has shape [3]; expected [2]",
        "RESIZE_NEAREST_NEIGHBOR",
        table("ResizeNearestNeighbor"),
        [IMAGE, integers("s", [1, 2, 3])],
        ONE,
    ),
    (
        "squeezes dimension 1 of x[2, 3]; expected an extent of 1",
        "SQUEEZE",
        table("Squeeze", SqueezeDims=(1,)),
        [X],
        ONE,
    ),
    (
        "squeezes 9 dimensions; expected at most 8",
        "SQUEEZE",
        table("Squeeze", SqueezeDims=(0,) * 9),
        [X],
        ONE,
    ),
    ("axis -4 is no dimension of 3", "EXPAND_DIMS", NONE, [X, integers("a", -4)], ONE),
    (
        "output type 9 is not supported; supported: INT32, INT64",
        "SHAPE",
        table("Shape", OutType=9),
        [X],
        ONE,
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("message", "op", "options", "inputs", "outputs"),
    REFUSED,
    ids=[f"{r[1]}-{r[0][:30]}" for r in REFUSED],
)
def test_refusal(
    message: str, op: str, options: Fields, inputs: list[Tensor], outputs: list[Tensor]
) -> None:
    with refuses(f"  op 0 ({op}): {message}\n"):
        imported(op, options, inputs, *outputs)


@pytest.mark.tiny
@pytest.mark.parametrize("number", range(len(READ)))
def test_no_input_is_passed_over(number: int) -> None:
    _, op, options, inputs, outputs = READ[number]
    if op in ("CONCATENATION", "PACK"):
        return
    more = [activation(f"more_{i}", 1) for i in range(2 if op == "PAD" else 1)]
    with refuses(f"  op 0 ({op}): has {len(inputs) + len(more)} inputs; expected "):
        imported(op, options, [*inputs, *more], *outputs)


def strided(x: Tensor, begin: Any, end: Any, strides: Any, shape: Any, **masks: int) -> Graph:
    operands = [integers(n, v) for n, v in (("b", begin), ("e", end), ("s", strides))]
    return imported("STRIDED_SLICE", table("StridedSlice", **masks), [x, *operands], y(*shape))


def strided_attributes(*arguments: Any, **masks: int) -> Attributes:
    return strided(*arguments, **masks).ops[0].attributes


@pytest.mark.tiny
def test_strided_slice_in_its_many_ways() -> None:
    x = activation("x", 4, 5, 6)

    def part(begin: Any, size: Any, step: Any, shape: Any) -> Slice:
        return Slice(begin=begin, size=size, step=step, shape=shape)

    # Entries are missing at the end, or an ellipsis stands for some: these dimensions are whole.
    whole = part((1, 0, 0), (2, 5, 6), (1, 1, 1), (2, 5, 6))
    assert strided_attributes(x, [1], [3], [1], (2, 5, 6)) == whole
    last = part((0, 0, 2), (4, 5, 2), (1, 1, 3), (4, 5, 2))
    assert strided_attributes(x, [9, 2], [9, 6], [9, 3], (4, 5, 2), EllipsisMask=1) == last
    both = part((3, 0, 5), (2, 5, 1), (-2, 1, 1), (2, 5))
    assert (
        strided_attributes(
            x, [3, 0, -1], [0, 0, 0], [-2, 1, 1], (2, 5), EllipsisMask=2, ShrinkAxisMask=4
        )
        == both
    )
    # A new axis takes no dimension of x.
    spread = part((2, 0, 0), (1, 5, 6), (1, 1, 1), (1, 1, 5, 6))
    assert (
        strided_attributes(x, [7, 2], [7, 3], [7, 1], (1, 1, 5, 6), NewAxisMask=1, ShrinkAxisMask=1)
        == spread
    )
    none = part((0, 0, 0), (4, 5, 6), (1, 1, 1), (1, 4, 5, 6, 1))
    assert (
        strided_attributes(
            x, [0, 0, 0], [0, 0, 0], [1, 1, 1], (1, 4, 5, 6, 1), NewAxisMask=5, EllipsisMask=2
        )
        == none
    )
    # What both masks name is whole in either direction.
    back = part((3, 0, 0), (4, 5, 6), (-1, 1, 1), (4, 5, 6))
    assert strided_attributes(x, [1], [1], [-1], (4, 5, 6), BeginMask=1, EndMask=1) == back
    scalar = activation("x")
    assert strided_attributes(scalar, [0], [0], [1], (1,), NewAxisMask=1) == part((), (), (), (1,))


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("message", "begin", "end", "strides", "masks"),
    [
        ("stride 0 of a dimension of 2", [0], [1], [0], {}),
        ("stride -1 of a dimension of 2", [0], [1], [-1], {"ShrinkAxisMask": 1}),
        ("index 2 is outside a dimension of 2", [2], [3], [1], {"ShrinkAxisMask": 1}),
        ("no index from 1 to 1 by 1 in a dimension of 2", [1], [1], [1], {}),
        ("no index from 1 to 2 by -1 in a dimension of 2", [1], [2], [-1], {}),
        ("no index from -9 to None by -1 in a dimension of 2", [-9], [0], [-1], {"EndMask": 1}),
        ("e has shape [2]; expected [1]", [0], [1, 1], [1], {}),
        ("b has 9 elements; expected at most 8", [0] * 9, [1], [1], {}),
        ("names 3 dimensions of x[2, 3] and 0 ellipses", [0] * 3, [1] * 3, [1] * 3, {}),
        (
            "names 0 dimensions of x[2, 3] and 2 ellipses",
            [0] * 2,
            [1] * 2,
            [1] * 2,
            {"EllipsisMask": 3},
        ),
        ("ends that are counted from the begin are not supported", [0], [1], [1], {"Offset": True}),
    ],
)
def test_strided_slice_refuses(
    message: str, begin: Any, end: Any, strides: Any, masks: dict[str, int]
) -> None:
    with refuses(f"  op 0 (STRIDED_SLICE): {message}\n"):
        strided(X, begin, end, strides, (1,), **masks)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_strided_slice_is_numpys(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    count = data.draw(st.integers(1, len(shape)))
    masks = dict.fromkeys(
        ("BeginMask", "EndMask", "ShrinkAxisMask", "NewAxisMask", "EllipsisMask"), 0
    )
    index: list[Any] = []
    entries = []
    ellipsis = data.draw(st.integers(0, 2 * count))
    dimension = 0
    for i in range(count):
        extent = shape[dimension] if dimension < len(shape) else 1
        limit = st.integers(-extent - 2, extent + 2)
        begin, end = data.draw(limit), data.draw(limit)
        stride = data.draw(st.sampled_from((-3, -2, -1, 1, 2, 3)))
        kind = data.draw(st.sampled_from(("slice", "slice", "one", "new")))
        bits = {"BeginMask": data.draw(st.booleans()), "EndMask": data.draw(st.booleans())}
        if i == ellipsis:
            masks["EllipsisMask"] |= 1 << i
            index.append(...)
            dimension = len(shape) - (count - 1 - i)
        elif kind == "new":
            masks["NewAxisMask"] |= 1 << i
            index.append(None)
        elif kind == "one":
            assume(-extent <= begin < extent)
            stride = abs(stride)
            masks["ShrinkAxisMask"] |= 1 << i
            masks["BeginMask"] |= bits["BeginMask"] << i
            index.append(0 if bits["BeginMask"] else begin)
            dimension += 1
        else:
            for name, bit in bits.items():
                masks[name] |= bit << i
            ends = (None if bits["BeginMask"] else begin, None if bits["EndMask"] else end)
            index.append(slice(*ends, stride))
            dimension += 1
        entries.append((begin, end, stride))
    # With new axes behind an ellipsis, which dimensions the later entries name has moved.
    assume(not (masks["EllipsisMask"] and masks["NewAxisMask"]))
    x = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    try:
        expected = x[tuple(index)]
    except IndexError:
        assume(False)
    assume(expected.size)
    columns = [list(c) for c in zip(*entries, strict=True)]
    graph = strided(activation("x", *shape), *columns, expected.shape, **masks)
    (found,) = outputs_of(graph, interpret(graph, {"x": x})).values()
    assert np.array_equal(found, expected)


def pad_with(value: Tensor) -> Graph:
    return imported("PADV2", NONE, [X, integers("p", [[1, 0], [0, 0]]), value], y(3, 3))


@pytest.mark.tiny
def test_a_border_that_is_given_is_kept_unless_it_is_the_zero() -> None:
    def value(stored: int, *shape: int, zero_point: int = 0) -> Tensor:
        data = np.full(shape, stored, np.int8)
        return Tensor("v", shape, "int8", quantization(0.5, zero_point), data)

    assert pad_with(value(0)).ops[0].inputs == ("x",)
    assert pad_with(value(0, 1)).ops[0].inputs == ("x",)
    assert pad_with(value(1)).ops[0].inputs == ("x", "v")
    assert pad_with(activation("v", 1)).ops[0].inputs == ("x", "v")
    with refuses("v[2] is not one element"):
        pad_with(value(0, 2))
    with refuses("v has scale 0.5 and zero point 3, y 0.5 and 0"):
        pad_with(value(3, zero_point=3))
    with refuses("v is int32; supported here: int8"):
        pad_with(integers("v", 0))
    many = Tensor("v", (), "int8", Quantization((0.5, 0.25), (0, 0)), np.zeros((), np.int8))
    with refuses("quantised along dimension 0 of shape []"):
        pad_with(many)


@pytest.mark.tiny
@pytest.mark.parametrize(("stored", "kinds"), [(-3, ["conv_2d"]), (5, ["pad", "conv_2d"])])
def test_a_convolution_takes_over_borders_of_zeros_alone(stored: int, kinds: list[str]) -> None:
    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 4, 4, 2), INPUT)
        value = builder.constant(np.array(stored, np.int8), INPUT)
        x = move.pad(builder, x, ((0, 0), (1, 1), (1, 1), (0, 0)), value)
        weights = bell_weights(builder, (3, 3, 3, 2))
        return builder.conv_2d(x, weights, Conv2DOptions("VALID"))

    graph = import_tflite(network("border", add).model_bytes, "m.tflite")
    lowered = run_passes(graph)
    assert [op.kind for op in lowered.ops] == kinds
    values = {"input_0": np.arange(32, dtype=np.int8).reshape(1, 4, 4, 2)}
    before, after = (outputs_of(g, interpret(g, values)) for g in (graph, lowered))
    assert all(np.array_equal(before[n], after[n]) for n in before)


@pytest.mark.tiny
def test_what_only_a_shape_was_read_of_is_not_computed() -> None:
    def add(builder: NetworkBuilder) -> list[str]:
        x = builder.input((1, 4, 4, 2), INPUT)
        convolved = builder.conv_2d(x, bell_weights(builder, (3, 3, 3, 2)), Conv2DOptions("VALID"))
        extents = move.shape_of(builder, convolved)
        # The batch for a reshape, as exporters write it.
        first = move.strided_slice(builder, extents, (0,), (1,), (1,), shrink=1)
        packed = move.pack(builder, (first, move.int32(builder, -1)), 0)
        return [
            packed,
            move.zeros_like(builder, convolved),
            move.transpose(builder, x, (0, 2, 1, 3)),
        ]

    graph = import_tflite(network("extents", add).model_bytes, "m.tflite")
    lowered = run_passes(graph)
    assert [op.kind for op in lowered.ops] == ["transpose"]
    packed, zeros, _ = (lowered.tensors[n] for n in lowered.outputs)
    assert packed.is_constant
    assert np.asarray(packed.data).tolist() == [1, -1]
    assert not np.asarray(zeros.data).any()


@pytest.mark.parametrize(
    ("shape", "indices_shape", "axis", "batch_dims"),
    [
        ((5, 3), (4,), 0, 0),
        ((2, 5, 3), (2, 2), 1, 0),
        ((2, 5, 3), (2, 4), 1, 1),
        ((3, 2), (), 0, 0),
    ],
)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_computed_indices_against_tflite_micro(
    shape: tuple[int, ...], indices_shape: tuple[int, ...], axis: int, batch_dims: int, dtype: str
) -> None:
    def add(builder: NetworkBuilder) -> str:
        x = builder.input(shape, INPUT if dtype == "int8" else None, dtype)
        return move.gather(
            builder, x, builder.input(indices_shape, None, "int32"), axis, batch_dims
        )

    made: SyntheticNetwork = network("gather", add)
    graph = import_tflite(made.model_bytes, "m.tflite")
    x, _ = made.sample_inputs(0)
    rng = np.random.default_rng(axis)
    indices = rng.integers(0, shape[axis], indices_shape, np.int32)
    values = dict(zip(graph.inputs, (x, np.asarray(indices)), strict=True))
    (ours,) = outputs_of(graph, interpret(graph, values)).values()
    (theirs,) = tflm_outputs(made.model_bytes, list(values.values()))
    assert np.array_equal(ours, theirs)
