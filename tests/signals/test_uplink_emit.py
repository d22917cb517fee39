"""The lines that an emitted application takes from the uplink: they compile and send the same."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from midge.errors import UserError
from midge.signals.c_library import signal_text
from midge.signals.uplink import Uplink, UplinkBeats, priorities
from midge.signals.uplink_emit import uplink_code
from midge.toolchain import build_host_library

FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
LIMIT = 12
CLASSES, FEATURES = 3, 2
EVENT = np.dtype(
    [
        *(("position", "<u4"), ("decided_at", "<u4"), ("margin", "<i2"), ("suspicious", "u1")),
        *(("scores", "i1", CLASSES), ("codes", "i1", FEATURES)),
    ]
)


def application(uplink: Uplink) -> dict[str, str]:
    """An application around the lines, as the emitter builds one."""
    code = uplink_code(uplink, "watch", CLASSES, FEATURES, LIMIT)

    def lines(part: tuple[str, ...], end: str = "") -> str:
        return "".join(f"    {line}{end}\n" for line in part)

    header = f"""
{signal_text(code.state_headers)}
struct __attribute__((packed)) watch_event {{
    uint32_t position, decided_at;
    int16_t margin;
    uint8_t suspicious;
    int8_t scores[{CLASSES}], codes[{FEATURES}];
}};
struct watch_state {{
{lines(code.members, ";")}}};
void watch_init(struct watch_state *state);
void watch_push(struct watch_state *state, int16_t sample);
void watch_decide(struct watch_state *state, const struct watch_event *event);
int32_t watch_bytes(void);
{"".join(line + chr(10) for line in code.declarations)}"""
    source = f"""
#include "watch.h"
{signal_text(code.headers, given=code.state_headers)}
{"".join(line + chr(10) for line in code.constants)}
void watch_init(struct watch_state *state) {{
{lines(code.init)}}}
void watch_push(struct watch_state *state, int16_t sample) {{
{lines(code.push)}}}
void watch_decide(struct watch_state *state, const struct watch_event *event) {{
{lines(code.beat)}}}
int32_t watch_bytes(void) {{ return (int32_t)sizeof(struct watch_state); }}
{"".join(line + chr(10) for line in code.functions)}"""
    return {"watch.h": header, "watch.c": source}


@pytest.mark.parametrize("payload_bytes", [CLASSES, CLASSES + FEATURES])
def test_sends_what_the_twin_sends(payload_bytes: int) -> None:
    uplink = Uplink(360, before_s=1.0, after_s=1.0, payload_bytes=payload_bytes)
    path = build_host_library(application(uplink), flags=FLAGS, sanitizers=("undefined",))
    library = ctypes.CDLL(str(path))
    state = ctypes.create_string_buffer(library.watch_bytes())
    rng = np.random.default_rng(0)
    samples = np.cumsum(rng.integers(-9, 10, 9000)).astype(np.int16)
    events = np.zeros(25, EVENT)
    events["position"] = np.arange(300, 300 + 25 * 330, 330)
    events["decided_at"] = events["position"] + 400
    events["margin"] = rng.integers(-400, 400, 25)
    events["suspicious"] = rng.random(25) < 0.3
    events["scores"] = rng.integers(-128, 128, (25, CLASSES))
    events["codes"] = rng.integers(-128, 128, (25, FEATURES))

    library.watch_init(state)
    at = 0
    for index, sample in enumerate(samples.tolist()):
        library.watch_push(state, ctypes.c_int16(sample))
        while at < 25 and events["decided_at"][at] == index:
            library.watch_decide(state, events[at].tobytes())
            at += 1
    library.watch_finish(state)
    sent = []
    segment = ctypes.c_void_p()
    while (size := library.watch_segment(state, ctypes.byref(segment))) > 0:
        sent.append(ctypes.string_at(segment.value or 0, size))
        library.watch_segment_sent(state)

    suspicious = events["suspicious"] > 0
    known = np.concatenate([events["scores"], events["codes"]], axis=1).view(np.uint8)
    beats = UplinkBeats(
        events["position"].astype(np.int64),
        events["decided_at"].astype(np.int64),
        priorities(events["margin"], suspicious, LIMIT),
        known[:, :payload_bytes],
    )
    expected = uplink.run(samples, beats, connected=False)
    assert b"".join(sent) == expected.data
    assert expected.segments > 2


def test_priorities_grow_with_the_distance_from_the_limit() -> None:
    margins = np.array([11, 0, -243, -400, 20, 11], np.int16)
    suspicious = np.array([True, True, True, True, True, False])
    assert priorities(margins, suspicious, LIMIT).tolist() == [1, 12, 255, 255, 1, 0]


def test_a_payload_that_is_neither() -> None:
    uplink = Uplink(360, before_s=1.0, after_s=1.0, payload_bytes=4)
    with pytest.raises(UserError, match=r"payload_bytes is 4; expected 3 .* or 5"):
        uplink_code(uplink, "watch", CLASSES, FEATURES, LIMIT)
