"""Which detected beat is which reference beat, and what that says of a detector.

ANSI/AAMI EC57:2012 (and EC38 before it) pairs a detected with a reference beat when they stand
within 150 ms of each other, each beat in one pair at most. Where two compete the nearer one wins,
as in PhysioNet's ``bxb``. Episodes of ventricular flutter and fibrillation are left out. EC57
begins to count after five minutes, in which a detector may learn; papers on detectors mostly count
whole records. Both are offered (`LEARNING_S`), and a result states which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.recipes.ecg.records import Record

Int64Array = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

TOLERANCE_S = 0.150
LEARNING_S = 300
"""What EC57 leaves out at the start of a record."""
NO_BEAT = "O"
"""The class, in EC57's matrices, of a detection without a beat or a beat without a detection."""


@dataclass(frozen=True)
class Counts:
    """Detections right and wrong; adding gives the gross figures of several records.

    Attributes:
        found: Reference beats that were detected.
        missed: Reference beats that were not.
        false: Detections where no beat is.
    """

    found: int = 0
    missed: int = 0
    false: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.found + other.found, self.missed + other.missed, self.false + other.false
        )

    @property
    def beats(self) -> int:
        """Reference beats."""
        return self.found + self.missed

    @property
    def sensitivity(self) -> float:
        """Share of the beats that were found; NaN without beats."""
        return self.found / self.beats if self.beats else float("nan")

    @property
    def predictivity(self) -> float:
        """Share of the detections that are beats (positive predictive value); NaN without any."""
        detections = self.found + self.false
        return self.found / detections if detections else float("nan")

    @property
    def error_rate(self) -> float:
        """Missed and false over beats, as Pan and Tompkins 1985 count; NaN without beats."""
        return (self.missed + self.false) / self.beats if self.beats else float("nan")


@dataclass(frozen=True)
class Matching:
    """Pairs of detected and reference beats.

    Attributes:
        reference_of: int64 [d], the reference beat of each detection, -1 where there is none.
        detected_of: int64 [k], the detection of each reference beat, -1 where it was missed.
        detected_counts: bool [d], whether the detection takes part in the count: its beat does or,
            without one, it stands neither in an excluded episode nor before the count begins.
        reference_counts: bool [k], the same of reference beats.
    """

    reference_of: Int64Array
    detected_of: Int64Array
    detected_counts: BoolArray
    reference_counts: BoolArray

    @property
    def counts(self) -> Counts:
        """What was found, missed and false."""
        found = int(np.sum(self.reference_counts & (self.detected_of >= 0)))
        missed = int(np.sum(self.reference_counts)) - found
        return Counts(found, missed, int(np.sum(self.detected_counts & (self.reference_of < 0))))

    def carried(self, classes: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """The reference's class of each detection.

        Args:
            classes: <U1 [k], of the reference beats.

        Returns:
            <U1 [d], `NO_BEAT` where the detection is false.
        """
        padded = np.append(classes, NO_BEAT).astype("<U1")
        return padded[self.reference_of]

    def missed(self, classes: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """Classes of the counted beats that no detection stands for: errors of their class.

        Args:
            classes: <U1 [k], of the reference beats.

        Returns:
            <U1 [m].
        """
        return classes[self.reference_counts & (self.detected_of < 0)]


def match_record(record: Record, detected: Int64Array, whole: bool = True) -> Matching:
    """Match what was detected in a record, flutter left out.

    Args:
        record: With its reference beats.
        detected: int64 [d], sample indices, ascending.
        whole: Count from the first sample on; otherwise after EC57's five minutes.
    """
    begin = 0 if whole else LEARNING_S * record.rate_hz
    return match_beats(detected, record.beats, record.rate_hz, record.flutter, begin)


def match_beats(
    detected: Int64Array,
    reference: Int64Array,
    rate_hz: float,
    excluded: Int64Array | None = None,
    begin: int = 0,
    tolerance_s: float = TOLERANCE_S,
) -> Matching:
    """Pair detected and reference beats.

    Args:
        detected: int64 [d], sample indices, ascending.
        reference: int64 [k], sample indices, ascending.
        rate_hz: Samples a second.
        excluded: int64 [m, 2], first and last sample of episodes that do not count.
        begin: First sample that counts.
        tolerance_s: How far apart the beats of a pair may be.

    Raises:
        UserError: beats are not in ascending order.
    """
    for name, beats in (("detected", detected), ("reference", reference)):
        if np.any(np.diff(beats) < 0):
            raise UserError(f"match_beats: {name} beats are not sorted; expected ascending indices")
    # An index is whole: a limit that rounding puts below 54.0 would lose the pairs on it.
    reach = int(tolerance_s * rate_hz + 1e-6)
    reference_of = _pairs(detected.tolist(), reference.tolist(), reach)
    detected_of = np.full(reference.size, -1, np.int64)
    paired = np.flatnonzero(reference_of >= 0)
    detected_of[reference_of[paired]] = paired
    episodes = np.empty((0, 2), np.int64) if excluded is None else excluded
    reference_counts = (reference >= begin) & ~_within(reference, episodes, 0)
    # What the flutter's first or last wave sets off is as little an error as what stands inside.
    detected_counts = (detected >= begin) & ~_within(detected, episodes, reach)
    detected_counts[paired] = reference_counts[reference_of[paired]]
    return Matching(reference_of, detected_of, detected_counts, reference_counts)


def _pairs(detected: list[int], reference: list[int], reach: int) -> Int64Array:
    """Walk along both in time; a pair waits for a nearer partner of either of the two."""
    reference_of = np.full(len(detected), -1, np.int64)
    d = r = 0
    while d < len(detected) and r < len(reference):
        apart = detected[d] - reference[r]
        if apart < -reach:
            d += 1
        elif apart > reach:
            r += 1
        elif d + 1 < len(detected) and abs(detected[d + 1] - reference[r]) < abs(apart):
            d += 1
        elif r + 1 < len(reference) and abs(detected[d] - reference[r + 1]) < abs(apart):
            r += 1
        else:
            reference_of[d] = r
            d += 1
            r += 1
    return reference_of


def _within(beats: Int64Array, episodes: Int64Array, margin: int) -> BoolArray:
    """Whether each beat stands in an episode or at most `margin` samples off it, [n]."""
    inside = np.zeros(beats.size, np.bool_)
    for first, last in episodes.tolist():
        inside |= (beats >= first - margin) & (beats <= last + margin)
    return inside
