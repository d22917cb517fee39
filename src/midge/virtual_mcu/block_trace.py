"""Which basic blocks ran, in which layer, how often, and what followed them.

The counting itself is native (``block_trace.c``, compiled once for the host); this module starts
it, reads its tables and turns blocks into instruction counts.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from midge.errors import InternalError
from midge.toolchain import build_host_library
from midge.virtual_mcu.boards import CacheGeometry, FlashMemory

CALLER = -1
"""The layer index of ``<name>_run`` itself, and of what it calls besides the layers."""

_NO_BLOCK = 0xFFFF_FFFF


@dataclass(frozen=True)
class FlashStatistics:
    """What one layer asked of the flash, its caches cold at the start of the inference.

    Attributes:
        fetch_lines: Times that the instruction stream moved on to another line.
        fetch_misses: Of these, misses in the fetch cache.
        fetch_misses_sequential: Of these, misses of the line after the one fetched before, which a
            prefetch buffer would hold.
        data_reads: Word reads of data from flash: constants and literals.
        data_misses: Lines that these reads touched and that were not cached.
    """

    fetch_lines: int
    fetch_misses: int
    fetch_misses_sequential: int
    data_reads: int
    data_misses: int


@dataclass(frozen=True)
class Edge:
    """How often a basic block ran in a layer and was followed by a certain block.

    Attributes:
        layer: Index of the layer in call order, or :data:`CALLER`.
        block: Address of the block's first instruction.
        size_bytes: Length of the block's code.
        next_block: Address of the block that ran next; None at the end of the inference.
        count: How often.
    """

    layer: int
    block: int
    size_bytes: int
    next_block: int | None
    count: int


@dataclass(frozen=True)
class Trace:
    """One inference, counted exactly; the same program and input always give the same trace.

    Attributes:
        layers: Names of the layer functions in call order.
        edges: Every edge that ran, ordered by layer, block and next block.
        instructions: Instructions issued in the whole inference.
        layer_instructions: Those of each layer, in call order.
        caller_instructions: Those of ``<name>_run`` itself and of what it calls besides layers.
        flash: What each layer asked of the flash, by layer index; None when not asked for.
    """

    layers: tuple[str, ...]
    edges: tuple[Edge, ...] = field(repr=False)
    instructions: int
    layer_instructions: tuple[int, ...]
    caller_instructions: int
    flash: Mapping[int, FlashStatistics] | None = None


def instruction_lengths(family: str, code: bytes) -> tuple[int, ...]:
    """Return the length in bytes of each instruction in a straight piece of code.

    The first half-word decides: Thumb encodings that start with 0b11101, 0b11110 or 0b11111 are
    32 bits long (DDI0403E, A5.1), RISC-V ones whose two low bits are 11 (unprivileged
    specification 20191213, section 1.5). So instructions that a disassembler does not know are
    counted too.

    Raises:
        InternalError: The code ends inside an instruction.
    """
    lengths = []
    at = 0
    while at < len(code):
        half = int.from_bytes(code[at : at + 2], "little")
        long = half >= 0xE800 if family == "arm" else half & 3 == 3
        lengths.append(4 if long else 2)
        at += lengths[-1]
    if at != len(code):
        raise InternalError(
            f"a block of {len(code)} bytes ends inside an instruction: {code.hex()}"
        )
    return tuple(lengths)


def make_trace(
    edges: Sequence[Edge],
    layers: tuple[str, ...],
    family: str,
    read_code: Callable[[int, int], bytes],
    flash: Mapping[int, FlashStatistics] | None = None,
) -> Trace:
    """Count the instructions of an inference's edges.

    Args:
        edges: Every edge, in any order.
        layers: Names of the layers.
        family: ``arm`` or ``riscv``.
        read_code: Gives the program's bytes at an address: ``read_code(address, size)``.
        flash: Flash statistics by layer index.
    """
    lengths: dict[tuple[int, int], int] = {}
    totals = dict.fromkeys(range(CALLER, len(layers)), 0)
    for edge in edges:
        key = (edge.block, edge.size_bytes)
        if key not in lengths:
            lengths[key] = len(instruction_lengths(family, read_code(*key)))
        totals[edge.layer] += lengths[key] * edge.count
    return Trace(
        layers=layers,
        edges=tuple(sorted(edges, key=_edge_order)),
        instructions=sum(totals.values()),
        layer_instructions=tuple(totals[i] for i in range(len(layers))),
        caller_instructions=totals[CALLER],
        flash=flash,
    )


def _edge_order(edge: Edge) -> tuple[int, int, int, int]:
    following = _NO_BLOCK if edge.next_block is None else edge.next_block
    return edge.layer, edge.block, edge.size_bytes, following


EDGE_ROW = struct.Struct("=QIIII")
"""A native edge: count, layer row, block, size, next block; in the host's byte order."""

STATISTICS_ROW = struct.Struct("=QQQQQ")
"""Native flash counts, in the order of :class:`FlashStatistics`."""


@dataclass(frozen=True)
class RegisterAccess:
    """How a callback reaches an emulator's registers.

    Attributes:
        read, write: Addresses of the emulator's native functions.
        status: Number of the register that holds the state of an IT block; None without them.
    """

    read: int
    write: int
    status: int | None


class _EntryStruct(ctypes.Structure):
    _fields_ = (("row", ctypes.c_uint32), ("address", ctypes.c_uint32))


class _CacheStruct(ctypes.Structure):
    _fields_ = (
        ("line_bytes", ctypes.c_uint32),
        ("sets", ctypes.c_uint32),
        ("ways", ctypes.c_uint32),
    )


class _FlashStruct(ctypes.Structure):
    _fields_ = (
        ("start", ctypes.c_uint32),
        ("end", ctypes.c_uint32),
        ("fetch", _CacheStruct),
        ("data", _CacheStruct),
    )


def tracer_source() -> str:
    """Return the C source of the native tracer."""
    return (resources.files("midge") / "virtual_mcu" / "block_trace.c").read_text("utf-8")


@functools.cache
def _library() -> ctypes.CDLL:
    path = build_host_library({"block_trace.c": tracer_source()}, flags=("-Wall", "-Wextra"))
    library = ctypes.CDLL(str(path))
    library.trace_new.restype = ctypes.c_void_p
    library.trace_new.argtypes = (
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.POINTER(_EntryStruct),
        ctypes.c_uint32,
        ctypes.c_uint32,
    )
    library.trace_begin.restype = ctypes.c_int
    library.trace_begin.argtypes = (ctypes.c_void_p, ctypes.POINTER(_FlashStruct))
    library.trace_limit.restype = None
    library.trace_limit.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
    library.trace_registers.restype = None
    library.trace_registers.argtypes = (ctypes.c_void_p,) * 3 + (ctypes.c_int,)
    library.trace_finish.restype = ctypes.c_uint32
    library.trace_finish.argtypes = (ctypes.c_void_p,)
    library.trace_edges.restype = None
    library.trace_edges.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.trace_flash_counts.restype = None
    library.trace_flash_counts.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    library.trace_layer.restype = ctypes.c_uint32
    library.trace_layer.argtypes = (ctypes.c_void_p,)
    library.trace_free.restype = None
    library.trace_free.argtypes = (ctypes.c_void_p,)
    return library


class BlockTracer:
    """The native tables that an emulator in this process fills."""

    def __init__(self, caller: tuple[int, int], entries: Sequence[Sequence[int]]) -> None:
        """Allocate empty tables.

        Args:
            caller: First address of ``<name>_run`` and the one behind its end.
            entries: For each layer in call order, the addresses at which it may be entered.

        Raises:
            ToolError: The native part cannot be compiled.
            InternalError: Memory ran out.
        """
        self._library = _library()
        self._layers = len(entries)
        self._has_flash = False
        rows = [
            _EntryStruct(row, address)
            for row, addresses in enumerate(entries, start=1)
            for address in addresses
        ]
        table = (_EntryStruct * len(rows))(*rows)
        self._trace: int | None = self._library.trace_new(*caller, table, len(rows), len(entries))
        if not self._trace:
            raise InternalError("the block tracer could not allocate its tables")
        weakref.finalize(self, self._library.trace_free, self._trace)

    @property
    def block_callback(self) -> int:
        """Address of the native block callback."""
        return _address_of(self._library.trace_block)

    @property
    def read_callback(self) -> int:
        """Address of the native callback for loads from flash."""
        return _address_of(self._library.trace_read)

    @property
    def user_data(self) -> int:
        """What the emulator must hand to the callbacks."""
        assert self._trace
        return self._trace

    @property
    def layer(self) -> int:
        """Index of the layer whose block ran last, or :data:`CALLER`."""
        return int(self._library.trace_layer(self._trace)) - 1

    def begin(
        self, flash: FlashMemory | None = None, flash_range: tuple[int, int] = (0, 0)
    ) -> None:
        """Start an inference with empty tables and cold caches.

        Args:
            flash: Caches to simulate; None counts edges only.
            flash_range: Flash addresses, the second behind the end.

        Raises:
            InternalError: Memory ran out.
        """
        shape = None
        if flash is not None:
            shape = ctypes.byref(
                _FlashStruct(*flash_range, _cache_struct(flash.fetch), _cache_struct(flash.data))
            )
        self._has_flash = flash is not None
        if not self._library.trace_begin(self._trace, shape):
            raise InternalError("the block tracer could not allocate the caches it simulates")

    def limit(self, seconds: int, stop: int) -> None:
        """Have the emulation stopped when it runs for longer.

        Args:
            seconds: From now on; a time-out thread of the emulator's own would cost more.
            stop: Address of the emulator's native stop function.
        """
        self._library.trace_limit(self._trace, seconds, stop)

    def reach_registers(self, access: RegisterAccess) -> None:
        """Say how the state of an IT block is cleared behind a load that is called back."""
        if access.status is not None:
            self._library.trace_registers(self._trace, access.read, access.write, access.status)

    def finish(self) -> tuple[list[Edge], dict[int, FlashStatistics] | None]:
        """End the run and return its edges, in no particular order, and its flash statistics.

        Raises:
            InternalError: Memory ran out during the run.
        """
        count = self._library.trace_finish(self._trace)
        if count == _NO_BLOCK:
            raise InternalError("the block tracer ran out of memory: the trace is incomplete")
        table = ctypes.create_string_buffer(EDGE_ROW.size * count)
        self._library.trace_edges(self._trace, table)
        edges = unpack_edges(table.raw)
        if not self._has_flash:
            return edges, None
        rows = ctypes.create_string_buffer(STATISTICS_ROW.size * (self._layers + 1))
        self._library.trace_flash_counts(self._trace, rows)
        return edges, unpack_statistics(rows.raw)


def unpack_edges(table: bytes) -> list[Edge]:
    """Read a table of native edges (``trace_edge`` in block_trace.c)."""
    return [
        Edge(layer - 1, block, size, None if following == _NO_BLOCK else following, count)
        for count, layer, block, size, following in EDGE_ROW.iter_unpack(table)
    ]


def unpack_statistics(table: bytes) -> dict[int, FlashStatistics]:
    """Read a table of native flash counts, the caller's row first."""
    rows = enumerate(STATISTICS_ROW.iter_unpack(table), start=CALLER)
    return {layer: FlashStatistics(*row) for layer, row in rows}


def _cache_struct(shape: CacheGeometry | None) -> _CacheStruct:
    if shape is None:
        return _CacheStruct(0, 0, 0)
    return _CacheStruct(shape.line_bytes, shape.sets, shape.ways)


def _address_of(function: object) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
    assert address is not None
    return address
