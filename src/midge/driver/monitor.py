"""A monitor, compiled: its C on a virtual microcontroller, fed sample by sample."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt.monitor import Monitor
from midge.driver.application_cycles import stream_cycles
from midge.driver.learner import check_room, flash_bytes_without
from midge.errors import UserError
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.virtual_mcu import Target, stack_bound
from midge.virtual_mcu import target as find_target
from midge.virtual_mcu.stream_machine import Fed, StreamMachine, merge_edges

NAME = "monitor"
CHUNK_FRAMES = 16
"""Frames that are handed over at once."""


@dataclass(frozen=True)
class MonitorCost:
    """What a record cost.

    Attributes:
        samples, frames: How many.
        front_cycles: A sample, with memory that answers at once; None without a cycle model.
        frame_cycles: The learner's and the alarm's, a frame.
        flash_factor: By how much the board's flash lengthens a stretch of the record; None where
            wait states are not published.
        largest_instructions: Of the dearest call.
        state_bytes: RAM of front end, learner and alarm.
        stack_bound_bytes: Deepest possible stack of a call; None where it cannot be bounded.
        flash_bytes: Code and constants, without the measurement's own.
        clock_hz: Of the board; None for a bare core.
    """

    samples: int
    frames: int
    front_cycles: float | None
    frame_cycles: float | None
    flash_factor: float | None
    largest_instructions: int
    state_bytes: int
    stack_bound_bytes: int | None
    flash_bytes: int
    clock_hz: int | None

    def duty(self, rate_hz: int) -> float | None:
        """Share of the time that the core computes, flash included where it is known."""
        if self.front_cycles is None or self.frame_cycles is None or self.clock_hz is None:
            return None
        cycles = self.front_cycles + self.frame_cycles * self.frames / self.samples
        return cycles * (self.flash_factor or 1.0) * rate_hz / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        return asdict(self)


@dataclass(frozen=True)
class MonitorRun:
    """What a device made of a record.

    Attributes:
        told: [frames] of ``told_type``.
        cost: What it cost.
    """

    told: NDArray[np.void]
    cost: MonitorCost


def told_type(octaves: int) -> np.dtype[np.void]:
    """What a frame tells, as the C lays it out."""
    names = ("anomaly", "regime", "is_flagged", "is_new", "drift")
    formats: list[Any] = ["<f4", "<i4", "u1", "u1", "u1", ("<i2", (octaves,)), "u1"]
    offsets = [0, 4, 8, 9, 10, 12, 12 + 2 * octaves]
    size = -(-(offsets[-1] + 1) // 4) * 4
    fields = {
        "names": [*names, "energies", "is_alarm"],
        "formats": formats,
        "offsets": offsets,
        "itemsize": size,
    }
    return np.dtype(fields)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class MonitorArtifact:
    """A monitor compiled for a target.

    Attributes:
        monitor: What it is.
        files: The emitted C by name: what an application takes over.
        program: All of it with the harness.
        target: What it was compiled for.
    """

    monitor: Monitor
    files: dict[str, str]
    program: Program
    target: Target

    def run(self, samples: NDArray[np.int16]) -> MonitorRun:
        """Feed a record to the emulated core; what does not fill a frame is left out.

        Args:
            samples: int16 [n], a frame at least.

        Raises:
            UserError: `samples` is not int16 [n], or too short.
            InternalError: the program faults.
        """
        front = self.monitor.front
        frames = samples.size // front.frame if samples.ndim == 1 else 0
        if samples.dtype != np.int16 or not frames:
            raise UserError(
                f"{NAME}: samples are {samples.dtype} {list(samples.shape)}; expected int16 [n], "
                f"{front.frame} at least"
            )
        machine = StreamMachine(self.program, per_sample=f"{NAME}_push")
        told_as, step = told_type(front.octaves), CHUNK_FRAMES * front.frame
        chunks: list[Fed] = []
        told: list[NDArray[np.void]] = []
        states: list[bytes] = []
        for start in range(0, frames * front.frame, step):
            states.append(machine.save())
            part = samples[start : start + step]
            part = part[: part.size // front.frame * front.frame]
            chunks.append(machine.feed(_chunk(part, step), part.size))
            count = part.size // front.frame
            told.append(np.frombuffer(chunks[-1].output, told_as, count).copy())
        # The last chunk once more, with the board's flash.
        machine.restore(states[-1])
        again = machine.feed(_chunk(part, step), part.size, flash=self.target.flash)
        return MonitorRun(np.concatenate(told), self._cost(chunks, again, frames))

    @cached_property
    def stack_bound_bytes(self) -> int | None:
        """Deepest stack of a call; None where it cannot be bounded."""
        return stack_bound(self.program, f"{NAME}_push").bytes

    @property
    def flash_bytes(self) -> int:
        """Code and constants, without the measurement's own functions."""
        return flash_bytes_without(self.program, f"{NAME}_stream_")

    def _cost(self, chunks: list[Fed], again: Fed, frames: int) -> MonitorCost:
        edges = merge_edges(chunk.edges for chunk in chunks)
        counted = stream_cycles(self.program, self.target, edges, [again], f"{NAME}_stream_run")
        instructions = np.concatenate([chunk.instructions for chunk in chunks])
        front = frame = factor = None
        if counted:
            spent = dict(counted.functions)
            at_samples = (f"{self.monitor.front.name}_", f"{NAME}_push")
            taken = sum(n for name, n in spent.items() if name.startswith(at_samples))
            front = taken / instructions.size
            frame = (sum(spent.values()) - taken) / frames
            stretch = counted.stretches[0]
            factor = None if stretch.modelled is None else stretch.modelled / stretch.zero_wait
        return MonitorCost(
            samples=instructions.size,
            frames=frames,
            front_cycles=front,
            frame_cycles=frame,
            flash_factor=factor,
            largest_instructions=int(instructions.max()),
            state_bytes=self.program.state_bytes,
            stack_bound_bytes=self.stack_bound_bytes,
            flash_bytes=self.flash_bytes,
            clock_hz=self.target.clock_hz,
        )


def compile_monitor(
    monitor: Monitor, *, target: str = "cortex-m4", cc: str = "zig", optimisation: str = "-O2"
) -> MonitorArtifact:
    """Compile the C of a monitor for a core or a board.

    Args:
        monitor: What it is; it starts from nothing.
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
    files = monitor.emit(NAME)
    samples, told = CHUNK_FRAMES * monitor.front.frame, told_type(monitor.front.octaves)
    interface = ModelInterface(
        name=f"{NAME}_stream",
        input_bytes=(4 + 2 * samples,),
        output_bytes=(told.itemsize * CHUNK_FRAMES,),
    )
    program = build(
        find_compiler(cc, wanted.core.name),
        {**files, **_stream_files(samples)},
        interface,
        optimisation=optimisation,
    )
    artifact = MonitorArtifact(monitor, files, program, wanted)
    ram = program.state_bytes + (artifact.stack_bound_bytes or 0)
    check_room(NAME, wanted, ram, artifact.flash_bytes)
    return artifact


def _chunk(samples: NDArray[np.int16], room: int) -> bytes:
    content = struct.pack("<I", samples.size) + samples.astype("<i2").tobytes()
    return content.ljust(4 + 2 * room, b"\0")


def _stream_files(samples: int) -> dict[str, str]:
    """The outside world of a monitor on an emulator: chunks of samples in, frames out."""
    name, macro = f"{NAME}_stream", f"{NAME}_stream".upper()
    header = f"""\
/* The outside world of {NAME}.h on an emulator: chunks of samples, what their frames told. */
#ifndef MIDGE_{macro}_H
#define MIDGE_{macro}_H

#include "{NAME}.h"

#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {{ MIDGE_OK = 0, MIDGE_BAD_ARENA = 1, MIDGE_BAD_STATE = 2 }};
#endif

struct {name}_world {{
    uint32_t count;
    int16_t sample[{samples}];
    struct {NAME}_frame frame[{CHUNK_FRAMES} + 1];
}};

#define {macro}_ARENA_BYTES sizeof(struct {name}_world)
#define {macro}_ARENA_ALIGN 16
#define {macro}_STATE_BYTES sizeof(struct {NAME}_state)

void {name}_init(void *arena, void *state);
void *{name}_input(void *arena, unsigned index);
const void *{name}_output(const void *arena, unsigned index);
enum midge_status {name}_run(void *arena, void *state);

#endif
"""
    source = f"""\
#include "{name}.h"

void {name}_init(void *arena, void *state) {{
    (void)arena;
    {NAME}_init(state);
}}

void *{name}_input(void *arena, unsigned index) {{
    (void)index;
    return arena;
}}

const void *{name}_output(const void *arena, unsigned index) {{
    (void)index;
    return ((const struct {name}_world *)arena)->frame;
}}

enum midge_status {name}_run(void *arena, void *state) {{
    struct {name}_world *world = arena;
    struct {NAME}_frame *frame = world->frame;
    for (uint32_t k = 0; k < world->count; k++) {{
        frame += {NAME}_push(state, world->sample[k], frame);
    }}
    return MIDGE_OK;
}}
"""
    return {f"{name}.h": header, f"{name}.c": source}
