"""The picture of the arena: everything in its place, to scale, and readable."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_reports import branching_report, chain_report, every_sample

from midge.report.memory_picture import (
    LEAST_HEIGHT,
    LEFT,
    PLOT_HEIGHT,
    TOP,
    MemoryPicture,
    draw_memory,
)
from midge.report.memory_rows import read_plan
from midge.report.picture_label import LETTER_WIDTH, LINE_HEIGHT, place_label
from midge.report.wording import columns

SAMPLES = {name: report["memory_plan"] for name, report in every_sample().items()}
Point = tuple[float, float]


def drawn(plan: dict[str, Any]) -> MemoryPicture:
    return draw_memory(plan, read_plan(plan))


def area(points: tuple[Point, ...]) -> float:
    """By the shoelace formula."""
    following = (*points[1:], points[0])
    pairs = zip(points, following, strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


@pytest.mark.parametrize("name", SAMPLES)
def test_everything_is_inside_the_plot(name: str) -> None:
    picture = drawn(SAMPLES[name])
    for storage in picture.storages:
        for x, y in storage.outline:
            assert LEFT <= x <= picture.plot_right + 0.01
            assert TOP - LEAST_HEIGHT <= y <= picture.plot_bottom
    for box in (*picture.scratch, *picture.shared):
        assert box.x >= LEFT
        assert box.x + box.width <= picture.plot_right + 0.01
        assert box.y + box.height <= picture.plot_bottom + 0.01
    assert picture.plot_right < picture.width
    assert picture.names_y < picture.height


def test_a_storage_spans_its_slots_and_addresses() -> None:
    plan = branching_report()["memory_plan"]
    picture, rows = drawn(plan), read_plan(plan)
    index = [s.owner for s in rows.storages].index("res/relu/Relu")
    xs = [x for x, _ in picture.storages[index].outline]
    ys = [y for _, y in picture.storages[index].outline]
    column = picture.column_width
    assert (min(xs), max(xs)) == pytest.approx((LEFT + column, LEFT + 5 * column))
    assert max(ys) - min(ys) == pytest.approx(PLOT_HEIGHT * 4_096 / 12_800)
    assert max(ys) == pytest.approx(TOP + PLOT_HEIGHT)


def test_a_takeover_takes_half_of_the_shared_bytes_from_each() -> None:
    plan = branching_report()["memory_plan"]
    picture, rows = drawn(plan), read_plan(plan)
    (shared,) = picture.shared
    cut = shared.width * shared.height / 2
    for owner in ("res/bn_2/Fused", "res/add/Add"):
        index = [s.owner for s in rows.storages].index(owner)
        whole = 2 * picture.column_width * PLOT_HEIGHT * 4_096 / 12_800
        assert area(picture.storages[index].outline) == pytest.approx(whole - cut)


def test_an_output_over_a_part_of_a_larger_input() -> None:
    plan = chain_report(1)["memory_plan"]
    plan["buffers"][0] |= {"offset": 1_000, "size_bytes": 4_000}
    plan["buffers"][1] |= {"offset": 0, "size_bytes": 2_000}
    plan["shared"] = [
        {"step": "00_conv_2d", "input": "input_1"}
        | {"output": plan["buffers"][1]["name"], "shared_bytes": 1_000}
    ]
    picture = drawn(plan)
    (shared,) = picture.shared
    unit = PLOT_HEIGHT / plan["arena_bytes"] * picture.column_width
    assert shared.width * shared.height == pytest.approx(1_000 * unit)
    areas = [area(storage.outline) for storage in picture.storages]
    assert areas == pytest.approx([(2 * 4_000 - 500) * unit, (2 * 2_000 - 500) * unit])


def test_two_inputs_of_which_each_gives_a_part() -> None:
    plan = chain_report(2)["memory_plan"]
    first, second, output = plan["buffers"]
    first |= {"offset": 0, "size_bytes": 1_000, "first": 0, "last": 2}
    second |= {"offset": 1_000, "size_bytes": 1_000, "first": 1, "last": 2}
    output |= {"offset": 0, "size_bytes": 2_000}
    plan["shared"] = [
        {"step": "01_conv_2d", "input": b["name"], "output": output["name"], "shared_bytes": 1_000}
        for b in (first, second)
    ]
    picture = drawn(plan)
    unit = PLOT_HEIGHT / plan["arena_bytes"] * picture.column_width
    areas = [area(storage.outline) for storage in picture.storages]
    assert areas == pytest.approx([2_500 * unit, 1_500 * unit, 3_000 * unit])


def test_an_alias_is_not_drawn_beside_its_owner() -> None:
    plan = branching_report()["memory_plan"]
    picture = drawn(plan)
    assert len(picture.storages) == len(plan["buffers"]) - 1
    (owner,) = [s for s in picture.storages if s.tooltip.startswith("res/pool/AvgPool")]
    assert "also called res/flatten/Reshape" in owner.tooltip


def test_an_output_that_is_an_alias_keeps_its_role() -> None:
    plan = chain_report(2)["memory_plan"]
    plan["buffers"][2] |= {"alias_of": plan["buffers"][1]["name"], "offset": 4_000}
    (_, storage) = read_plan(plan).storages
    assert (storage.role, storage.first, storage.last) == ("output", 1, 3)


def test_scratch_and_tooltips() -> None:
    picture = drawn(branching_report()["memory_plan"])
    assert len(picture.scratch) == 4
    tooltips = [storage.tooltip for storage in picture.storages]
    assert any(
        "res/relu/Relu\nactivation, 4,096 B at 0 to 4,095\nfrom 00_conv_2d to 03_add"
        in tooltip.replace("\N{NO-BREAK SPACE}", " ")
        for tooltip in tooltips
    )


def test_the_fullest_step_stands_out() -> None:
    picture = drawn(branching_report()["memory_plan"])
    assert [c.name for c in picture.columns if c.fullest] == ["03_add"]


def test_axis_tells_the_arena_and_the_bound_apart() -> None:
    kinds = {tick.kind: tick.text for tick in drawn(branching_report()["memory_plan"]).ticks}
    assert kinds["arena"].startswith("12,800")
    assert kinds["lower-bound"].startswith("12,000")
    assert "lower-bound" not in {tick.kind for tick in drawn(SAMPLES["one layer"]).ticks}


@pytest.mark.parametrize("name", SAMPLES)
def test_ticks_keep_clear_of_each_other(name: str) -> None:
    ys = sorted(t.y for t in drawn(SAMPLES[name]).ticks if t.kind != "lower-bound")
    assert all(b - a >= LINE_HEIGHT for a, b in itertools.pairwise(ys))


@given(
    name=st.text(alphabet="abcdefgh_1", min_size=1, max_size=40),
    width=st.floats(0, 400),
    height=st.floats(0, 400),
)
def test_labels_stay_inside_their_area(name: str, width: float, height: float) -> None:
    label = place_label(name, "4,096 B", [(10.0, 20.0, width, height)])
    if label is None:
        assert min(width, height) < LINE_HEIGHT or max(width, height) < 5 * LETTER_WIDTH
        return
    along, across = (height, width) if label.upright else (width, height)
    assert max(columns(line) for line in label.lines) * LETTER_WIDTH <= along
    assert len(label.lines) * LINE_HEIGHT <= across
    assert (label.x, label.y) == (10.0 + width / 2, 20.0 + height / 2)


def test_labels_prefer_the_area_that_shows_more() -> None:
    areas = [(0.0, 0.0, 40.0, 14.0), (100.0, 0.0, 200.0, 14.0)]
    label = place_label("activation_12", "64 B", areas)
    assert label is not None
    assert label.x == 200.0
    assert label.lines[0].startswith("activation_12")
