"""What weighted sums are stored as: factors, biases, weights of four bits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Layer, Places, layers_of
from midge.c_emitter.kernels import KERNELS
from midge.c_emitter.windowed import is_always_inside, window_distance
from midge.graph import DType, Rounding, Tensor
from midge.graph.requantize import requantization
from midge.graph.window import Window
from midge.importers import import_tflite
from midge.synthetic import SyntheticNetwork
from support.networks import single_ops

PLACES = Places(("x", "w", "b"), ("y",), "(scratch)", lambda suffix: f"<{suffix}>")
OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL")


def layer_of(name: str) -> Layer:
    """The layer of a network of one operator."""
    (made,) = (n for n in single_ops(name.split("/", maxsplit=1)[0]) if n.name == name)
    return layer_in(made)


def layer_in(made: SyntheticNetwork) -> Layer:
    """The only layer of a network."""
    (layer,) = layers_of(import_tflite(made.model_bytes, "m.tflite"))
    return layer


def fields_of(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields and constants of the layer's only kernel."""
    layer = layer_of(name)
    (kernel,) = (
        k
        for k in KERNELS[layer.op.kind]
        if layer.input(0).dtype in k.types and k.applies(layer) and not k.requires
    )
    call = kernel.call(layer, PLACES)
    return dict(call.fields), {c.suffix: c.values for c in call.constants}


def test_int4_elements_are_packed_as_in_a_file() -> None:
    rows = np.array([[-8, 7, 3], [1, -1, 0]], np.int8)
    packed = weighted.packed_int4(rows)
    assert packed.dtype == np.int8
    assert packed.view(np.uint8).tolist() == [0x78, 0x03, 0xF1, 0x00]
    assert weighted.packed_int4(rows[:, :2]).view(np.uint8).tolist() == [0x78, 0xF1]


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_int4_weights_take_half_the_flash(op: str) -> None:
    names = [n.name for n in single_ops(op) if n.name.startswith(f"{op}/int4/")]
    assert len(names) > 10
    for name in names:
        layer = layer_of(name)
        _, constants = fields_of(name)
        channel_axis = 3 if op == "DEPTHWISE_CONV_2D" else 0
        channels = layer.input(1).shape[channel_axis]
        taps = layer.input(1).size // channels
        assert constants["weights"].size == channels * -(-taps // 2), name


def test_factors_of_long_sums_are_words() -> None:
    def fields(*reals: float, narrow: bool = True) -> tuple[dict[str, Any], list[int]]:
        factors = requantization(np.array(reals), Rounding.TFLITE_16X8)
        found, constants = weighted.long_factor_fields(factors, narrow, PLACES)
        return dict(found), [int(w) for c in constants for w in c.values]

    assert fields(0.125) == ({"narrow": True, "one_word": 0x4000 | 17 << 16}, [])
    assert fields(0.125, narrow=False)[0]["narrow"] is False
    assert fields(0.25) == ({"narrow": False, "one_word": 0x4000 | 16 << 16}, [])
    assert fields(0.125, 0.125) == fields(0.125)
    words = [0x6000 | 17 << 16, 0x4000 | 20 << 16]
    assert fields(0.1875, 1 / 64) == ({"narrow": True, "words": "<factors>"}, words)
    # Whatever is multiplied by 0 may be shifted as suits.
    assert fields(0.1875, 0.0) == (
        {"narrow": True, "words": "<factors>"},
        [0x6000 | 17 << 16, 17 << 16],
    )
    assert fields(127.0)[0]["one_word"] == 0x7F00 | 8 << 16


@pytest.mark.parametrize(
    ("name", "is_long", "narrow", "bias"),
    [
        ("CONV_2D/int16/3x3_same", True, True, ("bias", np.int32)),
        ("CONV_2D/int16/no_bias", True, True, None),
        ("CONV_2D/int16/bias_over_int32", True, False, ("long_bias", np.int64)),
        ("CONV_2D/int16/int32_bias", False, True, ("bias", np.int32)),
        ("FULLY_CONNECTED/int16/wide_no_bias", True, False, None),
        ("FULLY_CONNECTED/int16/int32_bias_zero_points", False, True, ("bias", np.int32)),
        ("DEPTHWISE_CONV_2D/int16/wide", True, False, ("long_bias", np.int64)),
        ("TRANSPOSE_CONV/int16/int16_bias", True, True, ("bias", np.int32)),
    ],
)
def test_sums_of_int16_are_taken_in_int32_where_they_fit(
    name: str, is_long: bool, narrow: bool, bias: tuple[str, type] | None
) -> None:
    fields, constants = fields_of(name)
    sums = fields["sums"]
    assert (sums["is_long"], sums["narrow"]) == (is_long, narrow)
    assert ("long_factors" in sums, "factors" in sums) == (is_long, not is_long)
    assert {"bias", "long_bias"} & sums.keys() == ({bias[0]} if bias else set())
    assert ("bias" in constants) == bool(bias)
    if bias:
        assert constants["bias"].dtype == bias[1]


def test_windows_that_never_leave_the_image() -> None:
    x = Tensor("x", (1, 5, 6, 2), DType.INT16)
    assert is_always_inside(x, Window((3, 2)))
    assert is_always_inside(x, Window((5, 6)))
    for side in ((1, 0), (0, 1)):
        assert not is_always_inside(x, Window((3, 2), pad_before=side))
        assert not is_always_inside(x, Window((3, 2), pad_after=side))
    # Padding that no window reaches.
    assert is_always_inside(x, Window((3, 2), stride=(2, 2), pad_after=(1, 1)))


def test_distances_are_in_bytes() -> None:
    layer = layer_of("CONV_2D/int16/3x3_same")
    window = Window((3, 3), pad_before=(1, 1), pad_after=(1, 1))
    found = window_distance(layer, window, reads_first=False)
    assert found == 2 * overlap.sliding(window, 1, (6, 5), 3, 4, step=1, reads_first=False)
    wide = replace(layer.input(0), dtype=DType.FLOAT32)
    real = replace(layer, inputs=(wide, *layer.inputs[1:]))
    assert window_distance(real, window, reads_first=False) == 2 * found


def _names(value: object) -> set[str]:
    """Every text in fields."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return {name for v in value.values() for name in _names(v)}
    return {name for v in value for name in _names(v)} if isinstance(value, list) else set()


@pytest.mark.parametrize("op", OPERATORS)
def test_every_array_is_used_and_every_used_one_is_there(op: str) -> None:
    met = set()
    for made in single_ops(op):
        layer = layer_in(made)
        for kernel in KERNELS[layer.op.kind]:
            if layer.input(0).dtype not in kernel.types or not kernel.applies(layer):
                continue
            met.add(kernel.function)
            call = kernel.call(layer, PLACES)
            named = " ".join([*call.arguments, *_names(dict(call.fields))])
            used = set(re.findall(r"<\w+>", named))
            assert used == {f"<{c.suffix}>" for c in call.constants}, made.name
            distance = kernel.overlap(layer, 0)
            assert distance is None or distance % (layer.output.dtype.size_bits // 8) == 0
            assert kernel.overlap(layer, 1) is None
            assert kernel.scratch_bytes(layer) >= 0
    # Helium's strips are for more outputs than these depthwise layers have.
    expected = {k.function for k in KERNELS[layer.op.kind] if k.variant != "helium_strips"}
    assert met | {"midge_strip_s8_mve"} == expected | {"midge_strip_s8_mve"}


def test_other_attributes_are_a_defect() -> None:
    dense, conv = layer_of("FULLY_CONNECTED/16_to_9"), layer_of("CONV_2D/1x1")
    for kind in ("conv_2d", "depthwise_conv_2d", "transpose_conv", "batch_matmul"):
        with pytest.raises(TypeError, match="is a fully_connected"):
            KERNELS[kind][0].call(dense, PLACES)
    with pytest.raises(TypeError, match="is a conv_2d"):
        KERNELS["fully_connected"][0].call(conv, PLACES)
