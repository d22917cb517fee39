"""The deepest stack that a function can use, from its machine code.

Every path from the function's entry is followed and the depth of the stack pointer kept at each
instruction; a call adds the callee's own bound to the depth at the call. Jumps between functions
(tail calls, routines that share code) are followed as what they are, jumps. Recursion, calls and
jumps through registers, and stack that grows by an amount known only at run time have no bound
here, and the result says which of them was found.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from midge.toolchain import Program, target_for
from midge.virtual_mcu.block_trace import instruction_lengths
from midge.virtual_mcu.stack_effects import Constants, Effect, Flow
from midge.virtual_mcu.stack_effects_arm import arm_effect, arm_entries
from midge.virtual_mcu.stack_effects_riscv import riscv_effect, riscv_entries

# How often an instruction may be reached deeper than before; beyond that the stack grows on every
# turn of a loop.
_MOST_DEPTHS = 200


@dataclass(frozen=True)
class StackBound:
    """An upper bound of a function's stack use.

    Attributes:
        bytes: The bound, the function's callees included; None when there is none.
        reason: Why there is none; empty when there is.
        deepest_calls: Names of the functions on the deepest path, the function itself first, each
            with the depth in bytes at which it is entered.
    """

    bytes: int | None
    reason: str
    deepest_calls: tuple[tuple[str, int], ...]


def stack_bound(program: Program, function: str) -> StackBound:
    """Bound the stack that a call of ``function`` uses.

    Args:
        program: The linked program.
        function: Name of the function, e.g. ``kws_run``.

    Returns:
        The bound, or the reason why there is none. What the caller pushes is not included.

    Raises:
        InternalError: The program has no such function.
    """
    entry = program.symbol(function).address
    walk = _Walk(program)
    try:
        depth, path = walk.bound(entry)
    except _UnboundedError as unbounded:
        return StackBound(None, str(unbounded), ())
    names = tuple((walk.name_of(address), at) for address, at in path)
    return StackBound(depth, "", names)


class _UnboundedError(Exception):
    """The reason why a function has no bound; never leaves this module."""


_Path = tuple[tuple[int, int], ...]


class _Walk:
    """The functions of one program, each walked once."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._family = target_for(program.core).family
        self._entries = arm_entries if self._family == "arm" else riscv_entries
        self._understand = arm_effect if self._family == "arm" else riscv_effect
        self._image = program.flash_image()
        self._origin = program.memory.flash_origin
        self._marks = _mapping_symbols(program.elf)
        self._functions = sorted({s.address for s in program.symbols if s.kind == "function"})
        self._sections = [(start, start + size) for start, size in program.sections.values()]
        self._bounds: dict[int, tuple[int, _Path]] = {}
        self._open: list[int] = []
        self._effects: dict[int, Effect] = {}

    def name_of(self, address: int) -> str:
        """Return a function's name, or its address when it has none."""
        holder = self._program.function_at(address)
        return holder.name if holder else f"{address:#010x}"

    def bound(self, entry: int) -> tuple[int, _Path]:
        """Return the deepest stack below ``entry`` and the calls that lead to it."""
        if entry in self._bounds:
            return self._bounds[entry]
        if entry in self._open:
            cycle = [*self._open[self._open.index(entry) :], entry]
            raise _UnboundedError("recursion: " + " -> ".join(self.name_of(at) for at in cycle))
        self._open.append(entry)
        found = self._walk_paths(entry)
        self._open.pop()
        self._bounds[entry] = found
        return found

    def _walk_paths(self, entry: int) -> tuple[int, _Path]:
        deepest = 0
        path: _Path = ((entry, 0),)
        depths = {entry: 0}
        visits: Counter[int] = Counter()
        pending = [entry]
        while pending:
            address = pending.pop()
            before = depths[address]
            effect = self._effect_at(address)
            if effect is None:
                continue
            after = before + self._growth(effect)
            deepest_here = max(before, after)
            if effect.flow is Flow.CALL and not self._stays_inside(effect):
                below, calls = self.bound(effect.targets[0])
                if after + below > deepest:
                    path = ((entry, 0), *((at, after + depth) for at, depth in calls))
                deepest_here = max(deepest_here, after + below)
            deepest = max(deepest, deepest_here)
            for target, depth in self._successors(effect, before, after):
                if depth > depths.get(target, -1):
                    depths[target] = depth
                    pending.append(target)
                    visits[target] += 1
                    if visits[target] > _MOST_DEPTHS:
                        raise _UnboundedError(f"the stack grows in a loop of {self._place(effect)}")
        return deepest, path

    def _growth(self, effect: Effect) -> int:
        if effect.deeper_bytes is None:
            raise _UnboundedError(
                f"stack of a size known only at run time: {effect.text} in {self._place(effect)}"
            )
        if effect.flow in (Flow.INDIRECT_CALL, Flow.INDIRECT_JUMP):
            raise _UnboundedError(f"{effect.flow.value}: {effect.text} in {self._place(effect)}")
        return effect.deeper_bytes

    def _stays_inside(self, effect: Effect) -> bool:
        """Whether a call leads into the middle of its own function.

        Thumb of the first kind has no other jump over more than 2 KB, and a function that keeps its
        return address makes it so. It may as well be a routine within a function of assembly: its
        target and what follows are both walked at this depth.
        """
        target, here = (
            bisect_right(self._functions, at) for at in (effect.targets[0], effect.address)
        )
        return target == here > 0 and effect.targets[0] != self._functions[here - 1]

    def _successors(self, effect: Effect, before: int, after: int) -> list[tuple[int, int]]:
        following = effect.address + effect.size_bytes
        successors = []
        if effect.flow is Flow.BRANCH or (effect.flow is Flow.CALL and self._stays_inside(effect)):
            successors += [(target, after) for target in effect.targets]
        if effect.flow in (Flow.NEXT, Flow.CALL):
            successors.append((following, after))
        if effect.conditional:
            # Skipped, so that the stack pointer stays where it was.
            successors.append((following, before))
        return successors

    def _effect_at(self, address: int) -> Effect | None:
        """Decode an instruction; None in data, where only a call that never returns can lead."""
        if address not in self._effects:
            end = self._code_end(address)
            if end is None:
                return None
            # A whole function at once: conditions come from the IT instruction before.
            for effect in self._straight_piece(address, end):
                self._effects.setdefault(effect.address, effect)
        return self._effects[address]

    def _straight_piece(self, address: int, end: int) -> Iterator[Effect]:
        constants: Constants = {}
        while address < end:
            for entry in self._entries(self._read(address, end - address), address):
                yield self._understand(entry, constants, self._read)
                address = entry.address + entry.size
            if address < end:
                # What capstone does not know leaves stack pointer and flow alone: Helium's
                # arithmetic, and ARMv8.1-M's loop instructions, which only lead back.
                size = instruction_lengths(self._family, self._read(address, 2) + b"\0\0")[0]
                yield Effect(address, size, 0, Flow.NEXT, text="(unknown)")
                address += size

    def _code_end(self, address: int) -> int | None:
        """Return where the piece of code at ``address`` ends; None when data stands there."""
        end = self._origin + len(self._image)
        if not self._origin <= address < end:
            return None
        at = bisect_right(self._marks, (address, "~"))
        if at and self._marks[at - 1][1] == "d":
            return None
        mark = next((mark for mark, kind in self._marks[at:] if kind == "d"), end)
        after = bisect_right(self._functions, address)
        function = self._functions[after] if after < len(self._functions) else end
        # Behind the last function of a section may lie a megabyte of weights, without a mark.
        ends = [stop for start, stop in self._sections if start <= address < stop]
        return min(mark, function, *ends)

    def _read(self, address: int, size: int) -> bytes:
        at = address - self._origin
        return self._image[at : at + size]

    def _place(self, effect: Effect) -> str:
        return f"{self.name_of(effect.address)} at {effect.address:#010x}"


def _mapping_symbols(elf: bytes) -> list[tuple[int, str]]:
    """Return where code ($t, $x) and data ($d) begin, by address (AAELF32, section 5.5.5)."""
    marks = set()
    for table in ELFFile(io.BytesIO(elf)).iter_sections():
        if isinstance(table, SymbolTableSection):
            for symbol in table.iter_symbols():
                if symbol.name[:2] in {"$d", "$t", "$x"}:
                    marks.add((int(symbol["st_value"]) & ~1, symbol.name[1]))
    return sorted(marks)
