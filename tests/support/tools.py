"""What may be missing on a contributor's machine: the cross GCCs and QEMU. CI has them.

Tests that are about them are skipped without them; tests that merely take turns fall back to what
always is there.
"""

from __future__ import annotations

import shutil

import pytest

HAS_GCC = all(map(shutil.which, ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc")))
HAS_QEMU = all(map(shutil.which, ("qemu-system-arm", "qemu-system-riscv32")))

needs_gcc = pytest.mark.skipif(not HAS_GCC, reason="needs the cross GCCs")
needs_qemu = pytest.mark.skipif(not HAS_QEMU, reason="needs QEMU")

COMPILERS = ("zig", "gcc") if HAS_GCC else ("zig",)
"""Those that are here."""
EACH_COMPILER = ("zig", pytest.param("gcc", marks=needs_gcc))
"""For ``parametrize``."""
GCC = COMPILERS[-1]
"""GCC, or zig in its stead."""
QEMU = "qemu" if HAS_QEMU else "unicorn"
"""QEMU, or Unicorn in its stead."""
