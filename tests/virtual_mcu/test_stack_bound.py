from __future__ import annotations

import pytest

from midge.errors import InternalError
from midge.toolchain import OPTIMISATIONS, Program
from midge.virtual_mcu import open_machine, stack_bound
from toolchain.sample_model import CORES, sample_program, samples, tiny_program

LAYER = "__attribute__((noinline)) static void tiny_layer(void *arena)\n"
NAKED = "__attribute__((naked, noinline, used)) static void {}(void *arena)\n"
QUIET = '#pragma GCC diagnostic ignored "-Wunused-parameter"\n'


def naked(name: str, *lines: str) -> str:
    text = "".join(f'        "{line}\\n"' for line in lines)
    return f"{NAKED.format(name)}{{\n    __asm__ volatile(\n{text});\n}}\n"


def tiny(core: str, body: str, kind: str = "zig", optimisation: str = "-O2") -> Program:
    return tiny_program(core, QUIET + body, kind, optimisation=optimisation)


def depth(program: Program, function: str = "tiny_layer") -> int | None:
    return stack_bound(program, function).bytes


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", CORES)
def test_bound_meets_the_painted_peak(core: str, kind: str) -> None:
    program = sample_program(core, kind)
    emulator = "qemu" if core == "cortex-m55" else "unicorn"
    inferences = open_machine(program, emulator=emulator).run(samples(3))
    peak = max(inference.stack_peak_bytes for inference in inferences)
    bound = stack_bound(program, "sample_run")
    assert bound.bytes is not None, bound.reason
    # RISC-V frames are multiples of 16 bytes, whose lowest words may stay unwritten.
    slack = 0 if core.startswith("cortex") else 12
    assert peak <= bound.bytes <= peak + slack
    assert bound.deepest_calls[0] == ("sample_run", 0)


@pytest.mark.parametrize("optimisation", OPTIMISATIONS)
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4", "rv32imc"])
def test_bound_holds_at_every_optimisation(core: str, optimisation: str) -> None:
    program = sample_program(
        core, "gcc", "SAMPLE_DIVIDES", "SAMPLE_FLOATS", optimisation=optimisation
    )
    peak = max(i.stack_peak_bytes for i in open_machine(program).run(samples(3)))
    bound = stack_bound(program, "sample_run").bytes
    assert bound is not None
    assert peak <= bound <= peak + 16


@pytest.mark.parametrize("size", [40, 400, 1000, 2000, 5000])
@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "cortex-m33", "rv32imc"])
def test_frames_of_every_size(core: str, kind: str, size: int) -> None:
    # Past certain sizes a frame's size comes from a literal, a shifted constant or two registers.
    body = f"""{LAYER}{{
    volatile int8_t large[{size}];
    for (int32_t i = 0; i < {size}; ++i) {{ large[i] = (int8_t)i; }}
    *(int8_t *)arena = large[*(unsigned char *)arena % {size}];
}}
"""
    program = tiny(core, body, kind)
    bound = stack_bound(program, "tiny_run")
    peak = open_machine(program).run([(bytes(64),)])[0].stack_peak_bytes
    assert bound.bytes is not None, bound.reason
    assert size <= peak <= bound.bytes <= peak + 16


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("bx lr",), 0),
        (("push {r4, r5, r6, lr}", "sub sp, #100", "add sp, #100", "pop {r4, r5, r6, pc}"), 116),
        (("stmdb sp!, {r4, r11, lr}", "ldmia sp!, {r4, r11, pc}"), 12),
        (("str lr, [sp, #-8]!", "ldr pc, [sp], #8"), 8),
        (("strd r4, r5, [sp, #-24]!", "ldrd r4, r5, [sp], #24", "bx lr"), 24),
        (("vpush {d8, d9, d10}", "vpush {s16}", "vpop {s16}", "vpop {d8, d9, d10}", "bx lr"), 28),
        (("sub.w sp, sp, #4096", "addw sp, sp, #4092", "add sp, #4", "bx lr"), 4096),
        # One path is deeper than the other.
        (
            (
                "cbz r0, 1f",
                "push {r4, lr}",
                "pop {r4, pc}",
                "1: sub sp, #64",
                "add sp, #64",
                "bx lr",
            ),
            64,
        ),
        # The stack grows in an IT block that may be skipped.
        (("cmp r0, #0", "it ne", "subne sp, #16", "add sp, #16", "bx lr"), 16),
        (("cmp r0, #0", "it eq", "bxeq lr", "push {r0-r7}", "pop {r0-r7}", "bx lr"), 32),
        # A conditional return does not end the path.
        (("push {r4, lr}", "cmp r0, #0", "it eq", "popeq {r4, pc}", "sub sp, #8", "b ."), 16),
        # A jump over more than 2 KB, as Thumb of the first kind makes it.
        (
            ("push {r4, lr}", "bl 2f", "1: pop {r4, pc}", "2: push {r0-r3}", "pop {r0-r3}", "b 1b"),
            24,
        ),
        # A routine within a function.
        (("push {r4, lr}", "bl 1f", "sub sp, #64", "add sp, #64", "pop {r4, pc}", "1: bx lr"), 72),
        # A table of byte offsets: one case pushes eight registers.
        (
            (
                "tbb [pc, r0]",
                "9: .byte (1f - 9b) / 2, (2f - 9b) / 2",
                "1: bx lr",
                "2: push {r0-r7}",
                "pop {r0-r7}",
                "bx lr",
            ),
            32,
        ),
    ],
    ids=lambda value: value if isinstance(value, int) else None,
)
def test_thumb_instructions(lines: tuple[str, ...], expected: int) -> None:
    assert depth(tiny("cortex-m4", naked("tiny_layer", *lines))) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("ret",), 0),
        (("addi sp, sp, -16", "addi sp, sp, 16", "ret"), 16),
        (("c.addi16sp sp, -496", "c.addi16sp sp, 496", "ret"), 496),
        (("lui t0, 1", "sub sp, sp, t0", "add sp, sp, t0", "ret"), 4096),
        (("lui t0, 0xfffff", "addi t0, t0, -32", "add sp, sp, t0", "sub sp, sp, t0", "ret"), 4128),
        (("beqz a0, 1f", "addi sp, sp, -32", "addi sp, sp, 32", "1: ret"), 32),
    ],
    ids=lambda value: value if isinstance(value, int) else None,
)
def test_riscv_instructions(lines: tuple[str, ...], expected: int) -> None:
    assert depth(tiny("rv32imc", naked("tiny_layer", *lines))) == expected


def test_calls_and_tail_calls_add_up() -> None:
    body = naked("leaf", "push {r4-r7}", "pop {r4-r7}", "bx lr")
    body += naked("middle", "sub sp, #40", "add sp, #40", "b leaf")
    body += naked(
        "tiny_layer",
        "push {r4, lr}",
        "bl leaf",
        "sub sp, #8",
        "bl middle",
        "add sp, #8",
        "pop {r4, pc}",
    )
    bound = stack_bound(tiny("cortex-m3", body), "tiny_layer")
    assert bound.bytes == 8 + 8 + 40
    assert bound.deepest_calls == (("tiny_layer", 0), ("middle", 16))


@pytest.mark.parametrize(
    ("core", "body", "reason"),
    [
        (
            "cortex-m3",
            naked("tiny_layer", "push {lr}", "bl tiny_layer", "pop {pc}"),
            "recursion: tiny_layer -> tiny_layer",
        ),
        ("cortex-m3", naked("tiny_layer", "push {lr}", "blx r0", "pop {pc}"), "indirect call: blx"),
        ("cortex-m3", naked("tiny_layer", "bx r0"), "indirect jump: bx r0 in tiny_layer"),
        ("cortex-m3", naked("tiny_layer", "ldr pc, [r0]"), "indirect jump: ldr.w pc, [r0]"),
        (
            "cortex-m3",
            naked("tiny_layer", "sub sp, sp, r0", "bx lr"),
            "size known only at run time: sub.w sp, sp, r0 in tiny_layer",
        ),
        ("cortex-m3", naked("tiny_layer", "mov sp, r0", "bx lr"), "run time: mov sp, r0"),
        (
            "cortex-m3",
            naked("tiny_layer", "1: push {r0}", "subs r1, #1", "bne 1b", "bx lr"),
            "the stack grows in a loop of tiny_layer",
        ),
        ("rv32imc", naked("tiny_layer", "jalr a0", "ret"), "indirect call: c.jalr a0"),
        ("rv32imc", naked("tiny_layer", "jr a0"), "indirect jump: c.jr a0"),
        ("rv32imc", naked("tiny_layer", "sub sp, sp, a0", "ret"), "run time: sub sp, sp, a0"),
        ("rv32imc", naked("tiny_layer", "mv sp, a0", "ret"), "run time: c.mv sp, a0"),
    ],
)
def test_reason_is_given_where_there_is_no_bound(core: str, body: str, reason: str) -> None:
    bound = stack_bound(tiny(core, body), "tiny_layer")
    assert bound.bytes is None
    assert reason in bound.reason
    assert bound.deepest_calls == ()


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", ["cortex-m3", "rv32imc"])
def test_variable_length_array_has_no_bound(core: str, kind: str) -> None:
    body = (
        LAYER
        + """{
    const uint32_t size = *(uint8_t *)arena + 1u;
    volatile int8_t part[size];
    for (uint32_t i = 0; i < size; ++i) { part[i] = 1; }
    *(int8_t *)arena = part[size / 2u];
}
"""
    )
    assert "known only at run time" in stack_bound(tiny(core, body, kind), "tiny_layer").reason


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m33"])
def test_switch_by_table_is_followed(core: str, kind: str) -> None:
    cases = "".join(
        f"    case {n}: *value = *value * {3 * n + 2} + {n}; deep(value + {n}); break;\n"
        for n in range(12)
    )
    body = f"""
__attribute__((noinline)) static void deep(volatile int32_t *value)
{{
    volatile int32_t part[20];
    for (int32_t i = 0; i < 20; ++i) {{ part[i] = *value; }}
    *value = part[3];
}}
{LAYER}{{
    volatile int32_t *value = arena;
    switch (*value) {{
{cases}    default: break;
    }}
}}
"""
    program = tiny(core, body, kind)
    code = program.read(program.symbol("tiny_layer").address, program.symbol("tiny_layer").size)
    assert b"\xdf\xe8" in code, "the compiler made a table branch (TBB or TBH)"
    bound = stack_bound(program, "tiny_layer")
    peak = open_machine(program).run([(bytes([5]) + bytes(63),)])[0].stack_peak_bytes
    assert bound.bytes is not None, bound.reason
    assert peak >= 80
    assert bound.bytes <= peak <= (depth(program, "tiny_run") or 0)


def test_unknown_function_is_an_internal_error() -> None:
    with pytest.raises(InternalError, match="symbol 'sample_gone'"):
        stack_bound(sample_program("cortex-m4"), "sample_gone")
