"""Operators on each element of two or more tensors that broadcast, in random networks."""

from __future__ import annotations

import numpy as np

from midge.synthetic.elementwise import (
    ACTIVATED,
    COMPARISONS,
    LOGICAL,
    constant_of,
    elementwise,
    needs_divisors,
)
from midge.synthetic.growth import Growth, Step
from midge.synthetic.model_description import Quantization
from midge.synthetic.random_numbers import (
    random_calibration,
    random_input_quantization,
    random_zero_point,
)
from midge.synthetic.steps.elementwise_binary_cases import DTYPES

_KEPT = ("MINIMUM", "MAXIMUM")
_SQUARING = ("MUL", "SQUARED_DIFFERENCE")
"""TFLite Micro refuses int16 with another zero point than 0 here."""
_MOST_DIMENSIONS = 4
"""Of float32 in TFLite Micro's PRELU."""


def _pair(op: str) -> Step:
    """The step that adds an operator on two tensors."""

    def step(growth: Growth, x: str) -> str | None:
        builder, choices = growth.builder, growth.choices
        dtype = builder.dtype(x)
        if dtype not in DTYPES[op] or not _suits(growth, op, x):
            return None
        other = _second(growth, op, x)
        first, second = x, other
        swaps = op != "PRELU" and not needs_divisors(op, dtype)
        if swaps and choices.one_in(3):
            first, second = other, x
        activation = "NONE"
        if op in ACTIVATED and (op, dtype) != ("ADD", "int32"):
            activation = choices.one_of(("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1"))
        result = elementwise(
            builder,
            op,
            (first, second),
            activation=activation,
            output=random_calibration(choices),
        )
        return growth.done(result, first, second)

    return step


def _suits(growth: Growth, op: str, x: str) -> bool:
    """Whether TFLite Micro takes the tensor as an operand."""
    builder, dtype = growth.builder, growth.builder.dtype(x)
    if dtype not in ("int8", "int16"):
        too_many = op == "PRELU" and len(builder.shape(x)) > _MOST_DIMENSIONS
        return not (too_many or (dtype == "int32" and builder.is_quantized(x)))
    if not builder.is_quantized(x):
        return False
    quantization = builder.quantization(x)
    if op in COMPARISONS:
        return quantization.scale < 1
    if op in _SQUARING:
        # Chains of products leave float32 soon.
        symmetric = dtype == "int8" or quantization.zero_point == 0
        return symmetric and 2.0**-30 < quantization.scale < 2.0**30
    return True


def _second(growth: Growth, op: str, x: str) -> str:
    """Another operand: x itself, one that is there, a new input or a constant."""
    builder, choices, dtype = growth.builder, growth.choices, growth.builder.dtype(x)
    kinds = ("constant", "itself", "earlier", "input")
    kind = "constant" if needs_divisors(op, dtype) else choices.one_of(kinds)
    dtype = "int8" if (op, dtype) == ("PRELU", "int16") else dtype
    if kind == "itself" and dtype == builder.dtype(x):
        return x
    if kind == "earlier":
        found = [name for name in growth.computed if _fits(growth, op, x, name, dtype)]
        if found:
            return choices.one_of(found)
    quantization = _other_quantization(growth, op, x, dtype)
    shape = _broadcasting_shape(growth, x)
    if kind == "input":
        return builder.input(shape, quantization, dtype)
    style = "divisors" if needs_divisors(op, dtype) else "mixed"
    zero = 0 if quantization is None else quantization.zero_point
    return builder.constant(constant_of(builder.rng, shape, dtype, style, zero), quantization)


def _fits(growth: Growth, op: str, x: str, other: str, dtype: str) -> bool:
    builder = growth.builder
    if builder.dtype(other) != dtype or not _suits(growth, op, other):
        return False
    if builder.is_quantized(other) != builder.is_quantized(x):
        return False
    kept = op in _KEPT and builder.is_quantized(x)
    if kept and builder.quantization(x) != builder.quantization(other):
        return False
    try:
        shape = np.broadcast_shapes(builder.shape(x), builder.shape(other))
    except ValueError:
        return False
    return growth.fits(shape) and len(shape) <= _MOST_DIMENSIONS + 1


def _other_quantization(growth: Growth, op: str, x: str, dtype: str) -> Quantization | None:
    builder, choices = growth.builder, growth.choices
    if dtype not in ("int8", "int16"):
        return None
    if op in _KEPT:
        return builder.quantization(x)
    if op == "PRELU":
        return random_input_quantization(choices, dtype)
    reach = choices.one_of((0, 3, 3, 20))
    scale = builder.quantization(x).scale * 2.0 ** choices.integer(-reach, reach)
    zero_point = 0 if dtype == "int16" else random_zero_point(choices)
    return Quantization((min(scale, 0.9) if op in COMPARISONS else scale,), (zero_point,))


def _broadcasting_shape(growth: Growth, x: str) -> tuple[int, ...]:
    """A shape that broadcasts with x's."""
    shape = list(growth.builder.shape(x))
    kind = growth.choices.one_of(("same", "last axis", "some axes", "larger", "one element"))
    if not shape or kind == "one element":
        return (1,)
    if kind == "last axis":
        return (shape[-1],)
    if kind == "some axes":
        return tuple(1 if growth.choices.one_in(2) else size for size in shape)
    if kind == "larger":  # the result is larger than x
        for axis, size in enumerate(shape):
            if size == 1 and growth.fits((2, *shape)):
                shape[axis] = 2
    return tuple(shape)


def _select(growth: Growth, x: str) -> str | None:
    """The tensor is the condition, or what may be chosen."""
    builder, choices = growth.builder, growth.choices
    if builder.dtype(x) == "bool":
        dtype = choices.one_of(("int8", "float32", "int16"))
        quantization = random_input_quantization(choices, dtype)
        shapes = [_broadcasting_shape(growth, x), builder.shape(x)]
        chosen = [builder.input(shape, quantization, dtype) for shape in shapes]
        operands = (x, *chosen)
    elif builder.dtype(x) in ("int8", "int16", "float32") and _suits(growth, "MAXIMUM", x):
        other = _second(growth, "MAXIMUM", x)
        condition = builder.input(_broadcasting_shape(growth, x), None, "bool")
        operands = (condition, *((x, other) if choices.one_in(2) else (other, x)))
    else:
        return None
    return growth.done(elementwise(builder, "SELECT_V2", operands), *operands)


def _add_n(growth: Growth, x: str) -> str | None:
    builder, choices = growth.builder, growth.choices
    dtype = builder.dtype(x)
    if dtype not in ("int8", "float32") or not _suits(growth, "ADD_N", x):
        return None
    quantization = builder.quantization(x) if dtype == "int8" else None
    operands = [x]
    for _ in range(choices.integer(1, 3)):
        kind = choices.one_of(("input", "itself", "constant"))
        if kind == "input":
            operands.append(builder.input(builder.shape(x), quantization, dtype))
        elif kind == "constant":
            values = constant_of(builder.rng, builder.shape(x), dtype)
            operands.append(builder.constant(values, quantization))
        else:
            operands.append(x)
    output = random_calibration(choices)
    result = elementwise(builder, "ADD_N", tuple(operands), output=output)
    return growth.done(result, *operands)


STEPS: dict[str, Step] = {
    **{op: _pair(op) for op in (*DTYPES, *LOGICAL)},
    "ADD_N": _add_n,
    "SELECT_V2": _select,
}
