"""How kernels were chosen: what was asked for, what was offered, what was taken."""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.choose_offers import Limits, Offer


@dataclass(frozen=True)
class Priced:
    """One layer of a selection.

    Attributes:
        layer: Name of its op.
        variants: What its kernels are called.
        functions: And their C functions.
        scratch_bytes: Of each.
        offers: What each costs; None where its program could not be linked.
        taken: Index of the one that was taken; None where nothing is computed.
    """

    layer: str
    variants: tuple[str, ...]
    functions: tuple[str, ...]
    scratch_bytes: tuple[int, ...]
    offers: tuple[Offer | None, ...]
    taken: int | None

    @property
    def cost(self) -> int | None:
        """What the one that was taken costs; None where nobody knows."""
        offer = None if self.taken is None else self.offers[self.taken]
        return None if offer is None else offer.cycles


@dataclass(frozen=True)
class Selection:
    """How the kernels of a network were chosen.

    Attributes:
        unit: ``cycles`` or ``instructions``: what the offers count.
        limits: What the goal and the board allow.
        rows: The layers in the graph's order.
    """

    unit: str
    limits: Limits
    rows: tuple[Priced, ...]
