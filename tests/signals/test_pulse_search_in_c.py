"""The detector's state machine alone: C against twin on small integers, where ties are common."""

from __future__ import annotations

import ctypes
from dataclasses import fields
from functools import cache

import numpy as np
from chain_support import FLAGS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from midge.signals import PulseDetector
from midge.signals.c_library import signal_text
from midge.signals.pulse_search import PulseSearch, local_maxima
from midge.toolchain import build_host_library

HISTORY = 400
CAPACITY = 6
FOUND = np.dtype(
    [("found_at", "<i4"), ("at", "<i4"), ("height", "<i4"), ("slope", "<i4")]
    + [(name, "<i4") for name in ("amplitude", "width", "extreme", "noisy")]
)
SOURCE = f"""
struct found {{ int32_t found_at, at, height, slope, amplitude, width, extreme, noisy; }};
int search(const struct midge_pulse_rules *rules, const int16_t *band, const int32_t *envelope,
           int count, struct found *found);
int search(const struct midge_pulse_rules *rules, const int16_t *band, const int32_t *envelope,
           int count, struct found *found) {{
    int16_t ring[{HISTORY}] = {{0}};
    struct midge_waiting queue[{CAPACITY}];
    struct midge_history history = {{ring, {HISTORY}, 0}};
    struct midge_pulse_search state = {{0}};
    int made = 0;
    state.queue = queue;
    state.capacity = {CAPACITY};
    state.now = UINT32_MAX;
    for (int i = 0; i < count; i++) {{
        midge_history_push(&history, band[i]);
        midge_pulse_search_push(&state, rules, &history, envelope[i]);
        if (state.learnt) {{
            for (uint8_t k = 0; k < state.waiting; k++) {{
                const struct midge_pulse *p = &queue[k].pulse;
                found[made++] = (struct found){{i, (int32_t)p->at, p->height, p->slope,
                    p->amplitude, p->width, p->extreme, queue[k].quality != 0u}};
            }}
            state.waiting = 0;
        }}
    }}
    return made;
}}
"""


@cache
def library() -> ctypes.CDLL:
    text = signal_text(["pulse_search.h"]) + SOURCE
    flags = (*FLAGS, "-Wno-missing-field-initializers")
    return ctypes.CDLL(
        str(build_host_library({"search.c": text}, flags=flags, sanitizers=("undefined",)))
    )


NAMES = (
    *("hold", "search", "learning", "threshold", "refractory", "slow_wave", "slow_wave_slope"),
    *("search_back_rr", "search_back", "longest_rr", "relax", "noisy"),
)
"""In the order of the struct, behind `floor` and `lag`."""


class Rules(ctypes.Structure):
    """`struct midge_pulse_rules`."""

    _fields_ = (
        ("floor", ctypes.c_int32),
        ("lag", ctypes.c_uint16),
        *((name, ctypes.c_uint16) for name in NAMES),
    )


def in_c(
    detector: PulseDetector, band: NDArray[np.int64], envelope: NDArray[np.int64], lag: int
) -> NDArray[np.void]:
    values = {field.name: getattr(detector, field.name) for field in fields(PulseDetector)}
    rules = Rules(lag=lag, **values)
    signals = band.astype(np.int16), envelope.astype(np.int32)
    found = np.zeros(max(1, band.size), FOUND)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*signals, found)]
    count = library().search(ctypes.byref(rules), *pointers[:2], band.size, pointers[2])
    return found[:count]


@st.composite
def detectors(draw: st.DrawFn) -> PulseDetector:
    hold = draw(st.integers(2, 8))
    refractory = draw(st.integers(1, 6))
    slow_wave = refractory + draw(st.integers(0, 8))
    return PulseDetector(
        hold=hold,
        search=draw(st.integers(1, hold)),
        learning=draw(st.integers(1, 30)),
        threshold=draw(st.integers(1, 256)),
        floor=draw(st.sampled_from([1, 2, 4, 8, 9])),
        refractory=refractory,
        slow_wave=slow_wave,
        slow_wave_slope=draw(st.integers(1, 512)),
        search_back_rr=draw(st.integers(100, 600)),
        search_back=draw(st.integers(1, 256)),
        longest_rr=slow_wave + draw(st.integers(1, 40)),
        relax=draw(st.integers(1, 20)),
        noisy=draw(st.integers(1, 300)),
    )


@settings(max_examples=400)
@given(detectors(), st.integers(0, 2**32), st.integers(1, 400), st.integers(0, 12))
def test_c_finds_what_the_twin_finds(
    detector: PulseDetector, seed: int, size: int, lag: int
) -> None:
    rng = np.random.default_rng(seed)
    largest = int(rng.choice([3, 12, 200]))
    band = rng.integers(-largest, largest + 1, size)
    envelope = rng.integers(0, largest + 1, size)
    if rng.random() < 0.6:
        # Pulses that stand out, now and then none for long.
        envelope = envelope // 4
        envelope[:: int(rng.integers(9, 60))] += largest
        envelope[size // 3 : size // 2] //= int(rng.integers(1, 5))
    device = in_c(detector, band, envelope, lag)
    found = PulseSearch(detector, band, envelope, lag=lag, capacity=CAPACITY).run()
    twin = [
        (
            beat.found_at,
            beat.pulse.at,
            beat.pulse.height,
            beat.pulse.slope,
            beat.pulse.amplitude,
            beat.pulse.width,
            beat.pulse.extreme,
            int(beat.noisy),
        )
        for beat in found
    ]
    assert [tuple(row) for row in device.tolist()] == twin


def test_maxima_of_a_signal_with_plateaus() -> None:
    tops, known = local_maxima(np.asarray([0, 2, 2, 1, 1, 3, 0, 5, 5], np.int64))
    assert tops.tolist() == [1, 5]
    assert known.tolist() == [3, 6]


def test_beats_keep_their_distance() -> None:
    rng = np.random.default_rng(1)
    detector = PulseDetector.for_rate(100, refractory_s=0.1, slow_wave_s=0.2)
    envelope = rng.integers(0, 4000, 5000)
    found = PulseSearch(
        detector, rng.integers(-900, 900, 5000), envelope, lag=3, capacity=CAPACITY
    ).run()
    at = [beat.pulse.at for beat in found]
    assert len(at) > 50
    assert min(np.diff(at)) >= detector.refractory
