"""Made networks through tflite-runtime: as a whole, and each layer on TFLite Micro's values.

A layer that is fed with what TFLite Micro computed shows its own difference and nobody else's. A
layer that differs has to be explained by one of `second_oracle_causes.CAUSES`; and the network,
with every suspect operator written in the other form, has to equal TFLite Micro as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.progress import Progress
from bench.second_oracle_answers import (
    OUTPUTS,
    Answer,
    Comparison,
    SecondOracle,
    midge_answer,
    tflm_answer,
    tflm_computed,
)
from bench.second_oracle_causes import Layer, Recomputed, cut, proven, rewritten
from midge.errors import InternalError
from midge.synthetic import SyntheticNetwork, write_tflite

SAMPLE_SEEDS = range(5)
"""One sample of each kind that `SyntheticNetwork.sample_inputs` makes."""

EQUAL, DIFFERS, UNDEFINED = "equal", "differs", "undefined"
"""What outputs are beside TFLite Micro's: the same, others, or a matter of chance."""


@dataclass
class OperatorTally:
    """The layers of one operator.

    Attributes:
        layers: Run.
        elements: Of their outputs, that TFLite Micro computed.
        outcomes: How many layers are `EQUAL`, `DIFFERS`, `UNDEFINED`, `REFUSES` or `DIES`.
        equal_rewritten: How many of those that are not equal are, in their other form.
    """

    layers: int = 0
    elements: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    equal_rewritten: int = 0


@dataclass(frozen=True)
class Finding:
    """A layer that tflite-runtime does not compute as TFLite Micro does.

    Attributes:
        cause: One of `CAUSES`, or None where none is proven.
        network: The network that has it.
        operator: Its name in the schema.
        outcome: `DIFFERS`, `UNDEFINED`, `REFUSES` or `DIES`.
        found: The comparison as written.
        rewritten: The comparison in the other form.
        recomputed: Its bytes against the cause's formula.
        said: Why it is refused, or how tflite-runtime died.
        again: The command that repeats it.
    """

    cause: str | None
    network: str
    operator: str
    outcome: str
    found: Comparison
    rewritten: Comparison
    recomputed: Recomputed
    said: str
    again: str


@dataclass
class Tally:
    """What a sweep shows.

    Attributes:
        networks: Run.
        elements: Of their outputs.
        outcomes: How many networks are what in tflite-runtime, as for `OperatorTally`.
        equal_rewritten: Of those that are not equal, how many are with the suspects rewritten.
        midge_equal: How many Midge's interpreter computes as TFLite Micro does.
        operators: By name.
        suspects: How many layers have the form of each cause, equal or not.
        suspect_elements: Of their outputs.
        findings: Layers that are not equal.
        unexplained: Networks for which something remains, and what.
    """

    networks: int = 0
    elements: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    equal_rewritten: int = 0
    midge_equal: int = 0
    operators: dict[str, OperatorTally] = field(default_factory=dict)
    suspects: dict[str, int] = field(default_factory=dict)
    suspect_elements: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)


def _outcome(found: Answer, compared: Comparison, undefined: bool) -> str:
    if undefined:
        return UNDEFINED
    if found.kind != OUTPUTS:
        return found.kind
    return EQUAL if compared.equal else DIFFERS


def sweep(
    title: str,
    networks: Iterable[tuple[SyntheticNetwork, str]],
    total: int,
    second: SecondOracle,
) -> Tally:
    """Run networks.

    Args:
        title: For the line of progress.
        networks: Each with the command that repeats it.
        total: How many they are.
        second: The worker.

    Raises:
        ToolError: tflite-runtime's worker ended.
        InternalError: A network and its other form are not the same to TFLite Micro.
    """
    tally = Tally()
    progress = Progress(title, total)
    for network, again in networks:
        _examine(network, again, second, tally)
        progress.advance(1, f"{network.name}, {len(tally.findings)} layers differ")
    progress.close()
    return tally


def _examine(network: SyntheticNetwork, again: str, second: SecondOracle, tally: Tally) -> None:
    samples = [network.sample_inputs(seed) for seed in SAMPLE_SEEDS]
    expected = tflm_answer(network.model_bytes, samples)
    tally.networks += 1
    if expected.kind != OUTPUTS:
        tally.unexplained.append(f"{network.name}: TFLite Micro {expected.kind}: {expected.said}")
        return
    ours = midge_answer(network.model_bytes, samples)
    tally.midge_equal += Comparison.of(ours, expected).equal
    if not Comparison.of(ours, expected).equal:
        tally.unexplained.append(f"{network.name}: Midge differs from TFLite Micro {ours.said}")
    found = second.answer(network.model_bytes, samples)
    compared = Comparison.of(found, expected)
    tally.elements += _elements(expected)
    findings = _layers(network, again, samples, second, tally)
    undefined = any(finding.outcome == UNDEFINED for finding in findings)
    _count(tally.outcomes, _outcome(found, compared, undefined))
    unproven = [finding.operator for finding in findings if finding.cause is None]
    if undefined or not compared.equal:
        other = _rewritten(network, samples, expected, second)
        remaining = Comparison.of(other, expected)
        tally.equal_rewritten += remaining.equal
        if not remaining.equal:
            unproven.append(
                f"with the suspects rewritten tflite-runtime {other.kind} {other.said}, "
                f"{remaining.differing} of {remaining.elements} elements differ"
            )
    if unproven:
        tally.unexplained.append(f"{network.name}: {'; '.join(unproven)}. {again}")


def _rewritten(
    network: SyntheticNetwork, samples: list[Any], expected: Answer, second: SecondOracle
) -> Answer:
    """The whole network in its other form, in tflite-runtime."""
    model = write_tflite(rewritten(network.model))
    if not Comparison.of(tflm_answer(model, samples), expected).equal:
        raise InternalError(
            f"{network.name}: its other form is not the same to TFLite Micro; the rewriting in "
            "bench/second_oracle_causes.py is wrong"
        )
    return second.answer(model, samples)


def _layers(
    network: SyntheticNetwork,
    again: str,
    samples: list[Any],
    second: SecondOracle,
    tally: Tally,
) -> list[Finding]:
    """Run each layer on TFLite Micro's values, and look into those that are not equal."""
    model = network.model
    values = []
    for sample in samples:
        computed = tflm_computed(network.model_bytes, sample)
        named = {
            model.tensors[index].name: array.reshape(model.tensors[index].shape)
            for index, array in computed.items()
        }
        values.append(dict(zip(model.inputs, sample, strict=True)) | named)
    constants = {tensor.name for tensor in model.tensors if tensor.values is not None}
    findings = []
    for layer in cut(model, values, constants):
        counted = tally.operators.setdefault(layer.operator.op, OperatorTally())
        found = second.answer(write_tflite(layer.model), layer.samples)
        compared = Comparison.of(found, layer.expected)
        counted.layers += 1
        counted.elements += _elements(layer.expected)
        outcome = _outcome(found, compared, layer.undefined)
        _count(counted.outcomes, outcome)
        if layer.suspect is not None:
            _count(tally.suspects, layer.suspect)
            _count(tally.suspect_elements, layer.suspect, _elements(layer.expected))
        if outcome != EQUAL:
            finding = _finding(network, again, layer, found, outcome=outcome, second=second)
            counted.equal_rewritten += finding.rewritten.equal
            findings.append(finding)
    tally.findings += findings
    return findings


def _finding(
    network: SyntheticNetwork,
    again: str,
    layer: Layer,
    found: Answer,
    *,
    outcome: str,
    second: SecondOracle,
) -> Finding:
    other, recomputed = Comparison(), Recomputed()
    if layer.suspect is not None:
        other, recomputed = proven(layer, second)
    return Finding(
        cause=layer.suspect if other.equal and not recomputed.contradicting else None,
        network=network.name,
        operator=layer.operator.op,
        outcome=outcome,
        found=Comparison.of(found, layer.expected),
        rewritten=other,
        recomputed=recomputed,
        said=found.said,
        again=again,
    )


def _count(counts: dict[str, int], key: str, number: int = 1) -> None:
    counts[key] = counts.get(key, 0) + number


def _elements(answer: Answer) -> int:
    return sum(y.size for sample in answer.outputs for y in sample)
