"""Operators that move elements: worked examples, and their geometry against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_builders import int8, one_op, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.graph import (
    OPS,
    Array,
    Attributes,
    DType,
    Tensor,
    format_graph,
    interpret,
    outputs_of,
    parse_graph,
    verify,
)
from midge.graph.movement import MOVABLE, OUTPUT, Move, Movement, View, zero_of
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
from midge.synthetic.steps.movement_cases import CASES
from support.networks import imported, network

X = np.arange(24, dtype=np.int8)


def computed(attributes: Attributes, *inputs: Array) -> list[Array]:
    """What an operator makes of these arrays, as a verified graph that has been a text."""
    tensors = [plain(f"x{i}", *v.shape, dtype=DType(v.dtype.name)) for i, v in enumerate(inputs)]
    types = attributes.infer(tensors)
    outputs = [Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(types)]
    graph = verify(one_op(attributes, tensors, *outputs))
    assert parse_graph(format_graph(graph)) == graph
    values = interpret(graph, {f"x{i}": v for i, v in enumerate(inputs)})
    return list(outputs_of(graph, values).values())


EXAMPLES: list[tuple[Attributes, list[Any], list[Any]]] = [
    (Transpose(permutation=(1, 0)), [[[1, 2, 3], [4, 5, 6]]], [[[1, 4], [2, 5], [3, 6]]]),
    (Concatenation(axis=1), [[[1], [2]], [[3, 4], [5, 6]]], [[[1, 3, 4], [2, 5, 6]]]),
    (Pack(axis=1), [[1, 2], [3, 4]], [[[1, 3], [2, 4]]]),
    (Pack(axis=0), [7, 8], [[7, 8]]),
    (Split(axis=0, sizes=(1, 2)), [[1, 2, 3]], [[1], [2, 3]]),
    (Unpack(axis=1), [[[1, 2], [3, 4]]], [[1, 3], [2, 4]]),
    (Unpack(axis=0), [[5, 6]], [5, 6]),
    (
        Slice(begin=(1, 3), size=(2, 2), step=(-1, -3), shape=(2, 2)),
        [[[1, 2, 3, 4], [5, 6, 7, 8]]],
        [[[8, 5], [4, 1]]],
    ),
    (Slice(begin=(1, 0), size=(1, 2), step=(1, 1), shape=(2, 1)), [[[1, 2], [3, 4]]], [[[3], [4]]]),
    (BroadcastTo(shape=(2, 2, 2)), [[[1], [2]]], [[[[1, 1], [2, 2]], [[1, 1], [2, 2]]]]),
    (BroadcastTo(shape=(3,)), [9], [[9, 9, 9]]),
    (Tile(multiples=(2, 2)), [[[1, 2]]], [[[1, 2, 1, 2], [1, 2, 1, 2]]]),
    (Pad(before=(1,), after=(2,)), [[5, 6]], [[0, 5, 6, 0, 0]]),
    (Pad(before=(1,), after=(2,)), [[5, 6], 7], [[7, 5, 6, 7, 7]]),
    (
        MirrorPad(before=(2,), after=(1,), mirror=Mirror.REFLECT),
        [[1, 2, 3]],
        [[3, 2, 1, 2, 3, 2]],
    ),
    (
        MirrorPad(before=(2,), after=(3,), mirror=Mirror.SYMMETRIC),
        [[1, 2, 3]],
        [[2, 1, 1, 2, 3, 3, 2, 1]],
    ),
    (
        SpaceToDepth(block=2),
        [[[[[1], [2], [3], [4]], [[5], [6], [7], [8]]]]],
        [[[[[1, 2, 5, 6], [3, 4, 7, 8]]]]],
    ),
    (
        DepthToSpace(block=2),
        [[[[[1, 2, 5, 6], [3, 4, 7, 8]]]]],
        [[[[[1], [2], [3], [4]], [[5], [6], [7], [8]]]]],
    ),
    (
        SpaceToBatch(block=(2,), before=(1,), after=(2,)),
        [[[[1], [2], [3]]]],
        [[[[0], [2], [0]], [[1], [3], [0]]]],
    ),
    (
        BatchToSpace(block=(2,), before=(1,), after=(2,)),
        [[[[0], [2], [0]], [[1], [3], [0]]]],
        [[[[1], [2], [3]]]],
    ),
    (
        SpaceToBatch(block=(2, 2), before=(0, 0), after=(0, 0)),
        [[[[[1], [2]], [[3], [4]]]]],
        [[[[[1]]], [[[2]]], [[[3]]], [[[4]]]]],
    ),
    (
        ResizeNearest(size=(1, 6)),
        [[[[[1], [2], [3]]]]],
        [[[[[1], [1], [2], [2], [3], [3]]]]],
    ),
    # 0, 0.75, 1.5, 2.25 and 3, of which the halves go up.
    (
        ResizeNearest(size=(1, 5), align_corners=True),
        [[[[[1], [2], [3], [4]]]]],
        [[[[[1], [2], [3], [3], [4]]]]],
    ),
    # 0.5, 1.5 and 2.5 times 5/3: 0.83, 2.5 and 4.17.
    (
        ResizeNearest(size=(1, 3), half_pixel_centers=True),
        [[[[[1], [2], [3], [4], [5]]]]],
        [[[[[1], [3], [5]]]]],
    ),
    (ZerosLike(), [[[1, 2]]], [[[0, 0]]]),
    (Reshape(shape=(2, 1)), [[1, 2]], [[[1], [2]]]),
]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("attributes", "inputs", "outputs"),
    EXAMPLES,
    ids=[f"{i}-{e[0].kind}" for i, e in enumerate(EXAMPLES)],
)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_example(attributes: Attributes, inputs: list[Any], outputs: list[Any], dtype: str) -> None:
    found = computed(attributes, *(np.array(v, dtype) for v in inputs))
    assert [v.tolist() for v in found] == outputs
    assert {v.dtype for v in found} == {np.dtype(dtype)}


@pytest.mark.tiny
@pytest.mark.parametrize("dtype", [DType.INT32, DType.INT64])
def test_shape_is_the_extents(dtype: DType) -> None:
    (found,) = computed(Shape(dtype=dtype), np.zeros((3, 1, 2), np.float32))
    assert found.tolist() == [3, 1, 2]
    assert found.dtype == dtype.numpy


@pytest.mark.tiny
def test_gather_takes_slices_of_each_batch() -> None:
    x = np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]], np.int8)

    def taken(attributes: Gather, indices: Any) -> Any:
        return computed(attributes, x, np.array(indices, np.int32))[0].tolist()

    assert taken(Gather(axis=0), 1) == x[1].tolist()
    assert taken(Gather(axis=1), [2, 0]) == x[:, [2, 0]].tolist()
    assert taken(Gather(axis=2), [[1], [0]]) == x[:, :, [[1], [0]]].tolist()
    assert taken(Gather(axis=1, batch_dims=1), [[2], [0]]) == [[[5, 6]], [[7, 8]]]
    assert taken(Gather(axis=2, batch_dims=1), [1, 0]) == [[2, 4, 6], [7, 9, 11]]


@pytest.mark.tiny
def test_gather_clamps_computed_indices() -> None:
    x = np.array([10, 20, 30], np.int16)
    indices = np.array([-(2**31), -1, 0, 2, 3, 2**31 - 1], np.int32)
    (found,) = computed(Gather(axis=0), x, indices)
    assert found.tolist() == [10, 10, 10, 30, 30, 30]


@pytest.mark.tiny
def test_a_border_is_the_zero_point_and_zeros_like_is_not() -> None:
    x, y = int8("x", 1, 2, 1, zero_point=-7), int8("y", 1, 4, 1, zero_point=-7)
    values = {"x": np.array([[[1], [2]]], np.int8)}
    graph = one_op(Pad(before=(0, 1, 0), after=(0, 1, 0)), (x,), y)
    assert interpret(verify(graph), values)["y"].reshape(-1).tolist() == [-7, 1, 2, -7]
    batches = int8("y", 2, 2, 1, zero_point=-7)
    graph = one_op(SpaceToBatch(block=(2,), before=(1,), after=(1,)), (x,), batches)
    assert interpret(verify(graph), values)["y"].reshape(-1).tolist() == [-7, 2, 1, -7]
    graph = one_op(ZerosLike(), (x,), int8("y", 1, 2, 1, zero_point=-7))
    assert interpret(verify(graph), values)["y"].reshape(-1).tolist() == [0, 0]


@pytest.mark.tiny
def test_bits_of_floats_are_kept() -> None:
    # A signalling NaN with a payload, the negative zero, the least subnormal number.
    bits = np.array([0x7FA12345, 0x80000000, 1], np.uint32)
    for attributes, more in (
        (Slice(begin=(2,), size=(3,), step=(-1,), shape=(3,)), []),
        (Pad(before=(1,), after=(1,)), [bits[:1].view(np.float32)]),
        (Concatenation(axis=0), [bits.view(np.float32)]),
    ):
        (found,) = computed(attributes, bits.view(np.float32), *more)
        expected = {
            "slice": bits[::-1],
            "pad": np.concatenate([bits[:1], bits, bits[:1]]),
            "concatenation": np.concatenate([bits, bits]),
        }[attributes.kind]
        assert np.array_equal(found.view(np.uint32), expected)


def played(
    attributes: Movement, inputs: list[Tensor], outputs: list[Tensor], values: list[Array]
) -> list[Array] | None:
    """What the moves make of these arrays; None where there are none."""
    moves = attributes.moves(inputs, outputs)
    if moves is None:
        return None
    made = [np.full(y.size, 99, y.dtype.numpy) for y in outputs]
    for move in moves:
        target, y = move.target.positions(), made[move.written]
        assert len(set(target.tolist())) == target.size, "each element is written once"
        if move.source is None:
            y[target] = zero_of(outputs[move.written])
        else:
            source = y if move.read == OUTPUT else values[move.read].reshape(-1)
            y[target] = source[move.source.positions()]
    return [y.reshape(t.shape) for y, t in zip(made, outputs, strict=True)]


def assert_moves_are_the_meaning(
    attributes: Movement, shapes: list[tuple[int, ...]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    inputs: list[Tensor] = [plain(f"x{i}", *s, dtype=DType.INT32) for i, s in enumerate(shapes)]
    values = [rng.integers(1, 2**31, s, np.int32) for s in shapes]
    outputs = [Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(attributes.infer(inputs))]
    attributes.check(inputs, outputs)
    expected = attributes.evaluate(values, inputs, outputs)
    found = played(attributes, inputs, outputs, values)
    if found is None:
        assert isinstance(attributes, ResizeNearest)
        return
    for a, b, t in zip(found, expected, outputs, strict=True):
        assert b.shape == t.shape
        assert np.array_equal(a, b)


def extents(least: int, most: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(1, 5), min_size=least, max_size=most).map(tuple)


few = settings(max_examples=60, deadline=None)


@few
@given(st.data(), extents(0, 6))
def test_moves_of_one_input(data: st.DataObject, shape: tuple[int, ...]) -> None:
    rank = range(len(shape))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in rank)

    order = tuple(data.draw(st.permutations(list(rank))))
    assert_moves_are_the_meaning(Transpose(permutation=order), [shape], 1)
    assert_moves_are_the_meaning(Tile(multiples=each(1, 2)), [shape], 2)
    narrowed = tuple(1 if data.draw(st.booleans()) else n for n in shape)
    left_out = data.draw(st.integers(0, len(shape)))
    assert_moves_are_the_meaning(BroadcastTo(shape=shape), [narrowed[left_out:]], 3)
    begin = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    end = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    step = tuple(
        data.draw(st.integers(1, 3)) * (1 if b <= e else -1)
        for b, e in zip(begin, end, strict=True)
    )
    size = tuple((e - b) // s + 1 for b, e, s in zip(begin, end, step, strict=True))
    part = Slice(begin=begin, size=size, step=step, shape=(int(np.prod(size)),))
    assert_moves_are_the_meaning(part, [shape], 4)
    if not shape:
        return
    assert_moves_are_the_meaning(Pad(before=each(0, 2), after=each(0, 2)), [shape], 5)
    assert_moves_are_the_meaning(Pad(before=each(0, 2), after=each(0, 2)), [shape, (1,)], 6)
    for mirror in Mirror:
        skipped = 1 if mirror is Mirror.REFLECT else 0
        before, after = (
            tuple(data.draw(st.integers(0, n - skipped)) for n in shape) for _ in range(2)
        )
        mirrored = MirrorPad(before=before, after=after, mirror=mirror)
        assert_moves_are_the_meaning(mirrored, [shape], 7)
    axis = data.draw(st.sampled_from(rank))
    assert_moves_are_the_meaning(Unpack(axis=axis), [shape], 8)
    cuts = sorted(data.draw(st.sets(st.integers(1, max(shape[axis] - 1, 1)), max_size=3)))
    edges = [0, *(c for c in cuts if c < shape[axis]), shape[axis]]
    sizes = tuple(int(n) for n in np.diff(edges))
    assert_moves_are_the_meaning(Split(axis=axis, sizes=sizes), [shape], 9)
    pieces = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    assert_moves_are_the_meaning(Concatenation(axis=axis), pieces, 10)
    assert_moves_are_the_meaning(Pack(axis=axis), [shape, shape, shape], 11)
    assert_moves_are_the_meaning(Pack(axis=len(shape)), [shape, shape], 12)


@few
@given(st.data())
def test_moves_of_images(data: st.DataObject) -> None:
    def number(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    batch, channels, block = number(1, 2), number(1, 3), number(1, 3)
    cells = number(1, 3), number(1, 3)
    image = (batch, cells[0] * block, cells[1] * block, channels)
    assert_moves_are_the_meaning(SpaceToDepth(block=block), [image], 1)
    deep = (batch, *cells, channels * block**2)
    assert_moves_are_the_meaning(DepthToSpace(block=block), [deep], 2)
    spatial = number(1, 2)
    blocks = tuple(number(1, 4) for _ in range(spatial))
    pixels = tuple(number(1, 9) for _ in range(spatial))
    before = tuple(number(0, 5) for _ in range(spatial))
    after = tuple(
        -(b + n) % block + block * number(0, 1)
        for b, n, block in zip(before, pixels, blocks, strict=True)
    )
    spread = SpaceToBatch(block=blocks, before=before, after=after)
    assert_moves_are_the_meaning(spread, [(batch, *pixels, channels)], 3)
    # What has been spread comes back.
    grid = [
        (b + n + a) // block for b, n, a, block in zip(before, pixels, after, blocks, strict=True)
    ]
    spread_shape = (batch * int(np.prod(blocks)), *grid, channels)
    gathered = BatchToSpace(block=blocks, before=before, after=after)
    assert_moves_are_the_meaning(gathered, [spread_shape], 4)
    for options in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
        size = number(1, 9), number(1, 9)
        resized = ResizeNearest(size=size, **options)
        assert_moves_are_the_meaning(resized, [(batch, number(1, 9), number(1, 9), 2)], 5)


def test_blocks_come_back() -> None:
    x = np.arange(2 * 5 * 7 * 3, dtype=np.int32).reshape(2, 5, 7, 3)
    attributes = {"block": (3, 2), "before": (1, 4), "after": (3, 1)}
    (spread,) = computed(SpaceToBatch(**attributes), x)  # type: ignore[arg-type]
    (back,) = computed(BatchToSpace(**attributes), spread)  # type: ignore[arg-type]
    assert np.array_equal(back, x)


def nearest_of_tflm(number: int, extent: int, resized: int, corners: bool, centres: bool) -> int:
    """GetNearestNeighbor, number by number in float32."""
    one = np.float32
    scale = one(extent) / one(resized)
    if corners and resized > 1:
        scale = one(extent - 1) / one(resized - 1)
    place = (one(number) + one(0.5 if centres else 0)) * scale
    if not corners:
        return min(int(np.floor(place)), extent - 1)
    whole = int(np.trunc(place))
    return min(whole + int(place - one(whole) >= one(0.5)), extent - 1)


@pytest.mark.parametrize(("corners", "centres"), [(False, False), (True, False), (False, True)])
def test_nearest_places_are_those_of_tflite(corners: bool, centres: bool) -> None:
    attributes = ResizeNearest(size=(1, 1), align_corners=corners, half_pixel_centers=centres)
    for extent in (1, 2, 3, 7, 10, 41, 240):
        for resized in (1, 2, 3, 5, 9, 23, 41, 100, 321):
            expected = [
                nearest_of_tflm(i, extent, resized, corners, centres) for i in range(resized)
            ]
            assert attributes.nearest(extent, resized).tolist() == expected


def test_a_move_joins_boxes_of_one_shape() -> None:
    with pytest.raises(ValueError, match=r"a move from \(3,\) to \(2,\)"):
        Move(View.of((2,)), View.of((3,)))


def test_every_case_of_one_movement_is_its_moves() -> None:
    seen = set()
    for name, build in CASES:
        graph = imported(network(name, build))
        for op in graph.ops:
            if not isinstance(op.attributes, Movement):
                continue
            inputs = [t for t in graph.op_inputs(op) if t is not None]
            outputs = list(graph.op_outputs(op))
            rng = np.random.default_rng(1)
            raw = [rng.integers(0, 2, t.size_bytes, np.uint8) for t in inputs]
            values: list[Array] = [
                r.view(t.dtype.numpy).reshape(t.shape) for r, t in zip(raw, inputs, strict=True)
            ]
            expected = op.attributes.evaluate(values, inputs, outputs)
            found = played(op.attributes, inputs, outputs, values)
            seen.add((op.kind, inputs[0].dtype))
            for a, b in zip(found or expected, expected, strict=True):
                assert a.tobytes() == np.ascontiguousarray(b).tobytes(), name
    kinds = {kind for kind, _ in seen}
    assert kinds == {kind for kind, op in OPS.items() if issubclass(op, Movement)}
    for kind in kinds:
        assert {t for k, t in seen if k == kind} == set(MOVABLE), kind
