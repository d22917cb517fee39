"""fuse_pad: a border around an image becomes the padding of the convolution that reads it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from midge.graph import DType, Graph, Op
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.pad import Pad
from midge.graph.window import LARGEST_PARAMETER


def fuse_pad(graph: Graph) -> Graph:
    """Merge each pad of height and width into the one convolution that reads its output.

    Exact: a convolution takes what lies outside its image as the zero point, which is what `pad`
    writes. In float32 it leaves those terms out, and adding zero times a finite weight to a sum
    that starts from zero changes no bit. Pools do not count what lies outside, so pads before them
    stay.

    Requires a verified graph; ensures that no convolution is the only reader of a pad of height
    and width, but for pads that change the scale by a hair or are too wide for a window, and float
    weights that are not finite or not yet known.
    """
    readers = Counter(n for op in graph.ops for n in op.inputs)
    readers.update(graph.outputs)
    pads = {
        op.outputs[0]: op
        for op in graph.ops
        if _pads_image(op) and readers[op.outputs[0]] == 1 and _keeps_scale(graph, op)
    }
    ops = []
    fused: set[str] = set()
    for op in graph.ops:
        merged = op
        while isinstance(merged.attributes, Conv2D | DepthwiseConv2D):
            pad = pads.get(merged.inputs[0])
            wider = None if pad is None or not _is_finite(graph, merged) else _merge(pad, merged)
            if pad is None or wider is None:
                break
            fused.add(pad.name)
            merged = wider
        ops.append(merged)
    return graph.with_ops([op for op in ops if op.name not in fused]) if fused else graph


def _pads_image(op: Op) -> bool:
    """True for a pad of rank 4 with zeros that leaves batches and channels alone."""
    pad = op.attributes
    return (
        isinstance(pad, Pad)
        and len(op.inputs) == 1
        and len(pad.before) == 4
        and (pad.before[0], pad.before[3], pad.after[0], pad.after[3]) == (0, 0, 0, 0)
    )


def _keeps_scale(graph: Graph, op: Op) -> bool:
    """True where the convolution would rescale the pad's input as it does its output.

    A variable may be rewritten between the two; it is left alone.
    """
    (x,), (y,) = graph.op_inputs(op), graph.op_outputs(op)
    return x is not None and not x.variable and x.quantization == y.quantization


def _is_finite(graph: Graph, op: Op) -> bool:
    """True unless a float weight turns, or may turn, a zero into something else."""
    weights = graph.tensors[op.inputs[1]]
    if weights.dtype is not DType.FLOAT32:
        return True
    return weights.is_constant and bool(np.isfinite(np.asarray(weights.data)).all())


def _merge(pad_op: Op, op: Op) -> Op | None:
    """The convolution with the pad in its window; None where the window has no room for it."""
    pad, window = pad_op.attributes, op.attributes
    if not isinstance(pad, Pad) or not isinstance(window, Conv2D | DepthwiseConv2D):
        raise TypeError(f"{pad_op.kind} and {op.kind} do not merge")
    attributes = replace(
        window,
        pad_before=(window.pad_before[0] + pad.before[1], window.pad_before[1] + pad.before[2]),
        pad_after=(window.pad_after[0] + pad.after[1], window.pad_after[1] + pad.after[2]),
    )
    if max(*attributes.pad_before, *attributes.pad_after) > LARGEST_PARAMETER:
        return None
    return replace(op, attributes=attributes, inputs=(pad_op.inputs[0], *op.inputs[1:]))
