"""Kernels of add: `add_s8.h`, with the DSP extension's high multiply where the core has it."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.c_emitter.windowed import activation_fields
from midge.graph.ops.add import Add

RANK = 6
"""Dimensions that the kernel walks over, after neighbours that behave alike are merged."""


def _attributes(layer: Layer) -> Add:
    attributes = layer.op.attributes
    if not isinstance(attributes, Add):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def broadcast_strides(
    shape: tuple[int, ...], operands: tuple[tuple[int, ...], ...]
) -> tuple[list[int], list[list[int]]]:
    """Merge dimensions over which every operand either advances densely or stands still.

    Args:
        shape: The output's.
        operands: Shapes that broadcast to it.

    Returns:
        Extents, outermost first, and for each operand its element strides, 0 where it is broadcast.
    """
    strides = []
    for operand in operands:
        padded = (1,) * (len(shape) - len(operand)) + operand
        dense = np.cumprod((1, *padded[:0:-1]))[::-1][: len(shape)]
        strides.append([0 if n == 1 else int(s) for n, s in zip(padded, dense, strict=True)])
    merged: list[int] = []
    kept: list[list[int]] = [[] for _ in operands]
    for d, extent in enumerate(shape):
        if extent == 1:
            continue
        if merged and all(k[-1] == s[d] * extent for k, s in zip(kept, strides, strict=True)):
            merged[-1] *= extent
            for k, s in zip(kept, strides, strict=True):
                k[-1] = s[d]
            continue
        merged.append(extent)
        for k, s in zip(kept, strides, strict=True):
            k.append(s[d])
    fill = RANK - len(merged)
    return [1] * fill + merged, [[0] * fill + k for k in kept]


class AddPortable(Kernel):
    """Element by element."""

    kinds = ("add",)
    variant = "portable"
    function = "midge_add_s8"
    source = "add_s8.h"

    def applies(self, layer: Layer) -> bool:
        """Up to six dimensions."""
        return _attributes(layer).rounding in weighted.ROUNDINGS and len(layer.output.shape) <= RANK

    def overlap(self, layer: Layer, index: int) -> int | None:
        """An element is read before it is overwritten; a broadcast one is read again."""
        return 0 if layer.input(index).shape == layer.output.shape else None

    def call(self, layer: Layer, places: Places) -> Call:
        """A constant operand stands in flash."""
        attributes = _attributes(layer)
        a, b, y = layer.input(0), layer.input(1), layer.output
        extent, (a_stride, b_stride) = broadcast_strides(y.shape, (a.shape, b.shape))
        fields: dict[str, object] = {
            "extent": extent,
            "a_stride": a_stride,
            "b_stride": b_stride,
            "a_zero": a.zero_point,
            "b_zero": b.zero_point,
        }
        fields |= activation_fields(y, attributes.activation)
        for name, factors in zip(("a", "b", "sum"), attributes.factors(a, b, y), strict=True):
            # 255 << 20, and the sum of two such, stay under 2**30.
            fields[name], _ = weighted.factor_fields(factors, True, places, name)
        constants = tuple(
            Constant(suffix, np.asarray(t.data, np.int8).reshape(-1), 1)
            for suffix, t in (("a", a), ("b", b))
            if t.is_constant
        )
        arguments = tuple(
            places.constant(suffix) if t.is_constant else place
            for suffix, t, place in zip(("a", "b"), (a, b), places.inputs, strict=True)
        )
        return Call((*arguments, places.outputs[0]), "midge_add", fields, constants)


class AddDsp(AddPortable):
    """The same source behind the DSP extension's header, which brings its high multiply."""

    variant = "dsp"
    source = "add_s8_dsp.h"
    requires = frozenset({"dsp"})


KERNELS = (AddPortable(), AddDsp())
