"""Pixels in other places: TRANSPOSE, SPACE_TO_DEPTH and its kin, RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

import tflite

from midge.graph.ops.resize_nearest import ResizeNearest
from midge.graph.ops.space import BatchToSpace, DepthToSpace, SpaceToBatch, SpaceToDepth
from midge.graph.ops.transpose import Transpose
from midge.importers.tflite_ops.axes import expect_inputs
from midge.importers.tflite_ops.constant_inputs import integers, pairs, resolved
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_ops.registry import Converted, converts


@converts("TRANSPOSE", Transpose)
def transpose(op: Operands) -> Converted:
    """The constant permutation becomes an attribute."""
    expect_inputs(op, 2)
    x = op.input(0)
    rank = len(x.shape)
    axes = integers(op, 1, rank)
    return Transpose(permutation=tuple(resolved(axis, rank) for axis in axes)), (x,)


@converts("SPACE_TO_DEPTH", SpaceToDepth)
def space_to_depth(op: Operands) -> Converted:
    """Read the attribute."""
    expect_inputs(op, 1)
    return SpaceToDepth(block=op.options(tflite.SpaceToDepthOptions).BlockSize()), (op.input(0),)


@converts("DEPTH_TO_SPACE", DepthToSpace)
def depth_to_space(op: Operands) -> Converted:
    """Read the attribute."""
    expect_inputs(op, 1)
    return DepthToSpace(block=op.options(tflite.DepthToSpaceOptions).BlockSize()), (op.input(0),)


@converts("SPACE_TO_BATCH_ND", SpaceToBatch)
def space_to_batch(op: Operands) -> Converted:
    """Constant blocks and paddings become attributes."""
    expect_inputs(op, 3)
    x = op.input(0)
    block = integers(op, 1)
    before, after = pairs(op, 2, len(block), x)
    return SpaceToBatch(block=block, before=before, after=after), (x,)


@converts("BATCH_TO_SPACE_ND", BatchToSpace)
def batch_to_space(op: Operands) -> Converted:
    """Constant blocks and crops become attributes."""
    expect_inputs(op, 3)
    x = op.input(0)
    block = integers(op, 1)
    before, after = pairs(op, 2, len(block), x)
    return BatchToSpace(block=block, before=before, after=after), (x,)


@converts("RESIZE_NEAREST_NEIGHBOR", ResizeNearest)
def resize_nearest(op: Operands) -> Converted:
    """The constant size becomes an attribute."""
    expect_inputs(op, 2)
    options = op.options(tflite.ResizeNearestNeighborOptions)
    height, width = integers(op, 1, 2)
    attributes = ResizeNearest(
        size=(height, width),
        align_corners=bool(options.AlignCorners()),
        half_pixel_centers=bool(options.HalfPixelCenters()),
    )
    return attributes, (op.input(0),)
