"""A virtual microcontroller that runs one linked model: what every emulator behind it offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from midge.errors import UserError
from midge.toolchain import Program
from midge.virtual_mcu.block_trace import Trace
from midge.virtual_mcu.boards import FlashMemory

Sample = Sequence[bytes]
"""One inference's input tensors, each as its bytes."""


@dataclass(frozen=True)
class Inference:
    """What one inference left behind.

    Attributes:
        outputs: The bytes of each output tensor.
        instructions: Instructions issued between the entry of ``<name>_run`` and its return, those
            that an IT block skips included; exact.
        stack_peak_bytes: Deepest stack use of ``<name>_run``, found by painting.
    """

    outputs: tuple[bytes, ...]
    instructions: int
    stack_peak_bytes: int


class MemoryView(Protocol):
    """The machine's memory, as a callback between two layers sees it."""

    def read_arena(self, offset: int, size: int) -> bytes:
        """Return bytes of the arena."""

    def write_arena(self, offset: int, content: bytes) -> None:
        """Overwrite bytes of the arena."""

    def read_state(self) -> bytes:
        """Return what outlives a run."""


AfterLayer = Callable[[int, MemoryView], None]
"""Called with a layer's index when that layer has returned."""


class Machine(Protocol):
    """A core with a program in its flash. Every call starts from an initialised model."""

    @property
    def program(self) -> Program:
        """The program that it runs."""

    def run(self, samples: Sequence[Sample]) -> list[Inference]:
        """Initialise the model, then run inferences one after the other: state passes on.

        Raises:
            UserError: A sample does not fit the model's inputs.
            InternalError: The program faulted, hung or reported an error.
        """

    def trace(
        self, sample: Sample, *, before: Sequence[Sample] = (), flash: FlashMemory | None = None
    ) -> tuple[Inference, Trace]:
        """Initialise the model, run one inference and count its blocks.

        Args:
            sample: The input tensors.
            before: Inferences that come first, for the state that they leave.
            flash: Caches between core and flash to simulate, cold at the start.

        Raises:
            UserError: As for :meth:`run`.
            InternalError: As for :meth:`run`.
        """


def check_sample(program: Program, sample: Sample, index: int) -> None:
    """Check that a sample has the model's number and sizes of inputs.

    Raises:
        UserError: It has not.
    """
    found = tuple(len(part) for part in sample)
    expected = program.interface.input_bytes
    if found != expected:
        raise UserError(
            f"{program.interface.name}: sample {index} has inputs of {_sizes(found)}; expected "
            f"{_sizes(expected)}. Give every input tensor whole, in the model's order and dtype"
        )


def _sizes(sizes: Sequence[int]) -> str:
    return " + ".join(str(size) for size in sizes) + " bytes" if sizes else "no bytes"
