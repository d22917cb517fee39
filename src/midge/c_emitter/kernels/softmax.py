"""Kernel of softmax: `softmax_s8.h`."""

from __future__ import annotations

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph.ops.softmax import Softmax


class SoftmaxPortable(Kernel):
    """Row by row, exponentials kept in scratch."""

    kinds = ("softmax",)
    variant = "portable"
    function = "midge_softmax_s8"
    source = "softmax_s8.h"

    def applies(self, layer: Layer) -> bool:  # noqa: ARG002 - nothing is left to refuse
        """Any row that `check` accepts."""
        return True

    def scratch_bytes(self, layer: Layer) -> int:
        """A word for each element of a row."""
        return 4 * layer.input(0).shape[-1]

    def overlap(self, layer: Layer, index: int) -> int | None:  # noqa: ARG002 - one input
        """A row is read before it is written."""
        return 0

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x = layer.op.attributes, layer.input(0)
        if not isinstance(attributes, Softmax):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        multiplier, shift, least = attributes.parameters(x)
        fields: dict[str, object] = {
            "rows": x.size // x.shape[-1],
            "length": x.shape[-1],
            "multiplier": multiplier,
            "left_shift": shift,
            "least": least,
        }
        scratch = f"(int32_t *)(void *){places.scratch}"
        return Call((places.inputs[0], places.outputs[0], scratch), "midge_softmax", fields)


KERNELS = (SoftmaxPortable(),)
