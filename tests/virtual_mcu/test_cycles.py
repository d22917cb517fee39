"""Each cycle model against snippets whose timing is published, and the counting over a trace."""

from __future__ import annotations

import re
from dataclasses import dataclass

import capstone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.virtual_mcu.boards import target
from midge.virtual_mcu.cycles import Branch, Instruction, count_cycles, model_for

M4_TABLE = "100166_0001_00 table 3-1"
M4_LOADS = "100166_0001_00 section 3.3.2"
M3_TABLE = "DDI0337I table 3-1"
M0_TABLE = "DDI0484C table 3-1"
LLVM_M7 = "LLVM ARMScheduleM7.td"
CTRLSRC = "ctrlsrc.io, GPIO speed of ESP32-C3 and ESP32-C6, 160 MHz"
HAZARD3 = "Hazard3 documentation, Instruction Cycle Counts"
PICO_SDK = "Pico SDK, busy_wait_at_least_cycles"

ALIGNED = Instruction(0x100, 4, "add")
STRADDLING = Instruction(0x102, 4, "add")
HALFWAY = Instruction(0x102, 2, "addi")


@dataclass(frozen=True)
class Snippet:
    """Code whose cycles somebody published; `taken` holds the target when it branches away."""

    core: str
    assembly: str
    code: str
    cycles: int
    source: str
    taken: Instruction | None = None


SNIPPETS = (
    Snippet("cortex-m4", "ldr r0, [r1]; ldr r1, [r2]", "08681168", 3, M4_LOADS),
    Snippet("cortex-m4", "ldr r0, [r1, r2]; str r0, [r3, #0x14]", "88585861", 3, M4_LOADS),
    Snippet("cortex-m4", "ldr r0, [r1, r2]; str r1, [r3, r2]", "88589950", 3, M4_LOADS),
    Snippet(
        "cortex-m4",
        "ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]",
        "485911685a68",
        4,
        M4_LOADS,
    ),
    Snippet("cortex-m4", "ldr r0, [r1]; ldr r2, [r0]", "08680268", 4, M4_LOADS),
    Snippet(
        "cortex-m4",
        "ldr r4, [r0], #4; ldr r5, [r0], #4; ldr r6, [r0], #4; ldr r7, [r0], #4",
        "50f8044b50f8045b50f8046b50f8047b",
        5,
        "100166_0001_00 section 3.3.2: N neighbouring loads, N + 1 cycles",
    ),
    Snippet("cortex-m4", "str r0, [r1, #4]", "4860", 1, M4_LOADS),
    Snippet("cortex-m4", "str r0, [r1, r2]", "8850", 2, M4_LOADS),
    Snippet("cortex-m4", "str r0, [r1, #4]; ldr r2, [r3]", "48601a68", 3, M4_LOADS),
    Snippet("cortex-m4", "adds r1, #4; ldr r0, [r1]", "04310868", 4, M4_LOADS),
    Snippet("cortex-m4", "ldm r0!, {r1, r2, r3, r4}", "1ec8", 5, M4_TABLE),
    Snippet("cortex-m4", "push {r4, lr}", "10b5", 3, M4_TABLE),
    Snippet("cortex-m4", "ldrd r0, r1, [r2]", "d2e90001", 3, M4_TABLE),
    Snippet("cortex-m4", "smlad r0, r1, r2, r0", "21fb0200", 1, M4_TABLE),
    Snippet("cortex-m4", "smlal r0, r1, r2, r3", "c2fb0301", 1, M4_TABLE),
    Snippet("cortex-m4", "sdiv r0, r1, r2", "91fbf2f0", 12, M4_TABLE + ", 2 to 12"),
    Snippet(
        "cortex-m4",
        "subs r0, #3; bhi #0",
        "0338fdd8",
        3,
        "nrfx_coredep_defs.h: 1 for SUBS, 2 for BHI",
        ALIGNED,
    ),
    Snippet("cortex-m4", "subs r0, #3; bhi #0", "0338fdd8", 2, M4_TABLE),
    Snippet(
        "cortex-m4",
        "subs r0, #3; bhi #0",
        "0338fdd8",
        4,
        "compendium.i-0.nl, branch timing: 3 cycles to an unaligned wide instruction",
        STRADDLING,
    ),
    Snippet("cortex-m4", "pop {r4, pc}", "10bd", 6, M4_TABLE + ": 1 + N + P", ALIGNED),
    Snippet("cortex-m4", "ldr.w pc, [r0]", "d0f800f0", 5, M4_LOADS, ALIGNED),
    Snippet("cortex-m4", "tbb [pc, r0]", "dfe800f0", 6, M4_LOADS, ALIGNED),
    Snippet("cortex-m4", "bl #0x100", "00f07ef8", 2, M4_TABLE, ALIGNED),
    Snippet("cortex-m4", "movs r0, #1; it eq; addeq r0, #1", "012008bf0130", 2, M4_TABLE),
    Snippet("cortex-m4", "add.w r0, r1, r2; it eq; addeq r0, #1", "01eb020008bf0130", 3, M4_TABLE),
    Snippet("cortex-m3", "mla r0, r1, r2, r3", "01fb0230", 2, M3_TABLE),
    Snippet("cortex-m3", "smull r0, r1, r2, r3", "82fb0301", 5, M3_TABLE + ", 3 to 5"),
    Snippet("cortex-m3", "umlal r0, r1, r2, r3", "e2fb0301", 7, M3_TABLE + ", 4 to 7"),
    Snippet("cortex-m0plus", "muls r0, r1, r0", "4843", 1, M0_TABLE),
    Snippet("cortex-m0plus", "ldr r0, [r1]; ldr r2, [r3]", "08681a68", 4, M0_TABLE),
    Snippet("cortex-m0plus", "strb r0, [r1]", "0870", 2, M0_TABLE),
    Snippet("cortex-m0plus", "ldm r0!, {r1, r2, r3}", "0ec8", 4, M0_TABLE),
    Snippet("cortex-m0plus", "push {r4, lr}", "10b5", 3, M0_TABLE),
    Snippet("cortex-m0plus", "pop {r4, pc}", "10bd", 5, M0_TABLE + ": 3 + N", ALIGNED),
    Snippet("cortex-m0plus", "subs r0, #3; bhs #0", "0338fdd2", 3, PICO_SDK, ALIGNED),
    Snippet("cortex-m0plus", "subs r0, #3; bhs #0", "0338fdd2", 2, M0_TABLE),
    Snippet("cortex-m0plus", "bl #0x100", "00f07ef8", 3, M0_TABLE, ALIGNED),
    Snippet("cortex-m0plus", "bx lr", "7047", 2, M0_TABLE, ALIGNED),
    Snippet("cortex-m0plus", "dmb sy", "bff35f8f", 3, M0_TABLE),
    Snippet("cortex-m33", "subs r0, #3; bhs #0", "0338fdd2", 3, PICO_SDK, ALIGNED),
    Snippet("cortex-m7", "adds r0, r1, r2; adds r3, r4, r5", "88186319", 1, LLVM_M7),
    Snippet("cortex-m7", "adds r0, r1, r2; adds r3, r0, r5", "88184319", 2, LLVM_M7),
    Snippet("cortex-m7", "adds r0, r1, r2; ldr r3, [r4]", "88182368", 1, LLVM_M7),
    Snippet(
        "cortex-m7",
        "smlad r0, r1, r2, r0; smlad r0, r3, r4, r0; smlad r0, r5, r6, r0",
        "21fb020023fb040025fb0600",
        3,
        LLVM_M7 + ": one MAC unit, accumulator forwarded",
    ),
    Snippet("cortex-m7", "mul r0, r1, r2; add.w r3, r0, r4", "01fb02f000eb0403", 3, LLVM_M7),
    Snippet("cortex-m7", "ldr r0, [r1]; adds r2, r0, r3", "0868c218", 2, LLVM_M7),
    Snippet("cortex-m7", "ldrb r0, [r1]; adds r2, r0, r3", "0878c218", 3, LLVM_M7),
    Snippet("cortex-m7", "adds r1, #4; ldr r0, [r1]", "04310868", 3, LLVM_M7),
    Snippet("cortex-m7", "sxtb r0, r1; sxtb r2, r3", "48b25ab2", 2, LLVM_M7),
    Snippet("cortex-m7", "sdiv r0, r1, r2; adds r3, r4, r5", "91fbf2f06319", 8, LLVM_M7),
    Snippet("cortex-m7", "subs r0, #1; bne #0", "0138fdd1", 1, "DDI0489: predicted", ALIGNED),
    Snippet(
        "esp32c3",
        "csrsi 2053, 1; csrci 2053, 1; j -8",
        "73e0508073f05080e5bf",
        4,
        CTRLSRC,
        ALIGNED,
    ),
    Snippet(
        "esp32c3",
        "csrsi 2053, 1; csrci 2053, 1; j -8",
        "73e0508073f05080e5bf",
        5,
        CTRLSRC,
        HALFWAY,
    ),
    Snippet(
        "esp32c6",
        "csrsi 2053, 1; csrci 2053, 1; j -8",
        "73e0508073f05080e5bf",
        3,
        CTRLSRC,
        ALIGNED,
    ),
    Snippet(
        "esp32c6",
        "csrsi 2053, 1; csrci 2053, 1; j -8",
        "73e0508073f05080e5bf",
        4,
        CTRLSRC,
        HALFWAY,
    ),
    Snippet("hazard3", "lw a0, 0(a1); add a3, a0, a0", "8841b306a500", 3, HAZARD3),
    Snippet("hazard3", "lw a0, 0(a1); add a2, a4, a3", "88413306d700", 2, HAZARD3),
    Snippet("hazard3", "lw a0, 0(a1); sw a0, 0(a2)", "884108c2", 2, HAZARD3),
    Snippet("hazard3", "mul a0, a1, a2; add a3, a0, a0", "3385c502b306a500", 2, HAZARD3),
    Snippet("hazard3", "div a0, a1, a2", "33c5c502", 19, HAZARD3),
    Snippet("hazard3", "divu a0, a1, a2", "33d5c502", 18, HAZARD3),
    Snippet("hazard3", "ret", "8280", 2, HAZARD3, ALIGNED),
    Snippet("hazard3", "ret", "8280", 3, HAZARD3, STRADDLING),
    Snippet("hazard3", "addi a0, a0, -2; bgez a0, -4", "1305e5ffe35e05fe", 2, PICO_SDK, ALIGNED),
)


def _model(name: str):
    model = model_for(target({"hazard3": "rp2350riscv"}.get(name, name)))
    assert model is not None
    return model


def _disassemble(core: str, code: bytes) -> str:
    if core.startswith("cortex"):
        engine = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    else:
        engine = capstone.Cs(
            capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
        )
    lines = [f"{entry.mnemonic} {entry.op_str}".strip() for entry in engine.disasm(code, 0)]
    text = re.sub(r"\bc\.", "", "; ".join(lines))
    return {"jr ra": "ret"}.get(text, text)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: f"{s.core}: {s.assembly} -> {s.cycles}")
def test_published_timing(snippet: Snippet):
    model = _model(snippet.core)
    block = model.decode(bytes.fromhex(snippet.code), 0)
    assert model.block_cycles(block, snippet.taken is not None, snippet.taken) == snippet.cycles


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: f"{s.core}: {s.assembly}")
def test_the_bytes_are_the_assembly_beside_them(snippet: Snippet):
    assert _disassemble(snippet.core, bytes.fromhex(snippet.code)) == snippet.assembly


def test_small_multiplier_of_the_m0plus():
    board = target("rp2040")
    slow = type(model_for(board))(multiplier_cycles=32)
    assert slow.block_cycles(slow.decode(bytes.fromhex("4843"), 0), False) == 32


def test_a_core_without_a_model_counts_nothing():
    assert model_for(target("cortex-m55")) is None
    assert model_for(target("esp32s3")) is None


def test_load_pipelining_reaches_over_a_fall_through():
    model = _model("cortex-m4")
    first = model.decode(bytes.fromhex("0868"), 0)  # ldr r0, [r1]
    second = model.decode(bytes.fromhex("1168"), 2)  # ldr r1, [r2]
    together = model.decode(bytes.fromhex("08681168"), 0)
    apart = model.block_cycles(first, False, second[0]) + model.block_cycles(second, False)
    assert apart == model.block_cycles(together, False) == 3


@dataclass(frozen=True)
class FakeEdge:
    layer: int
    block: int
    size_bytes: int
    next_block: int | None
    count: int


def _memory(base: int, code: str):
    data = bytes.fromhex(code)

    def read(address: int, size: int) -> bytes:
        assert base <= address
        assert address + size <= base + len(data)
        return data[address - base : address - base + size]

    return read


# subs r0, #3; bhi back to it; bx lr
LOOP = "0338fdd8" + "7047"


def test_count_cycles_of_a_loop():
    read = _memory(0x1000, LOOP)
    edges = [
        FakeEdge(2, 0x1000, 4, 0x1000, 9),
        FakeEdge(2, 0x1000, 4, 0x1004, 1),
        FakeEdge(2, 0x1004, 2, None, 1),
        FakeEdge(5, 0x1004, 2, 0x2000, 4),
    ]
    counted = count_cycles(edges, read, _model("cortex-m4"))
    # Nine passes of 3 cycles, one of 2; BX costs 1 + 2.
    assert counted == {2: 9 * 3 + 2 + 3, 5: 4 * 3}
    assert count_cycles(reversed(edges), read, _model("cortex-m4")) == counted


def test_the_m7_pays_for_a_loop_exit():
    read = _memory(0x1000, LOOP)
    edges = [FakeEdge(0, 0x1000, 4, 0x1000, 90), FakeEdge(0, 0x1000, 4, 0x1004, 10)]
    assert count_cycles(edges, read, _model("cortex-m7")) == {0: 100 + 10 * 6}


def test_hazard3_predicts_only_the_innermost_loop():
    # 0: addi; 4: addi; 8: bgez -> 4 (inner); c: bgez -> 0 (outer)
    inner = "1305e5ff" + "1305e5ff" + "e35e05fe" + "e35a05fe"
    model = _model("hazard3")
    block = model.decode(bytes.fromhex(inner), 0)
    assert [entry.target for entry in block if entry.branch] == [4, 0]
    edges = [
        FakeEdge(0, 0, 12, 4, 10),  # first pass of the inner loop
        FakeEdge(0, 4, 8, 4, 80),
        FakeEdge(0, 4, 8, 12, 10),
        FakeEdge(0, 12, 4, 0, 9),
        FakeEdge(0, 12, 4, None, 1),
    ]
    straight = 10 * 3 + 80 * 2 + 10 * 2 + 9 + 1
    # Inner: a surprise on each entry and on each exit. Outer: one each time it is taken.
    assert count_cycles(edges, _memory(0, inner), model) == {0: straight + 2 * 10 + 9}


def test_a_block_cut_before_a_branch_costs_no_refill():
    read = _memory(0x1000, "04310868")
    edges = [FakeEdge(0, 0x1000, 2, 0x1002, 1), FakeEdge(0, 0x1002, 2, None, 1)]
    whole = [FakeEdge(0, 0x1000, 4, None, 1)]
    model = _model("cortex-m4")
    assert count_cycles(edges, read, model) == count_cycles(whole, read, model) == {0: 4}


@given(st.binary(min_size=2, max_size=64))
@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m7", "cortex-m0plus", "esp32c6", "hazard3"])
def test_any_bytes_decode_to_whole_instructions(name: str, code: bytes):
    code = code[: len(code) // 2 * 2]
    model = _model(name)
    block = model.decode(code, 0x2000)
    address = 0x2000
    for entry in block:
        assert entry.address == address
        address = entry.end
    assert model.block_cycles(block, False) >= 0


@given(st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=16))
def test_riscv_branches_and_memory_agree_with_capstone(words: list[bytes]):
    engine = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    for word in words:
        theirs = next(engine.disasm(word, 0x100), None)
        if theirs is None or theirs.size > len(word):
            continue
        ours = _model("hazard3").decode(word[: theirs.size], 0x100)[0]
        name = theirs.mnemonic.removeprefix("c.")
        assert ours.size_bytes == theirs.size
        loads = {"lb", "lh", "lw", "lbu", "lhu", "lwsp"}
        stores = {"sb", "sh", "sw", "swsp"}
        if name in loads | stores:
            assert (ours.is_load, ours.is_store) == (name in loads, name in stores)
        if name in {"j", "jal", "beq", "bne", "blt", "bge", "beqz", "bnez", "bltz", "bgez"}:
            offset = int(theirs.op_str.split(", ")[-1], 0)
            assert ours.target == 0x100 + offset
            assert ours.branch is not None
        if name in {"jr", "jalr", "ret"}:
            assert ours.branch is Branch.INDIRECT
