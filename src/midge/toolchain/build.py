"""Compiles and links a model with the harness, in a temporary directory that leaves no trace."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path, PurePosixPath

from midge.errors import ToolError, UserError
from midge.processes import run
from midge.toolchain.compilers import Compiler
from midge.toolchain.program import ModelInterface, Program, read_program

OPTIMISATIONS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-Oz")
"""Optimisation levels that :func:`build` accepts."""

_MODEL_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
# The naked functions of the port take arguments by register.
_PORT_WARNINGS = (*_MODEL_WARNINGS, "-Wno-unused-parameter")
_STARTUP = {"arm": "startup_arm.c", "riscv": "startup_riscv.c"}
# Without this a compiler turns the loops of memcpy into calls of memcpy, and the harness's own
# copies into library routines that would be counted as the model's.
_NO_LIBRARY_CALLS = {"zig": ("-fno-builtin",), "gcc": ("-fno-tree-loop-distribute-patterns",)}


def build(
    compiler: Compiler,
    sources: Mapping[str, str],
    interface: ModelInterface,
    *,
    optimisation: str = "-O2",
    stack_bytes: int = 16384,
    timeout_s: float = 300.0,
) -> Program:
    """Compile a model for the compiler's core and link it with Midge's harness.

    Args:
        compiler: From :func:`midge.toolchain.find_compiler`.
        sources: The model's files by relative name: ``<name>.h`` and every ``.c`` to compile.
        interface: The model's C name, tensor sizes and layer functions.
        optimisation: One of :data:`OPTIMISATIONS`.
        stack_bytes: RAM kept for the stack.
        timeout_s: Longest time for one run of the compiler, in seconds.

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
    with tempfile.TemporaryDirectory(prefix="midge-") as temporary:
        return _build_in(
            Path(temporary), compiler, sources, interface, optimisation, stack_bytes, timeout_s
        )


def _build_in(
    folder: Path,
    compiler: Compiler,
    sources: Mapping[str, str],
    interface: ModelInterface,
    optimisation: str,
    stack_bytes: int,
    timeout_s: float,
) -> Program:
    target = compiler.target
    write_sources(folder / "model", sources)
    port = {name: _port_text(name) for name in _port_files(target.family)}
    port["midge_harness_model.h"] = _harness_binding(interface, target.required_macros)
    write_sources(folder / "port", port)
    objects = []
    units = [
        (f"model/{name}", "midge__model_", _MODEL_WARNINGS)
        for name in sorted(sources)
        if name.endswith(".c")
    ]
    unhelped = (*_PORT_WARNINGS, *_NO_LIBRARY_CALLS[compiler.kind])
    units.append(("port/memory_functions.c", "midge__library_", unhelped))
    units.append((f"port/{_STARTUP[target.family]}", "midge__port_", unhelped))
    units.append(("port/harness.c", "midge__port_", unhelped))
    for source, prefix, flags in units:
        name = prefix + PurePosixPath(source).with_suffix(".o").name
        if prefix == "midge__model_":
            name = prefix + str(len(objects)) + "_" + PurePosixPath(name).name
        objects.append(name)
        _call(
            compiler,
            [
                *compiler.flags,
                optimisation,
                *flags,
                "-Imodel",
                "-Iport",
                "-c",
                source,
                "-o",
                name,
            ],
            folder,
            timeout_s,
            f"compiling {PurePosixPath(source).name}",
        )
    (folder / "harness.ld").write_text(_linker_script(compiler, stack_bytes))
    elf = _link(compiler, objects, folder, timeout_s)
    return read_program(
        elf,
        core=compiler.core,
        compiler=compiler.version,
        interface=interface,
        memory=target.memory,
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


def _link(compiler: Compiler, objects: list[str], folder: Path, timeout_s: float) -> bytes:
    options = [
        *compiler.flags,
        "-Wl,-T,harness.ld" if compiler.kind == "gcc" else "-Tharness.ld",
        "-Wl,--gc-sections",
        "-Wl,--build-id=none",
        *objects,
        "-o",
        "midge.elf",
    ]
    if compiler.kind == "gcc":
        arguments = [*options, "-nostdlib", "-static", "-Wl,--no-warn-rwx-segments", "-lgcc"]
        _call(compiler, arguments, folder, timeout_s, "linking")
    else:
        # -Os chooses the small form of that library.
        options += ["-Os", "-g"]
        # zig builds its runtime library on first use for a core, which takes ten seconds: only a
        # program that needs a routine from it should wait for that.
        bare = run(
            [*compiler.command, *options, "-nostdlib"],
            timeout_s=timeout_s,
            cwd=folder,
            env=compiler.environment,
        )
        if bare.returncode != 0 and "undefined symbol" in bare.stderr_text:
            _call(compiler, options, folder, timeout_s, "linking")
        elif bare.returncode != 0:
            raise _failure(compiler, "linking", bare.stderr_text)
    return (folder / "midge.elf").read_bytes()


def _call(
    compiler: Compiler, arguments: list[str], folder: Path, timeout_s: float, step: str
) -> None:
    done = run(
        [*compiler.command, *arguments],
        timeout_s=timeout_s,
        cwd=folder,
        env=compiler.environment,
    )
    if done.returncode != 0:
        raise _failure(compiler, step, done.stderr_text or done.stdout_text)


def _failure(compiler: Compiler, step: str, complaint: str) -> ToolError:
    lines = complaint.strip().splitlines()
    shown = "\n".join(lines[:30])
    return ToolError(f"{compiler.version} for {compiler.core} failed while {step}:\n{shown}")


def _port_files(family: str) -> tuple[str, ...]:
    return (_STARTUP[family], "harness.c", "semihosting.h", "memory_functions.c")


def _port_text(name: str) -> str:
    return (resources.files("midge") / "device" / "ports" / name).read_text(encoding="utf-8")


def _linker_script(compiler: Compiler, stack_bytes: int) -> str:
    memory = compiler.target.memory
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
    prefix = interface.name.upper()
    name = interface.name
    lines = ["#ifndef MIDGE_HARNESS_MODEL_H", "#define MIDGE_HARNESS_MODEL_H", ""]
    for condition in required_macros:
        lines += [f"#if !({condition})", f'#error "expected of this core: {condition}"', "#endif"]
    lines += ["", "#include <stdint.h>", f'#include "{name}.h"', ""]
    for suffix in ("ARENA_BYTES", "ARENA_ALIGN", "STATE_BYTES"):
        lines.append(f"#define MIDGE_HARNESS_{suffix} {prefix}_{suffix}")
    for suffix in ("init", "run", "input", "output"):
        lines.append(f"#define MIDGE_HARNESS_{suffix.upper()} {name}_{suffix}")
    for kind, sizes in (("input", interface.input_bytes), ("output", interface.output_bytes)):
        values = ", ".join(f"{size}u" for size in sizes)
        lines.append(f"#define MIDGE_HARNESS_{kind.upper()}S {len(sizes)}u")
        lines.append(
            f"static const uint32_t midge_harness_{kind}_bytes[{len(sizes)}] = {{{values}}};"
        )
    return "\n".join([*lines, "", "#endif", ""])
