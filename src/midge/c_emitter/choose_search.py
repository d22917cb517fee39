"""One offer a layer, with the fewest cycles of all picks that stay within the limits.

Layers add up but for two things: a function that several layers call stands in flash once, and the
arena is as large as the fullest layer needs. The second is a filter. The first makes the rest a
knapsack with shared items, solved by labels: a label is a pick for the first layers, and one that
another beats in everything is dropped, as is one that cannot lead to less than what is known
already. How much a label must cost at the end at least follows from Lagrange multipliers: a price
in cycles for each byte of what is limited.

The search is exact while no more than `_MOST_LABELS` picks are open; beyond, the most promising are
kept. It uses no clock and no chance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from midge.c_emitter.choose_offers import Limits, Offer, totals

_MOST_LABELS = 400
_FEW_LABELS = 60
_PRICE_STEPS = 150
_SLACK = 1e-6
"""Of a bound in floating point, in cycles."""

Rows = Sequence[Sequence[Offer]]
Picks = tuple[int, ...]
"""Index of the offer taken, for each layer."""
_Amounts = tuple[float, float, float]
"""Weights, code, and both, in bytes."""


def cheapest(rows: Rows, limits: Limits) -> Picks | None:
    """The pick with the fewest cycles within the limits; of equal ones that with the least flash.

    Args:
        rows: What each layer is offered, at least one offer each.
        limits: For all together. Whatever takes more than the arena's limit is left out.

    Returns:
        None where the search finds nothing within the limits.
    """
    allowed = _allowed(rows, limits)
    if not all(allowed):
        return None
    reduced = [[row[j] for j in kept] for row, kept in zip(rows, allowed, strict=True)]
    picks = _Search(reduced, limits).run()
    if picks is None:
        return None
    return tuple(kept[j] for kept, j in zip(allowed, picks, strict=True))


def is_possible(rows: Rows, limits: Limits) -> bool:
    """True where a short search finds a pick within the limits, whatever it costs."""
    allowed = _allowed(rows, limits)
    reduced = [[row[j] for j in kept] for row, kept in zip(rows, allowed, strict=True)]
    return all(allowed) and _Search(reduced, limits).is_possible()


def _allowed(rows: Rows, limits: Limits) -> list[list[int]]:
    """For each layer the offers within the arena's limit that no other beats in everything."""
    found = []
    for row in rows:
        within = [
            j
            for j, offer in enumerate(row)
            if limits.arena_bytes is None or offer.arena_bytes <= limits.arena_bytes
        ]
        found.append([j for j in within if not any(_beats(row, i, j) for i in within)])
    return found


def _beats(row: Sequence[Offer], i: int, j: int) -> bool:
    """True where offer i is nowhere dearer than offer j; of equal ones the first beats."""
    a, b = row[i], row[j]
    mine = (a.cycles, a.weights_bytes, a.code_bytes, a.arena_bytes)
    theirs = (b.cycles, b.weights_bytes, b.code_bytes, b.arena_bytes)
    if any(m > t for m, t in zip(mine, theirs, strict=True)) or not set(a.shared) <= set(b.shared):
        return False
    return i < j or mine != theirs or len(a.shared) < len(b.shared)


@dataclass(frozen=True)
class _Label:
    """A pick for the first layers: what it costs, and the functions that are in flash by it."""

    cycles: int
    weights: int
    code: int
    used: frozenset[str]
    bound: float
    picks: Picks


class _Search:
    def __init__(self, rows: list[list[Offer]], limits: Limits) -> None:
        self.rows = rows
        self.limits = limits
        self.most = tuple(
            float("inf") if limit is None else float(limit)
            for limit in (limits.weights_bytes, limits.code_bytes, limits.flash_bytes)
        )
        self.users = Counter(
            name for row in rows for name in {name for offer in row for name, _ in offer.shared}
        )
        self.amounts = [[self._amounts(offer) for offer in row] for row in rows]
        self.best: tuple[int, int, Picks] | None = None
        self.prices: _Amounts = (0.0, 0.0, 0.0)

    def run(self) -> Picks | None:
        """Prices first, which often find the answer on their way; then labels."""
        self._consider([_first_least([_flash(offer) for offer in row]) for row in self.rows])
        self._find_prices()
        self._follow_labels()
        return None if self.best is None else self.best[2]

    def is_possible(self) -> bool:
        """Whether anything is within the limits: with few labels, none of which is too dear."""
        self._consider([_first_least([_flash(offer) for offer in row]) for row in self.rows])
        if self.best is None:
            self._find_prices(stops=True)
        if self.best is None:
            self._follow_labels(_FEW_LABELS)
        return self.best is not None

    def _amounts(self, offer: Offer) -> _Amounts:
        """What an offer takes at least: a shared function counts in parts, one for each layer."""
        code = offer.code_bytes + sum(size / self.users[name] for name, size in offer.shared)
        return (float(offer.weights_bytes), code, offer.weights_bytes + code)

    def _consider(self, picks: Sequence[int]) -> None:
        offers = [row[j] for row, j in zip(self.rows, picks, strict=True)]
        found = totals(offers)
        flash = found.weights_bytes + found.code_bytes
        key = (found.cycles, flash, tuple(picks))
        if found.within(self.limits) and (self.best is None or key < self.best):
            self.best = key

    def _find_prices(self, *, stops: bool = False) -> None:
        """Prices that raise the lower bound of all picks, by subgradient steps.

        From above the limits a price rises, from below it falls; the step is Polyak's, towards
        the cost of the best pick known.

        Args:
            stops: At the first pick that is within the limits.
        """
        limited = [k for k in range(3) if self.most[k] < float("inf")]
        prices = [0.0, 0.0, 0.0]
        highest, pace = -float("inf"), 1.0
        for step in range(_PRICE_STEPS):
            picks = [
                _first_least(
                    [o.cycles + _priced(prices, a) for o, a in zip(row, amounts, strict=True)]
                )
                for row, amounts in zip(self.rows, self.amounts, strict=True)
            ]
            self._consider(picks)
            if stops and self.best is not None:
                return
            taken = [
                sum(a[j][k] for a, j in zip(self.amounts, picks, strict=True)) for k in range(3)
            ]
            cycles = sum(row[j].cycles for row, j in zip(self.rows, picks, strict=True))
            excess = [taken[k] - self.most[k] if k in limited else 0.0 for k in range(3)]
            bound = cycles + sum(p * e for p, e in zip(prices, excess, strict=True))
            if bound > highest:
                highest, self.prices = bound, (prices[0], prices[1], prices[2])
            steepness = sum(e * e for e in excess)
            if not steepness or (not any(prices) and all(e <= 0 for e in excess)):
                return
            goal = self.best[0] if self.best else max(2 * cycles, 1)
            pace = pace * 0.5 if step % 25 == 24 else pace
            length = pace * max(goal - bound, 1.0) / steepness
            prices = [max(0.0, p + length * e) for p, e in zip(prices, excess, strict=True)]

    def _follow_labels(self, most: int = _MOST_LABELS) -> None:
        tails = self._tails()
        rest = sum(p * m for p, m in zip(self.prices, self.most, strict=True) if p)
        labels = [_Label(0, 0, 0, frozenset(), -rest, ())]
        for index, row in enumerate(self.rows):
            tail = tails[index + 1]
            grown: dict[frozenset[str], list[_Label]] = {}
            priced = [
                offer.cycles + _priced(self.prices, amounts)
                for offer, amounts in zip(row, self.amounts[index], strict=True)
            ]
            for label in labels:
                for j, offer in enumerate(row):
                    new = self._grow(label, offer, priced[j], j, tail)
                    if new is not None:
                        grown.setdefault(new.used, []).append(new)
            labels = [kept for group in grown.values() for kept in _unbeaten(group)]
            if len(labels) > most:
                labels.sort(key=lambda label: (label.bound, label.picks))
                del labels[most:]
        for label in labels:
            self._consider(label.picks)

    def _grow(
        self, label: _Label, offer: Offer, priced: float, j: int, tail: _Tail
    ) -> _Label | None:
        """A label with one layer more; None where it leads to nothing."""
        bound = label.bound + priced
        if self.best is not None and bound + tail.priced > self.best[0] + _SLACK:
            return None
        weights = label.weights + offer.weights_bytes
        code = label.code + offer.code_bytes
        used = label.used
        for name, size in offer.shared:
            if name not in used:
                code += size
        if (
            weights + tail.weights > self.most[0]
            or code + tail.code > self.most[1]
            or weights + code + tail.weights + tail.code > self.most[2]
        ):
            return None
        used = used.union([name for name, _ in offer.shared]) & tail.names
        return _Label(label.cycles + offer.cycles, weights, code, used, bound, (*label.picks, j))

    def _tails(self) -> list[_Tail]:
        """For each index what the layers from there on take at least."""
        tails = [_Tail(0, 0, 0.0, frozenset())]
        for row, amounts in zip(reversed(self.rows), reversed(self.amounts), strict=True):
            after = tails[-1]
            tails.append(
                _Tail(
                    after.weights + min(o.weights_bytes for o in row),
                    after.code + min(o.code_bytes for o in row),
                    after.priced
                    + min(
                        o.cycles + _priced(self.prices, a)
                        for o, a in zip(row, amounts, strict=True)
                    ),
                    after.names | {name for offer in row for name, _ in offer.shared},
                )
            )
        return tails[::-1]


@dataclass(frozen=True)
class _Tail:
    """What the rest of the layers takes at least, and the shared functions that it may call."""

    weights: int
    code: int
    priced: float
    names: frozenset[str]


def _unbeaten(labels: list[_Label]) -> list[_Label]:
    """Those that no other beats in cycles, weights and code; of equal ones the first pick."""
    kept: list[_Label] = []
    # Weights that rise, and the code that falls with them, of what is kept: a staircase.
    weights: list[int] = []
    code: list[int] = []
    for label in sorted(labels, key=lambda a: (a.cycles, a.weights, a.code, a.picks)):
        at = bisect_right(weights, label.weights)
        if at and code[at - 1] <= label.code:
            continue
        kept.append(label)
        end = at
        while end < len(code) and code[end] >= label.code:
            end += 1
        weights[at:end] = [label.weights]
        code[at:end] = [label.code]
    return kept


def _priced(prices: Sequence[float], amounts: _Amounts) -> float:
    return prices[0] * amounts[0] + prices[1] * amounts[1] + prices[2] * amounts[2]


def _first_least(values: Sequence[float]) -> int:
    return min(range(len(values)), key=values.__getitem__)


def _flash(offer: Offer) -> int:
    return offer.weights_bytes + offer.code_bytes + sum(size for _, size in offer.shared)
