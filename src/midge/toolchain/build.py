"""Compiles and links a model with the harness, in a temporary directory that leaves no trace."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from midge.errors import ToolError, UserError
from midge.processes import Completed, run
from midge.toolchain.compilers import Compiler
from midge.toolchain.program import ModelInterface, Program, read_program
from midge.toolchain.targets import MemoryMap

OPTIMISATIONS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz")
"""Optimisation levels that :func:`build` accepts."""

# zig's own levels are clang's -O0, -O2 and -Os; the others have to go past it.
_ZIG_OPTIMISATIONS = {
    "-O1": ("-O2", "-Xclang", "-O1"),
    "-O3": ("-O2", "-Xclang", "-O3"),
    "-Oz": ("-Os", "-Xclang", "-Oz"),
}
_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
# A fused multiply-add rounds once where Midge's meaning of float32 rounds twice.
_ARITHMETIC = ("-ffp-contract=off",)
_STARTUP = {"arm": "startup_arm.c", "riscv": "startup_riscv.c"}
# Naked functions take their arguments by register. Without the second option a compiler turns the
# loops of memcpy into calls of memcpy, and the harness's own copies into library routines that
# would be counted as the model's.
_PORT_FLAGS = {
    "zig": ("-Wno-unused-parameter", "-fno-builtin"),
    "gcc": ("-Wno-unused-parameter", "-fno-tree-loop-distribute-patterns"),
}

# The routines are written as the loops they should become; clang's Helium versions of them take 150
# bytes of stack.
_LIBRARY_FLAGS = {
    "zig": ("-fno-vectorize", "-fno-unroll-loops"),
    "gcc": ("-fno-tree-vectorize",),
}

# The linker script tells objects apart by these beginnings of their names.
_MODEL_PREFIX = "midge__model_"
_LIBRARY_PREFIX = "midge__library_"
_PORT_PREFIX = "midge__port_"


def build(
    compiler: Compiler,
    sources: Mapping[str, str],
    interface: ModelInterface,
    *,
    optimisation: str = "-O2",
    stack_bytes: int = 16384,
    timeout_s: float = 300.0,
    objects: Mapping[str, bytes] | None = None,
) -> Program:
    """Compile a model for the compiler's core and link it with Midge's harness.

    Args:
        compiler: From :func:`midge.toolchain.find_compiler`.
        sources: The model's files by relative name: ``<name>.h`` and every ``.c`` to compile.
        interface: The model's C name, tensor sizes and layer functions.
        optimisation: One of :data:`OPTIMISATIONS`.
        stack_bytes: RAM kept for the stack, a multiple of 16.
        timeout_s: Longest time for one run of the compiler, in seconds.
        objects: Object files of the model that another compiler made, by name.

    Returns:
        The linked program. The same arguments always give the same bytes.

    Raises:
        UserError: An unknown optimisation level.
        ToolError: The compiler or linker failed; the message holds its complaint.
    """
    if optimisation not in OPTIMISATIONS:
        raise UserError(
            f"optimisation {optimisation!r} is not known; expected one of "
            f"{', '.join(OPTIMISATIONS)}"
        )
    levels: tuple[str, ...] = (optimisation,)
    if compiler.kind == "zig":
        levels = _ZIG_OPTIMISATIONS.get(optimisation, levels)
    with tempfile.TemporaryDirectory(prefix="midge-") as temporary:
        shop = _Workshop(Path(temporary), compiler, timeout_s)
        linked = [
            shop.compile(f"model/{name}", f"{_MODEL_PREFIX}{index}.o", levels)
            for index, name in enumerate(shop.write("model", sources))
        ]
        for name, content in sorted((objects or {}).items()):
            linked.append(f"{_MODEL_PREFIX}{name}")
            (shop.folder / linked[-1]).write_bytes(content)
        for part in _port_parts(compiler, interface, sources):
            library = part.source == "memory_functions.c"
            prefix = _LIBRARY_PREFIX if library else _PORT_PREFIX
            # The port is no subject of measurement, its library routines are.
            chosen = (*levels, *_LIBRARY_FLAGS[compiler.kind]) if library else ("-O2",)
            flags = (*chosen, *_PORT_FLAGS[compiler.kind])
            linked.append(f"{prefix}{part.source[:-2]}.o")
            compiled = port_object(compiler, part, flags, timeout_s)
            (shop.folder / linked[-1]).write_bytes(compiled)
        shop.write("", {"harness.ld": _linker_script(compiler.target.memory, stack_bytes)})
        elf = shop.link(linked)
    return read_program(
        elf,
        core=compiler.core,
        compiler=compiler.version,
        interface=interface,
        memory=compiler.target.memory,
    )


def write_sources(folder: Path, sources: Mapping[str, str]) -> None:
    """Write files by relative name below ``folder``.

    Raises:
        ToolError: A name would leave the folder.
    """
    for name, text in sources.items():
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise ToolError(f"source file {name!r}: expected a name below the model's own folder")
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


@dataclass(frozen=True)
class PortPart:
    """One C file of the port.

    Attributes:
        source: Its name.
        files: It and every file that it may include: text by name below the shop.
    """

    source: str
    files: tuple[tuple[str, str], ...]


@functools.lru_cache(maxsize=256)
def port_object(
    compiler: Compiler, part: PortPart, flags: tuple[str, ...], timeout_s: float
) -> bytes:
    """Compile a part of the port, once in a process: hardly anything of a model reaches it.

    Whoever builds candidate after candidate waits for the model and the linker alone.
    """
    with tempfile.TemporaryDirectory(prefix="midge-") as temporary:
        shop = _Workshop(Path(temporary), compiler, timeout_s)
        write_sources(shop.folder, dict(part.files))
        output = shop.compile(f"port/{part.source}", "part.o", flags)
        return (shop.folder / output).read_bytes()


@dataclass(frozen=True)
class _Workshop:
    """A folder in which one compiler works; every path it sees is relative to it."""

    folder: Path
    compiler: Compiler
    timeout_s: float

    def write(self, name: str, sources: Mapping[str, str]) -> list[str]:
        """Write sources and return the names of those to compile, in a fixed order."""
        write_sources(self.folder / name, sources)
        return sorted(source for source in sources if source.endswith(".c"))

    def compile(self, source: str, output: str, flags: tuple[str, ...]) -> str:
        """Compile one file and return the object's name."""
        include = ("-Imodel", "-Iport")
        arguments = [*_WARNINGS, *_ARITHMETIC, *flags, *include, "-c", source, "-o", output]
        done = self._run([*self.compiler.flags, *arguments])
        if done.returncode != 0:
            raise self._failure(f"compiling {PurePosixPath(source).name}", done)
        return output

    def link(self, objects: list[str]) -> bytes:
        """Link the objects and return the ELF file."""
        options = [*self.compiler.flags, "-Wl,--gc-sections", "-Wl,--build-id=none", *objects]
        options += ["-o", "midge.elf"]
        if self.compiler.kind == "gcc":
            libraries = ["-nostdlib", "-static", "-Wl,--no-warn-rwx-segments", "-lgcc"]
            done = self._run([*options, "-Wl,-T,harness.ld", *libraries])
        else:
            # -Os chooses the small form of zig's runtime library, -g keeps the symbols.
            options += ["-Tharness.ld", "-Os", "-g"]
            done = self._run([*options, "-nostdlib"])
            # zig builds that library on first use for a core, which takes seconds: only a program
            # that needs a routine from it should wait for that.
            if done.returncode != 0 and "undefined symbol" in done.stderr_text:
                done = self._run(options)
        if done.returncode != 0:
            raise self._failure("linking", done)
        return (self.folder / "midge.elf").read_bytes()

    def _run(self, arguments: list[str]) -> Completed:
        return run(
            [*self.compiler.command, *arguments],
            timeout_s=self.timeout_s,
            cwd=self.folder,
            env=self.compiler.environment_in(self.folder),
        )

    def _failure(self, step: str, done: Completed) -> ToolError:
        complaint = (done.stderr_text or done.stdout_text).strip()
        shown = "\n".join(complaint.splitlines()[:30])
        return ToolError(
            f"{self.compiler.version} for {self.compiler.core} failed while {step}:\n{shown}"
        )


def _port_parts(
    compiler: Compiler, interface: ModelInterface, sources: Mapping[str, str]
) -> list[PortPart]:
    startup = _STARTUP[compiler.target.family]
    semihosting = {"port/semihosting.h": _port_text("semihosting.h")}
    binding = _harness_binding(interface, compiler.target.required_macros)
    headers = {f"model/{name}": text for name, text in sources.items() if name.endswith(".h")}
    included: dict[str, dict[str, str]] = {
        "harness.c": semihosting | {"port/midge_harness_model.h": binding} | headers,
        "memory_functions.c": {},
        startup: semihosting,
    }
    return [
        PortPart(name, tuple(sorted({f"port/{name}": _port_text(name), **others}.items())))
        for name, others in included.items()
    ]


def _port_text(name: str) -> str:
    return (resources.files("midge") / "device" / "ports" / name).read_text(encoding="utf-8")


def _linker_script(memory: MemoryMap, stack_bytes: int) -> str:
    text = _port_text("harness.ld")
    for mark, value in (
        ("@FLASH_ORIGIN@", memory.flash_origin),
        ("@FLASH_BYTES@", memory.flash_bytes),
        ("@RAM_ORIGIN@", memory.ram_origin),
        ("@RAM_BYTES@", memory.ram_bytes),
        ("@STACK_BYTES@", stack_bytes),
    ):
        text = text.replace(mark, f"{value:#x}")
    return text


def _harness_binding(interface: ModelInterface, required_macros: tuple[str, ...]) -> str:
    """Return the header that gives the harness the model's names, sizes and expected ISA."""
    name = interface.name
    lines = ["#ifndef MIDGE_HARNESS_MODEL_H", "#define MIDGE_HARNESS_MODEL_H", ""]
    for condition in required_macros:
        lines += [f"#if !({condition})", f'#error "expected of this core: {condition}"', "#endif"]
    lines += ["", "#include <stdint.h>", "", f'#include "../model/{name}.h"', ""]
    for suffix in ("ARENA_BYTES", "ARENA_ALIGN", "STATE_BYTES"):
        lines.append(f"#define MIDGE_HARNESS_{suffix} {name.upper()}_{suffix}")
    for suffix in ("init", "run", "input", "output"):
        lines.append(f"#define MIDGE_HARNESS_{suffix.upper()} {name}_{suffix}")
    for kind, sizes in (("input", interface.input_bytes), ("output", interface.output_bytes)):
        values = ", ".join(f"{size}u" for size in sizes)
        lines += [
            f"#define MIDGE_HARNESS_{kind.upper()}S {len(sizes)}u",
            f"static const uint32_t midge_harness_{kind}_bytes[{len(sizes)}] = {{{values}}};",
        ]
    return "\n".join([*lines, "", "#endif", ""])
