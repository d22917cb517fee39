"""What every call of one function costs, counted natively by ``stream_trace.c``."""

from __future__ import annotations

import ctypes
import functools
import weakref
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from midge.errors import InternalError
from midge.toolchain import Program, build_host_library, target_for
from midge.virtual_mcu.block_trace import EDGE_ROW, BlockTracer, Edge, unpack_edges

_FAILED = 0xFFFF_FFFF


@functools.cache
def _library() -> ctypes.CDLL:
    source = (resources.files("midge") / "virtual_mcu" / "stream_trace.c").read_text("utf-8")
    path = build_host_library({"stream_trace.c": source}, flags=("-Wall", "-Wextra"))
    library = ctypes.CDLL(str(path))
    library.stream_new.restype = ctypes.c_void_p
    library.stream_new.argtypes = (
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_char_p,
        *(ctypes.c_uint32,) * 6,
    )
    library.stream_begin.restype = None
    library.stream_begin.argtypes = (
        ctypes.c_void_p,
        ctypes.c_void_p,
        *(ctypes.c_uint32,) * 3,
        ctypes.c_void_p,
    )
    library.stream_finish.restype = ctypes.c_uint32
    library.stream_finish.argtypes = (ctypes.c_void_p,)
    library.stream_edges.restype = None
    library.stream_edges.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.stream_calls.restype = ctypes.c_uint32
    library.stream_calls.argtypes = (ctypes.c_void_p,)
    library.stream_free.restype = None
    library.stream_free.argtypes = (ctypes.c_void_p,)
    return library


class StreamTracer:
    """Counts the instructions of each call of a function that another one calls in a loop."""

    def __init__(self, program: Program, blocks: BlockTracer, *, called: str, caller: str) -> None:
        """Allocate the tables.

        Args:
            program: What runs.
            blocks: What counts while the flash is simulated.
            called: Name of the function whose calls are counted.
            caller: Name of the function that calls it.

        Raises:
            ToolError: the native part cannot be compiled.
            InternalError: the program lacks a function, or memory ran out.
        """
        self._library = _library()
        self._image = program.flash_image()
        self._calls = np.zeros(0, np.uint32)
        outer = program.symbol(caller)
        trace: int | None = self._library.stream_new(
            blocks.block_callback,
            blocks.user_data,
            self._image,
            program.memory.flash_origin,
            len(self._image),
            target_for(program.core).family == "arm",
            program.symbol(called).address,
            outer.address,
            outer.address + outer.size,
        )
        if not trace:
            raise InternalError("the stream tracer could not allocate its tables")
        self._trace = trace
        weakref.finalize(self, self._library.stream_free, trace)

    @property
    def block_callback(self) -> int:
        """Address of the native block callback."""
        address = ctypes.cast(self._library.stream_block, ctypes.c_void_p).value
        assert address is not None
        return address

    @property
    def user_data(self) -> int:
        """What the emulator must hand to the callback."""
        return self._trace

    def begin(self, calls: int, *, simulating: bool, seconds: int, stop: int) -> None:
        """Count anew, up to so many calls.

        Args:
            calls: How many will be made.
            simulating: The flash is simulated: edges are counted by the other tracer.
            seconds: The emulation is stopped when it runs for longer.
            stop: Address of the emulator's native stop function.
        """
        self._calls = np.zeros(max(1, calls), np.uint32)
        self._library.stream_begin(
            self._trace, self._calls.ctypes.data, calls, simulating, seconds, stop
        )

    def finish(self) -> tuple[NDArray[np.uint32], list[Edge]]:
        """The instructions of each call, uint32 [calls], and the edges where they were counted.

        Raises:
            InternalError: memory ran out, or code ran outside the flash.
        """
        count = self._library.stream_finish(self._trace)
        if count == _FAILED:
            raise InternalError("the stream tracer lost count: no memory, or code outside flash")
        table = ctypes.create_string_buffer(max(1, EDGE_ROW.size * count))
        self._library.stream_edges(self._trace, table)
        edges = unpack_edges(table.raw[: EDGE_ROW.size * count])
        return self._calls[: self._library.stream_calls(self._trace)].copy(), edges
