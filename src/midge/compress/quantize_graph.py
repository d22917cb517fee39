"""Post-training quantisation: a float network becomes one of integers.

Read `quantize_graph`: that is all of it, from top to bottom.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from midge.compress.annotate import CONVERSIONS, annotate
from midge.compress.calibrate import calibrate
from midge.compress.correct_biases import corrections_of, with_corrections
from midge.compress.equalize import equalize
from midge.compress.explain import Basis, explain
from midge.compress.layer_reports import layer_reports, sources_of
from midge.compress.lower import lower
from midge.compress.measure import accuracy, agreement, compare
from midge.compress.report import Report
from midge.compress.rules import touches_reals
from midge.compress.samples import FEW_SAMPLES, Samples
from midge.compress.settings import QuantizeSettings
from midge.errors import UserError
from midge.graph import DType, Graph, verify


@dataclass(frozen=True)
class Quantized:
    """A quantised network and what that cost.

    Attributes:
        graph: Of integers; verified.
        report: What became of the layers and of the outputs.
        reference: The float network that it came from, with the same inputs and outputs.
    """

    graph: Graph
    report: Report
    reference: Graph


def quantize_graph(
    graph: Graph,
    samples: Samples,
    settings: QuantizeSettings | None = None,
    *,
    evaluation: Samples | None = None,
    explained: bool = True,
) -> Quantized:
    """Quantise a float network after training.

    Args:
        graph: A float graph, images [n, h, w, c].
        samples: What it is calibrated on, from `take_samples`. Of a network with state they are
            one stream.
        settings: What to do; the defaults are for int8.
        evaluation: What the report's figures are of; the calibration samples where left out.
        explained: Measure what single layers cost and what would give it back.

    Returns:
        The network and the report.

    Raises:
        UserError: the graph is quantised already, or gives NaN or infinities on the samples.
        UnsupportedError: operators have no integer form; all are named.
    """
    settings = settings or QuantizeSettings()
    reference = verify(graph)
    _expect_float(reference)
    observed = calibrate(reference, samples)
    equalized: tuple[str, ...] = ()
    source = reference
    if settings.equalization:
        source, equalized = equalize(reference, observed)
        if equalized:
            observed = calibrate(source, samples)
    annotations = annotate(source, observed, settings)
    lowered = lower(source, annotations, observed, settings)
    corrections = {}
    if settings.bias_correction:
        corrections = corrections_of(source, lowered, observed, samples)
        lowered = lower(with_corrections(source, corrections), annotations, observed, settings)
    basis = Basis(source, annotations, observed, settings, corrections, lowered, samples)
    notes = (*_notes(reference, samples, settings, lowered.graph), *lowered.remarks)
    report = report_of(basis, samples, evaluation, explained, equalized, notes)
    return Quantized(lowered.graph, report, reference)


def _expect_float(graph: Graph) -> None:
    quantized = [t.name for t in graph.tensors.values() if t.quantization is not None]
    if quantized:
        raise UserError(
            f"{graph.name}: is quantised already: {quantized[0]!r} and {len(quantized) - 1} more "
            "tensors have scales; expected a float network. Compile it as it is"
        )
    if not any(t.dtype is DType.FLOAT32 for t in graph.tensors.values()):
        raise UserError(f"{graph.name}: has no float32 tensor; there is nothing to quantise")


def _notes(
    graph: Graph, samples: Samples, settings: QuantizeSettings, integer: Graph
) -> tuple[str, ...]:
    """What a reader should know beside the figures."""
    notes = []
    if len(samples) < FEW_SAMPLES:
        notes.append(
            f"calibrated on {len(samples)} samples; with under {FEW_SAMPLES} the ranges are a "
            "matter of luck"
        )
    if settings.bias_correction and graph.variables:
        notes.append(
            "biases are corrected for the rounding of weights alone: the network has state"
        )
    if settings.weights == "int4" and settings.activations == "int16":
        notes.append("weights are int8: int4 weights take int8 activations")
    floats = [
        op.name for op in integer.ops if touches_reals(integer, op) and op.kind not in CONVERSIONS
    ]
    if floats:
        notes.append(f"in float32: {', '.join(floats)}")
    return tuple(notes)


def report_of(
    basis: Basis,
    samples: Samples,
    evaluation: Samples | None,
    explained: bool,
    equalized: tuple[str, ...],
    notes: tuple[str, ...],
) -> Report:
    """Measure a quantised network.

    Args:
        basis: The network with all that it was made from.
        samples: What it was calibrated on.
        evaluation: What the figures are of; the calibration samples where left out.
        explained: Measure what single layers cost and what would give it back.
        equalized: Layers whose output channels were evened out.
        notes: What a reader should know.
    """
    judged = evaluation or samples
    compared = compare(basis.graph, basis.lowered, judged)
    noises, right, given = compared.layers, compared.right, compared.given
    accuracies = {
        name: found
        for name, answers in (("float", right), ("integer", given))
        if (found := accuracy(answers, judged.labels)) is not None
    }
    explanation = None
    if explained:
        explanation = explain(basis, judged, sources_of(basis.graph, basis.lowered, noises))
    return Report(
        model=basis.graph.name,
        settings={**asdict(basis.settings), "rounding": basis.settings.rounding.value},
        calibration_samples=len(samples),
        evaluation_samples=len(judged),
        evaluated_on_calibration=evaluation is None,
        layers=layer_reports(
            basis.lowered, basis.graph, noises, explanation.costs_db if explanation else {}
        ),
        weights_bytes=basis.lowered.graph.constant_bytes(),
        float_weights_bytes=basis.graph.constant_bytes(),
        float_vs_integer=agreement(right, given),
        accuracy=accuracies or None,
        costliest=explanation.costliest if explanation else (),
        remedies=explanation.remedies if explanation else (),
        equalized=equalized,
        notes=notes,
    )
