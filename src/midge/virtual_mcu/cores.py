"""The processor cores Midge knows: what each executes, what can run it, and what counts its cycles.

A core is a name from its vendor plus facts that hold for every chip built around it. What differs
from chip to chip (clock, memories, wait states, an optional multiplier) belongs to
:mod:`midge.virtual_mcu.boards`.

Sources: the Arm technical reference manuals DDI0484 (Cortex-M0+), DDI0337 (M3), 100166 (M4),
DDI0489 (M7), 100230 (M33), 101051 (M55); the RISC-V unprivileged specification 20191213 for
RV32I, M, A and C; Espressif's technical reference manuals for the Xtensa LX6 and LX7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

UNICORN = "unicorn"
QEMU = "qemu"


@dataclass(frozen=True)
class Core:
    """One processor core.

    Attributes:
        name: the name that ``--target`` takes, e.g. ``cortex-m4``.
        title: the vendor's name, for people.
        isa: the architecture, in the vendor's spelling (``armv7e-m``, ``rv32imc``).
        features: optional units present: ``dsp`` (SMLAD and relatives), ``fpu_sp``, ``fpu_dp``,
            ``mve`` (integer Helium), ``hw_div``, ``mul`` (32x32 low product),
            ``long_mul`` (32x32 high product in one instruction), ``atomics``.
        emulators: what can run its machine code, preferred first; empty: nothing here can.
        cycle_model: the name :func:`midge.virtual_mcu.cycles.model_for` knows, or None when no
            instruction timings are published or measured well enough to count with.
        note: a limitation a user must know before choosing the core; empty when there is none.
    """

    name: str
    title: str
    isa: str
    features: frozenset[str]
    emulators: tuple[str, ...]
    cycle_model: str | None
    note: str = ""

    @property
    def family(self) -> str:
        """``arm``, ``riscv`` or ``xtensa``: which decoder and which tools apply."""
        if self.isa.startswith("armv"):
            return "arm"
        return "riscv" if self.isa.startswith("rv") else "xtensa"

    @property
    def emulated(self) -> bool:
        """Whether any emulator can run the core's machine code."""
        return bool(self.emulators)


_NOT_EMULATED = "portable C only, not emulated"

_CORES = (
    Core(
        "cortex-m0plus",
        "Arm Cortex-M0+",
        "armv6-m",
        frozenset({"mul"}),
        (UNICORN, QEMU),
        "cortex-m0plus",
    ),
    Core(
        "cortex-m3",
        "Arm Cortex-M3",
        "armv7-m",
        frozenset({"mul", "long_mul", "hw_div"}),
        (UNICORN, QEMU),
        "cortex-m3",
    ),
    Core(
        "cortex-m4",
        "Arm Cortex-M4",
        "armv7e-m",
        frozenset({"mul", "long_mul", "hw_div", "dsp", "fpu_sp"}),
        (UNICORN, QEMU),
        "cortex-m4",
    ),
    Core(
        "cortex-m7",
        "Arm Cortex-M7",
        "armv7e-m",
        frozenset({"mul", "long_mul", "hw_div", "dsp", "fpu_sp"}),
        (UNICORN, QEMU),
        "cortex-m7",
    ),
    Core(
        "cortex-m33",
        "Arm Cortex-M33",
        "armv8-m.main",
        frozenset({"mul", "long_mul", "hw_div", "dsp", "fpu_sp"}),
        (UNICORN, QEMU),
        "cortex-m33",
    ),
    Core(
        "cortex-m55",
        "Arm Cortex-M55",
        "armv8.1-m.main",
        frozenset({"mul", "long_mul", "hw_div", "dsp", "fpu_sp", "fpu_dp", "mve"}),
        (QEMU,),
        None,
        "no cycle model: instructions are counted, cycles are null",
    ),
    Core(
        "rv32imc",
        "RISC-V RV32IMC",
        "rv32imc",
        frozenset({"mul", "long_mul", "hw_div"}),
        (UNICORN, QEMU),
        "esp32c3",
        "cycles as on the ESP32-C3's core",
    ),
    Core(
        "rv32imac",
        "RISC-V RV32IMAC",
        "rv32imac",
        frozenset({"mul", "long_mul", "hw_div", "atomics"}),
        (UNICORN, QEMU),
        "esp32c6",
        "cycles as on the ESP32-C6's high-performance core",
    ),
    Core(
        "hazard3",
        "Hazard3 (RV32IMAC + Zba, Zbb, Zbs, Zbkb, Zcb, Zcmp)",
        "rv32imac",
        frozenset({"mul", "long_mul", "hw_div", "atomics"}),
        (UNICORN, QEMU),
        "hazard3",
        "built and run as plain RV32IMAC: the bit-manipulation extensions are not used",
    ),
    Core(
        "xtensa-lx6",
        "Xtensa LX6",
        "xtensa-lx6",
        frozenset({"mul", "long_mul", "hw_div", "fpu_sp"}),
        (),
        None,
        _NOT_EMULATED,
    ),
    Core(
        "xtensa-lx7",
        "Xtensa LX7",
        "xtensa-lx7",
        frozenset({"mul", "long_mul", "hw_div", "fpu_sp"}),
        (),
        None,
        _NOT_EMULATED,
    ),
)

CORES: Mapping[str, Core] = MappingProxyType({core.name: core for core in _CORES})
"""Every core by name, in the order in which they are listed to users."""
