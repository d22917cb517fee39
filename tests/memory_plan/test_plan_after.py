"""Steps that must follow others for the sake of memory that is not the planner's."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plan_problems import Net, problems

from midge.errors import InternalError
from midge.memory_plan import Problem, Step, check_plan, plan_memory
from midge.memory_plan.network import build_network
from midge.memory_plan.order import best_order, peak_bound


def forked() -> Problem:
    """Two branches, of which the one that ends small had better come first."""
    net = Net(x=4)
    net.step("small", 50, "x")
    net.step("large", 100, "x")
    net.step("tail", 4, "large")
    net.step("sum", 4, "small", "tail")
    return net.problem("sum")


def following(problem: Problem, **after: str) -> Problem:
    """The problem with steps that come after others, both without their ``op_``."""
    steps = [
        replace(step, after=(f"op_{after[step.name[3:]]}",)) if step.name[3:] in after else step
        for step in problem.steps
    ]
    return replace(problem, steps=tuple(steps))


def test_a_step_waits_for_those_before_it():
    free = plan_memory(forked())
    assert free.order == (1, 2, 0, 3)
    bound = plan_memory(following(forked(), large="small"))
    assert bound.order == (0, 1, 2, 3)
    assert bound.arena_bytes > free.arena_bytes
    late = plan_memory(following(forked(), tail="small"))
    assert late.order.index(0) < late.order.index(2)
    for plan, problem in (
        (bound, following(forked(), large="small")),
        (late, following(forked(), tail="small")),
    ):
        check_plan(problem, plan)
    with pytest.raises(InternalError, match="step 'op_large' runs before 'op_small'"):
        check_plan(following(forked(), large="small"), free)


@pytest.mark.parametrize("name", ["op_sum", "op_large", "nobody"])
def test_only_earlier_steps_can_be_waited_for(name: str):
    problem = forked()
    steps = list(problem.steps)
    steps[1] = replace(steps[1], after=(name,))
    message = f"step 'op_large': found a place after '{name}'; expected the name of an earlier step"
    with pytest.raises(InternalError, match=message):
        plan_memory(replace(problem, steps=tuple(steps)))


def test_a_step_may_touch_nothing_of_the_planners():
    # A constant assigned to a variable.
    problem = forked()
    steps = (*problem.steps, Step("assign", (), (), after=("op_large",)))
    plan = plan_memory(replace(problem, steps=steps))
    assert plan.order.index(4) > plan.order.index(1)
    check_plan(replace(problem, steps=steps), plan)


@st.composite
def with_order(draw):
    """A problem, some of whose steps come after earlier ones."""
    problem = draw(problems(max_buffers=6))
    steps = list(problem.steps)
    for place in range(1, len(steps)):
        earlier = [step.name for step in steps[:place]]
        after = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True))
        steps[place] = replace(steps[place], after=tuple(after))
    return replace(problem, steps=tuple(steps))


def is_possible(problem: Problem, order: tuple[int, ...]) -> bool:
    done, written = set(), set(problem.inputs)
    for index in order:
        step = problem.steps[index]
        if not (written >= set(step.reads) and done >= set(step.after)):
            return False
        done.add(step.name)
        written.update(step.writes)
    return True


@settings(deadline=None, max_examples=150)
@given(with_order())
def test_the_best_order_is_the_best_of_those_that_are_possible(problem: Problem):
    network = build_network(problem, overlap=True)
    found = best_order(network)
    assert is_possible(problem, found)
    orders = permutations(range(len(problem.steps)))
    bounds = [peak_bound(network, order) for order in orders if is_possible(problem, order)]
    assert peak_bound(network, found) == min(bounds)
    check_plan(problem, plan_memory(problem))
