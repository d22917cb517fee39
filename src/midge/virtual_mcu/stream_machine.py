"""A core that is fed a stream: Unicorn runs a program that handles one sample at a time.

The program is a model like any other, whose input is a chunk of samples and whose output is a log
of events; its ``<name>_run`` hands the samples to a function one by one. Arena and log stand for
the outside world: what the application itself needs is its state.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from unicorn import unicorn_const

from midge.errors import InternalError
from midge.toolchain import Program
from midge.virtual_mcu.block_trace import CALLER, BlockTracer, Edge, FlashStatistics
from midge.virtual_mcu.boards import FlashMemory
from midge.virtual_mcu.stream_tracer import StreamTracer
from midge.virtual_mcu.unicorn_engine import STOP_FUNCTION, Stop, UnicornEngine

_PAINT = b"\x3c\x5a\xc3\xa5"


@dataclass(frozen=True)
class Fed:
    """What came of one chunk.

    Attributes:
        output: The log, as the program left it.
        instructions: Of the call for each sample, uint32 [samples].
        edges: Blocks that ran, with what followed them; the caller's own among them.
        flash: What was asked of the flash; None when not simulated.
    """

    output: bytes
    instructions: NDArray[np.uint32]
    edges: tuple[Edge, ...]
    flash: FlashStatistics | None


class StreamMachine:
    """One core with a program that consumes a stream."""

    def __init__(self, program: Program, *, per_sample: str, timeout_s: int = 600) -> None:
        """Load the program and initialise it.

        Args:
            program: What to run.
            per_sample: Name of the function that takes one sample.
            timeout_s: Longest time for a chunk.

        Raises:
            UserError: Unicorn has no such core.
            ToolError: the native tracers cannot be compiled.
            InternalError: the program faulted.
        """
        self.program = program
        self._timeout_s = timeout_s
        name = program.interface.name
        self._run = program.symbol(f"{name}_run")
        self._arena = program.symbol("midge_port_arena").address
        self._state = program.symbol("midge_port_state").address
        self._halt = program.symbol("midge_port_halt").address
        self._stack = (
            program.symbol("midge_port_stack_bottom").address,
            program.symbol("midge_port_stack_top").address,
        )
        self._engine = UnicornEngine(program.core)
        self._engine.load(program)
        self._blocks = BlockTracer((self._run.address, self._run.address + self._run.size), ())
        self._blocks.reach_registers(self._engine.registers)
        self._calls = StreamTracer(program, self._blocks, called=per_sample, caller=self._run.name)
        self._engine.hook_native(
            unicorn_const.UC_HOOK_BLOCK, self._calls.block_callback, self._calls.user_data
        )
        self._calls.begin(0, simulating=False, seconds=timeout_s, stop=STOP_FUNCTION)
        self._input = self._call(f"{name}_input", self._arena, 0)
        self._output = self._call(f"{name}_output", self._arena, 0)
        self.restart()

    def restart(self) -> None:
        """Back to the beginning of a stream."""
        bottom, top = self._stack
        self._engine.write(bottom, _PAINT * ((top - bottom) // 4))
        self._calls.begin(0, simulating=False, seconds=self._timeout_s, stop=STOP_FUNCTION)
        self._call(f"{self.program.interface.name}_init", self._arena, self._state)

    def feed(self, chunk: bytes, samples: int, *, flash: FlashMemory | None = None) -> Fed:
        """Hand over a chunk; the stream goes on where it stands.

        Args:
            chunk: The program's input.
            samples: How many there are in it.
            flash: Caches between core and flash to simulate, cold at the start.

        Raises:
            InternalError: the program faulted, hung, reported an error, or lost samples.
        """
        self._engine.write(self._input, chunk)
        simulating = flash is not None
        self._calls.begin(
            samples, simulating=simulating, seconds=self._timeout_s, stop=STOP_FUNCTION
        )
        hook = self._watch_flash() if simulating else None
        try:
            status = self._call(self._run.name, self._arena, self._state, flash) & 0xFF
        finally:
            if hook is not None:
                self._engine.unhook_native(hook)
                self._engine.forget_translations()
        instructions, edges = self._calls.finish()
        statistics = None
        if simulating:
            edges, statistics = self._blocks.finish()
        if status != 0 or instructions.size != samples:
            raise InternalError(
                f"{self._run.name} on {self.program.core} returned status {status} after "
                f"{instructions.size} of {samples} samples; expected 0 (ok) after all"
            )
        size = self.program.interface.output_bytes[0]
        return Fed(
            output=self._engine.read(self._output, size),
            instructions=instructions,
            edges=tuple(edges),
            flash=statistics[CALLER] if statistics is not None else None,
        )

    def save(self) -> bytes:
        """The state of the stream, for `restore`."""
        return self._engine.read(self._state, self.program.state_bytes)

    def restore(self, state: bytes) -> None:
        """Go on from a state of before."""
        self._engine.write(self._state, state)

    @property
    def stack_peak_bytes(self) -> int:
        """Deepest use of the stack since the start."""
        bottom, top = self._stack
        stack = self._engine.read(bottom, top - bottom)
        untouched = re.match(b"(?:%s)*" % re.escape(_PAINT), stack)
        return len(stack) - (untouched.end() if untouched else 0)

    def _watch_flash(self) -> int:
        memory = self.program.memory
        return self._engine.hook_native(
            unicorn_const.UC_HOOK_MEM_READ,
            self._blocks.read_callback,
            self._blocks.user_data,
            memory.flash_origin,
            memory.flash_origin + memory.flash_bytes - 1,
        )

    def _call(
        self, function: str, first: int, second: int, flash: FlashMemory | None = None
    ) -> int:
        memory = self.program.memory
        self._blocks.begin(flash, (memory.flash_origin, memory.flash_origin + memory.flash_bytes))
        self._blocks.limit(self._timeout_s, STOP_FUNCTION)
        entry = self.program.symbol(function).address
        result = self._engine.call(entry, (first, second), self._stack[1], self._halt)
        if isinstance(result, Stop):
            holder = self.program.function_at(result.program_counter)
            raise InternalError(
                f"{function} on {self.program.core}: "
                f"{result.reason or f'no return within {self._timeout_s} s'}, at pc "
                f"{result.program_counter:#010x}{f' in {holder.name}' if holder else ''}"
            )
        return result


def merge_edges(chunks: Iterable[tuple[Edge, ...]]) -> tuple[Edge, ...]:
    """The edges of several chunks together."""
    totals: Counter[tuple[int, int, int, int | None]] = Counter()
    for chunk in chunks:
        for edge in chunk:
            totals[(edge.layer, edge.block, edge.size_bytes, edge.next_block)] += edge.count
    edges = [Edge(*key, count) for key, count in totals.items()]
    return tuple(sorted(edges, key=lambda e: (e.layer, e.block, e.size_bytes, e.next_block or 0)))
