"""Compiles C for the machine Midge runs on, into a shared library that Python loads."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from midge.errors import ToolError, UserError
from midge.processes import install_hint, run
from midge.toolchain.build import write_sources
from midge.toolchain.compilers import cache_directory, zig_environment, zig_program

_SANITIZERS = ("undefined", "address")
_FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-g0", "-ffp-contract=off")


def build_host_library(
    sources: Mapping[str, str],
    *,
    units: Sequence[str] | None = None,
    flags: Sequence[str] = (),
    sanitizers: Sequence[str] = (),
    timeout_s: float = 300.0,
) -> Path:
    """Compile a shared library for the host, once per content.

    Args:
        sources: C files and headers by relative name.
        units: Those to compile; None compiles every ``.c``.
        flags: Further compiler options, e.g. ``-Wconversion``.
        sanitizers: Any of ``undefined`` (by zig; a violation ends the process by a trap) and
            ``address`` (by the system's ``gcc``, whose runtime the process must preload).
        timeout_s: Longest time for the compiler, in seconds.

    Returns:
        Path of the library in the per-user cache.

    Raises:
        UserError: An unknown sanitizer.
        ToolError: The compiler is missing or failed.
    """
    unknown = set(sanitizers) - set(_SANITIZERS)
    if unknown:
        raise UserError(
            f"sanitizer {', '.join(sorted(unknown))}: not known; expected {', '.join(_SANITIZERS)}"
        )
    with_gcc = "address" in sanitizers
    program = ("gcc",) if with_gcc else (zig_program(), "cc")
    options = [*_FLAGS, *flags]
    if with_gcc:
        options += [f"-fsanitize={','.join(sanitizers)}", "-fno-sanitize-recover=all"]
    elif sanitizers:
        # A trap needs no runtime library, which zig would build for a minute first.
        options += ["-fsanitize=undefined", "-fsanitize-trap=undefined"]
    else:
        options.append("-fno-sanitize=undefined")
    if units is None:
        units = sorted(name for name in sources if name.endswith(".c"))
    key = hashlib.sha256()
    for part in (*program, *options, *units):
        key.update(part.encode() + b"\0")
    for name, text in sorted(sources.items()):
        key.update(name.encode() + b"\0" + text.encode() + b"\0")
    folder = cache_directory() / "host"
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / f"{key.hexdigest()[:32]}.so"
    if library.is_file():
        return library
    # Built beside its final place and moved there in one step: processes may build it at once.
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as temporary:
        build_folder = Path(temporary)
        write_sources(build_folder, sources)
        done = run(
            [*program, *options, "-I.", *units, "-o", "library.so"],
            timeout_s=timeout_s,
            cwd=build_folder,
            env=zig_environment(build_folder),
        )
        if done.returncode != 0:
            hint = f"; {install_hint('gcc')}" if with_gcc else ""
            complaint = "\n".join(done.stderr_text.strip().splitlines()[:30])
            raise ToolError(
                f"the host's C compiler failed on {', '.join(units)}{hint}:\n{complaint}"
            )
        (build_folder / "library.so").replace(library)
    return library
