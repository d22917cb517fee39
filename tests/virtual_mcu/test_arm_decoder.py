"""Thumb code is decoded one instruction at a time, an IT with its block, and keeps its meaning."""

from __future__ import annotations

import random

import capstone
import pytest

from midge.virtual_mcu.cycles.arm_decoder import decode_arm

IT, ITT, ADDS, ADD_W, BNE, BL, CBZ, LDR_PC = (
    *("08bf", "04bf", "0130", "01f10102"),
    *("fcd1", "00f002f8", "10b1", "0248"),
)


def code(*parts: str) -> bytes:
    return bytes.fromhex("".join(parts))


def test_conditions_end_with_the_block_of_their_it() -> None:
    found = decode_arm(code(IT, ADDS, ADDS, ITT, ADD_W, ADDS, ADDS), 0x8000)
    conditional = [one.conditional for one in found]
    assert conditional == [False, True, False, False, True, True, False]
    # A 16-bit instruction inside leaves the flags alone.
    assert ["flags" in one.writes for one in found] == [one in {2, 6} for one in range(7)]
    assert [one.address - 0x8000 for one in found] == [0, 2, 4, 6, 8, 12, 14]


def test_a_condition_does_not_outlive_a_block_that_ends_inside_it() -> None:
    assert decode_arm(code(ITT, ADDS), 0)[1].conditional
    assert not decode_arm(code(ADDS), 0)[0].conditional


@pytest.mark.parametrize("address", [0, 2, 0x1000_0002, 0xFFFF_0000])
def test_targets_move_with_the_code(address: int) -> None:
    found = decode_arm(code(BNE, BL, CBZ, LDR_PC), address)
    assert [one.target for one in found] == [address - 4, address + 10, address + 14, None]


def test_what_capstone_does_not_know_is_decoded_with_all_that_follows() -> None:
    unknown = code(ADDS, "4cec1308", ADDS)
    found = decode_arm(unknown, 64)
    assert [one.operation for one in found] == ["add", "unknown", "lsr", "add"]
    assert [one.address for one in found] == [64, 66, 68, 70]


def test_pieces_are_what_capstone_makes_of_the_whole() -> None:
    engine = capstone.Cs(
        capstone.CS_ARCH_ARM,
        capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8,
    )
    generator = random.Random(0)
    blocks = [(ADDS,), (ADD_W,), (IT, ADDS), (ITT, ADD_W, ADDS), (LDR_PC,), (CBZ,), (BL,)]
    for _ in range(50):
        whole = code(*(part for block in generator.choices(blocks, k=9) for part in block))
        texts = [(at, size) for at, size, _, _ in engine.disasm_lite(whole, 4096)]
        assert [(one.address, one.size_bytes) for one in decode_arm(whole, 4096)] == texts
