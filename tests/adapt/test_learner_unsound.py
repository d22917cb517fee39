"""States that no learner can have, in whole checkpoints: the C and its twin refuse the same ones."""

from __future__ import annotations

import struct
import zlib
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learner_support import ARITHMETICS, changing, learner_of

from midge.adapt import StreamModel
from midge.adapt.state import (
    CURRENT,
    KNOWN,
    NEXT_ID,
    PERIOD,
    POSITION,
    SEARCHING,
    SINCE,
    TICKS,
    fields,
)
from midge.driver.learner_host import HostLearner
from midge.errors import UserError

RESTORED, DAMAGED = 0, 3
INTEGERS = ("counters", "repeats", "pool_id", "pool_used", "scale")


NEW = StreamModel(2, 6, "4 KB")


@cache
def model() -> StreamModel:
    """One like it that has seen a few regimes."""
    host = learner_of(NEW)
    host.feed(changing(400, 2), forecasts=False)
    return StreamModel.restore(host.save())


@cache
def learner() -> HostLearner:
    return HostLearner(model(), sanitizers=("undefined",))


def place_of(name: str) -> int:
    """Where a field begins, in words of the state."""
    words = 0
    for field in fields(NEW.sizes):
        if field.name == name:
            return words
        words += field.count
    raise AssertionError(name)


def with_word(word: int, bits: int) -> bytes:
    """The model's checkpoint with another word, whose checksum is right."""
    whole = bytearray(model().save()[:-4])
    struct.pack_into("<I", whole, len(whole) - model().ram_bytes + 4 * word, bits & 0xFFFFFFFF)
    return bytes(whole) + struct.pack("<I", zlib.crc32(whole))


def taken_by_twin(data: bytes) -> bool:
    try:
        StreamModel.restore(data)
    except UserError as error:
        assert "no learner comes to such a state" in str(error)
        return False
    return True


def integer_words() -> st.SearchStrategy[int]:
    layout = {field.name: field.count for field in fields(NEW.sizes)}
    return st.one_of(
        st.integers(place_of(name), place_of(name) + layout[name] - 1) for name in INTEGERS
    )


_bits = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.integers(-2, 70),
    st.floats(width=32).map(lambda value: int.from_bytes(struct.pack("<f", value), "little")),
    st.sampled_from([1 << 23, 252 << 23, 253 << 23, 254 << 23, 0xBF800000, 1 << 30, (1 << 30) - 1]),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(integer_words(), st.integers(0, NEW.ram_bytes // 4 - 1)), _bits)
@example(TICKS, -1)
@example(TICKS, 1 << 30)
@example(POSITION, 1 << 20)
@example(POSITION, -1)
@example(PERIOD, 0)
@example(PERIOD, 1 << 20)
@example(KNOWN, 0)
@example(KNOWN, 99)
@example(CURRENT, -1)
@example(CURRENT, 99)
@example(NEXT_ID, -1)
@example(SEARCHING, 49)
@example(SINCE, -1)
@example(place_of("scale"), 0x80000000)
def test_c_and_twin_take_and_refuse_the_same(word: int, bits: int) -> None:
    data = with_word(word, bits)
    expected = RESTORED if taken_by_twin(data) else DAMAGED
    assert learner().restore(data) == expected


@pytest.mark.parametrize(
    ("word", "bits", "message"),
    [
        (POSITION, -1, "position -1; expected 0 to"),
        (PERIOD, 0, "period 0; expected 8 to"),
        (CURRENT, -1, "present regime -1; expected 0 to"),
        (place_of("fitness"), 0x7FC00000, "numbers in 'fitness' beyond 0 to"),
        (place_of("fitness"), 0xBF800000, "numbers in 'fitness' beyond 0 to"),
        (place_of("pool"), 0x447A2000, r"numbers in 'pool' beyond -1000 to 1000"),
        (place_of("scale"), 80 << 23, r"scales \[.*; expected powers of two, 2\^-42 to 2\^64"),
        (place_of("scale"), 0x40400000, r"scales \[3\..*; expected powers of two"),
    ],
)
def test_the_twin_says_what_is_wrong(word: int, bits: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        StreamModel.restore(with_word(word, bits))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, model().ram_bytes // 4 - 1), _bits), max_size=8))
@example([(place_of("fitness") + 16, 0xFF294E6A)])
@example([(place_of("scale"), 190 << 23), (place_of("offset"), 0x5DDE0B6B)])
def test_what_is_taken_makes_no_number_that_is_not_finite(words: list[tuple[int, int]]) -> None:
    """One squared error below zero, and every anomaly was NaN from then on."""
    whole = bytearray(model().save()[:-4])
    for word, bits in words:
        struct.pack_into("<I", whole, len(whole) - model().ram_bytes + 4 * word, bits & 0xFFFFFFFF)
    learner().restore(bytes(whole) + struct.pack("<I", zlib.crc32(whole)))
    told = learner().run(changing(20, 2), (1, 6))
    assert np.all((told.anomaly >= 0) & (told.anomaly <= 1))
    assert np.all(np.isfinite(told.forecasts))
    assert learner().restore(learner().save()) == RESTORED


def test_what_is_measured_against_is_checked_too() -> None:
    with pytest.raises(UserError, match="known regimes 99"):
        model().drift_from(with_word(KNOWN, 99))


@cache
def fixed_pair() -> tuple[StreamModel, HostLearner]:
    """One in integers that has seen a few regimes, and its C."""
    made = StreamModel(2, 6, "4 KB", **ARITHMETICS["fixed"])
    host = learner_of(made)
    host.feed(changing(300, 2))
    return StreamModel.restore(host.save()), host


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1000), _bits)
@example(POSITION, -1)
@example(KNOWN, 99)
@example(CURRENT, -1)
def test_c_and_twin_take_and_refuse_the_same_in_integers(word: int, bits: int) -> None:
    made, host = fixed_pair()
    whole = bytearray(made.save()[:-4])
    at = len(whole) - made.ram_bytes + 4 * (word % (made.ram_bytes // 4))
    struct.pack_into("<I", whole, at, bits & 0xFFFFFFFF)
    data = bytes(whole) + struct.pack("<I", zlib.crc32(whole))
    expected = RESTORED if taken_by_twin(data) else DAMAGED
    assert host.restore(data) == expected
    host.feed(changing(3, 2))  # whose undefined behaviour would end the process
