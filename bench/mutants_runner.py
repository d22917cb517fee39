"""Runs a network's shared library in a process of its own; a mutant may end it in any way.

It imports little, because it starts once a mutant. Standard input has a line of JSON, the bytes
that the arena holds before each run, and each sample's inputs; standard output gets each sample's
outputs. It exits with 3 when bytes have changed that no layer writes, and is ended by SIGPROF when
its seconds are used up.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys

OUTSIDE = 3
_ALIGNMENT = 64
GUARD = 256


def _aligned(size: int) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """Zeroed memory with room around it, and the address of its aligned middle."""
    memory = ctypes.create_string_buffer(size + 2 * GUARD + _ALIGNMENT)
    address = ctypes.addressof(memory) + GUARD
    return memory, -(-address // _ALIGNMENT) * _ALIGNMENT


def main() -> int:
    """Run every sample."""
    about = json.loads(sys.stdin.buffer.readline())
    signal.setitimer(signal.ITIMER_PROF, about["seconds"])
    library = ctypes.CDLL(about["library"])
    init, run = (getattr(library, f"{about['name']}_{f}") for f in ("init", "run"))
    places = {}
    for kind in ("input", "output"):
        places[kind] = getattr(library, f"{about['name']}_{kind}")
        places[kind].restype = ctypes.c_void_p
    size = about["arena_bytes"]
    filling = sys.stdin.buffer.read(size + 2 * GUARD)
    # `keep` holds the memory; only addresses are passed on.
    keep_arena, arena = _aligned(size)
    keep_state, state = _aligned(about["state_bytes"])
    init(ctypes.c_void_p(arena), ctypes.c_void_p(state))
    for _ in range(about["samples"]):
        ctypes.memmove(arena - GUARD, filling, len(filling))
        for index, length in enumerate(about["inputs"]):
            place = places["input"](ctypes.c_void_p(arena), index)
            ctypes.memmove(place, sys.stdin.buffer.read(length), length)
        before = ctypes.string_at(arena - GUARD, len(filling))
        if run(ctypes.c_void_p(arena), ctypes.c_void_p(state)) != 0:
            return OUTSIDE
        after = ctypes.string_at(arena - GUARD, len(filling))
        inside = ((GUARD + start, GUARD + end) for start, end in about["kept"])
        kept = [(0, GUARD), *inside, (GUARD + size, len(filling))]
        if any(after[start:end] != before[start:end] for start, end in kept):
            return OUTSIDE
        for index, length in enumerate(about["outputs"]):
            place = places["output"](ctypes.c_void_p(arena), index)
            sys.stdout.buffer.write(ctypes.string_at(place, length))
    del keep_arena, keep_state
    return 0


if __name__ == "__main__":
    sys.exit(main())
