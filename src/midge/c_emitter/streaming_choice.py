"""Which layers run row by row, so that the arena gets small: groups for a graph, and their price.

In file order the network is cut into runs of operators, each either one operator as it is or a
group. What a run needs while it works depends on itself alone: all other images that are alive then
stand in the arena as a whole, however they were made. So the least possible peak, and the cheapest
cut with that peak, are shortest-path problems over the positions of operators (`streaming_cut`).

Whether a cut reaches its peak is for the planner to say: overlaps of neighbours may pull one image
both ways. Where it does not, the search goes on without one of the cut's groups, the cut with the
least possible peak first, until no cut that is left can be better.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from midge.c_emitter.choose import Choice
from midge.c_emitter.problem import FRAME_BYTES, frame_name, group_step, planning_problem
from midge.c_emitter.streaming import Group, RowTable, row_table, stream_of
from midge.c_emitter.streaming_cut import Cut, Piece, Span, cheapest_cut, least_peak
from midge.c_emitter.streaming_layout import PlacedStream, place
from midge.errors import UserError
from midge.graph import Graph
from midge.memory_plan import Buffer, Problem, plan_memory, slot_bounds

LONGEST_GROUP = 24
"""Operators; longer ones keep more rows than they save."""
MOST_CUTS = 40
"""That the planner is asked about."""
_HASTE = 20
_Node = tuple[frozenset[Span], int | None]
"""Groups that are left out, and the greatest peak that is looked for."""


@dataclass(frozen=True)
class Grouping:
    """Groups, and what they bring and cost.

    Attributes:
        groups: In the graph's order; none where rows do not help.
        arena_bytes: With them, by a short search; the plan may turn out smaller.
        whole_bytes: Without any, likewise.
        moved_bytes: Copied in one inference on top of what the layers do.
    """

    groups: tuple[Group, ...]
    arena_bytes: int
    whole_bytes: int
    moved_bytes: int


def choose_groups(
    graph: Graph,
    choice: Choice,
    features: frozenset[str],
    *,
    budget_bytes: int | None = None,
    keep_input: bool = False,
    fed: bool = False,
) -> Grouping:
    """The groups with the smallest arena, or the cheapest ones with an arena within a budget.

    Args:
        graph: A verified graph.
        choice: Its kernels; a layer in a group keeps its own where that applies to a row.
        features: Of the core.
        budget_bytes: An arena that is small enough; None asks for the smallest.
        keep_input: Inputs survive a run.
        fed: The application hands in the input row by row: the first operators are a group.

    Raises:
        UserError: `fed`, and the network's input cannot be handed in row by row.
    """
    whole_problem = planning_problem(graph, choice, keep_input=keep_input)
    whole = plan_memory(whole_problem, haste=_HASTE).arena_bytes
    enough = budget_bytes or 0
    if not fed and whole <= enough:
        return Grouping((), whole, whole, 0)
    table = row_table(graph, choice, features)
    cuts = _Cuts(graph, whole_problem, table, fed, enough)
    if fed and not any(first == 0 for first, _ in cuts.pieces):
        raise UserError(_unfed(graph))

    best = Grouping((), 1 << 62 if fed else whole, whole, 0)
    for cut in cuts.cuts():
        if best.arena_bytes <= max(cut.peak_bytes, enough):
            break
        groups = tuple(piece.group for piece in cut.pieces)
        problem = planning_problem(graph, choice, keep_input=keep_input, groups=groups)
        arena = plan_memory(problem, haste=_HASTE).arena_bytes
        cuts.judged(cut, arena)
        found = Grouping(groups, arena, whole, cut.moved_bytes)
        best = min(best, found, key=lambda g: (max(g.arena_bytes, enough), g.moved_bytes))
    if best.arena_bytes <= enough or budget_bytes is None:
        return best
    least = choose_groups(graph, choice, features, keep_input=keep_input, fed=fed)
    return min(best, least, key=lambda g: (max(g.arena_bytes, enough), g.moved_bytes))


def _unfed(graph: Graph) -> str:
    shapes = ", ".join(f"{n} {list(graph.tensors[n].shape)}" for n in graph.inputs)
    return (
        f"{graph.name}: the input cannot be handed in row by row: found {shapes}; expected one "
        "image [1, height, width, channels] that is read by convolutions, pools and element-wise "
        "layers alone. Compile without --feed-rows"
    )


class _Cuts:
    """The cuts of a network, the most promising first.

    That is the one with the least possible peak, or the cheapest whose peak is within the budget.

    Attributes:
        pieces: What can be a group and is worth it, by first and last position.
    """

    def __init__(
        self, graph: Graph, whole: Problem, table: RowTable, fed: bool, enough: int
    ) -> None:
        self._graph = graph
        self._whole = whole
        self._table = table
        self._fed = fed
        self._enough = enough
        bounds = slot_bounds(whole)
        self._singles = bounds[1:-1]
        self.pieces: dict[Span, Piece] = {}
        floor = bounds[-1] if fed else max(bounds[0], bounds[-1])
        if fed:
            self._add_pieces(0, floor)
            floor = max(floor, min((p.peak_bytes for p in self.pieces.values()), default=0))
        floor = max(floor, enough)
        for first in range(1 if fed else 0, len(self._singles)):
            self._add_pieces(first, floor if floor < max(self._singles) else 0)
        self._open: list[tuple[int, int, int, _Node, Cut]] = []
        self._seen: set[_Node] = set()
        self._push(frozenset(), None)

    def cuts(self) -> Iterator[Cut]:
        """Cuts to judge; each is answered by `judged` before the next."""
        for _ in range(MOST_CUTS):
            if not self._open:
                return
            *_, (self._without, _), cut = heapq.heappop(self._open)
            yield cut

    def judged(self, cut: Cut, arena_bytes: int) -> None:
        """The planner's answer: one that is worse than hoped for opens the way to other cuts."""
        if arena_bytes > max(cut.peak_bytes, self._enough):
            self._push(self._without, cut.peak_bytes - 1)
            for piece in cut.pieces:
                self._push(self._without | {piece.span}, None)

    def _push(self, without: frozenset[Span], limit: int | None) -> None:
        """The best cut without these groups whose peak is within a limit, or is the least."""
        pieces = {span: p for span, p in self.pieces.items() if span not in without}
        peak = least_peak(self._singles, pieces, must_begin=self._fed)
        if (without, limit) in self._seen or peak is None or (limit is not None and limit < peak):
            return
        self._seen.add((without, limit))
        limit_bytes = max(peak, self._enough) if limit is None else limit
        cut = cheapest_cut(self._singles, pieces, limit_bytes, must_begin=self._fed)
        rank = max(cut.peak_bytes, self._enough), cut.moved_bytes, len(self._seen)
        heapq.heappush(self._open, (*rank, (without, limit), cut))

    def _add_pieces(self, first: int, floor: int) -> None:
        """Every group that begins here and holds an operator that needs more than `floor` alone."""
        worst = max(self._singles)
        fed = self._fed and first == 0
        needy = False
        for last in itertools.islice(range(first, len(self._singles)), LONGEST_GROUP):
            needy = needy or self._singles[last] > floor
            group = self._table.group((first, last), fed=fed)
            if group is None:
                return
            if not needy or (first == last and not fed):
                continue
            stream = stream_of(self._graph, group, self._table)
            if stream is None:
                continue
            placed = place(stream)
            if placed.layout.size_bytes > worst:
                return
            problem = _with_group(self._graph, self._whole, placed)
            peak = slot_bounds(problem)[1 + first]
            self.pieces[first, last] = Piece(group, peak, placed.schedule.moved_bytes)


def _with_group(graph: Graph, whole: Problem, placed: PlacedStream) -> Problem:
    """What `planning_problem` would make of a single group, from the problem without any."""
    stream = placed.stream
    group = stream.group
    hidden = {stage.layer.output.name for stage in stream.stages[:-1]}
    hidden |= {stream.source.name} if group.fed else set()
    frame = (frame_name(graph),) if group.fed else ()
    return replace(
        whole,
        buffers=(
            *(b for b in whole.buffers if b.name not in hidden),
            *(Buffer(name, FRAME_BYTES) for name in frame),
        ),
        steps=(*whole.steps[: group.first], group_step(placed), *whole.steps[group.last + 1 :]),
        inputs=(*(n for n in whole.inputs if n not in hidden), *frame),
        keep=(*(n for n in whole.keep if n not in hidden), *frame),
    )
