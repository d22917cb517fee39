"""Weighted sums in all types but those of `spine`: int4, int16 and float32, odd attributes too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from midge.synthetic.calibration import Calibration
from midge.synthetic.float_simulation import output_size
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.weighted_layers import CHANNEL_AXIS, Layer, add_layer, largest_sum
from midge.synthetic.weighted_numbers import Numbers

Shape = tuple[int, ...]

_ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_CONV, _DEPTHWISE, _DENSE, _TRANSPOSE = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "TRANSPOSE_CONV",
)

# ---- single operators: name -> (input, layer) ----

_CONVOLUTIONS: dict[str, tuple[Shape, Layer]] = {
    "1x1": ((1, 4, 5, 6), Layer(_CONV, (7, 1, 1, 6))),
    "1x1_of_one": ((1, 1, 1, 1), Layer(_CONV, (1, 1, 1, 1))),
    "1x1_stride_2": ((1, 5, 6, 3), Layer(_CONV, (4, 1, 1, 3), (2, 2), padding="VALID")),
    "3x3_same": ((1, 6, 5, 3), Layer(_CONV, (4, 3, 3, 3))),
    "3x3_valid": ((1, 6, 5, 3), Layer(_CONV, (4, 3, 3, 3), padding="VALID")),
    "even_kernel_same_stride_2": ((1, 5, 7, 2), Layer(_CONV, (3, 2, 4, 2), (2, 2))),
    "kernel_over_image": ((1, 2, 3, 4), Layer(_CONV, (3, 5, 8, 4))),
    "dilation": ((1, 9, 9, 2), Layer(_CONV, (3, 3, 2, 2), dilation=(2, 3))),
    "dilation_2": ((1, 5, 7, 2), Layer(_CONV, (3, 2, 3, 2), dilation=(1, 2))),
    "stride_over_kernel": ((1, 7, 8, 3), Layer(_CONV, (4, 2, 2, 3), (3, 4))),
    "groups": ((1, 5, 5, 6), Layer(_CONV, (4, 3, 3, 3))),
    "group_per_channel": ((1, 5, 5, 4), Layer(_CONV, (8, 3, 3, 1))),
    "batch_3": ((3, 4, 5, 3), Layer(_CONV, (4, 3, 3, 3), (2, 1))),
}
_DEPTHWISE_CONVOLUTIONS: dict[str, tuple[Shape, Layer]] = {
    "1x1": ((1, 4, 5, 6), Layer(_DEPTHWISE, (1, 1, 1, 6))),
    "one_channel": ((1, 5, 5, 1), Layer(_DEPTHWISE, (1, 3, 3, 1))),
    "3x3_same": ((1, 6, 5, 3), Layer(_DEPTHWISE, (1, 3, 3, 3))),
    "3x3_valid": ((1, 6, 5, 3), Layer(_DEPTHWISE, (1, 3, 3, 3), padding="VALID")),
    "even_kernel_same_stride_2": ((1, 5, 7, 4), Layer(_DEPTHWISE, (1, 2, 4, 4), (2, 2))),
    "eight_a_channel": ((1, 9, 6, 1), Layer(_DEPTHWISE, (1, 5, 4, 8), (2, 2))),
    "three_a_channel": ((1, 5, 4, 2), Layer(_DEPTHWISE, (1, 3, 3, 6))),
    "kernel_over_image": ((1, 2, 3, 4), Layer(_DEPTHWISE, (1, 5, 8, 4))),
    "dilation": ((1, 9, 9, 2), Layer(_DEPTHWISE, (1, 3, 2, 2), dilation=(2, 3))),
    "stride_over_kernel": ((1, 7, 8, 3), Layer(_DEPTHWISE, (1, 2, 2, 3), (3, 4))),
    "batch_3": ((3, 4, 5, 3), Layer(_DEPTHWISE, (1, 3, 3, 6), (2, 1))),
}
_DENSE_LAYERS: dict[str, tuple[Shape, Layer]] = {
    "16_to_9": ((1, 16), Layer(_DENSE, (9, 16))),
    "odd_depth": ((2, 13), Layer(_DENSE, (5, 13))),
    "depth_1": ((4, 1), Layer(_DENSE, (3, 1))),
    "one_unit": ((1, 16), Layer(_DENSE, (1, 16))),
    "rank_1": ((12,), Layer(_DENSE, (5, 12))),
    "rank_3_keep": ((2, 3, 8), Layer(_DENSE, (5, 8), keep_num_dims=True)),
    "rank_4_flattened": ((1, 2, 3, 4), Layer(_DENSE, (5, 12))),
}
_TRANSPOSED: dict[str, tuple[Shape, Layer]] = {
    "1x1": ((1, 4, 5, 6), Layer(_TRANSPOSE, (7, 1, 1, 6), extent=(4, 5))),
    "of_one": ((1, 1, 1, 1), Layer(_TRANSPOSE, (1, 1, 1, 1), extent=(1, 1))),
    "3x3_same": ((1, 4, 3, 3), Layer(_TRANSPOSE, (4, 3, 3, 3), extent=(4, 3))),
    "3x3_same_stride_2": ((1, 4, 3, 3), Layer(_TRANSPOSE, (4, 3, 3, 3), (2, 2), extent=(8, 6))),
    "same_odd_extent": ((1, 3, 4, 2), Layer(_TRANSPOSE, (3, 4, 3, 2), (2, 2), extent=(5, 7))),
    "2x2_valid_stride_2": (
        (1, 3, 4, 5),
        Layer(_TRANSPOSE, (3, 2, 2, 5), (2, 2), padding="VALID", extent=(6, 8)),
    ),
    "3x3_valid": ((1, 3, 4, 2), Layer(_TRANSPOSE, (4, 3, 3, 2), padding="VALID", extent=(5, 6))),
    "unequal_strides": (
        (1, 4, 3, 2),
        Layer(_TRANSPOSE, (3, 5, 4, 2), (1, 3), padding="VALID", extent=(8, 11)),
    ),
    "stride_over_kernel": ((1, 3, 3, 2), Layer(_TRANSPOSE, (3, 2, 1, 2), (3, 4), extent=(9, 12))),
    "kernel_over_output": ((1, 2, 2, 3), Layer(_TRANSPOSE, (2, 7, 9, 3), (2, 1), extent=(3, 2))),
    "more_than_inputs_reach": (
        (1, 2, 2, 3),
        Layer(_TRANSPOSE, (2, 2, 2, 3), padding="VALID", extent=(5, 4)),
    ),
    "batch_3": ((3, 2, 3, 3), Layer(_TRANSPOSE, (4, 3, 3, 3), (2, 1), extent=(4, 3))),
}
_PLAIN: dict[str, tuple[Shape, Layer]] = {
    _CONV: ((1, 4, 5, 4), Layer(_CONV, (8, 3, 3, 4))),
    _DEPTHWISE: ((1, 4, 5, 3), Layer(_DEPTHWISE, (1, 3, 3, 12))),
    _DENSE: ((3, 10), Layer(_DENSE, (11, 10))),
    _TRANSPOSE: ((1, 3, 4, 4), Layer(_TRANSPOSE, (6, 3, 3, 4), (2, 2), extent=(6, 8))),
}
_SHAPES = {
    _CONV: _CONVOLUTIONS,
    _DEPTHWISE: _DEPTHWISE_CONVOLUTIONS,
    _DENSE: _DENSE_LAYERS,
    _TRANSPOSE: _TRANSPOSED,
}

_LONG = Numbers(bias="int64")
# int16 activations; what applies to every operator.
_LONG_SUMS = {
    "per_tensor": replace(_LONG, per_tensor=True),
    "no_bias": replace(_LONG, bias="none"),
    "per_tensor_no_bias": replace(_LONG, per_tensor=True, bias="none"),
    "weights_at_both_ends": replace(_LONG, spread="ends"),
    "saturating": replace(_LONG, output=Calibration(stretch=0.04)),
    "few_codes": replace(_LONG, output=Calibration(stretch=3000.0)),
    "bias_over_int32": replace(_LONG, bias_reach=2.0**45, multiplier=1.7 * 2.0**-30),
    "multiplier_2^-20": replace(_LONG, multiplier=1.3 * 2.0**-20, bias_reach=2.0**35),
    "multiplier_2^-14": replace(_LONG, multiplier=1.9 * 2.0**-14),
    "multiplier_shift_-31": replace(_LONG, multiplier=0.999 * 2.0**-31, bias_reach=2.0**46),
    "multiplier_flushed_to_zero": replace(_LONG, multiplier=0.999 * 2.0**-32, bias_reach=2.0**46),
    # A multiplier so near to 2**31 that 15 bits do not hold it rounded.
    "multiplier_0.99999": replace(_LONG, multiplier=0.99999, spread="tiny", per_tensor=True),
    "multiplier_0.24": replace(_LONG, multiplier=0.24, spread="tiny"),
    "multiplier_0.26": replace(_LONG, multiplier=0.26, spread="tiny"),
    "multiplier_1": replace(_LONG, multiplier=1.0, spread="tiny", bias="none"),
    "multiplier_30": replace(_LONG, multiplier=30.0, spread="tiny"),
}
_SHORT_SUMS = {
    "int32_bias": Numbers(),
    "int32_bias_per_tensor": Numbers(per_tensor=True),
    "int32_bias_largest": Numbers(bias_reach=2.0**30, multiplier=1.1 * 2.0**-16, spread="tiny"),
    "int32_bias_multiplier_3": Numbers(multiplier=3.0, spread="tiny"),
    "int32_sums_without_bias": Numbers(bias="none"),
}
_SHORT = Numbers()
_INT16_BIAS = {"int16_bias": replace(_LONG, bias="int16", bias_reach=2.0**15 - 1)}
_FLOAT = Numbers(bias="float32")
_COMPUTED = {
    "computed_weights": replace(_FLOAT, computed=True),
    "computed_weights_no_bias": replace(_FLOAT, computed=True, bias="none"),
}
_FLOATS = {
    "no_bias": Numbers(bias="none"),
    "large_bias": Numbers(bias="float32", bias_reach=3e38),
}
_INT4 = Numbers(weights="int4")
_INT4_SUMS = {
    "per_tensor": replace(_INT4, per_tensor=True),
    "no_bias": replace(_INT4, bias="none"),
    "weights_at_both_ends": replace(_INT4, spread="ends"),
    "input_zero_point_127": replace(_INT4, input=Quantization((0.02,), (127,))),
    "input_zero_point_-128": replace(_INT4, input=Quantization((0.02,), (-128,))),
    "multiplier_3": replace(_INT4, multiplier=3.0, spread="tiny", bias="none", output_zero=-7),
}
_INT8_SUMS = {
    "per_tensor": Numbers(per_tensor=True),
    "no_bias": Numbers(bias="none"),
    "weights_at_both_ends": Numbers(spread="ends"),
    "input_zero_point_127": Numbers(input=Quantization((0.02,), (127,))),
    "input_zero_point_-128": Numbers(input=Quantization((0.02,), (-128,))),
    "output_zero_point_at_an_end": Numbers(output=Calibration(one_sided=True)),
    "saturating": Numbers(output=Calibration(stretch=0.04)),
    "largest_bias": Numbers(bias_reach=2.0**30, multiplier=1.1 * 2.0**-24),
    "multiplier_3": Numbers(multiplier=3.0, spread="tiny", bias="none", output_zero=-7),
    "multiplier_flushed_to_zero": Numbers(multiplier=0.999 * 2.0**-32),
}
# Zero points of weights, which FULLY_CONNECTED alone has.
_WEIGHTS_ZERO = {
    f"weights_zero_point_{zero}": Numbers(per_tensor=True, zero_point=zero)
    for zero in (-128, -5, 1, 127)
} | {
    "weights_zero_point_at_both_ends": Numbers(
        per_tensor=True, zero_point=127, spread="ends", input=Quantization((0.02,), (-128,))
    ),
    "int4_weights_zero_point_2": replace(_INT4, per_tensor=True, zero_point=2),
    "int4_weights_zero_point_-8": replace(_INT4, per_tensor=True, zero_point=-8, spread="ends"),
    "empty_bias": Numbers(per_tensor=True, bias="empty", zero_point=9),
}
_INT16_ZEROS = {
    "weights_zero_point_-128": replace(_LONG, per_tensor=True, zero_point=-128),
    "weights_zero_point_5": replace(_LONG, per_tensor=True, zero_point=5),
    "weights_zero_point_1": replace(_LONG, per_tensor=True, zero_point=1),
    "int32_bias_weights_zero_point_3": Numbers(per_tensor=True, zero_point=3),
    "zero_points": replace(
        _LONG,
        input=Quantization((0.000183,), (-32768,)),
        multiplier=1.1 * 2.0**-12,
        output_zero=32767,
    ),
    "int32_bias_zero_points": Numbers(
        input=Quantization((0.000183,), (1200,)), multiplier=1.1 * 2.0**-10, output_zero=-30000
    ),
    "listed_bias": replace(_LONG, bias="listed"),
}


def _case(layer: Layer, shape: Shape, name: str, numbers: Numbers, dtype: str) -> Case:
    def build(builder: NetworkBuilder) -> str:
        x = builder.input(shape, numbers.input_of(dtype), dtype)
        constants, output = numbers.draw(builder.rng, layer, dtype)
        return add_layer(builder, x, layer, constants, output)

    stored = "int4" if numbers.weights == "int4" else dtype
    return f"{layer.op}/{stored}/{name}", build


def _cases(op: str, dtype: str, ordinary: Numbers, special: dict[str, Numbers]) -> Iterator[Case]:
    """Every shape with ordinary numbers, then special numbers and activations in one shape."""
    for name, (shape, layer) in _SHAPES[op].items():
        yield _case(layer, shape, name, ordinary, dtype)
    shape, layer = _PLAIN[op]
    for name, numbers in special.items():
        short = replace(layer, short_sums=name == "int32_sums_without_bias")
        yield _case(short, shape, name, numbers, dtype)
    for activation in _ACTIVATIONS[2:]:
        activated = replace(layer, activation=activation)
        yield _case(activated, shape, activation, ordinary, dtype)


def _every_case() -> Iterator[Case]:
    yield from _cases(_CONV, "int16", _LONG, _LONG_SUMS | _SHORT_SUMS)
    yield from _cases(_DEPTHWISE, "int16", _LONG, _LONG_SUMS)
    yield from _cases(_DENSE, "int16", _LONG, _LONG_SUMS | _SHORT_SUMS | _INT16_ZEROS)
    yield from _cases(_TRANSPOSE, "int8", _SHORT, _INT8_SUMS)
    yield from _cases(_TRANSPOSE, "int16", _LONG, _LONG_SUMS | _INT16_BIAS)
    yield from _cases(_CONV, "int8", _INT4, _INT4_SUMS)
    yield from _cases(_DEPTHWISE, "int8", _INT4, _INT4_SUMS)
    # TFLite Micro takes int4 weights of FULLY_CONNECTED per tensor alone.
    per_tensor = {n: replace(v, per_tensor=True) for n, v in _INT4_SUMS.items()}
    yield from _cases(_DENSE, "int8", replace(_INT4, per_tensor=True), per_tensor)
    for op in _SHAPES:
        yield from _cases(op, "float32", _FLOAT, _FLOATS)
    shape, layer = _PLAIN[_DENSE]
    for name, numbers in (_WEIGHTS_ZERO | _COMPUTED).items():
        dtype = "float32" if numbers.computed else "int8"
        yield _case(layer, shape, name, numbers, dtype)
    # Sums over 2**31, in whole and in part.
    wide = Layer(_DENSE, (5, 700))
    for name in ("weights_at_both_ends", "no_bias"):
        numbers = replace(_LONG_SUMS[name], spread="ends")
        yield _case(wide, (2, 700), f"wide_{name}", numbers, "int16")
    wide = Layer(_CONV, (3, 3, 3, 64))
    yield _case(wide, (1, 3, 4, 64), "wide", replace(_LONG, spread="ends"), "int16")
    wide = Layer(_DEPTHWISE, (1, 23, 25, 2))
    yield _case(wide, (1, 24, 26, 2), "wide", replace(_LONG, spread="ends"), "int16")
    wide = Layer(_TRANSPOSE, (3, 3, 3, 64), (2, 1), extent=(4, 3))
    yield _case(wide, (1, 2, 3, 64), "wide", replace(_LONG, spread="ends"), "int16")
    # Kernels that sum multiples of int4 weights scale such a sum back in between.
    wide, numbers = Layer(_CONV, (3, 1, 1, 680)), replace(_INT4, spread="ends")
    yield _case(wide, (1, 1, 3, 680), "wide", numbers, "int8")
    wide, numbers = Layer(_DENSE, (4, 680)), replace(numbers, per_tensor=True)
    yield _case(wide, (2, 680), "wide", numbers, "int8")


CASES: list[Case] = list(_every_case())
NOT_IN_TFLM: set[tuple[str, str]] = set()


# ---- steps of random networks ----


def _numbers(growth: Growth, dtype: str, op: str) -> Numbers | None:
    """Random numbers for an input of this type; None where another module has the layer."""
    choices = growth.choices
    spread = choices.one_of(("bell", "bell", "ends", "tiny"))
    per_tensor = choices.one_in(3)
    bias = choices.one_of(("there", "there", "none"))
    output = Calibration(stretch=choices.one_of((1.0, 1.0, 1.0, 0.25, 6.0)))
    drawn = Numbers(spread=spread, per_tensor=per_tensor, output=output)
    if dtype == "float32":
        return replace(drawn, bias="float32" if bias == "there" else "none")
    if dtype == "int16":
        may_be_short = op in (_CONV, _DENSE)
        kind = "int32" if may_be_short and choices.one_in(4) else "int64"
        return replace(drawn, bias=kind if bias == "there" else "none")
    if dtype != "int8":
        return None
    zero_point = 0
    if op == _DENSE:
        zero_point = choices.one_of((0, -8, 7, choices.integer(-8, 7)))
        drawn = replace(drawn, per_tensor=True, zero_point=zero_point)
    is_int4 = op != _TRANSPOSE and (zero_point == 0 or choices.one_in(2))
    kind = "int4" if is_int4 else "int8"
    return replace(drawn, weights=kind, bias="int32" if bias == "there" else "none")


def _grown(growth: Growth, x: str, layer: Layer) -> str | None:
    dtype = growth.builder.dtype(x)
    numbers = _numbers(growth, dtype, layer.op)
    if numbers is None or (dtype != "float32" and not growth.builder.is_quantized(x)):
        return None
    if dtype != "float32":
        numbers = replace(numbers, input=growth.builder.quantization(x))
        if dtype == "int16" and growth.builder.quantization(x).zero_point and layer.op != _DENSE:
            return None
    constants, output = numbers.draw(growth.builder.rng, layer, dtype)
    bias = constants.bias
    if dtype == "int16" and bias is not None and bias.dtype.name == "int32":
        # A short bias asks for sums in 32 bits: too wide a layer gets a long one.
        is_too_wide = largest_sum(constants, CHANNEL_AXIS[layer.op], 1 << 16) >= 2**31
        if is_too_wide:
            constants = replace(constants, bias=bias.astype("int64"))
    return growth.done(add_layer(growth.builder, x, layer, constants, output), x)


def _window(growth: Growth, x: str) -> tuple[str, Layer, Shape] | None:
    """`x` as an image, and a layer that has a window of some size."""
    if growth.builder.dtype(x) not in ("int8", "int16", "float32"):
        return None
    image = growth.image(x)
    if image is None:
        return None
    shape = growth.builder.shape(image)
    choices = growth.choices
    kernel = tuple(choices.one_of((1, 3, choices.integer(1, 4))) for _ in range(2))
    stride = choices.one_of((1, 1, 2, 3)), choices.one_of((1, 1, 2, 3))
    dilation = (choices.one_of((1, 1, 2)), choices.one_of((1, 1, 2)))
    padding = choices.one_of(("SAME", "VALID"))
    sizes = [output_size(shape[1 + d], kernel[d], stride[d], dilation[d], "VALID") for d in (0, 1)]
    layer = Layer(
        _CONV,
        kernel,
        stride,
        dilation,
        padding if min(sizes) >= 1 else "SAME",
        choices.one_of(_ACTIVATIONS),
    )
    return image, layer, shape


def _conv_2d(growth: Growth, source: str) -> str | None:
    found = _window(growth, source)
    if found is None:
        return None
    x, window, (batch, height, width, depth) = found
    groups = growth.choices.divisor(depth) if growth.choices.one_in(4) else 1
    channels = groups * growth.choices.integer(1, max(8 // groups, 1))
    if not growth.fits((batch, height, width, channels * prod(window.weights))):
        return None
    weights = (channels, *window.weights, depth // groups)
    return _grown(growth, x, replace(window, weights=weights))


def _depthwise_conv_2d(growth: Growth, source: str) -> str | None:
    found = _window(growth, source)
    if found is None:
        return None
    x, window, (batch, height, width, depth) = found
    channels = depth * growth.choices.one_of((1, 1, 2, 3))
    if not growth.fits((batch, height, width, channels)):
        return None
    layer = replace(window, op=_DEPTHWISE, weights=(1, *window.weights, channels))
    return _grown(growth, x, layer)


def _transpose_conv(growth: Growth, source: str) -> str | None:
    found = _window(growth, source)
    if found is None:
        return None
    x, window, (batch, height, width, depth) = found
    padding = growth.choices.one_of(("SAME", "VALID"))
    extent = [size * step for size, step in zip((height, width), window.stride, strict=True)]
    if padding == "VALID":
        extent = [max(e, k) for e, k in zip(extent, window.weights, strict=True)]
    channels = growth.choices.integer(1, 6)
    if not growth.fits((batch, *extent, channels)):
        return None
    layer = replace(
        window,
        op=_TRANSPOSE,
        weights=(channels, *window.weights, depth),
        dilation=(1, 1),
        padding=padding,
        extent=(extent[0], extent[1]),
    )
    return _grown(growth, x, layer)


def _fully_connected(growth: Growth, x: str) -> str | None:
    shape = growth.builder.shape(x)
    if not shape or growth.builder.dtype(x) not in ("int8", "int16", "float32"):
        return None
    first_summed = growth.choices.one_of((len(shape) - 1, 0))
    depth, rows = prod(shape[first_summed:]), prod(shape[:first_summed])
    units = growth.choices.integer(1, 12)
    if not growth.fits((rows, units)) or depth * units > 4 * growth.max_elements:
        return None
    keep = first_summed == len(shape) - 1 and growth.choices.one_in(2)
    layer = Layer(
        _DENSE,
        (units, depth),
        activation=growth.choices.one_of(_ACTIVATIONS),
        keep_num_dims=keep,
    )
    return _grown(growth, x, layer)


STEPS: dict[str, Step] = {
    _CONV: _conv_2d,
    _DEPTHWISE: _depthwise_conv_2d,
    _DENSE: _fully_connected,
    _TRANSPOSE: _transpose_conv,
}
