"""A stage: integers in, integers out, one for one, with a memory of the past.

A stage has two forms that give the same integers: `Stage.run` works through a whole record at
once, in NumPy; `Stage.code` is the C that takes one sample at a time. Before the first sample the
past is all zeros. The twin computes in int64, the C in int32; `Stage.largest` bounds what comes
out, so that a chain refuses what could overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError

Integers = NDArray[np.int64]
"""A signal as the twin computes it."""

LARGEST_INT32 = (1 << 31) - 1
LARGEST_INT16 = (1 << 15) - 1


@dataclass(frozen=True)
class StageCode:
    """The C of a stage.

    Attributes:
        header: The file of `device/signals` that holds its function.
        members: Declarations of its memory in the chain's struct, ``@`` for the stage's prefix.
        call: The expression of its output; ``@`` for the prefix behind ``state->``, ``x`` for the
            input.
    """

    header: str
    members: tuple[str, ...]
    call: str


class Stage(Protocol):
    """What a chain is made of."""

    @property
    def delay_half_samples(self) -> int:
        """How far the output lags behind the input, in halves of a sample."""

    def largest(self, input_largest: int) -> int:
        """The largest magnitude that comes out when none above `input_largest` goes in."""

    def run(self, samples: Integers) -> Integers:
        """The output for every sample of a record, int64 [n] -> int64 [n]."""

    def code(self, input_largest: int) -> StageCode:
        """The C, for inputs up to `input_largest` in magnitude."""


def run_stages(stages: Sequence[Stage], samples: Integers) -> Integers:
    """A record through one stage after the other."""
    for stage in stages:
        samples = stage.run(samples)
    return samples


def delay_half_samples(stages: Sequence[Stage]) -> int:
    """The lag of stages in a row, in halves of a sample."""
    return sum(stage.delay_half_samples for stage in stages)


def largest_after(stages: Sequence[Stage], input_largest: int, where: str) -> int:
    """The bound behind stages in a row.

    Raises:
        UserError: a stage could overflow int32.
    """
    for index, stage in enumerate(stages):
        input_largest = stage.largest(input_largest)
        if input_largest > LARGEST_INT32:
            raise UserError(
                f"{where}, stage {index} ({type(stage).__name__}): its output can reach "
                f"{input_largest}; expected at most {LARGEST_INT32}. Put a ShiftRight before it"
            )
    return input_largest


def ring_type(largest: int) -> str:
    """The C type that stores values up to `largest` in magnitude."""
    return "int16_t" if largest <= LARGEST_INT16 else "int32_t"


def kernel_suffix(largest: int) -> str:
    """The ending of the kernel whose ring stores such values."""
    return "s16" if largest <= LARGEST_INT16 else "s32"


def check_count(stage: str, name: str, value: int, low: int, high: int) -> None:
    """Check a stage's parameter.

    Raises:
        UserError: it is out of range.
    """
    if not low <= value <= high:
        raise UserError(f"{stage}: {name} is {value}; expected {low} to {high}")
