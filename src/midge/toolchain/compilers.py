"""Finds a C compiler for a core and states the options that every build uses."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midge.errors import ToolError, UserError
from midge.processes import install_hint, run
from midge.toolchain.targets import Target, target_for

COMPILER_KINDS = ("zig", "gcc")
"""What ``--cc`` takes, the default first."""

# C99 with every warning an error: what leaves Midge must pass a strict firmware build. No fused
# multiply-add, so that a float computed on a core with an FPU equals one computed without.
_COMMON_FLAGS = (
    "-std=c99",
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-ffp-contract=off",
    "-fomit-frame-pointer",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-fno-common",
    "-g0",
)
_ZIG_FLAGS = ("-fno-sanitize=undefined", "-Wno-unused-command-line-argument")
# Without the frontend's own file and time markers two builds give the same bytes.
_GCC_FLAGS = ("-fno-ident", "-frandom-seed=midge")


@dataclass(frozen=True)
class Compiler:
    """A C compiler that was found and aimed at one core.

    Attributes:
        kind: ``zig`` or ``gcc``.
        version: What it calls itself, e.g. ``zig cc 0.17.1 (clang 21.1.0)``.
        command: Program and leading arguments.
        flags: Options that choose the core and make builds reproducible.
        target: The core's toolchain facts.
    """

    kind: str
    version: str
    command: tuple[str, ...]
    flags: tuple[str, ...]
    target: Target

    @property
    def core(self) -> str:
        """Name of the core that this compiler is aimed at."""
        return self.target.core

    def environment_in(self, folder: Path) -> Mapping[str, str]:
        """Return the variables that its processes need when they work in ``folder``."""
        if self.kind == "zig":
            return zig_environment(folder)
        # Messages in English, so that they can be searched for.
        return {"LC_ALL": "C"}


def cache_directory() -> Path:
    """Return Midge's per-user cache directory, made if need be.

    ``MIDGE_CACHE_DIR`` overrides the platform's place (XDG Base Directory Specification).

    Raises:
        ToolError: The directory cannot be made or written.
    """
    override = os.environ.get("MIDGE_CACHE_DIR")
    if override:
        directory = Path(override)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        directory = (Path(base) if base else Path.home() / ".cache") / "midge"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(
            f"{directory}: the cache directory cannot be made ({error.strerror}); set "
            "MIDGE_CACHE_DIR to a folder that can be written"
        ) from error
    if not os.access(directory, os.W_OK):
        raise ToolError(
            f"{directory}: the cache directory cannot be written; set MIDGE_CACHE_DIR to a folder "
            "that can be written"
        )
    return directory


def zig_program() -> str:
    """Return the path of the zig executable inside the ``ziglang`` package.

    Raises:
        ToolError: The package is not installed or holds no executable.
    """
    spec = importlib.util.find_spec("ziglang")
    if spec is not None and spec.submodule_search_locations:
        for name in ("zig", "zig.exe"):
            path = Path(spec.submodule_search_locations[0]) / name
            if path.is_file():
                return str(path)
    raise ToolError(
        "zig: the default C compiler was not found in this Python environment; "
        "pip install ziglang, or choose --cc gcc"
    )


def zig_environment(folder: Path) -> dict[str, str]:
    """Return the variables that tell zig where to keep what.

    Its runtime libraries go to Midge's per-user cache, objects to the folder it works in: those
    are made once and then linked, so that caching them would only fill the disk.
    """
    return {
        "ZIG_GLOBAL_CACHE_DIR": str(cache_directory() / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(folder / ".zig-cache"),
    }


def find_compiler(kind: str, core: str) -> Compiler:
    """Find a compiler and aim it at a core.

    Args:
        kind: ``zig`` (from PyPI, the default) or ``gcc`` (the distribution's cross-compiler).
        core: A core's name, e.g. ``cortex-m4``.

    Returns:
        The compiler, ready for :func:`midge.toolchain.build`.

    Raises:
        UserError: ``kind`` or ``core`` is unknown.
        ToolError: The compiler is not installed; the message says how to get it.
    """
    target = target_for(core)
    if kind == "zig":
        program = zig_program()
        return Compiler(
            kind="zig",
            version=_zig_version(program),
            command=(program, "cc"),
            flags=(*target.zig, *_COMMON_FLAGS, *_ZIG_FLAGS),
            target=target,
        )
    if kind == "gcc":
        found = shutil.which(target.gcc_program)
        if found is None:
            raise ToolError(
                f"{target.gcc_program}: not found on PATH, and --cc gcc needs it for {core}; "
                f"{install_hint(target.gcc_program)}, or choose --cc zig"
            )
        return Compiler(
            kind="gcc",
            version=_gcc_version(found),
            command=(found,),
            flags=(*target.gcc, *_COMMON_FLAGS, *_GCC_FLAGS),
            target=target,
        )
    raise UserError(f"compiler {kind!r} is not known; expected one of {', '.join(COMPILER_KINDS)}")


@functools.cache
def _zig_version(program: str) -> str:
    with tempfile.TemporaryDirectory(prefix="midge-") as folder:
        environment = zig_environment(Path(folder))
        done = run([program, "cc", "--version"], timeout_s=120, env=environment)
    words = done.stdout_text.split()
    clang = words[words.index("version") + 1] if "version" in words[:-1] else "unknown"
    zig = run([program, "version"], timeout_s=120).stdout_text.strip()
    return f"zig cc {zig} (clang {clang})"


@functools.cache
def _gcc_version(program: str) -> str:
    done = run([program, "-dumpfullversion"], timeout_s=60)
    if done.returncode != 0:
        raise ToolError(f"{program}: cannot tell its version: {done.stderr_text.strip()}")
    return f"{Path(program).name} {done.stdout_text.strip()}"
