"""What a layer's kernels would cost, and what all of them together may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """What one kernel costs a layer, as measured.

    Attributes:
        cycles: Of the layer in one inference; instructions where the core has no cycle model.
        weights_bytes: Of its constants in flash.
        code_bytes: Of its own function.
        shared: Functions that it calls and that other layers may call too (generated tiles, the
            compiler's routines): name and bytes, in flash once however many call it.
        arena_bytes: No arena can be smaller while the layer runs: what is alive, less what output
            and input share, and the scratch.
    """

    cycles: int
    weights_bytes: int
    code_bytes: int
    shared: tuple[tuple[str, int], ...] = ()
    arena_bytes: int = 0


@dataclass(frozen=True)
class Limits:
    """What the whole network may take, in bytes; None where nothing is said.

    Attributes:
        weights_bytes: Constants in flash.
        code_bytes: Code.
        flash_bytes: Both together.
        arena_bytes: Of the arena.
    """

    weights_bytes: int | None = None
    code_bytes: int | None = None
    flash_bytes: int | None = None
    arena_bytes: int | None = None


@dataclass(frozen=True)
class Totals:
    """What a pick of one offer a layer takes.

    Attributes:
        cycles: Of all layers.
        weights_bytes: Of all layers.
        code_bytes: Of all layers, shared functions once.
        arena_bytes: Of the fullest layer.
    """

    cycles: int
    weights_bytes: int
    code_bytes: int
    arena_bytes: int

    def within(self, limits: Limits) -> bool:
        """True where no limit is passed."""
        flash = self.weights_bytes + self.code_bytes
        return all(
            limit is None or used <= limit
            for used, limit in (
                (self.weights_bytes, limits.weights_bytes),
                (self.code_bytes, limits.code_bytes),
                (flash, limits.flash_bytes),
                (self.arena_bytes, limits.arena_bytes),
            )
        )


def totals(offers: Sequence[Offer]) -> Totals:
    """The sums over one offer a layer."""
    shared = {name: size for offer in offers for name, size in offer.shared}
    return Totals(
        cycles=sum(o.cycles for o in offers),
        weights_bytes=sum(o.weights_bytes for o in offers),
        code_bytes=sum(o.code_bytes for o in offers) + sum(shared.values()),
        arena_bytes=max((o.arena_bytes for o in offers), default=0),
    )
