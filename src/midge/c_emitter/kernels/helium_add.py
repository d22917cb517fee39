"""Kernel of add and sub with Helium: `add_s8_mve.h`."""

from __future__ import annotations

from midge.c_emitter.broadcast import attributes_of, elementwise_distance
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, operands
from midge.c_emitter.windowed import activation_fields
from midge.graph import DType, Rounding, Tensor
from midge.graph.ops.add import Add, CommonScale, Sub
from midge.graph.requantize import Requantization, activation_range

_HALF = (1 << 30, 0)
"""Multiplier and shift of the operand with the larger scale."""


class HeliumAdd(Kernel):
    """Four elements at a time, of operands of one shape."""

    kinds = (Add.kind, Sub.kind)
    variant = "helium"
    function = "midge_add_s8_mve"
    source = "add_s8_mve.h"
    requires = frozenset({"mve"})
    rank = 30

    def applies(self, layer: Layer) -> bool:
        """Factors that are one half, or shift to the right."""
        attributes = attributes_of(layer, CommonScale)
        a, b, y = layer.input(0), layer.input(1), layer.output
        if not (a.dtype is b.dtype is y.dtype is DType.INT8 and a.shape == b.shape == y.shape):
            return False
        if attributes.rounding not in (Rounding.TFLITE_DOUBLE, Rounding.SINGLE):
            return False
        *each, result = (_numbers(f) for f in attributes.factors(a, b, y))
        return result[1] < 0 and all(f == _HALF or f[1] < 0 for f in each)

    def overlap(self, layer: Layer, index: int) -> int | None:
        """Elements are read before they are overwritten."""
        return elementwise_distance(layer, index)

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant operand stands in flash."""
        attributes = attributes_of(layer, CommonScale)
        a, b, y = layer.input(0), layer.input(1), layer.output
        factor_a, factor_b, factor = attributes.factors(a, b, y)
        left_shift = attributes.left_shifts[y.dtype]
        inputs, held = operands(layer, places, ("a", "b"))
        multiplier, shift = _numbers(factor)
        low, _ = activation_range(y, attributes.clamp)
        return Call(
            (*inputs, places.outputs[0]),
            "midge_add_mve",
            {
                "count": y.size,
                "is_difference": layer.op.kind == Sub.kind,
                "is_double": attributes.rounding is Rounding.TFLITE_DOUBLE,
                "a": _operand(a, factor_a, left_shift),
                "b": _operand(b, factor_b, left_shift),
                "multiplier": multiplier,
                "shift": shift,
                "is_tie_seen": low < y.zero_point,
                **activation_fields(y, attributes.clamp),
            },
            held,
        )


def _numbers(factor: Requantization) -> tuple[int, int]:
    """Multiplier, and shift to the left; whatever is multiplied by 0 may be shifted as suits."""
    multiplier = int(factor.multiplier[0])
    return multiplier, int(factor.shift[0]) if multiplier else -1


def _operand(x: Tensor, factor: Requantization, left_shift: int) -> dict[str, object]:
    """``struct midge_operand_mve``."""
    multiplier, shift = _numbers(factor)
    is_half = (multiplier, shift) == _HALF
    gain = 1 << (left_shift - is_half)
    return {
        "gain": gain,
        "offset": -x.zero_point * gain,
        "is_halved": is_half,
        "multiplier": multiplier,
        "shift": shift,
    }


KERNELS = (HeliumAdd(),)
