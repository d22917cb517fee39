"""Runs a network over samples, one after the other, with its state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from midge.compress.progress import shown
from midge.compress.samples import Sample, Samples
from midge.graph import Array, DType, Graph, Tensor, initial_state, interpret, state_after
from midge.graph.float_math import round_half_away

Values = Mapping[str, Array]
"""Every tensor of a run but the constants, by name."""


def runs(graph: Graph, samples: Samples, what: str) -> Iterator[Values]:
    """What each tensor holds in each run; variables go on from one sample to the next.

    Args:
        graph: A verified graph; its quantised inputs take samples that are real numbers.
        samples: For the float network.
        what: For the line that says how far it is.
    """
    state = initial_state(graph)
    for sample in shown(samples.samples, what):
        values = interpret(graph, stored_inputs(graph, sample), state)
        state = state_after(graph, values)
        yield values


def stored_inputs(graph: Graph, sample: Sample) -> Sample:
    """A sample of real numbers as the graph takes it."""
    return {name: to_stored(graph.tensors[name], sample[name]) for name in graph.inputs}


def to_stored(tensor: Tensor, values: Array) -> Array:
    """Real numbers as the tensor holds them: rounded half away from zero, held within the type."""
    if tensor.quantization is None or values.dtype.kind != "f":
        return values
    low, high = (limit - tensor.zero_point for limit in tensor.dtype.limits)
    with np.errstate(over="ignore"):
        steps = round_half_away(np.asarray(values, np.float32) / np.float32(tensor.scale))
    codes = np.clip(steps, low, high).astype(np.int64) + tensor.zero_point
    return codes.astype(tensor.dtype.numpy)


def to_real(tensor: Tensor, values: Array) -> npt.NDArray[np.float64]:
    """What a tensor's elements stand for, float64; plain numbers stand for themselves."""
    quantization = tensor.quantization
    if quantization is None or tensor.dtype in (DType.FLOAT32, DType.BOOL):
        return values.astype(np.float64)
    shape = [1] * values.ndim
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    scale = quantization.scale.astype(np.float64).reshape(shape)
    zero = quantization.zero_point.reshape(shape)
    return np.asarray((values.astype(np.int64) - zero) * scale).reshape(values.shape)
