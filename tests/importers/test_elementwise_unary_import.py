"""Options of operators on each element of one tensor."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_files import imported, quantization

from midge.errors import UserError
from midge.graph import Attributes, DType
from midge.graph.ops.conversions import Cast, Dequantize, Quantize
from midge.graph.ops.rectifiers import LeakyRelu, Relu
from midge.graph.ops.smooth_units import Gelu
from midge.synthetic.model_description import Fields, Quantization, Tensor


def attributes_of(op: str, options: Fields, x: Tensor, y: Tensor) -> Attributes:
    (found,) = imported(op, options, [x], y).ops
    assert found.inputs == ("x",)
    return found.attributes


def tensor(name: str, dtype: str, q: Quantization | None = None) -> Tensor:
    return Tensor(name, (2, 3), dtype, q)


X, Y = tensor("x", "int8", quantization()), tensor("y", "int8", quantization())


@pytest.mark.tiny
def test_slope_is_read() -> None:
    for slope in (0.1, -2.5, 0.0):
        options = Fields.of("LeakyReluOptions", Alpha=slope)
        found = attributes_of("LEAKY_RELU", options, X, Y)
        assert found == LeakyRelu(alpha=float(np.float32(slope)))


@pytest.mark.tiny
def test_gelu_says_which() -> None:
    for approximate in (True, False):
        options = Fields.of("GeluOptions", Approximate=approximate)
        assert attributes_of("GELU", options, X, Y) == Gelu(approximate=approximate)


@pytest.mark.tiny
def test_conversions_go_by_the_tensors_types() -> None:
    # 9 is int8 in the schema; runtimes pass over it.
    options = Fields.of("CastOptions", InDataType=9, OutDataType=9)
    y = tensor("y", "int32")
    assert attributes_of("CAST", options, tensor("x", "bool"), y) == Cast(to=DType.INT32)
    y = tensor("y", "int16", quantization())
    found = attributes_of("QUANTIZE", Fields.of("QuantizeOptions"), tensor("x", "float32"), y)
    assert found == Quantize(to=DType.INT16)
    assert attributes_of("DEQUANTIZE", Fields(), X, tensor("y", "float32")) == Dequantize()
    assert attributes_of("RELU", Fields(), X, Y) == Relu()


@pytest.mark.tiny
@pytest.mark.parametrize("op", ["LEAKY_RELU", "GELU"])
def test_options_must_be_there(op: str) -> None:
    table = {"LEAKY_RELU": "LeakyReluOptions", "GELU": "GeluOptions"}[op]
    with pytest.raises(UserError) as refused:
        imported(op, Fields(), [X], Y)
    assert f"op 0 ({op}): has no {table}" in str(refused.value)


@pytest.mark.tiny
def test_slope_that_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match="alpha nan is not a finite float32"):
        imported("LEAKY_RELU", Fields.of("LeakyReluOptions", Alpha=float("nan")), [X], Y)


@pytest.mark.tiny
def test_outputs_other_than_one_are_refused() -> None:
    for op in ("CAST", "QUANTIZE"):
        with pytest.raises(UserError, match="has 2 outputs; expected 1"):
            imported(op, Fields(), [X], Y, tensor("z", "int8", quantization()))
    with pytest.raises(UserError, match="has 2 outputs; expected 1"):
        imported("RELU", Fields(), [X], Y, tensor("z", "int8", quantization()))
