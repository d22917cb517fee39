"""Runs a program on Unicorn, in this process, by calling the model's functions one at a time."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence

from unicorn import unicorn_const

from midge.errors import InternalError
from midge.toolchain import Program, target_for
from midge.virtual_mcu.block_trace import CALLER, BlockTracer, Trace, make_trace
from midge.virtual_mcu.boards import FlashMemory
from midge.virtual_mcu.machine import AfterLayer, Inference, Sample, check_sample
from midge.virtual_mcu.unicorn_engine import STOP_FUNCTION, Stop, UnicornEngine

# The stack before a run, as the harness paints it, and the gaps around arena and state.
_PAINT = b"\x3c\x5a\xc3\xa5"
_GUARD = b"\x5a"


class UnicornMachine:
    """A Unicorn engine with a program loaded."""

    def __init__(self, program: Program, *, timeout_s: float = 600.0) -> None:
        """Load the program and find its tensors.

        Args:
            program: What to run.
            timeout_s: Longest time for one call into the program, in seconds, rounded up.

        Raises:
            UserError: Unicorn has no such core.
            ToolError: The native tracer cannot be compiled.
            InternalError: The program faulted.
        """
        self.program = program
        self._timeout_s = max(1, math.ceil(timeout_s))
        self._family = target_for(program.core).family
        name = program.interface.name
        self._run_function = program.symbol(f"{name}_run")
        self._arena = program.symbol("midge_port_arena")
        self._state = program.symbol("midge_port_state")
        self._halt = program.symbol("midge_port_halt").address
        self._stack = (
            program.symbol("midge_port_stack_bottom").address,
            program.symbol("midge_port_stack_top").address,
        )
        self._guards = self._guard_ranges()
        self._watched_layer = CALLER
        self._engine = UnicornEngine(program.core)
        self._engine.load(program)
        run = self._run_function
        self._entries = program.layer_entries()
        self._tracer = BlockTracer((run.address, run.address + run.size), self._entries)
        self._tracer.reach_registers(self._engine.registers)
        self._hook(unicorn_const.UC_HOOK_BLOCK, self._tracer.block_callback)
        self._inputs = self._tensors("input", program.interface.input_bytes)
        self._outputs = self._tensors("output", program.interface.output_bytes)

    # -- the interface of Machine ---------------------------------------------------------------

    def run(self, samples: Sequence[Sample]) -> list[Inference]:
        """See :meth:`midge.virtual_mcu.machine.Machine.run`."""
        for index, sample in enumerate(samples):
            check_sample(self.program, sample, index)
        self._initialise()
        return [self._infer(sample)[0] for sample in samples]

    def trace(
        self, sample: Sample, *, before: Sequence[Sample] = (), flash: FlashMemory | None = None
    ) -> tuple[Inference, Trace]:
        """See :meth:`midge.virtual_mcu.machine.Machine.trace`."""
        check_sample(self.program, sample, len(before))
        self.run(before)
        if flash is None:
            return self._infer(sample)
        memory = self.program.memory
        last = memory.flash_origin + memory.flash_bytes - 1
        kind = unicorn_const.UC_HOOK_MEM_READ
        hook = self._hook(kind, self._tracer.read_callback, memory.flash_origin, last)
        try:
            return self._infer(sample, flash=flash)
        finally:
            self._engine.unhook_native(hook)
            # The engine forgets a hook when it next starts; blocks translated before that would
            # take the slow path of hooked loads for ever.
            self._initialise()
            self._engine.forget_translations()

    # -- what only Unicorn offers ---------------------------------------------------------------

    def run_layers(
        self, sample: Sample, after_layer: AfterLayer, *, first: bool = True
    ) -> Inference:
        """Run one inference and stop after each layer.

        Args:
            sample: The input tensors.
            first: Initialise the model before; otherwise its state goes on from the last run.
            after_layer: Called with each layer's index and this machine when the layer has
                returned; it may read and write the arena.

        Raises:
            UserError: The sample does not fit the model's inputs.
            InternalError: The program faulted, hung or reported an error.
        """
        check_sample(self.program, sample, 0)
        if first:
            self._initialise()
        with self._layers_watched(after_layer):
            inference, _ = self._infer(sample)
            if self._watched_layer != CALLER:
                # A layer called in tail position returns past the caller.
                after_layer(self._watched_layer, self)
        outputs = tuple(self.read(address, size) for address, size in self._outputs)
        return Inference(outputs, inference.instructions, inference.stack_peak_bytes)

    def read_arena(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes of the arena from ``offset`` on."""
        return self.read(self._arena.address + offset, size)

    def write_arena(self, offset: int, content: bytes) -> None:
        """Overwrite bytes of the arena."""
        self.write(self._arena.address + offset, content)

    def read_state(self) -> bytes:
        """Return the model's state."""
        return self.read(self._state.address, self.program.state_bytes)

    def read(self, address: int, size: int) -> bytes:
        """Return memory at an absolute address."""
        return self._engine.read(address, size)

    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory at an absolute address."""
        self._engine.write(address, content)

    # -- how it is done -------------------------------------------------------------------------

    def _hook(self, kind: int, callback: int, begin: int = 1, end: int = 0) -> int:
        return self._engine.hook_native(kind, callback, self._tracer.user_data, begin, end)

    def _tensors(self, kind: str, sizes: Sequence[int]) -> list[tuple[int, int]]:
        function = f"{self.program.interface.name}_{kind}"
        return [
            (self._call(function, self._arena.address, index), size)
            for index, size in enumerate(sizes)
        ]

    def _initialise(self) -> None:
        for address, size in self._guards:
            self._engine.write(address, _GUARD * size)
        name = f"{self.program.interface.name}_init"
        self._call(name, self._arena.address, self._state.address)

    def _infer(
        self, sample: Sample, *, flash: FlashMemory | None = None
    ) -> tuple[Inference, Trace]:
        for (address, _), content in zip(self._inputs, sample, strict=True):
            self._engine.write(address, content)
        bottom, top = self._stack
        self._engine.write(bottom, _PAINT * ((top - bottom) // 4))
        name = self._run_function.name
        status = self._call(name, self._arena.address, self._state.address, flash) & 0xFF
        edges, statistics = self._tracer.finish()
        if status != 0:
            raise InternalError(
                f"{name} on {self.program.core} returned status {status}; expected 0 (ok)"
            )
        self._check_guards()
        trace = make_trace(
            edges, self.program.interface.layers, self._family, self.program.read, statistics
        )
        outputs = tuple(self.read(address, size) for address, size in self._outputs)
        return Inference(outputs, trace.instructions, self._painted_peak()), trace

    def _painted_peak(self) -> int:
        bottom, top = self._stack
        stack = self.read(bottom, top - bottom)
        untouched = re.match(b"(?:%s)*" % re.escape(_PAINT), stack)
        return len(stack) - (untouched.end() if untouched else 0)

    def _guard_ranges(self) -> list[tuple[int, int]]:
        """Return the gaps around arena and state, which no model may write: address and size."""
        start, size = self.program.sections[".port.memory"]
        ranges = []
        for symbol in sorted((self._arena, self._state), key=lambda symbol: symbol.address):
            ranges.append((start, symbol.address - start))
            size -= symbol.address + symbol.size - start
            start = symbol.address + symbol.size
        return [*ranges, (start, size)]

    def _check_guards(self) -> None:
        for address, size in self._guards:
            found = self.read(address, size)
            if found != _GUARD * size:
                at = address + next(i for i in range(size) if found[i : i + 1] != _GUARD)
                raise InternalError(
                    f"{self._run_function.name} on {self.program.core} wrote outside its memory: "
                    f"byte {at - self._arena.address} of an arena of {self._arena.size}, byte "
                    f"{at - self._state.address} of a state of {self.program.state_bytes}"
                )

    @contextlib.contextmanager
    def _layers_watched(self, after_layer: AfterLayer) -> Iterator[None]:
        """Call back when the caller goes on after a layer: that layer has returned."""
        run = self._run_function
        entries: dict[int, list[int]] = {}
        for index, addresses in enumerate(self._entries):
            for address in addresses:
                entries.setdefault(address, []).append(index)
        last_entered = CALLER

        def on_entry(address: int) -> None:
            nonlocal last_entered
            if self._watched_layer == CALLER:
                later = [index for index in entries[address] if index > last_entered]
                if later:
                    self._watched_layer = last_entered = later[0]

        def on_caller(_address: int) -> None:
            finished, self._watched_layer = self._watched_layer, CALLER
            if finished != CALLER:
                after_layer(finished, self)

        self._watched_layer = CALLER
        hooks = [self._engine.hook_blocks(at, at, on_entry) for at in entries]
        hooks.append(self._engine.hook_blocks(run.address, run.address + run.size - 1, on_caller))
        try:
            yield
        finally:
            self._watched_layer = CALLER
            for hook in hooks:
                self._engine.unhook_blocks(hook)
            self._engine.forget_translations()

    def _call(
        self, function: str, first: int, second: int, flash: FlashMemory | None = None
    ) -> int:
        memory = self.program.memory
        flash_range = (memory.flash_origin, memory.flash_origin + memory.flash_bytes)
        self._tracer.begin(flash, flash_range)
        self._tracer.limit(self._timeout_s, STOP_FUNCTION)
        entry = self.program.symbol(function).address
        result = self._engine.call(entry, (first, second), self._stack[1], self._halt)
        if isinstance(result, Stop):
            raise InternalError(
                f"{function} on {self.program.core}: "
                f"{result.reason or f'no return within {self._timeout_s} s'}, "
                f"at pc {result.program_counter:#010x}{self._place(result.program_counter)}"
            )
        return result

    def _place(self, counter: int) -> str:
        holder = self.program.function_at(counter)
        text = f" in {holder.name}" if holder else ""
        layer = self._tracer.layer
        if layer != CALLER:
            text += f", layer {layer} ({self.program.interface.layers[layer]})"
        return text
