"""Inputs that come with a scale and a zero point of their own."""

from __future__ import annotations

from typing import Any

import pytest
from float_networks import branches, residual, samples

from midge.compress import QuantizeSettings, quantize_graph
from midge.errors import UserError
from midge.graph import Graph, Quantization

CODES = (1 / 32, -5)


def quantised(graph: Graph, codes: dict[str, tuple[float, int]], **settings: Any) -> Graph:
    chosen = QuantizeSettings(input_codes=codes, **settings)
    return quantize_graph(graph, samples(graph), chosen, explained=False).graph


@pytest.mark.parametrize(("graph", "name"), [(residual(), "x"), (branches(), "z")])
def test_an_input_keeps_its_codes(graph: Graph, name: str) -> None:
    own = quantised(graph, {}).tensors[name].quantization
    given = quantised(graph, {name: CODES}).tensors[name].quantization
    assert given == Quantization.per_tensor(*CODES) != own


def test_what_is_joined_to_it_keeps_a_scale_of_its_own() -> None:
    # z stands side by side with a layer's outputs: alone, both would have one scale.
    free, given = quantised(branches(), {}), quantised(branches(), {"z": (8.0, 0)})
    joined = [next(o for o in g.ops if o.name == "both").outputs[0] for g in (free, given)]
    left = given.tensors[joined[1]].quantization
    assert left is not None
    assert left.scale[0] < 1
    assert free.tensors["z"].quantization == free.tensors[joined[0]].quantization


def test_codes_of_int16_have_no_zero_point() -> None:
    graph = quantised(residual(), {"x": (1 / 4096, 0)}, activations="int16")
    assert graph.tensors["x"].quantization == Quantization.per_tensor(1 / 4096, 0)
    with pytest.raises(UserError, match="'x' has zero point 1; expected 0 to 0"):
        QuantizeSettings(input_codes={"x": (1.0, 1)}, activations="int16")


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ((0.0, 0), "'x' has scale 0.0; expected over 0"),
        ((float("nan"), 0), "'x' has scale nan"),
        ((1e-60, 0), "'x' has scale 1e-60"),
        ((1.0, 128), "'x' has zero point 128; expected -128 to 127"),
    ],
)
def test_what_are_no_codes_is_refused(codes: tuple[float, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        QuantizeSettings(input_codes={"x": codes})


def test_only_inputs_come_with_codes() -> None:
    with pytest.raises(UserError, match=r"names 'stem'; inputs that .* read: \['x'\]"):
        quantised(residual(), {"stem": CODES})
