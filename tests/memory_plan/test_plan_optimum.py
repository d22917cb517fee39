"""Plans against the optimum of tiny problems, found by trying every offset."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import permutations

from hypothesis import assume, given, settings
from plan_problems import Net, problems

from midge.memory_plan import Problem, plan_memory
from midge.memory_plan.canonical import Verdict, search_within
from midge.memory_plan.network import build_network
from midge.memory_plan.order import best_order, peak_bound
from midge.memory_plan.placement import Budget, anneal, best_greedy
from midge.memory_plan.propagate import domains, raise_bound
from midge.memory_plan.timeline import build_timeline


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


def uneven(**sizes: int) -> Problem:
    """Six buffers whose every greedy order leaves 8 bytes over the bound."""
    net = Net(x=8)
    for name, size, *reads in (
        ("a", 20, "x"),
        ("b", 32, "a"),
        ("c", 12, "b"),
        ("d", 16, "x", "a"),
        ("e", 28, "a"),
    ):
        net.step(name, sizes.get(name, size), *reads)
    return net.problem("c", "d", "e")


def test_exact_search_closes_the_gap_that_greedy_orders_leave():
    problem = uneven()
    plan = plan_memory(problem, reorder=False)
    timeline = build_timeline(build_network(problem, overlap=True), plan.order)
    assert best_greedy(timeline)[0].arena_bytes == 84
    assert plan.arena_bytes == smallest_arena(problem, plan.order) == 76


def test_annealing_closes_it_too_and_never_returns_anything_worse():
    timeline = build_timeline(build_network(uneven(), overlap=True), (0, 1, 2, 3, 4))
    greedy, order = best_greedy(timeline)
    assert anneal(timeline, greedy, order, 76, Budget(200_000)).arena_bytes == 76
    assert anneal(timeline, greedy, order, 76, Budget(0)) == greedy


def test_search_within_tells_impossible_from_given_up():
    timeline = build_timeline(build_network(uneven(), overlap=True), (0, 1, 2, 3, 4))
    assert search_within(timeline, 72, Budget(10_000)) == (Verdict.IMPOSSIBLE, None)
    assert search_within(timeline, 76, Budget(1)) == (Verdict.GAVE_UP, None)
    verdict, placement = search_within(timeline, 76, Budget(10_000))
    assert verdict is Verdict.FOUND
    assert placement.arena_bytes == 76


def test_distances_of_successive_overlaps_add_up_in_the_bound():
    # wide lies 8 above narrow and entry 72 above wide: 8 + 72 + 20; each step alone sees 92.
    net = Net(entry=20)
    net.step("wide", 80, "entry", distance=72)
    net.step("narrow", 40, "wide", distance=8)
    plan = plan_memory(net.problem("narrow"))
    assert max(slot.bound_bytes for slot in plan.live) == 92
    assert plan.arena_bytes == plan.lower_bound_bytes == 100


@settings(max_examples=100, deadline=None)
@given(problem=mixed.filter(without_scratch))
def test_propagation_refutes_no_arena_that_exists(problem):
    order = tuple(range(len(problem.steps)))
    timeline = build_timeline(build_network(problem, overlap=True), order)
    optimum = smallest_arena(problem, order)
    low, high = domains(timeline, optimum)
    assert all(lo <= hi for lo, hi in zip(low, high, strict=True))
    assert raise_bound(timeline, timeline.lower_bound, optimum) <= optimum


DESCRIBE = """
from plan_problems import wired
from midge.memory_plan import plan_memory
plan = plan_memory(wired(1, 14))
assert plan.reordered
print(plan)
"""


def test_a_plan_depends_on_nothing_but_the_problem():
    answers = [
        subprocess.run(
            [sys.executable, "-c", DESCRIBE],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1] != b""
