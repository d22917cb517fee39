"""Convolutions and pools with any attributes, held against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_files import check, imported, model, node, reals

from midge.errors import UserError

AUTO_PADS = ["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]


@st.composite
def windows(draw: st.DrawFn, *, dilated: bool = True) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Extents of an image, and the attributes of a window that fits it."""
    rank = draw(st.integers(1, 2))

    def numbers(low: int, high: int, count: int = rank) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=count, max_size=count))

    image, kernel = tuple(numbers(1, 9)), numbers(1, 4)
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": numbers(1, 3)}
    if dilated:
        attributes["dilations"] = numbers(1, 2)
    auto_pad = draw(st.sampled_from(AUTO_PADS))
    spans = [
        (k - 1) * d + 1 for k, d in zip(kernel, attributes.get("dilations", [1, 1]), strict=False)
    ]
    if auto_pad != "NOTSET":
        attributes["auto_pad"] = auto_pad
        # ONNX Runtime pads dilated windows otherwise.
        assume("SAME" not in auto_pad or max(attributes.get("dilations", [1])) == 1)
        assume("SAME" in auto_pad or all(n >= s for n, s in zip(image, spans, strict=True)))
    else:
        pads = [min(p, k - 1) for p, k in zip(numbers(0, 2, 2 * rank), kernel * 2, strict=True)]
        assume(all(n + pads[d] + pads[rank + d] >= spans[d] for d, n in enumerate(image)))
        attributes["pads"] = pads
    return image, attributes


@settings(max_examples=120, deadline=None)
@given(window=windows(), groups=st.sampled_from([1, 1, 2, 4]), bias=st.booleans())
def test_conv(window: tuple[tuple[int, ...], dict[str, Any]], groups: int, bias: bool) -> None:
    image, attributes = window
    x = reals(2, 4, *image)
    w = reals(8, 4 // groups, *attributes["kernel_shape"], seed=1)
    constants = {"w": w} | ({"b": reals(8, seed=2)} if bias else {})
    made = node("Conv", ["x", *constants], ["y"], group=groups, **attributes)
    graph = check(model([made], {"x": x}, constants), {"x": x}, sums=64)
    kinds = {op.kind for op in graph.ops}
    assert ("depthwise_conv_2d" in kinds) == (groups == 4)


@settings(max_examples=80, deadline=None)
@given(
    window=windows(),
    groups=st.sampled_from([1, 1, 2]),
    extra=st.lists(st.integers(0, 1), min_size=2, max_size=2),
)
def test_conv_transpose(
    window: tuple[tuple[int, ...], dict[str, Any]], groups: int, extra: list[int]
) -> None:
    image, attributes = window
    attributes = dict(attributes)
    assume("SAME" not in attributes.get("auto_pad", ""))
    rank = len(image)
    steps = zip(extra, attributes["strides"], strict=False)
    attributes["output_padding"] = [min(e, s - 1) for e, s in steps]
    pads = attributes.get("pads", [0] * 2 * rank)
    extents = [
        s * (n - 1) + e + (k - 1) * d + 1 - pads[i] - pads[rank + i]
        for i, (s, n, e, k, d) in enumerate(
            zip(
                attributes["strides"],
                image,
                attributes["output_padding"],
                attributes["kernel_shape"],
                attributes["dilations"],
                strict=True,
            )
        )
    ]
    assume(min(extents) >= 1)
    x = reals(1, 4, *image)
    constants = {
        "w": reals(4, 3, *attributes["kernel_shape"], seed=1),
        "b": reals(3 * groups, seed=2),
    }
    made = node("ConvTranspose", ["x", *constants], ["y"], group=groups, **attributes)
    check(model([made], {"x": x}, constants), {"x": x}, sums=64)


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("shape", [None, [7, 8], [8, 7]])
def test_the_extent_of_a_transposed_convolution(auto_pad: str, shape: list[int] | None) -> None:
    x, w = reals(1, 2, 4, 4), reals(2, 3, 3, 3, seed=1)
    attributes: dict[str, Any] = {"strides": [2, 2], "auto_pad": auto_pad}
    if shape is not None:
        attributes["output_shape"] = shape
    made = node("ConvTranspose", ["x", "w"], ["y"], **attributes)
    check(model([made], {"x": x}, {"w": w}), {"x": x}, sums=32)


@settings(max_examples=120, deadline=None)
@given(window=windows(), ceil=st.booleans())
def test_max_pool(window: tuple[tuple[int, ...], dict[str, Any]], ceil: bool) -> None:
    image, attributes = window
    assume(not (ceil and "auto_pad" in attributes) and not skips_pixels(attributes))
    x = reals(2, 3, *image)
    made = node("MaxPool", ["x"], ["y"], ceil_mode=int(ceil), **attributes)
    check_if_it_touches(model([made], {"x": x}, opset=22), x)


@settings(max_examples=120, deadline=None)
@given(window=windows(), ceil=st.booleans(), include=st.booleans())
def test_average_pool(
    window: tuple[tuple[int, ...], dict[str, Any]], ceil: bool, include: bool
) -> None:
    image, attributes = window
    assume(not (ceil and "auto_pad" in attributes) and not skips_pixels(attributes))
    # Of windows that rounding up has made ONNX Runtime counts what lies beyond the padding.
    assume(not (ceil and include))
    x = reals(2, 3, *image)
    made = node(
        "AveragePool",
        ["x"],
        ["y"],
        ceil_mode=int(ceil),
        count_include_pad=int(include),
        **attributes,
    )
    check_if_it_touches(model([made], {"x": x}, opset=22), x)


def skips_pixels(attributes: dict[str, Any]) -> bool:
    """ONNX Runtime then pads by a negative number."""
    pairs = zip(attributes["strides"], attributes["kernel_shape"], strict=True)
    return "SAME" in attributes.get("auto_pad", "") and any(s > k for s, k in pairs)


def check_if_it_touches(proto: Any, x: Any) -> None:
    """A window in the padding alone has neither a mean nor a maximum: it is refused."""
    try:
        imported(proto)
    except UserError as error:
        assert "lies wholly outside" in str(error)
        return
    check(proto, {"x": x}, sums=32)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 1, 1]])
def test_lp_pool(order: int, pads: list[int]) -> None:
    x = reals(1, 2, 6, 5)
    made = node("LpPool", ["x"], ["y"], p=order, kernel_shape=[3, 2], strides=[2, 1], pads=pads)
    check(model([made], {"x": x}), {"x": x}, ulps=32, sums=16)


@pytest.mark.parametrize("op_type", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
@pytest.mark.parametrize("shape", [(1, 3, 7), (2, 3, 4, 5), (1, 2, 3, 4, 2)])
def test_global_pools(op_type: str, shape: tuple[int, ...]) -> None:
    x = reals(*shape)
    check(model([node(op_type, ["x"], ["y"])], {"x": x}), {"x": x}, sums=32)


@pytest.mark.tiny
def test_an_image_stands_between_transposes_and_a_signal_is_one_row() -> None:
    w = reals(4, 3, 3, seed=1)
    graph = imported(
        model([node("Conv", ["x", "w"], ["y"], name="c")], {"x": reals(1, 3, 9)}, {"w": w})
    )
    kinds = [op.kind for op in graph.ops]
    assert kinds == ["transpose", "reshape", "conv_2d", "reshape", "transpose"]
    assert graph.ops[2].name == "c"
    assert graph.tensors[graph.ops[2].inputs[1]].shape == (4, 1, 3, 3)
    np.testing.assert_array_equal(
        np.asarray(graph.tensors[graph.ops[2].inputs[1]].data)[:, 0], w.transpose(0, 2, 1)
    )
