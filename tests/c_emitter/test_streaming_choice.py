"""The choice of groups: the least arena, or the cheapest within a budget."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from midge.c_emitter import choose_kernels, leanest_kernels
from midge.c_emitter.problem import frame_name, inside, planning_problem, running_order
from midge.c_emitter.streaming import Group, row_table, stream_of
from midge.c_emitter.streaming_choice import choose_groups
from midge.c_emitter.streaming_cut import Cut, Piece, Span, cheapest_cut, least_peak
from midge.graph import Graph
from midge.importers import import_tflite
from midge.memory_plan import check_plan, plan_memory
from midge.passes import run_passes
from support.networks import dense, imported, mobile_chain, residual_branches
from support.shared_data import mlperf_tiny_model, needs_mlperf_tiny
from support.streaming_networks import random_images

DSP = frozenset({"dsp"})


def every_cut(count: int, pieces: dict[Span, Piece], *, must_begin: bool) -> list[tuple[Span, ...]]:
    """Every set of pieces that do not overlap, by trying all."""
    spans = list(pieces)
    found = []
    for size in range(count + 1):
        for chosen in combinations(spans, size):
            taken = [i for first, last in chosen for i in range(first, last + 1)]
            if len(set(taken)) == len(taken) and not (must_begin and 0 not in taken):
                found.append(chosen)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_shortest_paths_equal_brute_force(seed: int) -> None:
    dice = random.Random(seed)
    count = dice.randint(1, 5)
    singles = [dice.randint(1, 30) for _ in range(count)]
    spans = [(i, j) for i in range(count) for j in range(i, count) if dice.random() < 0.5]
    pieces = {
        (i, j): Piece(Group(i, j, ()), dice.randint(1, 30), dice.randint(1, 9)) for i, j in spans
    }
    must_begin = seed % 2 == 1

    def peak(cut: tuple[Span, ...]) -> int:
        taken = {i for first, last in cut for i in range(first, last + 1)}
        alone = [singles[i] for i in range(count) if i not in taken]
        return max([*alone, *(pieces[s].peak_bytes for s in cut)])

    cuts = every_cut(count, pieces, must_begin=must_begin)
    least = least_peak(singles, pieces, must_begin=must_begin)
    assert least == min(map(peak, cuts), default=None)
    if least is None:
        return
    for limit in (least, least + 5):
        chosen = cheapest_cut(singles, pieces, limit, must_begin=must_begin)
        assert isinstance(chosen, Cut)
        assert peak(tuple(p.span for p in chosen.pieces)) == chosen.peak_bytes <= limit
        prices = [sum(pieces[s].moved_bytes for s in cut) for cut in cuts if peak(cut) <= limit]
        assert chosen.moved_bytes == min(prices)


@pytest.mark.parametrize("seed", [703, 713, 738])
def test_rows_make_the_arena_smaller_and_a_budget_makes_them_fewer(seed: int) -> None:
    graph = random_images(seed, layers=8)
    choice = leanest_kernels(graph, DSP)
    least = choose_groups(graph, choice, DSP)
    assert least.groups
    assert least.arena_bytes < least.whole_bytes
    within = choose_groups(graph, choice, DSP, budget_bytes=least.whole_bytes - 8)
    assert within.arena_bytes <= least.whole_bytes - 8
    assert within.moved_bytes <= least.moved_bytes
    enough = choose_groups(graph, choice, DSP, budget_bytes=least.whole_bytes)
    assert enough.groups == ()
    assert enough.arena_bytes == enough.whole_bytes
    # A budget that cannot be kept gives the least.
    assert choose_groups(graph, choice, DSP, budget_bytes=1).arena_bytes == least.arena_bytes


@pytest.mark.parametrize("seed", range(12))
def test_chosen_groups_never_cost_arena(seed: int) -> None:
    graph = random_images(700 + seed, layers=8)
    choice = choose_kernels(graph, DSP)
    for keep_input in (False, True):
        found = choose_groups(graph, choice, DSP, keep_input=keep_input)
        assert found.arena_bytes <= found.whole_bytes
        problem = planning_problem(graph, choice, keep_input=keep_input, groups=found.groups)
        plan = plan_memory(problem)
        check_plan(problem, plan)
        assert plan.arena_bytes <= found.arena_bytes
        assert found == choose_groups(graph, choice, DSP, keep_input=keep_input)


def test_networks_without_images_stay_whole() -> None:
    graph = run_passes(imported(dense()))
    choice = choose_kernels(graph, DSP)
    found = choose_groups(graph, choice, DSP)
    assert found.groups == ()
    assert found.moved_bytes == 0


def test_what_is_inside_a_group_has_no_place() -> None:
    graph = run_passes(imported(mobile_chain()))
    choice = choose_kernels(graph, DSP)
    for fed in (False, True):
        group = row_table(graph, choice, DSP).group((0, 2), fed=fed)
        assert group is not None
        hidden = inside(graph, group)
        assert set(graph.ops[0].outputs) < set(hidden) or fed
        assert set(graph.inputs).isdisjoint(hidden) != fed
        plan = plan_memory(planning_problem(graph, choice, groups=(group,)))
        assert plan.offsets.keys().isdisjoint(hidden)
        assert (frame_name(graph) in plan.offsets) == fed
        order, (moved,) = running_order((group,), len(graph.ops), plan.order)
        assert sorted(order) == list(range(len(graph.ops)))
        at = order.index(0)
        assert order[at : at + 3] == (0, 1, 2)
        assert (moved.first, moved.last) == (at, at + 2)


def test_an_image_that_others_read_too_is_not_hidden() -> None:
    graph: Graph = run_passes(imported(residual_branches()))
    choice = choose_kernels(graph, DSP)
    table = row_table(graph, choice, DSP)
    readers: dict[str, set[int]] = {}
    for index, op in enumerate(graph.ops):
        for name in op.inputs:
            readers.setdefault(name, set()).add(index)
    groups = 0
    for first in range(len(graph.ops)):
        for last in range(first, len(graph.ops)):
            group = table.group((first, last))
            if group is None or stream_of(graph, group, table) is None:
                continue
            groups += 1
            span = set(range(first, last + 1))
            assert all(readers[name] <= span for name in inside(graph, group))
    assert groups > len(graph.ops) // 2


AIMS = {"vww01_mnv1_025_int8": 34_000, "ic01_resnet8_int8": 26_000, "kws01_dscnn_int8": 10_000}
"""Arena, the input counted."""


@needs_mlperf_tiny
@pytest.mark.parametrize("name", AIMS)
def test_arenas_of_the_published_networks(name: str) -> None:
    graph = run_passes(import_tflite(mlperf_tiny_model(name), f"{name}.tflite"))
    found = choose_groups(graph, leanest_kernels(graph, DSP), DSP)
    assert found.arena_bytes <= AIMS[name]
    within = choose_groups(graph, leanest_kernels(graph, DSP), DSP, budget_bytes=AIMS[name])
    assert within.arena_bytes <= AIMS[name]
    assert within.moved_bytes <= found.moved_bytes
