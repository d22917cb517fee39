"""BATCH_MATMUL in int8, int16 and float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.synthetic.calibration import COVERING, Calibration, at_least, resolve
from midge.synthetic.growth import Case, Growth, Step
from midge.synthetic.model_description import Fields, Quantization
from midge.synthetic.network_builder import NetworkBuilder

Shape = tuple[int, ...]

_DTYPES = ("int8", "int16", "float32")
_SUM_LIMIT = {"int8": 2.0**15, "int16": 2.0**30}
"""Largest product of two centred codes."""


@dataclass(frozen=True)
class _Product:
    """A case.

    Attributes:
        a, b: Shapes as the operator takes them where neither operand is to be transposed.
        constant: Which operand is a constant: ``""``, ``"a"`` or ``"b"``.
        zeros: Zero points of a and b, of int8.
        output: The output's calibration, where there is no multiplier.
        multiplier: Scale of the sums over the output's.
    """

    a: Shape
    b: Shape
    adj_x: bool = False
    adj_y: bool = False
    constant: str = ""
    zeros: tuple[int, int] = (-3, 11)
    output: Calibration = COVERING
    multiplier: float | None = None


_SHAPES: dict[str, tuple[Shape, Shape]] = {
    "matrices": ((3, 4), (4, 5)),
    "of_one": ((1, 1), (1, 1)),
    "rows_times_column": ((6, 7), (7, 1)),
    "batches": ((2, 3, 4), (2, 4, 5)),
    "batches_4": ((2, 3, 3, 4), (2, 3, 4, 2)),
    "batches_5": ((2, 2, 3, 2, 4), (2, 2, 3, 4, 2)),
    "one_b": ((3, 2, 4), (1, 4, 5)),
    "one_a": ((1, 2, 4), (3, 4, 5)),
    "b_of_lower_rank": ((2, 3, 2, 4), (4, 5)),
    "a_of_lower_rank": ((3, 4), (2, 2, 4, 5)),
    "both_broadcast": ((3, 1, 2, 4), (1, 2, 4, 5)),
    "inner_broadcast": ((2, 3, 2, 4), (2, 1, 4, 3)),
    "mixed_ranks": ((3, 1, 2, 4), (2, 4, 3)),
    "alternating": ((2, 1, 2, 3, 4), (1, 3, 1, 4, 2)),
}


def _products(dtype: str) -> Iterator[tuple[str, _Product]]:
    for name, (a, b) in _SHAPES.items():
        yield name, _Product(a, b)
    for name in ("matrices", "batches", "both_broadcast", "b_of_lower_rank"):
        plain = _Product(*_SHAPES[name])
        yield f"{name}_adj_x", replace(plain, adj_x=True)
        yield f"{name}_adj_y", replace(plain, adj_y=True)
        yield f"{name}_adj_x_adj_y", replace(plain, adj_x=True, adj_y=True)
    plain = _Product((2, 3, 9), (2, 9, 4))
    for constant in ("a", "b"):
        yield f"constant_{constant}", replace(plain, constant=constant)
        adjoint = replace(plain, constant=constant, adj_x=True, adj_y=True)
        yield f"constant_{constant}_adj", adjoint
    if dtype == "float32":
        return
    yield "saturating", replace(plain, output=Calibration(stretch=0.04))
    yield "few_codes", replace(plain, output=Calibration(stretch=30.0))
    for exponent in (-20, -14, -9):
        multiplier = 1.3 * 2.0**exponent
        yield f"multiplier_2^{exponent}", replace(plain, multiplier=multiplier)
    yield "multiplier_flushed_to_zero", replace(plain, multiplier=0.9 * 2.0**-32)
    if dtype == "int16":
        yield "multiplier_1", _Product((2, 3, 1), (2, 1, 4), multiplier=1.0)
    if dtype == "int8":
        for zeros in ((0, 0), (-128, 127), (127, -128), (127, 127), (-128, 0), (0, 5), (-9, 1)):
            yield f"zero_points_{zeros[0]}_{zeros[1]}", replace(plain, zeros=zeros)
        yield "multiplier_3", replace(plain, multiplier=3.0)
        yield "depth_300", _Product((1, 3, 300), (1, 300, 2), multiplier=1.1 * 2.0**-13)


def _quantization(dtype: str, operand: int, zeros: tuple[int, int]) -> Quantization | None:
    if dtype == "float32":
        return None
    if dtype == "int16":
        return Quantization(((0.00021, 0.00047)[operand],), (0,))
    return Quantization(((0.031, 0.047)[operand],), (zeros[operand],))


def _case(dtype: str, name: str, product: _Product) -> Case:
    def build(builder: NetworkBuilder) -> str:
        operands = []
        adjoint = (product.adj_x, product.adj_y)
        for index, shape in enumerate((product.a, product.b)):
            stored = (*shape[:-2], shape[-1], shape[-2]) if adjoint[index] else shape
            quantization = _quantization(dtype, index, product.zeros)
            if product.constant == "ab"[index]:
                operands.append(builder.constant(_values(builder, stored, dtype), quantization))
            else:
                operands.append(builder.input(stored, quantization, dtype))
        a, b = operands
        output: Calibration | Quantization = product.output
        if product.multiplier is not None:
            scales = builder.quantization(a).scale * builder.quantization(b).scale
            zero = -9 if dtype == "int8" else 0
            output = Quantization((scales / product.multiplier,), (zero,))
        return _add(builder, a, b, adjoint, output)

    return f"BATCH_MATMUL/{dtype}/{name}", build


def _values(builder: NetworkBuilder, shape: Shape, dtype: str) -> NDArray[Any]:
    if dtype == "float32":
        return builder.rng.standard_normal(shape).astype(np.float32)
    info = np.iinfo(dtype)
    return builder.rng.integers(info.min, info.max + 1, shape).astype(dtype)


def _add(
    builder: NetworkBuilder,
    a: str,
    b: str,
    adjoint: tuple[bool, bool],
    output: Calibration | Quantization,
) -> str:
    left, right = (
        values.swapaxes(-1, -2) if swapped else values
        for values, swapped in zip(_samples(builder, a, b), adjoint, strict=True)
    )
    real = left @ right
    dtype = builder.dtype(a)
    quantization = None
    if dtype != "float32":
        sums = builder.quantization(a).scale * builder.quantization(b).scale
        floor = sums * _SUM_LIMIT[dtype] * left.shape[-1] / 2**29
        chosen = resolve(output, real, dtype)
        quantization = chosen if isinstance(output, Quantization) else at_least(floor, chosen)
    options = Fields.of("BatchMatMulOptions", AdjX=adjoint[0], AdjY=adjoint[1])
    return builder.operator("BATCH_MATMUL", (a, b), options, real, quantization, dtype=dtype)


def _samples(builder: NetworkBuilder, a: str, b: str) -> Iterator[NDArray[np.float64]]:
    """Samples of both, with as many dimensions behind the first."""
    rank = max(len(builder.shape(a)), len(builder.shape(b)))
    for name in (a, b):
        shape = builder.shape(name)
        values = builder.values(name)
        yield values.reshape(values.shape[0], *(1,) * (rank - len(shape)), *shape)


CASES: list[Case] = [
    _case(dtype, name, product) for dtype in _DTYPES for name, product in _products(dtype)
]
NOT_IN_TFLM: set[tuple[str, str]] = set()


def _takes(growth: Growth, x: str) -> bool:
    builder, dtype = growth.builder, growth.builder.dtype(x)
    if dtype not in _DTYPES or not 2 <= len(builder.shape(x)) <= 5:
        return False
    if dtype == "float32":
        return True
    symmetric = dtype == "int8" or builder.quantization(x).zero_point == 0
    return builder.is_quantized(x) and symmetric


def _batch_matmul(growth: Growth, x: str) -> str | None:
    """A product with a constant, with a network input, or of x with itself turned round."""
    builder, choices = growth.builder, growth.choices
    if not _takes(growth, x):
        return None
    dtype, (*batches, rows, depth) = builder.dtype(x), builder.shape(x)
    if choices.one_in(3):
        if not growth.fits((*batches, rows, rows)):
            return None
        return growth.done(_add(builder, x, x, (False, True), COVERING), x)
    columns = choices.integer(1, 8)
    if not growth.fits((*batches, rows, columns)):
        return None
    leading = choices.one_of((tuple(batches), (1,) * len(batches), ()))
    adj_y = choices.one_in(2)
    shape = (*leading, columns, depth) if adj_y else (*leading, depth, columns)
    quantization = _quantization(dtype, 1, (0, choices.integer(-128, 127)))
    if choices.one_in(2):
        other = builder.input(shape, quantization, dtype)
    else:
        other = builder.constant(_values(builder, shape, dtype), quantization)
    return growth.done(_add(builder, x, other, (False, adj_y), COVERING), x, other)


STEPS: dict[str, Step] = {"BATCH_MATMUL": _batch_matmul}
