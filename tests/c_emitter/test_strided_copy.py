"""Kernels that move elements: walks, calls, and the proof of how near an input may stand."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
import pytest

from midge.c_emitter import Layer, layers_of
from midge.c_emitter import movement as walks_of_moves
from midge.c_emitter.kernel import Places
from midge.c_emitter.kernels.movement import KERNELS, StridedCopy
from midge.c_emitter.movement import Walk, is_apart, overlap_distance, walk_of
from midge.graph import DType, Graph, Op, Tensor, interpret
from midge.graph.movement import OUTPUT, Move, View
from midge.graph.ops.add import Add
from midge.graph.ops.broadcast_to import Tile
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.gather import Gather
from midge.graph.ops.pad import Pad
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.slice import Slice
from midge.graph.ops.split import Split
from midge.graph.ops.transpose import Transpose
from midge.synthetic.steps.movement_cases import CASES
from support.host_network import run_on_host
from support.networks import imported, network, single_ops

TABLES = ("gather", "resize_nearest")
(COPY,) = (k for k in KERNELS if isinstance(k, StridedCopy))
PLACES = Places(("x", "v", "w"), ("y", "z"), "NULL", lambda suffix: f"net_{suffix}")


def layer_of(
    attributes: object, *shapes: tuple[int, ...], dtype: DType = DType.INT8, constant: int = -1
) -> Layer:
    """A layer of plain numbers; input number `constant` is one."""
    inputs = tuple(
        Tensor(f"x{i}", s, dtype, None, np.zeros(s, dtype.numpy) if i == constant else None)
        for i, s in enumerate(shapes)
    )
    types = attributes.infer(inputs)  # type: ignore[attr-defined]
    outputs = tuple(Tensor(f"y{i}", t.shape, t.dtype) for i, t in enumerate(types))
    op = Op("op", attributes, tuple(t.name for t in inputs), tuple(t.name for t in outputs))  # type: ignore[arg-type]
    return Layer(0, op, inputs, outputs)


def walks(layer: Layer) -> list[Walk]:
    moves = layer.op.attributes.moves(layer.inputs, layer.outputs)  # type: ignore[attr-defined]
    return [walk_of(move, layer.output.dtype.size_bits // 8) for move in moves]


def box(view: View) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    return view.extents, view.strides, view.offset


@pytest.mark.tiny
def test_neighbouring_dimensions_merge_and_bytes_become_words() -> None:
    (walk,) = walks(layer_of(Transpose(permutation=(0, 2, 1, 3)), (2, 3, 5, 8)))
    assert walk.unit == 4
    assert box(walk.target) == ((2, 5, 3, 2), (120, 24, 8, 4), 0)
    assert walk.source is not None
    assert box(walk.source) == ((2, 5, 3, 2), (120, 8, 40, 4), 0)
    # One channel of four bytes is one word; three channels stay bytes.
    (walk,) = walks(layer_of(Transpose(permutation=(1, 0, 2)), (3, 5, 4)))
    assert (walk.unit, walk.target.extents) == (4, (5, 3))
    (walk,) = walks(layer_of(Transpose(permutation=(1, 0, 2)), (3, 5, 3)))
    assert (walk.unit, walk.target.extents) == (1, (5, 3, 3))
    (walk,) = walks(layer_of(Transpose(permutation=(1, 0)), (3, 5), dtype=DType.INT64))
    assert (walk.unit, walk.target.extents, walk.target.strides) == (4, (5, 3, 2), (24, 8, 4))
    # What is whole is one run, however many dimensions it has.
    (walk,) = walks(layer_of(Transpose(permutation=(0, 1, 2)), (3, 1, 5), dtype=DType.INT16))
    assert (walk.unit, walk.target.extents) == (2, (15,))


@pytest.mark.tiny
def test_an_odd_offset_or_stride_makes_units_smaller() -> None:
    for begin, width, extent, unit in ((0, 4, 8, 4), (2, 4, 8, 2), (0, 4, 6, 2), (1, 4, 8, 1)):
        part = Slice(begin=(0, begin), size=(2, width), step=(1, 1), shape=(2, width))
        (walk,) = walks(layer_of(part, (2, extent)))
        assert walk.unit == unit


@pytest.mark.tiny
def test_a_border_is_bytes() -> None:
    inside, front, back, between = walks(
        layer_of(Pad(before=(1, 2), after=(0, 3)), (2, 4), dtype=DType.INT32)
    )
    assert (inside.unit, inside.source is not None) == (4, True)
    assert [box(w.target) for w in (front, back, between)] == [
        ((44,), (1,), 0),
        ((12,), (1,), 96),
        ((20,), (1,), 60),
    ]
    assert {w.unit for w in (front, back, between)} == {1}
    # A border one byte wide is a run of one byte.
    *_, gaps = walks(layer_of(Pad(before=(0, 0), after=(0, 1)), (3, 2)))
    assert box(gaps.target) == ((2, 1), (3, 1), 2)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("attributes", "shape", "distance"),
    [
        # The end lies where it is; the beginning of a tensor may stay where it is.
        (Slice(begin=(3,), size=(5,), step=(1,), shape=(5,)), (8,), -3),
        (Slice(begin=(0,), size=(5,), step=(1,), shape=(5,)), (8,), 0),
        # Two bytes at once: row i is written to 2i and read from 4i, or from 4i + 2.
        (Slice(begin=(0, 0), size=(3, 2), step=(1, 1), shape=(3, 2)), (3, 4), -2),
        (Slice(begin=(0, 2), size=(3, 2), step=(1, 1), shape=(3, 2)), (3, 4), -4),
        # Backwards, the last element is read when all but one have been written.
        (Slice(begin=(7,), size=(8,), step=(-1,), shape=(8,)), (8,), 7),
        # Column by column: element [3, 0] is read behind the first three, [0, 1] as the fifth.
        (Transpose(permutation=(1, 0)), (4, 2), 3),
        # Row i goes from 3i to 1 + 5i, the last one from 6 to 11.
        (Pad(before=(0, 1), after=(0, 1)), (3, 3), 5),
        (Pad(before=(1, 0), after=(1, 0)), (3, 3), 3),
        # Two bytes at once: those of row 1 are read last when 6 have been written.
        (Tile(multiples=(1, 2)), (2, 2), 4),
        # Its only element is read last of all.
        (Tile(multiples=(4,)), (1,), 3),
    ],
)
def test_distance_by_hand(attributes: object, shape: tuple[int, ...], distance: int) -> None:
    assert COPY.overlap(layer_of(attributes, shape), 0) == distance


@pytest.mark.tiny
def test_distances_of_joined_inputs() -> None:
    layer = layer_of(Concatenation(axis=0), (8,), (3,))
    # Both already lie where they go.
    assert [COPY.overlap(layer, i) for i in (0, 1)] == [0, 8]
    layer = layer_of(Concatenation(axis=1), (3, 1), (3, 1))
    # 2 is read when 0 and 2 have been written; the others are read behind all of these.
    assert [COPY.overlap(layer, i) for i in (0, 1)] == [1, 5]


@pytest.mark.tiny
def test_where_nothing_is_promised() -> None:
    assert COPY.overlap(layer_of(Split(axis=0, sizes=(2, 2)), (4,)), 0) is None
    assert COPY.overlap(layer_of(Concatenation(axis=0), (4,), (3,), constant=0), 0) is None
    # In front of everything the border would be written before anything is read.
    reversed_rows = Slice(begin=(1, 0), size=(2, 3), step=(-1, 1), shape=(2, 3))
    assert COPY.overlap(layer_of(reversed_rows, (2, 3)), 0) == 3
    walk = walk_of(Move(View.of((6,)), None), 1)
    copied = walk_of(Move(View.of((6,)), View.of((6,))), 1)
    x, y = Tensor("x", (6,), DType.INT8), Tensor("y", (6,), DType.INT8)
    assert overlap_distance([walk, copied], 0, x, y) is None
    assert overlap_distance([copied], 0, x, y) == 0


@pytest.mark.tiny
def test_long_walks_are_not_played_through(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_of(Slice(begin=(0,), size=(5,), step=(1,), shape=(5,)), (8,))
    assert COPY.overlap(layer, 0) == 0
    monkeypatch.setattr(walks_of_moves, "MOST_STEPS", 4)
    assert COPY.overlap(layer, 0) is None


@cache
def promises() -> tuple[tuple[str, Layer, int, int], ...]:
    """Every promise that the cases have: name, layer, input, distance."""
    found = []
    made = [network(name, build) for name, build in CASES]
    for case in (*made, *single_ops("PAD")):
        layers = layers_of(imported(case))
        for layer in layers:
            if layer.op.kind not in COPY.kinds or not COPY.applies(layer):
                continue
            for index, t in enumerate(layer.inputs):
                distance = COPY.overlap(layer, index) if t is not None and t.is_computed else None
                if distance is not None:
                    found.append((case.name, layer, index, distance))
    return tuple(found)


def survives(layer: Layer, index: int, distance: int) -> bool:
    """Whether the output is right with the input so far behind it, unit by unit."""
    rng = np.random.default_rng(abs(distance))
    x, y = layer.input(index), layer.output
    base = max(-distance, 0)
    memory = rng.integers(0, 256, base + y.size_bytes + x.size_bytes + abs(distance), np.uint8)
    at = {
        i: rng.integers(0, 256, layer.input(i).size_bytes, np.uint8)
        for i in range(len(layer.inputs))
    }
    start = base + distance
    memory[start : start + x.size_bytes] = at[index]
    expected = np.zeros(y.size_bytes, np.uint8)
    for walk in walks(layer):
        targets = walk.target.positions()
        sources = targets if walk.source is None else walk.source.positions()
        for target, source in zip(targets.tolist(), sources.tolist(), strict=True):
            to = slice(base + target, base + target + walk.unit)
            out = slice(target, target + walk.unit)
            part = slice(source, source + walk.unit)
            if walk.source is None:
                memory[to] = expected[out] = 7
            elif walk.read == OUTPUT:
                memory[to] = memory[base + source : base + source + walk.unit]
                expected[out] = expected[part]
            elif walk.read == index:
                memory[to] = memory[start + source : start + source + walk.unit]
                expected[out] = at[index][part]
            else:
                memory[to] = expected[out] = at[walk.read][part]
    return bool(np.array_equal(memory[base : base + y.size_bytes], expected))


def test_promises_hold_and_are_tight() -> None:
    tight: Counter[str] = Counter()
    for name, layer, index, distance in promises():
        reads = [w for w in walks(layer) if w.read == index and w.source is not None]
        unit = max(w.unit for w in reads)
        for further in (0, unit, 2 * unit, 3 * unit, layer.output.size_bytes):
            assert survives(layer, index, distance + further), f"{name}: {distance + further}"
        repeats = any(0 in w.source.strides for w in reads if w.source is not None)
        # What is repeated may be written over what it is read from.
        if distance > -layer.input(index).size_bytes and not repeats:
            assert not survives(layer, index, distance - min(w.unit for w in reads)), name
            tight[layer.op.kind] += 1
    assert len(promises()) > 150
    assert len(tight) >= 10, tight


@pytest.mark.tiny
def test_runs_are_copied_at_once_where_they_are_apart() -> None:
    def kinds(layer: Layer) -> list[object]:
        call = COPY.call(layer, PLACES)
        return [c.fields["kind"] for c in (call, *call.further)]

    # The first input's last row may lie where it goes; the second's are all a row apart.
    layer = layer_of(Concatenation(axis=1), (3, 8), (3, 16))
    assert [COPY.overlap(layer, i) for i in (0, 1)] == [32, 56]
    assert kinds(layer) == ["MIDGE_MOVE_UNITS", "MIDGE_MOVE_RUNS"]
    layer = layer_of(Concatenation(axis=1), (3, 8), (3, 16), constant=0)
    assert kinds(layer) == ["MIDGE_MOVE_RUNS", "MIDGE_MOVE_RUNS"]
    assert kinds(layer_of(Split(axis=1, sizes=(8, 16)), (3, 24))) == ["MIDGE_MOVE_RUNS"] * 2
    assert kinds(layer_of(Split(axis=1, sizes=(3, 6)), (3, 9))) == ["MIDGE_MOVE_UNITS"] * 2
    half = Slice(begin=(0, 0), size=(3, 8), step=(1, 1), shape=(3, 8))
    (walk,) = walks(layer_of(half, (3, 16)))
    assert [is_apart(walk, distance) for distance in (0, 7, 8, 16)] == [False, False, True, True]


@pytest.mark.tiny
def test_calls_name_what_they_read() -> None:
    call = COPY.call(layer_of(Concatenation(axis=0), (4,), (3,), constant=1), PLACES)
    assert call.arguments == ("x", "y")
    assert [c.arguments for c in call.further] == [("net_input_1", "y")]
    assert [c.suffix for c in call.constants] == ["input_1"]
    assert (call.fields["parallel"], call.further[0].fields["target"]) == (True, 4)
    call = COPY.call(layer_of(Split(axis=0, sizes=(2, 2)), (4,)), PLACES)
    assert [c.arguments for c in (call, *call.further)] == [("x", "y"), ("x", "z")]
    call = COPY.call(layer_of(Pad(before=(1,), after=(0,)), (4,)), PLACES)
    assert [c.arguments for c in (call, *call.further)] == [("x", "y"), ("y", "y")]
    # A value that nothing is filled with is no constant of the layer.
    call = COPY.call(layer_of(Pad(before=(0,), after=(0,)), (4,), (1,), constant=1), PLACES)
    assert (call.constants, call.further) == ((), ())


@pytest.mark.tiny
def test_which_layers_the_kernels_take() -> None:
    assert COPY.applies(layer_of(Tile(multiples=(2,) * 4), (2,) * 4))
    deep = layer_of(Tile(multiples=(2,) * 5), (2,) * 5, dtype=DType.FLOAT32)
    assert not COPY.applies(deep), "nine dimensions that do not merge"
    by_table = next(k for k in KERNELS if k.kinds == ("resize_nearest",))
    irregular = layer_of(ResizeNearest(size=(5, 3)), (1, 3, 3, 1))
    assert not COPY.applies(irregular)
    assert by_table.applies(irregular)
    wide = layer_of(ResizeNearest(size=(1, 1)), (1, 1, (1 << 16) + 1, 1))
    assert not by_table.applies(wide)
    assert COPY.applies(wide)


@pytest.mark.tiny
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.function)
def test_another_operators_layer_is_a_defect(kernel: StridedCopy) -> None:
    layer = layer_of(Transpose(permutation=(1, 0)), (2, 2))
    op = Op("op", Add(), ("x0",), ("y0",))
    with pytest.raises(TypeError, match="op is a add"):
        kernel.call(Layer(0, op, (*layer.inputs, layer.inputs[0]), layer.outputs), PLACES)


@pytest.mark.tiny
def test_tables_stand_in_flash() -> None:
    gather, resize = (next(k for k in KERNELS if k.kinds == (kind,)) for kind in TABLES)
    layer = layer_of(ResizeNearest(size=(4, 2)), (1, 3, 3, 2), dtype=DType.INT16)
    call = resize.call(layer, PLACES)
    assert call.arguments == ("x", "net_rows", "net_columns", "y")
    assert [(c.suffix, c.values.tolist()) for c in call.constants] == [
        ("rows", [0, 0, 1, 2]),
        ("columns", [0, 1]),
    ]
    assert {c.values.dtype for c in call.constants} == {np.dtype(np.uint16)}
    assert (call.fields["units"], call.fields["unit"]) == (1, 4)
    indices = Tensor("i", (2,), DType.INT32, None, np.array([2, 0], np.int32))
    op = Op("op", Gather(axis=0), ("x", "i"), ("y",))
    x, y = Tensor("x", (3, 3), DType.INT8), Tensor("y", (2, 3), DType.INT8)
    call = gather.call(Layer(0, op, (x, indices), (y,)), PLACES)
    assert call.arguments == ("x", "net_indices", "y")
    assert [call.fields[n] for n in ("count", "units", "unit", "checked")] == [2, 3, 1, True]
    computed = Tensor("i", (2,), DType.INT32)
    call = gather.call(Layer(0, op, (x, computed), (y,)), PLACES)
    assert (call.arguments, call.fields["checked"]) == (("x", "v", "y"), False)
    assert gather.overlap(Layer(0, op, (x, computed), (y,)), 0) is None


@pytest.mark.parametrize("dtype", [DType.INT8, DType.INT16, DType.FLOAT32, DType.INT64])
def test_no_index_leads_outside(dtype: DType) -> None:
    # On this machine, where undefined behaviour ends the process.
    x, i = Tensor("x", (2, 3, 5), dtype), Tensor("i", (2, 7), DType.INT32)
    y = Tensor("y", (2, 7, 5), dtype)
    op = Op("op", Gather(axis=1, batch_dims=1), ("x", "i"), ("y",))
    graph = Graph("g", {t.name: t for t in (x, i, y)}, (op,), ("x", "i"), ("y",))
    ends = [-(2**31), -1, 0, 1, 2, 3, 2**31 - 1]
    values = {
        "x": np.arange(30).reshape(x.shape).astype(dtype.numpy),
        "i": np.array([ends, ends[::-1]], np.int32),
    }
    (found,) = run_on_host(graph, values).values()
    assert np.array_equal(found, interpret(graph, values)["y"])
