"""The planner: order, then offsets, then the proof that both are right.

Order and offsets can be solved together as one integer program (Steiner et al., *OLLA: Optimizing
the Lifetime and Location of Arrays*, arXiv:2210.12924), at the price of a solver and of minutes.
Networks for microcontrollers have tens of steps and nearly always a placement as tight as the best
order's bound, so the two are searched one after the other here, each with its own proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from midge.memory_plan.canonical import Verdict, search_within
from midge.memory_plan.check import check_plan
from midge.memory_plan.network import Network, build_network, owners
from midge.memory_plan.order import best_order
from midge.memory_plan.placement import Budget, Placement, anneal, best_greedy
from midge.memory_plan.plan import Lifetime, LiveSlot, Plan, SharedBytes
from midge.memory_plan.problem import Problem, validate
from midge.memory_plan.propagate import raise_bound
from midge.memory_plan.timeline import Timeline, build_timeline

# Visited constraints per order: to reach the bound exactly, to anneal, to improve exactly on that.
# Enough for most irregular networks of some 30 blocks. A chain or a ResNet needs none of it; beyond
# `MANY_BLOCKS` exact search is all but hopeless and gets a fraction.
BOUND_UNITS = 500_000
ANNEALING_UNITS = 1_600_000
DESCENT_UNITS = 200_000
MANY_BLOCKS = 80


@dataclass(frozen=True)
class _Candidate:
    order: tuple[int, ...]
    timeline: Timeline
    placement: Placement
    bound: int


def plan_memory(
    problem: Problem, *, reorder: bool = True, overlap: bool = True, haste: int = 1
) -> Plan:
    """Place every buffer and every scratch of a network in one arena.

    The steps are put into the order with the smallest peak (`order`), unless the file order does as
    well; the offsets are then searched by greedy heuristics (`placement`), branch and bound
    (`canonical`) and annealing, stopping at once when the lower bound (`bound`) is reached. If
    the new order does not lead to a smaller arena, the file order is kept; if overlaps misled it,
    the best order without overlaps is tried as well. The same problem always gives the same plan.

    Args:
        problem: The network.
        reorder: False keeps the file order.
        overlap: False gives every buffer bytes of its own for its whole life. Aliases stay.
        haste: The search for offsets gets 1 / haste of its usual length: for whoever
            compares many problems.

    Returns:
        A plan that has passed `check_plan`.

    Raises:
        InternalError: The problem is malformed, or the plan fails its check.
    """
    validate(problem)
    network = build_network(problem, overlap=overlap)
    file_order = tuple(range(len(problem.steps)))
    first = best_order(network) if reorder else file_order
    chosen = _place(network, first, haste)
    if chosen.order != file_order:
        chosen = _smaller(network, file_order, chosen, haste)
    if reorder and overlap and _may_lose_to_another_order(chosen):
        plain = best_order(build_network(problem, overlap=False))
        if plain not in {chosen.order, file_order}:
            chosen = _smaller(network, plain, chosen, haste)
    plan = _describe(problem, network, chosen)
    check_plan(problem, plan)
    return plan


def slot_bounds(problem: Problem) -> tuple[int, ...]:
    """The least arena that each slot of the file order needs, for whoever weighs problems quickly.

    Args:
        problem: A valid one.
    """
    network = build_network(problem, overlap=True)
    return tuple(build_timeline(network, tuple(range(len(problem.steps)))).slot_bounds)


def _may_lose_to_another_order(chosen: _Candidate) -> bool:
    """Return whether the overlaps that chose an order did not hold what they promised."""
    missed = chosen.placement.arena_bytes > chosen.timeline.lower_bound
    return missed and len(chosen.timeline.blocks) <= MANY_BLOCKS


def _smaller(
    network: Network, order: tuple[int, ...], chosen: _Candidate, haste: int
) -> _Candidate:
    """Return the candidate for `order` if its arena is not larger, else `chosen`."""
    if build_timeline(network, order).lower_bound > chosen.placement.arena_bytes:
        return chosen
    other = _place(network, order, haste)
    return other if other.placement.arena_bytes <= chosen.placement.arena_bytes else chosen


def _place(network: Network, order: tuple[int, ...], haste: int) -> _Candidate:
    """Return the best offsets found for one order, and the best lower bound."""
    timeline = build_timeline(network, order)
    share = haste if len(timeline.blocks) <= MANY_BLOCKS else 5 * haste
    greedy, greedy_order = best_greedy(timeline)
    best, bound = greedy, timeline.lower_bound
    if best.arena_bytes > bound:
        bound = raise_bound(timeline, bound, best.arena_bytes)
    if best.arena_bytes > bound:
        _, found = search_within(timeline, bound, Budget(BOUND_UNITS // share))
        best = found or best
    best, least = _descend(timeline, best, bound, Budget(DESCENT_UNITS // share))
    if not least:
        annealed = anneal(timeline, greedy, greedy_order, bound, Budget(ANNEALING_UNITS // haste))
        if annealed.arena_bytes < best.arena_bytes:
            best, least = _descend(timeline, annealed, bound, Budget(DESCENT_UNITS // share))
    return _Candidate(order, timeline, best, best.arena_bytes if least else bound)


def _descend(
    timeline: Timeline, best: Placement, bound: int, budget: Budget
) -> tuple[Placement, bool]:
    """Improve a placement exactly, as far as the budget goes; say whether none is smaller."""
    while best.arena_bytes > bound:
        verdict, found = search_within(timeline, best.arena_bytes - timeline.granule, budget)
        if found is None:
            return best, verdict is Verdict.IMPOSSIBLE and not timeline.has_negative_distance
        best = found
    return best, True


def _describe(problem: Problem, network: Network, chosen: _Candidate) -> Plan:
    """Put names back on blocks."""
    timeline = chosen.timeline
    offsets: dict[str, int] = {}
    lifetimes: dict[str, Lifetime] = {}
    scratch_offsets: dict[str, int] = {}
    for block, offset in zip(timeline.blocks, chosen.placement.offsets, strict=True):
        if block.storage >= 0:
            for name in network.storages[block.storage].names:
                offsets[name] = offset
                lifetimes[name] = Lifetime(block.first, block.last)
        else:
            scratch_offsets[problem.steps[block.step].name] = offset
    shared = []
    for slot, pairs in enumerate(timeline.pairs):
        for i, o, _ in pairs:
            source, target = network.storages[i], network.storages[o]
            at_i, at_o = offsets[source.names[0]], offsets[target.names[0]]
            top = min(at_i + source.size_bytes, at_o + target.size_bytes)
            common = top - max(at_i, at_o)
            if common > 0:
                step = problem.steps[chosen.order[slot - 1]]
                shared.append(SharedBytes(step.name, source.names[0], target.names[0], common))
    names = [buffer.name for buffer in problem.buffers]
    return Plan(
        order=chosen.order,
        offsets={name: offsets[name] for name in names},
        scratch_offsets=scratch_offsets,
        lifetimes={name: lifetimes[name] for name in names},
        aliases={name: owner for name, owner in owners(problem).items() if name != owner},
        shared=tuple(shared),
        live=_live_table(problem, network, timeline, chosen.order),
        arena_bytes=chosen.placement.arena_bytes,
        alignment=max([block.alignment for block in timeline.blocks], default=1),
        lower_bound_bytes=chosen.bound,
        live_set_bytes=_live_set_bytes(network),
    )


def _live_table(
    problem: Problem, network: Network, timeline: Timeline, order: tuple[int, ...]
) -> tuple[LiveSlot, ...]:
    table = []
    for slot, alive in enumerate(timeline.slots):
        storages = [network.storages[b] for b in alive if timeline.blocks[b].storage >= 0]
        step = problem.steps[order[slot - 1]] if 1 <= slot <= len(order) else None
        table.append(
            LiveSlot(
                step=step.name if step else None,
                buffers=tuple(storage.names[0] for storage in storages),
                live_bytes=sum(storage.size_bytes for storage in storages),
                scratch_bytes=step.scratch_bytes if step else 0,
                bound_bytes=timeline.slot_bounds[slot],
            )
        )
    return tuple(table)


def _live_set_bytes(network: Network) -> int:
    timeline = build_timeline(network, tuple(range(len(network.steps))))
    return max(
        sum(
            network.storages[timeline.blocks[b].storage].size_bytes
            for b in alive
            if timeline.blocks[b].storage >= 0
        )
        for alive in timeline.slots
    )
