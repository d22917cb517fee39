"""The uplink on emulated cores: the bytes of the twin, and no routine that a small core lacks."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from midge.signals.c_library import signal_text
from midge.signals.rice import BLOCK, Int16Array, encode_blocks
from midge.signals.uplink import STRUCT_BYTES, Uplink, UplinkBeats
from midge.signals.uplink_segment import read_segments
from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.virtual_mcu import open_machine
from support.tools import EACH_COMPILER

CORES = ("cortex-m0plus", "cortex-m4", "rv32imc")
BLOCKS = 6
"""Of one call, after whose last one beats are decided and what is closed is sent."""
SAMPLES = BLOCKS * BLOCK
BEATS = 4
OUTPUT_BYTES = 2048
UPLINK = Uplink(
    360,
    before_s=0.4,
    after_s=0.4,
    decision_s=1.0,
    payload_bytes=2,
    history_bytes=900,
    store_bytes=700,
    segment_bytes=300,
)

HEADER = f"""
#ifndef UP_H
#define UP_H
#include <stdint.h>
#define UP_ARENA_BYTES {2 * SAMPLES + 8 * BEATS + OUTPUT_BYTES}
#define UP_ARENA_ALIGN 16
#define UP_STATE_BYTES {UPLINK.ram_bytes}
enum midge_status {{ MIDGE_OK = 0 }};
void up_init(void *arena, void *state);
int8_t *up_input(void *arena, unsigned index);
const int8_t *up_output(const void *arena, unsigned index);
enum midge_status up_run(void *arena, void *state);
#endif
"""
MODEL = f"""
#include "up.h"
struct up {{
    struct midge_uplink uplink;
    uint8_t history[{UPLINK.history_bytes}];
    uint8_t store[{UPLINK.store_bytes}];
}};
typedef char size_of_the_struct[sizeof(struct midge_uplink) == {STRUCT_BYTES} ? 1 : -1];
/* A beat: its position, how suspicious it is, a mark that there is one, the payload. */
struct beat {{ uint32_t position; uint8_t priority, is_there, payload[2]; }};

void up_init(void *arena, void *state) {{
    struct up *up = (struct up *)state;
    (void)arena;
    midge_uplink_init(&up->uplink, &plan, up->history, up->store);
}}
int8_t *up_input(void *arena, unsigned index) {{ return (int8_t *)arena + (index ? {2 * SAMPLES} : 0); }}
const int8_t *up_output(const void *arena, unsigned index) {{
    (void)index;
    return (const int8_t *)arena + {2 * SAMPLES + 8 * BEATS};
}}
enum midge_status up_run(void *arena, void *state) {{
    struct up *up = (struct up *)state;
    const int16_t *samples = (const int16_t *)arena;
    const struct beat *beats = (const struct beat *)(samples + {SAMPLES});
    uint8_t *out = (uint8_t *)arena + {2 * SAMPLES + 8 * BEATS};
    for (int32_t i = 0; i < {SAMPLES}; i++) {{
        midge_uplink_push(&up->uplink, samples[i]);
    }}
    for (int32_t b = 0; b < {BEATS}; b++) {{
        if (beats[b].is_there) {{
            midge_uplink_beat(&up->uplink, beats[b].position, beats[b].priority, beats[b].payload);
        }}
    }}
    const uint8_t *segment;
    int32_t sent = 0;
    for (int32_t size; (size = midge_uplink_peek(&up->uplink, &segment)) > 0;) {{
        MIDGE_COPY(out + 2 + sent, segment, size);
        sent += size;
        midge_uplink_pop(&up->uplink);
    }}
    midge_store_u16(out, (uint32_t)sent);
    return MIDGE_OK;
}}
"""


@cache
def program(core: str, kind: str) -> Program:
    """A model that feeds the uplink some blocks and a few beats a run."""
    text = signal_text(["uplink.h"]) + UPLINK.plan_text("plan") + MODEL
    interface = ModelInterface("up", (2 * SAMPLES, 8 * BEATS), (OUTPUT_BYTES,))
    return build(find_compiler(kind, core), {"up.h": HEADER, "up.c": text}, interface)


def record(calls: int) -> tuple[Int16Array, UplinkBeats]:
    """A quiet signal with bursts of noise, a flat line and rails; beats that come now and then."""
    rng = np.random.default_rng(calls)
    samples = np.cumsum(rng.integers(-9, 10, calls * SAMPLES))
    samples[2 * SAMPLES : 2 * SAMPLES + 200] += rng.integers(-5000, 5000, 200)
    samples[3 * SAMPLES : 4 * SAMPLES] = -(1 << 15)
    decided = np.arange(1, calls + 1) * SAMPLES - 1
    count = rng.integers(0, BEATS + 1, calls)
    decided_at = np.repeat(decided, count)
    priorities = rng.integers(1, 256, decided_at.size) * (rng.random(decided_at.size) < 0.25)
    beats = UplinkBeats(
        decided_at - rng.integers(0, 350, decided_at.size),
        decided_at,
        priorities.astype(np.uint8),
        rng.integers(0, 256, (decided_at.size, 2), np.uint8),
    )
    return samples.clip(-(1 << 15), (1 << 15) - 1).astype(np.int16), beats


@pytest.mark.parametrize("kind", EACH_COMPILER)
@pytest.mark.parametrize("core", CORES)
def test_sends_the_bytes_of_the_twin(core: str, kind: str) -> None:
    calls = 30
    samples, beats = record(calls)
    inputs = []
    for call in range(calls):
        rows = np.zeros(BEATS, [("position", "<u4"), ("rest", "u1", 4)])
        mine = np.flatnonzero(beats.decided_at // SAMPLES == call)
        rows["position"][: mine.size] = beats.positions[mine]
        rows["rest"][: mine.size, 0] = beats.priorities[mine]
        rows["rest"][: mine.size, 1] = 1
        rows["rest"][: mine.size, 2:] = beats.payloads[mine]
        part = samples[call * SAMPLES : (call + 1) * SAMPLES]
        inputs.append((part.tobytes(), rows.tobytes()))
    runs = open_machine(program(core, kind)).run(inputs)
    sent = b""
    for run in runs:
        size = int.from_bytes(run.outputs[0][:2], "little")
        sent += run.outputs[0][2 : 2 + size]
    expected = UPLINK.run(samples, beats, finished=False)
    assert len(read_segments(sent)) > 5
    assert sent == expected.data
    assert expected.lost_items == expected.dropped_segments == 0


@pytest.mark.parametrize("core", CORES)
def test_needs_no_division(core: str) -> None:
    allowed = {"memcpy", "memset", "__aeabi_memcpy", "__aeabi_memclr", "__aeabi_memset"}
    plain = {name.rstrip("48") for name in program(core, "zig").library_functions}
    assert plain <= allowed


def test_cost_on_the_smallest_core() -> None:
    # Of a signal like an electrocardiogram, all of which is sent.
    rng = np.random.default_rng(0)
    samples = np.cumsum(rng.integers(-9, 10, SAMPLES)).astype(np.int16)
    [quiet] = open_machine(program("cortex-m0plus", "zig")).run(
        [(samples.tobytes(), bytes(8 * BEATS))]
    )
    assert quiet.instructions / SAMPLES < 250
    assert quiet.stack_peak_bytes < 512
    assert len(encode_blocks(samples).data) < SAMPLES
