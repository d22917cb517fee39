"""Quantisation-aware training from start to end: ranges, training, integers, what that cost.

Training starts from what quantisation after training gives, ranges, evened-out channels and
corrected biases included, and ends in the same lowering.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from midge.compress.annotate import annotate
from midge.compress.calibrate import Observed, calibrate
from midge.compress.correct_biases import corrections_of, with_corrections
from midge.compress.equalize import equalize
from midge.compress.explain import Basis
from midge.compress.lower import lower
from midge.compress.measure import accuracy, agreement, answers_of
from midge.compress.quantize_graph import Quantized, report_of
from midge.compress.samples import Samples
from midge.compress.settings import QuantizeSettings
from midge.compress.torch_aware import FakeQuantized
from midge.compress.weights import LARGEST_CODES, Float64Array, may_be_int4, quantize_weights
from midge.graph import DType, Graph, verify

_NOTE = (
    "trained with quantisation in mind: outputs are compared with the float network's before that, "
    "layers with the trained weights in float"
)


@dataclass(frozen=True)
class AwareTraining:
    """A float network in training for its integers.

    Attributes:
        module: What is trained.
        reference: The float network that it began with.
        samples: What ranges were taken from.
        settings: What was asked for.
        equalized: Layers whose output channels were evened out before.
    """

    module: FakeQuantized
    reference: Graph
    samples: Samples
    settings: QuantizeSettings
    equalized: tuple[str, ...]

    def finish(self, evaluation: Samples | None = None, *, explained: bool = True) -> Quantized:
        """The network of integers that the module has become.

        Args:
            evaluation: What the report's figures are of; the calibration samples where left out.
            explained: As of `quantize_graph`.

        Raises:
            UserError: training has left numbers that are not finite.
        """
        trained = verify(self.module.trained_graph())
        annotations = self.module.trained_annotations()
        observed = calibrate(trained, self.samples)
        lowered = lower(trained, annotations, observed, self.settings)
        basis = Basis(trained, annotations, observed, self.settings, {}, lowered, self.samples)
        notes = (_NOTE, *lowered.remarks)
        report = report_of(basis, self.samples, evaluation, explained, self.equalized, notes)
        judged = evaluation or self.samples
        right, given = answers_of(self.reference, judged), answers_of(lowered.graph, judged)
        known = dict(report.accuracy or {})
        if (found := accuracy(right, judged.labels)) is not None:
            known["float"] = found
        report = replace(report, float_vs_integer=agreement(right, given), accuracy=known or None)
        return Quantized(lowered.graph, report, self.reference)


def begin_training(
    graph: Graph, samples: Samples, settings: QuantizeSettings, *, learn_ranges: bool = True
) -> AwareTraining:
    """A module to train, which starts as the network that quantisation after training gives.

    Args:
        graph: A float graph, images [n, h, w, c].
        samples: What ranges are taken from.
        settings: As of `quantize_graph`. What stays float is trained as well.
        learn_ranges: Scales of activations are trained.

    Raises:
        UserError: the graph keeps state, or gives NaN or infinities on the samples.
        UnsupportedError: operators have no integer form, or none that training passes through.
    """
    reference = verify(graph)
    observed = calibrate(reference, samples)
    source, equalized = reference, tuple[str, ...]()
    if settings.equalization:
        source, equalized = equalize(reference, observed)
        if equalized:
            observed = calibrate(source, samples)
    annotations = annotate(source, observed, settings)
    if settings.bias_correction:
        lowered = lower(source, annotations, observed, settings)
        source = with_corrections(source, corrections_of(source, lowered, observed, samples))
    module = FakeQuantized(
        source,
        annotations,
        weights=settings.weight_type,
        shares=_shares(source, observed, settings),
        learn_ranges=learn_ranges,
    )
    return AwareTraining(module, reference, samples, settings, equalized)


def _shares(
    graph: Graph, observed: Observed, settings: QuantizeSettings
) -> dict[str, Float64Array]:
    """Of each layer that int4 fits: where its channels' codes end, of their largest weight."""
    if settings.weight_type is not DType.INT4 or settings.activation_type is not DType.INT8:
        return {}
    found = {}
    for op in graph.ops:
        if not may_be_int4(graph, op) or op.inputs[0] not in observed.moments:
            continue
        weights = np.asarray(graph.tensors[op.inputs[1]].data)
        means = observed.moments[op.inputs[0]].mean_square.reshape(-1, weights.shape[-1])
        _, quantization = quantize_weights(
            weights,
            None,
            axis=0,
            dtype=DType.INT4,
            x_scale=1.0,
            long_sums=False,
            importance=means.mean(axis=0),
        )
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1).astype(np.float64)
        ends = quantization.scale.astype(np.float64) * LARGEST_CODES[DType.INT4]
        found[op.name] = np.where(largest > 0, ends / np.where(largest > 0, largest, 1), 1.0)
    return found
