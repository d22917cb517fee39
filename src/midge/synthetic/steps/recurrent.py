"""Operators with a state of their own: SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM."""

from __future__ import annotations

from dataclasses import replace

from midge.synthetic.calibration import Calibration
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.random_numbers import random_calibration
from midge.synthetic.recurrent_layers import LstmLayer, SvdfLayer, add_lstm, add_svdf

_TYPES = ("int8", "int16", "float32")
_WEIGHTS_PER_ELEMENT = 4


def _svdf(growth: Growth, x: str) -> str | None:
    shape, kind = growth.builder.shape(x), growth.builder.dtype(x)
    if kind not in ("int8", "float32") or len(shape) != 2:
        return None
    choices = growth.choices
    rank, steps = choices.one_of((1, 1, 2, 3)), choices.integer(1, 8)
    room = growth.max_elements * _WEIGHTS_PER_ELEMENT // (rank * (shape[1] + steps))
    room = min(room, growth.max_elements // (shape[0] * rank * steps), 16)
    if room < 1:
        return None
    kinds = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1", "TANH", "SIGN_BIT")
    layer = SvdfLayer(
        units=choices.integer(1, room),
        rank=rank,
        steps=steps,
        memory=choices.one_of(("int16", "int8")),
        activation="NONE" if kind == "int8" else choices.one_of(kinds),
        weights=choices.one_of(("bell", "bell", "ends", "tiny")),
        memory_zero_point=0 if kind == "float32" else choices.one_of((0, 0, 0, -3)),
        memory_stretch=choices.one_of((1.0, 1.0, 0.1, 10.0)),
        output=random_calibration(choices),
    )
    return growth.done(add_svdf(growth.builder, x, layer), x)


def _lstm(growth: Growth, x: str) -> str | None:
    shape, kind = growth.builder.shape(x), growth.builder.dtype(x)
    if kind not in _TYPES or len(shape) != 3 or not growth.builder.values(x).any():
        return None  # nothing but zeros says nothing of the weights' scales
    choices = growth.choices
    quantized = kind != "float32"
    if quantized and kind == "int16" and growth.builder.quantization(x).zero_point != 0:
        return None
    # Each of the four gates has units * (features + units) weights.
    room = min(growth.max_elements // (shape[0] * shape[1]), 12)
    while room > 0 and 4 * room * (shape[2] + room) > _WEIGHTS_PER_ELEMENT * growth.max_elements:
        room -= 1
    if room < 1:
        return None
    layer = LstmLayer(
        units=choices.integer(1, room),
        time_major=choices.one_in(2),
        cell_clip=choices.one_of((0.0, 0.0, 1.0, 0.1)),
        cell_power=choices.one_of((-11, -12, -15, -9)),
        weights=choices.one_of(("bell", "bell", "ends", "tiny")),
        gain=choices.one_of((1.5, 1.5, 8.0, 0.2)),
        output=random_calibration(choices),
    )
    return growth.done(add_lstm(growth.builder, x, layer), x)


STEPS: dict[str, Step] = {"SVDF": _svdf, "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm}

_INPUT = Quantization((0.031,), (-7,))
_SYMMETRIC = Quantization((2.0**-12,), (0,))
_Shape = tuple[int, ...]

_SVDF: dict[str, tuple[_Shape, SvdfLayer]] = {
    "plain": ((1, 9), SvdfLayer(6, steps=5)),
    "rank_2": ((1, 8), SvdfLayer(5, rank=2, steps=4)),
    "rank_3_batch_2": ((2, 6), SvdfLayer(3, rank=3, steps=7)),
    "one_step": ((1, 5), SvdfLayer(4, steps=1)),
    "one_of_everything": ((1, 1), SvdfLayer(1, steps=1)),
    "one_unit_of_many_filters": ((3, 4), SvdfLayer(1, rank=8, steps=2)),
    "weights_at_both_ends": ((1, 12), SvdfLayer(4, rank=2, steps=6, weights="ends")),
    "tiny_weights": ((1, 7), SvdfLayer(4, steps=3, weights="tiny")),
    "wide": ((1, 40), SvdfLayer(9, rank=2, steps=10)),
}
# For int8 alone: the numbers of quantisation.
_SVDF_INT8: dict[str, tuple[_Shape, SvdfLayer]] = {
    "memory_saturates": ((1, 9), SvdfLayer(6, memory_stretch=0.05)),
    "memory_of_few_codes": ((1, 9), SvdfLayer(6, memory_stretch=40.0)),
    "memory_zero_point": ((1, 9), SvdfLayer(6, memory_zero_point=5)),
    "memory_zero_point_wraps": (
        (1, 9),
        SvdfLayer(6, memory_zero_point=-90, memory_stretch=0.3),
    ),
    "output_saturates": ((1, 9), SvdfLayer(6, output=Calibration(stretch=0.05))),
    "output_of_few_codes": ((1, 9), SvdfLayer(6, output=Calibration(stretch=30.0))),
    "output_zero_point_-128": ((1, 9), SvdfLayer(6, output=Quantization((0.02,), (-128,)))),
    "output_zero_point_127": ((1, 9), SvdfLayer(6, output=Quantization((0.02,), (127,)))),
    "RELU_that_the_type_is": (
        (1, 9),
        SvdfLayer(6, activation="RELU", output=Quantization((0.02,), (-128,))),
    ),
}
_SVDF_INPUTS = {
    "input_zero_point_-128": Quantization((0.02,), (-128,)),
    "input_zero_point_127": Quantization((0.02,), (127,)),
    "coarse_input": Quantization((900.0,), (3,)),
    "fine_input": Quantization((3e-6,), (3,)),
}
_SVDF_ACTIVATIONS = ("RELU", "RELU6", "RELU_N1_TO_1", "TANH", "SIGN_BIT")

_LSTM: dict[str, tuple[_Shape, LstmLayer]] = {
    "one_step": ((1, 1, 6), LstmLayer(5)),
    "many_steps": ((1, 9, 5), LstmLayer(6)),
    "batch_3": ((3, 4, 5), LstmLayer(4)),
    "time_major": ((5, 3, 4), LstmLayer(6, time_major=True)),
    "time_major_one_sequence": ((6, 1, 3), LstmLayer(4, time_major=True)),
    "one_of_everything": ((1, 1, 1), LstmLayer(1)),
    "one_unit": ((2, 3, 7), LstmLayer(1)),
    "one_feature": ((1, 8, 1), LstmLayer(9)),
    "clipped": ((1, 8, 5), LstmLayer(6, cell_clip=0.4, gain=6.0)),
    "clipped_to_one_step": ((1, 8, 5), LstmLayer(6, cell_clip=0.001)),
    "weights_at_both_ends": ((1, 6, 8), LstmLayer(6, weights="ends")),
    "tiny_weights": ((1, 6, 8), LstmLayer(6, weights="tiny")),
    "steep_gates": ((1, 8, 5), LstmLayer(6, gain=12.0)),
    "narrow_gates": ((1, 8, 5), LstmLayer(6, gain=0.02)),
    "wide": ((1, 3, 33), LstmLayer(18)),
}
_LSTM_QUANTIZED: dict[str, tuple[_Shape, LstmLayer]] = {
    "saturated_gates": ((1, 8, 5), LstmLayer(6, gain=60.0)),
    "clip_over_the_type": ((1, 8, 5), LstmLayer(6, cell_clip=1e6, gain=60.0, cell_power=-15)),
    "cell_2^-15": ((1, 9, 5), LstmLayer(6, cell_power=-15, gain=6.0)),
    "cell_2^-13": ((1, 9, 5), LstmLayer(6, cell_power=-13, gain=6.0)),
    "cell_2^-9": ((1, 9, 5), LstmLayer(6, cell_power=-9)),
    "cell_2^-4": ((1, 9, 5), LstmLayer(6, cell_power=-4)),
    "cell_2^2": ((1, 9, 5), LstmLayer(6, cell_power=2)),
    "cell_2^-20": ((1, 9, 5), LstmLayer(6, cell_power=-20)),
    "cell_2^-30": ((1, 9, 5), LstmLayer(6, cell_power=-30)),
    "output_saturates": ((1, 6, 5), LstmLayer(6, output=Calibration(stretch=0.05))),
    "output_of_few_codes": ((1, 6, 5), LstmLayer(6, output=Calibration(stretch=30.0))),
}
_LSTM_INT8: dict[str, tuple[_Shape, LstmLayer]] = {
    "output_zero_point_-128": ((1, 6, 5), LstmLayer(6, output=Quantization((0.006,), (-128,)))),
    "output_zero_point_127": ((1, 6, 5), LstmLayer(6, output=Quantization((0.006,), (127,)))),
    "fine_output": ((1, 6, 5), LstmLayer(6, output=Quantization((1e-9,), (3,)))),
}


def _case(
    op: str, what: str, shape: _Shape, dtype: str, layer: SvdfLayer | LstmLayer, x: Quantization
) -> Case:
    def build(builder: NetworkBuilder) -> str:
        quantization = None if dtype == "float32" else x
        name = builder.input(shape, quantization, dtype)
        if isinstance(layer, SvdfLayer):
            return add_svdf(builder, name, layer)
        return add_lstm(builder, name, layer)

    return f"{op}/{what}", build


def _svdf_cases() -> list[Case]:
    cases = [_case("SVDF", f"float32/{k}", v[0], "float32", v[1], _INPUT) for k, v in _SVDF.items()]
    for activation in _SVDF_ACTIVATIONS:
        layer = SvdfLayer(7, rank=2, activation=activation)
        cases.append(_case("SVDF", f"float32/{activation}", (2, 6), "float32", layer, _INPUT))
    for memory in ("int16", "int8"):
        for name, (shape, plain) in (_SVDF | _SVDF_INT8).items():
            layer = replace(plain, memory=memory)
            cases.append(_case("SVDF", f"int8/{memory}_{name}", shape, "int8", layer, _INPUT))
        for name, quantization in _SVDF_INPUTS.items():
            layer = SvdfLayer(5, rank=2, memory=memory)
            cases.append(
                _case("SVDF", f"int8/{memory}_{name}", (1, 11), "int8", layer, quantization)
            )
    # Proofs fail for these, sums stay in int32 nevertheless.
    for name, zero_point in (("sums_of_64_bits", 0), ("sums_of_64_bits_zero_point", 11)):
        layer = SvdfLayer(
            5, rank=2, time_codes=32767, memory_zero_point=zero_point, memory_stretch=8.0
        )
        cases.append(_case("SVDF", f"int8/int16_{name}", (2, 9), "int8", layer, _INPUT))
    return cases


def _lstm_cases() -> list[Case]:
    op = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    cases = []
    for dtype, x in (("float32", _INPUT), ("int8", _INPUT), ("int16", _SYMMETRIC)):
        table = _LSTM | ({} if dtype == "float32" else _LSTM_QUANTIZED)
        table |= _LSTM_INT8 if dtype == "int8" else {}
        cases += [_case(op, f"{dtype}/{k}", v[0], dtype, v[1], x) for k, v in table.items()]
    for name, quantization in _SVDF_INPUTS.items():
        cases.append(_case(op, f"int8/{name}", (1, 5, 7), "int8", LstmLayer(5), quantization))
    asymmetric = Quantization((2.0**-11,), (1234,))
    layer = LstmLayer(5, output=Quantization((2.0**-14,), (-77,)))
    cases.append(_case(op, "int16/zero_points", (1, 5, 7), "int16", layer, asymmetric))
    return cases


CASES: list[Case] = [*_svdf_cases(), *_lstm_cases()]
NOT_IN_TFLM: set[tuple[str, str]] = set()
