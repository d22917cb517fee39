"""What was found beside TFLite Micro, as plain data and as Markdown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.markdown import table
from bench.second_oracle_answers import DIES, OUTPUTS, REFUSES, Answer, Comparison
from bench.second_oracle_causes import CAUSES, DENSE_RANK, Recomputed
from bench.second_oracle_corners import Corner
from bench.second_oracle_models import ModelRow
from bench.second_oracle_sweep import DIFFERS, EQUAL, UNDEFINED, Finding, OperatorTally, Tally


@dataclass(frozen=True)
class CornerRow:
    """A model by hand and what the three make of it.

    Attributes:
        name: The model's.
        tflm: TFLite Micro's answer in a few words.
        second: tflite-runtime's, compared with TFLite Micro's.
        midge: Midge's, compared likewise.
        said: What each says that has no outputs.
        midge_deviates: Midge has outputs, and TFLite Micro has none or others.
    """

    name: str
    tflm: str
    second: str
    midge: str
    said: dict[str, str]
    midge_deviates: bool

    @staticmethod
    def of(
        corner: Corner, tflm: Answer, second: Answer, midge: Answer, usual: Answer | None
    ) -> CornerRow:
        """Put answers into words; `usual` is TFLite Micro's to the usual form of the model."""
        named = {"TFLite Micro": tflm, "tflite-runtime": second, "Midge": midge}
        ordinary = Answer(REFUSES) if usual is None else usual
        beside, name = tflm, "TFLite Micro"
        if tflm.kind != OUTPUTS or corner.undefined:
            beside, name = ordinary, "TFLite Micro on the usual form"
        own = Answer(REFUSES) if corner.undefined else ordinary
        alone = _words(tflm, own, "on the usual form")
        return CornerRow(
            name=corner.network.name,
            tflm=f"{alone}, by chance" if corner.undefined else alone,
            second=_words(second, beside, name),
            midge=_words(midge, beside, name),
            said={who: answer.said for who, answer in named.items() if answer.kind != OUTPUTS},
            midge_deviates=midge.kind == OUTPUTS and not Comparison.of(midge, tflm).equal,
        )


@dataclass(frozen=True)
class Found:
    """All that a run found.

    Attributes:
        command: That repeats the run.
        versions: Of everything that takes part.
        start: First seed of the random networks.
        models: The MLPerf Tiny networks; None when they were not run.
        operators: Every operator alone.
        random: Random networks.
        corners: Models by hand.
    """

    command: str
    versions: dict[str, str]
    start: int
    models: list[ModelRow] | None
    operators: Tally
    random: Tally
    corners: list[CornerRow]

    @property
    def unexplained(self) -> list[str]:
        """What differs without a proven cause."""
        models = [f"{row.name}: {row}" for row in self.models or () if not row.explained]
        return [*models, *self.operators.unexplained, *self.random.unexplained]

    def to_json(self) -> dict[str, Any]:
        """As plain data; layers that differ are listed under their cause."""
        tallies = {"operators": self.operators, "random": self.random}
        findings = [finding for tally in tallies.values() for finding in tally.findings]
        causes = {}
        for cause, text in CAUSES.items():
            rows = [finding for finding in findings if finding.cause == cause]
            causes[cause] = {
                "what": text,
                "layers": len(rows),
                "says": sorted({row.said for row in rows if row.outcome == REFUSES}),
                "networks": list(dict.fromkeys(row.network for row in rows)),
            }
        swept = {name: asdict(tally) for name, tally in tallies.items()}
        for content in swept.values():
            del content["findings"]
        return {
            "made_by": self.command,
            "made_with": self.versions,
            "models": None if self.models is None else [asdict(row) for row in self.models],
            **swept,
            "causes": causes,
            "by_hand": [asdict(row) for row in self.corners],
        }


_OUTCOMES = (
    (EQUAL, "equal"),
    (DIFFERS, "differ"),
    (UNDEFINED, "undefined"),
    (REFUSES, "refused"),
    (DIES, "die"),
)


def summary(found: Found) -> str:
    """As Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    findings = [*found.operators.findings, *found.random.findings]
    parts = [
        "# The second oracle: tflite-runtime beside TFLite Micro",
        f"Written by `{found.command}`, which says what is compared; "
        "[docs/oracles.md](../../docs/oracles.md) says what follows from it. tflite-runtime runs "
        f"its reference kernels (BUILTIN_REF). {versions}.",
        "## MLPerf Tiny",
        _models(found.models),
        "## Networks made on the spot",
        _networks(found),
        "## Causes",
        _causes(found, findings),
        "## Models by hand",
        _corners(found.corners),
        "## Without a proven cause",
        "\n".join(f"- {line}" for line in found.unexplained) or "Nothing.",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _models(rows: list[ModelRow] | None) -> str:
    if rows is None:
        return "Not run: left out by `--match`, or not where `bench/mlperf_tiny.py` expects them."
    header = (
        *("network", "samples, real + random", "output elements", "TFLite Micro as golden"),
        *("tflite-runtime as TFLite Micro", "Midge as TFLite Micro", "tensors of a sample"),
        *("elements", "equal", "overwritten"),
    )
    body = [
        [
            row.name,
            f"{row.real} + {row.random}",
            row.second.elements,
            _equal(row.golden),
            _equal(row.second),
            _equal(row.midge),
            row.tensors,
            row.tensor_elements,
            row.tensors - len(row.overwritten) - len(row.unexplained),
            len(row.overwritten),
        ]
        for row in rows
    ]
    places = [
        f"{row.name}: {', '.join(map(str, row.overwritten))}" for row in rows if row.overwritten
    ]
    note = (
        "Overwritten: tflite-runtime adds in place even when asked to preserve all tensors, so "
        "that an operand of an ADD, read after the inference, holds the sum: it equals the ADD's "
        f"output in TFLite Micro in every byte (tensor numbers: {'; '.join(places)})."
        if places
        else ""
    )
    return f"{table(header, body)}\n{note}"


def _networks(found: Found) -> str:
    """Whole networks, then their layers."""
    columns = ("elements", *(title for _, title in _OUTCOMES), "equal rewritten")
    last = found.start + max(found.random.networks - 1, 0)
    whole = [
        [
            name,
            tally.networks,
            tally.elements,
            *(tally.outcomes.get(kind, 0) for kind, _ in _OUTCOMES),
            tally.equal_rewritten,
            tally.midge_equal,
        ]
        for name, tally in (
            ("every operator alone", found.operators),
            (f"random, seeds {found.start} to {last}", found.random),
        )
        if tally.networks
    ]
    tallies = (found.operators.operators, found.random.operators)
    names = sorted({name for tally in tallies for name in tally})
    body = []
    for name in names:
        both = [tally.get(name, OperatorTally()) for tally in tallies]
        outcomes = [sum(one.outcomes.get(kind, 0) for one in both) for kind, _ in _OUTCOMES]
        sums = [sum(one.layers for one in both), sum(one.elements for one in both)]
        body.append([name, *sums, *outcomes, sum(one.equal_rewritten for one in both)])
    return (
        "As tflite-runtime answers, compared with TFLite Micro; five samples each. Rewritten: the "
        "same network with every operator that raises one of the suspicions below written in a "
        "form that means the same and raises none. All that are not equal have to become it.\n\n"
        f"{table(('', 'networks', *columns, 'Midge equal'), whole)}\n"
        "Each layer alone, on what TFLite Micro computed in front of it:\n\n"
        f"{table(('layers', 'number', *columns), body)}"
    )


def _causes(found: Found, findings: list[Finding]) -> str:
    header = (
        *("cause", "layers of this form", "elements", "not equal", "how", "elements that differ"),
        *("largest, LSB", "networks", "equal rewritten"),
    )
    body, proofs, texts = [], [], []
    for number, (cause, text) in enumerate(CAUSES.items(), 1):
        of_cause = [finding for finding in findings if finding.cause == cause]
        tallies = (found.operators, found.random)
        # What is left unwritten there differs by chance, or not.
        by_chance = cause == DENSE_RANK and bool(of_cause)
        differing = sum(f.found.differing for f in of_cause)
        how = sorted({f.outcome for f in of_cause})
        body.append(
            [
                f"{number}. {cause}",
                sum(tally.suspects.get(cause, 0) for tally in tallies),
                sum(tally.suspect_elements.get(cause, 0) for tally in tallies),
                len(of_cause),
                ", ".join(how) or None,
                "undefined" if by_chance else differing or None,
                "undefined"
                if by_chance
                else max((f.found.largest for f in of_cause), default=0) or None,
                len({f.network for f in of_cause}),
                sum(f.rewritten.equal for f in of_cause),
            ]
        )
        if of_cause:
            again = min(of_cause, key=lambda f: ("--match" not in f.again, f.again)).again
            said = sorted({" ".join(f.said.split()) for f in of_cause if f.outcome == REFUSES})
            texts.append(
                f"{number}. {cause}: {text}. `{again}`"
                + "".join(f"\n   - It says: {line}" for line in said)
            )
            proofs += _proof(cause, number, of_cause)
    return (
        f"{table(header, body)}\n"
        + "\n".join(texts)
        + "\n\nRecomputed with the formula of the cause, byte for byte:\n\n"
        + ("\n".join(proofs) or "Nothing to recompute.")
    )


def _proof(cause: str, number: int, findings: list[Finding]) -> list[str]:
    total = Recomputed()
    layers = 0
    for finding in findings:
        total += finding.recomputed
        layers += finding.recomputed != Recomputed()
    if not layers:
        return []
    rest = len(findings) - layers
    line = f"- {number}: {_count(layers)}, {total.predicted:,} elements equal the formula"
    if cause == DENSE_RANK:
        line += (
            f", {total.untouched:,} still hold what the output was filled with before, in two runs "
            f"with two fillings, {total.unknown:,} come from outside the weights"
        )
    line += f"; {total.contradicting:,} contradict it."
    if rest:
        line += f" {_count(rest)} of rank 1 left out, without a second dimension to compute with."
    return [line]


def _count(layers: int) -> str:
    return "1 layer" if layers == 1 else f"{layers} layers"


def _corners(rows: list[CornerRow]) -> str:
    header = ("model", "TFLite Micro", "tflite-runtime", "Midge")
    body = [[row.name, row.tflm, row.second, row.midge] for row in rows]
    deviating = [row.name for row in rows if row.midge_deviates]
    return (
        "Each changed in the one place that its name says (`bench/second_oracle_corners.py`), from "
        "the usual form, which has the same inputs; what refuses says why in the JSON beside this "
        "page.\n\n"
        f"{table(header, body, left=4)}\n"
        "Midge gives outputs where TFLite Micro gives none or others: "
        + (", ".join(deviating) or "nowhere")
        + "."
    )


def _words(answer: Answer, beside: Answer, name: str) -> str:
    """An answer in a few words, compared with the one called `name` if that has outputs."""
    if answer.kind == DIES:
        return f"dies, {answer.said}"
    if answer.kind == REFUSES:
        return REFUSES
    if beside.kind != OUTPUTS:
        values = {int(v) for sample in answer.outputs for y in sample for v in np.unique(y)}
        return f"outputs, all {values.pop()}" if len(values) == 1 else OUTPUTS
    shape, expected = answer.outputs[0][0].shape, beside.outputs[0][0].shape
    if np.prod(shape) != np.prod(expected):
        return f"outputs of shape {list(shape)}, not {list(expected)}"
    compared = Comparison.of(answer, beside)
    if compared.equal:
        return f"as {name}"
    return (
        f"other outputs: {compared.differing} of {compared.elements}, up to {compared.largest} LSB"
    )


def _equal(compared: Comparison) -> str:
    return "all" if compared.equal else f"{compared.differing:,} differ"
