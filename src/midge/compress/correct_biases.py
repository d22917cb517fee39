"""correct_biases: what quantisation adds to a channel's mean is taken from its bias.

Rounding weights and clipping activations shifts the mean of what a channel sums. The shift is
measured on the calibration samples, layer by layer, each with the biases in front of it corrected
already. A sum is linear, so that its mean follows from the mean of its input.

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV
2019, section 4.2, with samples in the place of batch normalisation's statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from midge.compress.calibrate import Float64Array, Observed
from midge.compress.evaluate import stored_inputs, to_real
from midge.compress.lower import Lowered
from midge.compress.progress import shown
from midge.compress.samples import Samples
from midge.graph import Activation, Array, DType, Graph, Op, Tensor
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected

Corrections = Mapping[str, Float64Array]
"""What to add to the biases of ops, by name, float64 [channels]."""
_LINEAR = (Conv2D, DepthwiseConv2D, FullyConnected)


def corrections_of(
    graph: Graph, lowered: Lowered, observed: Observed, samples: Samples
) -> dict[str, Float64Array]:
    """Measure the shifts.

    Args:
        graph: The float graph. Of one with variables the shift is that of the weights' rounding
            alone, which needs no run.
        lowered: What it became; ops have the names of those that they stand for.
        observed: What the float graph's tensors held on these samples.
        samples: At least one.

    Returns:
        Corrections of the ops that compute with integers.
    """
    integer = lowered.graph
    originals = {op.name: op for op in graph.ops}
    values: list[dict[str, Array]] = [stored_inputs(integer, s) for s in samples.samples]
    tensors = dict(integer.tensors)
    last_reader = {n: i for i, op in enumerate(integer.ops) for n in op.inputs}
    found: dict[str, Float64Array] = {}
    for number, given_op in shown(list(enumerate(integer.ops)), "correcting biases"):
        op = given_op
        original = originals.get(op.name)
        if original is not None and _is_correctable(graph, integer, op, original):
            x, w = original.inputs[:2]
            mean = observed.moments[x].mean
            if not graph.variables:
                mean = _mean(tensors[op.inputs[0]], [v[op.inputs[0]] for v in values])
            wanted = _mean_sums(graph, original, observed.moments[x].mean, graph.tensors[w])
            held_sums = _mean_sums(graph, original, mean, tensors[op.inputs[1]])
            found[op.name] = wanted - held_sums
            op = _with_bias(tensors, op, found[op.name])
        if graph.variables:
            continue
        _run(tensors, op, values)
        for name in op.inputs:
            if last_reader.get(name) == number:
                for held_values in values:
                    held_values.pop(name, None)
    return found


def with_corrections(graph: Graph, corrections: Corrections) -> Graph:
    """The float graph with other biases; an op that had none gets one."""
    tensors = dict(graph.tensors)
    ops = []
    for op in graph.ops:
        if op.name not in corrections:
            ops.append(op)
            continue
        name = f"{op.name}/corrected_bias"
        data = corrections[op.name]
        if len(op.inputs) > 2 and op.inputs[2]:
            data = data + np.asarray(tensors[op.inputs[2]].data).astype(np.float64)
        bias = data.astype(np.float32)
        tensors[name] = Tensor(name, bias.shape, DType.FLOAT32, data=bias)
        ops.append(replace(op, inputs=(*op.inputs[:2], name)))
    return graph.with_ops(ops, tensors)


def _is_correctable(graph: Graph, integer: Graph, op: Op, original: Op) -> bool:
    """A weighted sum of integers whose input stands for the original's."""
    if not isinstance(op.attributes, _LINEAR) or op.kind != original.kind:
        return False
    x, w = integer.op_inputs(op)[:2]
    original_w = graph.op_inputs(original)[1]
    return (
        x is not None
        and x.quantization is not None
        and w is not None
        and w.is_constant
        and original_w is not None
        and w.shape == original_w.shape
    )


def _mean(tensor: Tensor, held: list[Array]) -> Float64Array:
    total = np.zeros(tensor.shape)
    for values in held:
        total += to_real(tensor, values)
    return total / len(held)


def _mean_sums(graph: Graph, op: Op, mean: Float64Array, weights: Tensor) -> Float64Array:
    """The mean over everything but channels of the op's sums without bias, on a mean input."""
    attributes = op.attributes
    assert isinstance(attributes, _LINEAR)
    linear = replace(attributes, activation=Activation.NONE)
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    reals = to_real(weights, np.asarray(weights.data)).astype(np.float32)
    w = Tensor(weights.name, weights.shape, DType.FLOAT32, data=reals)
    (sums,) = linear.evaluate((mean.astype(np.float32), reals), (x, w), (y,))
    means: Float64Array = sums.astype(np.float64).reshape(-1, sums.shape[-1]).mean(axis=0)
    return means


def _with_bias(tensors: dict[str, Tensor], op: Op, correction: Float64Array) -> Op:
    """The integer op with the correction in steps of its sums."""
    x, w = tensors[op.inputs[0]], tensors[op.inputs[1]]
    assert w.quantization is not None
    steps = np.rint(correction / (x.scale * w.quantization.scale.astype(np.float64)))
    dtype = DType.INT64 if x.dtype is DType.INT16 else DType.INT32
    if len(op.inputs) > 2 and op.inputs[2]:
        steps = steps + np.asarray(tensors[op.inputs[2]].data)
    name = f"{op.name}/corrected_bias"
    data = steps.astype(dtype.numpy)
    tensors[name] = Tensor(name, data.shape, dtype, data=data)
    return replace(op, inputs=(*op.inputs[:2], name))


def _run(tensors: Mapping[str, Tensor], op: Op, values: list[dict[str, Array]]) -> None:
    """The op on every sample."""
    inputs = [tensors[n] if n else None for n in op.inputs]
    outputs = [tensors[n] for n in op.outputs]
    constants = {t.name: t.data for t in inputs if t is not None and t.is_constant}
    for held in values:
        operands = [held.get(n, constants.get(n)) if n else None for n in op.inputs]
        for name, result in zip(
            op.outputs, op.attributes.evaluate(operands, inputs, outputs), strict=True
        ):
            held[name] = np.asarray(result)
