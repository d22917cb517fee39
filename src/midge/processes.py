"""The one place that starts other programs.

Every program runs in a process group of its own, so that a time-out ends its children too, and a
missing program is a ``ToolError`` that says how to get it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from midge.errors import ToolError

_INSTALL_HINTS = {
    "arm-none-eabi-gcc": "apt-get install gcc-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "apt-get install gcc-riscv64-unknown-elf",
    "qemu-system-arm": "apt-get install qemu-system-arm",
    "qemu-system-riscv32": "apt-get install qemu-system-misc",
    "gcc": "apt-get install gcc",
    "zig": "pip install ziglang",
}


class TimedOutError(ToolError):
    """A program did not end within its time and was killed."""


@dataclass(frozen=True)
class Completed:
    """What a program left behind.

    Attributes:
        command: The argument vector that was started.
        returncode: Its exit status; negative when a signal ended it.
        stdout: Everything it wrote on standard output.
        stderr: Everything it wrote on standard error.
    """

    command: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def stderr_text(self) -> str:
        """Standard error as text; bytes that are not UTF-8 are replaced."""
        return self.stderr.decode("utf-8", "replace")

    @property
    def stdout_text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")


def install_hint(program: str) -> str:
    """Return the sentence that tells a user how to get ``program``."""
    name = Path(program).name
    hint = _INSTALL_HINTS.get(name)
    return f"install it ({hint})" if hint else "install it, or put it on PATH"


def run(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    input: bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a program to its end.

    Args:
        command: Program and arguments; no shell is involved.
        timeout_s: Wall-clock seconds after which the whole process group is killed.
        input: Bytes for standard input; None closes it.
        cwd: Working directory.
        env: Variables added to the present environment.

    Returns:
        The exit status and both output streams. A non-zero status is not an error here: only the
        caller knows what the program's complaint means.

    Raises:
        ToolError: The program is missing or cannot be started.
        TimedOutError: It did not end in time.
    """
    argv = tuple(str(part) for part in command)
    environment = {**os.environ, **env} if env else None
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise ToolError(f"{argv[0]}: its working directory {cwd} does not exist") from error
        raise ToolError(
            f"{argv[0]}: program not found; {install_hint(argv[0])} and try again"
        ) from error
    except OSError as error:
        raise ToolError(f"{argv[0]}: cannot be started: {error.strerror}") from error
    with process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise TimedOutError(
                f"{argv[0]}: did not end within {timeout_s:g} s and was killed; "
                f"command: {shlex.join(argv)}"
            ) from error
        except BaseException:
            _kill_group(process)
            raise
    return Completed(argv, process.returncode, stdout, stderr)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # The child leads its own session, so its group id is its process id even after it has ended.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
