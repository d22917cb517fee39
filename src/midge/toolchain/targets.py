"""What the C compilers and the linker need to know about each core.

The compiler options name every optional unit, because both compilers' defaults leave some out and
then turn a missing unit into library calls without a word; :data:`REQUIRED_MACROS` makes the
compiler itself prove that the units are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from midge.errors import UserError


@dataclass(frozen=True)
class MemoryMap:
    """Where flash and RAM lie, in bytes. Emulators and the linker use the same addresses."""

    flash_origin: int
    flash_bytes: int
    ram_origin: int
    ram_bytes: int


@dataclass(frozen=True)
class Target:
    """One core as the toolchain sees it.

    Attributes:
        core: The core's name.
        family: ``arm`` or ``riscv``.
        zig: Options for ``zig cc``.
        gcc: Options for the GCC cross-compiler.
        gcc_program: Name of that compiler.
        required_macros: Preprocessor conditions that must hold, as ACLE (IHI 0053) and the RISC-V
            C API document define their macros.
        memory: Memory map of the program, the emulated board's own where QEMU fixes it.
    """

    core: str
    family: str
    zig: tuple[str, ...]
    gcc: tuple[str, ...]
    gcc_program: str
    required_macros: tuple[str, ...]
    memory: MemoryMap


_MB = 1 << 20

# MPS2 with the AN385, AN386 and AN500 images: SSRAM1 at 0, SSRAM2 and 3 at 0x20000000.
_MPS2 = MemoryMap(0x0000_0000, 4 * _MB, 0x2000_0000, 4 * _MB)
# MPS2 with the AN505 image, through the secure aliases, since the core leaves reset secure.
_MPS2_SECURE = MemoryMap(0x1000_0000, 4 * _MB, 0x3800_0000, 2 * _MB)
# MPS3 with the AN547 image: ITCM and the first SRAM bank, through the secure aliases.
_MPS3_AN547 = MemoryMap(0x1000_0000, _MB // 2, 0x3100_0000, 2 * _MB)
# QEMU's `virt`: plain RAM from 2 GB on, the first half of it in the role of flash.
_RISCV_VIRT = MemoryMap(0x8000_0000, 4 * _MB, 0x8040_0000, 4 * _MB)

_FPU_SINGLE = "defined(__ARM_FP) && (__ARM_FP & 4)"
_DSP = "defined(__ARM_FEATURE_DSP)"


def _arm(
    core: str,
    zig_cpu: str,
    gcc_fpu: str | None,
    macros: tuple[str, ...],
    memory: MemoryMap,
    gcc_extensions: str = "",
) -> Target:
    hard = gcc_fpu is not None
    gcc = [
        f"-mcpu={core}{gcc_extensions}",
        "-mthumb",
        "-masm-syntax-unified",
        f"-mfloat-abi={'hard' if hard else 'soft'}",
    ]
    if gcc_fpu:
        gcc.append(f"-mfpu={gcc_fpu}")
    return Target(
        core=core,
        family="arm",
        zig=("-target", f"thumb-freestanding-eabi{'hf' if hard else ''}", f"-mcpu={zig_cpu}"),
        gcc=tuple(gcc),
        gcc_program="arm-none-eabi-gcc",
        required_macros=macros,
        memory=memory,
    )


def _riscv(core: str, zig_cpu: str, march: str, macros: tuple[str, ...]) -> Target:
    return Target(
        core=core,
        family="riscv",
        zig=("-target", "riscv32-freestanding", f"-mcpu={zig_cpu}"),
        gcc=(f"-march={march}", "-mabi=ilp32"),
        gcc_program="riscv64-unknown-elf-gcc",
        required_macros=(
            "__riscv_xlen == 32",
            "defined(__riscv_mul)",
            "defined(__riscv_c)",
            *macros,
        ),
        memory=_RISCV_VIRT,
    )


_RV32IMAC_MACROS = ("defined(__riscv_atomic)",)

_TARGETS = (
    _arm("cortex-m0plus", "cortex_m0plus", None, ("defined(__ARM_ARCH_6M__)",), _MPS2),
    _arm("cortex-m3", "cortex_m3", None, ("defined(__ARM_ARCH_7M__)",), _MPS2),
    _arm(
        "cortex-m4",
        "cortex_m4+vfp4d16sp",
        "fpv4-sp-d16",
        ("defined(__ARM_ARCH_7EM__)", _DSP, _FPU_SINGLE),
        _MPS2,
    ),
    _arm(
        "cortex-m7",
        "cortex_m7+fp_armv8d16sp",
        "fpv5-sp-d16",
        ("defined(__ARM_ARCH_7EM__)", _DSP, _FPU_SINGLE),
        _MPS2,
    ),
    _arm(
        "cortex-m33",
        "cortex_m33+dsp+fp_armv8d16sp",
        "fpv5-sp-d16",
        ("defined(__ARM_ARCH_8M_MAIN__)", _DSP, _FPU_SINGLE),
        _MPS2_SECURE,
    ),
    _arm(
        "cortex-m55",
        # Integer Helium alone: its float instructions flush subnormals to zero (Armv8-M ARM, the
        # Standard FPSCR value), so a compiler that vectorises would change bits of float32.
        "cortex_m55+mve+fp_armv8d16sp",
        "auto",
        (
            "__ARM_ARCH == 8",
            _DSP,
            _FPU_SINGLE,
            "defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 3) == 1",
        ),
        _MPS3_AN547,
        "+nomve.fp",
    ),
    _riscv("rv32imc", "generic_rv32+m+c", "rv32imc", ("!defined(__riscv_atomic)",)),
    _riscv("rv32imac", "generic_rv32+m+a+c", "rv32imac", _RV32IMAC_MACROS),
    _riscv("hazard3", "generic_rv32+m+a+c", "rv32imac", _RV32IMAC_MACROS),
)

TARGETS: Mapping[str, Target] = MappingProxyType({target.core: target for target in _TARGETS})
"""Every core that a C compiler can be aimed at, by core name."""


def target_for(core: str) -> Target:
    """Return the toolchain's view of ``core``.

    Raises:
        UserError: No compiler here produces code for that core.
    """
    try:
        return TARGETS[core]
    except KeyError:
        raise UserError(
            f"core {core!r}: no C compiler is set up for it; found no entry, expected one of "
            f"{', '.join(TARGETS)}. For another core, compile the emitted C with its own toolchain"
        ) from None
