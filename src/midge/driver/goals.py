"""What `--optimize` asks for: which limits hold, and what is least within them."""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter import (
    Choice,
    choose_kernels,
    leanest_kernels,
    smallest_kernels,
    sparing_kernels,
)
from midge.c_emitter.choose_offers import Limits
from midge.c_emitter.streaming import Group
from midge.c_emitter.streaming_choice import choose_groups
from midge.driver.settings import Settings, least_of
from midge.errors import UserError
from midge.graph import Graph

BALANCED, SPEED, RAM, FLASH = "balanced", "speed", "ram", "flash"
GOALS = (BALANCED, SPEED, RAM, FLASH)
"""What ``--optimize`` takes, the default first."""

_BY_RULE = {
    BALANCED: choose_kernels,
    SPEED: choose_kernels,
    RAM: leanest_kernels,
    FLASH: smallest_kernels,
}
_KB = 1024


@dataclass(frozen=True)
class Board:
    """What budget and target leave for a network, in bytes; None where nothing is said.

    Attributes:
        flash_bytes: For code and weights.
        arena_bytes: RAM without state, static variables and the stack's bound.
    """

    flash_bytes: int | None = None
    arena_bytes: int | None = None


def check_goal(goal: str) -> str:
    """The goal itself.

    Raises:
        UserError: there is no such goal.
    """
    if goal not in GOALS:
        raise UserError(
            f"optimize: {goal!r} is no goal; expected one of {', '.join(GOALS)}. `balanced` is the "
            "default: the fastest of moderate size"
        )
    return goal


def kernels_by_rule(goal: str, graph: Graph, features: frozenset[str], *, fed: bool) -> Choice:
    """Kernels without having measured any.

    ``speed`` and ``balanced`` take what is the fastest by rule, ``ram`` the least scratch and
    ``flash`` the fewest constants. A network that is fed row by row, which one does for little RAM,
    takes the fastest with little scratch where it took the fastest.

    Raises:
        UnsupportedError: a layer has no kernel.
    """
    rule = _BY_RULE[goal]
    return (sparing_kernels if fed and rule is choose_kernels else rule)(graph, features)


def row_groups(
    graph: Graph, choice: Choice, settings: Settings, enough_bytes: int | None
) -> tuple[Group, ...]:
    """Layers that run row by row, for an arena that is small enough or else the smallest.

    Args:
        graph: After all passes.
        choice: Its kernels.
        settings: Whether the input is fed, or kept.
        enough_bytes: An arena that will do; None asks for the smallest.

    Raises:
        UserError: the input is to be fed, and cannot be.
    """
    return choose_groups(
        graph,
        choice,
        settings.target.core.features,
        budget_bytes=enough_bytes,
        keep_input=settings.keep_input,
        fed=settings.feed_rows,
    ).groups


def limits_of(goal: str, constants_bytes: int, live_set_bytes: int, board: Board) -> Limits:
    """What a goal allows.

    `ram` has about the least arena that its kernels allow as its limit, found on the way.

    Args:
        goal: One of `GOALS`.
        constants_bytes: Of the graph, as they stand in it after all passes.
        live_set_bytes: The largest sum of tensors that are alive at once, in the file's order.
        board: What the target leaves.
    """
    weights, code, arena = None, None, board.arena_bytes
    if goal == BALANCED:
        weights, code = constants_bytes * 3 // 2, 24 * _KB
        arena = least_of(arena, live_set_bytes + 4 * _KB)
    elif goal == FLASH:
        weights, code = constants_bytes * 21 // 20, 12 * _KB
    return Limits(weights, code, board.flash_bytes, arena)
