"""Arrays from users as samples, and outputs back in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import Array, DType, Graph, Tensor

Inputs = Array | Mapping[str, Array]


@dataclass(frozen=True)
class Samples:
    """Inputs of several inferences.

    Attributes:
        samples: For each inference its input arrays by name, of the declared shape and dtype.
        batched: The user gave a batch, and gets one back.
        named: The user gave arrays by name, and gets the same back.
    """

    samples: tuple[dict[str, Array], ...]
    batched: bool
    named: bool

    def pack(self, graph: Graph, outputs: list[dict[str, Array]]) -> Inputs:
        """Outputs of all inferences in the form that the inputs had.

        A batch is stacked along axis 0; a leading dimension of 1 in the tensor becomes the batch.
        """
        packed: dict[str, Array] = {}
        for name in graph.outputs:
            values = [o[name] for o in outputs]
            if not self.batched:
                packed[name] = values[0]
            elif graph.tensors[name].shape[:1] == (1,):
                packed[name] = np.concatenate(values)
            else:
                packed[name] = np.stack(values)
        return packed if self.named or len(packed) > 1 else packed[graph.outputs[0]]


def take_samples(graph: Graph, inputs: Inputs | None) -> Samples:
    """Check arrays against a graph's inputs and split them into inferences.

    Args:
        graph: The network.
        inputs: An array for a network with one input, or arrays by tensor name. Each is one sample
            (of the tensor's shape, a leading 1 may be left out) or a batch of samples along axis 0.
            None stands for one sample of seeded random values.

    Raises:
        UserError: a name, shape or dtype does not fit, or batches differ in length.
    """
    if inputs is None:
        return Samples((random_sample(graph),), batched=False, named=len(graph.inputs) > 1)
    named = isinstance(inputs, Mapping)
    arrays = dict(inputs) if isinstance(inputs, Mapping) else _single(graph, inputs)
    if set(arrays) != set(graph.inputs):
        raise UserError(
            f"inputs are named {sorted(arrays)}; {graph.name} has {sorted(graph.inputs)}"
        )
    split = {n: _split(graph.tensors[n], np.asarray(arrays[n])) for n in graph.inputs}
    lengths = {n: None if batch is None else len(batch) for n, (batch, _) in split.items()}
    if len(set(lengths.values())) != 1:
        raise UserError(f"inputs differ in their number of samples: {lengths}")
    (length,) = set(lengths.values())
    if length is None:
        return Samples(({n: sample for n, (_, sample) in split.items()},), False, named)
    rows = tuple(
        {n: batch[i] for n, (batch, _) in split.items() if batch is not None} for i in range(length)
    )
    return Samples(rows, True, named)


def random_sample(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Seeded values for each input; the same for the same seed.

    Small integers are uniform over their whole type, wide ones and floats of ordinary size.
    """
    generator = np.random.default_rng(seed)
    return {name: _random(graph.tensors[name], generator) for name in graph.inputs}


def _random(tensor: Tensor, generator: np.random.Generator) -> Array:
    kind = tensor.dtype
    if kind is DType.FLOAT32:
        return generator.standard_normal(tensor.shape).astype(kind.numpy)
    if kind is DType.BOOL:
        return generator.integers(0, 2, tensor.shape).astype(kind.numpy)
    low, high = kind.limits if kind.size_bits <= 16 else (-1000, 1000)
    return generator.integers(low, high + 1, tensor.shape).astype(kind.numpy)


def _single(graph: Graph, array: Array) -> dict[str, Array]:
    if len(graph.inputs) != 1:
        raise UserError(
            f"{graph.name} has {len(graph.inputs)} inputs; give each by name: {list(graph.inputs)}"
        )
    return {graph.inputs[0]: array}


def _split(tensor: Tensor, array: Array) -> tuple[Array | None, Array]:
    """(batch of samples or None, the sample when there is no batch)."""
    shape, expected = array.shape, tensor.shape
    if array.dtype != tensor.dtype.numpy:
        raise UserError(
            f"input {tensor.name!r} is {array.dtype}; expected {tensor.dtype.value}"
            + _how_to_quantize(tensor, array)
        )
    unbatched = expected[1:] if expected[:1] == (1,) else expected
    if shape in (expected, unbatched):
        return None, array.reshape(expected)
    if shape[1:] in (expected, unbatched) and shape[0] > 0:
        return array.reshape(shape[0], *expected), array
    raise UserError(
        f"input {tensor.name!r} has shape {list(shape)}; expected {list(expected)}, "
        f"or a batch [n, {', '.join(map(str, unbatched))}]"
    )


def _how_to_quantize(tensor: Tensor, array: Array) -> str:
    if array.dtype.kind != "f" or tensor.quantization is None:
        return ""
    return (
        f". Quantise it first: round(x / {tensor.scale:.9g}) + {tensor.zero_point}, "
        f"clipped to {tensor.dtype.limits[0]} .. {tensor.dtype.limits[1]}"
    )
