"""Alarms and their learner, compiled: both on a virtual microcontroller, fed sample by sample."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from midge.adapt import Alarms, StreamModel
from midge.driver.alarms_host import TOLD
from midge.driver.application_cycles import stream_cycles
from midge.driver.learner import check_room, flash_bytes_without
from midge.driver.learner_stream import kinds_of
from midge.errors import UserError
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.virtual_mcu import Target, stack_bound
from midge.virtual_mcu import target as find_target
from midge.virtual_mcu.stream_machine import Fed, StreamMachine, merge_edges

NAME = "learner"
CHUNK_TICKS = 256
"""Samples that are handed over at once."""

WATCH, RESTORE = 1, 2
"""What is done besides: alarms watch the learner; both are restored before the first sample. Bits
of the chunk's second word."""

_NOT_OF_A_TICK = ("midge_save", "midge_crc", "midge_restore", "midge_is_sound")

_STREAM = f"{NAME}_alarms_stream"


@dataclass(frozen=True)
class AlarmsCost:
    """What alarms cost beside their learner.

    Attributes:
        ticks: How many.
        cycles: Mean of a tick, with memory that answers at once; None without a cycle model.
        learner_cycles: Of the learner with its whole forecast.
        largest_instructions: Of the dearest tick.
        state_bytes: RAM of what alarms remember.
        stack_bound_bytes: Deepest stack of a tick of theirs; None where it cannot be bounded.
    """

    ticks: int
    cycles: float | None
    learner_cycles: float | None
    largest_instructions: int
    state_bytes: int
    stack_bound_bytes: int | None


@dataclass(frozen=True)
class AlarmsRun:
    """What a device made of a series.

    Attributes:
        told: [ticks] of `alarms_host.TOLD`.
        saved: Checkpoints of the learner and of the alarms behind the last tick.
        cost: What it cost.
    """

    told: NDArray[np.void]
    saved: tuple[bytes, bytes]
    cost: AlarmsCost


@dataclass(frozen=True)
class AlarmsArtifact:
    """Alarms and their learner, compiled for a target.

    Attributes:
        model, alarms: What they are.
        files: The emitted C by name: what an application takes over.
        program: All of it with the harness.
        target: What it was compiled for.
    """

    model: StreamModel
    alarms: Alarms
    files: dict[str, str]
    program: Program
    target: Target

    @property
    def flash_bytes(self) -> int:
        """Code and constants of both, without the measurement's own functions."""
        return flash_bytes_without(self.program, f"{_STREAM}_")

    def run(self, series: ArrayLike, restored: tuple[bytes, bytes] | None = None) -> AlarmsRun:
        """Feed a series to the emulated core.

        The learner goes through every chunk twice, the first time alone: cores without an FPU
        compute in routines that belong to no function, so what alarms cost is a difference.

        Args:
            series: [ticks, channels], one tick at least; NaN where a sample is missing.
            restored: Checkpoints to go on from; else both start from nothing.

        Raises:
            UserError: The shape is another.
            InternalError: The program faults or does not take the checkpoints.
        """
        samples = self.model.samples(series)
        if samples.ndim != 2 or samples.shape[1] != self.alarms.sizes.channels or not len(samples):
            raise UserError(
                f"{NAME}: found a series of shape {samples.shape}; expected [ticks, "
                f"{self.alarms.sizes.channels}], one tick at least"
            )
        machine = StreamMachine(self.program, per_sample=f"{NAME}_alarms_update")
        alone: list[Fed] = []
        both: list[Fed] = []
        told = []
        for start in range(0, len(samples), CHUNK_TICKS):
            part, before = samples[start : start + CHUNK_TICKS], machine.save()
            given = b"".join(restored) if restored and start == 0 else b""
            alone.append(machine.feed(self._chunk(part, 0, given), 0))
            machine.restore(before)
            both.append(machine.feed(self._chunk(part, WATCH, given), len(part)))
            told.append(np.frombuffer(both[-1].output, TOLD, len(part), self._room).copy())
        lengths = len(self.model.save()), len(self.alarms.save())
        saved = both[-1].output[: sum(lengths)]
        checkpoints = saved[: lengths[0]], saved[lengths[0] :]
        return AlarmsRun(np.concatenate(told), checkpoints, self._cost(alone, both))

    @property
    def _room(self) -> int:
        return _room_of(self.model, self.alarms)

    def _chunk(self, samples: NDArray[Any], does: int, given: bytes) -> bytes:
        head = struct.pack("<II", len(samples), does | (RESTORE if given else 0))
        content = head + given.ljust(self._room, b"\0") + np.ascontiguousarray(samples).tobytes()
        return content.ljust(self.program.interface.input_bytes[0], b"\0")

    def _cost(self, alone: list[Fed], both: list[Fed]) -> AlarmsCost:
        instructions = np.concatenate([fed.instructions for fed in both])
        ticks, cycles = instructions.size, []
        for feds in (alone, both):
            edges = merge_edges(fed.edges for fed in feds)
            counted = stream_cycles(self.program, self.target, edges, (), f"{_STREAM}_run")
            cycles.append(_of_ticks(counted.functions) / ticks if counted else None)
        learner, whole = cycles
        return AlarmsCost(
            ticks=ticks,
            cycles=None if learner is None or whole is None else whole - learner,
            learner_cycles=learner,
            largest_instructions=int(instructions.max()),
            state_bytes=self.alarms.ram_bytes,
            stack_bound_bytes=stack_bound(self.program, f"{NAME}_alarms_update").bytes,
        )


def _of_ticks(functions: Iterable[tuple[str, int]]) -> int:
    """Cycles without those of checkpoints and of the harness."""
    left_out = (*_NOT_OF_A_TICK, f"{_STREAM}_")
    return sum(cycles for name, cycles in functions if not name.startswith(left_out))


def compile_alarms(
    model: StreamModel,
    alarms: Alarms,
    *,
    target: str = "cortex-m4",
    cc: str = "zig",
    optimisation: str = "-O2",
) -> AlarmsArtifact:
    """Compile the C of a learner and of alarms for a core or a board.

    Args:
        model: The learner; what it has learned stays with it.
        alarms: What watches it; what they remember stays with them.
        target: A name that `midge targets` lists.
        cc: ``zig`` or ``gcc``.
        optimisation: Level of the C compiler.

    Raises:
        UserError: An option is at fault, nothing here builds for the target, or the alarms are not
            for this learner.
        DoesNotFitError: The board is too small.
        ToolError: The C compiler is missing or fails.
    """
    wanted = find_target(target)
    if not wanted.core.emulated:
        raise UserError(f"{wanted.name}: no compiler here builds for it; take another target")
    files = model.emit(NAME, alarms)
    room = _room_of(model, alarms)
    number = model.dialect.number
    sample_bytes = kinds_of(number)[1].itemsize * alarms.sizes.channels
    interface = ModelInterface(
        name=_STREAM,
        input_bytes=(8 + room + sample_bytes * CHUNK_TICKS,),
        output_bytes=(room + TOLD.itemsize * CHUNK_TICKS,),
    )
    program = build(
        find_compiler(cc, wanted.core.name),
        {**files, **_stream_files(number, room)},
        interface,
        optimisation=optimisation,
    )
    artifact = AlarmsArtifact(model, alarms, files, program, wanted)
    check_room(NAME, wanted, program.state_bytes, artifact.flash_bytes)
    return artifact


def _room_of(model: StreamModel, alarms: Alarms) -> int:
    """Bytes of both checkpoints, in whole words."""
    return -(-(len(model.save()) + len(alarms.save())) // 4) * 4


def _stream_files(number: str, room: int) -> dict[str, str]:
    """The outside world of both on an emulator: chunks of samples in, alarms out."""
    macro, upper = _STREAM.upper(), NAME.upper()
    header = f"""\
/* The outside world of {NAME}_alarms.h on an emulator: chunks of samples, what their ticks told. */
#ifndef MIDGE_{macro}_H
#define MIDGE_{macro}_H

#include "{NAME}_alarms.h"

#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {{ MIDGE_OK = 0, MIDGE_BAD_ARENA = 1, MIDGE_BAD_STATE = 2 }};
#endif

struct {_STREAM}_world {{
    uint32_t ticks, does;
    uint8_t given[{room}];
    {number} sample[{CHUNK_TICKS}][{upper}_CHANNELS];
    uint8_t saved[{room}];
    struct {NAME}_alarm told[{CHUNK_TICKS}];
    {number} forecast[{upper}_HORIZON][{upper}_CHANNELS];
    uint32_t at;
}};

struct {_STREAM}_state {{
    struct {NAME}_state learner;
    struct {NAME}_alarms alarms;
}};

#define {macro}_ARENA_BYTES sizeof(struct {_STREAM}_world)
#define {macro}_ARENA_ALIGN 16
#define {macro}_STATE_BYTES sizeof(struct {_STREAM}_state)

void {_STREAM}_init(void *arena, void *state);
void *{_STREAM}_input(void *arena, unsigned index);
const void *{_STREAM}_output(const void *arena, unsigned index);
enum midge_status {_STREAM}_run(void *arena, void *state);

#endif
"""
    source = f"""\
#include "{_STREAM}.h"

void {_STREAM}_init(void *arena, void *state) {{
    struct {_STREAM}_state *both = state;
    (void)arena;
    {NAME}_init(&both->learner);
    {NAME}_alarms_init(&both->alarms);
}}

void *{_STREAM}_input(void *arena, unsigned index) {{
    (void)index;
    return arena;
}}

const void *{_STREAM}_output(const void *arena, unsigned index) {{
    (void)index;
    return ((const struct {_STREAM}_world *)arena)->saved;
}}

static int {_STREAM}_write(void *context, const uint8_t *bytes, uint32_t size) {{
    struct {_STREAM}_world *world = context;
    for (uint32_t k = 0; k < size; k++) {{
        world->saved[world->at++] = bytes[k];
    }}
    return 0;
}}

static int {_STREAM}_read(void *context, uint8_t *bytes, uint32_t size) {{
    struct {_STREAM}_world *world = context;
    for (uint32_t k = 0; k < size; k++) {{
        bytes[k] = world->given[world->at++];
    }}
    return 0;
}}

enum midge_status {_STREAM}_run(void *arena, void *state) {{
    struct {_STREAM}_world *world = arena;
    struct {_STREAM}_state *both = state;
    struct {NAME}_step step;
    world->at = 0;
    if ((world->does & {RESTORE}u) != 0u &&
        ({NAME}_restore(&both->learner, {_STREAM}_read, world) != 0 ||
         {NAME}_alarms_restore(&both->alarms, {_STREAM}_read, world) != 0)) {{
        return MIDGE_BAD_STATE;
    }}
    for (uint32_t i = 0; i < world->ticks; i++) {{
        {NAME}_update(&both->learner, world->sample[i], &step, world->forecast);
        if ((world->does & {WATCH}u) != 0u) {{
            {NAME}_alarms_update(&both->alarms, world->sample[i], world->forecast, &world->told[i]);
        }}
    }}
    world->at = 0;
    (void){NAME}_save(&both->learner, {_STREAM}_write, world);
    (void){NAME}_alarms_save(&both->alarms, {_STREAM}_write, world);
    return MIDGE_OK;
}}
"""
    return {f"{_STREAM}.h": header, f"{_STREAM}.c": source}
