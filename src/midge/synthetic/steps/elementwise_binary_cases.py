"""Operators on each element of two or more tensors, each alone: every shape, type and extreme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from midge.synthetic.calibration import COVERING, Calibration
from midge.synthetic.elementwise import (
    ACTIVATED,
    COMPARISONS,
    LOGICAL,
    constant_of,
    elementwise,
    needs_divisors,
)
from midge.synthetic.growth import Case
from midge.synthetic.model_description import Quantization
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.single_op_layers import ACTIVATIONS

Shape = tuple[int, ...]
_IMAGE = (1, 3, 4, 5)
# Shapes of the first and the second operand, and what the second is: an input, the first again, or
# a constant, which may stand first.
_SHAPES: dict[str, tuple[Shape, Shape, str]] = {
    "images": (_IMAGE, _IMAGE, "input"),
    "per_channel": (_IMAGE, (5,), "constant"),
    "both_broadcast": ((2, 1, 4, 1), (1, 3, 1, 5), "input"),
    "rank_1": ((9,), (9,), "input"),
    "one_element": ((1,), (1,), "input"),
    "scalar": ((2, 3), (), "constant"),
    "itself": (_IMAGE, _IMAGE, "itself"),
    "constant_first": (_IMAGE, (4, 5), "constant first"),
    "per_row_first": ((1, 3, 1, 1), _IMAGE, "input"),
    "lower_rank": (_IMAGE, (4, 5), "constant"),
    "leading_ones_only": ((4, 5), (1, 1, 4, 5), "input"),
    "six_dimensions": ((2, 1, 3, 1, 2, 1), (1, 2, 1, 2, 1, 3), "input"),
    "long_rows": ((2, 40), (40,), "input"),
}
_FEW = ("images", "per_channel", "both_broadcast")
DTYPES = {
    "ADD": ("int16", "int32", "float32"),
    "SUB": ("int8", "int16", "int32", "float32"),
    "MUL": ("int8", "int16", "int32", "float32"),
    "DIV": ("int8", "int32", "float32"),
    "SQUARED_DIFFERENCE": ("int8", "int16", "int32", "float32"),
    "MINIMUM": ("int8", "int16", "int32", "int64", "float32"),
    "MAXIMUM": ("int8", "int16", "int32", "int64", "float32"),
    "FLOOR_DIV": ("float32",),
    "FLOOR_MOD": ("float32",),
    "PRELU": ("int8", "int16", "float32"),
    **dict.fromkeys(COMPARISONS, ("int8", "int32", "int64", "float32")),
    "EQUAL": ("int8", "int32", "int64", "float32", "bool"),
    "NOT_EQUAL": ("int8", "int32", "int64", "float32", "bool"),
    **dict.fromkeys(LOGICAL, ("bool",)),
}
"""Element types of the first operand; those of int8 ADD stand in `single_op_networks`."""
_EVERY_SHAPE = {
    *(("SUB", dtype) for dtype in DTYPES["SUB"]),
    *(("MAXIMUM", dtype) for dtype in ("int8", "int16", "int64")),
    ("LESS", "int8"),
    ("PRELU", "int8"),
    ("LOGICAL_AND", "bool"),
    ("FLOOR_MOD", "float32"),
}
"""One loop nest serves all: a few of each kind of kernel meet every shape."""
_QUANTIZATIONS = {
    "int8": (Quantization((0.031,), (-20,)), Quantization((0.057,), (9,))),
    "int16": (Quantization((0.00031,), (0,)), Quantization((0.00057,), (0,))),
}


@dataclass(frozen=True)
class _Numbers:
    """How an operator is quantised.

    Attributes:
        first: Its first operand; None for the usual quantisation of its type.
        second: Its second.
        output: Its result.
    """

    first: Quantization | None = None
    second: Quantization | None = None
    output: Calibration | Quantization = COVERING


@dataclass(frozen=True)
class _Pair:
    """An operator on two operands.

    Attributes:
        op: Its schema name.
        dtype: Of the first operand, and but for the slopes of an int16 PRELU of both.
        shapes: A key of `_SHAPES`.
        numbers: Quantisations.
        activation: Fused.
        style: Of a constant; see `constant_of`.
        pot_scale_int16: Of the options of ADD and SUB.
    """

    op: str
    dtype: str
    shapes: str = "images"
    numbers: _Numbers = _Numbers()
    activation: str = "NONE"
    style: str = "mixed"
    pot_scale_int16: bool | None = None

    def build(self, builder: NetworkBuilder) -> str:
        """Add it."""
        a, b, kind = _SHAPES[self.shapes]
        dtypes = self.dtype, "int8" if (self.op, self.dtype) == ("PRELU", "int16") else self.dtype
        usual = _QUANTIZATIONS.get(self.dtype, (None, None))
        first = self.numbers.first or usual[0]
        second = self.numbers.second or _QUANTIZATIONS.get(dtypes[1], (None, None))[1]
        if self.op in ("MINIMUM", "MAXIMUM") or kind == "itself":
            second = first
        divides = needs_divisors(self.op, self.dtype)
        if divides and kind != "constant":
            kind = "constant"
        style = "divisors" if divides else self.style
        if kind == "constant first":
            held = constant_of(builder.rng, b, dtypes[0], style)
            operands = builder.constant(held, first), builder.input(a, second, dtypes[1])
        else:
            x = builder.input(a, first, dtypes[0])
            other = x
            if kind == "input":
                other = builder.input(b, second, dtypes[1])
            elif kind == "constant":
                zero = 0 if second is None else second.zero_point
                held = constant_of(builder.rng, b, dtypes[1], style, zero)
                other = builder.constant(held, second)
            operands = x, other
        fields = {} if self.pot_scale_int16 is None else {"PotScaleInt16": self.pot_scale_int16}
        return elementwise(
            builder,
            self.op,
            operands,
            activation=self.activation,
            output=self.numbers.output,
            **fields,
        )


def _shape_cases() -> Iterator[Case]:
    for op, dtypes in DTYPES.items():
        for dtype in dtypes:
            # With outputs narrower than inputs, long rows alone show that they stand too near.
            few = ("long_rows",) if op in COMPARISONS and dtype != "int8" else _FEW
            for name in _SHAPES if (op, dtype) in _EVERY_SHAPE else few:
                yield f"{op}/{dtype}/{name}", _Pair(op, dtype, name).build
            # The ends of a type, infinities and what is no number, above all where they meet.
            if dtype not in ("int8", "int16", "bool") and not needs_divisors(op, dtype):
                for name in ("lower_rank", "constant_first"):
                    pair = _Pair(op, dtype, name, style="special")
                    yield f"{op}/{dtype}/special_{name}", pair.build


def _activation_cases() -> Iterator[Case]:
    for op in ACTIVATED:
        for dtype in DTYPES[op]:
            # TFLite Micro forgets the activation of an ADD of int32, and Midge refuses it.
            forgotten = (op, dtype) == ("ADD", "int32")
            for name in () if forgotten else ACTIVATIONS:
                yield f"{op}/{dtype}/{name}", _Pair(op, dtype, activation=name).build


def _scaled(scale: float, zero_point: int = 0) -> Quantization:
    return Quantization((scale,), (zero_point,))


_ENDS = _Numbers(_scaled(0.031, -128), _scaled(0.031, 127))
_EQUAL = _Numbers(_scaled(0.031, -20), _scaled(0.031, -20))
_INT8_NUMBERS = {
    "zero_points_at_opposite_ends": _ENDS,
    "zero_points_at_the_other_ends": _Numbers(_scaled(0.031, 127), _scaled(0.07, -128)),
    "equal_scales": _EQUAL,
    "second_scale_2^-20": _Numbers(second=_scaled(3e-8, 3)),
    "second_scale_2^-40": _Numbers(second=_scaled(2.8e-14, 3)),
    "second_scale_2^20": _Numbers(second=_scaled(32500.0, 3)),
    "output_zero_point_at_an_end": _Numbers(output=Calibration(one_sided=True)),
    "saturating": _Numbers(output=Calibration(stretch=0.05)),
    "few_codes": _Numbers(output=Calibration(stretch=40.0)),
    "output_scale_far_below": _Numbers(output=Calibration(stretch=0.001)),
    "scales_of_powers_of_two": _Numbers(_scaled(0.25, 1), _scaled(2.0**-7, 2)),
}
_POWERS = _Numbers(_scaled(2.0**-15), _scaled(2.0**-13), _scaled(2.0**-13))
_INT16_NUMBERS = {
    "equal_scales": _Numbers(_scaled(0.00031), _scaled(0.00031)),
    "second_scale_2^-20": _Numbers(second=_scaled(3e-10)),
    "second_scale_2^20": _Numbers(second=_scaled(325.0)),
    "saturating": _Numbers(output=Calibration(stretch=0.05)),
    "few_codes": _Numbers(output=Calibration(stretch=400.0)),
    "output_scale_far_below": _Numbers(output=Calibration(stretch=0.001)),
    "scales_of_powers_of_two": _POWERS,
}
# The converter writes no such zero points for int16; TFLite Micro computes with them.
_SKEW = _Numbers(_scaled(0.0003, 30000), _scaled(0.0004, -32768))
_SLOPES = _scaled(0.0078, 13)


def _number_cases() -> Iterator[Case]:
    for op in ("SUB", "MUL", "SQUARED_DIFFERENCE", "PRELU", "DIV"):
        for name, numbers in _INT8_NUMBERS.items():
            yield f"{op}/int8/{name}", _Pair(op, "int8", numbers=numbers).build
    for op in ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"):
        for name, numbers in _INT16_NUMBERS.items():
            yield f"{op}/int16/{name}", _Pair(op, "int16", numbers=numbers).build
    for name in ("saturating", "few_codes", "output_scale_far_below"):
        numbers = replace(_INT16_NUMBERS[name], second=_SLOPES)
        yield f"PRELU/int16/{name}", _Pair("PRELU", "int16", numbers=numbers).build
    numbers = _Numbers(_scaled(0.0003, 30000), _SLOPES, _scaled(0.0005, -3000))
    yield "PRELU/int16/zero_points", _Pair("PRELU", "int16", numbers=numbers).build
    for op in ("ADD", "SUB"):
        for pot in (False, True):
            pair = _Pair(op, "int16", numbers=_POWERS, pot_scale_int16=pot)
            yield f"{op}/int16/pot_scale_{pot}", pair.build
        yield f"{op}/int16/zero_points", _Pair(op, "int16", numbers=_SKEW).build
        skewed = replace(_SKEW, output=_scaled(0.0003, -7))
        yield f"{op}/int16/all_zero_points", _Pair(op, "int16", numbers=skewed).build


def _comparison_cases() -> Iterator[Case]:
    pairs = {
        "zero_points_at_opposite_ends": _ENDS,
        "equal_scales": _EQUAL,
        "fine_scales": _Numbers(_scaled(0.0011, -20), _scaled(0.0012, 5)),
        "finest_scales": _Numbers(_scaled(1e-7, -20), _scaled(1e-12, 5)),
        "largest_scales": _Numbers(_scaled(0.99, -128), _scaled(0.9999999, -128)),
    }
    for op in COMPARISONS:
        for name, numbers in pairs.items():
            yield f"{op}/int8/{name}", _Pair(op, "int8", numbers=numbers).build


@dataclass(frozen=True)
class _Select:
    """A SELECT_V2.

    Attributes:
        shapes: Of condition, first and second choice.
        dtype: Of the choices.
        constants: Numbers of the operands that are constants.
    """

    shapes: tuple[Shape, Shape, Shape]
    dtype: str = "int8"
    constants: tuple[int, ...] = ()

    def build(self, builder: NetworkBuilder) -> str:
        """Add it."""
        choice = _QUANTIZATIONS.get(self.dtype, (None, None))[0]
        operands = []
        for number, shape in enumerate(self.shapes):
            dtype, quantization = ("bool", None) if number == 0 else (self.dtype, choice)
            if number in self.constants:
                held = constant_of(builder.rng, shape, dtype, "special")
                operands.append(builder.constant(held, quantization))
            else:
                operands.append(builder.input(shape, quantization, dtype))
        return elementwise(builder, "SELECT_V2", tuple(operands))


def _select_cases() -> Iterator[Case]:
    for dtype in ("int8", "int16", "float32"):
        same = (_IMAGE,) * 3
        for name, case in {
            "images": _Select(same, dtype),
            "rank_1": _Select(((7,),) * 3, dtype),
            "one_element": _Select(((1,), (1, 1), ()), dtype, (2,)),
            "condition_per_row": _Select(((3, 1, 1), _IMAGE, _IMAGE), dtype),
            "condition_for_all": _Select(((1,), _IMAGE, _IMAGE), dtype),
            "choices_broadcast": _Select((_IMAGE, (5,), (3, 1, 1)), dtype),
            "scalar_choices": _Select((_IMAGE, (), (1,)), dtype, (1, 2)),
            "all_broadcast": _Select(((2, 1, 1, 1), (1, 3, 1, 5), (1, 1, 4, 1)), dtype),
            "six_dimensions": _Select(
                ((2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 3), (2, 2, 1, 1, 2, 3)), dtype
            ),
            "second_choice_alternates": _Select(
                ((2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 3), (1, 1, 2, 1, 1, 3)), dtype
            ),
            "constant_condition": _Select(same, dtype, (0,)),
            "constant_first": _Select(same, dtype, (1,)),
            "constant_second": _Select((_IMAGE, _IMAGE, (4, 5)), dtype, (2,)),
        }.items():
            yield f"SELECT_V2/{dtype}/{name}", case.build


@dataclass(frozen=True)
class _AddN:
    """An ADD_N of so many tensors, the last of which may be a constant."""

    count: int
    dtype: str = "int8"
    shape: Shape = _IMAGE
    quantization: Quantization = Quantization((0.031,), (0,))  # noqa: RUF009 - it is frozen
    output: Calibration | Quantization = COVERING
    constant: bool = False

    def build(self, builder: NetworkBuilder) -> str:
        """Add it."""
        quantization = self.quantization if self.dtype == "int8" else None
        operands = [
            builder.input(self.shape, quantization, self.dtype)
            for _ in range(self.count - self.constant)
        ]
        if self.constant:
            held = constant_of(builder.rng, self.shape, self.dtype, "special")
            operands.append(builder.constant(held, quantization))
        return elementwise(builder, "ADD_N", tuple(operands), output=self.output)


def _add_n_cases() -> Iterator[Case]:
    for name, case in {
        "two": _AddN(2),
        "three": _AddN(3),
        "fifteen": _AddN(15, shape=(2, 3)),
        "one_element": _AddN(2, shape=(1,)),
        "constant": _AddN(3, constant=True),
        "zero_point": _AddN(3, quantization=_scaled(0.05, 10)),
        "zero_point_-128": _AddN(3, quantization=_scaled(0.05, -128)),
        "zero_point_127": _AddN(2, quantization=_scaled(0.05, 127)),
        "saturating": _AddN(4, output=Calibration(stretch=0.05)),
        "few_codes": _AddN(4, output=Calibration(stretch=40.0)),
        "output_zero_point_at_an_end": _AddN(4, output=Calibration(one_sided=True)),
        "output_scale_far_below": _AddN(2, output=Calibration(stretch=0.001)),
    }.items():
        yield f"ADD_N/int8/{name}", case.build
    for name, case in {
        "two": _AddN(2, "float32"),
        "five": _AddN(5, "float32"),
        "twenty": _AddN(20, "float32", (2, 3)),
        "one_element": _AddN(3, "float32", (1,)),
        "constant": _AddN(3, "float32", constant=True),
    }.items():
        yield f"ADD_N/float32/{name}", case.build


CASES = [
    *_shape_cases(),
    *_activation_cases(),
    *_number_cases(),
    *_comparison_cases(),
    *_select_cases(),
    *_add_n_cases(),
]
