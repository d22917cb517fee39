"""Kernels that compute with numbers as they are stored: int32, float32, minima and maxima."""

from __future__ import annotations

from midge.c_emitter.broadcast import BroadcastKernel, Fields, attributes_of
from midge.c_emitter.kernel import Layer, Places
from midge.graph import DType
from midge.graph.elementwise import Arithmetic, integer_activation_range
from midge.graph.float_clamp import float_activation_range
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.floor_division import FloorDiv, FloorMod
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.select import Select

_OPERATIONS = {
    Add.kind: "MIDGE_ADDITION",
    Sub.kind: "MIDGE_SUBTRACTION",
    Mul.kind: "MIDGE_MULTIPLICATION",
    Div.kind: "MIDGE_DIVISION",
    SquaredDifference.kind: "MIDGE_SQUARED_SUBTRACTION",
}


class ArithmeticInt32(BroadcastKernel):
    """Wraps around."""

    kinds = tuple(_OPERATIONS)
    types = (DType.INT32,)
    function = "midge_arithmetic_s32"
    source = "arithmetic_s32.h"
    struct = "midge_arithmetic_s32"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Which operation, and the clamp."""
        activation = attributes_of(layer, Arithmetic).clamp
        low, high = integer_activation_range(layer.output, activation)
        return {"operation": _OPERATIONS[layer.op.kind], "low": low, "high": high}, ()


class ArithmeticFloat(BroadcastKernel):
    """Single IEEE operations."""

    kinds = (*(kind for kind in _OPERATIONS if kind != Div.kind), Prelu.kind)
    types = (DType.FLOAT32,)
    function = "midge_arithmetic_f32"
    source = "arithmetic_f32.h"
    struct = "midge_arithmetic_f32"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Which operation, and the clamp of those that have one."""
        if layer.op.kind == Prelu.kind:
            return {"operation": "MIDGE_PARAMETRIC_RELU"}, ()
        low, high = float_activation_range(attributes_of(layer, Arithmetic).clamp)
        return {"operation": _OPERATIONS[layer.op.kind], "low": low, "high": high}, ()


class DivFloat(BroadcastKernel):
    """A division, correctly rounded."""

    kinds = (Div.kind,)
    types = (DType.FLOAT32,)
    function = "midge_div_f32"
    source = "div_f32.h"
    struct = "midge_div_f32"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """The clamp."""
        low, high = float_activation_range(attributes_of(layer, Div).activation)
        return {"low": low, "high": high}, ()


class FloorDivision(BroadcastKernel):
    """A division in double precision, or a remainder bit by bit."""

    kinds = (FloorDiv.kind, FloorMod.kind)
    types = (DType.FLOAT32,)
    function = "midge_floor_division_f32"
    source = "floor_division_f32.h"
    struct = "midge_floor_division"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Quotient or remainder."""
        return {"is_remainder": layer.op.kind == FloorMod.kind}, ()


class Extremum(BroadcastKernel):
    """The lesser or the greater."""

    kinds = (Minimum.kind, Maximum.kind)
    source = "extremum.h"
    struct = "midge_extremum"

    def __init__(self, dtype: DType, suffix: str) -> None:
        self.types = (dtype,)
        self.function = f"midge_extremum_{suffix}"

    def fields(
        self,
        layer: Layer,
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Which of the two."""
        return {"is_maximum": layer.op.kind == Maximum.kind}, ()


class SelectPortable(BroadcastKernel):
    """By a condition, element by element."""

    kinds = (Select.kind,)
    types = Select.types
    source = "select.h"
    struct = "midge_select"
    names = ("condition", "a", "b")

    def __init__(self, moved: DType, suffix: str) -> None:
        self._moved = moved
        self.function = f"midge_select_{suffix}"

    def applies(self, layer: Layer) -> bool:
        """Its own element type."""
        return layer.output.dtype is self._moved and super().applies(layer)

    def fields(
        self,
        layer: Layer,  # noqa: ARG002 - the interface has it
        places: Places,  # noqa: ARG002 - the interface has it
    ) -> Fields:
        """Nothing but the shape."""
        return {}, ()


KERNELS = (
    ArithmeticInt32(),
    ArithmeticFloat(),
    DivFloat(),
    FloorDivision(),
    Extremum(DType.INT8, "s8"),
    Extremum(DType.INT16, "s16"),
    Extremum(DType.INT32, "s32"),
    Extremum(DType.INT64, "s64"),
    Extremum(DType.FLOAT32, "f32"),
    SelectPortable(DType.INT8, "s8"),
    SelectPortable(DType.INT16, "s16"),
    SelectPortable(DType.FLOAT32, "f32"),
)
