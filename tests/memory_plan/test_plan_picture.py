"""The picture of a plan, against golden texts that a person has looked at, and its geometry."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_problems import Net, ad01, ic01, kws01, problems, vww01, wired

from midge.memory_plan import Problem, plan_memory
from midge.memory_plan.canvas import Canvas
from midge.memory_plan.picture import draw_plan

GOLDEN = Path(__file__).parent / "golden"


def vww01_rows() -> Problem:
    return vww01(overlap_rows=True)


@pytest.mark.parametrize(
    ("network", "width"), [(ic01, 100), (vww01_rows, 100), (kws01, 80), (vww01_rows, 60)]
)
def test_pictures_are_as_they_were_looked_at(network, width):
    problem = network()
    text = draw_plan(problem, plan_memory(problem), width=width)
    assert text == (GOLDEN / f"{network.__name__}_{width}.txt").read_text(encoding="utf-8")


@settings(max_examples=60, deadline=None)
@given(problem=problems(max_buffers=10), width=st.integers(40, 120))
def test_any_plan_can_be_drawn_within_the_width(problem, width):
    lines = draw_plan(problem, plan_memory(problem), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def panels(text: str) -> list[str]:
    """The drawn rows of every panel, without headline, rulers, legend and table."""
    found = [""]
    for line in text.splitlines():
        if line.lstrip().startswith("live "):
            found.append("")
        elif set(line) & set("│┌┐└┘─"):
            found[-1] += line + "\n"
    return found[:-1]


def test_thirty_steps_fit_one_panel_of_100_columns_and_every_box_is_labelled():
    problem = vww01_rows()
    (drawn,) = panels(draw_plan(problem, plan_memory(problem), width=100))
    # 29 is an alias: it has no box of its own.
    for number in set(range(1, 32)) - {29}:
        assert re.search(rf"[│┤├ ░]{number}[│┤├ ░]", drawn), number


def test_long_networks_are_continued_in_panels_of_equal_scale():
    problem = wired(0, 70, reach=3, overlap=0)
    text = draw_plan(problem, plan_memory(problem), width=100)
    found = panels(text)
    assert len(found) == 3
    for number in range(1, 71):
        label = rf"(?<![\d,]){number}( t{number - 1}|[│┤├·▒ ])"
        assert any(re.search(label, panel) for panel in found), number
    addresses = [set(re.findall(r"^ *([\d,]+) ", panel, re.MULTILINE)) for panel in found]
    assert "0" in set.intersection(*addresses)


def test_every_box_covers_its_slots_and_its_share_of_the_axis():
    net = Net(x=64)
    net.step("a", 64, "x")
    net.step("b", 32, "a")
    problem = net.problem("b")
    plan = plan_memory(problem)
    assert plan.offsets == {"x": 0, "a": 64, "b": 0}
    picture = draw_plan(problem, plan, width=60, height=8).split("\n\n")[1].splitlines()
    assert picture == [
        " 128                   ┌───────────────────────────────────┐",
        "                       │                                   │",
        "                       │                1 a                │",
        "                       │                                   │",
        "  64 ┌─────────────────┴─────────────────┬─────────────────┘",
        "     │                                   │",
        "  32 │                 x                 ├─────────────────┐",
        "     │                                   │       2 b       │",
        "   0 └───────────────────────────────────┴─────────────────┘",
        "             in                 1                 2",
        "live  ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄ █████████████████ ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆",
        "                                ▲",
    ]


def test_the_table_tells_aliases_overlaps_and_scratch():
    net = Net(x=64)
    net.step("a", 64, "x", distance=0, scratch=16)
    net.reshape("flat", "a")
    net.step("y", 8, "flat")
    problem = net.problem("y")
    table = draw_plan(problem, plan_memory(problem), width=80).split("\n\n")[-1].splitlines()
    assert table == [
        "    step     buffer  bytes  address  until  live  sharing",
        "in           x          64        0      1    64",
        " 1  op_a     a          64        0      3   128  64 over in, scratch 16",
        " 2  op_flat  flat       64        0      3    64  = 1",
        " 3  op_y     y           8       64    end    72",
    ]


def test_the_headline_tells_the_gap():
    problem = ad01()
    plan = plan_memory(problem)
    first = draw_plan(problem, plan, width=100).splitlines()[0]
    assert first == (
        "arena 768 bytes, the least possible; largest live set 768; 10 steps in file order"
    )
    loose = replace(plan, lower_bound_bytes=700, order=tuple(reversed(plan.order)))
    first = draw_plan(problem, loose, width=100).splitlines()[0]
    assert first == (
        "arena 768 bytes, 68 over a lower bound; largest live set 768; 10 steps reordered"
    )


def test_touching_boxes_share_a_line_and_crossing_ones_keep_both():
    canvas = Canvas(9, 5)
    canvas.box(0, 0, 4, 2, open_left=False, open_right=False)
    canvas.box(4, 0, 8, 2, open_left=False, open_right=False)
    canvas.box(2, 1, 6, 4, open_left=False, open_right=True)
    canvas.label(0, 0, 4, 2, ("long", "a"))
    canvas.label(2, 1, 6, 4, ("xyz",))
    assert canvas.lines() == [
        "┌───┬───┐",
        "│a┌─┼── │",
        "└─┼─┴───┘",
        "  │xyz   ",
        "  └────  ",
    ]
