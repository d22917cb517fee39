"""What the report of the heart-rhythm recipe holds: report.json, as dataclasses.

Nothing here knows a clock, a path or the machine that it was made on: one seed and the same
recordings give the same bytes. Shares are fractions from 0 to 1; None stands where there is
nothing to measure, such as the sensitivity to a class without beats.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from midge.recipes.ecg.heart_rate import HeartRate

Share = float | None


@dataclass(frozen=True)
class Scores:
    """One system on one set of records.

    Attributes:
        rows: What a row of the matrix stands for: the cardiologists' class, and ``false`` for
            beats that the detector alone sees.
        columns: What a column stands for: the class that was said, and ``missed``.
        confusion: Beats, by row and column.
        sensitivity: By class: how many of its beats were called so.
        predictivity: By class: how many of the beats that were called so are of it.
        f1: By class: their harmonic mean.
        macro_f1: Mean of `f1` over N, S and V.
        accuracy: Of all beats, those with the right class.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    sensitivity: Mapping[str, Share]
    predictivity: Mapping[str, Share]
    f1: Mapping[str, Share]
    macro_f1: Share
    accuracy: Share


@dataclass(frozen=True)
class Curve:
    """A receiver operating characteristic.

    Attributes:
        name: What is told from all else: ``V``, ``S``, or ``suspicious``.
        points: False alarms as a share of what is not of the class, and sensitivity; rising.
        area: Under the curve.
        at: The point at which the system works.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    area: float
    at: tuple[float, float]


@dataclass(frozen=True)
class System:
    """One way to decide on beats.

    Attributes:
        name: ``float``, ``int8``, ``device``, ``cloud`` or ``cascade``.
        title: For people.
        scores: By set: ``all``; ``without 232`` where that record is there; ``reference beats``
            where the cardiologists' positions took the place of the detector's.
        curves: By what they tell apart.
    """

    name: str
    title: str
    scores: Mapping[str, Scores]
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Detector:
    """How well beats are found, within 150 ms, whatever their class.

    Attributes:
        beats: In the reference.
        found: Of them.
        false: Detections that are no beat.
        sensitivity: Share of the beats that were found.
        predictivity: Share of the detections that are beats.
    """

    beats: int
    found: int
    false: int
    sensitivity: Share
    predictivity: Share


@dataclass(frozen=True)
class Uplink:
    """What goes to the cloud.

    Attributes:
        hours: Of recordings.
        beats: That the device decided on.
        flagged: Of them, suspicious.
        sent_bytes: Coded segments round the flagged beats, positions and decisions included.
        packed_bytes: Streaming every sample in 12 bits, as MIT-BIH stores it.
        plain_bytes: The same in 16 bits.
        coded_bytes: The same through the lossless coder.
        dropped_segments: That the device had no room for.
    """

    hours: float
    beats: int
    flagged: int
    sent_bytes: int
    packed_bytes: int
    plain_bytes: int
    coded_bytes: int
    dropped_segments: int = 0


@dataclass(frozen=True)
class Board:
    """The whole chain on one emulated board.

    Attributes:
        name: As `midge targets` has it.
        title: For people.
        clock_hz: Of its core.
        flash_bytes: Code, weights and tables.
        ram_bytes: State, arena and stack.
        stack_bytes: Of it, the stack.
        sample_instructions: Mean and most of a sample at which no beat is decided.
        beat_instructions: Mean and most of a sample at which one is.
        cycles: Mean of a sample, beats included; None without a model of the core.
        beat_cycles: Most of a sample at which a beat is decided.
        beat_ms: The same in time.
        duty: Share of time that the core computes.
        power_uw: Of computing alone, mean; None where the vendor publishes no current.
        records: Recordings that ran on it, sample by sample.
        beats: Decided in them.
        equal: Every event was that of the twin, in every bit.
    """

    name: str
    title: str
    clock_hz: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    sample_instructions: tuple[float, int]
    beat_instructions: tuple[float, int]
    cycles: float | None
    beat_cycles: int | None
    beat_ms: float | None
    duty: Share
    power_uw: float | None
    records: tuple[str, ...]
    beats: int
    equal: bool


@dataclass(frozen=True)
class RecordRow:
    """One recording.

    Attributes:
        name: Of the record.
        beats: In the reference, by class.
        detector: On this record.
        device: Scores of the device alone.
        cascade: Scores of device and cloud.
        flagged: Share of the decided beats.
        sent: Share of the 12-bit samples' bytes that went up.
    """

    name: str
    beats: Mapping[str, int]
    detector: Detector
    device: Scores
    cascade: Scores
    flagged: Share
    sent: Share


@dataclass(frozen=True)
class StripBeat:
    """A beat on a strip.

    Attributes:
        at: Sample on the strip.
        reference: The cardiologists' class; "" where there is no beat.
        device: What the device said; "" where it saw none.
        cascade: What the device and the cloud together said; "" where the device saw none.
        flagged: The device called it suspicious.
    """

    at: int
    reference: str
    device: str
    cascade: str
    flagged: bool


@dataclass(frozen=True)
class Strip:
    """Some seconds of signal with what was said of them.

    Attributes:
        kind: Heading under which it stands.
        right: Whether the beat in the middle ended well.
        record: Where it is from.
        start_s: From the record's beginning, seconds.
        rate_hz: Of `millivolts`.
        millivolts: The lead.
        beats: All on it.
        middle: Index into `beats` of the one that it is shown for.
        sent: Spans that went to the cloud, from and to which sample of the strip.
    """

    kind: str
    right: bool
    record: str
    start_s: float
    rate_hz: float
    millivolts: tuple[float, ...]
    beats: tuple[StripBeat, ...]
    middle: int
    sent: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Goal:
    """Something that was asked for.

    Attributes:
        what: In words.
        value: What came out, as text.
        bound: What was asked for, as text.
        met: Whether it is so; None where it could not be measured.
    """

    what: str
    value: str
    bound: str
    met: bool | None


@dataclass(frozen=True)
class Published:
    """A row of somebody else's figures, as printed.

    Attributes:
        work: Authors and year.
        protocol: On what, where that is not the same split.
        accuracy: In percent.
        sensitivity: By class, in percent.
        predictivity: By class, in percent.
    """

    work: str
    protocol: str
    accuracy: float | None
    sensitivity: Mapping[str, float]
    predictivity: Mapping[str, float]


@dataclass(frozen=True)
class EcgReport:
    """All of report.json.

    Attributes:
        midge: Version of Midge.
        recipe_version: Of the recipe.
        database: Name of where the recordings are from.
        synthetic: They were made up.
        quick: A short cut: little data, short training.
        seed: Of everything random.
        target: The board that was asked for.
        lead: The one lead used.
        rate_hz: Samples a second.
        train: Records that were learnt from.
        test: Records of the figures.
        train_beats: By class.
        test_beats: By class.
        digests: SHA-256 of the models and of the emitted program, by what it is.
        sizes: Of the models: bytes and parameters, by what it is.
        settings: What was chosen on the training records: thresholds and the like, in words.
        systems: In the order of the path: float, int8, device, cloud, cascade.
        detector: On the test records.
        detector_all: On all records that are evaluated; None where that was not asked for.
        uplink: Of the test records.
        boards: The named one first.
        rows: The test records.
        strips: Right and wrong decisions.
        heart_rate: How the learner followed it.
        goals: What was asked for.
        published: Others' figures on the same split.
        detector_published: Others' figures of their detectors; accuracy is not used.
    """

    midge: str
    recipe_version: str
    database: str
    synthetic: bool
    quick: bool
    seed: int
    target: str
    lead: str
    rate_hz: int
    train: tuple[str, ...]
    test: tuple[str, ...]
    train_beats: Mapping[str, int]
    test_beats: Mapping[str, int]
    digests: Mapping[str, str]
    sizes: Mapping[str, int]
    settings: Mapping[str, str]
    systems: tuple[System, ...]
    detector: Detector
    detector_all: Detector | None
    uplink: Uplink
    boards: tuple[Board, ...]
    rows: tuple[RecordRow, ...]
    strips: tuple[Strip, ...]
    heart_rate: HeartRate
    goals: tuple[Goal, ...]
    published: tuple[Published, ...]
    detector_published: tuple[Published, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data; tuples are lists, as a reader of the file finds them."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return plain

    def system(self, name: str) -> System:
        """One of the systems.

        Raises:
            KeyError: there is none of that name.
        """
        return {system.name: system for system in self.systems}[name]
