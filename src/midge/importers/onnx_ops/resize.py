"""Resize: nearest pixels, or mixtures of neighbouring ones, at any positions that ONNX defines.

Where the graph's own resizing takes the same pixels with the same weights it is used. Elsewhere
nearest pixels are gathered, and mixtures are products with a matrix along each dimension.

Source: ONNX, Resize; `onnx/reference/ops/op_resize.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Tensor
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.gather import Gather
from midge.graph.ops.resize_bilinear import ResizeBilinear
from midge.graph.ops.resize_nearest import ResizeNearest
from midge.importers.onnx_ops.operands import OnnxOp, axes_of
from midge.importers.onnx_ops.registry import Converted, converts

LARGEST_EXTENT = 1 << 12
"""Of a dimension that is resized, in front and behind."""
MODES = ("nearest", "linear", "cubic")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
TRANSFORMATIONS = (
    *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"),
    "tf_crop_and_resize",
)
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Axis:
    """How one dimension is resized.

    Attributes:
        extent: Before.
        resized: After.
        scale: Of positions, which is not always their quotient.
        region: Begin and end of the part that is taken, of a tensor that reaches from 0 to 1.
    """

    extent: int
    resized: int
    scale: float
    region: tuple[float, float] = (0.0, 1.0)

    def positions(self, transformation: str) -> Doubles:
        """The place among the input's pixels of each of the output's."""
        x = np.arange(self.resized, dtype=np.float64)
        half = (x + 0.5) / self.scale - 0.5
        first, last = (v * (self.extent - 1) for v in self.region)
        exact = self.scale * self.extent
        steps = max(self.resized - 1, 1)
        found = {
            "half_pixel": half,
            "half_pixel_symmetric": self.extent / 2 * (1 - self.resized / exact) + half,
            "pytorch_half_pixel": half if self.resized > 1 else x,
            "align_corners": x * (self.extent - 1) / steps,
            "asymmetric": x / self.scale,
        }
        if transformation == "tf_crop_and_resize":
            return (
                first + x * (last - first) / steps if self.resized > 1 else x + (first + last) / 2
            )
        return found[transformation]


@converts("Resize", keeps_codes=True)
def convert_resize(op: OnnxOp) -> Converted:
    """Along dimensions whose extents change."""
    x, beyond = op.tensor(0), op.real("extrapolation_value", 0.0)
    mode = _one_of(op, "mode", MODES, "nearest")
    transformation = _one_of(op, "coordinate_transformation_mode", TRANSFORMATIONS, "half_pixel")
    rounding = _one_of(op, "nearest_mode", ROUNDINGS, "round_prefer_floor")
    antialias = op.flag("antialias") and mode != "nearest"
    exclude, cubic = op.flag("exclude_outside"), op.real("cubic_coeff_a", -0.75)
    crops = transformation == "tf_crop_and_resize"
    axes = _axes(op, x, crops=crops)
    still = [_Axis(n, n, 1.0) for n in x.shape]
    changed = [d for d, axis in enumerate(axes) if axis != still[d]]
    if crops and mode == "nearest":
        raise UnsupportedError("tf_crop_and_resize of nearest pixels; supported: linear, cubic")
    if mode == "nearest":
        indices = {d: _nearest(axes[d], transformation, rounding) for d in changed}
        return _gathered(op, x, axes, indices)
    x = op.float32(0)
    if mode == "linear" and not antialias and not exclude:
        made = _bilinear(x, axes, changed, transformation)
        if made is not None:
            return op.builder.channels_first(op.emit(made, op.builder.channels_last(x)))
    for d in changed:
        weights = _matrix(axes[d], transformation, mode, cubic, antialias, exclude)
        order = [i for i in range(len(x.shape)) if i != d] + [d]
        last = op.builder.transposed(x, order)
        at = axes[d].positions(transformation)
        outside = crops & ((at < 0) | (at > axes[d].extent - 1))
        weights[outside] = 0
        bias = op.constant(np.where(outside, beyond, 0), part="bias") if outside.any() else None
        mixed = op.emit(
            FullyConnected(keep_dims=True), last, op.constant(weights, part="weights"), bias
        )
        x = op.builder.transposed(mixed, [order.index(i) for i in range(len(order))])
    return x


def _one_of(op: OnnxOp, name: str, supported: tuple[str, ...], default: str) -> str:
    found = op.text(name, default)
    if found not in supported:
        raise UnsupportedError(f"attribute {name} is {found!r}; supported: {', '.join(supported)}")
    return found


def _axes(op: OnnxOp, x: Tensor, *, crops: bool) -> list[_Axis]:
    """Every dimension, from `roi`, `scales` or `sizes` and the attributes beside them."""
    rank = len(x.shape)
    policy = _one_of(
        op,
        "keep_aspect_ratio_policy",
        ("stretch", "not_larger", "not_smaller"),
        "stretch",
    )
    named = op.wholes("axes")
    axes = tuple(range(rank)) if named is None else axes_of(named, rank)
    result = [_Axis(n, n, 1.0) for n in x.shape]
    by_size = op.has(3) and op.array(3).size > 0
    if by_size == (op.has(2) and op.array(2).size > 0):
        raise UserError("expected either scales or sizes")
    given = op.array(3 if by_size else 2).astype(np.float64).reshape(-1).tolist()
    if len(given) != len(axes) or not all(math.isfinite(v) and v > 0 for v in given):
        raise UserError(f"scales or sizes {given[:16]} for {len(axes)} dimensions")
    ratios = [v / x.shape[d] if by_size else v for d, v in zip(axes, given, strict=True)]
    if by_size and policy != "stretch":
        ratio = min(ratios) if policy == "not_larger" else max(ratios)
        ratios = [ratio] * len(axes)
        given = [math.floor(ratio * x.shape[d] + 0.5) for d in axes]
    regions = _regions(op, len(axes)) if crops else [(0.0, 1.0)] * len(axes)
    for d, size, ratio, region in zip(axes, given, ratios, regions, strict=True):
        part = region[1] - region[0] if not by_size else 1.0
        resized = int(size) if by_size else math.floor(x.shape[d] * part * ratio)
        unchanged = resized == x.shape[d] and ratio == 1
        if not unchanged and not 1 <= max(resized, 1) <= LARGEST_EXTENT >= x.shape[d]:
            raise UnsupportedError(
                f"resizes {x.shape[d]} to {resized}; supported: 1 to {LARGEST_EXTENT}"
            )
        if resized < 1:
            raise UserError(f"resizes dimension {d} of {x.name}{list(x.shape)} to {resized}")
        result[d] = _Axis(x.shape[d], resized, ratio, region)
    return result


def _regions(op: OnnxOp, count: int) -> list[tuple[float, float]]:
    """Of each dimension, from the input `roi`: all begins, then all ends."""
    found = op.array(1).astype(np.float64).reshape(-1).tolist()
    if len(found) != 2 * count or not all(abs(v) < LARGEST_EXTENT for v in found):
        raise UserError(f"roi has {len(found)} numbers; expected {2 * count}, such as 0.5")
    return list(zip(found[:count], found[count:], strict=True))


def _nearest(axis: _Axis, transformation: str, rounding: str) -> npt.NDArray[np.int32]:
    """The input's pixel for each of the output's."""
    at = axis.positions(transformation)
    if rounding == "floor":
        found = np.floor(at)
    elif rounding == "ceil":
        found = np.ceil(at)
    elif rounding == "round_prefer_floor":
        found = np.ceil(at - 0.5)
    else:
        found = np.floor(at + 0.5)
    return np.clip(found, 0, axis.extent - 1).astype(np.int32)


def _gathered(
    op: OnnxOp, x: Tensor, axes: list[_Axis], indices: dict[int, npt.NDArray[np.int32]]
) -> Tensor:
    """By the graph's own operator where that takes the same pixels; else one axis at a time."""
    fits = len(x.shape) == 4 and max(x.shape[2:]) <= LARGEST_EXTENT
    if fits and indices and set(indices) <= {2, 3}:
        for flags in ({}, {"half_pixel_centers": True}, {"align_corners": True}):
            made = ResizeNearest(size=(axes[2].resized, axes[3].resized), **flags)
            if all(
                np.array_equal(
                    made.nearest(axes[d].extent, axes[d].resized),
                    indices.get(d, np.arange(axes[d].extent)),
                )
                for d in (2, 3)
            ):
                return op.builder.channels_first(op.emit(made, op.builder.channels_last(x)))
    for d, found in indices.items():
        x = op.emit(Gather(axis=d), x, op.constant(found, np.int32, part="indices"))
    return x


def _bilinear(
    x: Tensor, axes: list[_Axis], changed: list[int], transformation: str
) -> ResizeBilinear | None:
    """The graph's own operator, where positions are those that it has."""
    if len(x.shape) != 4 or not set(changed) <= {2, 3} or not changed:
        return None
    # It takes the quotient of the extents for a scale.
    if transformation != "align_corners" and any(
        axes[d].scale != axes[d].resized / axes[d].extent for d in (2, 3)
    ):
        return None
    size = axes[2].resized, axes[3].resized
    if transformation == "half_pixel" or (transformation == "pytorch_half_pixel" and min(size) > 1):
        return ResizeBilinear(size=size, half_pixel_centers=True)
    if transformation == "align_corners":
        return ResizeBilinear(size=size, align_corners=True) if min(size) > 1 else None
    return ResizeBilinear(size=size) if transformation == "asymmetric" else None


def _matrix(
    axis: _Axis, transformation: str, mode: str, cubic: float, antialias: bool, exclude: bool
) -> Array:
    """Weights [resized, extent] of the input's pixels, float32."""
    at = axis.positions(transformation)
    shrink = min(axis.scale, 1.0) if antialias else 1.0
    reach = (1 if mode == "linear" else 2) / shrink
    count = math.ceil(reach) * 2
    first = np.floor(at).astype(np.int64) - count // 2 + 1
    taps = first[:, None] + np.arange(count)
    distances = np.abs(taps - at[:, None]) * shrink
    if mode == "linear":
        weights = np.maximum(1 - distances, 0)
    else:
        near = ((cubic + 2) * distances - (cubic + 3)) * distances**2 + 1
        far = ((cubic * distances - 5 * cubic) * distances + 8 * cubic) * distances - 4 * cubic
        weights = np.where(distances <= 1, near, np.where(distances < 2, far, 0))
    outside = (taps < 0) | (taps >= axis.extent)
    if exclude:
        weights = np.where(outside, 0, weights)
    if exclude or antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((axis.resized, axis.extent))
    rows = np.broadcast_to(np.arange(axis.resized)[:, None], taps.shape)
    np.add.at(matrix, (rows, np.clip(taps, 0, axis.extent - 1)), weights)
    return matrix.astype(np.float32)
