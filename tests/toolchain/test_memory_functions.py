"""The port's memcpy and relatives, built for the host, against Python's own byte strings."""

from __future__ import annotations

import ctypes
import functools
from importlib import resources

from hypothesis import given, settings
from hypothesis import strategies as st

from midge.toolchain import build_host_library

ARENA = 160
offsets = st.integers(0, 40)
sizes = st.integers(0, 100)
contents = st.binary(min_size=ARENA, max_size=ARENA)


@functools.cache
def _library() -> ctypes.CDLL:
    source = resources.files("midge") / "device" / "ports" / "memory_functions.c"
    names = ("memcpy", "memmove", "memset", "memcmp")
    flags = [f"-D{name}=midge_{name}" for name in names]
    flags += ["-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fno-builtin"]
    path = build_host_library(
        {"memory_functions.c": source.read_text("utf-8")}, flags=flags, sanitizers=("undefined",)
    )
    library = ctypes.CDLL(str(path))
    for name in names:
        function = getattr(library, f"midge_{name}")
        function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        function.restype = ctypes.c_int if name == "memcmp" else ctypes.c_void_p
    library.midge_memset.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t)
    return library


def _place(content: bytes) -> tuple[ctypes.Array[ctypes.c_char], int]:
    memory = ctypes.create_string_buffer(content, len(content))
    return memory, ctypes.addressof(memory)


@settings(deadline=None)
@given(contents, contents, offsets, offsets, sizes)
def test_memcpy(to: bytes, source: bytes, at: int, start: int, size: int) -> None:
    (target, target_address), (origin, origin_address) = _place(to), _place(source)
    result = _library().midge_memcpy(target_address + at, origin_address + start, size)
    assert result == target_address + at
    assert target.raw == to[:at] + source[start : start + size] + to[at + size :]
    assert origin.raw == source


@settings(deadline=None)
@given(contents, offsets, offsets, sizes)
def test_memmove_with_overlap(content: bytes, at: int, start: int, size: int) -> None:
    memory, address = _place(content)
    assert _library().midge_memmove(address + at, address + start, size) == address + at
    assert memory.raw == content[:at] + content[start : start + size] + content[at + size :]


@settings(deadline=None)
@given(contents, offsets, st.integers(-300, 300), sizes)
def test_memset(content: bytes, at: int, value: int, size: int) -> None:
    memory, address = _place(content)
    assert _library().midge_memset(address + at, value, size) == address + at
    assert memory.raw == content[:at] + bytes([value & 0xFF]) * size + content[at + size :]


@settings(deadline=None)
@given(st.binary(max_size=20), st.integers(0, 19), st.integers(0, 255))
def test_memcmp(content: bytes, at: int, value: int) -> None:
    other = bytearray(content)
    if at < len(other):
        other[at] = value
    (_a, first), (_b, second) = _place(content), _place(bytes(other))
    found = _library().midge_memcmp(first, second, len(content))
    assert (found > 0) - (found < 0) == (content > other) - (content < other)
