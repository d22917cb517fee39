"""What a watch sends of a record, and that the cloud sees exactly that part of it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from midge.errors import UserError
from midge.recipes.ecg.records import Record
from midge.recipes.ecg.synthetic import synthesise
from midge.recipes.ecg.uplink import Received, Traffic, ecg_uplink, excerpt, join, send

LIMIT = -3
PAYLOAD = 4


@cache
def record() -> Record:
    return synthesise("syn05", seconds=90.0)


def payloads() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(-128, 128, (record().beats.size, PAYLOAD), np.int8)


def sent(suspicious: np.ndarray, before_s: float = 1.0, after_s: float = 1.0) -> Received:
    """The record with its reference beats, each decided 1.6 s later."""
    beats = record().beats
    uplink = ecg_uplink(record().rate_hz, PAYLOAD, before_s=before_s, after_s=after_s)
    margins = np.where(suspicious, LIMIT - 9, LIMIT + 9).astype(np.int16)
    decided = beats + 576
    return send(uplink, record().samples, beats, decided, margins, suspicious, LIMIT, payloads())


def some() -> np.ndarray:
    suspicious = np.zeros(record().beats.size, np.bool_)
    suspicious[[5, 6, 30, 60, -1]] = True
    return suspicious


def test_the_cloud_sees_the_raw_samples_around_every_flagged_beat() -> None:
    beats, samples = record().beats, record().samples
    got = sent(some())
    seen, known = excerpt(got.stretches, samples.size)
    np.testing.assert_array_equal(seen[known], samples[known])
    assert not seen[~known].any()
    last_whole = samples.size // 64 * 64
    for beat in beats[some()]:
        assert known[max(beat - 360, 0) : min(beat + 361, last_whole)].all()
    assert known.sum() < samples.size / 3


def test_flagged_beats_arrive_with_what_the_device_says() -> None:
    beats = record().beats
    got = sent(some())
    for stretch in got.stretches:
        index = np.searchsorted(beats, stretch.positions)
        np.testing.assert_array_equal(beats[index], stretch.positions)
        np.testing.assert_array_equal(payloads().view(np.uint8)[index], stretch.payloads)
        np.testing.assert_array_equal(np.where(some()[index], 9, 0), stretch.priorities)
    arrived = np.concatenate([s.positions[s.priorities > 0] for s in got.stretches])
    assert sorted(arrived) == sorted(beats[some()])


def test_more_flags_and_more_context_cost_more() -> None:
    shares = [
        sent(suspicious, side, side).traffic.sent_share
        for suspicious in (some(), np.arange(record().beats.size) % 9 == 0)
        for side in (0.5, 1.0, 2.0)
    ]
    assert shares[0] < shares[1] < shares[2] < shares[5]
    assert shares[0] < shares[3] < shares[4] < shares[5]
    assert sent(~(some() | True)).traffic.sent_bytes == 0


def test_everything_flagged_costs_little_more_than_streaming_coded() -> None:
    traffic = sent(some() | True).traffic
    assert traffic.coded_bytes * 0.98 < traffic.sent_bytes < traffic.coded_bytes * 1.12
    assert traffic.coded_bytes < traffic.packed_bytes < traffic.plain_bytes
    assert 3 < traffic.coded_bits < 8


def test_traffic_adds_up() -> None:
    one, two = sent(some()).traffic, sent(some(), 0.5, 0.5).traffic
    both = one + two
    assert both.sent_bytes == one.sent_bytes + two.sent_bytes
    assert both.seconds == pytest.approx(180, abs=1)
    assert both.packed_bytes == both.samples * 3 // 2
    assert both.plain_bytes == both.samples * 2
    assert math.isnan(Traffic().sent_share)


def test_spans_are_those_of_the_stretches() -> None:
    got = sent(some())
    assert len(got.spans) == len(got.stretches) > 3
    assert (got.spans[:, 0] < got.spans[:, 1]).all()
    assert (got.spans[1:, 0] > got.spans[:-1, 1]).all()
    assert sent(~(some() | True)).spans.shape == (0, 2)
    assert join([]) == ()


def test_memory_of_the_watch() -> None:
    assert ecg_uplink(360, 13).ram_bytes <= 2560


def test_payloads_of_another_size_are_refused() -> None:
    uplink = ecg_uplink(360, 3)
    nothing = np.zeros(1, np.int64)
    with pytest.raises(UserError, match=r"payloads has the shape \[1, 4\]; expected \[1, 3\]"):
        send(
            uplink,
            record().samples,
            nothing,
            nothing,
            nothing.astype(np.int16),
            nothing > 0,
            0,
            np.zeros((1, 4), np.int8),
        )
