"""Signals with known beats, a small network, and chains that run as C on this machine."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from midge.graph import DType, Graph, Op, Quantization, Tensor, verify
from midge.graph.ops.add import Add
from midge.graph.ops.fully_connected import FullyConnected
from midge.signals import (
    FEATURES,
    Application,
    Chain,
    Decision,
    Detections,
    emit_chain,
    heartbeat_chain,
)
from midge.signals.event_layout import BEAT, STATE, event_dtype
from midge.toolchain import build_host_library

Samples = NDArray[np.int16]
FLAGS = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
FEATURES_USED = ("rr_before_to_local", "rr_unrest", "template_at", "width_ms")


def small_chain(name: str = "beats", **options: object) -> Chain:
    """A chain at 360 Hz whose window has 36 points."""
    given = {"features": FEATURES_USED, "window_stride": 4, **options}
    return heartbeat_chain(name, 360, **given)  # type: ignore[arg-type]


def pulse_train(
    seconds: float, *, interval_s: float = 0.8, seed: int = 0, rate_hz: int = 360
) -> tuple[Samples, NDArray[np.int64]]:
    """Narrow pulses with a slow wave behind each, on a wandering base with noise: and where they are."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    at = np.arange(0.5, seconds - 0.5, interval_s)
    at += rng.normal(0, 0.02, at.size)
    signal = 60 * np.sin(2 * np.pi * 0.2 * time) + rng.normal(0, 3, time.size)
    for beat in at:
        signal += 250 * np.exp(-(((time - beat) / 0.012) ** 2))
        signal += 50 * np.exp(-(((time - beat - 0.25) / 0.05) ** 2))
    return np.rint(signal).astype(np.int16), np.rint(at * rate_hz).astype(np.int64)


def hostile_signal(seed: int, size: int) -> Samples:
    """Pieces of everything: pulses, noise, flat lines, rails, steps, single spikes."""
    rng = np.random.default_rng(seed)
    pieces: list[Samples] = []
    while sum(piece.size for piece in pieces) < size:
        length = int(rng.integers(1, 900))
        kind = int(rng.integers(7))
        level = int(rng.integers(-1000, 1000))
        if kind == 0:
            piece = pulse_train(length / 360 + 1.2, interval_s=rng.uniform(0.25, 1.5))[0]
        elif kind == 1:
            piece = rng.normal(0, rng.uniform(1, 400), length)
        elif kind == 2:
            piece = np.full(length, level)
        elif kind == 3:
            piece = rng.choice([-32768, 32767, -1024, 1023], length)
        elif kind == 4:
            piece = np.cumsum(rng.integers(-9, 10, length)) + level
        elif kind == 5:
            piece = np.where(rng.random(length) < 0.01, 900, 0)
        else:
            piece = np.repeat(rng.integers(-500, 500, length // 40 + 1), 40)[:length]
        pieces.append(np.clip(piece, -32768, 32767).astype(np.int16))
    return np.concatenate(pieces)[:size]


def small_network(chain: Chain, seed: int = 0) -> Graph:
    """Two fully connected layers, of the window and of the features, added."""
    rng = np.random.default_rng(seed)
    tensors: dict[str, Tensor] = {}

    def tensor(
        name: str, shape: tuple[int, ...], scale: float, data: NDArray[np.generic] | None = None
    ) -> None:
        kind = DType.INT8
        quantization = Quantization(np.array([scale], np.float32), np.array([0]))
        tensors[name] = Tensor(name, shape, kind, quantization, data)

    window, features, classes = chain.window.count, len(chain.features), 3
    tensor("window", (1, window), 1 / 96)
    tensor("features", (1, features), 1 / 64)
    for source, size in (("window", window), ("features", features)):
        weights = rng.integers(-60, 61, (classes, size)).astype(np.int8)
        tensor(f"{source}_weights", (classes, size), 0.01, weights)
        tensor(f"{source}_scores", (1, classes), 0.03)
    tensor("scores", (1, classes), 0.04)
    ops = [
        Op(
            f"judge_{source}",
            FullyConnected(),
            (source, f"{source}_weights", ""),
            (f"{source}_scores",),
        )
        for source in ("window", "features")
    ]
    ops.append(Op("sum", Add(), ("window_scores", "features_scores"), ("scores",)))
    return verify(Graph("judge", tensors, tuple(ops), ("window", "features"), ("scores",)))


def small_application() -> Application:
    """A small chain with a small network."""
    chain = small_chain()
    return chain.with_network(small_network(chain), Decision(("N", "S", "V"), "N", (1, 0, -1), 10))


_RUN = """
#include "@.h"
int run(const int16_t *samples, int count, struct @_event *events, int32_t *what, int most);
int run(const int16_t *samples, int count, struct @_event *events, int32_t *what, int most) {
    static struct @_state state;
    struct @_event event;
    int found = 0;
    @_init(&state);
    for (int i = 0; i < count; i++) {
        const int happened = @_push(&state, samples[i], &event);
        if (happened != 0 && found < most) {
            events[found] = event;
            what[2 * found] = happened;
            what[2 * found++ + 1] = i;
        }
    }
    return found;
}
int event_bytes(void);
int event_bytes(void) { return (int)sizeof(struct @_event); }
"""


@cache
def host_library(chain: Chain) -> ctypes.CDLL:
    """A chain's C on this machine; what is undefined traps."""
    files = emit_chain(chain, "test") | {"run.c": _RUN.replace("@", chain.name)}
    library = ctypes.CDLL(str(build_host_library(files, flags=FLAGS, sanitizers=("undefined",))))
    assert library.event_bytes() == event_dtype(chain, None).itemsize
    return library


def run_on_host(chain: Chain, fed: Samples) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """The events of beats, and the changes of the signal's state: sample, state."""
    most = 64 + fed.size // 20
    events = np.zeros(most, event_dtype(chain, None))
    what = np.zeros((most, 2), np.int32)
    fed = np.ascontiguousarray(fed)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (fed, events, what)]
    count = host_library(chain).run(pointers[0], fed.size, pointers[1], pointers[2], most)
    events, what = events[:count], what[:count]
    changed = (what[:, 0] & STATE) != 0
    changes = np.stack([what[changed, 1], events["state"][changed]], axis=1).astype(np.int64)
    return events[(what[:, 0] & BEAT) != 0], changes


def assert_same(found: Detections, events: NDArray[np.void]) -> None:
    """What the twin found is what the device reported."""
    for name, field in (
        ("positions", "position"),
        ("decided_at", "decided_at"),
        ("features", "features"),
        ("codes", "codes"),
        ("windows", "window"),
        ("quality", "quality"),
    ):
        expected = getattr(found, name).astype(np.int64)
        np.testing.assert_array_equal(events[field].astype(np.int64), expected, err_msg=name)


ALL_FEATURES = tuple(FEATURES)
