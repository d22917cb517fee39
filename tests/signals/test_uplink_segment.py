"""Reading segments: damage and ill will end in a UserError."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.signals.rice import BLOCK
from midge.signals.uplink import Uplink, UplinkBeats
from midge.signals.uplink_segment import (
    BEAT_HEAD,
    HEAD,
    HEAD_BYTES,
    VERSION,
    checked,
    read_segment,
    read_segments,
)


def two_segments() -> bytes:
    rng = np.random.default_rng(0)
    samples = np.cumsum(rng.integers(-9, 10, 60 * BLOCK)).astype(np.int16)
    positions = np.array([1000, 3000])
    beats = UplinkBeats(
        positions, positions + 90, np.array([1, 2], np.uint8), np.zeros((2, 4), np.uint8)
    )
    return Uplink(256, before_s=0.25, after_s=0.25, payload_bytes=4).run(samples, beats).data


DATA = two_segments()
FIRST = read_segment(DATA)


def sealed(kind: int, items: bytes) -> bytes:
    """What a writer of ill will hands over, its check in order."""
    head = HEAD.pack(HEAD_BYTES + len(items), 0, kind, 1, 5, 0, 0, 0)
    check = checked(checked(0xFFFF, items), head[:2] + head[4:])
    return head[:2] + check.to_bytes(2, "little") + head[4:] + items


def test_two_segments() -> None:
    first, second = read_segments(DATA)
    assert first.size_bytes + second.size_bytes == len(DATA)
    assert (first.priority, second.priority) == (1, 2)
    assert second.positions.tolist() == [3000]


def test_no_bytes_are_no_segments() -> None:
    assert read_segments(b"") == []


def test_every_cut_is_refused() -> None:
    for size in set(range(1, len(DATA))) - {FIRST.size_bytes}:
        with pytest.raises(
            UserError, match=r"segment at byte \d+: .*Have the device send it again"
        ):
            read_segments(DATA[:size])


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(8 * FIRST.size_bytes):
        changed = bytearray(DATA)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UserError, match="segment at byte 0"):
            read_segments(bytes(changed))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 15))
def test_any_items_are_read_or_refused(items: bytes, payload_bytes: int) -> None:
    try:
        found = read_segment(sealed(VERSION << 4 | payload_bytes, items))
    except UserError:
        return
    assert found.samples.size <= BLOCK * len(items)
    assert found.payloads.shape == (found.positions.size, payload_bytes)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    if data:
        with pytest.raises(UserError, match="segment at byte"):
            read_segments(data)


def test_another_version() -> None:
    with pytest.raises(UserError, match="it is of version 2, not 1"):
        read_segment(sealed(2 << 4, b"\x1f"))


def test_a_beat_that_is_cut() -> None:
    beat = BEAT_HEAD.pack(0x2F, 10, 1)
    with pytest.raises(UserError, match="it ends within a beat"):
        read_segment(sealed(VERSION << 4 | 4, b"\x1f" + beat + b"\0\0\0"))


def test_where_a_beat_lies() -> None:
    beat = BEAT_HEAD.pack(0x2F, 10, 1)
    found = read_segment(sealed(VERSION << 4, b"\x1f" + beat + b"\x1f"))
    assert found.first == 5 * BLOCK
    assert found.positions.tolist() == [6 * BLOCK - 10]
    assert found.samples.tolist() == [0] * (2 * BLOCK)
