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
    """

    target: Target
    cc: str = "zig"
    optimisation: str = "-O2"
    keep_input: bool = False
