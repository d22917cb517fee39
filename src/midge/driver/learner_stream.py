"""A learner as a program that an emulator feeds: chunks of samples in, what each tick told out.

What is written here belongs to the measurement. The learner's update is one function among others,
called for each sample in turn, and its struct is the model's state.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.errors import InternalError
from midge.toolchain import ModelInterface

CHUNK_TICKS = 1024
"""Samples that are handed over at once."""

TOLD = np.dtype(
    [
        ("anomaly", "<f4"),
        ("regime", "<i4"),
        ("is_flagged", "u1"),
        ("is_new", "u1"),
        ("drift", "u1"),
        ("unused", "u1"),
        ("digest", "<u4"),
    ]
)
"""What a tick tells; `digest` is that of its forecast, 0 without one."""

FIXED_TOLD = np.dtype(
    [(name, "<i4" if name == "anomaly" else TOLD[name].str) for name in TOLD.names or ()]
)
"""The same of a fixed-point learner."""


def kinds_of(number: str) -> tuple[np.dtype[np.void], np.dtype[Any]]:
    """What ticks tell, and the type of samples and forecasts, by its name in C."""
    return (FIXED_TOLD, np.dtype("<i4")) if number == "int32_t" else (TOLD, np.dtype("<f4"))


FORECAST, SAVE, RESTORE = 1, 2, 4
"""What is done besides: a forecast at every tick; a save behind the last; a restore before the
first. Bits of the chunk's second word."""


def digest_of(forecasts: NDArray[np.float32] | NDArray[np.int32]) -> NDArray[np.uint32]:
    """[ticks]: of forecasts [ticks, horizon, channels], as C has them; every bit changes it."""
    words = np.ascontiguousarray(forecasts).view(np.uint32).reshape(len(forecasts), -1)
    odd = 2 * np.arange(words.shape[1], dtype=np.uint32) + 1
    digests: NDArray[np.uint32] = (words * odd).sum(axis=1, dtype=np.uint32)
    return digests


@dataclass(frozen=True)
class LearnerStream:
    """Layout of chunks and answers.

    Attributes:
        learner: Prefix of the learner's C.
        channels, horizon: Its.
        saved_bytes: Of a checkpoint.
        number: The type of its samples and forecasts in C.
        ticks: Of a chunk, at most.
    """

    learner: str
    channels: int
    horizon: int
    saved_bytes: int
    number: str = "float"
    ticks: int = CHUNK_TICKS

    @property
    def name(self) -> str:
        """Prefix of the program's functions."""
        return f"{self.learner}_stream"

    @property
    def _saved_room(self) -> int:
        return -(-self.saved_bytes // 4) * 4

    @property
    def interface(self) -> ModelInterface:
        """How a machine calls the program."""
        return ModelInterface(
            name=self.name,
            input_bytes=(8 + self._saved_room + 4 * self.channels * self.ticks,),
            output_bytes=(self._saved_room + TOLD.itemsize * self.ticks,),
        )

    def chunk(self, samples: NDArray[Any], does: int = 0, saved: bytes = b"") -> bytes:
        """Samples [ticks, channels] as the program takes them, and a checkpoint to restore."""
        head = struct.pack("<II", len(samples), does) + saved.ljust(self._saved_room, b"\0")
        content = head + np.ascontiguousarray(samples, kinds_of(self.number)[1]).tobytes()
        return content.ljust(self.interface.input_bytes[0], b"\0")

    def told(self, output: bytes, ticks: int) -> NDArray[np.void]:
        """What the ticks of a chunk told."""
        if ticks > self.ticks:
            raise InternalError(f"{self.name}: {ticks} ticks of a chunk; there is room for less")
        return np.frombuffer(output, kinds_of(self.number)[0], ticks, self._saved_room).copy()

    def saved(self, output: bytes) -> bytes:
        """The checkpoint that was saved."""
        return output[: self.saved_bytes]

    def files(self) -> dict[str, str]:
        """The program's C beside the learner's."""
        return {f"{self.name}.h": self._header(), f"{self.name}.c": self._source()}

    def _header(self) -> str:
        name, macro, learner = self.name, self.name.upper(), self.learner
        return f"""\
/* The outside world of {learner}.h on an emulator: chunks of samples, what their ticks told. */
#ifndef MIDGE_{macro}_H
#define MIDGE_{macro}_H

#include "{learner}.h"

#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {{ MIDGE_OK = 0, MIDGE_BAD_ARENA = 1, MIDGE_BAD_STATE = 2 }};
#endif

struct {name}_told {{
    struct {learner}_step step;
    uint32_t digest;
}};

struct {name}_world {{
    uint32_t ticks, does;
    uint8_t given[{self._saved_room}];
    {self.number} sample[{self.ticks}][{self.channels}];
    uint8_t saved[{self._saved_room}];
    struct {name}_told told[{self.ticks}];
    {self.number} forecast[{self.horizon}][{self.channels}];
    uint32_t at;
}};

#define {macro}_ARENA_BYTES sizeof(struct {name}_world)
#define {macro}_ARENA_ALIGN 16
#define {macro}_STATE_BYTES sizeof(struct {learner}_state)

void {name}_init(void *arena, void *state);
void *{name}_input(void *arena, unsigned index);
const void *{name}_output(const void *arena, unsigned index);
enum midge_status {name}_run(void *arena, void *state);

#endif
"""

    def _source(self) -> str:
        name, learner = self.name, self.learner
        return f"""\
#include "{name}.h"

#include <stddef.h>

void {name}_init(void *arena, void *state) {{
    (void)arena;
    {learner}_init(state);
}}

void *{name}_input(void *arena, unsigned index) {{
    (void)index;
    return arena;
}}

const void *{name}_output(const void *arena, unsigned index) {{
    (void)index;
    return ((const struct {name}_world *)arena)->saved;
}}

static int write_saved(void *context, const uint8_t *bytes, uint32_t size) {{
    struct {name}_world *world = context;
    for (uint32_t k = 0; k < size; k++) {{
        world->saved[world->at++] = bytes[k];
    }}
    return 0;
}}

static int read_given(void *context, uint8_t *bytes, uint32_t size) {{
    struct {name}_world *world = context;
    for (uint32_t k = 0; k < size; k++) {{
        bytes[k] = world->given[world->at++];
    }}
    return 0;
}}

static uint32_t digest(const struct {name}_world *world) {{
    const uint8_t *bytes = (const uint8_t *)world->forecast;
    uint32_t sum = 0;
    for (uint32_t k = 0; k < {self.horizon * self.channels}u; k++) {{
        uint32_t word;
        __builtin_memcpy(&word, bytes + 4u * k, 4u);
        sum += word * (2u * k + 1u);
    }}
    return sum;
}}

enum midge_status {name}_run(void *arena, void *state) {{
    struct {name}_world *world = arena;
    const int forecasts = (world->does & {FORECAST}u) != 0;
    world->at = 0;
    if ((world->does & {RESTORE}u) != 0 && {learner}_restore(state, read_given, world) != 0) {{
        return MIDGE_BAD_STATE;
    }}
    for (uint32_t i = 0; i < world->ticks; i++) {{
        struct {name}_told *told = &world->told[i];
        {learner}_update(state, world->sample[i], &told->step, forecasts ? world->forecast : NULL);
        told->digest = forecasts ? digest(world) : 0u;
    }}
    world->at = 0;
    if ((world->does & {SAVE}u) != 0) {{
        (void){learner}_save(state, write_saved, world);
    }}
    return MIDGE_OK;
}}
"""
