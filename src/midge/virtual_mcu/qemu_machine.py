"""Runs a program on QEMU, in a process of its own: the second opinion, and the only one on Helium.

The program's harness reads samples from a semihosting file and writes what each left behind to
another, so that thousands of samples stream through one start. A TCG plugin counts blocks with the
same native code as Unicorn's hook; :meth:`QemuMachine.run_by_clock` counts instructions in an
altogether different way, by the core's own clock.
"""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from midge.errors import InternalError, ToolError, UserError
from midge.processes import TimedOutError, install_hint, run
from midge.toolchain import Program, build_host_library
from midge.virtual_mcu.block_trace import (
    EDGE_ROW,
    STATISTICS_ROW,
    Trace,
    make_trace,
    tracer_source,
    unpack_edges,
    unpack_statistics,
)
from midge.virtual_mcu.boards import CacheGeometry, FlashMemory
from midge.virtual_mcu.machine import Inference, Sample, check_sample


@dataclass(frozen=True)
class _Board:
    """An emulated board.

    Attributes:
        program: The emulator's executable.
        arguments: What chooses the board.
        instructions_per_tick: Instructions per step of the harness's clock, at one instruction per
            nanosecond of virtual time: 1000 divided by the clock of SysTick in MHz.
    """

    program: str
    arguments: tuple[str, ...]
    instructions_per_tick: float


_RISCV_BOARD = _Board(
    "qemu-system-riscv32", ("-machine", "virt", "-bios", "none", "-m", "128M"), 1.0
)
# QEMU's only ARMv6-M board has 16 KB of RAM. An M3 executes every ARMv6-M instruction, so the M0+
# program runs on one; that nothing else is in it is for the compiler and Unicorn's M0 to see to.
_BOARDS = {
    "cortex-m0plus": _Board("qemu-system-arm", ("-machine", "mps2-an385"), 40.0),
    "cortex-m3": _Board("qemu-system-arm", ("-machine", "mps2-an385"), 40.0),
    "cortex-m4": _Board("qemu-system-arm", ("-machine", "mps2-an386"), 40.0),
    "cortex-m7": _Board("qemu-system-arm", ("-machine", "mps2-an500"), 40.0),
    "cortex-m33": _Board("qemu-system-arm", ("-machine", "mps2-an505"), 50.0),
    "cortex-m55": _Board("qemu-system-arm", ("-machine", "mps3-an547"), 31.25),
    "rv32imc": _RISCV_BOARD,
    "rv32imac": _RISCV_BOARD,
    "hazard3": _RISCV_BOARD,
}

_COMMON = (
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "none",
    "-semihosting-config",
    "enable=on,target=native",
)
_FAULT_STATUS = 2
_RECORD = struct.Struct("<IIQ")


@dataclass(frozen=True)
class ClockedInference:
    """One inference, timed by the core's own clock.

    Attributes:
        outputs: The bytes of each output tensor.
        instructions: Instructions of ``<name>_run``, as the clock saw them; None when the clock
            went round.
        resolution: Instructions per tick of the clock: the count is that exact. 1 on RISC-V.
    """

    outputs: tuple[bytes, ...]
    instructions: float | None
    resolution: float


class QemuMachine:
    """QEMU with a program; every call starts the emulator anew."""

    def __init__(self, program: Program, *, timeout_s: float = 600.0) -> None:
        """Check that the emulator is there.

        Args:
            program: What to run.
            timeout_s: Longest time for one start of the emulator, in seconds.

        Raises:
            UserError: QEMU has no board with such a core.
            ToolError: QEMU is not installed.
        """
        if program.core not in _BOARDS:
            raise UserError(
                f"core {program.core!r}: no QEMU board is set up for it; expected one of "
                f"{', '.join(_BOARDS)}"
            )
        self.program = program
        self._board = _BOARDS[program.core]
        self._timeout_s = timeout_s
        found = shutil.which(self._board.program)
        if found is None:
            raise ToolError(
                f"{self._board.program}: not found on PATH, and --emulator qemu needs it for "
                f"{program.core}; {install_hint(self._board.program)}"
            )
        self._executable = found
        self._family = "arm" if self._board.program == "qemu-system-arm" else "riscv"

    # -- the interface of Machine ---------------------------------------------------------------

    def run(self, samples: Sequence[Sample]) -> list[Inference]:
        """See :meth:`midge.virtual_mcu.machine.Machine.run`."""
        return [inference for inference, _ in self._run_counted(samples, None)]

    def trace(
        self, sample: Sample, *, before: Sequence[Sample] = (), flash: FlashMemory | None = None
    ) -> tuple[Inference, Trace]:
        """See :meth:`midge.virtual_mcu.machine.Machine.trace`."""
        return self._run_counted([*before, sample], flash)[-1]

    # -- what only QEMU offers ------------------------------------------------------------------

    def run_by_clock(self, samples: Sequence[Sample]) -> list[ClockedInference]:
        """Initialise the model and run inferences, their instructions counted by the clock.

        One instruction takes one nanosecond of virtual time (``-icount shift=0``). SysTick counts
        that time on Arm, at the board's clock; ``minstret`` counts every instruction on RISC-V.

        Raises:
            UserError: A sample does not fit the model's inputs.
            InternalError: The program faulted, hung or reported an error.
        """
        records, overhead, _ = self._start(samples, ("-icount", "shift=0,sleep=off"), None)
        scale = self._board.instructions_per_tick
        # The empty function's one instruction was timed along with the cost of timing.
        own = 1 if self._family == "riscv" else 0
        return [
            ClockedInference(outputs, (clock - overhead) * scale + own if in_range else None, scale)
            for outputs, clock, in_range, _ in records
        ]

    # -- how it is done -------------------------------------------------------------------------

    def _run_counted(
        self, samples: Sequence[Sample], flash: FlashMemory | None
    ) -> list[tuple[Inference, Trace]]:
        records, _, tables = self._start(samples, (), self._plugin(flash))
        results = []
        at = 0
        layers = self.program.interface.layers
        statistics_bytes = STATISTICS_ROW.size * (len(layers) + 1)
        for outputs, _, _, peak in records:
            (count,) = struct.unpack_from("=I", tables, at)
            at += 4
            edges = unpack_edges(tables[at : at + count * EDGE_ROW.size])
            at += count * EDGE_ROW.size
            statistics = unpack_statistics(tables[at : at + statistics_bytes])
            at += statistics_bytes
            trace = make_trace(
                edges,
                layers,
                self._family,
                self.program.read,
                statistics if flash is not None else None,
            )
            results.append((Inference(outputs, trace.instructions, peak), trace))
        if at != len(tables):
            raise InternalError(
                f"{self.program.interface.name} on {self.program.core}: QEMU's plugin wrote "
                f"{len(tables)} bytes of tables; expected {at} for {len(records)} inferences"
            )
        return results

    def _start(
        self, samples: Sequence[Sample], options: tuple[str, ...], plugin: str | None
    ) -> tuple[list[tuple[tuple[bytes, ...], int, bool, int]], int, bytes]:
        for index, sample in enumerate(samples):
            check_sample(self.program, sample, index)
        with tempfile.TemporaryDirectory(prefix="midge-") as temporary:
            folder = Path(temporary)
            (folder / "midge.elf").write_bytes(self.program.elf)
            with (folder / "midge.in").open("wb") as file:
                file.write(struct.pack("<I", len(samples)))
                for sample in samples:
                    file.writelines(sample)
            command = [self._executable, *self._board.arguments, *_COMMON, *options]
            if plugin is not None:
                (folder / "midge.code").write_bytes(self.program.flash_image())
                command += ["-plugin", plugin]
            command += ["-kernel", "midge.elf"]
            try:
                done = run(command, timeout_s=self._timeout_s, cwd=folder)
            except TimedOutError as error:
                raise InternalError(
                    f"{self.program.interface.name}_run on {self.program.core}: no return within "
                    f"{self._timeout_s:g} s under QEMU, {len(samples)} samples"
                ) from error
            if done.returncode != 0:
                raise self._failure(done.returncode, done.stderr_text + done.stdout_text)
            output = (folder / "midge.out").read_bytes()
            tables = (folder / "midge.trace").read_bytes() if plugin is not None else b""
        records, overhead = self._records(output, len(samples))
        return records, overhead, tables

    def _records(
        self, output: bytes, samples: int
    ) -> tuple[list[tuple[tuple[bytes, ...], int, bool, int]], int]:
        interface = self.program.interface
        expected = samples * (_RECORD.size + 4 + sum(interface.output_bytes)) + 8
        if len(output) != expected:
            raise InternalError(
                f"{interface.name} on {self.program.core}: QEMU wrote {len(output)} bytes of "
                f"results; expected {expected} for {samples} samples"
            )
        records = []
        at = 0
        for index in range(samples):
            status, in_range, clock = _RECORD.unpack_from(output, at)
            (peak,) = struct.unpack_from("<I", output, at + _RECORD.size)
            at += _RECORD.size + 4
            if status & 0xFF:
                raise InternalError(
                    f"{interface.name}_run on {self.program.core} returned status {status & 0xFF} "
                    f"for sample {index}; expected 0 (ok)"
                )
            outputs = []
            for size in interface.output_bytes:
                outputs.append(output[at : at + size])
                at += size
            records.append((tuple(outputs), clock, bool(in_range), peak))
        (overhead,) = struct.unpack_from("<Q", output, at)
        return records, overhead

    def _failure(self, status: int, text: str) -> InternalError | ToolError:
        text = text.strip()
        fault = re.search(r"fault: pc=([0-9a-f]{8}) (.*)", text)
        name = f"{self.program.interface.name} on {self.program.core}"
        if status == _FAULT_STATUS and fault:
            counter = int(fault[1], 16)
            holder = self.program.function_at(counter)
            place = f" in {holder.name}" if holder else ""
            return InternalError(f"{name}: fault at pc {counter:#010x}{place} ({fault[2]})")
        if "lockup" in text.lower():
            return InternalError(f"{name}: the core locked up:\n{text[:500]}")
        if "plugin" in text.lower():
            return ToolError(
                f"{self._board.program}: cannot load the TCG plugin that counts instructions; take "
                f"a build with plugins, as Debian's is:\n{text[:500]}"
            )
        return ToolError(
            f"{self._board.program} ended with status {status} while running {name}:\n{text[:2000]}"
        )

    def _plugin(self, flash: FlashMemory | None) -> str:
        program = self.program
        caller = program.symbol(f"{program.interface.name}_run")
        harness, harness_bytes = program.sections[".port.text"]
        entries = "+".join(
            f"{row:x}:{address:x}"
            for row, addresses in enumerate(program.layer_entries(), start=1)
            for address in addresses
        )
        arguments = [
            f"file={_plugin_library(_plugin_version(self._executable))}",
            f"isa={'thumb' if self._family == 'arm' else 'riscv'}",
            f"code={program.memory.flash_origin:x}",
            "out=midge.trace",
            f"caller={caller.address:x}:{caller.address + caller.size:x}",
            f"harness={harness:x}:{harness + harness_bytes:x}",
            f"layers={len(program.interface.layers):x}",
            f"entries={entries}",
        ]
        if flash is not None:
            memory = program.memory
            end = memory.flash_origin + memory.flash_bytes
            shapes = ":".join(_shape(cache) for cache in (flash.fetch, flash.data))
            arguments.append(f"flash={memory.flash_origin:x}:{end:x}:{shapes}")
        return ",".join(arguments)


def _shape(geometry: CacheGeometry | None) -> str:
    if geometry is None:
        return "0:0:0"
    return f"{geometry.line_bytes:x}:{geometry.sets:x}:{geometry.ways:x}"


@cache
def _plugin_version(executable: str) -> int:
    """Return the version of the plugin interface that this QEMU accepts.

    Releases before 9.0 take 0 or 1, later ones 2 or more (include/qemu/qemu-plugin.h in QEMU).
    """
    text = run([executable, "--version"], timeout_s=60).stdout_text
    found = re.search(r"version (\d+)", text)
    if found is None:
        raise ToolError(f"{executable}: cannot tell its version from {text[:100]!r}")
    return 1 if int(found[1]) < 9 else 2


@cache
def _plugin_library(version: int) -> Path:
    source = (resources.files("midge") / "virtual_mcu" / "qemu_plugin.c").read_text("utf-8")
    return build_host_library(
        {"qemu_plugin.c": source, "block_trace.c": tracer_source()},
        units=("qemu_plugin.c",),
        flags=("-Wall", "-Wextra", f"-DPLUGIN_VERSION={version}"),
    )
