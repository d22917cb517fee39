"""The instructions that rescale lifted sums equal the meaning, over sums, factors, zero points, clamps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.c_emitter.tiles.rescale import Form, Rescale, Sums, plan_rescale
from midge.graph import Rounding
from midge.graph.requantize import Requantization, requantize

Int64Array = npt.NDArray[np.int64]
REACH = 1 << 17
"""Sums of a channel lie in [-REACH, REACH]."""


def sums(
    multiplier: list[int], right: list[int], rounding: Rounding, y_zero: int, low: int, high: int
) -> Sums:
    factors = Requantization(np.array(multiplier, np.int32), -np.array(right, np.int32), rounding)
    ends = np.full(len(right), REACH, np.int64)
    return Sums(factors, -ends, ends, y_zero, low, high)


def executed(rescale: Rescale, sum_of_channel: Int64Array, channel: int) -> Int64Array:
    """What the instructions of `Rescale.lines` leave, in 64-bit arithmetic with their limits."""
    lift = int(rescale.lift[channel])
    multiplier, addend, *_ = rescale.words(channel)
    lifted = sum_of_channel << lift
    assert np.abs(lifted).max() < 1 << 31
    assert abs(addend) < 1 << 31
    product = lifted * multiplier
    sign = lifted >> 31
    if rescale.form is Form.PLAIN:
        value = (product >> 32) + addend
    elif rescale.form is Form.CORRECTED_ONE:
        value = ((product + (1 << 31)) >> 32) + addend + sign
    else:
        value = (product >> 32) + addend + (sign << (lift - 1))
    assert np.abs(value).max() < 1 << 31
    value = np.clip(value >> int(rescale.shifts[channel]), -128, 127)
    low = -128 if rescale.low is None else rescale.low
    return np.clip(value, low, 127 if rescale.high is None else rescale.high)


def check(asked: Sums, rescale: Rescale, values: Int64Array) -> None:
    for channel in range(asked.channels):
        factors = Requantization(
            asked.factors.multiplier[[channel]],
            asked.factors.shift[[channel]],
            asked.factors.rounding,
        )
        expected = np.clip(requantize(values, factors) + asked.y_zero, asked.low, asked.high)
        assert np.array_equal(executed(rescale, values, channel), expected)


MULTIPLIERS = st.one_of(
    st.integers(1 << 30, (1 << 31) - 1), st.sampled_from([0, 1 << 30, (1 << 31) - 1, 3 << 29])
)


@given(
    data=st.data(),
    rounding=st.sampled_from([Rounding.TFLITE_DOUBLE, Rounding.SINGLE]),
    y_zero=st.sampled_from([-128, -127, -5, 0, 3, 127]),
    activation=st.sampled_from(["none", "relu", "narrow"]),
    least_lift=st.sampled_from([1, 2, 5, 8]),
)
def test_lines_equal_the_meaning(
    data: st.DataObject, rounding: Rounding, y_zero: int, activation: str, least_lift: int
) -> None:
    channels = data.draw(st.integers(1, 4))
    multiplier = data.draw(st.lists(MULTIPLIERS, min_size=channels, max_size=channels))
    right = data.draw(st.lists(st.integers(1, 13), min_size=channels, max_size=channels))
    low = {"none": -128, "relu": y_zero, "narrow": min(y_zero + 3, 100)}[activation]
    high = 110 if activation == "narrow" else 127
    asked = sums(multiplier, right, rounding, y_zero, low, high)
    rescale = plan_rescale(asked, least_lift, 11)
    if rescale is None:
        return
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    near = np.arange(-40, 41)
    ties = (near[:, None] << np.arange(1, 12)).reshape(-1)
    values = np.concatenate([random.integers(-REACH, REACH + 1, 400), near, ties, [-REACH, REACH]])
    check(asked, rescale, np.clip(values, -REACH, REACH).astype(np.int64))


def test_every_sum_of_a_few_factors() -> None:
    values = np.arange(-REACH, REACH + 1, dtype=np.int64)
    cases = [
        (rounding, low, lift)
        for rounding in (Rounding.TFLITE_DOUBLE, Rounding.SINGLE)
        for low in (-128, 4)
        for lift in (1, 2, 8)
    ]
    for rounding, low, lift in cases:
        asked = sums([(1 << 31) - 1, 1 << 30, 1518500250], [9, 11, 10], rounding, 4, low, 127)
        rescale = plan_rescale(asked, lift, 13)
        assert rescale is not None
        check(asked, rescale, values)


def test_shifts_of_different_channels_become_one_where_sums_leave_room() -> None:
    asked = sums([1 << 30] * 3, [6, 9, 8], Rounding.TFLITE_DOUBLE, -128, -128, 127)
    rescale = plan_rescale(asked, 2, 8)
    assert rescale is not None
    assert rescale.uniform
    assert rescale.lift.tolist() == [5, 2, 3]
    narrow = plan_rescale(asked, 2, 4)
    assert narrow is not None
    assert not narrow.uniform
    assert narrow.lift.tolist() == [2, 2, 2]


@pytest.mark.parametrize("rounding", [Rounding.HALF_EVEN])
def test_other_roundings_have_no_form(rounding: Rounding) -> None:
    assert plan_rescale(sums([1 << 30], [8], rounding, 0, -128, 127)) is None


def test_sums_that_leave_no_room_have_no_form() -> None:
    wide = sums([1 << 30], [8], Rounding.TFLITE_DOUBLE, 0, 0, 127)
    ends = np.array([1 << 29], np.int64)
    wide = Sums(wide.factors, -ends, ends, 0, 0, 127)
    assert wide.greatest_lift.tolist() == [1]
    assert plan_rescale(wide) is None
