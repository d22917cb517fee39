"""A Unicorn engine for one core: memory, native hooks, and calls of functions to their return."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from unicorn import arm_const, riscv_const, unicorn_const
from unicorn.unicorn_py3.unicorn import Uc, UcError, uclib

from midge.errors import InternalError, UserError
from midge.toolchain import Program
from midge.virtual_mcu.block_trace import RegisterAccess

STOP_FUNCTION = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value or 0
"""Address of the function that stops an engine from inside a hook."""
_READ_REGISTER = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p).value or 0
_WRITE_REGISTER = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value or 0

_PAGE = 4096
_FAULTS = {
    unicorn_const.UC_MEM_READ_UNMAPPED: "read of unmapped",
    unicorn_const.UC_MEM_WRITE_UNMAPPED: "write to unmapped",
    unicorn_const.UC_MEM_FETCH_UNMAPPED: "fetch from unmapped",
    unicorn_const.UC_MEM_READ_PROT: "read of protected",
    unicorn_const.UC_MEM_WRITE_PROT: "write to read-only",
    unicorn_const.UC_MEM_FETCH_PROT: "fetch from non-executable",
}


# QEMU's exception numbers on Arm (target/arm/cpu.h), the causes of mcause on RISC-V (privileged
# specification 20211203, table 3.6).
_ARM_EXCEPTIONS = {
    1: "undefined instruction",
    2: "supervisor call",
    3: "prefetch abort",
    4: "misaligned or forbidden data access",
    7: "breakpoint",
    17: "floating point without an FPU",
    18: "branch to an address without the Thumb bit",
    22: "misaligned data access",
}
_RISCV_EXCEPTIONS = {
    0: "misaligned instruction address",
    2: "illegal instruction",
    3: "breakpoint",
    4: "misaligned load",
    6: "misaligned store",
    8: "environment call",
    11: "environment call",
}


@dataclass(frozen=True)
class _Registers:
    """Where a core keeps what a call needs, and how it names what goes wrong.

    Attributes:
        program_counter: Register numbers of Unicorn, as the next four.
        stack_pointer: See above.
        return_address: See above.
        arguments: See above.
        result: See above.
        status: Where the state of an IT block stands; None where there are none.
        code_bit: What a code address carries in its lowest bit.
        exceptions: Exceptions by number.
    """

    program_counter: int
    stack_pointer: int
    return_address: int
    arguments: tuple[int, int]
    result: int
    status: int | None
    code_bit: int
    exceptions: Mapping[int, str]


_ARM = _Registers(
    arm_const.UC_ARM_REG_PC,
    arm_const.UC_ARM_REG_SP,
    arm_const.UC_ARM_REG_LR,
    (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1),
    arm_const.UC_ARM_REG_R0,
    arm_const.UC_ARM_REG_CPSR,
    1,
    _ARM_EXCEPTIONS,
)
_RISCV = _Registers(
    riscv_const.UC_RISCV_REG_PC,
    riscv_const.UC_RISCV_REG_SP,
    riscv_const.UC_RISCV_REG_RA,
    (riscv_const.UC_RISCV_REG_A0, riscv_const.UC_RISCV_REG_A1),
    riscv_const.UC_RISCV_REG_A0,
    None,
    0,
    _RISCV_EXCEPTIONS,
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

# Prototypes of our own: Unicorn's Python binding wraps every callback in a Python function.
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


@dataclass(frozen=True)
class Stop:
    """How a call ended other than by returning.

    Attributes:
        program_counter: Where.
        reason: What the engine or its memory complained about; empty when it was stopped.
    """

    program_counter: int
    reason: str


class UnicornEngine:
    """One core with its memory."""

    def __init__(self, core: str) -> None:
        """Make a core without memory.

        Raises:
            UserError: Unicorn has no such core.
        """
        if core in _ARM_MODELS:
            # UC_MODE_MCLASS would make every model an M33.
            self._uc = Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB)
            self._uc.ctl_set_cpu_model(_ARM_MODELS[core])
            self._registers = _ARM
        elif core in _RISCV_CORES:
            self._uc = Uc(unicorn_const.UC_ARCH_RISCV, unicorn_const.UC_MODE_RISCV32)
            self._registers = _RISCV
        else:
            raise UserError(
                f"core {core!r}: Unicorn does not emulate it; it has {', '.join(_ARM_MODELS)}, "
                f"{', '.join(_RISCV_CORES)}. Use --emulator qemu"
            )
        self._fault = ""
        self._uc.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, self._on_invalid_access)
        self._uc.hook_add(unicorn_const.UC_HOOK_INTR, self._on_exception)

    @property
    def registers(self) -> RegisterAccess:
        """How a native callback reaches them."""
        return RegisterAccess(_READ_REGISTER, _WRITE_REGISTER, self._registers.status)

    def load(self, program: Program) -> None:
        """Put a program into memory, data that it copies to RAM at its start included.

        Only what it uses is there, so that a stray access faults instead of passing.
        """
        memory = program.memory
        ram_end = max(start + size for start, size in program.sections.values())
        self._map_flash(memory.flash_origin, program.flash_image())
        self._map_ram(memory.ram_origin, ram_end - memory.ram_origin)
        for part in program.segments:
            if part.address != part.load_address:
                self.write(part.address, part.content)

    def _map_flash(self, address: int, content: bytes) -> None:
        """Provide memory that can be read and executed, whole pages of it."""
        protection = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC
        self._uc.mem_map(address, _pages(len(content)), protection)
        self._uc.mem_write(address, content)

    def _map_ram(self, address: int, size: int) -> None:
        """Provide memory that can be read and written, whole pages of zeros."""
        protection = unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE
        self._uc.mem_map(address, _pages(size), protection)

    def read(self, address: int, size: int) -> bytes:
        """Return memory."""
        return bytes(self._uc.mem_read(address, size))

    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory, protected or not."""
        self._uc.mem_write(address, bytes(content))

    def call(self, entry: int, arguments: tuple[int, int], stack_top: int, back: int) -> int | Stop:
        """Call a function.

        Args:
            entry: Its address.
            arguments: Its first two arguments.
            stack_top: Value of the stack pointer.
            back: Address that it returns to; nothing there is executed.

        Returns:
            Its 32-bit result; a :class:`Stop` when it did not return.
        """
        registers, uc = self._registers, self._uc
        uc.reg_write(registers.stack_pointer, stack_top)
        for register, value in zip(registers.arguments, arguments, strict=True):
            uc.reg_write(register, value)
        uc.reg_write(registers.return_address, back | registers.code_bit)
        self._fault = ""
        try:
            uc.emu_start(entry | registers.code_bit, back)
        except UcError as error:
            self._fault = self._fault or str(error)
        counter = int(uc.reg_read(registers.program_counter))
        if self._fault or counter != back:
            return Stop(counter, self._fault)
        return int(uc.reg_read(registers.result))

    def hook_native(
        self, kind: int, callback: int, user_data: int, begin: int = 1, end: int = 0
    ) -> int:
        """Have a native function called; a begin beyond the end means at every address.

        Raises:
            InternalError: Unicorn refused.
        """
        handle = ctypes.c_size_t()
        status = _hook_add(
            self._uc._uch, ctypes.byref(handle), kind, callback, user_data, begin, end
        )
        if status != unicorn_const.UC_ERR_OK:
            raise InternalError(f"Unicorn refused a native hook: {UcError(status)}")
        self.forget_translations()
        return handle.value

    def unhook_native(self, handle: int) -> None:
        """Undo :meth:`hook_native`."""
        _hook_del(self._uc._uch, handle)

    def hook_blocks(self, begin: int, end: int, callback: Callable[[int], None]) -> int:
        """Have a Python function called with the address of each block in a range, end included."""

        def on_block(_uc: object, address: int, _size: int, _data: object) -> None:
            callback(address)

        handle = self._uc.hook_add(unicorn_const.UC_HOOK_BLOCK, on_block, None, begin, end)
        self.forget_translations()
        return int(handle)

    def unhook_blocks(self, handle: int) -> None:
        """Undo :meth:`hook_blocks`."""
        self._uc.hook_del(handle)

    def forget_translations(self) -> None:
        """Translate every block anew: one translated without a hook never calls it."""
        self._uc.ctl_flush_tb()

    def _on_invalid_access(
        self, _uc: object, access: int, address: int, size: int, _value: int, _data: object
    ) -> bool:
        self._fault = f"{_FAULTS.get(access, 'access to bad')} memory at {address:#010x}+{size}"
        return False

    def _on_exception(self, uc: Uc, number: int, _data: object) -> None:
        name = self._registers.exceptions.get(number, "fault, trap or interrupt")
        self._fault = f"exception {number} ({name})"
        uc.emu_stop()


def _pages(size: int) -> int:
    return (size + _PAGE - 1) // _PAGE * _PAGE
