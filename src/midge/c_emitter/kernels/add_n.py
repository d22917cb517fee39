"""Kernels of add_n: `add_n.h`."""

from __future__ import annotations

from midge.c_emitter import weighted
from midge.c_emitter.broadcast import attributes_of, elementwise_distance, factor_fields
from midge.c_emitter.kernel import Call, Kernel, Layer, Places, operands
from midge.graph import DType
from midge.graph.ops.add_n import AddN
from midge.graph.requantize import INT32_MAX

_FUNCTIONS = {
    DType.INT8: ("midge_add_n_s8", "int8_t"),
    DType.FLOAT32: ("midge_add_n_f32", "float"),
}


class AddNPortable(Kernel):
    """Element by element, over a list of tensors."""

    kinds = (AddN.kind,)
    source = "add_n.h"

    def __init__(self, dtype: DType) -> None:
        self.types = (dtype,)
        self.function, self._element = _FUNCTIONS[dtype]

    def applies(self, layer: Layer) -> bool:
        """The roundings that `requantize.h` has."""
        return attributes_of(layer, AddN).rounding in weighted.ROUNDINGS

    def overlap(self, layer: Layer, index: int) -> int | None:
        """As elements follow one another."""
        return elementwise_distance(layer, index)

    def call(self, layer: Layer, places: Places) -> Call:
        """Constant tensors stand in flash."""
        names = [f"x{i}" for i in range(len(layer.inputs))]
        tensors, constants = operands(layer, places, names)
        x, y = layer.input(0), layer.output
        fields: dict[str, object] = {"count": len(tensors), "size": y.size}
        if x.dtype is DType.INT8:
            attributes = attributes_of(layer, AddN)
            reach = min(attributes.largest_sum(len(tensors), x), INT32_MAX)
            factors = {"sum": attributes.factor(x, y)}
            fields |= {
                "x_zero": x.zero_point,
                **factor_fields(factors, {"sum": (-reach, reach)}, places),
                "y_zero": y.zero_point,
            }
        listed = f"(const {self._element} *const[]){{{', '.join(tensors)}}}"
        return Call((listed, places.outputs[0]), "midge_add_n", fields, constants)


KERNELS = (AddNPortable(DType.INT8), AddNPortable(DType.FLOAT32))
