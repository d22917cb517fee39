from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.c_emitter import c_text
from midge.c_emitter.c_text import float_literal


@pytest.mark.tiny
def test_literals() -> None:
    fields = {"a": 1, "b": -5, "c": [1, [2, True]], "d": {"e": "NULL", "f": -(2**31)}, "g": False}
    assert c_text.literal(fields) == (
        "{.a = 1, .b = -5, .c = {1, {2, 1}}, .d = {.e = NULL, .f = INT32_MIN}, .g = 0}"
    )
    assert c_text.literal(np.int32(7)) == "7"
    with pytest.raises(TypeError, match=r"no C literal for 1\.5"):
        c_text.literal(1.5)


@pytest.mark.tiny
def test_arrays_are_wrapped_and_typed() -> None:
    text = c_text.array("a_b", np.array([-128, 127, 0], np.int8), 4)
    assert text == "static const int8_t a_b[3] MIDGE_ALIGNED(4) = {\n    -128, 127, 0\n};\n"
    ends = c_text.array("w", np.array([-(2**31), 2**31 - 1], np.int32), 4)
    assert "INT32_MIN, 2147483647" in ends
    assert "4294967295u, 0u" in c_text.array("p", np.array([2**32 - 1, 0], np.uint32), 4)
    long = c_text.array("l", np.full(500, -100, np.int8), 1)
    assert max(map(len, long.splitlines())) <= 110
    assert long.count("-100") == 500


@settings(deadline=None)
@given(st.text())
def test_comments_stay_comments(text: str) -> None:
    inside = c_text.comment(text)
    assert inside.isascii()
    assert inside.isprintable()
    assert "*/" not in inside
    assert "/*" not in inside
    assert not inside.endswith("\\")


@settings(deadline=None)
@given(st.text(st.sampled_from("*/\\?\n\t \0")))
def test_comments_of_nothing_but_trouble(text: str) -> None:
    test_comments_stay_comments.hypothesis.inner_test(text)  # type: ignore[attr-defined]


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=0.0))
def test_float_literals_read_back_exactly(value: float) -> None:
    text = float_literal(value)
    assert text.endswith("f")
    assert any(mark in text for mark in ".e"), "an integer with an f is no C"
    assert np.float32(text[:-1]) == np.float32(value)
