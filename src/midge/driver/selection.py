"""A kernel for each layer by what each costs, for a goal and within its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from midge.c_emitter import Candidates, Choice, Kernel, candidates
from midge.c_emitter.choose_offers import Limits, Offer
from midge.c_emitter.choose_search import Picks, cheapest, is_possible
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_choice import Grouping, choose_groups
from midge.driver import choice_cache
from midge.driver.artifact import Artifact
from midge.driver.goals import BALANCED, FLASH, RAM, Board, limits_of
from midge.driver.measure import CostTable, Progress, measure_candidates
from midge.driver.realise import plan_graph, realise
from midge.driver.selected import Priced, Selection
from midge.driver.settings import Settings
from midge.graph import Graph

_MOST_REPAIRS = 40
"""Plans that are tried until the arena is within its limit."""
_MOST_BUILDS = 4
"""Programs that are built until code and weights are within their limits."""
_SMALLEST = "-Os"
_SCRATCHES = (2048, 1024, 512, 256)
"""Scratch that kernels may have where the arena is to be small, in bytes: the first that is."""
_GIVEN_BYTES, _GIVEN_PART = 512, 16
"""So many bytes, or this part of the smallest arena, are given for fewer cycles."""
_PRICE_SCALE = 256
"""Of cycles, where parts of one count."""


def build_selected(
    graph: Graph, settings: Settings, levels: Sequence[str], progress: Progress
) -> Artifact:
    """Measure every candidate, choose, build what was chosen.

    Args:
        graph: After all passes.
        settings: For a target that is emulated; says the goal.
        levels: Of the C compiler, tried in this order for as long as faster kernels are left out
            because of their code.
        progress: Called with a line for each program that is measured.

    Returns:
        The fastest program within the limits; where none is, the one that passes them by the least.

    Raises:
        DoesNotFitError: not even the memory that is emulated for the core holds it.
        ToolError: the C compiler or the emulator is missing or fails.
    """
    found: list[Artifact] = []
    unlikely: list[_Selector] = []
    for level in levels:
        selector = _Selector(graph, replace(settings, optimisation=level), progress)
        if level != levels[-1] and not selector.is_promising():
            unlikely.append(selector)
            continue
        found.append(selector.run())
        if not selector.code_costs_cycles(found[-1]):
            break
    if min(excess_bytes(artifact) for artifact in found):
        found += [selector.run() for selector in unlikely]
    return min(found, key=lambda artifact: (excess_bytes(artifact), _cycles_of(artifact)))


def levels_for(settings: Settings, level: str | None) -> tuple[str, ...]:
    """The C compiler's levels that may be tried for a goal; one that is given stays."""
    if level is not None:
        return (level,)
    is_small = settings.optimize in (BALANCED, FLASH) or settings.flash_budget is not None
    return ("-O2", _SMALLEST) if is_small else ("-O2",)


def excess_bytes(artifact: Artifact) -> int:
    """By how much a program passes the limits of its selection, summed; 0 where they hold."""
    if artifact.selection is None:
        return 0
    limits, flash = artifact.selection.limits, artifact.flash_bytes
    pairs = (
        (flash.weights, limits.weights_bytes),
        (flash.code, limits.code_bytes),
        (flash.total, limits.flash_bytes),
        (artifact.plan.arena_bytes, limits.arena_bytes),
    )
    return sum(max(0, used - limit) for used, limit in pairs if limit is not None)


def _cycles_of(artifact: Artifact) -> int:
    """Of the layers, as they were measured."""
    rows = artifact.selection.rows if artifact.selection else ()
    return sum(row.cost or 0 for row in rows)


def cost_table(
    graph: Graph, table: Sequence[Candidates], settings: Settings, progress: Progress
) -> CostTable:
    """What each candidate costs: as remembered, or else measured and then kept."""
    path = choice_cache.entry_path(graph, table, settings)
    known = choice_cache.read_entry(path, table)
    if known is not None:
        return known
    # Layers that are fed row by row cannot be told apart.
    costs = measure_candidates(graph, table, replace(settings, feed_rows=False), progress)
    choice_cache.write_entry(path, costs)
    return costs


class _Selector:
    """The choice for one graph, one goal and one level of the compiler."""

    def __init__(self, graph: Graph, settings: Settings, progress: Progress) -> None:
        self.graph = graph
        self.settings = settings
        self.table = candidates(graph, settings.target.core.features)
        self.costs = cost_table(graph, self.table, settings, progress)
        # What could not be linked is no offer; a layer that computes nothing costs nothing.
        self.kept = tuple(
            tuple((j, offer) for j, offer in enumerate(row) if offer is not None)
            or ((0, Offer(0, 0, 0)),)
            for row in self.costs.rows
        )
        self.offers = tuple(tuple(offer for _, offer in row) for row in self.kept)

    def is_promising(self) -> bool:
        """Whether the costs allow what is stated: a program that they do not need not be built."""
        return is_possible(self.offers, self._limits_of_layers(self._stated()))

    def run(self) -> Artifact:
        """Choose and build; where the program is larger than its parts, choose again for less."""
        stated = self._stated()
        if self.settings.feed_rows or self.settings.optimize == RAM:
            return self._by_rows(stated, stated.arena_bytes)
        allowed = self._reachable(stated)
        limits = allowed
        picks = self._within_arena(limits)
        if stated.arena_bytes is not None and self._arena_bytes(picks) > stated.arena_bytes:
            return self._by_rows(stated, stated.arena_bytes)
        best = self._build(picks, stated)
        built = best
        for _ in range(_MOST_BUILDS - 1):
            limits = self._tightened(limits, allowed, built)
            if limits == allowed or cheapest(self.offers, limits) is None:
                break
            picks = self._within_arena(limits)
            built = self._build(picks, stated)
            best = min(best, built, key=excess_bytes)
        return best

    def code_costs_cycles(self, built: Artifact) -> bool:
        """True where a program passes a limit that code counts in, or is slower because of it."""
        stated, flash = self._stated(), built.flash_bytes
        limits = ((stated.code_bytes, flash.code), (stated.flash_bytes, flash.total))
        if all(limit is None for limit, _ in limits):
            return False
        if any(limit is not None and used > limit for limit, used in limits):
            return True
        free = replace(stated, code_bytes=None, flash_bytes=None)
        return self._cycles(self._within_arena(self._reachable(free))) < _cycles_of(built)

    def _stated(self) -> Limits:
        """What goal, budget and board allow."""
        costs, ram = self.costs, self.settings.ram_bytes
        if ram is not None:
            ram = max(0, ram - costs.stack_bytes - costs.other_ram_bytes)
        board = Board(self.settings.flash_bytes, ram)
        constants = self.graph.constant_bytes()
        return limits_of(self.settings.optimize, constants, costs.live_set_bytes, board)

    def _by_rows(self, stated: Limits, budget_bytes: int | None) -> Artifact:
        """A small arena, with layers that run row by row where that helps; then the cheapest.

        Args:
            stated: What goal and board allow.
            budget_bytes: An arena that is small enough, where RAM is not the goal itself.
        """
        enough = None if self.settings.optimize == RAM else budget_bytes
        picks = self._with_scratch(0)
        grouping = self._grouped(picks, enough)
        least = grouping.arena_bytes
        # Where a budget cannot be held, the least is what is asked for.
        given = max(_GIVEN_BYTES, least // _GIVEN_PART) if enough is None else 0
        limit = max(enough or 0, least + given)
        for scratch in _SCRATCHES:
            other = self._with_scratch(scratch)
            found = self._grouped(other, limit)
            if found.arena_bytes <= limit:
                picks, grouping = other, found
                break
        limit = max(limit, self._arena_bytes(picks, grouping.groups))
        limits = replace(self._reachable(stated), arena_bytes=limit)
        fixed = {i for g in grouping.groups for i in range(g.first, g.last + 1)}
        better = self._within_arena(limits, grouping.groups, {i: picks[i] for i in fixed})
        if better and self._arena_bytes(better, grouping.groups) <= limit:
            picks = better
        said = replace(stated, arena_bytes=limit) if self.settings.optimize == RAM else stated
        return self._build(picks, said, grouping.groups)

    def _grouped(self, picks: Picks, enough: int | None) -> Grouping:
        return choose_groups(
            self.graph,
            self._choice(picks),
            self.settings.target.core.features,
            budget_bytes=enough,
            keep_input=self.settings.keep_input,
            fed=self.settings.feed_rows,
        )

    def _with_scratch(self, most_bytes: int) -> Picks:
        """The fewest cycles of each layer with so much scratch at most; its leanest if none is."""
        picks = []
        for row, kept, offered in zip(self.table, self.kept, self.offers, strict=True):
            scratch = [
                row.kernels[j].scratch_bytes(row.layer) if row.kernels else 0 for j, _ in kept
            ]
            keys = [
                (max(size, most_bytes), offer.cycles)
                for size, offer in zip(scratch, offered, strict=True)
            ]
            picks.append(min(range(len(keys)), key=keys.__getitem__))
        return tuple(picks)

    def _cycles(self, picks: Picks) -> int:
        return sum(row[j].cycles for row, j in zip(self.offers, picks, strict=True))

    def _reachable(self, stated: Limits) -> Limits:
        """Limits for the layers alone, all raised by as much as it takes to find kernels."""
        limits = self._limits_of_layers(stated)
        while not is_possible(self.offers, limits):
            limits = _widened(limits)
        return limits

    def _limits_of_layers(self, stated: Limits) -> Limits:
        """Limits for the layers alone, each raised to what there are kernels for."""
        costs = self.costs
        weights, code, flash, arena = (
            stated.weights_bytes,
            stated.code_bytes,
            stated.flash_bytes,
            stated.arena_bytes,
        )
        least_weights = sum(min(offer.weights_bytes for offer in row) for row in self.offers)
        least_arena = max(
            (min(offer.arena_bytes for offer in row) for row in self.offers), default=0
        )
        return Limits(
            None if weights is None else max(weights - costs.weights_bytes, least_weights),
            None if code is None else max(code - costs.code_bytes, 1),
            None if flash is None else max(flash - costs.weights_bytes - costs.code_bytes, 1),
            None if arena is None else max(arena, least_arena),
        )

    def _within_arena(
        self,
        limits: Limits,
        groups: Sequence[Group] = (),
        fixed: Mapping[int, int] | None = None,
    ) -> Picks:
        """The cheapest pick whose plan is within the arena's limit.

        Where a plan is not, the fullest of its layers that has another way must take that.

        Args:
            limits: For the layers alone.
            groups: Layers that run row by row.
            fixed: Their picks: what they would need as a whole does not count.
        """
        fixed = fixed or {}
        allowed = [
            [fixed[i]] if i in fixed else list(range(len(row))) for i, row in enumerate(self.offers)
        ]
        picks: Picks = ()
        weighed = self._weighed(self.offers)
        for _ in range(_MOST_REPAIRS):
            rows = [[row[j] for j in kept] for row, kept in zip(weighed, allowed, strict=True)]
            found = cheapest(rows, limits)
            if found is None:
                break
            picks = tuple(kept[j] for kept, j in zip(allowed, found, strict=True))
            if limits.arena_bytes is None or self._arena_bytes(picks, groups) <= limits.arena_bytes:
                break
            taken = [row[j].arena_bytes for row, j in zip(self.offers, picks, strict=True)]
            leaner = [
                [j for j in kept if row[j].arena_bytes < bytes_]
                for row, kept, bytes_ in zip(self.offers, allowed, taken, strict=True)
            ]
            fullest = [i for i, kept in enumerate(leaner) if kept]
            if not fullest:
                break
            worst = max(fullest, key=lambda i: taken[i])
            allowed[worst] = leaner[worst]
        return picks

    def _tightened(self, limits: Limits, allowed: Limits, built: Artifact) -> Limits:
        """Limits less by what the program takes beyond what is allowed; the same where it holds."""
        flash, costs = built.flash_bytes, self.costs

        def less(limit: int | None, most: int | None, used: int) -> int | None:
            return None if limit is None or most is None else limit - max(0, used - most)

        weights, code = flash.weights - costs.weights_bytes, flash.code - costs.code_bytes
        return replace(
            limits,
            weights_bytes=less(limits.weights_bytes, allowed.weights_bytes, weights),
            code_bytes=less(limits.code_bytes, allowed.code_bytes, code),
            flash_bytes=less(limits.flash_bytes, allowed.flash_bytes, weights + code),
        )

    def _choice(self, picks: Picks) -> Choice:
        return tuple(
            row.kernels[kept[j][0]] if row.kernels else None
            for row, kept, j in zip(self.table, self.kept, picks, strict=True)
        )

    def _arena_bytes(self, picks: Picks, groups: Sequence[Group] = ()) -> int:
        planned = plan_graph(
            self.graph, self._choice(picks), keep_input=self.settings.keep_input, groups=groups
        )
        return planned.plan.arena_bytes

    def _weighed(self, rows: Sequence[Sequence[Offer]]) -> Sequence[Sequence[Offer]]:
        """With flash at a price, for a balance: twice the constants must save 5 % of the cycles."""
        constants = self.graph.constant_bytes()
        if self.settings.optimize != BALANCED or not constants:
            return rows
        least = sum(min(offer.cycles for offer in row) for row in self.offers)

        def priced(offer: Offer) -> Offer:
            cycles = offer.cycles * _PRICE_SCALE
            cycles += offer.weights_bytes * least * _PRICE_SCALE // (20 * constants)
            return replace(offer, cycles=cycles)

        return [[priced(offer) for offer in row] for row in rows]

    def _build(self, picks: Picks, stated: Limits, groups: Sequence[Group] = ()) -> Artifact:
        choice = self._choice(picks)
        artifact = realise(self.graph, choice, self.settings, groups)
        rows = tuple(
            _priced(row, offers, kernel)
            for row, offers, kernel in zip(self.table, self.costs.rows, choice, strict=True)
        )
        return replace(artifact, selection=Selection(self.costs.unit, stated, rows))


def _priced(row: Candidates, offers: tuple[Offer | None, ...], taken: Kernel | None) -> Priced:
    return Priced(
        layer=row.layer.op.name,
        variants=tuple(kernel.variant for kernel in row.kernels),
        functions=tuple(kernel.function for kernel in row.kernels),
        scratch_bytes=tuple(kernel.scratch_bytes(row.layer) for kernel in row.kernels),
        offers=offers,
        taken=None if taken is None else row.kernels.index(taken),
    )


def _widened(limits: Limits) -> Limits:
    """A twentieth more of everything."""

    def more(limit: int | None) -> int | None:
        return None if limit is None else limit + limit // 20 + 1

    return Limits(
        more(limits.weights_bytes),
        more(limits.code_bytes),
        more(limits.flash_bytes),
        more(limits.arena_bytes),
    )
