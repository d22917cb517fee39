"""The C of `device/signals/rice.h` and `uplink.h`, compiled for this machine and called."""

from __future__ import annotations

import ctypes
from dataclasses import astuple, dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midge.signals.c_library import signal_text
from midge.signals.rice import BLOCK, MOST_BYTES, Int16Array
from midge.signals.uplink import Uplink, UplinkBeats
from midge.toolchain import build_host_library

_FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
_GUARD_BYTES = 64
_GUARD = 0xA5

CODE_SAMPLES = """
int32_t code_samples(const int16_t *samples, int32_t count, uint8_t *out);
int32_t code_samples(const int16_t *samples, int32_t count, uint8_t *out) {
    struct midge_rice coder;
    uint8_t *at = out;
    midge_rice_init(&coder);
    for (int32_t i = 0; i < count; i++) {
        if (midge_rice_push(&coder, samples[i])) {
            at += midge_rice_write(&coder, at);
        }
    }
    return (int32_t)(at - out);
}
"""

RUN_UPLINK = """
/* Sends all that is there: where the bytes end. */
static uint8_t *drain(struct midge_uplink *u, uint8_t *out, uint32_t *counts) {
    const uint8_t *segment;
    for (int32_t size; (size = midge_uplink_peek(u, &segment)) > 0; counts[0]++) {
        for (int32_t i = 0; i < size; i++) {
            *out++ = segment[i];
        }
        midge_uplink_pop(u);
    }
    return out;
}

/* Feed samples and beats; the bytes sent. Positions begin at `origin` blocks, to see them wrap around.
   counts: segments, dropped segments, lost items, early blocks, refused beats. */
int32_t run_uplink(
    const struct midge_uplink_plan *plan, const int16_t *samples, int32_t count, const uint32_t *positions,
    const int32_t *decided_at, const uint8_t *priorities, const uint8_t *payloads, int32_t beats, int32_t connected,
    uint32_t origin, uint8_t *history, uint8_t *store, uint8_t *out, uint32_t *counts);
int32_t run_uplink(
    const struct midge_uplink_plan *plan, const int16_t *samples, int32_t count, const uint32_t *positions,
    const int32_t *decided_at, const uint8_t *priorities, const uint8_t *payloads, int32_t beats, int32_t connected,
    uint32_t origin, uint8_t *history, uint8_t *store, uint8_t *out, uint32_t *counts) {
    static struct midge_uplink u;
    int32_t beat = 0;
    uint8_t *at = out;
    midge_uplink_init(&u, plan, history, store);
    u.blocks = origin;
    for (int32_t i = 0; i < count; i++) {
        midge_uplink_push(&u, samples[i]);
        if (connected && i % MIDGE_RICE_BLOCK == MIDGE_RICE_BLOCK - 1) {
            at = drain(&u, at, counts);
        }
        for (; beat < beats && decided_at[beat] == i; beat++) {
            midge_uplink_beat(&u, positions[beat], priorities[beat], payloads + beat * plan->payload_bytes);
        }
    }
    midge_uplink_finish(&u);
    at = drain(&u, at, counts);
    counts[1] = u.store.dropped_segments;
    counts[2] = u.store.lost_items;
    counts[3] = u.early_blocks;
    counts[4] = u.refused_beats;
    return (int32_t)(at - out);
}
"""


@cache
def library(header: str, functions: str) -> ctypes.CDLL:
    """Functions of C behind a header; undefined behaviour traps, which ends the process."""
    source = {"code.c": signal_text([header]) + functions}
    return ctypes.CDLL(str(build_host_library(source, flags=_FLAGS, sanitizers=("undefined",))))


def code_samples(samples: Int16Array) -> bytes:
    """All whole blocks, as the C codes them."""
    out = np.zeros(max(1, samples.size // BLOCK * MOST_BYTES), np.uint8)
    size = library("rice.h", CODE_SAMPLES).code_samples(
        _pointer(samples), samples.size, _pointer(out)
    )
    return out[:size].tobytes()


@dataclass(frozen=True)
class Run:
    """What the C sent and counted."""

    data: bytes
    segments: int
    dropped_segments: int
    lost_items: int
    early_blocks: int
    refused_beats: int


def run_uplink(
    uplink: Uplink,
    samples: Int16Array,
    beats: UplinkBeats,
    *,
    connected: bool = True,
    origin: int = 0,
) -> Run:
    """The C of the uplink, its memories between bytes that must stay as they are."""
    plan = np.array(
        [
            *(uplink.before, uplink.after, uplink.hold_blocks, uplink.wait_blocks),
            *(uplink.history_bytes, uplink.store_bytes, uplink.segment_bytes, uplink.payload_bytes),
        ],
        np.int32,
    )
    guarded = [
        np.full(size + 2 * _GUARD_BYTES, _GUARD, np.uint8)
        for size in (uplink.history_bytes, uplink.store_bytes)
    ]
    positions = ((beats.positions + origin * BLOCK) % (1 << 32)).astype(np.uint32)
    arrays = (
        positions,
        beats.decided_at.astype(np.int32),
        np.ascontiguousarray(beats.priorities),
        np.ascontiguousarray(beats.payloads),
    )
    out = np.zeros(2 * samples.nbytes + 64 * positions.size + 4096, np.uint8)
    counts = np.zeros(5, np.uint32)
    size = library("uplink.h", RUN_UPLINK).run_uplink(
        *(_pointer(plan), _pointer(samples), samples.size, *map(_pointer, arrays)),
        *(positions.size, int(connected), ctypes.c_uint32(origin)),
        *(_pointer(memory[_GUARD_BYTES:]) for memory in guarded),
        *(_pointer(out), _pointer(counts)),
    )
    for memory in guarded:
        around = (memory[:_GUARD_BYTES], memory[-_GUARD_BYTES:])
        assert all((side == _GUARD).all() for side in around), "a byte too far was written"
    return Run(out[:size].tobytes(), *counts.tolist())


def twin(uplink: Uplink, samples: Int16Array, beats: UplinkBeats, *, connected: bool = True) -> Run:
    """The same from `Uplink.run`."""
    sent = uplink.run(samples, beats, connected=connected)
    data, segments, _, *counts = astuple(sent)
    return Run(data, segments, *counts)


def _pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
