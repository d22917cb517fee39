"""AVERAGE_POOL_2D and MAX_POOL_2D of int16 and float32, L2_POOL_2D, RESIZE_BILINEAR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.synthetic import float_simulation as simulate
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Fields, Pair, Pool2DOptions, Quantization
from midge.synthetic.network_builder import NetworkBuilder

Reals = NDArray[np.float64]
Shape = tuple[int, ...]

_ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_TYPES = {
    "AVERAGE_POOL_2D": ("int16", "float32"),
    "MAX_POOL_2D": ("int16", "float32"),
    "L2_POOL_2D": ("float32",),
}


def _pool(builder: NetworkBuilder, op: str, x: str, options: Pool2DOptions) -> str:
    values = builder.values(x)
    images = values.reshape(-1, *values.shape[2:])
    window = (options.filter, options.stride, options.padding)
    if op == "MAX_POOL_2D":
        real = simulate.max_pool_2d(images, *window)
    elif op == "AVERAGE_POOL_2D":
        real = simulate.average_pool_2d(images, *window)
    else:
        real = np.sqrt(simulate.average_pool_2d(images**2, *window))
    real = simulate.activate(real, options.activation)
    real = real.reshape(*values.shape[:2], *real.shape[1:])
    quantization = builder.quantization(x) if builder.is_quantized(x) else None
    table = _pool_fields(options)
    return builder.operator(op, (x,), table, real, quantization, dtype=builder.dtype(x), version=3)


def _pool_fields(options: Pool2DOptions) -> Fields:
    return Fields.of(
        "Pool2DOptions",
        Padding=("SAME", "VALID").index(options.padding),
        StrideH=options.stride[0],
        StrideW=options.stride[1],
        FilterHeight=options.filter[0],
        FilterWidth=options.filter[1],
        FusedActivationFunction={"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}[
            options.activation
        ],
    )


def _resize(
    builder: NetworkBuilder, x: str, size: Pair, align_corners: bool, half_pixel_centers: bool
) -> str:
    written = builder.constant(np.array(size, np.int32))
    values = builder.values(x)
    # The nearest pixels will do to see which values come out.
    rows, columns = (np.arange(size[d]) * values.shape[2 + d] // size[d] for d in (0, 1))
    real = values[:, :, rows][:, :, :, columns]
    options = Fields.of(
        "ResizeBilinearOptions", AlignCorners=align_corners, HalfPixelCenters=half_pixel_centers
    )
    quantization = builder.quantization(x) if builder.is_quantized(x) else None
    return builder.operator(
        "RESIZE_BILINEAR",
        (x, written),
        options,
        real,
        quantization,
        dtype=builder.dtype(x),
        version=3,
    )


def _grow_pool(op: str) -> Step:
    def step(growth: Growth, x: str) -> str | None:
        builder, choices = growth.builder, growth.choices
        shape = builder.shape(x)
        if builder.dtype(x) not in _TYPES[op] or len(shape) != 4:
            return None
        kernel = choices.integer(1, 5), choices.integer(1, 5)
        stride = choices.integer(1, 3), choices.integer(1, 3)
        fits = kernel[0] <= shape[1] and kernel[1] <= shape[2]
        padding = "VALID" if fits and choices.one_in(2) else "SAME"
        activation = choices.one_of(("NONE", *_ACTIVATIONS))
        options = Pool2DOptions(kernel, padding, stride, activation)
        return growth.done(_pool(builder, op, x, options), x)

    return step


def _grow_resize(growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    shape = builder.shape(x)
    if builder.dtype(x) not in ("int8", "float32") or len(shape) != 4:
        return None
    size = tuple(choices.one_of((2 * n, n, choices.integer(1, 2 * n + 1))) for n in shape[1:3])
    if not growth.fits((shape[0], *size, shape[3])):
        return None
    align, half = choices.one_of(((False, False), (False, True), (True, False)))
    return growth.done(_resize(builder, x, (size[0], size[1]), align, half), x)


STEPS: dict[str, Step] = {
    **{op: _grow_pool(op) for op in _TYPES},
    "RESIZE_BILINEAR": _grow_resize,
}

# name -> (image, options)
_POOLS: dict[str, tuple[Shape, Pool2DOptions]] = {
    "1x1": ((1, 3, 4, 5), Pool2DOptions((1, 1))),
    "1x2_ties": ((1, 4, 8, 3), Pool2DOptions((1, 2), "VALID", (1, 2))),
    "2x2_stride_2": ((1, 6, 4, 3), Pool2DOptions((2, 2), "VALID", (2, 2))),
    "3x3_same": ((1, 5, 4, 3), Pool2DOptions((3, 3), "SAME")),
    "3x3_same_stride_2": ((1, 6, 7, 2), Pool2DOptions((3, 3), "SAME", (2, 2))),
    "even_kernel_same": ((1, 5, 5, 2), Pool2DOptions((2, 4), "SAME")),
    "unequal": ((1, 9, 8, 2), Pool2DOptions((4, 3), "VALID", (3, 1))),
    "stride_over_kernel": ((1, 9, 10, 2), Pool2DOptions((2, 1), "SAME", (4, 3))),
    "kernel_over_image_same": ((1, 2, 3, 3), Pool2DOptions((5, 9), "SAME")),
    "whole_image": ((1, 7, 5, 4), Pool2DOptions((7, 5))),
    "whole_image_of_289": ((1, 17, 17, 2), Pool2DOptions((17, 17))),
    "one_by_one_image": ((1, 1, 1, 4), Pool2DOptions((3, 3), "SAME")),
    "batch_3": ((3, 4, 5, 2), Pool2DOptions((2, 3), "SAME", (2, 2))),
    **{
        name: ((1, 4, 4, 3), Pool2DOptions((2, 2), activation=name))
        for name in _ACTIVATIONS
        if name != "NONE"
    },
}
_POOL_INPUTS = {"int16": Quantization((0.0003,), (0,)), "float32": None}


def _pool_case(name: str, op: str, dtype: str, image: Shape, options: Pool2DOptions) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return _pool(builder, op, builder.input(image, _POOL_INPUTS[dtype], dtype), options)

    return f"{op}/{dtype}/{name}", build


# name -> (image, size)
_SIZES: dict[str, tuple[Shape, Pair]] = {
    "doubled": ((1, 3, 4, 2), (6, 8)),
    "halved": ((1, 6, 8, 2), (3, 4)),
    "three_halves": ((1, 4, 6, 3), (6, 9)),
    "two_thirds": ((2, 6, 9, 1), (4, 6)),
    "odd": ((1, 5, 7, 3), (9, 4)),
    "same": ((1, 4, 5, 2), (4, 5)),
    "to_one_pixel": ((1, 4, 5, 2), (1, 1)),
    "to_one_row": ((1, 4, 5, 2), (1, 7)),
    "from_one_pixel": ((1, 1, 1, 3), (4, 3)),
    "from_one_row": ((1, 1, 6, 3), (5, 3)),
    "batch_3": ((3, 3, 2, 2), (5, 5)),
    "much_larger": ((1, 2, 3, 1), (31, 29)),
    "much_smaller": ((1, 31, 29, 1), (2, 3)),
}
_CORNERS = {"": (False, False), "/align_corners": (True, False), "/half_pixel": (False, True)}


def _resize_case(name: str, dtype: str, image: Shape, size: Pair, zero_point: int = -11) -> Case:
    flags = _CORNERS["/" + name.split("/")[1] if "/" in name else ""]
    quantization = None if dtype == "float32" else Quantization((0.06,), (zero_point,))

    def build(builder: NetworkBuilder) -> str:
        return _resize(builder, builder.input(image, quantization, dtype), size, *flags)

    return f"RESIZE_BILINEAR/{dtype}/{name}", build


CASES: list[Case] = [
    *(
        _pool_case(name, op, dtype, *row)
        for op, types in _TYPES.items()
        for dtype in types
        for name, row in _POOLS.items()
    ),
    *(
        _resize_case(f"{name}{corners}", dtype, *row)
        for dtype in ("int8", "float32")
        for name, row in _SIZES.items()
        for corners in _CORNERS
    ),
    _resize_case("zero_point_-128/half_pixel", "int8", (1, 3, 4, 2), (5, 7), -128),
    _resize_case("zero_point_127/align_corners", "int8", (1, 3, 4, 2), (5, 7), 127),
]
