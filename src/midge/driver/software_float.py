"""What float32 costs on a core that computes it in software."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass

from midge.toolchain import Program
from midge.virtual_mcu import Trace
from midge.virtual_mcu.block_trace import instruction_lengths

_INTEGER_ROUTINE = re.compile(
    r"mem(cpy|set|move|clr)|__aeabi_(mem|u?[il]div|lmul|l(lsl|lsr|asr)|u?lcmp)|__gnu_thumb1"
    r"|__(mul|ashl|ashr|lshr|u?div|u?mod|u?divmod)[sdt]i|__c[lt]z|__u?cmp[sd]i|div0"
)
"""What compilers bring for integers. Nothing else is in the library of an emitted network."""


@dataclass(frozen=True)
class SoftwareFloat:
    """The share of single precision in software.

    Attributes:
        instructions: Issued in its routines in one inference.
        code_bytes: Of the routines.
        routines: Their names.
    """

    instructions: int
    code_bytes: int
    routines: tuple[str, ...]


def software_float(program: Program, trace: Trace, family: str) -> SoftwareFloat | None:
    """Count what runs in routines for float32.

    Args:
        program: What ran.
        trace: One inference of it.
        family: ``arm`` or ``riscv``.

    Returns:
        None where the program has no such routine: it has no floats, or the core an FPU.
    """
    start, size = program.sections.get(".library.text", (0, 0))
    routines = [name for name in program.library_functions if not _INTEGER_ROUTINE.search(name)]
    if not routines:
        return None
    names: dict[int, list[str]] = {}
    for symbol in program.symbols:
        if symbol.section == ".library.text" and symbol.kind == "function":
            names.setdefault(symbol.address, []).append(symbol.name)
    heads = sorted(names)

    def is_float(address: int) -> bool:
        """By the routine that begins at or before the address; pieces of it may have no name."""
        at = bisect.bisect_right(heads, address) - 1
        return at < 0 or not any(_INTEGER_ROUTINE.search(name) for name in names[heads[at]])

    instructions = 0
    for edge in trace.edges:
        if start <= edge.block < start + size and is_float(edge.block):
            code = program.read(edge.block, edge.size_bytes)
            instructions += edge.count * len(instruction_lengths(family, code))
    ends = [*heads[1:], start + size]
    code_bytes = sum(b - a for a, b in zip(heads, ends, strict=True) if is_float(a))
    return SoftwareFloat(instructions, code_bytes, tuple(routines))
