"""What a page draws of a quantised network: how its tensors' values lie under the codes.

Plain numbers, counted on evaluation samples; `midge.report.render_quantization_html` draws them.
Layers are told by the names of their output tensors, which quantisation keeps, as in `inspect`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from midge.compress.evaluate import Values, runs, to_real
from midge.compress.lower import Lowered
from midge.compress.measure import Answers, channel_factors, held
from midge.compress.samples import FEW_SAMPLES, Labels, Samples
from midge.graph import DType, Graph, Op, Tensor, outputs_of

Json = dict[str, Any]
Float64Array = npt.NDArray[np.float64]

BINS = 64
MOST_SAMPLES = 32
"""Whose values are counted layer by layer."""
MOST_VALUES = 1 << 16
"""Of a layer, over all samples."""
MOST_POINTS = 600
"""Of the cloud of outputs."""
MOST_CLASSES = 24
"""Of a table of answers."""
MOST_CHANNELS = 96
"""Of a layer, whose ranges are listed."""
MOST_BEYOND = 1.0
"""How far the axis goes beyond the codes at most, as a multiple of their range."""
INNER = 0.99
"""Share of the values that lie in a layer's inner range."""


def pictures_of(graph: Graph, samples: Samples, reference: Graph | None = None) -> Json:
    """Count what is drawn.

    Args:
        graph: A quantised network.
        samples: Real numbers from `take_samples`, at least one; with labels, answers are told
            right from wrong.
        reference: The float network that it came from, with the same inputs and outputs.

    Returns:
        Dictionaries, lists, strings and numbers: ``layers``, one for each layer that has an output
        of integers or a counterpart in the float network; ``outputs`` and ``answers``, None without
        the float network.
    """
    names = {} if reference is None else {n: n for n in graph.tensors if n in reference.tensors}
    lowered = Lowered(graph, names)
    factors: Mapping[str, Float64Array] = {}
    if reference is not None:
        few = samples.at_most(FEW_SAMPLES, stream=bool(graph.variables))
        factors = channel_factors(reference, lowered, few)
    layers = [_Layer(op, graph.tensors[op.outputs[0]]) for op in graph.ops if op.outputs]
    given: list[Values] = []
    right: list[Values] = []
    step = max(-(-len(samples) // MOST_SAMPLES), 1)
    exact: Iterable[Values | None] = [None] * len(samples)
    if reference is not None:
        exact = runs(reference, samples, "")
    for number, (coded, reals) in enumerate(
        zip(runs(graph, samples, "drawing"), exact, strict=True)
    ):
        given.append(outputs_of(graph, coded))
        if reals is not None and reference is not None:
            right.append(outputs_of(reference, reals))
        if number % step == 0:
            for layer in layers:
                layer.add(coded, reals, factors.get(layer.tensor.name))
    shown = [row for layer in layers if (row := layer.to_json(graph, reference)) is not None]
    ours, theirs = _answers(graph, given), None
    if reference is not None:
        theirs = _answers(reference, right)
    return {
        "layers": shown,
        "outputs": None if theirs is None else _cloud(theirs, ours),
        "answers": None if theirs is None else _compared(theirs, ours, samples.labels),
    }


@dataclass
class _Layer:
    """What a layer's output held, sample by sample."""

    op: Op
    tensor: Tensor
    integers: list[Float64Array] = field(default_factory=list)
    reals: list[Float64Array] = field(default_factory=list)
    low: Float64Array | None = None
    high: Float64Array | None = None
    plain_low: Float64Array | None = None
    plain_high: Float64Array | None = None

    def add(self, coded: Values, reals: Values | None, factors: Float64Array | None) -> None:
        """One more sample: of the integer network, and of the float network where there is one."""
        name = self.tensor.name
        if self.tensor.dtype is not DType.FLOAT32 and self.tensor.quantization is None:
            return
        given = held(to_real(self.tensor, coded[name]))
        self.integers.append(_thinned(given))
        if reals is None or name not in reals or reals[name].shape != given.shape:
            return
        plain = held(reals[name])
        exact = plain if factors is None else plain * factors
        self.reals.append(_thinned(exact))
        self.low, self.high = _wider(self.low, self.high, exact)
        if factors is not None:
            self.plain_low, self.plain_high = _wider(self.plain_low, self.plain_high, plain)

    def to_json(self, graph: Graph, reference: Graph | None) -> Json | None:
        """The counts; None where nothing can be shown."""
        if not self.integers:
            return None
        integers = np.concatenate(self.integers)
        reals = np.concatenate(self.reals) if self.reals else None
        low, high, codes = self._axis(integers if reals is None else reals)
        inner = None
        if reals is not None:
            tail = (1 - INNER) / 2
            inner = [float(v) for v in np.quantile(reals, [tail, 1 - tail])]
        return {
            "name": self.op.name,
            "low": low,
            "high": high,
            "codes": codes,
            "scale": self.tensor.scale if codes is not None else None,
            "float": None if reals is None else _histogram(reals, low, high),
            "integer": _histogram(integers, low, high),
            "inner": inner,
            "channels": _ranges(self.low, self.high),
            "channels_before": _ranges(self.plain_low, self.plain_high),
            "weights": _weights(graph, reference, self.op),
        }

    def _axis(self, values: Float64Array) -> tuple[float, float, list[float] | None]:
        """What the picture spans, and what the codes do."""
        low, high = float(values.min()), float(values.max())
        codes = None
        if self.tensor.quantization is not None:
            ends = to_real(self.tensor, np.array(self.tensor.dtype.limits))
            codes = [float(ends[0]), float(ends[1])]
            beyond = MOST_BEYOND * (codes[1] - codes[0])
            low = max(min(low, codes[0]), codes[0] - beyond)
            high = min(max(high, codes[1]), codes[1] + beyond)
        if not high > low:
            margin = max(0.5, 0.01 * abs(high))
            low, high = low - margin, high + margin
        return low, high, codes


def _thinned(values: Float64Array) -> Float64Array:
    """At most a sample's share of `MOST_VALUES`, evenly spread."""
    flat = values.reshape(-1)
    step = -(-flat.size * MOST_SAMPLES // MOST_VALUES)
    # An odd step meets every channel of an image.
    return flat if step < 2 else flat[:: step | 1]


def _wider(
    low: Float64Array | None, high: Float64Array | None, values: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """The range of each channel, the last dimension, with one more sample."""
    rows = values.reshape(-1, values.shape[-1] if values.shape else 1)
    least, greatest = rows.min(axis=0), rows.max(axis=0)
    if low is None or high is None:
        return least, greatest
    return np.minimum(low, least), np.maximum(high, greatest)


def _histogram(values: Float64Array, low: float, high: float) -> list[int]:
    """Counts in `BINS` bins; what lies beyond an end is in the bin there."""
    counts, _ = np.histogram(np.clip(values, low, high), BINS, (low, high))
    return [int(c) for c in counts]


def _ranges(low: Float64Array | None, high: Float64Array | None) -> list[list[float]] | None:
    """[[least, greatest], ...] by channel; None where there are none, or too many to list."""
    if low is None or high is None or not 1 < len(low) <= MOST_CHANNELS:
        return None
    return [[float(a), float(b)] for a, b in zip(low, high, strict=True)]


def _weights(graph: Graph, reference: Graph | None, op: Op) -> Json | None:
    """The largest weight of each output channel, in the float network and as it is stored."""
    stored = _weights_of(graph, op)
    if stored is None or stored.quantization is None or stored.quantization.axis is None:
        return None
    axis = stored.quantization.axis
    if stored.data is None or not 1 < stored.shape[axis] <= MOST_CHANNELS:
        return None
    given = _largest(to_real(stored, stored.data), axis)
    exact = None
    if reference is not None:
        sources = [o for o in reference.ops if o.name == op.name or o.outputs == op.outputs]
        weights = [_weights_of(reference, source) for source in sources]
        for w in weights:
            if w is not None and w.data is not None and w.shape == stored.shape:
                exact = _largest(held(w.data), axis)
                break
    return {"dtype": stored.dtype.value, "stored": given, "float": exact}


def _weights_of(graph: Graph, op: Op) -> Tensor | None:
    """The op's constant second input."""
    constants = [t for t in graph.op_inputs(op)[1:2] if t is not None and t.is_constant]
    return constants[0] if constants else None


def _largest(weights: Float64Array, axis: int) -> list[float]:
    rows = np.moveaxis(np.abs(weights), axis, 0).reshape(weights.shape[axis], -1)
    return [float(v) for v in rows.max(axis=1)]


def _answers(graph: Graph, rows: Sequence[Values]) -> Answers:
    return Answers(
        {n: np.stack([held(to_real(graph.tensors[n], r[n])) for r in rows]) for n in graph.outputs}
    )


def _cloud(right: Answers, given: Answers) -> Json:
    """Pairs of elements of the first output, evenly spread over all."""
    exact, value = right.main.reshape(-1), given.main.reshape(-1)
    # Spread by a step, but not one that always meets the same element.
    chosen = np.unique(np.linspace(0, exact.size - 1, min(MOST_POINTS, exact.size)).astype(int))
    return {
        "name": next(iter(right.values)),
        "elements": int(exact.size),
        "points": [[float(exact[i]), float(value[i])] for i in chosen],
    }


def _compared(right: Answers, given: Answers, labels: Labels | None) -> Json | None:
    """Whose largest element is which; None for outputs of one element or of many."""
    classes = right.main.shape[1]
    if not 1 < classes <= MOST_CLASSES:
        return None
    theirs, ours = right.main.argmax(axis=1), given.main.argmax(axis=1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (theirs, ours), 1)
    judged = None
    if labels is not None:
        first, second = theirs == labels, ours == labels
        judged = {
            "both": int((first & second).sum()),
            "float": int((first & ~second).sum()),
            "integer": int((~first & second).sum()),
            "neither": int((~first & ~second).sum()),
        }
    return {"counts": counts.tolist(), "right": judged}
