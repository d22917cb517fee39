"""What an arena of a given size leaves no choice about: domains of offsets, and a better bound.

The bound of one slot (`bound`) cannot see that overlaps in successive steps pull the same buffer
both ways: if it must lie above its output by one distance, and its own input above it by another,
the distances add up. Constraint propagation can. Each block has a domain of offsets; of two blocks
alive together one is the lower one; if the domains allow only one of them to be, the separation
holds between the two and narrows both. An empty domain means that no placement has that arena.
This is the disjunctive propagation of job-shop scheduling (Carlier and Pinson, *An Algorithm for
Solving the Job-Shop Problem*, Management Science 35, 1989), with addresses for time.
"""

from __future__ import annotations

from midge.memory_plan.bound import round_up
from midge.memory_plan.timeline import Timeline


def domains(timeline: Timeline, arena_bytes: int) -> tuple[list[int], list[int]] | None:
    """Return the lowest and the highest offset that every block can have in an arena.

    Returns:
        Two lists by block, bytes, or None if no placement fits the arena.
    """
    separation = timeline.separation
    alignment = [block.alignment for block in timeline.blocks]
    low = [0] * len(alignment)
    high = [(arena_bytes - s) // a * a for s, a in zip(timeline.sizes, alignment, strict=True)]
    if any(offset < 0 for offset in high):
        return None
    waiting = list(range(len(alignment)))
    queued = [True] * len(alignment)
    while waiting:
        a = waiting.pop()
        queued[a] = False
        for b, gap in separation[a].items():
            back = separation[b][a]
            a_first, b_first = low[a] + gap <= high[b], low[b] + back <= high[a]
            if a_first and b_first:
                continue
            if not a_first and not b_first:
                return None
            lower, upper, apart = (a, b, gap) if a_first else (b, a, back)
            at_least = round_up(low[lower] + apart, alignment[upper])
            at_most = (high[upper] - apart) // alignment[lower] * alignment[lower]
            for block, changed in ((upper, at_least > low[upper]), (lower, at_most < high[lower])):
                if changed and not queued[block]:
                    queued[block] = True
                    waiting.append(block)
            low[upper] = max(low[upper], at_least)
            high[lower] = min(high[lower], at_most)
            if low[upper] > high[upper] or low[lower] > high[lower]:
                return None
    return low, high


def raise_bound(timeline: Timeline, bound: int, reached: int) -> int:
    """Return the smallest arena that propagation does not refute.

    Args:
        timeline: The blocks.
        bound: A lower bound, bytes.
        reached: An arena that some placement has, so that it cannot be refuted.
    """
    granule = timeline.granule
    # A larger arena has larger domains, which force less: what is refuted once stays refuted below.
    below, above = bound // granule - 1, reached // granule
    probe = bound // granule
    while probe < above:
        if domains(timeline, probe * granule) is None:
            below = probe
        else:
            above = probe
        probe = (below + 1 + above) // 2
    return above * granule
