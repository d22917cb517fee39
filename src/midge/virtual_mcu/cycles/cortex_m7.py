"""Cortex-M7: in-order dual issue, approximated by a scoreboard over one basic block.

Arm publishes no table of timings for the M7. Units, result latencies and the stage at which an
operand is needed are those of LLVM's scheduling model (``ARMScheduleM7.td``, LLVM 14 and later,
contributed from measurements); that branches cost nothing when predicted is the behaviour of the
branch target address cache (DDI0489, section on the prefetch unit). Approximations:

- Every block starts with all registers ready and a fresh pair of issue slots: dependences and
  pairs across a block boundary are not seen (the first hides a stall, the second adds one).
- Two loads may issue together whatever their addresses: bank conflicts of the tightly coupled
  memories and of the data cache are not seen.
- Conditional branches are predicted: each pass counts as predicted, and over a layer the rarer
  outcome of each branch counts as mispredicted. A misprediction loses 6 cycles (LLVM's comment on
  forward branches). Returns and calls are predicted by the return stack and cost nothing extra;
  other jumps to a register or loaded address cost a misprediction.
- A divide stalls the pipeline for 7 cycles (LLVM), whatever its operands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midge.virtual_mcu.cycles.arm_decoder import decode_arm
from midge.virtual_mcu.cycles.instruction import Branch, Instruction
from midge.virtual_mcu.cycles.model import CycleModel

_MISPREDICTION_CYCLES = 6
_DIVIDE_CYCLES = 7
_ISSUE_WIDTH = 2

# How many of each unit can start in one cycle.
_UNITS = {"alu": 2, "load": 2, "store": 1, "shift": 1, "mac": 1, "branch": 1, "simd": 1, "vfp": 1}


@dataclass(frozen=True)
class _Timing:
    """How an instruction issues.

    Attributes:
        units: what it occupies for a cycle.
        latency: cycles until its result can be used by an ordinary operand.
        first_only: it must be the first of a pair.
        alone: it cannot be paired at all.
        cycles: cycles until the next instruction may issue, when more than its own slot.
    """

    units: tuple[str, ...]
    latency: int = 1
    first_only: bool = False
    alone: bool = False
    cycles: int = 0


_HALVES = ("bb", "bt", "tb", "tt")
_MULTIPLIES = frozenset(
    ["mul", "mla", "mls", "smull", "umull", "smlal", "umlal", "umaal"]
    + [f"smm{kind}{rounded}" for kind in ("ul", "la", "ls") for rounded in ("", "r")]
    + [f"{name}{half}" for name in ("smul", "smla", "smlal") for half in _HALVES]
    + ["smulwb", "smulwt", "smlawb", "smlawt"]
    + [f"{name}{x}" for name in ("smuad", "smusd", "smlad", "smlsd") for x in ("", "x")]
    + [f"{name}{x}" for name in ("smlald", "smlsld") for x in ("", "x")]
)
_PARALLEL = ("add8", "add16", "sub8", "sub16", "asx", "sax")
_SATURATING = ("q", "uq")
_COMPARES = frozenset({"cmp", "cmn", "tst", "teq"})
_MULTIPLES = frozenset({"ldm", "ldmdb", "stm", "stmdb", "push", "pop", "ldrd", "strd"})


def _table() -> dict[str, _Timing]:
    """Timings of the instructions that are not plain ALU operations, by LLVM's classes."""
    table: dict[str, _Timing] = {name: _Timing(("mac",), latency=2) for name in _MULTIPLIES}
    simd, shifted_simd = ("alu", "simd"), ("alu", "simd", "shift")
    groups: tuple[tuple[tuple[str, ...], _Timing], ...] = (
        (("sdiv", "udiv"), _Timing(("alu",), _DIVIDE_CYCLES, alone=True, cycles=_DIVIDE_CYCLES)),
        (("ssat", "usat", "ssat16", "usat16"), _Timing(shifted_simd, 2, first_only=True)),
        (("sbfx", "ubfx", "pkhbt", "pkhtb"), _Timing(shifted_simd, 1, first_only=True)),
        (("sxtab", "sxtah", "uxtab", "uxtah"), _Timing(shifted_simd, 1, first_only=True)),
        (("sxtb16", "uxtb16", "sxtab16", "uxtab16"), _Timing(shifted_simd, 1, first_only=True)),
        (("sxtb", "sxth", "uxtb", "uxth", "sel"), _Timing(simd, 1, first_only=True)),
        (("rev", "rev16", "revsh", "rbit"), _Timing(shifted_simd, 0, first_only=True)),
        (("qadd", "qsub", "qdadd", "qdsub"), _Timing(simd, 2, first_only=True)),
        (("usad8", "usada8"), _Timing(simd, 2, first_only=True)),
        (("bfc", "bfi", "clz"), _Timing(("alu", "shift"), 1, first_only=True)),
        (("mrs", "msr", "dmb", "dsb", "isb", "svc", "bkpt"), _Timing(("alu",), 3, alone=True)),
        (("vdiv", "vsqrt"), _Timing(("vfp",), 16)),
        (("vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls"), _Timing(("vfp",), 6)),
        (("lsl", "lsr", "asr", "ror"), _Timing(("alu", "shift"), 1)),
        (("hint", "nop", "it"), _Timing((), 0)),
    )
    for names, timing in groups:
        table |= dict.fromkeys(names, timing)
    for prefix in ("s", "u", "sh", "uh", *_SATURATING):
        latency = 2 if prefix in _SATURATING else 1
        timing = _Timing(simd, latency, first_only=True)
        table |= {prefix + name: timing for name in _PARALLEL}
    return table


_TIMINGS = _table()


def _timing(instruction: Instruction) -> _Timing:
    """The timing of one instruction."""
    if instruction.words:
        return _memory_timing(instruction)
    if instruction.branch is not None:
        return _Timing(("branch",), 2)
    if instruction.operation in _TIMINGS:
        return _TIMINGS[instruction.operation]
    if instruction.operation.startswith("v"):
        return _Timing(("vfp",), 3)
    if instruction.shifted:
        return _Timing(("alu", "shift"), 2 if instruction.operation in _COMPARES else 1)
    return _Timing(("alu",))


def _memory_timing(instruction: Instruction) -> _Timing:
    unit = "load" if instruction.is_load else "store"
    if instruction.operation in {"tbb", "tbh"}:
        return _Timing((unit,), 2, alone=True, cycles=2)
    if instruction.words > 1 or instruction.operation in _MULTIPLES:
        # The memory interfaces are 64 bits wide: two words a cycle.
        return _Timing((unit,), 1, alone=True, cycles=(instruction.words + 1) // 2)
    narrow = instruction.operation in {"ldrb", "ldrh", "ldrsb", "ldrsh"}
    return _Timing((unit,), 2 if narrow or instruction.is_store else 1)


def _needed_later(instruction: Instruction, register: str) -> int:
    """Cycles after issue at which an operand is first used; negative: before the ALU stage."""
    if register in instruction.address_registers:
        return -1
    if instruction.is_store:
        return 1
    if instruction.operation in _MULTIPLIES and register in instruction.writes:
        return 1  # the accumulator enters one stage after the factors
    if instruction.shifted:
        return -1
    return 0


class CortexM7(CycleModel):
    """A scoreboard with LLVM's units and latencies."""

    name = "cortex-m7"
    source = "no published table; LLVM's ARMScheduleM7.td, branch prediction by DDI0489"

    def decode(self, code: bytes, address: int) -> tuple[Instruction, ...]:
        """See :meth:`CycleModel.decode`."""
        return decode_arm(code, address)

    def block_cycles(
        self, block: Sequence[Instruction], taken: bool, following: Instruction | None = None
    ) -> int:
        """See :meth:`CycleModel.block_cycles`; ``following`` does not matter here."""
        del following
        ready: dict[str, int] = {}
        free = dict(_UNITS)
        cycle, issued, blocked_until = 0, 0, 0
        for instruction in block:
            timing = _timing(instruction)
            earliest = max(cycle, blocked_until)
            for register in self._waits_for(instruction) & ready.keys():
                needed = _needed_later(instruction, register)
                earliest = max(earliest, ready[register] - needed)
            full = issued >= _ISSUE_WIDTH or (issued and (timing.alone or timing.first_only))
            if earliest == cycle and (full or any(free[unit] == 0 for unit in timing.units)):
                earliest = cycle + 1
            if earliest > cycle:
                cycle, issued, free = earliest, 0, dict(_UNITS)
            for unit in timing.units:
                free[unit] -= 1
            issued = _ISSUE_WIDTH if timing.alone else issued + 1
            for register in instruction.writes:
                # An address register that is stepped on is ready for the next address at once.
                stepped = instruction.words and register not in instruction.loaded
                ready[register] = cycle + (0 if stepped else timing.latency)
            blocked_until = max(blocked_until, cycle + timing.cycles)
        cycles = max(cycle + 1, blocked_until) if block else 0
        if taken and self._unpredictable(block[-1]):
            cycles += _MISPREDICTION_CYCLES
        return cycles

    def _waits_for(self, instruction: Instruction) -> frozenset[str]:
        """Registers to wait for; a predicted branch goes ahead of its flags."""
        if instruction.branch is Branch.CONDITIONAL:
            return frozenset()
        return instruction.reads

    def _unpredictable(self, branch: Instruction) -> bool:
        """Whether it jumps to an address that neither the target cache nor the return stack has."""
        if branch.branch is Branch.INDIRECT:
            return branch.operation != "blx" and "lr" not in branch.reads
        return branch.branch is Branch.LOADED and branch.operation in {"tbb", "tbh", "ldr"}

    def misprediction_cycles(
        self, branch: Instruction, taken: int, not_taken: int, innermost: bool
    ) -> int:
        """See :meth:`CycleModel.misprediction_cycles`: the rarer outcome is the surprise."""
        del branch, innermost
        return _MISPREDICTION_CYCLES * min(taken, not_taken)
