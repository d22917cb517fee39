"""Checks that operators share: ranks, types, quantisation. Each raises UserError."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from midge.errors import UserError
from midge.graph.types import DType, Quantization, Tensor


def take(inputs: Sequence[Tensor | None], required: int, optional: int = 0) -> list[Tensor | None]:
    """The inputs, padded with None up to required + optional; the required ones must be there."""
    if not required <= len(inputs) <= required + optional or None in inputs[:required]:
        found = [t.name if t else "none" for t in inputs]
        raise UserError(f"takes {required} inputs and {optional} optional ones, found {found}")
    return [*inputs, *[None] * (required + optional - len(inputs))]


def tensor(value: Tensor | None) -> Tensor:
    """A required input, for the type checker; `take` has seen that it is there."""
    if value is None:
        raise UserError("a required input is left out")
    return value


def expect_rank(value: Tensor, *ranks: int) -> None:
    """The tensor has one of these numbers of dimensions."""
    if len(value.shape) not in ranks:
        expected = " or ".join(map(str, ranks))
        raise UserError(
            f"{value.name} has shape {list(value.shape)}; expected {expected} dimensions"
        )


def expect_shape(value: Tensor, shape: tuple[int, ...]) -> None:
    """The tensor has this shape."""
    if value.shape != shape:
        raise UserError(f"{value.name} has shape {list(value.shape)}; expected {list(shape)}")


def expect_type(value: Tensor, *types: DType) -> None:
    """The tensor has one of these element types."""
    if value.dtype not in types:
        names = ", ".join(t.value for t in types)
        raise UserError(f"{value.name} is {value.dtype.value}; supported here: {names}")


def expect_constant(value: Tensor) -> None:
    """The tensor is a constant."""
    if not value.is_constant:
        raise UserError(f"{value.name} is computed at run time; supported here: a constant")


def expect_quantized(value: Tensor) -> Quantization:
    """The tensor has quantisation parameters that are finite and within its type."""
    quantization = value.quantization
    if quantization is None:
        raise UserError(f"{value.name} is {value.dtype.value} without quantisation parameters")
    entries = 1 if quantization.axis is None else value.shape[quantization.axis]
    scales, zeros = quantization.scale, quantization.zero_point
    if scales.shape != (entries,) or zeros.shape != (entries,):
        raise UserError(
            f"{value.name} has {scales.size} scales and {zeros.size} zero points; "
            f"expected {entries}"
        )
    if not np.all(np.isfinite(scales)) or np.any(scales <= 0):
        raise UserError(f"{value.name} has a scale that is not a positive finite number")
    if value.dtype in (DType.FLOAT32, DType.BOOL):
        raise UserError(f"{value.name} is {value.dtype.value}, which cannot be quantised")
    low, high = value.dtype.limits
    if np.any(zeros < low) or np.any(zeros > high):
        raise UserError(f"{value.name} has a zero point outside {value.dtype.value}")
    return quantization


def expect_per_tensor(value: Tensor) -> None:
    """The tensor is quantised with one scale and zero point."""
    if expect_quantized(value).scale.size != 1:
        raise UserError(f"{value.name} is quantised per channel; supported here: per tensor")


def expect_same_quantization(first: Tensor, second: Tensor) -> None:
    """Both tensors stand for the same reals: the operator moves bytes and does not rescale.

    Scales may differ by 1e-6, as TFLM's pooling allows (`kernels/pooling_common.cc`).
    """
    expect_per_tensor(first)
    expect_per_tensor(second)
    if abs(first.scale - second.scale) > 1e-6 or first.zero_point != second.zero_point:
        raise UserError(
            f"{first.name} has scale {first.scale:g} and zero point {first.zero_point}, "
            f"{second.name} {second.scale:g} and {second.zero_point}; this operator does not "
            "rescale, they must be equal"
        )


def expect_same_reals(first: Tensor, second: Tensor) -> None:
    """Both tensors hold plain numbers, or stand for the same reals: bits may move between them."""
    if first.quantization is not None or second.quantization is not None:
        expect_same_quantization(first, second)


def expect_axis(value: Tensor, axis: int) -> None:
    """The tensor has this dimension; negative ones are the importers' to resolve."""
    if not 0 <= axis < len(value.shape):
        raise UserError(f"axis {axis} is no dimension of {value.name}{list(value.shape)}")
