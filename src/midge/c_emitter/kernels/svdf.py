"""Kernels of svdf: `svdf_s8.h`, `svdf_s8_dsp.h`, `svdf_f32.h`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter import overlap, weighted
from midge.c_emitter.kernel import Call, Constant, Kernel, Layer, Places
from midge.graph import DType, Tensor
from midge.graph.ops.svdf import Svdf
from midge.graph.requantize import INT32_MAX

X, FEATURE, TIME, MEMORY, BIAS = range(5)


def _attributes(layer: Layer) -> Svdf:
    attributes = layer.op.attributes
    if not isinstance(attributes, Svdf):
        raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
    return attributes


def _sizes(layer: Layer) -> dict[str, object]:
    batches, features = layer.input(X).shape
    filters, steps = layer.input(TIME).shape
    return {
        "batches": batches,
        "features": features,
        "filters": filters,
        "rank": _attributes(layer).rank,
        "steps": steps,
    }


class _Svdf(Kernel):
    """An input that is constant stands in flash, as the weights do."""

    kinds = (Svdf.kind,)
    reads_first = False

    def overlap(self, layer: Layer, index: int) -> int | None:
        """A row is read again for every filter."""
        if index != X:
            return None
        (batches, features), units = layer.input(X).shape, layer.output.shape[1]
        size = layer.output.dtype.size_bits // 8
        return overlap.rows(batches, size * features, size * units, reads_first=self.reads_first)


class SvdfPortable(_Svdf):
    """One filter at a time."""

    function = "midge_svdf_s8"
    source = "svdf_s8.h"

    def applies(self, layer: Layer) -> bool:
        """Any layer of int8 that rounds as the kernel does."""
        return _attributes(layer).rounding in weighted.ROUNDINGS

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        return self._call(layer, places, np.asarray(layer.input(FEATURE).data).reshape(-1), ())

    def _call(
        self,
        layer: Layer,
        places: Places,
        feature: npt.NDArray[np.generic],
        further: tuple[str, ...],
    ) -> Call:
        x, weights, time = (layer.input(i) for i in (X, FEATURE, TIME))
        offset = weighted.folded_bias(x, weights, None, channel_axis=0)
        constants = [
            *_constant_input(x),
            Constant("feature", feature),
            Constant("offset", weighted.padded_bias(offset)),
            Constant("time", np.asarray(time.data).reshape(-1)),
            Constant("bias", _time_bias(layer)),
        ]
        names = ("feature", "offset", "time", "bias")
        return Call(
            (
                places.constant("x") if x.is_constant else places.inputs[X],
                places.outputs[0],
                places.inputs[MEMORY],
                *(places.constant(name) for name in names),
                *further,
            ),
            "midge_svdf",
            self._fields(layer, places),
            tuple(constants),
        )

    def _fields(self, layer: Layer, places: Places) -> dict[str, object]:
        x, feature, time, memory = (layer.input(i) for i in (X, FEATURE, TIME, MEMORY))
        factors = _attributes(layer).factors(x, (feature, time, memory), layer.output)
        entering_is_narrow = weighted.is_narrow(x, feature, None, channel_axis=0)
        worst = _worst_sum_over_time(layer)
        low, high = memory.dtype.limits
        return {
            **_sizes(layer),
            "wide": memory.dtype is DType.INT16,
            "is_long": worst > INT32_MAX,
            "memory_zero": memory.zero_point,
            "memory_low": low,
            "memory_high": high,
            "y_zero": layer.output.zero_point,
            "entering": weighted.factor_fields(factors[0], entering_is_narrow, places)[0],
            "leaving": weighted.factor_fields(factors[1], worst < weighted.NARROW_SUM, places)[0],
        }


class SvdfDsp(SvdfPortable):
    """Two filters at a time from a widened row."""

    variant = "dsp"
    function = "midge_svdf_s8_dsp"
    source = "svdf_s8_dsp.h"
    requires = frozenset({"dsp"})
    rank = 10
    reads_first = True

    def scratch_bytes(self, layer: Layer) -> int:
        """One widened row."""
        return 2 * self._padded(layer)

    def _padded(self, layer: Layer) -> int:
        return -(-layer.input(X).shape[1] // 4) * 4

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights interleaved for pairs of filters."""
        feature = weighted.interleaved_pairs(np.asarray(layer.input(FEATURE).data, np.int8))
        row = f"(uint32_t *)(void *){places.scratch}"
        return self._call(layer, places, feature, (row, str(self._padded(layer))))


class SvdfFloat(_Svdf):
    """One filter at a time, in float32."""

    types = (DType.FLOAT32,)
    function = "midge_svdf_f32"
    source = "svdf_f32.h"

    def call(self, layer: Layer, places: Places) -> Call:
        """Weights as they stand in the graph."""
        x, bias = layer.input(X), layer.optional(BIAS)
        constants = [*_constant_input(x)]
        for name, tensor in (("feature", layer.input(FEATURE)), ("time", layer.input(TIME))):
            constants.append(Constant(name, np.asarray(tensor.data).reshape(-1)))
        if bias is not None:
            constants.append(Constant("bias", np.asarray(bias.data)))
        arguments = (
            places.constant("x") if x.is_constant else places.inputs[X],
            places.outputs[0],
            places.inputs[MEMORY],
            places.constant("feature"),
            places.constant("time"),
            "NULL" if bias is None else places.constant("bias"),
        )
        activation = f"MIDGE_SVDF_{_attributes(layer).activation.name}"
        fields = {**_sizes(layer), "activation": activation}
        return Call(arguments, "midge_svdf_f32", fields, tuple(constants))


def _constant_input(x: Tensor) -> tuple[Constant, ...]:
    return (Constant("x", np.asarray(x.data).reshape(-1)),) if x.is_constant else ()


def _time_bias(layer: Layer) -> npt.NDArray[np.int32]:
    """``bias - memory_zero * sum(time)``: the kernel may then sum stored values; int32 [units].

    The bias alone where sums may leave int32: there the kernel subtracts.
    """
    time, bias, units = layer.input(TIME), layer.optional(BIAS), layer.output.shape[1]
    folded = np.zeros(units, np.int64) if bias is None else np.asarray(bias.data).astype(np.int64)
    if _worst_sum_over_time(layer) <= INT32_MAX:
        sums = np.asarray(time.data).astype(np.int64).reshape(units, -1).sum(axis=1)
        folded = folded - layer.input(MEMORY).zero_point * sums
    return folded.astype(np.int32)


def _worst_sum_over_time(layer: Layer) -> int:
    """The largest magnitude of a sum, and of a partial one behind a folded bias."""
    time, memory, bias = layer.input(TIME), layer.input(MEMORY), layer.optional(BIAS)
    weights = np.abs(np.asarray(time.data).astype(np.int64)).reshape(layer.output.shape[1], -1)
    worst = weights.sum(axis=1) * (-memory.dtype.limits[0] + abs(memory.zero_point))
    if bias is not None:
        worst = worst + np.abs(np.asarray(bias.data).astype(np.int64))
    return int(worst.max())


KERNELS = (SvdfPortable(), SvdfDsp(), SvdfFloat())
