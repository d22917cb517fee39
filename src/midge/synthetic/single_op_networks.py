"""Every operator alone with every attribute and every extreme number: a systematic list.

Random networks meet most of these sooner or later; these meet them always, and a failure names its
cause. TFLite Micro takes all of them; that is tested.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.growth import Case
from midge.synthetic.model_description import AddOptions, Pool2DOptions, Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.single_op_layers import ACTIVATIONS, Shape, layer_cases
from midge.synthetic.steps import CASES
from midge.synthetic.synthetic_network import SyntheticNetwork


def single_op_networks() -> list[SyntheticNetwork]:
    """Return the list; the names are unique and start with the operator's."""
    networks = []
    for name, build in _all_cases():
        builder = NetworkBuilder(seed=zlib.crc32(name.encode()))
        output = build(builder)
        outputs = [output] if isinstance(output, str) else output
        networks.append(SyntheticNetwork(name, builder.build(outputs)))
    return networks


def _all_cases() -> Iterator[Case]:
    yield from layer_cases()
    yield from _pool_2d_cases()
    yield from _add_cases()
    yield from _softmax_cases()
    yield from _reshape_cases()
    yield from _pad_cases()
    yield from CASES


# name -> (image, options)
_POOL_2D: dict[str, tuple[Shape, Pool2DOptions]] = {
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
    "RELU": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU")),
    "RELU6": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU6")),
    "RELU_N1_TO_1": ((1, 4, 4, 3), Pool2DOptions((2, 2), activation="RELU_N1_TO_1")),
}


def _pool_2d_cases() -> Iterator[Case]:
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for name, (image, options) in _POOL_2D.items():
            yield _pool_2d_case(op, name, image, options, Quantization((0.06,), (-11,)))
        for zero_point in (-128, 127):
            name = f"RELU6_zero_point_{zero_point}"
            options = Pool2DOptions((2, 2), "SAME", activation="RELU6")
            quantization = Quantization((0.06,), (zero_point,))
            yield _pool_2d_case(op, name, (1, 4, 4, 3), options, quantization)


def _pool_2d_case(
    op: str, name: str, image: Shape, options: Pool2DOptions, quantization: Quantization
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.pool_2d(op, builder.input(image, quantization), options)

    return f"{op}/{name}", build


_FIRST = Quantization((0.031,), (-20,))
_SECOND = Quantization((0.057,), (9,))


@dataclass(frozen=True)
class _Add:
    """An ADD of `a` and `b`; `second` says what `b` is.

    ``"input"``, ``"itself"`` (a again), ``"constant"``, or ``"constant first"`` (operands swapped).
    """

    a: Shape
    b: Shape
    a_quantization: Quantization = _FIRST
    b_quantization: Quantization = _SECOND
    second: str = "input"
    activation: str = "NONE"
    output: Calibration = COVERING


_IMAGE = (1, 3, 4, 5)
_ADD: dict[str, _Add] = {
    "images": _Add(_IMAGE, _IMAGE),
    "rank_1": _Add((9,), (9,)),
    "one_element": _Add((1,), (1,)),
    "rank_5": _Add((2, 1, 2, 3, 2), (2, 1, 2, 3, 2)),
    "rank_5_broadcast": _Add((2, 1, 2, 3, 2), (1, 3, 2, 1, 2)),
    "rank_6_odd": _Add((2, 3, 2, 2, 2, 3), (2, 1, 2, 1, 2, 1)),
    "rank_6_alternating": _Add((2, 3, 2, 2, 2, 3), (1, 3, 1, 2, 1, 3)),
    "batch_3": _Add((3, 4, 5), (3, 4, 5)),
    "itself": _Add(_IMAGE, _IMAGE, second="itself"),
    "constant_second": _Add(_IMAGE, _IMAGE, second="constant"),
    "constant_first": _Add(_IMAGE, _IMAGE, second="constant first"),
    "constant_per_channel": _Add(_IMAGE, (5,), second="constant"),
    "constant_scalar": _Add(_IMAGE, (1,), second="constant"),
    "constant_larger_than_input": _Add((1, 1, 4, 1), (1, 3, 4, 5), second="constant"),
    "per_channel": _Add(_IMAGE, (1, 1, 1, 5)),
    "per_row": _Add(_IMAGE, (1, 3, 1, 1)),
    "per_row_first": _Add((1, 3, 1, 1), _IMAGE),
    "lower_rank": _Add(_IMAGE, (4, 5)),
    "leading_ones_only": _Add((4, 5), (1, 1, 4, 5)),
    "both_broadcast": _Add((2, 1, 4, 1), (1, 3, 1, 5)),
    "equal_scales": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((0.031,), (-20,))),
    "second_scale_half": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((0.0155,), (9,))),
    "second_scale_2^-20": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((3e-8,), (3,))),
    "second_scale_2^20": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((32500.0,), (3,))),
    "second_scale_2^-40": _Add(_IMAGE, _IMAGE, b_quantization=Quantization((2.8e-14,), (3,))),
    "zero_points_at_opposite_ends": _Add(
        _IMAGE,
        _IMAGE,
        Quantization((0.031,), (-128,)),
        Quantization((0.031,), (127,)),
    ),
    "output_zero_point_at_an_end": _Add(_IMAGE, _IMAGE, output=Calibration(one_sided=True)),
    "saturating": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=0.05)),
    "few_codes": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=40.0)),
    "output_scale_far_below_inputs": _Add(_IMAGE, _IMAGE, output=Calibration(stretch=0.001)),
    **{name: _Add(_IMAGE, _IMAGE, activation=name) for name in ACTIVATIONS},
}


def _add_cases() -> Iterator[Case]:
    for name, case in _ADD.items():
        yield _add_case(name, case)


def _add_case(name: str, case: _Add) -> Case:
    def build(builder: NetworkBuilder) -> str:
        first = builder.input(case.a, case.a_quantization)
        if case.second == "itself":
            second = first
        elif case.second == "input":
            second = builder.input(case.b, case.b_quantization)
        else:
            codes = builder.rng.integers(-128, 128, case.b).astype(np.int8)
            second = builder.constant(codes, case.b_quantization)
        if case.second == "constant first":
            first, second = second, first
        return builder.add(first, second, AddOptions(case.activation), case.output)

    return f"ADD/{name}", build


# name -> (shape, input scale, beta)
_SOFTMAX: dict[str, tuple[Shape, float, float]] = {
    "rank_1": ((7,), 0.08, 1.0),
    "rank_2": ((1, 12), 0.08, 1.0),
    "rank_3": ((2, 3, 5), 0.08, 1.0),
    "rank_4": ((1, 2, 3, 4), 0.08, 1.0),
    "batch_4": ((4, 10), 0.08, 1.0),
    "depth_1": ((3, 1), 0.08, 1.0),
    "depth_2": ((5, 2), 0.11, 1.0),
    "depth_511": ((1, 511), 0.002, 1.0),
    "beta_0.3": ((3, 9), 0.08, 0.3),
    "beta_10": ((3, 9), 0.08, 10.0),
    "beta_0.001": ((3, 9), 0.08, 0.001),
    "one_code_is_a_factor_of_e": ((3, 9), 1.0, 1.0),
    "multiplier_at_its_cap": ((3, 9), 40.0, 1.0),
    "nearly_flat": ((3, 9), 1e-7, 1.0),
}


def _softmax_cases() -> Iterator[Case]:
    for name, (shape, scale, beta) in _SOFTMAX.items():
        for zero_point in (4, -128):
            yield _softmax_case(f"{name}/zero_point_{zero_point}", shape, scale, zero_point, beta)


def _softmax_case(name: str, shape: Shape, scale: float, zero_point: int, beta: float) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.softmax(builder.input(shape, Quantization((scale,), (zero_point,))), beta)

    return f"SOFTMAX/{name}", build


# name -> (shape, new shape, the operand as written or None for an attribute)
_RESHAPE: dict[str, tuple[Shape, Shape, Shape | None]] = {
    "flatten": ((1, 2, 3, 4), (1, 24), (1, 24)),
    "flatten_with_-1": ((1, 2, 3, 4), (1, 24), (-1, 24)),
    "flatten_batch": ((3, 2, 2, 2), (3, 8), (3, -1)),
    "to_rank_1": ((2, 3), (6,), (6,)),
    "to_image": ((1, 24), (1, 2, 3, 4), (1, 2, 3, 4)),
    "to_rank_3": ((24,), (2, 3, 4), (2, 3, 4)),
    "attribute": ((1, 2, 3, 4), (4, 6), None),
    "same_shape": ((2, 5), (2, 5), (2, 5)),
}


def _reshape_cases() -> Iterator[Case]:
    for name, (shape, new_shape, written) in _RESHAPE.items():
        yield _reshape_case(name, shape, new_shape, written)


def _reshape_case(name: str, shape: Shape, new_shape: Shape, written: Shape | None) -> Case:
    def build(builder: NetworkBuilder) -> str:
        return builder.reshape(
            builder.input(shape, Quantization((0.0471,), (-3,))), new_shape, written
        )

    return f"RESHAPE/{name}", build


# name -> (shape, paddings, zero point)
_PAD: dict[str, tuple[Shape, tuple[tuple[int, int], ...], int]] = {
    "image": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), -5),
    "unequal": ((1, 3, 4, 2), ((0, 0), (0, 3), (2, 1), (0, 0)), 13),
    "channels": ((1, 3, 2, 2), ((0, 0), (0, 0), (0, 0), (1, 2)), 0),
    "every_axis": ((2, 2, 3, 2), ((1, 0), (1, 2), (0, 1), (2, 1)), 60),
    "batch_only": ((2, 2, 3, 2), ((1, 2), (0, 0), (0, 0), (0, 0)), -60),
    "nothing": ((1, 2, 3, 2), ((0, 0), (0, 0), (0, 0), (0, 0)), 1),
    "zero_point_-128": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), -128),
    "zero_point_127": ((1, 3, 4, 2), ((0, 0), (1, 1), (1, 1), (0, 0)), 127),
    "rank_1": ((5,), ((2, 3),), 7),
    "rank_2": ((2, 3), ((0, 1), (2, 0)), 7),
    "rank_3": ((2, 3, 2), ((0, 1), (2, 0), (1, 1)), 7),
    "rank_5": ((1, 2, 2, 3, 2), ((0, 1), (1, 0), (1, 1), (0, 2), (1, 0)), 7),
}


def _pad_cases() -> Iterator[Case]:
    for name, (shape, paddings, zero_point) in _PAD.items():
        yield _pad_case(name, shape, paddings, zero_point)


def _pad_case(
    name: str, shape: Shape, paddings: tuple[tuple[int, int], ...], zero_point: int
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        x = builder.input(shape, Quantization((0.05,), (zero_point,)))
        return builder.pad(x, paddings)

    return f"PAD/{name}", build
