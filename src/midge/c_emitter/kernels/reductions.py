"""Kernels of mean, sum, reduce_max, reduce_min, reduce_all: `reductions_*.h`."""

from __future__ import annotations

import math

import numpy as np

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.c_emitter.weighted import NARROW_SUM, factor_fields
from midge.graph import DType, Tensor
from midge.graph.ops.reductions import Mean, Reduction, Sum

RANK = 4
"""Dimensions that stay, and that go, after neighbours are merged: half of the highest rank."""


def reduction_groups(
    shape: tuple[int, ...], axes: tuple[int, ...]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Neighbouring dimensions that both stay, or both go, as one; those of extent 1 vanish.

    Returns:
        (extent, element stride) of the dimensions that stay and of those that go, each outermost
        first.
    """
    merged: list[tuple[bool, int, int]] = []
    for axis, extent in enumerate(shape):
        goes, stride = axis in axes, math.prod(shape[axis + 1 :])
        if extent == 1:
            continue
        alike = merged.pop()[1] if merged and merged[-1][0] == goes else 1
        merged.append((goes, extent * alike, stride))
    kept, reduced = ([(n, s) for g, n, s in merged if g is goes] for goes in (False, True))
    return kept, reduced


def _walk(name: str, groups: list[tuple[int, int]]) -> dict[str, object]:
    padded = [(1, 0)] * (RANK - len(groups)) + groups
    return {name: [n for n, _ in padded], f"{name}_stride": [s for _, s in padded]}


class _Reduction(Kernel):
    """One output after another."""

    def __init__(self, kinds: tuple[str, ...], dtype: DType, function: str) -> None:
        self.kinds = kinds
        self.types = (dtype,)
        self.function = function
        self.source = f"reductions_{'f32' if dtype is DType.FLOAT32 else 'integer'}.h"

    @staticmethod
    def _attributes(layer: Layer) -> Reduction:
        attributes = layer.op.attributes
        if not isinstance(attributes, Reduction):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        return attributes

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """An output is written after it is read, and before the first element of the next.

        The first elements of outputs stand at least one element apart, so the second output is the
        one that is nearest to them.
        """
        x = layer.input(0)
        size = x.dtype.size_bits // 8
        kept, _ = reduction_groups(x.shape, self._attributes(layer).axes)
        if not kept:
            return -x.size_bytes
        return size * (1 - kept[-1][1])

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = self._attributes(layer), layer.input(0)
        kept, reduced = reduction_groups(x.shape, attributes.axes)
        fields = _walk("kept", kept) | _walk("reduced", reduced)
        fields |= self.numbers(attributes, x, layer.output, places)
        return Call((places.inputs[0], places.outputs[0]), "midge_reduction", fields)

    def numbers(
        self,
        attributes: Reduction,  # noqa: ARG002 - for those that compute with numbers
        x: Tensor,  # noqa: ARG002
        y: Tensor,  # noqa: ARG002
        places: Places,  # noqa: ARG002
    ) -> dict[str, object]:
        """Further fields."""
        return {}


class _Rescaled(_Reduction):
    """Sums of integers."""

    def numbers(
        self, attributes: Reduction, x: Tensor, y: Tensor, places: Places
    ) -> dict[str, object]:
        """A mean's division is part of its factor."""
        if not isinstance(attributes, Mean | Sum):
            raise TypeError(f"no factor of {attributes.kind}")
        count = attributes.count(x)
        low, high = x.dtype.limits
        narrow = count * max(x.zero_point - low, high - x.zero_point) < NARROW_SUM
        factors, _ = factor_fields(attributes.factor(x, y), narrow, places)
        return {"start": -count * x.zero_point, "y_zero": y.zero_point, "factors": factors}


class _MeanFloat(_Reduction):
    """A sum that is divided."""

    def numbers(
        self,
        attributes: Reduction,
        x: Tensor,
        y: Tensor,  # noqa: ARG002 - as the others
        places: Places,  # noqa: ARG002
    ) -> dict[str, object]:
        """The count as TFLM has it, a float."""
        return {"count": np.float32(attributes.count(x))}


KERNELS = (
    _Rescaled(("mean", "sum"), DType.INT8, "midge_sum_s8"),
    _Rescaled(("mean", "sum"), DType.INT16, "midge_sum_s16"),
    _MeanFloat(("mean",), DType.FLOAT32, "midge_mean_f32"),
    _Reduction(("sum",), DType.FLOAT32, "midge_sum_f32"),
    *(
        _Reduction((kind,), dtype, f"midge_{kind}_{suffix}")
        for kind in ("reduce_max", "reduce_min")
        for dtype, suffix in (
            (DType.INT8, "s8"),
            (DType.INT16, "s16"),
            (DType.FLOAT32, "f32"),
        )
    ),
    _Reduction(("reduce_all",), DType.BOOL, "midge_reduce_all_u8"),
)
