"""Faults planted into programs, for tests that must see them found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import capstone

from midge.driver import Artifact
from midge.toolchain import target_for


def with_flipped_bits(artifact: Artifact, symbol: str, at: int, bits: int) -> Artifact:
    """The artifact with bits of one byte flipped in its program's flash.

    Args:
        artifact: A compiled network.
        symbol: A constant of the program, such as ``net_00_conv_2d_weights``.
        at: Offset of the byte in it.
        bits: Which bits to flip.
    """
    return _with_flipped_byte(artifact, artifact.built.symbol(symbol).address + at, bits)


@dataclass(frozen=True)
class FlippedInstruction:
    """One bit of machine code that makes another instruction of the same operands.

    Attributes:
        artifact: The artifact with that bit flipped in its program's flash.
        before: The instruction that stood there, as assembly.
        after: The one that stands there now.
    """

    artifact: Artifact
    before: str
    after: str


def flipped_instructions(
    artifact: Artifact, symbol: str, before: str, after: str
) -> Iterator[FlippedInstruction]:
    """Every way in which one bit turns an instruction of a function into a certain other one.

    Args:
        artifact: A compiled network.
        symbol: The function, such as that of a layer.
        before: A mnemonic.
        after: What the flipped bit makes of it.
    """
    function = artifact.built.symbol(symbol)
    decoder = _decoder(artifact)
    start = function.address & ~1
    for entry in decoder.disasm(artifact.built.read(start, function.size), start):
        for bit in range(8 * entry.size) if entry.mnemonic == before else ():
            code = bytearray(entry.bytes)
            code[bit // 8] ^= 1 << bit % 8
            changed = next(decoder.disasm(bytes(code), entry.address), None)
            if changed is None or (changed.mnemonic, changed.size) != (after, entry.size):
                continue
            if changed.op_str == entry.op_str:
                faulty = _with_flipped_byte(artifact, entry.address + bit // 8, 1 << bit % 8)
                texts = (f"{i.mnemonic} {i.op_str}" for i in (entry, changed))
                yield FlippedInstruction(faulty, *texts)


def _decoder(artifact: Artifact) -> capstone.Cs:
    if target_for(artifact.built.core).family == "arm":
        mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
        return capstone.Cs(capstone.CS_ARCH_ARM, mode)
    mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
    return capstone.Cs(capstone.CS_ARCH_RISCV, mode)


def _with_flipped_byte(artifact: Artifact, address: int, bits: int) -> Artifact:
    program = artifact.built
    segments = []
    for segment in program.segments:
        content = bytearray(segment.content)
        if 0 <= address - segment.address < len(content):
            content[address - segment.address] ^= bits
        segments.append(replace(segment, content=bytes(content)))
    return replace(artifact, program=replace(program, segments=tuple(segments)))
