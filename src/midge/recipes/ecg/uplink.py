"""What a watch sends of an electrocardiogram, what that costs, and what the cloud gets to see.

The watch keeps a lead around the beats that it calls suspicious, losslessly coded, and sends that.
It is held against streaming the whole lead in three ways: two bytes a sample; twelve bits a sample,
as MIT-BIH's format 212 packs it; and coded as the watch codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.signals.rice import Int16Array, Int64Array
from midge.signals.uplink import Sent, Uplink, UplinkBeats, priorities
from midge.signals.uplink_segment import Segment, UInt8Array, read_segments

PLAIN_BITS = 16
PACKED_BITS = 12
BEFORE_S = 1.0
AFTER_S = 1.0
DECISION_S = 2.65
"""The chain may take 2.62 s; no beat of DS1 is decided later than 1.96 s behind its R peak."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Traffic:
    """Bytes that go up, and what they are held against; adding gives those of several records.

    Attributes:
        samples: Of the recordings.
        seconds: Length of the recordings.
        beats: That the device decided on.
        flagged: Of them, suspicious.
        segments: That were sent.
        sent_bytes: All that was sent: heads, samples, beats.
        coded_bytes: Every sample, coded.
        dropped_segments: That the device had no room for.
        lost_items: Blocks and suspicious beats that found no room or no segment.
    """

    samples: int = 0
    seconds: float = 0.0
    beats: int = 0
    flagged: int = 0
    segments: int = 0
    sent_bytes: int = 0
    coded_bytes: int = 0
    dropped_segments: int = 0
    lost_items: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        names = self.__dataclass_fields__
        return Traffic(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @property
    def packed_bytes(self) -> int:
        """Every sample in twelve bits."""
        return -(-self.samples * PACKED_BITS // 8)

    @property
    def plain_bytes(self) -> int:
        """Every sample in sixteen bits."""
        return self.samples * PLAIN_BITS // 8

    @property
    def sent_share(self) -> float:
        """What was sent over every sample in twelve bits; NaN without samples."""
        return self.sent_bytes / self.packed_bytes if self.samples else float("nan")

    @property
    def coded_bits(self) -> float:
        """Bits a sample of the coder; NaN without samples."""
        return 8 * self.coded_bytes / self.samples if self.samples else float("nan")


@dataclass(frozen=True)
class Stretch:
    """Part of a lead as the cloud sees it: segments that follow one another without a gap.

    Attributes:
        first: Number of its first sample.
        samples: int16 [n].
        positions: int64 [k], sample number of each beat, ascending.
        priorities: uint8 [k], how suspicious the device found it; 0: not at all.
        payloads: uint8 [k, p], what the device said of it.
    """

    first: int
    samples: Int16Array
    positions: Int64Array
    priorities: UInt8Array
    payloads: UInt8Array

    @property
    def end(self) -> int:
        """Number of the sample behind its last one."""
        return self.first + int(self.samples.size)


@dataclass(frozen=True)
class Received:
    """What went up of one record.

    Attributes:
        traffic: What it cost.
        stretches: What the cloud sees, in order.
    """

    traffic: Traffic
    stretches: tuple[Stretch, ...]

    @property
    def spans(self) -> Int64Array:
        """int64 [m, 2], first sample and end of each stretch."""
        pairs = [(stretch.first, stretch.end) for stretch in self.stretches]
        return np.array(pairs, np.int64).reshape(-1, 2)


def ecg_uplink(
    rate_hz: float,
    payload_bytes: int,
    *,
    before_s: float = BEFORE_S,
    after_s: float = AFTER_S,
) -> Uplink:
    """The uplink of the watch: under 2.5 KB with what waits for a connection.

    Args:
        rate_hz: Samples a second.
        payload_bytes: What is sent with each beat.
        before_s: Seconds kept before a suspicious beat.
        after_s: Seconds kept behind it.
    """
    return Uplink(
        rate_hz,
        before_s=before_s,
        after_s=after_s,
        decision_s=DECISION_S,
        payload_bytes=payload_bytes,
        store_bytes=1024,
        segment_bytes=448,
    )


def send(
    uplink: Uplink,
    samples: Int16Array,
    positions: Int64Array,
    decided_at: Int64Array,
    margins: npt.NDArray[np.int16],
    suspicious: BoolArray,
    suspicious_below: int,
    payloads: npt.NDArray[np.int8],
) -> Received:
    """A record through the uplink and out of it again.

    Args:
        uplink: How it is laid out.
        samples: int16 [n], the raw lead.
        positions: int64 [k], sample number of each beat, in the order in which they were decided.
        decided_at: int64 [k], sample with which each was decided. Those that are decided after the
            record's end are taken as decided with its last sample.
        margins: int16 [k], by how much the normal class leads.
        suspicious: bool [k].
        suspicious_below: The margin under which a beat is suspicious.
        payloads: int8 [k, p], what is sent with each beat.

    Raises:
        UserError: The arrays do not fit one another.
    """
    beats = UplinkBeats(
        positions,
        np.minimum(decided_at, samples.size - 1),
        priorities(margins, suspicious, suspicious_below),
        np.ascontiguousarray(payloads).view(np.uint8),
    )
    sent = uplink.run(samples, beats)
    return Received(traffic_of(uplink, samples, beats, sent), join(read_segments(sent.data)))


def traffic_of(uplink: Uplink, samples: Int16Array, beats: UplinkBeats, sent: Sent) -> Traffic:
    """What a record cost.

    Args:
        uplink: That sent it.
        samples: int16 [n], the raw lead.
        beats: What was decided.
        sent: What was sent.
    """
    return Traffic(
        samples=int(samples.size),
        seconds=samples.size / uplink.rate_hz,
        beats=int(beats.positions.size),
        flagged=int(np.count_nonzero(beats.priorities)),
        segments=sent.segments,
        sent_bytes=len(sent.data),
        coded_bytes=sent.coded_bytes,
        dropped_segments=sent.dropped_segments,
        lost_items=sent.lost_items,
    )


def join(segments: Sequence[Segment]) -> tuple[Stretch, ...]:
    """Put segments together that follow one another without a gap."""
    runs: list[list[Segment]] = []
    for segment in segments:
        if runs and runs[-1][-1].end == segment.first:
            runs[-1].append(segment)
        else:
            runs.append([segment])
    return tuple(_stretch(run) for run in runs)


def _stretch(run: Sequence[Segment]) -> Stretch:
    positions = np.concatenate([segment.positions for segment in run])
    order = np.argsort(positions, kind="stable")
    return Stretch(
        run[0].first,
        np.concatenate([segment.samples for segment in run]),
        positions[order],
        np.concatenate([segment.priorities for segment in run])[order],
        np.concatenate([segment.payloads for segment in run])[order],
    )


def excerpt(stretches: Sequence[Stretch], size: int, fill: int = 0) -> tuple[Int16Array, BoolArray]:
    """A record as the cloud knows it.

    Args:
        stretches: What was sent of it.
        size: Its samples, n.
        fill: What stands where nothing was sent.

    Returns:
        int16 [n], and bool [n], which of them were sent.
    """
    samples = np.full(size, fill, np.int16)
    known = np.zeros(size, np.bool_)
    for stretch in stretches:
        samples[stretch.first : stretch.end] = stretch.samples
        known[stretch.first : stretch.end] = True
    return samples, known
