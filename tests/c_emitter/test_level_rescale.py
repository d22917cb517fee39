"""Shorter multipliers give all channels one shift, and change no output."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_rescale_tiles import REACH, check, sums

from midge.c_emitter.tiles.level import level
from midge.c_emitter.tiles.rescale import Form, plan_rescale
from midge.graph import Rounding

MULTIPLIERS = st.one_of(
    st.integers(1 << 30, (1 << 31) - 1), st.sampled_from([0, 1 << 30, (1 << 31) - 1, 3 << 29])
)
EVERY_SUM = np.arange(-REACH, REACH + 1, dtype=np.int64)


@given(
    data=st.data(),
    rounding=st.sampled_from([Rounding.TFLITE_DOUBLE, Rounding.SINGLE]),
    y_zero=st.sampled_from([-128, -5, 0, 127]),
    narrow=st.booleans(),
    lift=st.sampled_from([2, 8]),
)
def test_every_output_stays(
    data: st.DataObject, rounding: Rounding, y_zero: int, narrow: bool, lift: int
) -> None:
    channels = data.draw(st.integers(2, 4))
    multiplier = data.draw(st.lists(MULTIPLIERS, min_size=channels, max_size=channels))
    right = data.draw(st.lists(st.integers(2, 11), min_size=channels, max_size=channels))
    low, high = (min(y_zero + 3, 100), 110) if narrow else (y_zero, 127)
    asked = sums(multiplier, right, rounding, y_zero, low, high)
    plain = plan_rescale(asked, lift, lift)
    if plain is None:
        return
    found = level(asked, plain, (6,))
    check(asked, found, EVERY_SUM[data.draw(st.integers(0, 12)) :: 13])
    assert found.form is plain.form
    assert found.uniform or (found.multiplier == plain.multiplier).all()


@pytest.mark.parametrize("rounding", [Rounding.TFLITE_DOUBLE, Rounding.SINGLE])
def test_three_bits_between_channels_are_made_up_for(rounding: Rounding) -> None:
    asked = sums([1518500250, (1 << 31) - 1, 1 << 30], [6, 9, 8], rounding, -128, -128, 127)
    plain = plan_rescale(asked, 8, 8)
    assert plain is not None
    assert not plain.uniform
    assert plain.words_a_channel == 3
    found = level(asked, plain)
    assert found.uniform
    assert found.words_a_channel == 2
    assert set(found.shifts.tolist()) == {int(plain.shifts.min())}
    check(asked, found, EVERY_SUM)
    asked_for = level(asked, plain, (12,))
    assert set(asked_for.shifts.tolist()) == {12}
    check(asked, asked_for, EVERY_SUM)


def test_a_line_that_does_not_climb_every_step_is_not_taken() -> None:
    asked = sums([1518500250] * 2, [1, 8], Rounding.TFLITE_DOUBLE, -128, -128, 127)
    plain = plan_rescale(asked, 2, 2)
    assert plain is not None
    assert not plain.uniform
    assert level(asked, plain) is plain


def test_sums_that_are_corrected_below_zero_stay_as_they_are() -> None:
    asked = sums([1518500250] * 2, [6, 9], Rounding.TFLITE_DOUBLE, 0, -128, 127)
    plain = plan_rescale(asked, 8, 8)
    assert plain is not None
    assert plain.form is Form.CORRECTED
    assert level(asked, plain) is plain


def test_channels_that_never_change_have_a_line() -> None:
    asked = sums([0, 1518500250, 1 << 30], [4, 9, 6], Rounding.SINGLE, 5, -128, 127)
    short = replace(asked, least=np.array([-9, -9, 0]), greatest=np.array([9, 9, 0]))
    plain = plan_rescale(short, 8, 8)
    assert plain is not None
    found = level(short, plain)
    assert found.uniform
    check(short, found, np.zeros(1, np.int64))
