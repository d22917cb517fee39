"""How far a network of integers is from the float network, layer by layer and at its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from midge.compress.evaluate import Values, runs, to_real, to_stored
from midge.compress.lower import Lowered
from midge.compress.samples import Labels, Samples
from midge.graph import Array, DType, Graph, Op, Tensor, outputs_of

Float64Array = npt.NDArray[np.float64]
LARGEST = float(np.finfo(np.float32).max)
LEAST_STEPS = 4
LEAST_CORRELATION = 0.98
"""Of a channel of integers and of reals: what has less is noise."""
MOST_COMPARED = 128
"""Samples on which layers are compared."""


def held(values: Array) -> Float64Array:
    """The values as float64; what is not finite counts as the end of float32's range, NaN as 0."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=LARGEST, neginf=-LARGEST)


@dataclass
class Noise:
    """Sums over samples of a signal's power and of an error's.

    Attributes:
        signal: Sum of squares of what is right.
        error: Sum of squares of what is off.
        elements: Number of elements.
    """

    signal: float = 0.0
    error: float = 0.0
    elements: int = 0

    def add(self, right: Array, given: Array) -> None:
        """One more array and what stands in its place."""
        exact = held(right)
        self.signal += float((exact * exact).sum())
        difference = held(given) - exact
        self.error += float((difference * difference).sum())
        self.elements += exact.size

    @property
    def snr_db(self) -> float | None:
        """Signal to noise in decibels; None where there is no signal, or no error."""
        if self.signal == 0 or self.error == 0:
            return None
        return float(10 * np.log10(self.signal / self.error))


@dataclass
class LayerNoise:
    """What one layer's output was.

    Attributes:
        whole: Its error with everything in front of it quantised.
        own: Its error on exact inputs: of rounding them, of its weights, and of its output.
        low: The least value of the float network.
        high: The greatest.
        clipped: Elements of the float network beyond the ends of the codes.
        saturated: Elements of the integer network that are at an end of the codes.
        elements: Number of elements.
    """

    whole: Noise = field(default_factory=Noise)
    own: Noise | None = None
    low: float = 0.0
    high: float = 0.0
    clipped: int = 0
    saturated: int = 0
    elements: int = 0


@dataclass(frozen=True)
class Answers:
    """A network's outputs on all samples.

    Attributes:
        values: float64 [N, ...] by the output's name: what it stands for.
    """

    values: Mapping[str, Float64Array]

    @property
    def main(self) -> Float64Array:
        """The first output's, as [N, elements]."""
        first = next(iter(self.values.values()))
        return first.reshape(len(first), -1)


@dataclass(frozen=True)
class Comparison:
    """Two networks on the same samples.

    Attributes:
        right: The float network's outputs.
        given: The integer network's.
        layers: What its layers were, by the op's name, in order; ops that have no counterpart in
            the float network are missing.
    """

    right: Answers
    given: Answers
    layers: Mapping[str, LayerNoise]


def compare(
    graph: Graph,
    lowered: Lowered,
    samples: Samples,
    factors: Mapping[str, Float64Array] | None = None,
) -> Comparison:
    """Compare every tensor of integers with the one that it stands for, and the outputs.

    Args:
        graph: The float network.
        lowered: What it became.
        samples: At least one.
        factors: What channels of the float network's tensors are multiplied by before layers are
            compared, by the tensor's name; see `channel_factors`.
    """
    integer = lowered.graph
    layers = [op for op in integer.ops if _comparable(graph, lowered, op)]
    found = {op.name: LayerNoise() for op in layers}
    factors = factors or {}
    right: list[Values] = []
    given: list[Values] = []
    step = max(-(-len(samples) // MOST_COMPARED), 1)
    pairs = zip(runs(graph, samples, "comparing"), runs(integer, samples, ""), strict=True)
    for number, (reals, coded) in enumerate(pairs):
        right.append(outputs_of(graph, reals))
        given.append(outputs_of(integer, coded))
        if number % step == 0:
            exact = dict(reals)
            exact |= {n: reals[n].astype(np.float64) * f for n, f in factors.items()}
            for op in layers:
                _add(found[op.name], lowered, op, exact, coded)
    return Comparison(_stacked(graph, right), _stacked(integer, given), found)


def channel_factors(graph: Graph, lowered: Lowered, samples: Samples) -> dict[str, Float64Array]:
    """Powers of two that a network's channels were multiplied by when they were evened out.

    Args:
        graph: The float network as it was before.
        lowered: The integer network.
        samples: A few are enough.

    Returns:
        By the float tensor's name, for those with a channel whose factor is not 1.
    """
    sums: dict[str, Float64Array] = {}
    tensors = {op.outputs[0] for op in lowered.graph.ops if _comparable(graph, lowered, op)}
    pairs = zip(runs(graph, samples, ""), runs(lowered.graph, samples, ""), strict=True)
    for exact, coded in pairs:
        for name in tensors:
            tensor, original = lowered.graph.tensors[name], lowered.stands_for[name]
            channels = tensor.shape[-1] if tensor.shape else 1
            rows = exact[original].astype(np.float64).reshape(-1, channels)
            given = to_real(tensor, coded[name]).reshape(rows.shape)
            # What is a few steps large, or less, is mostly rounded.
            given = np.where(np.abs(given) > LEAST_STEPS * _step(tensor), given, 0)
            rows = np.where(given != 0, rows, 0)
            each = np.stack([rows * given, rows * rows, given * given]).sum(axis=1)
            sums[original] = sums.get(original, np.zeros_like(each)) + each
    found = {}
    for name, (product, square, given_square) in sums.items():
        # Where the two do not go together there is no factor to be told.
        alike = product > LEAST_CORRELATION * np.sqrt(square * given_square)
        ratio = np.where(alike & (square > 0), product, 1) / np.where(square > 0, square, 1)
        factors = 2.0 ** np.rint(np.log2(np.where(alike & (square > 0), ratio, 1)))
        if np.any(factors != 1):
            found[name] = factors
    return found


def _step(tensor: Tensor) -> float:
    return 0.0 if tensor.quantization is None else tensor.scale


def _comparable(graph: Graph, lowered: Lowered, op: Op) -> bool:
    """The op's first output stands for a float tensor, element by element."""
    if not op.outputs or op.outputs[0] not in lowered.stands_for:
        return False
    original = graph.tensors[lowered.stands_for[op.outputs[0]]]
    tensor = lowered.graph.tensors[op.outputs[0]]
    return (
        original.dtype is DType.FLOAT32
        and not original.is_constant
        and original.shape == tensor.shape
        and (tensor.dtype is DType.FLOAT32 or tensor.quantization is not None)
    )


def _add(noise: LayerNoise, lowered: Lowered, op: Op, right: Values, given: Values) -> None:
    tensor = lowered.graph.tensors[op.outputs[0]]
    exact, stored = right[lowered.stands_for[tensor.name]], given[tensor.name]
    noise.whole.add(exact, to_real(tensor, stored))
    alone = _alone(lowered, op, right)
    if alone is not None:
        noise.own = noise.own or Noise()
        noise.own.add(exact, to_real(tensor, alone))
    noise.low, noise.high = min(noise.low, float(exact.min())), max(noise.high, float(exact.max()))
    noise.elements += stored.size
    if tensor.quantization is None:
        return
    low, high = tensor.dtype.limits
    ends = to_real(tensor, np.array([low, high]))
    half = tensor.scale / 2
    noise.clipped += int(((exact < ends[0] - half) | (exact > ends[1] + half)).sum())
    noise.saturated += int(((stored == low) | (stored == high)).sum())


def _alone(lowered: Lowered, op: Op, right: Values) -> Array | None:
    """What the op makes of exact inputs; None where one of them is not the float network's."""
    if op.attributes.updates():
        return None
    integer, operands = lowered.graph, list[Array | None]()
    for name in op.inputs:
        original = lowered.stands_for.get(name, name)
        tensor = integer.tensors[name] if name else None
        if tensor is None:
            operands.append(None)
        elif tensor.is_constant:
            operands.append(tensor.data)
        elif original in right and right[original].shape == tensor.shape:
            operands.append(to_stored(tensor, right[original]))
        else:
            return None
    outputs = integer.op_outputs(op)
    return np.asarray(op.attributes.evaluate(operands, integer.op_inputs(op), outputs)[0])


def answers_of(graph: Graph, samples: Samples, what: str = "") -> Answers:
    """Run a network over all samples."""
    return _stacked(graph, [outputs_of(graph, values) for values in runs(graph, samples, what)])


def _stacked(graph: Graph, rows: Sequence[Values]) -> Answers:
    return Answers(
        {n: np.stack([held(to_real(graph.tensors[n], r[n])) for r in rows]) for n in graph.outputs}
    )


@dataclass(frozen=True)
class Agreement:
    """How alike the outputs of two networks are.

    Attributes:
        snr_db: Of the second's outputs, the first's being right; None where they are equal.
        cosine: Mean over samples of the cosine between the two output vectors.
        top1: Share of samples whose largest element of the first output is the same; None for
            outputs of one element.
        largest_error: The largest difference of an element.
    """

    snr_db: float | None
    cosine: float
    top1: float | None
    largest_error: float


def agreement(right: Answers, given: Answers) -> Agreement:
    """Compare all outputs; `top1` looks at the first."""
    noise = Noise()
    cosines: list[Float64Array] = []
    largest = 0.0
    for name, exact in right.values.items():
        value = given.values[name]
        noise.add(exact, value)
        largest = max(largest, float(np.abs(exact - value).max()))
        cosines.append(_cosines(exact.reshape(len(exact), -1), value.reshape(len(value), -1)))
    top1 = None
    if right.main.shape[1] > 1:
        top1 = float((right.main.argmax(axis=1) == given.main.argmax(axis=1)).mean())
    return Agreement(noise.snr_db, float(np.mean(cosines)), top1, largest)


def _cosines(a: Float64Array, b: Float64Array) -> Float64Array:
    """Of each pair of rows; 1 where both are zero, 0 where one is."""
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    both_zero = ~a.any(axis=1) & ~b.any(axis=1)
    cosines = (a * b).sum(axis=1) / np.where(norms > 0, norms, 1)
    result: Float64Array = np.where(both_zero, 1.0, cosines)
    return result


def accuracy(answers: Answers, labels: Labels | None) -> float | None:
    """Share of samples whose largest element of the first output is the label's."""
    if labels is None or answers.main.shape[1] < 2:
        return None
    return float((answers.main.argmax(axis=1) == labels).mean())


def weights_bytes(graph: Graph, ops: Sequence[Op]) -> int:
    """Bytes of the constants that these ops read."""
    names = {n for op in ops for n in op.inputs if n and graph.tensors[n].is_constant}
    return sum(graph.tensors[n].size_bytes for n in names)
