"""Numbers and names as people read them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midge.report.wording import (
    NO_BREAK,
    byte_count,
    capacity,
    clock,
    columns,
    count,
    decimal,
    energy,
    familiar_names,
    latency,
    percent,
    printable,
    shape_text,
    shorten,
)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (count(1_234_567), "1,234,567"),
        (count(0), "0"),
        (count(None), "not known"),
        (byte_count(None), "not known"),
        (byte_count(0), "0 B"),
        (capacity(262_144), "256 KiB"),
        (capacity(1_560_576), "1,524 KiB"),
        (capacity(2_097_152), "2 MiB"),
        (capacity(1_000), "1,000 B"),
        (clock(64_000_000), "64 MHz"),
        (clock(1_500_000_000), "1.5 GHz"),
        (latency(0.0123), "12.3 µs"),
        (latency(0.0001), "0.10 µs"),
        (latency(4.05), "4.05 ms"),
        (latency(124.613), "124.6 ms"),
        (latency(1_234.0), "1.23 s"),
        (energy(1_431.0), "1.43 mJ"),
        (energy(160.0), "160.0 µJ"),
        (decimal(9.999), "10.0"),
        (decimal(1_234.5), "1,234"),
        (percent(0, 10), "0.0 %"),
        (percent(1, 100_000), "<0.1 %"),
        (percent(1, 0), "–"),
        (shape_text([1, 25, 5, 64]), "1×25×5×64"),
        (shape_text([]), "scalar"),
    ],
)
def test_formats(found: str, expected: str) -> None:
    assert found.replace(NO_BREAK, " ") == expected


@given(text=st.text(max_size=60), width=st.integers(1, 40))
def test_shortened_names_fit_and_keep_both_ends(text: str, width: int) -> None:
    text = printable(text)
    short = shorten(text, width)
    assert columns(short) <= width
    if columns(text) <= width:
        assert short == text
    else:
        head, _, tail = short.partition("…")
        assert text.startswith(head)
        assert text.endswith(tail) or "…" in tail


@given(text=st.text())
def test_printable_texts_can_be_written_and_reordered_by_nobody(text: str) -> None:
    made = printable(text)
    made.encode("utf-8")
    assert made.isprintable()
    assert printable(made) == made


@given(names=st.lists(st.text(alphabet="ab/;_1", max_size=9), max_size=12))
@example(names=["", "/", "//"])
def test_familiar_names_tell_apart_what_was_apart(names: list[str]) -> None:
    short = familiar_names(names)
    assert set(short) == set(names)
    assert len(set(short.values())) == len(set(names))


def test_familiar_names_leave_out_scope_fusion_and_kind() -> None:
    short = familiar_names(
        ["net/relu_1/Relu;net/bn_1/Fused", "net/relu_2/Relu;net/x", "net/dense/Add", "input_1"]
    )
    assert list(short.values()) == ["relu_1", "relu_2", "dense", "input_1"]


def test_familiar_names_keep_what_tells_two_apart() -> None:
    assert familiar_names(["a/x/Relu", "a/x/Conv"]) == {"a/x/Relu": "Relu", "a/x/Conv": "Conv"}
    fused = ["a/x/Relu;a/y", "a/x/Relu;a/z"]
    assert familiar_names(fused) == {name: name for name in fused}
