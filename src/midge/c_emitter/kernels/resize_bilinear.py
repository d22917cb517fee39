"""Kernels of resize_bilinear: `resize_bilinear_s8.h`, `resize_bilinear_f32.h`."""

from __future__ import annotations

import numpy as np

from midge.c_emitter.kernel import Call, Kernel, Layer, Places
from midge.graph import DType
from midge.graph.ops.resize_bilinear import FRACTION_BITS, ResizeBilinear


class _Resize(Kernel):
    kinds = ("resize_bilinear",)

    def call(self, layer: Layer, places: Places) -> Call:
        """No constants."""
        attributes, x, y = layer.op.attributes, layer.input(0), layer.output
        if not isinstance(attributes, ResizeBilinear):
            raise TypeError(f"{layer.op.name} is a {layer.op.kind}")
        fields: dict[str, object] = {
            "batches": x.shape[0],
            "in_h": x.shape[1],
            "in_w": x.shape[2],
            "channels": x.shape[3],
            "out_h": y.shape[1],
            "out_w": y.shape[2],
        }
        steps = attributes.scales((x.shape[1], x.shape[2]), x.dtype)
        fields |= self.positions(steps, attributes.half_pixel_centers)
        return Call((places.inputs[0], places.outputs[0]), self.struct, fields)

    struct: str

    def positions(self, steps: tuple[float, float], half_pixel_centers: bool) -> dict[str, object]:
        """How positions in the input follow from numbers of output pixels."""
        raise NotImplementedError


class ResizePortable(_Resize):
    """In fixed point."""

    function = "midge_resize_bilinear_s8"
    source = "resize_bilinear_s8.h"
    struct = "midge_resize"

    def positions(self, steps: tuple[float, float], half_pixel_centers: bool) -> dict[str, object]:
        """Step and start, with 10 fraction bits."""
        height, width = (int(step) for step in steps)
        half = 1 << (FRACTION_BITS - 1)
        starts = [step // 2 - half if half_pixel_centers else 0 for step in (height, width)]
        return {
            "step_h": height,
            "step_w": width,
            "start_h": starts[0],
            "start_w": starts[1],
        }


class ResizeFloat(_Resize):
    """In float32, as TFLM does it."""

    types = (DType.FLOAT32,)
    function = "midge_resize_bilinear_f32"
    source = "resize_bilinear_f32.h"
    struct = "midge_resize_f32"

    def positions(self, steps: tuple[float, float], half_pixel_centers: bool) -> dict[str, object]:
        """Steps as float32."""
        return {
            "step_h": np.float32(steps[0]),
            "step_w": np.float32(steps[1]),
            "has_half_pixel_centers": half_pixel_centers,
        }


KERNELS = (ResizePortable(), ResizeFloat())
