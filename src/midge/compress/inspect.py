"""inspect: what a quantised network does with its integers, and what quantisation cost.

A file of integers does not hold the float network that it came from. Where that is given as well,
every layer is compared with its counterpart by the tensors' names, and the outputs with its
outputs; channels that quantisation evened out are found by their factors, which are powers of two.
Without it, what the integers alone tell is told: the range that codes span, how many elements lie
at an end of it, channels that never change, and accuracy where there are labels.
"""

from __future__ import annotations

import numpy as np

from midge.compress.evaluate import runs
from midge.compress.layer_reports import layer_reports
from midge.compress.lower import Lowered
from midge.compress.measure import (
    LayerNoise,
    accuracy,
    agreement,
    answers_of,
    channel_factors,
    compare,
)
from midge.compress.report import Report
from midge.compress.samples import FEW_SAMPLES, Samples
from midge.errors import UserError
from midge.graph import Array, Graph, verify


def inspect(graph: Graph, samples: Samples, reference: Graph | None = None) -> Report:
    """Run a network over samples and report on its layers.

    Args:
        graph: A quantised network.
        samples: Real numbers, from `take_samples`, with labels where accuracy is wanted.
        reference: The float network that it came from, in the same layout; its inputs and outputs
            have the same names and shapes, in the same order.

    Returns:
        A report; fields that need the float network are None without it.

    Raises:
        UserError: inputs or outputs of the two networks differ.
    """
    verify(graph)
    seen, dead = _integer_layers(graph, samples)
    lowered, noises, right = Lowered(graph, {}), seen, None
    if reference is not None:
        _expect_same_ends(graph, reference)
        lowered = Lowered(graph, {n: n for n in graph.tensors if n in reference.tensors})
        few = samples.at_most(FEW_SAMPLES, stream=bool(graph.variables))
        factors = channel_factors(reference, lowered, few)
        compared = compare(reference, lowered, samples, factors)
        noises, right, given = {**seen, **compared.layers}, compared.right, compared.given
    else:
        given = answers_of(graph, samples, "integer network")
    accuracies = {
        name: found
        for name, answers in (("float", right), ("integer", given))
        if answers is not None and (found := accuracy(answers, samples.labels)) is not None
    }
    return Report(
        model=graph.name,
        settings={},
        calibration_samples=0,
        evaluation_samples=len(samples),
        evaluated_on_calibration=False,
        layers=layer_reports(lowered, reference, noises, {}, dead),
        weights_bytes=graph.constant_bytes(),
        float_weights_bytes=None if reference is None else reference.constant_bytes(),
        float_vs_integer=None if right is None else agreement(right, given),
        accuracy=accuracies or None,
        notes=() if reference is not None else ("no float network is given to compare with",),
    )


def _expect_same_ends(graph: Graph, reference: Graph) -> None:
    for role, ours, theirs in (
        ("input", graph.inputs, reference.inputs),
        ("output", graph.outputs, reference.outputs),
    ):
        found = {n: list(graph.tensors[n].shape) for n in ours}
        expected = {n: list(reference.tensors[n].shape) for n in theirs}
        if found != expected:
            raise UserError(
                f"{graph.name}: its {role}s are {found}, the reference's {expected}; give the "
                "float model that this one was quantised from"
            )


def _integer_layers(graph: Graph, samples: Samples) -> tuple[dict[str, LayerNoise], dict[str, int]]:
    """Saturation by layer, and the number of its channels that never changed."""
    seen: dict[str, LayerNoise] = {}
    least: dict[str, Array] = {}
    greatest: dict[str, Array] = {}
    layers = [op for op in graph.ops if op.outputs]
    for values in runs(graph, samples, "inspecting"):
        for op in layers:
            tensor = graph.tensors[op.outputs[0]]
            stored = np.asarray(values[tensor.name])
            rows = stored.reshape(-1, stored.shape[-1] if stored.shape else 1)
            low, high = rows.min(axis=0), rows.max(axis=0)
            least[op.name] = np.minimum(low, least.get(op.name, low))
            greatest[op.name] = np.maximum(high, greatest.get(op.name, high))
            if tensor.quantization is None:
                continue
            ends = tensor.dtype.limits
            noise = seen.setdefault(op.name, LayerNoise())
            noise.elements += stored.size
            noise.saturated += int(((stored == ends[0]) | (stored == ends[1])).sum())
    dead = {name: int((least[name] == greatest[name]).sum()) for name in least}
    return seen, dead
