"""The table of float32 bounds is the one that the tests hold."""

from __future__ import annotations

from pathlib import Path

from support.float_bounds import BOUNDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "oracles.md"


def test_the_page_states_the_bounds_that_the_tests_hold() -> None:
    begin, end = "<!-- float-bounds:begin -->", "<!-- float-bounds:end -->"
    stated = PAGE.read_text("utf-8").partition(begin)[2].partition(end)[0]
    rows = [f"| {name} | {bound:g} |" for name, bound in sorted(BOUNDS.items())]
    table = ["| operator | units in the last place |", "| --- | ---: |", *rows]
    table.append("| all others | 0 |")
    assert stated.strip() == "\n".join(table), "\n".join(table)
