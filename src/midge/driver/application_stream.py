"""An application as a program that an emulator feeds: chunks of samples in, a log of events out.

What is written here belongs to the measurement. The application is one function among others,
called for each sample in turn, and its struct is the model's state.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.errors import InternalError
from midge.signals import Application, Chain
from midge.signals.event_layout import event_dtype
from midge.signals.rice import BLOCK, MOST_BYTES
from midge.signals.uplink_segment import BEAT_HEAD, HEAD_BYTES
from midge.toolchain import ModelInterface

CHUNK_SAMPLES = 16384
"""Samples that are handed over at once."""


@dataclass(frozen=True)
class Stream:
    """Layout of chunks and log.

    Attributes:
        chain: The chain.
        application: Chain and network; None for a chain alone.
        samples: Of a chunk, at most.
    """

    chain: Chain
    application: Application | None
    samples: int = CHUNK_SAMPLES

    @property
    def name(self) -> str:
        """Prefix of the program's functions."""
        return f"{self.chain.name}_stream"

    @property
    def entry_dtype(self) -> np.dtype[np.void]:
        """An entry of the log: what happened, with which sample of the chunk, the event."""
        event = event_dtype(self.chain, self.application)
        return np.dtype([("what", "<u4"), ("index", "<u4"), ("event", event)])

    @property
    def most_entries(self) -> int:
        """Entries of the log: every beat and every change of the signal's state has room."""
        beats = self.samples // (self.chain.detector.refractory * self.chain.decimate)
        return beats + self.samples // self.chain.quality.block + 2 * self.chain.queue_length

    @property
    def interface(self) -> ModelInterface:
        """How a machine calls the program."""
        return ModelInterface(
            name=self.name,
            input_bytes=(4 + 2 * self.samples,),
            output_bytes=(self._log_bytes + 4 + self.most_sent_bytes,),
        )

    @property
    def _log_bytes(self) -> int:
        return 4 + self.entry_dtype.itemsize * self.most_entries

    @property
    def most_sent_bytes(self) -> int:
        """Bytes that can be sent during a chunk: all of it, and what was kept before."""
        uplink = self.application.uplink if self.application else None
        if uplink is None:
            return 0
        blocks = -(-self.samples // BLOCK)
        beats = self.most_entries * (BEAT_HEAD.size + uplink.payload_bytes)
        kept = uplink.history_bytes + uplink.store_bytes
        return -(-(blocks * (MOST_BYTES + HEAD_BYTES) + beats + kept) // 4) * 4

    def chunk(self, samples: NDArray[np.int16]) -> bytes:
        """A chunk as the program takes it; shorter ones are filled up."""
        content = struct.pack("<I", samples.size) + samples.astype("<i2").tobytes()
        return content.ljust(self.interface.input_bytes[0], b"\0")

    def entries(self, output: bytes) -> NDArray[np.void]:
        """The log's entries.

        Raises:
            InternalError: the log overflowed.
        """
        (count,) = struct.unpack_from("<I", output)
        if count > self.most_entries:
            raise InternalError(
                f"{self.name}: {count} events of one chunk; the log has room for "
                f"{self.most_entries}"
            )
        return np.frombuffer(output, self.entry_dtype, count, 4)

    def sent(self, output: bytes) -> bytes:
        """What was sent meanwhile.

        Raises:
            InternalError: there was no room for it.
        """
        (count,) = struct.unpack_from("<I", output, self._log_bytes)
        if count > self.most_sent_bytes:
            raise InternalError(
                f"{self.name}: {count} bytes sent in one chunk; there is room for "
                f"{self.most_sent_bytes}"
            )
        at = self._log_bytes + 4
        return output[at : at + count]

    def files(self) -> dict[str, str]:
        """The program's C beside the application's."""
        return {f"{self.name}.h": self._header(), f"{self.name}.c": self._source()}

    def _header(self) -> str:
        name, macro, chain = self.name, self.name.upper(), self.chain.name
        return f"""\
/* The outside world of {chain}.h on an emulator: chunks of samples, a log of events. */
#ifndef MIDGE_{macro}_H
#define MIDGE_{macro}_H

#include "{chain}.h"

#ifndef MIDGE_STATUS
#define MIDGE_STATUS
enum midge_status {{ MIDGE_OK = 0, MIDGE_BAD_ARENA = 1, MIDGE_BAD_STATE = 2 }};
#endif

struct {name}_entry {{
    uint32_t what;
    uint32_t index;
    struct {chain}_event event;
}};

struct {name}_world {{
    uint32_t samples;
    int16_t sample[{self.samples}];
    uint32_t entries;
    struct {name}_entry entry[{self.most_entries}];
    uint32_t sent_bytes;
    uint8_t sent[{self.most_sent_bytes + 1}];
    struct {chain}_event event;
}};

#define {macro}_ARENA_BYTES sizeof(struct {name}_world)
#define {macro}_ARENA_ALIGN 16
#define {macro}_STATE_BYTES sizeof(struct {chain}_state)

void {name}_init(void *arena, void *state);
void *{name}_input(void *arena, unsigned index);
const void *{name}_output(const void *arena, unsigned index);
enum midge_status {name}_run(void *arena, void *state);

#endif
"""

    def _source(self) -> str:
        name, chain = self.name, self.chain.name
        return f"""\
#include "{name}.h"

void {name}_init(void *arena, void *state) {{
    (void)arena;
    {chain}_init(state);
}}

void *{name}_input(void *arena, unsigned index) {{
    (void)index;
    return arena;
}}

const void *{name}_output(const void *arena, unsigned index) {{
    (void)index;
    return &((const struct {name}_world *)arena)->entries;
}}

enum midge_status {name}_run(void *arena, void *state) {{
    struct {name}_world *world = arena;
    struct {chain}_event *event = &world->event;
    world->entries = 0;
    world->sent_bytes = 0;
    for (uint32_t i = 0; i < world->samples; i++) {{
        const int what = {chain}_push(state, world->sample[i], event);
        if (what != 0) {{
            if (world->entries < {self.most_entries}u) {{
                struct {name}_entry *entry = &world->entry[world->entries];
                entry->what = (uint32_t)what;
                entry->index = i;
                entry->event = *event;
            }}
            world->entries++;
        }}
{self._drain()}    }}
    return MIDGE_OK;
}}
"""

    def _drain(self) -> str:
        """What stands behind the call for a sample: segments are fetched as a radio would."""
        if not self.most_sent_bytes:
            return ""
        name = self.chain.name
        return f"""\
        const uint8_t *segment;
        int32_t size = i % {BLOCK}u == {BLOCK - 1}u ? {name}_segment(state, &segment) : 0;
        for (; size > 0; size = {name}_segment(state, &segment)) {{
            for (int32_t k = 0; k < size; k++, world->sent_bytes++) {{
                if (world->sent_bytes < {self.most_sent_bytes}u) {{
                    world->sent[world->sent_bytes] = segment[k];
                }}
            }}
            {name}_segment_sent(state);
        }}
"""
