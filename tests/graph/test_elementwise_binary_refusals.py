"""What operators on each element of two or more tensors refuse, each message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from graph_builders import int8, one_op, per_tensor, plain, refuses

from midge.graph import Activation, Attributes, DType, Quantization, Rounding, Tensor, verify
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.add_n import AddN
from midge.graph.ops.comparison import (
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    NotEqual,
)
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.logical import LogicalAnd, LogicalOr
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select

I8, I16, I32, I64 = DType.INT8, DType.INT16, DType.INT32, DType.INT64
F32, BOOL = DType.FLOAT32, DType.BOOL
COMPARISONS = (Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual)


def quantized(
    name: str, *shape: int, dtype: DType = I16, scale: float = 0.5, zero_point: int = 0
) -> Tensor:
    return Tensor(name, shape, dtype, per_tensor(scale, zero_point))


def divisors(values: list[int]) -> Tensor:
    return Tensor("b", (len(values),), I32, None, np.array(values, np.int32))


def refusal(message: str, attributes: Attributes, *tensors: Tensor | None) -> object:
    return pytest.param(
        message, attributes, tensors[:-1], tensors[-1], id=f"{attributes.kind}-{message[:60]}"
    )


A, B, Y = int8("a", 3), int8("b", 3), int8("y", 3)
FLOATS = tuple(plain(name, 3, dtype=F32) for name in "aby")
INTEGERS = tuple(plain(name, 3, dtype=I32) for name in "aby")
CONDITION = plain("c", 3, dtype=BOOL)
PER_CHANNEL = replace(
    A, quantization=Quantization(np.array([1, 1, 1], np.float32), np.zeros(3, np.int64), 0)
)
ANY = "int8, int16, int32, float32"
STORED = "int8, int16, int32, int64, float32"

REFUSALS = [
    *(
        refusal(message, attributes, *tensors)
        for attributes, types in (
            (Sub(), ANY),
            (Mul(), ANY),
            (Div(), "int8, int32, float32"),
            (SquaredDifference(), ANY),
            (Minimum(), STORED),
            (Maximum(), STORED),
            (FloorDiv(), "float32"),
            (FloorMod(), "float32"),
            (Equal(), "int8, int32, int64, float32, bool"),
            (Less(), "int8, int32, int64, float32"),
            (LogicalAnd(), "bool"),
            (LogicalOr(), "bool"),
            (Prelu(), "int8, int16, float32"),
            (AddN(), "int8, float32"),
        )
        for message, tensors in (
            (f"a is uint8; supported here: {types}", (plain("a", 3, dtype=DType.UINT8), B, Y)),
            ("takes 2 inputs and 0 optional ones, found ['a']", (A, Y)),
        )
    ),
    *(
        refusal(message, attributes, *tensors)
        for attributes in (Sub(), Mul(), Div(), SquaredDifference())
        for message, tensors in (
            ("b is int32; supported here: int8", (A, plain("b", 3, dtype=I32), Y)),
            (
                "shapes [3] of a and [2] of b do not broadcast",
                (A, int8("b", 2), Y),
            ),
            ("a is int8 without quantisation parameters", (plain("a", 3), B, Y)),
            ("y is int8 without quantisation parameters", (A, B, plain("y", 3))),
            ("a is quantised per channel; supported here: per tensor", (PER_CHANNEL, B, Y)),
            (
                "b is int32 with quantisation parameters, which this operator would not heed; "
                "supported here: plain numbers",
                (INTEGERS[0], quantized("b", 3, dtype=I32), INTEGERS[2]),
            ),
        )
    ),
    *(
        refusal(
            "y has scale 1e-38, too fine for relu6: 6 is inf steps, over int32",
            attributes,
            *(int8(name, 3, scale=1e-38) for name in "aby"),
        )
        for attributes in (Sub(activation=Activation.RELU6), Mul(activation=Activation.RELU6))
    ),
    *(
        refusal(
            f"scales 0.5 and {2.0**bits:g} are not under 2**{bits} times the output's 1",
            attributes,
            quantized("a", 3, dtype=dtype),
            quantized("b", 3, dtype=dtype, scale=2.0**bits),
            quantized("y", 3, dtype=dtype, scale=1.0),
        )
        for attributes in (Add(), Sub())
        for dtype, bits in ((I8, 19), (I16, 14))
    ),
    *(
        refusal(f"{bad} is int16 with zero point 1; supported here: 0", attributes, *tensors)
        for attributes in (Mul(), SquaredDifference())
        for bad in "aby"
        for tensors in [[quantized(name, 3, zero_point=int(name == bad)) for name in "aby"]]
    ),
    refusal(
        "the scales give a factor of 1.07374e+09; expected one from 0 to under 2**30",
        Mul(),
        int8("a", 3, scale=2.0**15),
        int8("b", 3, scale=2.0**15),
        int8("y", 3, scale=1.0),
    ),
    refusal(
        "the scales give a factor of 1.07374e+09; expected one from 0 to under 2**30",
        Prelu(),
        int8("x", 3, scale=2.0**30),
        B,
        int8("y", 3, scale=1.0),
    ),
    refusal(
        "scales 4.1943e+06 of a, 1 of b and 1 of y give quotients a factor of 4.1943e+06; "
        "expected one under 2**22",
        Div(),
        int8("a", 3, scale=2.0**22),
        int8("b", 3, scale=1.0),
        int8("y", 3, scale=1.0),
    ),
    refusal(
        "rounding single has no meaning in a quotient; supported here: tflite_double",
        Div(rounding=Rounding.SINGLE),
        A,
        B,
        Y,
    ),
    refusal("a is int16; supported here: int8, int32, float32", Div(), *map(quantized, "aby")),
    *(
        refusal("b is a constant divisor that holds the value 0", Div(), *tensors)
        for tensors in (
            (A, int8("b", 3, zero_point=7, data=[1, 7, 2]), Y),
            (INTEGERS[0], divisors([1, 2, 0]), INTEGERS[2]),
        )
    ),
    *(
        refusal(
            "a has scale 0.5 and zero point 0, y 0.25 and 0; this operator does not rescale, they "
            "must be equal",
            attributes,
            *(int8(name, 3, scale=0.25 if name == "y" else 0.5) for name in "aby"),
        )
        for attributes in (Minimum(), Maximum())
    ),
    refusal(
        "b has scale 0.5 and zero point 1, y 0.5 and 0; this operator does not rescale, they must "
        "be equal",
        Maximum(),
        A,
        int8("b", 3, zero_point=1),
        Y,
    ),
    refusal("b is int8 without quantisation parameters", Minimum(), A, plain("b", 3), Y),
    *(
        refusal(message, attributes(), a, b, plain("y", 3, dtype=BOOL))
        for attributes in COMPARISONS
        for message, a, b in (
            ("b has scale 1; a comparison takes scales under 1", A, int8("b", 3, scale=1.0)),
            ("a is int8 without quantisation parameters", plain("a", 3), B),
            ("a is quantised per channel; supported here: per tensor", PER_CHANNEL, B),
            (
                "a has scale 0.5 and zero point 0, b 0.25 and 0; this operator does not rescale, "
                "they must be equal",
                quantized("a", 3, dtype=I32),
                quantized("b", 3, dtype=I32, scale=0.25),
            ),
        )
    ),
    refusal("a is int16; supported here: int8, int32", Greater(), *map(quantized, "aby")),
    refusal("a is bool; supported here: int8, int32", Greater(), plain("a", dtype=BOOL), B, Y),
    refusal("slope is int16; supported here: int8", Prelu(), A, quantized("slope", 3), Y),
    refusal("slope is int8; supported here: float32", Prelu(), FLOATS[0], int8("slope", 3), Y),
    refusal("slope is int8 without quantisation", Prelu(), A, plain("slope", 3), Y),
    refusal("b has shape [2], a [3]; expected one shape", AddN(), A, int8("b", 2), Y),
    refusal("b is float32; supported here: int8", AddN(), A, FLOATS[1], Y),
    refusal("takes 2 inputs and 0 optional ones, found ['a', 'none']", AddN(), A, None, Y),
    refusal(
        "b has scale 0.25 and zero point 0, a 0.5 and 0; expected one quantisation of all inputs",
        AddN(),
        A,
        int8("b", 3, scale=0.25),
        Y,
    ),
    refusal("y is int8 without quantisation parameters", AddN(), A, B, plain("y", 3)),
    refusal(
        "scale 524288 is not under 2**19 times the output's 1",
        AddN(),
        *(int8(name, 3, scale=2.0**19) for name in "ab"),
        int8("y", 3, scale=1.0),
    ),
    refusal(
        "sums of 16 inputs leave int32; supported here: up to 15",
        AddN(),
        *(int8(f"x{i}", 3, zero_point=-128) for i in range(16)),
        Y,
    ),
    refusal("has 257 inputs; supported: up to 256", AddN(), *FLOATS[:1] * 257, FLOATS[2]),
    refusal("takes 3 inputs and 0 optional ones, found ['c', 'a']", Select(), CONDITION, A, Y),
    refusal("a is int8; supported here: bool", Select(), A, int8("p", 3), B, Y),
    refusal(
        "a is int32; supported here: int8, int16, float32",
        Select(),
        CONDITION,
        *INTEGERS,
    ),
    refusal("b is float32; supported here: int8", Select(), CONDITION, A, FLOATS[1], Y),
    refusal(
        "shapes [3] of c, [3] of a and [2] of b do not broadcast",
        Select(),
        CONDITION,
        A,
        int8("b", 2),
        Y,
    ),
    refusal(
        "b has scale 0.25 and zero point 0, y 0.5 and 0; this operator does not rescale, they must "
        "be equal",
        Select(),
        CONDITION,
        A,
        int8("b", 3, scale=0.25),
        Y,
    ),
]


@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), REFUSALS)
def test_refusal(
    message: str, attributes: Attributes, inputs: tuple[Tensor | None, ...], y: Tensor
) -> None:
    graph = one_op(attributes, inputs, y)
    with refuses(f"g: op 'the_{attributes.kind}' ({attributes.kind}): {message}"):
        verify(graph)
