"""What a program that goes wrong, or an emulator that is not there, tells its user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from midge.errors import InternalError, ToolError, UserError
from midge.toolchain import Program, build, find_compiler
from midge.virtual_mcu import UnicornMachine, open_machine, qemu_machine
from support.tools import needs_qemu
from toolchain.sample_model import INTERFACE, edited, sample_program, samples, tiny_program

SAMPLE = samples(1)[0]
CORES = ("cortex-m0plus", "cortex-m4", "rv32imc")
AT = "int32_t at = 0;"


def broken(core: str, sources: Mapping[str, str]) -> Program:
    return build(find_compiler("zig", core), sources, INTERFACE)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("*(volatile int32_t *)0x70000000 = 1;", r"write to unmapped memory at 0x70000000\+4"),
        ("(void)*(volatile uint8_t *)0x70000001;", r"read of unmapped memory at 0x70000001\+1"),
        ("*(volatile int8_t *)(uintptr_t)weights = 1;", r"write to read-only memory at 0x"),
        ("((void (*)(void))(uintptr_t)0x70000001)();", "fetch from unmapped memory at 0x70000000"),
    ],
)
def test_fault_names_access_place_and_layer(core: str, statement: str, message: str) -> None:
    program = broken(core, edited(AT, f"{AT} {statement}"))
    with pytest.raises(InternalError, match=message) as caught:
        open_machine(program).run([SAMPLE])
    assert str(caught.value).startswith(f"sample_run on {core}: ")
    assert "layer 1 (sample_gather)" in str(caught.value)


@pytest.mark.parametrize("core", CORES)
def test_undefined_instruction_is_a_fault(core: str) -> None:
    word = ".short 0xde00" if core.startswith("cortex") else ".word 0"
    program = broken(core, edited(AT, f'{AT} __asm__ volatile("{word}");'))
    with pytest.raises(InternalError, match=r"in sample_gather, layer 1 \(sample_gather\)"):
        open_machine(program).run([SAMPLE])


def test_m0plus_traps_what_only_larger_cores_have() -> None:
    # Two half-words of an ARMv7-M instruction: MLA r0, r0, r0, r0.
    word = f'{AT} __asm__ volatile(".short 0xfb00, 0x0000" ::: "r0");'
    with pytest.raises(InternalError, match=r"INSN_INVALID.*in sample_gather"):
        open_machine(broken("cortex-m0plus", edited(AT, word))).run([SAMPLE])
    assert open_machine(broken("cortex-m3", edited(AT, word))).run([SAMPLE])


def test_m0plus_traps_misaligned_access() -> None:
    word = f'{AT} __asm__ volatile("ldr r0, [%0]" : : "l"(input + 1) : "r0");'
    with pytest.raises(InternalError, match=r"misaligned.*in sample_gather"):
        open_machine(broken("cortex-m0plus", edited(AT, word))).run([SAMPLE])
    assert open_machine(broken("cortex-m3", edited(AT, word))).run([SAMPLE])


def test_core_without_fpu_traps_floating_point() -> None:
    word = f'{AT} __asm__ volatile(".short 0xee30, 0x0a00");'  # VADD.F32 s0, s0, s0
    with pytest.raises(InternalError, match="floating point without an FPU"):
        open_machine(broken("cortex-m3", edited(AT, word))).run([SAMPLE])
    assert open_machine(broken("cortex-m4", edited(AT, word))).run([SAMPLE])


def test_hang_ends_with_the_place() -> None:
    program = broken("cortex-m4", edited(AT, f'{AT} __asm__ volatile("1: b 1b");'))
    machine = open_machine(program, timeout_s=1)
    with pytest.raises(InternalError, match=r"no return within 1 s, at pc .* in sample_gather"):
        machine.run([SAMPLE])


def test_machine_goes_on_after_a_fault() -> None:
    # The fault comes only when the first input byte is 1.
    statement = f"{AT} if (input[-160] == 1) {{ *(volatile int32_t *)0x70000000 = 1; }}"
    machine = open_machine(broken("cortex-m4", edited(AT, statement)))
    good, bad = (bytes(128), SAMPLE[1]), (b"\1" + bytes(127), SAMPLE[1])
    before = machine.run([good])
    with pytest.raises(InternalError, match="0x70000000"):
        machine.run([good, bad])
    assert machine.run([good]) == before


@pytest.mark.parametrize("emulator", ["unicorn", pytest.param("qemu", marks=needs_qemu)])
def test_status_other_than_ok_is_an_internal_error(emulator: str) -> None:
    program = broken("cortex-m4", edited("return MIDGE_OK;", "return MIDGE_BAD_ARGUMENT;"))
    with pytest.raises(InternalError, match=r"returned status 1.*; expected 0"):
        open_machine(program, emulator=emulator).run([SAMPLE])


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("offset", "named"), [(416, 416), (-1, -1), (440, 440)])
def test_write_outside_the_arena_is_found(core: str, offset: int, named: int) -> None:
    statement = f"{AT} ((volatile int8_t *)(uintptr_t)input)[{offset} - 160] = 1;"
    program = broken(core, edited(AT, statement))
    with pytest.raises(InternalError, match=f"byte {named} of an arena of 416"):
        open_machine(program).run([SAMPLE])


@pytest.mark.parametrize("core", CORES)
def test_stack_overflow_faults_instead_of_spoiling_data(core: str) -> None:
    body = """
__attribute__((noinline)) static void tiny_layer(void *arena)
{
    volatile int8_t large[6000];
    for (int32_t i = 0; i < 6000; ++i) { large[i] = 1; }
    *(int8_t *)arena = large[*(unsigned char *)arena];
}
"""
    sample = (bytes(64),)
    assert open_machine(tiny_program(core, body, stack_bytes=8192)).run([sample])
    with pytest.raises(InternalError, match="write to unmapped memory"):
        open_machine(tiny_program(core, body, stack_bytes=4096)).run([sample])


@pytest.mark.parametrize("emulator", ["unicorn", pytest.param("qemu", marks=needs_qemu)])
@pytest.mark.parametrize(
    ("sample", "found"),
    [((bytes(128),), "128 bytes"), ((bytes(127), bytes(32)), r"127 \+ 32 bytes"), ((), "no bytes")],
)
def test_sample_that_does_not_fit_says_what_does(
    emulator: str, sample: tuple[bytes, ...], found: str
) -> None:
    machine = open_machine(sample_program("cortex-m4"), emulator=emulator)
    message = rf"sample: sample 1 has inputs of {found}; expected 128 \+ 32 bytes"
    with pytest.raises(UserError, match=message):
        machine.run([SAMPLE, sample])


def test_emulators_without_the_core_name_those_they_have() -> None:
    with pytest.raises(UserError, match=r"'cortex-m55': Unicorn does not.*Use --emulator qemu"):
        open_machine(sample_program("cortex-m55"))
    with pytest.raises(UserError, match="emulator 'renode' is not known; expected one of unicorn"):
        open_machine(sample_program("cortex-m4"), emulator="renode")


@pytest.mark.parametrize(
    ("core", "package"), [("cortex-m4", "qemu-system-arm"), ("rv32imc", "qemu-system-misc")]
)
def test_missing_qemu_says_how_to_install_it(
    core: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = sample_program(core)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=f"apt-get install {package}"):
        open_machine(program, emulator="qemu")


@needs_qemu
def test_fault_under_qemu_names_the_function() -> None:
    program = broken("cortex-m7", edited(AT, f"{AT} *(volatile int32_t *)0x70000000 = 1;"))
    with pytest.raises(InternalError, match=r"fault at pc 0x\w+ in sample_gather .*bfar=70000000"):
        open_machine(program, emulator="qemu").run([SAMPLE])
    program = broken("rv32imc", edited(AT, f'{AT} __asm__ volatile(".word 0");'))
    with pytest.raises(InternalError, match=r"fault at pc 0x\w+ in sample_gather \(cause=00000002"):
        open_machine(program, emulator="qemu").run([SAMPLE])


@needs_qemu
def test_hang_under_qemu_is_an_internal_error() -> None:
    program = broken("cortex-m4", edited(AT, f'{AT} __asm__ volatile("1: b 1b");'))
    machine = open_machine(program, emulator="qemu", timeout_s=1)
    with pytest.raises(InternalError, match="no return within 1 s under QEMU, 1 samples"):
        machine.run([SAMPLE])


@needs_qemu
def test_qemu_that_fails_to_start_shows_its_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_machine, "_COMMON", ("-no-such-option",))
    with pytest.raises(ToolError, match=r"(?s)qemu-system-arm ended with status 1.*no-such-option"):
        open_machine(sample_program("cortex-m4"), emulator="qemu").run([SAMPLE])


@needs_qemu
def test_qemu_that_cannot_load_the_plugin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu_machine, "_plugin_version", lambda _program: 99)
    with pytest.raises(ToolError, match=r"(?s)cannot load the TCG plugin.*99"):
        open_machine(sample_program("cortex-m4"), emulator="qemu").run([SAMPLE])


def test_program_without_a_named_layer_is_an_internal_error() -> None:
    program = tiny_program(
        "cortex-m3",
        "__attribute__((noinline)) static void tiny_layer(void *a) { *(int8_t *)a = 1; }",
        layers=("tiny_layer", "tiny_gone"),
    )
    with pytest.raises(InternalError, match="symbol 'tiny_gone' is not in the linked program"):
        UnicornMachine(program)
