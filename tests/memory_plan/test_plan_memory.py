"""What plans say of known networks, and of the rules that decide who may share bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_problems import Net, ad01, ic01, inception, kws01, mobilenet_v2, vww01, wired

from midge.errors import InternalError
from midge.memory_plan import (
    Alias,
    Buffer,
    Lifetime,
    LiveSlot,
    Overlap,
    Problem,
    SharedBytes,
    Step,
    plan_memory,
)


@pytest.mark.parametrize(
    ("network", "arena_bytes"),
    [(ad01, 640 + 128), (kws01, 2 * 8000), (vww01, 18432 + 36864), (ic01, 3 * 16384)],
)
def test_without_overlap_the_mlperf_tiny_networks_take_their_largest_live_set(network, arena_bytes):
    plan = plan_memory(network(), overlap=False)
    assert plan.arena_bytes == plan.lower_bound_bytes == plan.live_set_bytes == arena_bytes
    assert plan.gap_bytes == 0
    assert not plan.shared


def test_with_overlap_they_take_less():
    # One 8,000-byte tensor beside the input: the first convolution offers no overlap, but the pixel
    # of 64 bytes that each of the four pointwise kernels moves down finds the input gone.
    assert plan_memory(kws01()).arena_bytes == 490 + 2 + 8000
    assert plan_memory(vww01(overlap_rows=True)).arena_bytes == 27648 + 18432


@pytest.mark.parametrize("network", [mobilenet_v2, vww01, ic01, inception])
def test_networks_of_the_field_leave_no_gap(network):
    assert plan_memory(network()).gap_bytes == 0


def test_uneven_branches_are_run_one_after_the_other():
    problem = inception()
    plan = plan_memory(problem)
    assert plan.reordered
    assert plan.arena_bytes == 11264
    assert plan_memory(problem, reorder=False).arena_bytes == plan.live_set_bytes == 19456
    at = {problem.steps[index].name: slot for slot, index in enumerate(plan.order)}
    for head in (name for name in at if "_h" in name):
        assert at[head.replace("_h", "_m")] == at[head] + 1


def test_a_chain_and_an_order_that_is_as_good_stay_as_they_are():
    assert not plan_memory(vww01()).reordered
    net = Net(x=16)
    for name in ("b", "a"):
        net.step(name, 16, "x")
    net.step("sum", 16, "a", "b")
    assert plan_memory(net.problem("sum")).order == (0, 1, 2)


def test_a_hard_network_of_200_steps_is_planned_within_the_budgets():
    plan = plan_memory(wired(0, 200, reach=4))
    assert len(plan.order) == 200
    assert plan.gap_bytes < plan.lower_bound_bytes // 10
    assert plan.arena_bytes < plan.live_set_bytes


def test_lifetimes_are_exact():
    net = Net(x=8, unread=8, late=8)
    net.step("a", 8, "x")
    net.step("b", 8, "x", "a")
    net.step("dead", 8, "b")
    net.step("y", 8, "b", "late")
    problem = net.problem("y")
    assert plan_memory(problem, reorder=False).lifetimes == {
        "x": Lifetime(0, 2),
        "unread": Lifetime(0, 0),
        "late": Lifetime(0, 4),
        "a": Lifetime(1, 2),
        "b": Lifetime(2, 4),
        "dead": Lifetime(3, 3),
        "y": Lifetime(4, 5),
    }


def test_all_inputs_are_alive_before_the_first_step():
    net = Net(x=8, y=8, unread=8)
    net.step("a", 8, "x")
    net.step("b", 8, "a", "y")
    plan = plan_memory(net.problem("b"))
    assert plan.arena_bytes == 24
    assert len({plan.offsets[name] for name in ("x", "y", "unread")}) == 3


def test_the_live_table_adds_up():
    net = Net(x=6)
    net.step("a", 10, "x", distance=4, scratch=5)
    net.step("b", 3, "a")
    plan = plan_memory(net.problem("b"))
    assert plan.live == (
        LiveSlot(None, ("x",), 6, 0, 8),
        LiveSlot("op_a", ("x", "a"), 16, 5, 8 + 12 + 8 - 8),
        LiveSlot("op_b", ("a", "b"), 13, 0, 12 + 4),
        LiveSlot(None, ("b",), 3, 0, 4),
    )
    assert plan.arena_bytes == 20
    assert plan.live_set_bytes == 16


def in_place(**changes) -> Problem:
    net = Net(x=8)
    net.step("a", 8, "x", distance=0)
    net.step("b", 8, "a", distance=0)
    return replace(net.problem("b"), **changes)


def test_element_wise_steps_run_in_place():
    plan = plan_memory(in_place())
    assert plan.arena_bytes == 8
    assert plan.shared == (SharedBytes("op_a", "x", "a", 8), SharedBytes("op_b", "a", "b", 8))


@pytest.mark.parametrize(
    "changes", [{"keep": ("x",)}, {"outputs": ("b", "x")}, {"keep": ("x", "a")}]
)
def test_what_must_stay_is_not_written_over(changes):
    plan = plan_memory(in_place(**changes))
    held = {"b", *changes.get("keep", ()), *changes.get("outputs", ())}
    assert plan.arena_bytes == 8 * len(held)
    assert len({plan.offsets[name] for name in held}) == len(held)


def test_an_input_with_a_later_reader_is_not_written_over():
    net = Net(x=8)
    net.step("a", 8, "x", distance=0)
    net.step("b", 8, "a", "x", distance=(0, None))
    plan = plan_memory(net.problem("b"))
    assert plan.arena_bytes == 16
    assert [entry.output for entry in plan.shared] == ["b"]


def test_without_overlap_nobody_shares_a_byte():
    plan = plan_memory(in_place(), overlap=False)
    assert plan.arena_bytes == 16
    assert plan.shared == ()


def test_scratch_lies_beside_what_its_step_reads_and_writes():
    net = Net(x=8)
    net.step("a", 8, "x", distance=0, scratch=24)
    net.step("b", 8, "a", scratch=4)
    plan = plan_memory(net.problem("b"))
    assert plan.arena_bytes == 8 + 24
    assert set(plan.scratch_offsets) == {"op_a", "op_b"}


def test_offsets_are_aligned_and_the_arena_says_to_what():
    net = Net(x=3)
    net.step("a", 5, "x", alignment=16)
    net.step("b", 7, "a", "x", alignment=8)
    plan = plan_memory(net.problem("b"))
    assert plan.alignment == 16
    assert plan.offsets["a"] % 16 == plan.offsets["b"] % 8 == plan.offsets["x"] % 4 == 0


def test_a_reshape_is_the_same_bytes_for_the_union_of_both_lifetimes():
    net = Net(x=8)
    net.step("a", 12, "x")
    net.reshape("flat", "a")
    net.reshape("flatter", "flat")
    net.step("b", 12, "a", "flatter")
    plan = plan_memory(net.problem("b"))
    assert plan.aliases == {"flat": "a", "flatter": "a"}
    assert plan.offsets["flat"] == plan.offsets["flatter"] == plan.offsets["a"]
    assert plan.lifetimes["a"] == plan.lifetimes["flatter"] == Lifetime(1, 4)
    assert plan.live_set_bytes == plan.arena_bytes == 24


def test_a_reshaped_output_keeps_its_source_from_being_written_over():
    net = Net(x=8)
    net.reshape("view", "x")
    net.step("y", 8, "x", distance=0)
    plan = plan_memory(net.problem("y", "view"))
    assert plan.arena_bytes == 16
    assert plan.shared == ()


def test_a_network_without_steps_holds_its_inputs():
    plan = plan_memory(Problem((Buffer("x", 8), Buffer("y", 4)), (), ("x", "y"), ("x",)))
    assert plan.arena_bytes == 12
    assert plan.order == ()
    assert plan_memory(Problem((), (), (), ())).arena_bytes == 0


X, Y = Buffer("x", 8), Buffer("y", 8)
STEP = Step("op", ("x",), ("y",))
RIGHT = Problem((X, Y), (STEP,), ("x",), ("y",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buffers": (X, Y, X)}, "buffer 'x': found the name twice"),
        ({"buffers": (X, Buffer("y", 0))}, "buffer 'y': found size 0; expected at least 1"),
        ({"buffers": (X, Buffer("y", 8, 3))}, "buffer 'y': found alignment 3; expected a power"),
        ({"buffers": (X, Y, Buffer("z", 1))}, "buffer 'z': found nothing writes it"),
        ({"inputs": ("x", "z")}, "input 'z': found no such buffer"),
        ({"outputs": ("z",)}, "output 'z': found no such buffer"),
        ({"outputs": ("y", "y")}, r"outputs: found a name twice in \['y', 'y'\]"),
        ({"keep": ("z",)}, "kept buffer 'z': found no such buffer"),
        ({"inputs": ()}, "step 'op': found a read of 'x'; expected an input or an earlier"),
        ({"inputs": ("x", "y")}, "step 'op': found a second write to 'y'"),
        ({"steps": (STEP, STEP)}, "step 'op': found the name twice"),
        ({"steps": (replace(STEP, writes=("z",)),)}, "step 'op': found a write to 'z'"),
        ({"steps": (replace(STEP, scratch_bytes=-4),)}, "step 'op': found scratch of -4 bytes"),
        ({"steps": (replace(STEP, scratch_alignment=0),)}, "found scratch alignment 0"),
        (
            {"steps": (replace(STEP, overlaps=(Overlap("y", "x", 0),)),)},
            "step 'op': found an overlap of 'x' with 'y'; expected one of its writes over",
        ),
        (
            {"steps": (replace(STEP, overlaps=(Overlap("x", "y", 0),) * 2),)},
            "step 'op': found more overlaps of 'y' with 'x' than reads of it",
        ),
        ({"aliases": (Alias("x", "z"),)}, "alias 'z' of 'x': found 'z', no such buffer"),
        ({"aliases": (Alias("y", "x"),)}, "alias 'x' of 'y': found an output not made from"),
        ({"aliases": (Alias("x", "y"),) * 2}, "alias 'y' of 'x': found a second alias"),
        (
            {"aliases": (Alias("x", "y"),), "buffers": (X, Buffer("y", 4))},
            "alias 'y' of 'x': found 4 bytes over 8; expected equal sizes",
        ),
    ],
)
def test_a_malformed_problem_is_refused(changes, message):
    plan_memory(RIGHT)
    with pytest.raises(InternalError, match=f"^memory plan: .*{message}"):
        plan_memory(replace(RIGHT, **changes))
