"""The uplink: what is kept, what is not, and that the C sends the same bytes."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uplink_c import run_uplink, twin

from midge.errors import UserError
from midge.signals.rice import BLOCK, Int16Array
from midge.signals.uplink import LARGEST_ITEM_BYTES, Uplink, UplinkBeats
from midge.signals.uplink_segment import HEAD_BYTES, Segment, read_segments

RATE_HZ = 256
WIDE = Uplink(RATE_HZ, before_s=1.0, after_s=1.5, payload_bytes=3)


def walk(size: int, seed: int = 0, spread: int = 9) -> Int16Array:
    """A signal whose samples lie near one another."""
    steps = np.random.default_rng(seed).integers(-spread, spread + 1, size)
    return np.cumsum(steps).astype(np.int16)


def beats_at(
    positions: list[int], priorities: list[int], *, delay: int = 100, payload_bytes: int = 3
) -> UplinkBeats:
    """Beats that are decided so many samples later, each with a payload of its own."""
    count = len(positions)
    payloads = np.arange(count * payload_bytes, dtype=np.uint8).reshape(count, payload_bytes)
    where = np.array(positions, np.int64)
    return UplinkBeats(where, where + delay, np.array(priorities, np.uint8), payloads)


def sent_segments(uplink: Uplink, samples: Int16Array, beats: UplinkBeats) -> list[Segment]:
    return read_segments(uplink.run(samples, beats).data)


def test_nothing_suspicious_sends_nothing() -> None:
    beats = beats_at(list(range(300, 5000, 200)), [0] * 24)
    assert WIDE.run(walk(6000), beats).data == b""


def test_a_segment_holds_the_raw_samples_around_a_beat() -> None:
    samples = walk(6000)
    [segment] = sent_segments(WIDE, samples, beats_at([1000, 2000, 3000], [0, 7, 0]))
    assert segment.first <= 2000 - WIDE.before < segment.first + BLOCK
    assert segment.end - BLOCK <= 2000 + WIDE.after < segment.end
    np.testing.assert_array_equal(segment.samples, samples[segment.first : segment.end])
    assert segment.priority == 7
    assert segment.positions.tolist() == [2000]
    assert segment.priorities.tolist() == [7]
    assert segment.payloads.tolist() == [[3, 4, 5]]


def test_beats_that_are_not_suspicious_come_along() -> None:
    [segment] = sent_segments(WIDE, walk(6000), beats_at([1900, 2000, 2200, 3000], [0, 1, 0, 0]))
    assert segment.positions.tolist() == [1900, 2000, 2200]
    assert segment.priorities.tolist() == [0, 1, 0]


def test_intervals_that_touch_are_one_segment() -> None:
    samples = walk(9000)
    apart = beats_at([2000, 2000 + WIDE.after + WIDE.before + 2 * BLOCK], [1, 5])
    assert len(sent_segments(WIDE, samples, apart)) == 2
    near = beats_at([2000, 2000 + WIDE.after + WIDE.before - BLOCK], [1, 5])
    [segment] = sent_segments(WIDE, samples, near)
    assert segment.priority == 5
    np.testing.assert_array_equal(segment.samples, samples[segment.first : segment.end])


def test_a_beat_that_is_decided_after_its_segment() -> None:
    short = replace(WIDE, after_s=0.2)
    beats = beats_at([2000, 2040, 2200], [1, 0, 0], delay=400)
    [segment] = sent_segments(short, walk(6000), beats)
    assert segment.end < 2000 + 100 + BLOCK
    # The second lies in the segment; the third lies behind it and is of no interest.
    assert segment.positions.tolist() == [2000, 2040]


def test_a_suspicious_beat_that_is_decided_too_late_is_counted() -> None:
    late = beats_at([2000], [1], delay=2000)
    sent = WIDE.run(walk(6000), late)
    assert (sent.segments, sent.lost_items) == (0, 1)


def test_a_full_segment_goes_on_in_the_next() -> None:
    small = replace(WIDE, segment_bytes=200)
    samples = walk(6000)
    segments = sent_segments(small, samples, beats_at([2000, 2300], [1, 1]))
    assert len(segments) > 2
    assert all(a.end == b.first for a, b in itertools.pairwise(segments))
    whole = np.concatenate([segment.samples for segment in segments])
    np.testing.assert_array_equal(whole, samples[segments[0].first : segments[-1].end])


def test_what_begins_and_ends_a_record_is_sent() -> None:
    samples = walk(40 * BLOCK)
    [first, last] = sent_segments(WIDE, samples, beats_at([3, 40 * BLOCK - 101], [1, 1]))
    assert first.first == 0
    assert last.end == 40 * BLOCK


def test_a_loud_signal_shortens_the_history() -> None:
    noise = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, 6000).astype(np.int16)
    beats = beats_at([3000], [1])
    tight = replace(WIDE, history_bytes=4 * LARGEST_ITEM_BYTES)
    sent = tight.run(noise, beats)
    segments = read_segments(sent.data)
    assert segments[0].first > 3000 - WIDE.before
    assert sent.early_blocks > 0
    for segment in segments:
        np.testing.assert_array_equal(segment.samples, noise[segment.first : segment.end])
    assert WIDE.run(walk(6000), beats).early_blocks == 0


class TestFullStore:
    """There is no connection, and room for two segments and a part of a third."""

    uplink = replace(WIDE, before_s=0.3, after_s=0.3, store_bytes=420)
    samples = walk(20_000)

    def positions(self, priorities: list[int]) -> tuple[list[int], int, int]:
        at = [1000 * (n + 1) for n in range(len(priorities))]
        sent = self.uplink.run(self.samples, beats_at(at, priorities), connected=False)
        found = [segment.first + 2 * BLOCK for segment in read_segments(sent.data)]
        return [first // 1000 for first in found], sent.dropped_segments, sent.lost_items

    def test_room_for_two(self) -> None:
        assert self.positions([9, 9]) == ([1, 2], 0, 0)

    def test_the_oldest_of_equals_goes(self) -> None:
        assert self.positions([9, 9, 9, 9]) == ([3, 4], 2, 0)

    def test_the_least_suspicious_goes_first(self) -> None:
        assert self.positions([9, 2, 5]) == ([1, 3], 1, 0)
        assert self.positions([2, 9, 5]) == ([2, 3], 1, 0)

    def test_what_is_less_suspicious_than_all_is_lost(self) -> None:
        found, dropped, lost = self.positions([9, 9, 2])
        assert (found[:2], dropped) == ([1, 2], 0)
        assert lost > 0

    def test_with_a_connection_nothing_goes(self) -> None:
        beats = beats_at([1000 * n for n in range(1, 19)], [1] * 18)
        sent = self.uplink.run(self.samples, beats)
        assert (sent.segments, sent.dropped_segments, sent.lost_items) == (18, 0, 0)


@st.composite
def records(draw: st.DrawFn) -> tuple[Uplink, Int16Array, UplinkBeats, bool]:
    """Records with beats, and uplinks that are often too small for them."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    size = draw(st.integers(0, 60 * BLOCK))
    samples = walk(size, int(rng.integers(1 << 32)), draw(st.sampled_from([0, 2, 9, 300, 20_000])))
    count = draw(st.integers(0, size // 64))
    decided_at = np.sort(rng.integers(0, max(size, 1), count))
    payload_bytes = draw(st.integers(0, 15))
    suspicious = rng.random(count) < draw(st.sampled_from([0.05, 0.3, 1.0]))
    beats = UplinkBeats(
        decided_at - rng.integers(0, draw(st.sampled_from([1, 300, 1000])), count),
        decided_at,
        np.where(suspicious, rng.integers(1, 256, count), 0).astype(np.uint8),
        rng.integers(0, 256, (count, payload_bytes), np.uint8),
    )
    uplink = Uplink(
        RATE_HZ,
        before_s=draw(st.floats(0, 3)),
        after_s=draw(st.floats(0, 3)),
        decision_s=draw(st.floats(0, 4)),
        payload_bytes=payload_bytes,
        history_bytes=draw(st.integers(LARGEST_ITEM_BYTES, 2000)),
        store_bytes=draw(st.integers(HEAD_BYTES + 129, 3000)),
        segment_bytes=draw(st.integers(HEAD_BYTES, 2000)),
    )
    return uplink, samples, beats, draw(st.booleans())


@settings(deadline=None, max_examples=150)
@given(records())
def test_the_c_sends_the_same(record: tuple[Uplink, Int16Array, UplinkBeats, bool]) -> None:
    uplink, samples, beats, connected = record
    expected = twin(uplink, samples, beats, connected=connected)
    assert run_uplink(uplink, samples, beats, connected=connected) == expected
    end = -1
    for segment in read_segments(expected.data):
        assert segment.first >= end
        end = segment.end
        np.testing.assert_array_equal(segment.samples, samples[segment.first : end])
        assert segment.priority > 0
        known = set(zip(beats.positions.tolist(), beats.priorities.tolist(), strict=True))
        assert (
            set(zip(segment.positions.tolist(), segment.priorities.tolist(), strict=True)) <= known
        )


def test_positions_wrap_around() -> None:
    # After 138 days at 360 Hz the number of a sample begins anew.
    samples, beats = walk(6000), beats_at([700, 2000, 2900], [1, 0, 3])
    plain, late = (
        read_segments(run_uplink(WIDE, samples, beats, origin=origin).data)
        for origin in (0, (1 << 26) - 20)
    )
    assert len(plain) == 2
    for a, b in zip(plain, late, strict=True):
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.positions - a.first, b.positions - b.first)


def test_a_beat_from_long_ago_is_refused() -> None:
    samples = np.zeros(40_000, np.int16)
    beats = UplinkBeats(
        np.array([100, 39_000]),
        np.array([39_500, 39_500]),
        np.array([9, 1], np.uint8),
        np.zeros((2, 3), np.uint8),
    )
    found = twin(WIDE, samples, beats)
    assert found.refused_beats == 1
    assert run_uplink(WIDE, samples, beats) == found
    [segment] = read_segments(found.data)
    assert segment.positions.tolist() == [39_000]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("rate_hz", 0), ("before_s", -0.1), ("after_s", -1.0), ("after_s", float("nan"))),
        *(("decision_s", 126.0), ("payload_bytes", 16), ("store_bytes", 70_000)),
        *(("store_bytes", 100), ("segment_bytes", 3), ("history_bytes", 100)),
    ],
)
def test_parameters_out_of_range(name: str, value: float) -> None:
    with pytest.raises(UserError, match=rf"Uplink: {name} is .*; expected "):
        replace(WIDE, **{name: value})


def test_arrays_that_do_not_fit() -> None:
    beats = beats_at([1000, 2000], [0, 1])
    samples = walk(6000)
    for name in ("decided_at", "priorities", "payloads"):
        with pytest.raises(UserError, match=rf"Uplink.run: {name} has the shape \[1"):
            WIDE.run(samples, replace(beats, **{name: getattr(beats, name)[:1]}))
    for wrong in (beats.decided_at[::-1], beats.decided_at + 6000, beats.decided_at - 6000):
        with pytest.raises(UserError, match="decided_at does not ascend within the 6000 samples"):
            WIDE.run(samples, replace(beats, decided_at=wrong))


def test_the_history_is_long_enough_for_an_electrocardiogram() -> None:
    ecg = Uplink(360, before_s=2.0, after_s=2.0)
    assert ecg.hold_blocks == 24
    assert ecg.ram_bytes < 2048 + 1600
