"""Networks of one operator that moves elements: every attribute, every type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from midge.synthetic import movement_operators as move
from midge.synthetic.growth import Case
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import NetworkBuilder

Shape = tuple[int, ...]
Build = Callable[[NetworkBuilder, str], str | list[str]]

TYPES = ("int8", "int16", "float32", "int32", "int64", "uint8", "bool")

# What TFLite Micro's kernels take; SPLIT and FILL have their axis and shape first, of int32.
_TAKEN: dict[str, tuple[str, ...]] = {
    "TRANSPOSE": ("int8", "int16", "float32"),
    "CONCATENATION": ("int8", "int16", "float32", "int32", "int64", "bool"),
    "PACK": ("int8", "int16", "float32", "int32", "int64"),
    "UNPACK": ("int8", "int16", "float32", "int32"),
    "SPLIT_V": ("int8", "int16", "float32", "int32"),
    "SLICE": ("int8", "int16", "float32", "int32", "bool"),
    "STRIDED_SLICE": ("int8", "int16", "float32", "int32", "bool"),
    "GATHER": ("int8", "float32"),
    "TILE": (),
    "PAD": ("int8", "int16", "float32", "int32"),
    "PADV2": ("int8", "int16", "float32", "int32"),
    "MIRROR_PAD": ("int8", "float32"),
    "SPACE_TO_DEPTH": ("int8", "float32"),
    "DEPTH_TO_SPACE": ("int8", "float32"),
    "SPACE_TO_BATCH_ND": ("int8", "float32"),
    "BATCH_TO_SPACE_ND": ("int8", "float32"),
    "RESIZE_NEAREST_NEIGHBOR": ("int8", "int16", "float32"),
    "EXPAND_DIMS": ("int8", "int16", "float32"),
    "ZEROS_LIKE": ("int8", "float32", "int32", "int64"),
}
NOT_IN_TFLM = {(op, t) for op, taken in _TAKEN.items() for t in TYPES if t not in taken}

_QUANTIZATIONS = {
    "int8": Quantization((0.05,), (-11,)),
    "int16": Quantization((0.0007,), (0,)),
    "uint8": Quantization((0.05,), (131,)),
}


def _case(
    name: str, shape: Shape, build: Build, dtype: str, quantization: Quantization | None
) -> Case:
    def whole(builder: NetworkBuilder) -> str | list[str]:
        return build(builder, builder.input(shape, quantization, dtype))

    return name, whole


def _typed(
    op: str, shape: Shape, build: Build, types: Sequence[str] = TYPES, what: str = "plain"
) -> Iterator[Case]:
    """One case a type."""
    for dtype in types:
        yield _case(f"{op}/{dtype}/{what}", shape, build, dtype, _QUANTIZATIONS.get(dtype))


def _int8(op: str, *cases: tuple[str, Shape, Build]) -> Iterator[Case]:
    """Cases of a name, the input's shape, and how the operator is added."""
    for what, shape, build in cases:
        yield _case(f"{op}/int8/{what}", shape, build, "int8", _QUANTIZATIONS["int8"])


def _transposes() -> Iterator[Case]:
    def axes(*order: int) -> Build:
        return partial(move.transpose, axes=order)

    yield from _typed("TRANSPOSE", (2, 3, 4), axes(2, 0, 1))
    yield from _int8(
        "TRANSPOSE",
        ("rank_1", (5,), axes(0)),
        ("rank_2", (5, 3), axes(1, 0)),
        ("unchanged", (2, 3, 4), axes(0, 1, 2)),
        ("channels_first", (2, 3, 5, 4), axes(0, 3, 1, 2)),
        ("channels_last", (2, 4, 3, 5), axes(0, 2, 3, 1)),
        ("words", (3, 5, 8), axes(1, 0, 2)),
        ("ones", (1, 6, 1, 4), axes(3, 0, 1, 2)),
        ("rank_5", (2, 3, 2, 3, 2), axes(4, 2, 0, 3, 1)),
    )


def _concatenations() -> Iterator[Case]:
    def with_constants(builder: NetworkBuilder, x: str) -> str:
        first, last = (move.constant_like(builder, x, (2, n, 3)) for n in (1, 2))
        return move.concatenation(builder, (first, x, last), 1)

    def itself(builder: NetworkBuilder, x: str) -> str:
        return move.concatenation(builder, (x, x), -2)

    def inputs(axis: int, *sizes: int) -> Build:
        """Behind x, inputs that have these extents along the axis."""

        def build(builder: NetworkBuilder, x: str) -> str:
            shape = builder.shape(x)
            at = axis % len(shape)
            quantization = move.quantization_of(builder, x)
            names = [
                builder.input((*shape[:at], n, *shape[at + 1 :]), quantization, builder.dtype(x))
                for n in sizes
            ]
            return move.concatenation(builder, (x, *names), axis)

        return build

    yield from _typed("CONCATENATION", (2, 3, 3), with_constants)
    yield from _int8(
        "CONCATENATION",
        ("batches", (2, 3, 4), inputs(0, 1, 3)),
        ("rows", (1, 3, 4, 4), inputs(1, 2)),
        ("channels", (1, 3, 4, 5), inputs(3, 2, 4)),
        ("channels_of_words", (1, 3, 4, 4), inputs(-1, 8, 4)),
        ("rank_1", (3,), inputs(0, 5, 1)),
        ("one_input", (2, 3), inputs(0)),
        ("ten_inputs", (2, 3), inputs(-1, *range(1, 10))),
        ("long_rows", (2, 70), inputs(1, 33, 90)),
        ("itself", (2, 3), itself),
    )


def _packs() -> Iterator[Case]:
    def packed(axis: int, count: int) -> Build:
        def build(builder: NetworkBuilder, x: str) -> str:
            rest = [move.constant_like(builder, x, builder.shape(x)) for _ in range(count - 1)]
            return move.pack(builder, (*rest, x), axis)

        return build

    yield from _typed("PACK", (2, 3), packed(1, 3))
    yield from _int8(
        "PACK",
        ("first", (2, 3), packed(0, 2)),
        ("last", (2, 3), packed(-1, 4)),
        ("one", (4,), packed(0, 1)),
        ("scalars", (), packed(0, 3)),
        ("words", (3, 4), packed(1, 2)),
    )


def _parts() -> Iterator[Case]:
    def unpack(axis: int) -> Build:
        return partial(move.unpack, axis=axis)

    def split(axis: int, count: int) -> Build:
        return partial(move.split, axis=axis, count=count)

    def split_v(axis: int, *sizes: int, written: Shape | None = None) -> Build:
        return partial(move.split_v, axis=axis, sizes=sizes, written=written)

    yield from _typed("UNPACK", (2, 3, 4), unpack(1))
    yield from _int8(
        "UNPACK",
        ("first", (3, 4), unpack(0)),
        ("last", (3, 4), unpack(-1)),
        ("one", (1, 5), unpack(0)),
        ("to_scalars", (3,), unpack(0)),
    )
    yield from _typed("SPLIT", (2, 4, 3), split(1, 2), ("int8", "int16", "float32", "int32"))
    yield from _int8(
        "SPLIT",
        ("first", (6, 3), split(0, 3)),
        ("last", (2, 5, 8), split(-1, 2)),
        ("one", (2, 3), split(1, 1)),
        ("to_ones", (2, 3), split(1, 3)),
    )
    yield from _typed("SPLIT_V", (2, 4, 3), split_v(1, 1, 3))
    yield from _int8(
        "SPLIT_V",
        ("first", (6, 3), split_v(0, 1, 2, 3)),
        ("last_rest", (2, 9), split_v(-1, 4, 3, 2, written=(4, -1, 2))),
        ("one_rest", (2, 3), split_v(1, 3, written=(-1,))),
        ("words", (3, 12), split_v(1, 4, 8)),
    )


def _slices() -> Iterator[Case]:
    def part(begin: Shape, size: Shape, dtype: str = "int32") -> Build:
        return partial(move.slice_, begin=begin, size=size, dtype=dtype)

    yield from _typed("SLICE", (3, 4, 5), part((1, 0, 2), (2, -1, 2)))
    yield from _int8(
        "SLICE",
        ("rank_1", (9,), part((3,), (4,))),
        ("whole", (2, 3), part((0, 0), (-1, -1))),
        ("one_element", (2, 3), part((1, 2), (1, 1))),
        ("beginning", (6, 4), part((0, 0), (3, -1))),
        ("end", (6, 4), part((3, 0), (-1, 4))),
        ("words", (2, 3, 12), part((0, 1, 4), (2, 2, 4))),
        ("long_rows", (3, 90), part((0, 7), (3, 71))),
        ("rank_5", (2, 2, 3, 2, 3), part((1, 0, 1, 0, 1), (1, 2, 2, 1, -1))),
        ("int64", (3, 4), part((1, 0), (-1, 2), "int64")),
    )


def _strided_slices() -> Iterator[Case]:
    def part(
        begin: Shape,
        end: Shape,
        strides: Shape,
        begin_mask: int = 0,
        end_mask: int = 0,
        shrink: int = 0,
    ) -> Build:
        taken = partial(move.strided_slice, begin=begin, end=end, strides=strides)
        return partial(taken, begin_mask=begin_mask, end_mask=end_mask, shrink=shrink)

    yield from _typed("STRIDED_SLICE", (3, 7), part((0, 6), (3, 0), (2, -2)))
    yield from _int8(
        "STRIDED_SLICE",
        ("rank_1", (9,), part((1,), (8,), (3,))),
        ("whole", (2, 3), part((0, 0), (2, 3), (1, 1))),
        ("reversed", (2, 5), part((1, 4), (-3, -6), (-1, -1))),
        ("from_the_end", (4, 6), part((-3, -5), (-1, -2), (1, 2))),
        ("masks", (4, 6), part((2, 3), (3, 4), (1, 2), begin_mask=1, end_mask=2)),
        ("masks_backwards", (4, 6), part((2, 3), (1, 1), (-1, -2), begin_mask=2, end_mask=1)),
        ("beyond_both_ends", (4, 6), part((-9, 50), (70, -40), (1, -1))),
        ("shrink", (4, 6), part((2, 1), (0, 5), (1, 1), shrink=1)),
        ("shrink_from_the_end", (4, 3), part((0, -1), (4, 0), (2, 1), shrink=2)),
        ("shrink_masked", (4, 3), part((3, 0), (4, 3), (1, 1), shrink=1, begin_mask=1)),
        ("shrink_to_a_scalar", (4, 3), part((3, 1), (9, 9), (1, 1), shrink=3)),
        ("stride_over_the_end", (5, 4), part((0, 1), (5, 4), (4, 9))),
        ("words", (3, 4, 8), part((0, 0, 0), (3, 4, 8), (1, 2, 1))),
        ("rank_4", (2, 3, 4, 5), part((0, 2, 1, 4), (2, 0, 4, -6), (1, -1, 2, -3))),
    )


def _gathers() -> Iterator[Case]:
    def chosen(indices: Any, axis: int, batch_dims: int = 0) -> Build:
        def build(builder: NetworkBuilder, x: str) -> str:
            return move.gather(builder, x, move.int32(builder, indices), axis, batch_dims)

        return build

    def computed(shape: Shape, axis: int, batch_dims: int = 0) -> Build:
        """Indices of any value, with which TFLite Micro would read outside the tensor."""

        def build(builder: NetworkBuilder, x: str) -> str:
            return move.gather(builder, x, builder.input(shape, None, "int32"), axis, batch_dims)

        return build

    def table(builder: NetworkBuilder, indices: str) -> str:
        values = move.random_values(builder, (7, 4), "int16")
        return move.gather(builder, builder.constant(values, _QUANTIZATIONS["int16"]), indices, 0)

    yield from _typed("GATHER", (2, 4, 3), chosen([3, 0, 3], 1))
    yield from _int8(
        "GATHER",
        ("first", (4, 3), chosen([2, 1], 0)),
        ("last", (2, 5), chosen([[4, 0], [1, 1], [3, 2]], -1)),
        ("scalar_index", (3, 4), chosen(2, 0)),
        ("rank_1", (6,), chosen([5, 0, 5], 0)),
        ("batch", (2, 3, 4), chosen([[2, 0], [1, 1]], 1, 1)),
        ("batch_from_the_end", (2, 3, 4), chosen([[2, 0], [1, 1]], 2, -1)),
        ("batch_and_outer", (2, 3, 4, 3), chosen([[2, 0, 1], [1, 1, 3]], 2, 1)),
    )
    types = ("int16", "int32", "int64", "uint8", "bool")
    yield from _typed("GATHER", (3, 5), computed((4,), 0), types, "computed")
    yield from _typed("GATHER", (3, 5), computed((2, 2), 1), types, "computed_last")
    yield from _typed("GATHER", (2, 4, 3), computed((2, 5), 1, 1), types, "computed_batch")
    yield from _typed("GATHER", (4,), computed((), 0), types, "computed_scalar")
    yield _case("GATHER/int16/constant_table", (3,), table, "int32", None)


def _repeats() -> Iterator[Case]:
    def to(*shape: int, dtype: str = "int32") -> Build:
        return partial(move.broadcast_to, shape=shape, dtype=dtype)

    def tiles(*multiples: int) -> Build:
        return partial(move.tile, multiples=multiples)

    def constant(builder: NetworkBuilder, x: str) -> list[str]:
        value = move.constant_like(builder, x, ())
        return [move.fill(builder, value, (2, 3)), move.fill(builder, x, (4,))]

    yield from _typed("BROADCAST_TO", (3, 1), to(2, 3, 4))
    yield from _int8(
        "BROADCAST_TO",
        ("rank_1", (1,), to(5)),
        ("scalar", (), to(2, 3)),
        ("unchanged", (2, 3), to(2, 3)),
        ("channels", (4,), to(2, 3, 4)),
        ("images", (1, 3, 1, 2), to(2, 3, 4, 2)),
        ("rank_5", (2, 1, 3, 1, 1), to(2, 2, 3, 2, 2)),
        ("int64", (2, 1), to(2, 3, dtype="int64")),
    )
    yield from _typed("TILE", (2, 3), tiles(2, 3))
    yield from _int8(
        "TILE",
        ("rank_1", (3,), tiles(4)),
        ("unchanged", (2, 3), tiles(1, 1)),
        ("image", (1, 2, 3, 2), tiles(2, 1, 2, 3)),
    )
    types = ("int8", "float32", "int32")
    yield from _typed("FILL", (), partial(move.fill, shape=(2, 3)), types, "computed")
    yield from _typed("FILL", (), constant, types, "constant")


def _pads() -> Iterator[Case]:
    border = ((1, 0), (2, 1), (0, 2))

    def pad(*paddings: Shape) -> Build:
        return partial(move.pad, paddings=paddings)

    def with_constant(builder: NetworkBuilder, x: str) -> str:
        return move.pad(builder, x, border, move.constant_like(builder, x, ()))

    def with_input(builder: NetworkBuilder, x: str) -> str:
        value = builder.input((1,), move.quantization_of(builder, x), builder.dtype(x))
        return move.pad(builder, x, border, value)

    def with_zero(builder: NetworkBuilder, x: str) -> str:
        quantization = move.quantization_of(builder, x)
        stored = 0 if quantization is None else quantization.zero_point
        value = builder.constant(np.array(stored, builder.dtype(x)), quantization)
        return move.pad(builder, x, border, value)

    yield from _typed("PAD", (2, 3, 3), pad(*border), what="every_axis")
    yield from _int8(
        "PAD",
        ("words", (1, 3, 4, 4), pad((0, 0), (1, 1), (1, 1), (0, 0))),
        ("causal", (1, 6, 3), pad((0, 0), (4, 0), (0, 0))),
        ("behind", (2, 5), pad((0, 1), (0, 0))),
    )
    yield from _typed("PADV2", (2, 3, 3), with_constant, what="constant")

    def without_width(builder: NetworkBuilder, x: str) -> str:
        value = move.constant_like(builder, x, ())
        return move.pad(builder, x, ((0, 0), (0, 0)), value)

    yield from _int8("PADV2", ("without_width", (2, 3), without_width))
    yield from _typed("PADV2", (2, 3, 3), with_input, ("int8", "float32"), "computed")
    yield from _typed("PADV2", (2, 3, 3), with_zero, ("int8", "float32"), "zero")


def _mirror_pads() -> Iterator[Case]:
    image = ((0, 0), (2, 1), (1, 2), (0, 0))
    for mode, most in (("reflect", 1), ("symmetric", 0)):
        mirrored = partial(move.mirror_pad, mode=mode)
        yield from _typed("MIRROR_PAD", (1, 4, 3, 2), partial(mirrored, paddings=image), what=mode)
        widest = ((4 - most, 4 - most), (2 - most, 2 - most))
        yield from _int8(
            "MIRROR_PAD",
            (f"{mode}_every_axis", (2, 3, 4), partial(mirrored, paddings=((1, 0), (1, 2), (0, 2)))),
            (f"{mode}_widest", (4, 2), partial(mirrored, paddings=widest)),
            (f"{mode}_nothing", (2, 3), partial(mirrored, paddings=((0, 0), (0, 0)))),
            (f"{mode}_rank_1", (5,), partial(mirrored, paddings=((3, 2),))),
            (f"{mode}_int64", (3, 2), partial(mirrored, paddings=((1, 2), (0, 1)), dtype="int64")),
        )


def _depths() -> Iterator[Case]:
    def to_depth(block: int) -> Build:
        return partial(move.space_to_depth, block=block)

    def to_space(block: int) -> Build:
        return partial(move.depth_to_space, block=block)

    yield from _typed("SPACE_TO_DEPTH", (2, 4, 6, 3), to_depth(2))
    yield from _int8(
        "SPACE_TO_DEPTH",
        ("block_1", (1, 2, 3, 2), to_depth(1)),
        ("block_3", (1, 6, 3, 2), to_depth(3)),
        ("words", (1, 4, 4, 4), to_depth(2)),
        ("whole_image", (1, 4, 4, 1), to_depth(4)),
    )
    yield from _typed("DEPTH_TO_SPACE", (2, 2, 3, 12), to_space(2))
    yield from _int8(
        "DEPTH_TO_SPACE",
        ("block_1", (1, 2, 3, 2), to_space(1)),
        ("block_3", (1, 2, 1, 18), to_space(3)),
        ("words", (1, 2, 2, 16), to_space(2)),
        ("one_pixel", (1, 1, 1, 16), to_space(4)),
    )


def _batches() -> Iterator[Case]:
    def to_batch(block: Shape, *paddings: Shape) -> Build:
        return partial(move.space_to_batch, block=block, paddings=paddings)

    def to_space(block: Shape, *crops: Shape) -> Build:
        return partial(move.batch_to_space, block=block, crops=crops)

    spread: tuple[tuple[str, Shape, Build], ...] = (
        ("padded", (2, 4, 5, 3), to_batch((2, 3), (1, 1), (2, 2))),
        ("padded_by_blocks", (1, 4, 4, 4), to_batch((2, 2), (2, 2), (2, 2))),
        ("padding_over_blocks", (1, 3, 2, 2), to_batch((2, 2), (3, 2), (5, 1))),
        ("rank_3", (2, 5, 3), to_batch((4,), (1, 2))),
        ("block_1", (1, 2, 3, 2), to_batch((1, 1), (0, 1), (0, 0))),
    )
    op = "SPACE_TO_BATCH_ND"
    for what, shape, build in spread:
        # TFLite Micro pads int8 with whatever its memory holds, mostly 0.
        yield _case(f"{op}/int8/{what}", shape, build, "int8", Quantization((0.05,), (0,)))
    _, shape, build = spread[0]
    yield from _typed(op, shape, build, TYPES[1:], "padded")
    yield from _int8(op, ("even", (1, 4, 6, 2), to_batch((2, 3), (0, 0), (0, 0))))
    op = "BATCH_TO_SPACE_ND"
    yield from _typed(op, (12, 3, 3, 3), to_space((2, 3), (1, 0), (2, 2)), what="cropped")
    yield from _int8(
        op,
        ("even", (6, 2, 2, 2), to_space((2, 3), (0, 0), (0, 0))),
        ("cropped_by_blocks", (4, 3, 4, 4), to_space((2, 2), (2, 2), (2, 2))),
        ("crops_over_blocks", (4, 4, 4, 2), to_space((2, 2), (3, 2), (5, 1))),
        ("rank_3", (8, 2, 3), to_space((4,), (1, 2))),
        ("block_1", (1, 2, 3, 2), to_space((1, 1), (0, 1), (0, 0))),
    )


def _resizes() -> Iterator[Case]:
    op = "RESIZE_NEAREST_NEIGHBOR"
    yield from _typed(op, (2, 3, 4, 3), partial(move.resize_nearest, size=(5, 6)), what="odd")
    yield from _typed(op, (2, 3, 2, 3), partial(move.resize_nearest, size=(6, 6)), what="twice")
    for what, shape, size in (
        ("smaller", (1, 6, 8, 2), (3, 2)),
        ("smaller_odd", (1, 7, 5, 2), (3, 4)),
        ("unchanged", (1, 3, 4, 2), (3, 4)),
        ("from_one_pixel", (1, 1, 1, 3), (3, 2)),
        ("to_one_pixel", (1, 4, 5, 3), (1, 1)),
        ("words", (1, 3, 3, 4), (4, 5)),
    ):
        resized = partial(move.resize_nearest, size=size)
        yield from _int8(
            op,
            (what, shape, resized),
            (f"{what}_align_corners", shape, partial(resized, align_corners=True)),
            (f"{what}_half_pixel_centers", shape, partial(resized, half_pixel_centers=True)),
        )


def _shapes() -> Iterator[Case]:
    def squeeze(*axes: int) -> Build:
        return partial(move.squeeze, axes=axes)

    def expand(axis: int) -> Build:
        return partial(move.expand_dims, axis=axis)

    yield from _typed("RESHAPE", (2, 3, 2), partial(move.reshaped, shape=(4, 3)), TYPES[1:])
    yield from _typed("SQUEEZE", (1, 3, 1, 2), squeeze(0, -2))
    yield from _int8(
        "SQUEEZE",
        ("all", (1, 3, 1, 2), squeeze()),
        ("one", (1, 3, 1, 2), squeeze(2)),
        ("to_a_scalar", (1, 1), squeeze()),
        ("nothing", (2, 3), squeeze()),
    )
    yield from _typed("EXPAND_DIMS", (2, 3), expand(1))
    yield from _int8(
        "EXPAND_DIMS",
        ("first", (2, 3), expand(0)),
        ("last", (2, 3), expand(-1)),
        ("last_by_number", (2, 3), expand(2)),
    )
    yield from _typed("SHAPE", (2, 3, 1), move.shape_of)
    yield from _typed("ZEROS_LIKE", (2, 3), move.zeros_like)


CASES: list[Case] = [
    *_transposes(),
    *_concatenations(),
    *_packs(),
    *_parts(),
    *_slices(),
    *_strided_slices(),
    *_gathers(),
    *_repeats(),
    *_pads(),
    *_mirror_pads(),
    *_depths(),
    *_batches(),
    *_resizes(),
    *_shapes(),
]
