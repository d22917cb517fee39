"""Generated kernel of add and sub of codes: `add_line.h`, `tiles/add.py`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import attributes_of, elementwise_distance
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, TileFunction, operands
from midge.c_emitter.tiles.add import Line, Pairs, add_function, find_line
from midge.graph import DType, Quantization, Tensor
from midge.graph.ops.add import Add, CommonScale, Sub
from midge.graph.requantize import activation_range


class AddTiles(Kernel):
    """Operands and output of one shape, eight elements a round."""

    kinds = (Add.kind, Sub.kind)
    variant = "tiles"
    function = "midge_add_s8_line"
    source = "add_line.h"
    requires = frozenset({"dsp"})
    rank = 20

    def applies(self, layer: Layer) -> bool:
        """Where a line equals every rounded sum."""
        shape = layer.output.shape
        if any(t.shape != shape or t.variable for t in (layer.input(0), layer.input(1))):
            return False
        rounding = attributes_of(layer, CommonScale).rounding
        return rounding in weighted.ROUNDINGS and _line(layer) is not None

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A round is read before it is written."""
        return elementwise_distance(layer, index)

    def tiles(self, layer: Layer) -> tuple[TileFunction, ...]:
        """The line."""
        return (add_function(_line_of(layer)),)

    def call(self, layer: Layer, places: Places) -> Call:
        """The numbers of the line."""
        line, y = _line_of(layer), layer.output
        inputs, held = operands(layer, places, ("a", "b"))
        low, high = activation_range(y, attributes_of(layer, CommonScale).clamp)
        return Call(
            (*inputs, places.outputs[0], line.name),
            "midge_add_line",
            {
                "count": y.size,
                "factor_a": line.factors[0],
                "factor_b": line.factors[1],
                "start": line.start,
                "cut": 8 if line.is_fine else 16,
                "addend": line.addend,
                "shift": line.shift,
                "low": low,
                "high": high,
                "is_signed": line.is_signed,
            },
            held,
        )


def _line(layer: Layer) -> Line | None:
    trio = layer.input(0), layer.input(1), layer.output
    return _found(
        attributes_of(layer, CommonScale), tuple((float(t.scale), t.zero_point) for t in trio)
    )


def _line_of(layer: Layer) -> Line:
    line = _line(layer)
    if line is None:
        raise ValueError(f"{layer.op.name}: the kernel does not apply")
    return line


@lru_cache(maxsize=256)
def _found(attributes: CommonScale, scales: tuple[tuple[float, int], ...]) -> Line | None:
    """The line for scales and zero points of a, b and y."""
    codes = np.arange(-128, 128)
    (scale_a, zero_a), (scale_b, zero_b), (scale_y, _) = scales
    a, b, y = (
        Tensor(name, (codes.size,) * 2, DType.INT8, Quantization.per_tensor(scale, zero))
        for name, (scale, zero) in zip("aby", scales, strict=True)
    )
    shape = a.shape
    every_a = np.broadcast_to(codes[:, None], shape).astype(np.int8)
    every_b = np.broadcast_to(codes, shape).astype(np.int8)
    (outputs,) = attributes.evaluate((every_a, every_b), (a, b), (y,))
    sign = -1.0 if isinstance(attributes, Sub) else 1.0
    low, high = activation_range(y, attributes.clamp)
    factors = scale_a / scale_y, sign * scale_b / scale_y
    return find_line(
        Pairs(factors, (zero_a, zero_b), np.asarray(outputs).astype(np.int64), low, high)
    )


KERNELS = (AddTiles(),)
