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
    """

    target: Target
    cc: str = "zig"
    optimisation: str = "-O2"
    keep_input: bool = False
    optimize: str = "balanced"
    feed_rows: bool = False
