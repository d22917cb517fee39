"""Operators that move elements, in random networks: over whatever type the network has come to."""

from __future__ import annotations

from math import prod

from midge.synthetic import movement_operators as move
from midge.synthetic.growth import Growth, Step

HIGHEST_RANK = 4
"""TFLite Micro's kernels stop at 4 or 5 dimensions."""
_SPLIT_TYPES = ("int8", "int16", "float32", "int32")
"""Of SPLIT, whose first input is its axis, so that `NOT_IN_TFLM` cannot say it."""


def _axis(growth: Growth, rank: int) -> tuple[int, int]:
    """A dimension, and how it is written: from the end now and then."""
    axis = growth.choices.integer(0, rank - 1)
    return axis, axis - rank if growth.choices.one_in(4) else axis


def _all_done(growth: Growth, results: list[str], x: str) -> str:
    for result in results:
        growth.done(result, x)
    return results[0]


def _transpose(growth: Growth, x: str) -> str:
    axes = list(range(len(growth.builder.shape(x))))
    shuffled = [axes.pop(growth.choices.integer(0, len(axes) - 1)) for _ in range(len(axes))]
    return growth.done(move.transpose(growth.builder, x, tuple(shuffled)), x)


def _alike(growth: Growth, x: str, shape: tuple[int, ...], free: int | None) -> list[str]:
    """Computed tensors of x's type and quantisation, and of this shape but for one dimension."""

    def extents(name: str) -> tuple[int, ...]:
        own = growth.builder.shape(name)
        return own if free is None else (*own[:free], -1, *own[free + 1 :])

    wanted = shape if free is None else (*shape[:free], -1, *shape[free + 1 :])
    kind = (growth.builder.dtype(x), move.quantization_of(growth.builder, x))
    return [
        name
        for name in growth.computed
        if (growth.builder.dtype(name), move.quantization_of(growth.builder, name)) == kind
        and len(growth.builder.shape(name)) == len(shape)
        and extents(name) == wanted
    ]


def _operands(growth: Growth, x: str, free: int | None) -> list[str]:
    """X among up to three others that can be joined with it: itself, earlier ones, constants."""
    names = [x]
    shape = growth.builder.shape(x)
    for _ in range(growth.choices.integer(1, 3)):
        kind = growth.choices.one_of(("constant", "itself", "earlier"))
        fitting = _alike(growth, x, shape, free) if kind == "earlier" else []
        if kind == "itself":
            names.append(x)
        elif fitting:
            names.append(growth.choices.one_of(fitting))
        else:
            own = list(shape)
            if free is not None:
                own[free] = growth.choices.integer(1, 4)
            names.append(move.constant_like(growth.builder, x, tuple(own)))
    first = growth.choices.integer(0, len(names) - 1)
    return names[first:] + names[:first]


def _concatenation(growth: Growth, x: str) -> str | None:
    axis, written = _axis(growth, len(growth.builder.shape(x)))
    names = _operands(growth, x, axis)
    if not growth.fits((sum(prod(growth.builder.shape(n)) for n in names),)):
        return None
    return growth.done(move.concatenation(growth.builder, names, written), *names)


def _pack(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    _, written = _axis(growth, len(shape) + 1)
    names = _operands(growth, x, None)
    if len(shape) >= HIGHEST_RANK or not growth.fits((len(names), *shape)):
        return None
    return growth.done(move.pack(growth.builder, names, written), *names)


def _unpack(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    axis, written = _axis(growth, len(shape))
    if len(shape) < 2 or shape[axis] > 6:
        return None
    return _all_done(growth, move.unpack(growth.builder, x, written), x)


def _split(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    axis, written = _axis(growth, len(shape))
    count = growth.choices.divisor(shape[axis])
    if growth.builder.dtype(x) not in _SPLIT_TYPES or count > 6:
        return None
    return _all_done(growth, move.split(growth.builder, x, written, count), x)


def _split_v(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    axis, written = _axis(growth, len(shape))
    sizes: list[int] = []
    left = shape[axis]
    while left and len(sizes) < 4:
        sizes.append(growth.choices.integer(1, left))
        left -= sizes[-1]
    sizes[-1] += left
    given = list(sizes)
    if growth.choices.one_in(2):
        given[growth.choices.integer(0, len(given) - 1)] = -1
    return _all_done(
        growth, move.split_v(growth.builder, x, written, tuple(sizes), tuple(given)), x
    )


def _slice(growth: Growth, x: str) -> str:
    begin, size = [], []
    for extent in growth.builder.shape(x):
        begin.append(growth.choices.integer(0, extent - 1))
        size.append(growth.choices.integer(1, extent - begin[-1]))
        if growth.choices.one_in(3):
            size[-1] = -1
    return growth.done(move.slice_(growth.builder, x, tuple(begin), tuple(size)), x)


def _strided_slice(growth: Growth, x: str) -> str:
    integer, one_in = growth.choices.integer, growth.choices.one_in
    begin, end, strides = [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink": 0}
    shape = growth.builder.shape(x)
    for axis, extent in enumerate(shape):
        first, last = integer(0, extent - 1), integer(0, extent - 1)
        stride = growth.choices.one_of((1, 1, 2, 3))
        if one_in(3) or first > last:
            first, last, stride = max(first, last), min(first, last), -stride
        # One behind the last index, which lies in front of the first where they go backwards.
        stop = last + 1 if stride > 0 else last - 1
        begin.append(first - extent if one_in(4) else first)
        end.append(-extent - 1 if stop < 0 else stop)
        strides.append(stride)
        for name in ("begin_mask", "end_mask"):
            masks[name] |= one_in(4) << axis
        if stride > 0 and one_in(6) and len(shape) > 1 and masks["shrink"].bit_count() == 0:
            masks["shrink"] |= 1 << axis
    result = move.strided_slice(
        growth.builder, x, tuple(begin), tuple(end), tuple(strides), **masks
    )
    return growth.done(result, x)


def _gather(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    axis, written = _axis(growth, len(shape))
    batch_dims = growth.choices.integer(0, axis) if growth.choices.one_in(3) else 0
    chosen = (*shape[:batch_dims], growth.choices.integer(1, 5))
    if not growth.fits((*shape[:axis], *chosen[batch_dims:], *shape[axis + 1 :])):
        return None
    indices = move.int32(growth.builder, growth.builder.rng.integers(0, shape[axis], chosen))
    return growth.done(move.gather(growth.builder, x, indices, written, batch_dims), x)


def _broadcast_to(growth: Growth, x: str) -> str | None:
    own = growth.builder.shape(x)
    shape = [growth.choices.integer(2, 4) if n == 1 else n for n in own]
    if len(own) < HIGHEST_RANK and growth.choices.one_in(2):
        shape.insert(0, growth.choices.integer(1, 3))
    if not growth.fits(tuple(shape)):
        return None
    return growth.done(move.broadcast_to(growth.builder, x, tuple(shape)), x)


def _tile(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    multiples = tuple(growth.choices.one_of((1, 1, 2, 3)) for _ in shape)
    if not growth.fits(tuple(n * m for n, m in zip(shape, multiples, strict=True))):
        return None
    return growth.done(move.tile(growth.builder, x, multiples), x)


def _widths(growth: Growth, x: str, most: list[int]) -> tuple[tuple[int, int], ...] | None:
    """A border for each dimension, up to so wide; None where it would not fit."""
    shape = growth.builder.shape(x)
    pairs = tuple(
        (growth.choices.integer(0, m), growth.choices.integer(0, m))
        if growth.choices.one_in(2)
        else (0, 0)
        for m in most
    )
    fits = growth.fits(tuple(n + sum(pair) for n, pair in zip(shape, pairs, strict=True)))
    return pairs if fits else None


def _pad(growth: Growth, x: str) -> str | None:
    builder = growth.builder
    if builder.dtype(x) == "int8":
        return None  # the spine has them
    if builder.is_quantized(x) and builder.quantization(x).zero_point:
        return None  # int16 out of a SOFTMAX: TFLite Micro would write 0
    paddings = _widths(growth, x, [2] * len(growth.builder.shape(x)))
    if paddings is None:
        return None
    return growth.done(move.pad(growth.builder, x, paddings), x)


def _pad_v2(growth: Growth, x: str) -> str | None:
    paddings = _widths(growth, x, [2] * len(growth.builder.shape(x)))
    if paddings is None:
        return None
    value = move.constant_like(growth.builder, x, ())
    return growth.done(move.pad(growth.builder, x, paddings, value), x)


def _mirror_pad(growth: Growth, x: str) -> str | None:
    mode = growth.choices.one_of(("reflect", "symmetric"))
    skipped = 1 if mode == "reflect" else 0
    paddings = _widths(growth, x, [min(n - skipped, 3) for n in growth.builder.shape(x)])
    if paddings is None:
        return None
    return growth.done(move.mirror_pad(growth.builder, x, paddings, mode), x)


def _common_divisors(growth: Growth, *numbers: int) -> int:
    fitting = [d for d in range(1, min(numbers) + 1) if all(n % d == 0 for n in numbers)]
    return growth.choices.one_of(fitting)


def _space_to_depth(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    if len(shape) != 4:
        return None
    block = _common_divisors(growth, shape[1], shape[2])
    return growth.done(move.space_to_depth(growth.builder, x, block), x)


def _depth_to_space(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    if len(shape) != 4:
        return None
    fitting = [d for d in range(1, 5) if shape[3] % (d * d) == 0]
    return growth.done(move.depth_to_space(growth.builder, x, growth.choices.one_of(fitting)), x)


def _space_to_batch(growth: Growth, x: str) -> str | None:
    builder, shape = growth.builder, growth.builder.shape(x)
    if len(shape) not in (3, 4):
        return None
    # TFLite Micro's border of int8 is whatever its memory holds, mostly 0.
    bordered = not builder.is_quantized(x) or builder.quantization(x).zero_point == 0
    block, paddings, cells = [], [], []
    for extent in shape[1:-1]:
        block.append(growth.choices.integer(1, 3) if bordered else growth.choices.divisor(extent))
        before = growth.choices.integer(0, 2) if bordered else 0
        paddings.append((before, -(before + extent) % block[-1]))
        cells.append(before + extent + paddings[-1][1])
    if not growth.fits((shape[0], *cells, shape[-1])):
        return None
    return growth.done(move.space_to_batch(builder, x, tuple(block), paddings), x)


def _batch_to_space(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    if len(shape) not in (3, 4):
        return None
    block, crops, batch = [], [], shape[0]
    for extent in shape[1:-1]:
        block.append(growth.choices.divisor(batch))
        batch //= block[-1]
        before = growth.choices.integer(0, extent * block[-1] - 1)
        crops.append((before, growth.choices.integer(0, extent * block[-1] - 1 - before)))
    return growth.done(move.batch_to_space(growth.builder, x, tuple(block), crops), x)


def _resize_nearest(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    if len(shape) != 4:
        return None
    height, width = (
        growth.choices.one_of((2 * n, n, None)) or growth.choices.integer(1, 9) for n in shape[1:3]
    )
    kind = growth.choices.one_of(("plain", "align_corners", "half_pixel_centers"))
    if not growth.fits((shape[0], height, width, shape[3])):
        return None
    return growth.done(
        move.resize_nearest(
            growth.builder,
            x,
            (height, width),
            align_corners=kind == "align_corners",
            half_pixel_centers=kind == "half_pixel_centers",
        ),
        x,
    )


def _reshape(growth: Growth, x: str) -> str | None:
    if growth.builder.dtype(x) == "int8":
        return None  # the spine has them
    shape = growth.factors(prod(growth.builder.shape(x)), growth.choices.integer(1, HIGHEST_RANK))
    return growth.done(move.reshaped(growth.builder, x, shape), x)


def _squeeze(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    ones = [axis for axis, extent in enumerate(shape) if extent == 1]
    if len(ones) in (0, len(shape)):
        return None
    named = () if growth.choices.one_in(3) else (growth.choices.one_of(ones),)
    return growth.done(move.squeeze(growth.builder, x, named), x)


def _expand_dims(growth: Growth, x: str) -> str | None:
    rank = len(growth.builder.shape(x))
    if rank >= HIGHEST_RANK:
        return None
    _, written = _axis(growth, rank + 1)
    return growth.done(move.expand_dims(growth.builder, x, written), x)


def _zeros_like(growth: Growth, x: str) -> str:
    return growth.done(move.zeros_like(growth.builder, x), x)


def _shape(growth: Growth, x: str) -> str:
    return growth.done(move.shape_of(growth.builder, x), x)


def _of_rank(step: Step) -> Step:
    """The step, for tensors of 1 to 4 dimensions."""

    def limited(growth: Growth, x: str) -> str | None:
        return step(growth, x) if 1 <= len(growth.builder.shape(x)) <= HIGHEST_RANK else None

    return limited


STEPS: dict[str, Step] = {
    op: _of_rank(step)
    for op, step in {
        "TRANSPOSE": _transpose,
        "CONCATENATION": _concatenation,
        "PACK": _pack,
        "UNPACK": _unpack,
        "SPLIT": _split,
        "SPLIT_V": _split_v,
        "SLICE": _slice,
        "STRIDED_SLICE": _strided_slice,
        "GATHER": _gather,
        "BROADCAST_TO": _broadcast_to,
        "TILE": _tile,
        "PAD": _pad,
        "PADV2": _pad_v2,
        "MIRROR_PAD": _mirror_pad,
        "SPACE_TO_DEPTH": _space_to_depth,
        "DEPTH_TO_SPACE": _depth_to_space,
        "SPACE_TO_BATCH_ND": _space_to_batch,
        "BATCH_TO_SPACE_ND": _batch_to_space,
        "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
        "RESHAPE": _reshape,
        "SQUEEZE": _squeeze,
        "EXPAND_DIMS": _expand_dims,
        "ZEROS_LIKE": _zeros_like,
        "SHAPE": _shape,
    }.items()
}
