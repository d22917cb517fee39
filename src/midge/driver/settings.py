"""What a compilation is asked for, beside the network."""

from __future__ import annotations

from dataclasses import dataclass

from midge.virtual_mcu import Target


@dataclass(frozen=True)
class Settings:
    """How to compile.

    Attributes:
        target: The core or board.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler, such as ``-O2``.
        keep_input: Inputs survive a run.
        optimize: What kernels are chosen for: ``balanced``, ``speed``, ``ram`` or ``flash``.
        feed_rows: The application hands in the input row by row; it stands nowhere as a whole.
        ram_budget: Bytes that arena, state, static variables and stack may take; None: the board's.
        flash_budget: Bytes that code and constants may take, likewise.
    """

    target: Target
    cc: str = "zig"
    optimisation: str = "-O2"
    keep_input: bool = False
    optimize: str = "balanced"
    feed_rows: bool = False
    ram_budget: int | None = None
    flash_budget: int | None = None

    @property
    def ram_bytes(self) -> int | None:
        """What budget and board leave; None where nothing limits it."""
        return least_of(self.ram_budget, self.target.ram_bytes)

    @property
    def flash_bytes(self) -> int | None:
        """Likewise."""
        return least_of(self.flash_budget, self.target.flash_bytes)


def least_of(*amounts: int | None) -> int | None:
    """The least of those that are said; None where none is."""
    return min((amount for amount in amounts if amount is not None), default=None)
