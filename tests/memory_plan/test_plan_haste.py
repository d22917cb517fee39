"""A short search, and what every slot needs at least: for whoever weighs many problems."""

from __future__ import annotations

from hypothesis import given, settings
from plan_problems import problems

from midge.memory_plan import Problem, check_plan, plan_memory, slot_bounds


@settings(max_examples=40)
@given(problems())
def test_a_hasty_plan_is_a_plan(problem: Problem) -> None:
    hasty = plan_memory(problem, haste=50)
    check_plan(problem, hasty)
    assert hasty.arena_bytes >= plan_memory(problem).lower_bound_bytes


@settings(max_examples=40)
@given(problems())
def test_no_plan_in_file_order_is_under_the_bound_of_a_slot(problem: Problem) -> None:
    bounds = slot_bounds(problem)
    assert len(bounds) == len(problem.steps) + 2
    plan = plan_memory(problem, reorder=False)
    assert [slot.bound_bytes for slot in plan.live] == list(bounds)
    assert max(bounds, default=0) <= plan.arena_bytes
