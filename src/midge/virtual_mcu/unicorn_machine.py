"""Runs a program on Unicorn, in this process, by calling the model's functions one at a time."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unicorn import arm_const, riscv_const, unicorn_const
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from midge.errors import InternalError, UserError
from midge.toolchain import Program
from midge.virtual_mcu.block_trace import CALLER, BlockTracer, Trace, make_trace
from midge.virtual_mcu.boards import FlashMemory
from midge.virtual_mcu.machine import AfterLayer, Inference, Sample, check_sample

_PAGE = 4096
_PAINT = b"\x3c\x5a\xc3\xa5"
_ACCESS = {
    unicorn_const.UC_MEM_READ_UNMAPPED: "read of unmapped",
    unicorn_const.UC_MEM_WRITE_UNMAPPED: "write to unmapped",
    unicorn_const.UC_MEM_FETCH_UNMAPPED: "fetch from unmapped",
    unicorn_const.UC_MEM_READ_PROT: "read of protected",
    unicorn_const.UC_MEM_WRITE_PROT: "write to read-only",
    unicorn_const.UC_MEM_FETCH_PROT: "fetch from non-executable",
}


@dataclass(frozen=True)
class _Registers:
    """Where a core keeps what a call needs."""

    program_counter: int
    stack_pointer: int
    return_address: int
    arguments: tuple[int, int]
    result: int


_ARM = _Registers(
    arm_const.UC_ARM_REG_PC,
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1),
    arm_const.UC_ARM_REG_R0,
)
_RISCV = _Registers(
    riscv_const.UC_RISCV_REG_PC,
    riscv_const.UC_RISCV_REG_SP,
    riscv_const.UC_RISCV_REG_RA,
    (riscv_const.UC_RISCV_REG_A0, riscv_const.UC_RISCV_REG_A1),
    riscv_const.UC_RISCV_REG_A0,
)
# Unicorn has no M0+; its M0 executes the same ARMv6-M instructions.
_ARM_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_RISCV_CORES = ("rv32imc", "rv32imac", "hazard3")

_hook_add = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_uint64,
    ctypes.c_uint64,
)(("uc_hook_add", uclib))
_hook_del = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t)(("uc_hook_del", uclib))


class UnicornMachine:
    """A Unicorn engine with a program loaded."""

    def __init__(self, program: Program, *, timeout_s: float = 600.0) -> None:
        """Load the program and find its tensors.

        Args:
            program: What to run.
            timeout_s: Longest time for one call into the program, in seconds.

        Raises:
            UserError: Unicorn has no such core.
            InternalError: The program faulted.
        """
        self.program = program
        self._timeout_us = int(timeout_s * 1_000_000)
        self._engine, self._registers = _open_engine(program.core)
        self._family = "arm" if self._registers is _ARM else "riscv"
        self._fault: str | None = None
        self._watched_layer = CALLER
        self._load()
        self._engine.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self._engine.hook_add(unicorn_const.UC_HOOK_INTR, self._on_exception)
        name = program.interface.name
        self._run_function = program.symbol(f"{name}_run")
        self._arena = program.symbol("midge_port_arena")
        self._state = program.symbol("midge_port_state")
        self._halt = program.symbol("midge_port_halt").address
        self._stack = (
            program.symbol("midge_port_stack_bottom").address,
            program.symbol("midge_port_stack_top").address,
        )
        entries = [program.symbol(layer).address for layer in program.interface.layers]
        run = self._run_function
        self._tracer = BlockTracer((run.address, run.address + run.size), entries)
        self._native_hook(unicorn_const.UC_HOOK_BLOCK, self._tracer.block_callback)
        self._inputs = self._tensors("input", program.interface.input_bytes)
        self._outputs = self._tensors("output", program.interface.output_bytes)

    # -- the interface of Machine ---------------------------------------------------------------

    def run(self, samples: Sequence[Sample]) -> list[Inference]:
        """See :meth:`midge.virtual_mcu.machine.Machine.run`."""
        for index, sample in enumerate(samples):
            check_sample(self.program, sample, index)
        self._initialise()
        return [self._infer(sample)[0] for sample in samples]

    def trace(self, sample: Sample, *, flash: FlashMemory | None = None) -> tuple[Inference, Trace]:
        """See :meth:`midge.virtual_mcu.machine.Machine.trace`."""
        check_sample(self.program, sample, 0)
        self._initialise()
        if flash is None:
            return self._infer(sample)
        memory = self.program.memory
        last = memory.flash_origin + memory.flash_bytes - 1
        hook = self._native_hook(
            unicorn_const.UC_HOOK_MEM_READ, self._tracer.read_callback, memory.flash_origin, last
        )
        # A block translated without a hook never calls it.
        self._engine.ctl_flush_tb()
        try:
            return self._infer(sample, flash=flash)
        finally:
            _hook_del(self._engine._uch, hook)
            # The engine forgets a deleted hook when it next starts; blocks translated before that
            # would take the slow path of hooked loads for ever.
            self._initialise()
            self._engine.ctl_flush_tb()

    # -- what only Unicorn offers ---------------------------------------------------------------

    def run_layers(self, sample: Sample, after_layer: AfterLayer) -> Inference:
        """Run one inference and stop after each layer.

        Args:
            sample: The input tensors.
            after_layer: Called with each layer's index and this machine when the layer has
                returned; it may read and write the arena.

        Raises:
            UserError: The sample does not fit the model's inputs.
            InternalError: The program faulted, hung or reported an error.
        """
        check_sample(self.program, sample, 0)
        self._initialise()
        return self._infer(sample, after_layer=after_layer)[0]

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
        return bytes(self._engine.mem_read(address, size))

    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory at an absolute address."""
        self._engine.mem_write(address, content)

    # -- how it is done -------------------------------------------------------------------------

    def _load(self) -> None:
        program, engine = self.program, self._engine
        memory = program.memory
        ram_end = max(
            symbol.address + symbol.size
            for symbol in program.symbols
            if memory.ram_origin <= symbol.address < memory.ram_origin + memory.ram_bytes
        )
        flash = program.flash_image()
        # Only what the program uses is there, so that a stray access faults instead of passing.
        read_execute = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC
        read_write = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE
        engine.mem_map(memory.flash_origin, _pages(len(flash)), read_execute)
        engine.mem_map(memory.ram_origin, _pages(ram_end - memory.ram_origin), read_write)
        engine.mem_write(memory.flash_origin, flash)
        for part in program.segments:
            if part.address != part.load_address:
                engine.mem_write(part.address, part.content)

    def _tensors(self, kind: str, sizes: Sequence[int]) -> list[tuple[int, int]]:
        function = f"{self.program.interface.name}_{kind}"
        return [
            (self._call(function, self._arena.address, index), size)
            for index, size in enumerate(sizes)
        ]

    def _initialise(self) -> None:
        name = f"{self.program.interface.name}_init"
        self._call(name, self._arena.address, self._state.address)

    def _infer(
        self,
        sample: Sample,
        *,
        flash: FlashMemory | None = None,
        after_layer: AfterLayer | None = None,
    ) -> tuple[Inference, Trace]:
        for (address, _), content in zip(self._inputs, sample, strict=True):
            self._engine.mem_write(address, bytes(content))
        bottom, top = self._stack
        self._engine.mem_write(bottom, _PAINT * ((top - bottom) // 4))
        memory = self.program.memory
        flash_range = (memory.flash_origin, memory.flash_origin + memory.flash_bytes)
        watch = self._layers_watched(after_layer) if after_layer else contextlib.nullcontext()
        with watch:
            self._tracer.begin(flash, flash_range)
            status = self._call(self._run_function.name, self._arena.address, self._state.address)
            edges, statistics = self._tracer.finish()
            if after_layer is not None and self._watched_layer != CALLER:
                after_layer(self._watched_layer, self)
        if status & 0xFF != 0:
            raise InternalError(
                f"{self._run_function.name} on {self.program.core} returned status "
                f"{status & 0xFF}; expected 0 (ok)"
            )
        trace = make_trace(
            edges, self.program.interface.layers, self._family, self.program.read, statistics
        )
        outputs = tuple(self.read(address, size) for address, size in self._outputs)
        return Inference(outputs, trace.instructions, self._painted_peak()), trace

    def _painted_peak(self) -> int:
        bottom, top = self._stack
        stack = self.read(bottom, top - bottom)
        untouched = len(stack) - len(stack.lstrip(_PAINT))
        # lstrip() takes single bytes, so it may run a little into what was written.
        word = untouched - untouched % 4
        while word > 0 and stack[:word] != _PAINT * (word // 4):
            word -= 4
        return len(stack) - word

    @contextlib.contextmanager
    def _layers_watched(self, after_layer: AfterLayer) -> Iterator[None]:
        """Call back when the caller goes on after a layer: that layer has returned."""
        run = self._run_function
        entries: dict[int, list[int]] = {}
        for index, name in enumerate(self.program.interface.layers):
            entries.setdefault(self.program.symbol(name).address, []).append(index)
        state = {"entered": CALLER}

        def on_entry(_engine: object, address: int, _size: int, _data: object) -> None:
            if self._watched_layer == CALLER:
                later = [index for index in entries[address] if index > state["entered"]]
                if later:
                    self._watched_layer = state["entered"] = later[0]

        def on_caller(_engine: object, _address: int, _size: int, _data: object) -> None:
            finished, self._watched_layer = self._watched_layer, CALLER
            if finished != CALLER:
                after_layer(finished, self)

        self._watched_layer = CALLER
        block = unicorn_const.UC_HOOK_BLOCK
        hooks = [self._engine.hook_add(block, on_entry, None, at, at) for at in entries]
        hooks.append(
            self._engine.hook_add(block, on_caller, None, run.address, run.address + run.size - 1)
        )
        self._engine.ctl_flush_tb()
        try:
            yield
        finally:
            for hook in hooks:
                self._engine.hook_del(hook)
            self._engine.ctl_flush_tb()

    def _native_hook(self, kind: int, callback: int, begin: int = 1, end: int = 0) -> int:
        # begin > end means everywhere.
        handle = ctypes.c_size_t()
        user = self._tracer.user_data
        status = _hook_add(
            self._engine._uch, ctypes.byref(handle), kind, callback, user, begin, end
        )
        if status != unicorn_const.UC_ERR_OK:
            raise InternalError(f"Unicorn refused the tracer's hook: {UcError(status)}")
        return handle.value

    def _call(self, function: str, first: int, second: int) -> int:
        registers, engine = self._registers, self._engine
        entry = self.program.symbol(function).address
        thumb = 1 if self._family == "arm" else 0
        engine.reg_write(registers.stack_pointer, self._stack[1])
        engine.reg_write(registers.arguments[0], first)
        engine.reg_write(registers.arguments[1], second)
        engine.reg_write(registers.return_address, self._halt | thumb)
        self._fault = None
        complaint = ""
        try:
            engine.emu_start(entry | thumb, self._halt, timeout=self._timeout_us)
        except UcError as error:
            complaint = str(error)
        counter = engine.reg_read(registers.program_counter)
        if complaint or self._fault or counter != self._halt:
            hang = f"no return within {self._timeout_us / 1e6:g} s"
            raise InternalError(
                f"{function} on {self.program.core}: {self._fault or complaint or hang}, "
                f"at pc {counter:#010x}{self._place(counter)}"
            )
        return int(engine.reg_read(registers.result))

    def _place(self, counter: int) -> str:
        holder = self.program.function_at(counter)
        layer = self._tracer.layer
        text = f" in {holder.name}" if holder else ""
        if layer != CALLER:
            text += f", layer {layer} ({self.program.interface.layers[layer]})"
        return text

    def _on_invalid_access(
        self, _engine: object, access: int, address: int, size: int, _value: int, _data: object
    ) -> bool:
        self._fault = f"{_ACCESS.get(access, 'access to bad')} memory at {address:#010x}+{size}"
        return False

    def _on_exception(self, engine: Uc, number: int, _data: object) -> None:
        self._fault = f"exception {number} (a fault, trap or undefined instruction)"
        engine.emu_stop()


def _open_engine(core: str) -> tuple[Uc, _Registers]:
    if core in _ARM_MODELS:
        mode = unicorn_const.UC_MODE_THUMB | unicorn_const.UC_MODE_MCLASS
        engine = Uc(unicorn_const.UC_ARCH_ARM, mode)
        engine.ctl_set_cpu_model(_ARM_MODELS[core])
        return engine, _ARM
    if core in _RISCV_CORES:
        return Uc(unicorn_const.UC_ARCH_RISCV, unicorn_const.UC_MODE_RISCV32), _RISCV
    raise UserError(
        f"core {core!r}: Unicorn does not emulate it; it has {', '.join(_ARM_MODELS)}, "
        f"{', '.join(_RISCV_CORES)}. Use --emulator qemu"
    )


def _pages(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE
