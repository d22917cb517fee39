"""Plans against the optimum of tiny problems, found by trying every offset."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from plan_problems import Net, problems

from midge.memory_plan import Problem, plan_memory
from midge.memory_plan.network import build_network
from midge.memory_plan.order import best_order, peak_bound


def lifetimes(problem: Problem, order) -> dict[str, tuple[int, int]]:
    """First and last slot of every buffer under its own name."""
    life = {name: [0, 0] for name in problem.inputs}
    for slot, index in enumerate(order, start=1):
        step = problem.steps[index]
        for name in step.writes:
            life[name] = [slot, slot]
        for name in step.reads:
            life[name][1] = slot
    for name in (*problem.outputs, *problem.keep):
        life[name][1] = len(order) + 1
    return {name: (first, last) for name, (first, last) in life.items()}


def forbidden(problem: Problem, order, a: str, b: str) -> set[int]:
    """Differences offset(a) - offset(b) at which the two hurt each other."""
    size = {x.name: x.size_bytes for x in problem.buffers}
    touching = set(range(-size[a] + 1, size[b]))
    root = {x.name: x.name for x in problem.buffers}
    for index in order:
        for alias in problem.aliases:
            if alias.output in problem.steps[index].writes:
                root[alias.output] = root[alias.input]
    if root[a] == root[b]:
        return set(range(-1000, 1000)) - {0}
    life = lifetimes(problem, order)
    death = {n: max(life[m][1] for m in life if root[m] == root[n]) for n in life}
    common = range(max(life[a][0], life[b][0]), min(life[a][1], life[b][1]) + 1)
    if not common:
        return set()
    if len(common) > 1:
        return touching
    slot = common[0]
    for source, target, sign in ((a, b, 1), (b, a, -1)):
        if not 1 <= slot <= len(order) or target not in problem.steps[order[slot - 1]].writes:
            continue
        step = problem.steps[order[slot - 1]]
        distances = [
            o.distance
            for o in step.overlaps
            if o.output == target and root[o.input] == root[source]
        ]
        operands = sum(1 for name in step.reads if root[name] == root[source])
        own_bytes = target not in {alias.output for alias in problem.aliases}
        handed_on = any(root[name] == root[source] for name in step.writes)
        if death[source] == slot and own_bytes and not handed_on and len(distances) == operands > 0:
            return {x for x in touching if sign * x < max(distances)}
    return touching


def smallest_arena(problem: Problem, order) -> int:
    """Depth-first over all offsets; exponential, for a handful of buffers of a few bytes."""
    names = [b.name for b in problem.buffers]
    buffers = {b.name: b for b in problem.buffers}
    granule = min(b.alignment for b in problem.buffers)
    bad = {(a, b): forbidden(problem, order, a, b) for a in names for b in names if a != b}
    best = sum(-(-b.size_bytes // 4) * 4 for b in problem.buffers) + 1

    def place(k: int, offsets: dict[str, int], top: int) -> None:
        nonlocal best
        if k == len(names):
            best = min(best, top)
            return
        name = names[k]
        buffer = buffers[name]
        offset = 0
        while True:
            end = -(-(offset + buffer.size_bytes) // granule) * granule
            if end >= best:
                return
            if all(offset - at not in bad[name, other] for other, at in offsets.items()):
                place(k + 1, {**offsets, name: offset}, max(top, end))
            offset += buffer.alignment

    place(0, {}, 0)
    return best


def without_scratch(problem: Problem) -> bool:
    return all(step.scratch_bytes == 0 for step in problem.steps)


tiny = problems(max_buffers=5, max_size=5, alignments=(1,), distances=(0, 5))


@settings(max_examples=200, deadline=None)
@given(problem=tiny.filter(without_scratch))
def test_the_arena_is_the_smallest_there_is(problem):
    plan = plan_memory(problem, reorder=False)
    optimum = smallest_arena(problem, plan.order)
    assert plan.lower_bound_bytes <= optimum
    assert plan.arena_bytes == optimum
    assert plan.gap_bytes == 0


mixed = problems(max_buffers=4, max_size=7, alignments=(1, 2, 4), distances=(-7, 7))


@settings(max_examples=200, deadline=None)
@given(problem=mixed.filter(without_scratch))
def test_with_mixed_alignment_and_negative_distances_no_claim_is_false(problem):
    plan = plan_memory(problem, reorder=False)
    optimum = smallest_arena(problem, plan.order)
    assert plan.lower_bound_bytes <= optimum <= plan.arena_bytes
    if plan.gap_bytes == 0:
        assert plan.arena_bytes == optimum


def topological_orders(problem: Problem):
    for order in permutations(range(len(problem.steps))):
        written = set(problem.inputs)
        for index in order:
            if not written.issuperset(problem.steps[index].reads):
                break
            written.update(problem.steps[index].writes)
        else:
            yield order


@settings(max_examples=100, deadline=None)
@given(problem=problems(max_buffers=7))
def test_no_order_has_a_smaller_peak(problem):
    assume(len(problem.steps) >= 2)
    network = build_network(problem, overlap=True)
    peaks = {order: peak_bound(network, order) for order in topological_orders(problem)}
    found = best_order(network)
    file_order = tuple(range(len(problem.steps)))
    assert peaks[found] == min(peaks.values())
    if peaks[file_order] == peaks[found]:
        assert found == file_order


@settings(max_examples=60, deadline=None)
@given(problem=problems(max_buffers=7))
def test_reordering_and_overlapping_never_cost_memory(problem):
    best = plan_memory(problem).arena_bytes
    assert best <= plan_memory(problem, reorder=False).arena_bytes
    assert best <= plan_memory(problem, overlap=False).arena_bytes


def test_a_hole_that_no_heuristic_finds_by_luck():
    # Seven buffers for which every greedy order leaves a gap; only the exact search closes it.
    net = Net(x=4)
    for name, size, *reads in (
        ("a", 12, "x"),
        ("b", 8, "a"),
        ("c", 4, "a", "b"),
        ("d", 8, "b"),
        ("e", 12, "c", "d"),
        ("f", 4, "d", "e"),
    ):
        net.step(name, size, *reads)
    problem = net.problem("f")
    plan = plan_memory(problem, reorder=False)
    assert plan.arena_bytes == smallest_arena(problem, plan.order)


@pytest.mark.parametrize("overlap", [True, False])
def test_two_runs_give_the_same_plan(overlap):
    from plan_problems import wired

    problem = wired(1, 30)
    assert plan_memory(problem, overlap=overlap) == plan_memory(problem, overlap=overlap)
