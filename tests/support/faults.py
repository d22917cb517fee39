"""Faults planted into programs, for tests that must see them found."""

from __future__ import annotations

from dataclasses import replace

from midge.driver import Artifact


def with_flipped_bits(artifact: Artifact, symbol: str, at: int, bits: int) -> Artifact:
    """The artifact with bits of one byte flipped in its program's flash.

    Args:
        artifact: A compiled network.
        symbol: A constant of the program, such as ``net_00_conv_2d_weights``.
        at: Offset of the byte in it.
        bits: Which bits to flip.
    """
    program = artifact.built
    address = program.symbol(symbol).address + at
    segments = []
    for segment in program.segments:
        content = bytearray(segment.content)
        if 0 <= address - segment.address < len(content):
            content[address - segment.address] ^= bits
        segments.append(replace(segment, content=bytes(content)))
    return replace(artifact, program=replace(program, segments=tuple(segments)))
