"""Kernels of softmax and log_softmax: `softmax_*.h`, `log_softmax_s8.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter import overlap
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.c_emitter.weighted import factor_fields
from midge.graph import DType
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.softmax import Softmax, int16_tables


def _attributes(layer: Layer) -> Softmax:
    attributes = layer.op.attributes
    if not isinstance(attributes, Softmax):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _rows(layer: Layer) -> dict[str, object]:
    x = layer.input(0)
    return {"rows": x.size // x.shape[-1], "length": x.shape[-1]}


def _differences(layer: Layer, parameters: tuple[int, int, int]) -> dict[str, object]:
    """``struct midge_softmax``."""
    multiplier, shift, least = parameters
    return _rows(layer) | {"multiplier": multiplier, "left_shift": shift, "least": least}


class SoftmaxPortable(Kernel):
    """Row by row, exponentials kept in scratch."""

    kinds = ("softmax",)
    function = "midge_softmax_s8"
    source = "softmax_s8.h"
    output = DType.INT8

    def applies(self, layer: Layer) -> bool:
        """Any row that `check` accepts."""
        return layer.output.dtype is self.output

    def scratch_bytes(self, layer: Layer) -> int:
        """A word for each element of a row."""
        return 4 * layer.input(0).shape[-1]

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A row is read before it is written."""
        x, y = layer.input(0), layer.output
        length = x.shape[-1]
        return overlap.rows(
            x.size // length, length, length * y.dtype.size_bits // 8, reads_first=True
        )

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        fields = _differences(layer, _attributes(layer).parameters(layer.input(0)))
        scratch = f"(int32_t *)(void *){places.scratch}"
        return Call((places.inputs[0], places.outputs[0], scratch), "midge_softmax", fields)


class SoftmaxWidening(SoftmaxPortable):
    """int8 to int16."""

    function = "midge_softmax_s8_s16"
    output = DType.INT16


class _InPlace(Kernel):
    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """Each element is read for the last time before it is written."""
        return 0


class SoftmaxInt16(_InPlace):
    """By tables; exponentials kept in the output."""

    kinds = ("softmax",)
    types = (DType.INT16,)
    function = "midge_softmax_s16"
    source = "softmax_s16.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """The tables do not depend on the layer."""
        x = layer.input(0)
        factors, _ = factor_fields(_attributes(layer).int16_factor(x), True, places)
        tables = dict(zip(("exponential", "reciprocal"), int16_tables(), strict=True))
        return Call(
            (places.inputs[0], places.outputs[0], *map(places.constant, tables)),
            "midge_softmax_s16",
            _rows(layer) | {"factors": factors},
            tuple(Constant(name, np.asarray(t), 2) for name, t in tables.items()),
        )


class SoftmaxFloat(_InPlace):
    """Exponentials kept in the output."""

    kinds = ("softmax",)
    types = (DType.FLOAT32,)
    function = "midge_softmax_f32"
    source = "softmax_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        fields = _rows(layer) | {"beta": np.float32(_attributes(layer).beta)}
        return Call((places.inputs[0], places.outputs[0]), "midge_softmax_f32", fields)


class LogSoftmaxPortable(_InPlace):
    """Exponentials are summed, not kept."""

    kinds = ("log_softmax",)
    function = "midge_log_softmax_s8"
    source = "log_softmax_s8.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = layer.op.attributes, layer.input(0)
        if not isinstance(attributes, LogSoftmax):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        inverse, _ = factor_fields(attributes.inverse_factor(x), False, places)
        fields: dict[str, object] = {
            "softmax": _differences(layer, attributes.parameters(x)),
            "inverse": inverse,
        }
        return Call((places.inputs[0], places.outputs[0]), "midge_log_softmax", fields)


class LogSoftmaxFloat(_InPlace):
    """Exponentials are summed, not kept."""

    kinds = ("log_softmax",)
    types = (DType.FLOAT32,)
    function = "midge_log_softmax_f32"
    source = "softmax_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        return Call((places.inputs[0], places.outputs[0]), "midge_softmax_f32", _rows(layer))


KERNELS = (
    SoftmaxPortable(),
    SoftmaxWidening(),
    SoftmaxInt16(),
    SoftmaxFloat(),
    LogSoftmaxPortable(),
    LogSoftmaxFloat(),
)
