"""Shortest paths over the positions of a network's operators: which runs of them are groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from midge.c_emitter.streaming import Group

Span = tuple[int, int]
"""First and last position, both included."""


@dataclass(frozen=True)
class Piece:
    """A run of operators as a group.

    Attributes:
        group: The group.
        peak_bytes: The least arena while it runs.
        moved_bytes: What it copies.
    """

    group: Group
    peak_bytes: int
    moved_bytes: int

    @property
    def span(self) -> Span:
        """Its first and last position."""
        return self.group.first, self.group.last


@dataclass(frozen=True)
class Cut:
    """Groups that do not overlap.

    Attributes:
        pieces: In order.
        peak_bytes: No arena with them is smaller.
    """

    pieces: tuple[Piece, ...]
    peak_bytes: int

    @property
    def moved_bytes(self) -> int:
        """What all of them copy."""
        return sum(piece.moved_bytes for piece in self.pieces)


def least_peak(
    singles: Sequence[int], pieces: Mapping[Span, Piece], *, must_begin: bool
) -> int | None:
    """The least peak of all cuts.

    Args:
        singles: The least arena while each operator runs as it is.
        pieces: What may be a group.
        must_begin: The first operator has to be in a group.

    Returns:
        Bytes; None where there is no cut.
    """
    peaks: list[int | None] = [0, *([None] * len(singles))]
    for at in range(len(singles)):
        here = peaks[at]
        if here is None:
            continue
        for end, piece in _ways(singles, pieces, at, must_begin=must_begin):
            reached = max(here, singles[at] if piece is None else piece.peak_bytes)
            known = peaks[end]
            peaks[end] = reached if known is None else min(known, reached)
    return peaks[-1]


def cheapest_cut(
    singles: Sequence[int], pieces: Mapping[Span, Piece], limit: int, *, must_begin: bool
) -> Cut:
    """The cut that copies least of those whose peak is within a limit; then that of fewest groups.

    Args:
        singles: As for `least_peak`.
        pieces: As for `least_peak`.
        limit: At least that peak.
        must_begin: As for `least_peak`.
    """
    costs: list[tuple[int, int] | None] = [(0, 0), *([None] * len(singles))]
    came: list[tuple[int, Piece | None]] = [(0, None)] * len(costs)
    for at in range(len(singles)):
        here = costs[at]
        if here is None:
            continue
        for end, piece in _ways(singles, pieces, at, must_begin=must_begin):
            if (singles[at] if piece is None else piece.peak_bytes) > limit:
                continue
            price = here if piece is None else (here[0] + piece.moved_bytes, here[1] + 1)
            known = costs[end]
            if known is None or price < known:
                costs[end], came[end] = price, (at, piece)
    chosen: list[Piece] = []
    peak, at = 0, len(singles)
    while at > 0:
        start, piece = came[at]
        peak = max(peak, singles[start] if piece is None else piece.peak_bytes)
        chosen += [] if piece is None else [piece]
        at = start
    return Cut(tuple(reversed(chosen)), peak)


def _ways(
    singles: Sequence[int], pieces: Mapping[Span, Piece], at: int, *, must_begin: bool
) -> list[tuple[int, Piece | None]]:
    """Where one can go from a position: past one operator, or past a group."""
    ways: list[tuple[int, Piece | None]] = [] if must_begin and at == 0 else [(at + 1, None)]
    found = ((last + 1, pieces.get((at, last))) for last in range(at, len(singles)))
    return ways + [(end, piece) for end, piece in found if piece is not None]
