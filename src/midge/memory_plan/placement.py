"""Offsets by heuristics: greedy orders, then annealing over them.

The ensemble is the field's: by size and by breadth (Pisarchyk and Lee, *Efficient Memory
Management for Deep Neural Net Inference*, arXiv:2001.03288; TFLite Micro's GreedyMemoryPlanner),
by conflicts (TVM USMP, RFC 0009), by area and by lifetime. Each order is placed twice, into the
lowest hole and into the tightest one. Annealing then moves blocks within the order, as USMP's
hill_climb.cc does, aiming at the blocks that stick out over the lower bound. Its random numbers are
seeded and its limit is a count, so that a plan depends on nothing but the problem.

First fit with the right order reaches the optimum as long as no distance is negative: sort the
blocks of an optimal plan by offset; by induction first fit puts none of them higher.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from midge.memory_plan.bound import round_up
from midge.memory_plan.timeline import Timeline

SEED = 0x6D696467
RUNS = 4
TEMPERATURE = 0.005
# Small networks have seen every useful move after that many rounds for each pair of blocks.
ROUNDS_PER_PAIR = 10


@dataclass
class Budget:
    """Work that a search may still do, in visited constraints: a limit that no clock can move."""

    units: int

    def spend(self, units: int) -> bool:
        """Take `units`; return False once the budget is used up."""
        self.units -= units
        return self.units >= 0


@dataclass(frozen=True)
class Placement:
    """Offsets by block, bytes, and the arena that they need."""

    offsets: tuple[int, ...]
    arena_bytes: int


def place_in_order(timeline: Timeline, order: list[int], *, tightest: bool) -> Placement:
    """Place blocks one after the other, each in a hole that those before it leave.

    Args:
        timeline: The blocks.
        order: All block indices.
        tightest: Take the hole with the least room to spare rather than the lowest one.
    """
    separation = timeline.separation
    offsets = [-1] * len(timeline.blocks)
    arena = 0
    for b in order:
        block = timeline.blocks[b]
        alignment = block.alignment
        # Against a at offset A, b may not start strictly between these two.
        closed = sorted(
            (offsets[a] - gap, offsets[a] + separation[a][b])
            for a, gap in separation[b].items()
            if offsets[a] >= 0
        )
        offset = 0
        best, best_room = -1, -1
        for below, above in closed:
            if offset <= below:
                if not tightest:
                    break
                if best < 0 or below - offset < best_room:
                    best, best_room = offset, below - offset
            if offset < above:
                offset = round_up(above, alignment)
        offsets[b] = best if best >= 0 else offset
        arena = max(arena, offsets[b] + block.size_bytes)
    return Placement(tuple(offsets), arena)


def greedy_orders(timeline: Timeline) -> list[list[int]]:
    """Return the ensemble's orders, each a permutation of the blocks, without repetition."""
    blocks = timeline.blocks
    sizes = timeline.sizes
    pressure = [
        max(timeline.slot_bounds[slot] for slot in range(b.first, b.last + 1)) for b in blocks
    ]
    conflicts = [sum(sizes[a] for a in row) for row in timeline.separation]
    span = [b.last - b.first + 1 for b in blocks]
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda b: (-sizes[b], -span[b], b),
        lambda b: (-pressure[b], -sizes[b], b),
        lambda b: (-conflicts[b], -sizes[b], b),
        lambda b: (-sizes[b] * span[b], b),
        lambda b: (-span[b], -sizes[b], b),
        lambda b: (-pressure[b], -span[b], -sizes[b], b),
        lambda b: (blocks[b].first, -span[b], b),
        lambda b: (-blocks[b].last, -span[b], b),
    ]
    orders: list[list[int]] = []
    for key in keys:
        order = sorted(range(len(blocks)), key=key)
        if order not in orders:
            orders.append(order)
    return orders


def best_greedy(timeline: Timeline) -> tuple[Placement, list[int]]:
    """Return the ensemble's best placement and its order; stop at once at the slots' bound."""
    best: tuple[Placement, list[int]] | None = None
    for order in greedy_orders(timeline):
        for tightest in (False, True):
            placement = place_in_order(timeline, order, tightest=tightest)
            if best is None or placement.arena_bytes < best[0].arena_bytes:
                best = placement, order
            if placement.arena_bytes <= timeline.lower_bound:
                return best
    assert best is not None  # greedy_orders returns at least one order
    return best


def anneal(
    timeline: Timeline, start: Placement, order: list[int], bound: int, budget: Budget
) -> Placement:
    """Return a placement no larger than `start`, found by moving blocks within the order.

    Args:
        timeline: The blocks.
        start: Where every one of the runs begins.
        order: The order of placing that gave `start`.
        bound: Stop at once at this arena; blocks that stick out over it are the ones to move.
        budget: Spent in equal shares on `RUNS` runs.
    """
    chance = random.Random(SEED)
    cost = sum(len(row) for row in timeline.separation) + len(timeline.blocks)
    rounds = min(budget.units // cost, ROUNDS_PER_PAIR * len(order) ** 2) // RUNS
    best = start
    for _ in range(RUNS):
        moved_order, current, score = order, start, _score(timeline, start, bound)
        for remaining in range(rounds, 0, -1):
            if best.arena_bytes <= bound or not budget.spend(cost):
                return best
            moved = _neighbour(timeline, moved_order, current, bound, chance)
            placement = place_in_order(timeline, moved, tightest=False)
            moved_score = _score(timeline, placement, bound)
            # A random threshold that cools down. Products only: an exponential could round
            # differently on another machine, and the plan with it.
            warmth = chance.random()
            warmth *= warmth
            threshold = warmth * warmth * TEMPERATURE * bound * remaining / rounds
            if moved_score <= score + threshold:
                moved_order, current, score = moved, placement, moved_score
                if current.arena_bytes < best.arena_bytes:
                    best = current
    return best


def _score(timeline: Timeline, placement: Placement, bound: int) -> float:
    """Return the arena plus a share of all the bytes that stick out over the bound."""
    ends = map(int.__add__, placement.offsets, timeline.sizes)
    return placement.arena_bytes + sum(max(0, end - bound) for end in ends) / 8


def _neighbour(
    timeline: Timeline,
    order: list[int],
    placement: Placement,
    bound: int,
    chance: random.Random,
) -> list[int]:
    """Return `order` with one block moved: one that sticks out, or one that may hold it up."""
    ends = map(int.__add__, placement.offsets, timeline.sizes)
    block = chance.choice([b for b, end in enumerate(ends) if end > bound])
    moved = list(order)
    kind = chance.random()
    if kind < 0.25:
        position = moved.index(block)
        moved.pop(position)
        moved.insert(chance.randint(0, max(0, position - 1)), block)
        return moved
    if kind < 0.5:
        other = chance.choice(list(timeline.separation[block]) or [block])
        moved.remove(other)
        moved.insert(chance.randint(0, len(moved)), other)
        return moved
    for _ in range(chance.randint(0, 3)):
        height = placement.offsets[block]
        below = [a for a in timeline.separation[block] if placement.offsets[a] < height]
        if not below:
            break
        block = chance.choice(below)
    other = chance.choice(list(timeline.separation[block]) or [block])
    i, j = moved.index(other), moved.index(block)
    if kind < 0.75:
        moved[i], moved[j] = block, other
    else:
        moved.pop(j)
        moved.insert(moved.index(other) if other != block else j, block)
    return moved
