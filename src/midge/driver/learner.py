"""A learner, compiled: its C on a virtual microcontroller, fed sample by sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt import StreamModel
from midge.adapt.arithmetic import Values
from midge.driver.application_cycles import stream_cycles
from midge.driver.learner_stream import FORECAST, RESTORE, SAVE, LearnerStream
from midge.errors import DoesNotFitError, UserError
from midge.toolchain import Program, build, find_compiler
from midge.virtual_mcu import Target, stack_bound
from midge.virtual_mcu import target as find_target
from midge.virtual_mcu.stream_machine import Fed, StreamMachine, merge_edges

NAME = "learner"
FIRST_TICKS = 4
"""In these a learner's scales go straight to where they belong; it costs more than ever after."""
_BOARD_TICKS = 60
"""So many of the last ticks run once more with the board's flash."""


@dataclass(frozen=True)
class LearnerRun:
    """What a device made of a series.

    Attributes:
        told: [ticks] of `learner_stream.TOLD`.
        instructions: Of each tick, uint32 [ticks].
        saved: The checkpoint behind the last tick.
        cost: What it cost.
    """

    told: NDArray[np.void]
    instructions: NDArray[np.uint32]
    saved: bytes
    cost: LearnerCost


@dataclass(frozen=True)
class LearnerCost:
    """What ticks cost.

    Attributes:
        ticks: How many.
        instructions: Mean of a tick.
        cycles: The same, with memory that answers at once; None without a cycle model.
        board_cycles: With what the last ticks waited for the board's flash, cold at first; None
            where its wait states are not known.
        largest_at: The dearest tick behind the first four, from 0.
        largest_instructions, largest_cycles, largest_board_cycles: Its.
        state_bytes: RAM of the state.
        stack_peak_bytes: Deepest stack that was seen.
        stack_bound_bytes: Deepest possible stack of a tick; None where it cannot be bounded.
        flash_bytes: Code and constants, without the measurement's own.
        functions: Cycles a tick by function, dearest first.
    """

    ticks: int
    instructions: float
    cycles: float | None
    board_cycles: float | None
    largest_at: int
    largest_instructions: int
    largest_cycles: int | None
    largest_board_cycles: int | None
    state_bytes: int
    stack_peak_bytes: int
    stack_bound_bytes: int | None
    flash_bytes: int
    functions: tuple[tuple[str, float], ...]

    @property
    def ram_bytes(self) -> int:
        """State and stack, by its bound where there is one."""
        return self.state_bytes + (self.stack_bound_bytes or self.stack_peak_bytes)

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self) | {"ram_bytes": self.ram_bytes}


@dataclass(frozen=True)
class LearnerArtifact:
    """A learner compiled for a target.

    Attributes:
        model: Whose sizes, settings and units.
        files: The emitted C by name: what an application takes over.
        stream: How samples go in and answers come out.
        program: All of it with the harness.
        target: What it was compiled for.
    """

    model: StreamModel
    files: dict[str, str]
    stream: LearnerStream
    program: Program
    target: Target

    def run(
        self, series: ArrayLike, *, forecasts: bool = False, restored: bytes | None = None
    ) -> LearnerRun:
        """Feed a series to the emulated core.

        Args:
            series: [ticks, channels], one tick at least; NaN where a sample is missing.
            forecasts: Ask for the whole forecast at every tick.
            restored: A checkpoint to go on from; else the learner starts from nothing.

        Raises:
            UserError: If the shape is another.
            InternalError: If the program faults or does not take the checkpoint.
        """
        samples = self.model.samples(series)
        if samples.ndim != 2 or samples.shape[1] != self.stream.channels or not len(samples):
            raise UserError(
                f"{NAME}: found a series of shape {samples.shape}; expected [ticks, "
                f"{self.stream.channels}], one tick at least"
            )
        machine = self.open_machine()
        does = SAVE | (FORECAST if forecasts else 0)
        chunks: list[Fed] = []
        told, states = [], []
        for start in range(0, len(samples), self.stream.ticks):
            states.append(machine.save())
            part = samples[start : start + self.stream.ticks]
            restores = RESTORE if restored is not None and not chunks else 0
            content = self.stream.chunk(part, does | restores, restored or b"")
            chunks.append(machine.feed(content, len(part)))
            told.append(self.stream.told(chunks[-1].output, len(part)))
        instructions = np.concatenate([chunk.instructions for chunk in chunks])
        return LearnerRun(
            told=np.concatenate(told),
            instructions=instructions,
            saved=self.stream.saved(chunks[-1].output),
            cost=self._cost(machine, samples, does, chunks, states, restored),
        )

    def open_machine(self) -> StreamMachine:
        """The virtual microcontroller with the program in its flash, before the first sample.

        Raises:
            UserError: Unicorn does not emulate the target.
        """
        return StreamMachine(self.program, per_sample=f"{NAME}_update")

    @cached_property
    def stack_bound_bytes(self) -> int | None:
        """Deepest stack of a tick; None where it cannot be bounded."""
        return stack_bound(self.program, f"{NAME}_update").bytes

    @property
    def flash_bytes(self) -> int:
        """Code and constants, without the measurement's own functions."""
        return flash_bytes_without(self.program, f"{self.stream.name}_")

    def _cost(
        self,
        machine: StreamMachine,
        samples: Values,
        does: int,
        chunks: list[Fed],
        states: list[bytes],
        restored: bytes | None,
    ) -> LearnerCost:
        instructions = np.concatenate([chunk.instructions for chunk in chunks])
        stack_peak, at = machine.stack_peak_bytes, _dearest(instructions)
        last = min(_BOARD_TICKS, len(samples) - (len(chunks) - 1) * self.stream.ticks)
        stretches = [
            self._again(machine, samples, does & FORECAST, states, restored, start, ticks)
            for start, ticks in ((at, 1), (len(samples) - last, last))
        ]
        edges = merge_edges(chunk.edges for chunk in chunks)
        counted = stream_cycles(
            self.program, self.target, edges, stretches, f"{self.stream.name}_run"
        )
        own = {f"{self.stream.name}_run", "write_saved", "read_given", "digest"}
        ticks = len(samples)
        functions = tuple(
            (name, cycles / ticks)
            for name, cycles in (counted.functions if counted else ())
            if name not in own and not name.startswith(("midge_save", "midge_crc", "midge_restore"))
        )
        cycles = sum(cycles for _, cycles in functions) if counted else None
        dearest, usual = counted.stretches if counted else (None, None)
        waited = None if usual is None else usual.waited
        return LearnerCost(
            ticks=ticks,
            instructions=float(instructions.mean()),
            cycles=cycles,
            board_cycles=None if cycles is None or waited is None else cycles + waited / last,
            largest_at=at,
            largest_instructions=int(instructions[at]),
            largest_cycles=dearest.zero_wait if dearest else None,
            largest_board_cycles=dearest.modelled if dearest else None,
            state_bytes=self.program.state_bytes,
            stack_peak_bytes=stack_peak,
            stack_bound_bytes=self.stack_bound_bytes,
            flash_bytes=self.flash_bytes,
            functions=functions,
        )

    def _again(
        self,
        machine: StreamMachine,
        samples: Values,
        does: int,
        states: list[bytes],
        restored: bytes | None,
        at: int,
        ticks: int,
    ) -> Fed:
        """Ticks of one chunk once more, by themselves, with the board's flash."""
        chunk = at // self.stream.ticks
        before = samples[chunk * self.stream.ticks : at]
        machine.restore(states[chunk])
        restores = RESTORE if restored is not None and chunk == 0 else 0
        if len(before) or restores:
            content = self.stream.chunk(before, does | restores, restored or b"")
            machine.feed(content, len(before))
        content = self.stream.chunk(samples[at : at + ticks], does)
        return machine.feed(content, ticks, flash=self.target.flash)


def _dearest(instructions: NDArray[np.uint32]) -> int:
    first = min(FIRST_TICKS, instructions.size - 1)
    return first + int(instructions[first:].argmax())


def compile_learner(
    model: StreamModel, *, target: str = "cortex-m4", cc: str = "zig", optimisation: str = "-O2"
) -> LearnerArtifact:
    """Compile the C of a learner for a core or a board.

    Args:
        model: Whose sizes and settings; what it has learned stays with it.
        target: A name that `midge targets` lists.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler.

    Raises:
        UserError: An option is at fault, or nothing here builds for the target.
        DoesNotFitError: The board is too small.
        ToolError: The C compiler is missing or fails.
    """
    wanted = find_target(target)
    if not wanted.core.emulated:
        raise UserError(f"{wanted.name}: no compiler here builds for it; take another target")
    files = model.emit(NAME)
    sizes = model.sizes
    number = model.dialect.number
    stream = LearnerStream(NAME, sizes.channels, sizes.horizon, len(model.save()), number)
    program = build(
        find_compiler(cc, wanted.core.name),
        {**files, **stream.files()},
        stream.interface,
        optimisation=optimisation,
    )
    artifact = LearnerArtifact(model, files, stream, program, wanted)
    ram = program.state_bytes + (artifact.stack_bound_bytes or 0)
    check_room(NAME, wanted, ram, artifact.flash_bytes)
    return artifact


def flash_bytes_without(program: Program, prefix: str) -> int:
    """Code and constants of a program, without functions whose names begin so."""
    own = sum(
        symbol.size
        for symbol in program.symbols
        if symbol.kind == "function" and symbol.name.startswith(prefix)
    )
    return program.code_bytes + program.weights_bytes - own


def check_room(name: str, target: Target, ram_bytes: int, flash_bytes: int) -> None:
    """See that a learner fits a board.

    Raises:
        DoesNotFitError: It does not.
    """
    for memory, needed, present in (
        ("RAM", ram_bytes, target.ram_bytes),
        ("flash", flash_bytes, target.flash_bytes),
    ):
        if present is not None and needed > present:
            raise DoesNotFitError(
                f"{name} on {target.name}: {memory}: needs {needed} bytes, the board has "
                f"{present}; give the learner less RAM, or shorten the horizon"
            )
