"""The emulators, by name."""

from __future__ import annotations

from collections.abc import Callable

from midge.errors import UserError
from midge.toolchain import Program
from midge.virtual_mcu.machine import Machine
from midge.virtual_mcu.qemu_machine import QemuMachine
from midge.virtual_mcu.unicorn_machine import UnicornMachine

_MACHINES: dict[str, Callable[..., Machine]] = {"unicorn": UnicornMachine, "qemu": QemuMachine}

EMULATORS = tuple(_MACHINES)
"""What ``--emulator`` takes, the default first."""


def open_machine(
    program: Program, *, emulator: str = "unicorn", timeout_s: float = 600.0
) -> Machine:
    """Put a program into a virtual microcontroller.

    Args:
        program: From :func:`midge.toolchain.build`.
        emulator: ``unicorn`` (in this process, the default) or ``qemu`` (a process of its own).
        timeout_s: Longest time for one call of the machine, in seconds.

    Returns:
        The machine.

    Raises:
        UserError: ``emulator`` is unknown, or has no such core.
        ToolError: The emulator is not installed.
    """
    opener = _MACHINES.get(emulator)
    if opener is None:
        known = ", ".join(_MACHINES)
        raise UserError(f"emulator {emulator!r} is not known; expected one of {known}")
    return opener(program, timeout_s=timeout_s)
