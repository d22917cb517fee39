"""What quantisation costs and what would give it back: changes that are made and measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from midge.compress.annotate import Annotations, activations, annotate
from midge.compress.calibrate import Observed, calibrate
from midge.compress.correct_biases import Corrections, corrections_of, with_corrections
from midge.compress.lower import Lowered, lower
from midge.compress.measure import Agreement, Answers, accuracy, agreement, answers_of
from midge.compress.progress import shown
from midge.compress.report import Remedy
from midge.compress.samples import Samples
from midge.compress.settings import QuantizeSettings
from midge.errors import UserError
from midge.graph import Graph

MOST_SAMPLES = 32
"""On which changes are compared."""
CANDIDATES = 8
"""Layers of which it is measured what they cost: those that add the most noise of their own."""
SHOWN = 3


@dataclass(frozen=True)
class Basis:
    """A quantised network with all that it was made from.

    Attributes:
        graph: The float graph, equalized, its biases as they were.
        annotations: Of it.
        observed: What it held.
        settings: What was asked for.
        corrections: Of its biases.
        lowered: What came out.
        samples: What it was calibrated on.
    """

    graph: Graph
    annotations: Annotations
    observed: Observed
    settings: QuantizeSettings
    corrections: Corrections
    lowered: Lowered
    samples: Samples


@dataclass(frozen=True)
class Explanation:
    """What was found.

    Attributes:
        costs_db: By layer, by how much the outputs' signal to noise rises when it alone is float.
        costliest: The three of them with the largest, largest first.
        remedies: For these three, and for the whole network.
    """

    costs_db: Mapping[str, float]
    costliest: tuple[str, ...]
    remedies: tuple[Remedy, ...]


def explain(basis: Basis, samples: Samples, layers: Mapping[str, tuple[str, ...]]) -> Explanation:
    """Make each change and measure it.

    Args:
        basis: The quantised network.
        samples: To measure on; as many as `MOST_SAMPLES` are taken.
        layers: By the name of a layer of the integer network the float ops that it stands for;
            those that are worth a look, in order of interest.
    """
    few = samples.at_most(MOST_SAMPLES, stream=bool(basis.graph.variables))
    right = answers_of(basis.graph, few)
    before = agreement(right, answers_of(basis.lowered.graph, few))
    judge = _judge(basis, few, right, before)
    found: dict[str, Remedy] = {}
    for name in shown(list(layers)[:CANDIDATES], "measuring remedies"):
        names = layers[name]
        change = f"keep_float={list(names)}"
        remedy = judge(name, change, partial(_left_float, basis, names))
        if remedy is not None:
            found[name] = remedy
    gains = {name: r.gain_db for name, r in found.items() if r.gain_db is not None}
    costliest = tuple(sorted(gains, key=lambda name: -gains[name])[:SHOWN])
    remedies = [found[name] for name in costliest]
    for change, settings in _whole_changes(basis.settings):
        made = judge("", change, partial(_anew, basis, settings))
        if made is not None:
            remedies.append(made)
    return Explanation(gains, costliest, tuple(remedies))


def _whole_changes(settings: QuantizeSettings) -> list[tuple[str, QuantizeSettings]]:
    changes = []
    if settings.weights == "int4":
        changes.append(("weights='int8'", replace(settings, weights="int8")))
    elif settings.activations == "int8":
        changes.append(("activations='int16'", replace(settings, activations="int16")))
    return changes


def _judge(
    basis: Basis, samples: Samples, right: Answers, before: Agreement
) -> Callable[[str, str, Callable[[], Graph]], Remedy | None]:
    """A function that measures a changed network; None where the change cannot be made."""
    bytes_before = basis.lowered.graph.constant_bytes()

    def judge(layer: str, change: str, make: Callable[[], Graph]) -> Remedy | None:
        try:
            changed = make()
        except UserError:
            return None
        answers = answers_of(changed, samples)
        alike = agreement(right, answers)
        gain = None
        if alike.snr_db is not None and before.snr_db is not None:
            gain = alike.snr_db - before.snr_db
        return Remedy(
            change=change,
            layer=layer,
            snr_db=alike.snr_db,
            gain_db=gain,
            top1=alike.top1,
            accuracy=accuracy(answers, samples.labels),
            extra_bytes=changed.constant_bytes() - bytes_before,
        )

    return judge


def _left_float(basis: Basis, names: tuple[str, ...]) -> Graph:
    """The network with some of its float ops not quantised, all else as it was."""
    rules = {n: r for n, r in basis.annotations.rules.items() if n not in names}
    used: set[str] = set()
    for op in basis.graph.ops:
        if op.name in rules:
            used.update(activations(basis.graph, op, rules[op.name]), op.outputs)
    codes = {n: c for n, c in basis.annotations.codes.items() if n in used}
    corrections = {n: c for n, c in basis.corrections.items() if n not in names}
    graph = with_corrections(basis.graph, corrections)
    settings = replace(basis.settings, keep_float=(*basis.settings.keep_float, *names))
    return lower(
        graph, Annotations(codes, rules, basis.annotations.fixed), basis.observed, settings
    ).graph


def _anew(basis: Basis, settings: QuantizeSettings) -> Graph:
    """The network quantised in another way."""
    annotations = annotate(basis.graph, basis.observed, settings)
    lowered = lower(basis.graph, annotations, basis.observed, settings)
    if not basis.corrections:
        return lowered.graph
    few = basis.samples.at_most(MOST_SAMPLES)
    observed = replace(basis.observed, moments=calibrate(basis.graph, few).moments)
    corrections = corrections_of(basis.graph, lowered, observed, few)
    graph = with_corrections(basis.graph, corrections)
    return lower(graph, annotations, basis.observed, settings).graph
