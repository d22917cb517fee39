"""TFLite Micro's reference kernels as loops over Python integers.

Written from the definitions in `kernels/internal/reference/integer_ops/*.h`, `softmax.h` and the
factors of `kernels/kernel_util.cc`: an independent second opinion on what operators mean. Factors
are exact fractions, rounded only where the C++ rounds.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import tflite_scalars as c

from midge.graph import Array, Tensor
from midge.graph.window import Window


def scale_of(tensor: Tensor) -> Fraction:
    return Fraction(tensor.scale)


def to_double(value: Fraction) -> Fraction:
    """What a C double holds of it: Python divides integers with one correct rounding."""
    return Fraction(value.numerator / value.denominator)


def convolution_factor(x: Tensor, w: Tensor, y: Tensor, channel: int) -> tuple[int, int]:
    """input_scale * filter_scale / output_scale, in doubles."""
    scales = w.quantization.scale  # type: ignore[union-attr]
    own = Fraction(float(scales[channel if scales.size > 1 else 0]))
    return c.quantize_multiplier(to_double(to_double(scale_of(x) * own) / scale_of(y)))


def weighted_output(acc: int, factor: tuple[int, int], y: Tensor, clamp: tuple[int, int]) -> int:
    scaled = c.multiply_by_quantized_multiplier(acc, *factor) + y.zero_point
    return min(max(scaled, clamp[0]), clamp[1])


def conv_2d(
    x: Tensor,
    image: Array,
    w: Tensor,
    b: Tensor | None,
    y: Tensor,
    *,
    window: Window,
    clamp: tuple[int, int],
) -> Array:
    """reference_integer_ops::ConvPerChannel."""
    kernels = np.asarray(w.data)
    channels_out, kernel_h, kernel_w, per_group = kernels.shape
    groups = x.shape[3] // per_group
    result = np.zeros(y.shape, np.int8)
    batch, out_h, out_w, _ = y.shape
    for n, i, j, o in itertools.product(*map(range, (batch, out_h, out_w, channels_out))):
        group = o // (channels_out // groups)
        acc = 0
        for k, m, ch in itertools.product(*map(range, (kernel_h, kernel_w, per_group))):
            r = i * window.stride[0] - window.pad_before[0] + k * window.dilation[0]
            q = j * window.stride[1] - window.pad_before[1] + m * window.dilation[1]
            if 0 <= r < x.shape[1] and 0 <= q < x.shape[2]:
                value = int(image[n, r, q, group * per_group + ch]) - x.zero_point
                acc += int(kernels[o, k, m, ch]) * value
        acc += int(b.data[o]) if b is not None else 0  # type: ignore[index]
        result[n, i, j, o] = weighted_output(acc, convolution_factor(x, w, y, o), y, clamp)
    return result


def depthwise_conv_2d(
    x: Tensor,
    image: Array,
    w: Tensor,
    b: Tensor | None,
    y: Tensor,
    *,
    window: Window,
    clamp: tuple[int, int],
) -> Array:
    """reference_integer_ops::DepthwiseConvPerChannel."""
    kernels = np.asarray(w.data)
    _, kernel_h, kernel_w, _ = kernels.shape
    multiplier = y.shape[3] // x.shape[3]
    result = np.zeros(y.shape, np.int8)
    batch, out_h, out_w, _ = y.shape
    ranges = (batch, out_h, out_w, x.shape[3], multiplier)
    for n, i, j, ch, m in itertools.product(*map(range, ranges)):
        o = m + ch * multiplier
        acc = 0
        for k, t in itertools.product(range(kernel_h), range(kernel_w)):
            r = i * window.stride[0] - window.pad_before[0] + k * window.dilation[0]
            q = j * window.stride[1] - window.pad_before[1] + t * window.dilation[1]
            if 0 <= r < x.shape[1] and 0 <= q < x.shape[2]:
                acc += int(kernels[0, k, t, o]) * (int(image[n, r, q, ch]) - x.zero_point)
        acc += int(b.data[o]) if b is not None else 0  # type: ignore[index]
        result[n, i, j, o] = weighted_output(acc, convolution_factor(x, w, y, o), y, clamp)
    return result


def fully_connected(
    x: Tensor, values: Array, w: Tensor, b: Tensor | None, y: Tensor, *, clamp: tuple[int, int]
) -> Array:
    """reference_integer_ops::FullyConnected and FullyConnectedPerChannel."""
    rows = np.asarray(w.data)
    outputs, depth = rows.shape
    factors = [convolution_factor(x, w, y, o) for o in range(outputs)]
    flat = values.reshape(-1)
    result = []
    for row, o in itertools.product(range(flat.size // depth), range(outputs)):
        acc = sum(
            int(rows[o, d]) * (int(flat[row * depth + d]) - x.zero_point) for d in range(depth)
        )
        acc += int(b.data[o]) if b is not None else 0  # type: ignore[index]
        result.append(weighted_output(acc, factors[o], y, clamp))
    return np.array(result, np.int8).reshape(y.shape)


def pool_2d(image: Array, y: Tensor, window: Window, clamp: tuple[int, int], kind: str) -> Array:
    """reference_integer_ops::AveragePool and MaxPool."""
    _, height, width, _ = image.shape
    result = np.zeros(y.shape, np.int8)
    for n, i, j, ch in itertools.product(*map(range, y.shape)):
        taps = []
        for k, m in itertools.product(range(window.kernel[0]), range(window.kernel[1])):
            r = i * window.stride[0] - window.pad_before[0] + k
            q = j * window.stride[1] - window.pad_before[1] + m
            if 0 <= r < height and 0 <= q < width:
                taps.append(int(image[n, r, q, ch]))
        if kind == "max":
            value = max([-128, *taps])
        else:
            acc, count = sum(taps), len(taps)
            half = count // 2
            value = c.divide_truncating(acc + half if acc > 0 else acc - half, count)
        result[n, i, j, ch] = min(max(value, clamp[0]), clamp[1])
    return result


def add(
    a: Tensor, values_a: Array, b: Tensor, values_b: Array, y: Tensor, *, clamp: tuple[int, int]
) -> Array:
    """reference_integer_ops::Add with the parameters of CalculateOpDataAdd."""
    twice = 2 * max(scale_of(a), scale_of(b))
    factor_a = c.quantize_multiplier(to_double(scale_of(a) / twice))
    factor_b = c.quantize_multiplier(to_double(scale_of(b) / twice))
    factor_y = c.quantize_multiplier(to_double(twice / (2**20 * scale_of(y))))
    result = np.zeros(y.shape, np.int8)
    wide_a, wide_b = np.broadcast_to(values_a, y.shape), np.broadcast_to(values_b, y.shape)
    for at in itertools.product(*map(range, y.shape)):
        shifted_a = (int(wide_a[at]) - a.zero_point) * (1 << 20)
        shifted_b = (int(wide_b[at]) - b.zero_point) * (1 << 20)
        total = c.multiply_by_quantized_multiplier(
            shifted_a, *factor_a
        ) + c.multiply_by_quantized_multiplier(shifted_b, *factor_b)
        result[at] = weighted_output(total, factor_y, y, clamp)
    return result


def softmax(x: Tensor, values: Array, beta: float) -> Array:
    """reference_ops::Softmax with the parameters of CalculateSoftmaxParams."""
    beta32 = Fraction(float(np.float32(beta)))
    real = min(to_double(to_double(beta32 * scale_of(x)) * 2**26), Fraction(2**31 - 1))
    multiplier, left_shift = c.quantize_multiplier(real)
    diff_min = -((31 * 2**26) // 2**left_shift)
    rows = values.reshape(-1, values.shape[-1])
    result = np.full(rows.shape, -128, np.int8)
    for n, row in enumerate(rows.tolist()):
        scaled = {}
        for k, value in enumerate(row):
            difference = value - max(row)
            if difference >= diff_min:
                shifted = c.as_int32(difference << left_shift)
                scaled[k] = c.saturating_rounding_doubling_high_mul(shifted, multiplier)
        exps = {k: c.exp_on_negative_values(v) for k, v in scaled.items()}
        total = sum(c.rounding_divide_by_pot(e, 12) for e in exps.values())
        shifted_scale, bits_over_unit = c.get_reciprocal(total, 12)
        for k, e in exps.items():
            product = c.saturating_rounding_doubling_high_mul(shifted_scale, e)
            unsat = c.rounding_divide_by_pot(product, bits_over_unit + 31 - 8)
            result[n, k] = min(max(unsat - 128, -128), 127)
    return result.reshape(values.shape)
