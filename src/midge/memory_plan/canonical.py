"""Offsets by branch and bound over canonical placements.

Any placement can be pushed down until every block rests on the floor or on another block, and can
then be built from the bottom up: in order of offset, each block as low as the blocks already
placed allow. Moffitt (*MiniMalloc: A Lightweight Memory Allocator for Hardware-Accelerated Machine
Learning*, ASPLOS 2023 vol. 4) searches only these canonical placements, infers from each time
section how high the rest must reach, and drops dominated branches. This search does the same with
separations in place of sizes, so that overlapped pairs fit in:

* Order by offset stays complete while separations are not negative; negative distances are taken
  as 0 here, which is safe but may miss a smaller arena (annealing does use them).
* Dominance: if an unplaced block could lie entirely below the next offset, some placement that is
  no larger has it there, and is found in another branch. A separation is at most the lower block's
  size, so what lies entirely below everything else conflicts with nothing.
* Domains: what propagation (`propagate`) rules out for the whole arena is never tried.
* Symmetry: of blocks at the same offset that do not concern each other only one order is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from midge.memory_plan.bound import round_up
from midge.memory_plan.placement import Budget, Placement
from midge.memory_plan.propagate import domains
from midge.memory_plan.timeline import Timeline


class Verdict(Enum):
    """How a search for a placement within a given arena ended."""

    FOUND = auto()
    IMPOSSIBLE = auto()
    GAVE_UP = auto()


def search_within(
    timeline: Timeline, arena_bytes: int, budget: Budget
) -> tuple[Verdict, Placement | None]:
    """Look for a placement within `arena_bytes`.

    Returns:
        FOUND and the placement; IMPOSSIBLE if there is none (with negative distances taken as 0);
        GAVE_UP if the budget ran out first.
    """
    reach = domains(timeline, arena_bytes)
    if reach is None:
        return Verdict.IMPOSSIBLE, None
    return _Search(timeline, arena_bytes, *reach, budget).run()


class _Search:
    def __init__(
        self,
        timeline: Timeline,
        arena_bytes: int,
        low: list[int],
        high: list[int],
        budget: Budget,
    ) -> None:
        self._blocks = timeline.blocks
        self._sizes = timeline.sizes
        self._limit = arena_bytes
        self._low = low
        self._high = high
        self._budget = budget
        self._above = [[(b, max(0, gap)) for b, gap in row.items()] for row in timeline.separation]
        self._neighbours = [set(row) for row in timeline.separation]
        self._slots = timeline.slots
        self._savings = timeline.savings
        self._sections = _maximal_slots(timeline)
        self._rest = [sum(self._sizes[b] for b in alive) for alive in timeline.slots]
        self._pressure = [
            max(timeline.slot_bounds[t] for t in range(b.first, b.last + 1)) for b in self._blocks
        ]
        self._floor = [0] * len(self._blocks)
        self._offset = [-1] * len(self._blocks)
        self._unplaced = set(range(len(self._blocks)))
        self._level = [0]
        self._stack: list[int] = []
        self._undo: list[list[tuple[int, int]]] = []

    def run(self) -> tuple[Verdict, Placement | None]:
        branches = [self._candidates()]
        while branches:
            if not self._unplaced:
                arena = max(o + s for o, s in zip(self._offset, self._sizes, strict=True))
                return Verdict.FOUND, Placement(tuple(self._offset), arena)
            block = next(branches[-1], None)
            if block is None:
                branches.pop()
                if branches:
                    self._take_back()
                continue
            if not self._budget.spend(len(self._above[block]) + len(self._unplaced)):
                return Verdict.GAVE_UP, None
            if self._place(block):
                branches.append(self._candidates())
            else:
                self._take_back()
        return Verdict.IMPOSSIBLE, None

    def _candidates(self) -> Iterator[int]:
        """Yield what can be placed next, lowest first, or nothing if this branch is dead."""
        level = self._level[-1]
        floor, low, high, sizes = self._floor, self._low, self._high, self._sizes
        lowest_end = self._limit + 1
        # Without min(): nothing in a search runs as often.
        for b in self._unplaced:
            if level > high[b]:
                return iter(())
            end = floor[b] + sizes[b]
            if end < lowest_end:  # noqa: PLR1730
                lowest_end = end
        for t in self._sections:
            if level + self._rest[t] - self._savings[t] > self._limit:
                return iter(())
        ready = [b for b in self._unplaced if level <= floor[b] < lowest_end and floor[b] >= low[b]]
        if self._stack:
            previous = self._stack[-1]
            ready = [
                b
                for b in ready
                if floor[b] > level or b > previous or b in self._neighbours[previous]
            ]
        ready.sort(key=lambda b: (floor[b], -self._pressure[b], -sizes[b], b))
        return iter(ready)

    def _place(self, block: int) -> bool:
        """Put `block` on its floor; return False if the rest can no longer fit."""
        offset = self._floor[block]
        self._offset[block] = offset
        self._unplaced.discard(block)
        self._stack.append(block)
        self._level.append(offset)
        trail: list[tuple[int, int]] = []
        self._undo.append(trail)
        fits = True
        for b, gap in self._above[block]:
            if b in self._unplaced and self._floor[b] < offset + gap:
                trail.append((b, self._floor[b]))
                self._floor[b] = round_up(offset + gap, self._blocks[b].alignment)
                fits = fits and self._floor[b] <= self._high[b]
        span = range(self._blocks[block].first, self._blocks[block].last + 1)
        for t in span:
            self._rest[t] -= self._sizes[block]
        if not fits:
            return False
        touched = set(span)
        for b, _ in trail:
            touched.update(range(self._blocks[b].first, self._blocks[b].last + 1))
        return all(self._section_fits(t, offset) for t in touched & self._sections)

    def _section_fits(self, slot: int, level: int) -> bool:
        """Return whether what is unplaced in a slot fits above its lowest floor."""
        highest = self._limit - self._rest[slot] + self._savings[slot]
        is_empty = True
        for b in self._slots[slot]:
            if b in self._unplaced:
                if level <= highest and self._floor[b] <= highest and self._low[b] <= highest:
                    return True
                is_empty = False
        return is_empty

    def _take_back(self) -> None:
        block = self._stack.pop()
        for t in range(self._blocks[block].first, self._blocks[block].last + 1):
            self._rest[t] += self._sizes[block]
        for b, floor in reversed(self._undo.pop()):
            self._floor[b] = floor
        self._level.pop()
        self._unplaced.add(block)
        self._offset[block] = -1


def _maximal_slots(timeline: Timeline) -> set[int]:
    """Return the slots that no neighbour makes redundant: all its blocks, no more savings."""
    kept = []
    for t, alive in enumerate(timeline.slots):
        covered = any(
            0 <= n < len(timeline.slots)
            and timeline.savings[n] <= timeline.savings[t]
            and set(alive) <= set(timeline.slots[n])
            and (set(alive) != set(timeline.slots[n]) or n < t)
            for n in (t - 1, t + 1)
        )
        if not covered:
            kept.append(t)
    return set(kept)
