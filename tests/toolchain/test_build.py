from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sample_model import (
    INTERFACE,
    LAYERS,
    SOURCES,
    edited,
    one_layer,
    sample_program,
    sample_sources,
)

from midge.errors import InternalError, ToolError, UserError
from midge.processes import run
from midge.toolchain import OPTIMISATIONS, ModelInterface, build, find_compiler
from midge.toolchain.build import port_object
from midge.virtual_mcu import open_machine

CONSTANTS_BYTES = 4 * 8 + 4 * 4  # sample.c: int8 weights[4][8], int32 multipliers[4]


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_constants_are_weights_and_nothing_else_is(kind: str) -> None:
    program = sample_program("cortex-m4", kind, optimisation="-Os")
    assert program.weights_bytes == CONSTANTS_BYTES
    assert (program.arena_bytes, program.state_bytes, program.static_bytes) == (416, 4, 0)
    assert program.flash_bytes == program.code_bytes + CONSTANTS_BYTES


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_library_routines_count_as_code(kind: str) -> None:
    compiler = find_compiler(kind, "cortex-m3")
    layer = "__attribute__((noinline)) static void tiny_layer(void *arena) {{ {} }}\n"
    copies = "void *memcpy(void *restrict a, const void *restrict b, __SIZE_TYPE__ n);\n" + (
        layer.format("memcpy(arena, (char *)arena + 64, *(unsigned char *)arena);")
    )
    stays = layer.format("*(char *)arena = 1;")
    with_copy = build(compiler, *one_layer(copies))
    without = build(compiler, *one_layer(stays))
    assert with_copy.library_functions == ("memcpy",)
    assert without.library_functions == ()
    grown = with_copy.code_bytes - without.code_bytes
    assert grown >= with_copy.symbol("memcpy").size > 0


def test_names_of_the_arm_eabi_need_no_runtime_library() -> None:
    # clang calls __aeabi_memclr for this, whose zig version would take seconds to build.
    body = """
__attribute__((noinline)) static void tiny_layer(void *arena)
{
    uint8_t seen[200] = {0};
    for (int32_t i = 0; i < 64; ++i) { seen[((uint8_t *)arena)[i] % 200]++; }
    for (int32_t i = 0; i < 64; ++i) { ((uint8_t *)arena)[i] = seen[i + 20]; }
}
"""
    program = build(find_compiler("zig", "cortex-m4"), *one_layer(body))
    assert program.library_functions == ("memset", "__aeabi_memclr")
    sample = bytes([21] * 5 + [82] * 3 + [199] * 56)
    counted = open_machine(program).run([(sample,)])[0].outputs[0]
    assert counted == bytes([0, 5] + [0] * 60 + [3, 0])


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_runtime_routines_count_as_code(kind: str) -> None:
    plain = sample_program("cortex-m3", kind)
    divides = sample_program("cortex-m3", kind, "SAMPLE_DIVIDES")
    assert "__aeabi_ldivmod" in divides.library_functions
    assert "__aeabi_ldivmod" not in plain.library_functions
    assert divides.code_bytes > plain.code_bytes
    assert divides.weights_bytes <= CONSTANTS_BYTES


def test_layer_code_is_the_size_of_its_function() -> None:
    program = sample_program("cortex-m4")
    assert set(program.layer_code_bytes) == set(LAYERS)
    for layer, size in program.layer_code_bytes.items():
        assert size == program.symbol(layer).size > 0
    assert sum(program.layer_code_bytes.values()) < program.code_bytes


def test_variables_of_a_model_are_static_ram() -> None:
    body = """
static int32_t counts[10];
static int32_t start = 5;
__attribute__((noinline)) static void tiny_layer(void *arena)
{
    start += counts[*(unsigned char *)arena % 10]++;
    *(int32_t *)arena = start;
}
"""
    program = build(find_compiler("zig", "cortex-m3"), *one_layer(body))
    assert program.static_bytes == 11 * 4
    without = build(
        find_compiler("zig", "cortex-m3"), *one_layer(body.replace("start = 5", "start"))
    )
    assert program.code_bytes - without.code_bytes == 4, "the initial value rests in flash"


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_two_builds_give_the_same_bytes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = find_compiler(kind, "cortex-m4")
    first = build(compiler, sample_sources("SAMPLE_DIVIDES"), INTERFACE)
    elsewhere = tmp_path / "a rather longer folder name"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(elsewhere)
    port_object.cache_clear()
    second = build(compiler, sample_sources("SAMPLE_DIVIDES"), INTERFACE)
    assert first == second
    assert list(elsewhere.iterdir()) == [], "a build leaves nothing behind"


def test_builds_at_the_same_time_do_not_disturb_each_other() -> None:
    compiler = find_compiler("zig", "cortex-m7")
    variants = [SOURCES["sample.c"].replace("10 * channel", f"{n} * channel") for n in range(6)]

    def build_one(text: str) -> bytes:
        return build(compiler, {**SOURCES, "sample.c": text}, INTERFACE).elf

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(build_one, variants))
    assert together[0] == build_one(variants[0])
    assert len(set(together)) == len(variants)


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_optimisation_levels_are_the_compilers_own(kind: str) -> None:
    sizes = {
        level: sample_program("cortex-m4", kind, optimisation=level).code_bytes
        for level in OPTIMISATIONS
    }
    assert sizes["-Os"] < sizes["-O2"] <= sizes["-O3"]
    assert sizes["-Oz"] <= sizes["-Os"]
    assert sizes["-O1"] != sizes["-O2"] != sizes["-O0"]


def test_unknown_optimisation_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"optimisation '-O9' is not known; expected one of -O0"):
        build(find_compiler("zig", "cortex-m3"), SOURCES, INTERFACE, optimisation="-O9")


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_warnings_stop_the_build(kind: str) -> None:
    sources = edited("int32_t at = 0;", "int32_t at = 0; int8_t lost = at + 1; (void)lost;")
    with pytest.raises(ToolError, match=r"(?s)failed while compiling sample.c.*-W.*conversion"):
        build(find_compiler(kind, "cortex-m3"), sources, INTERFACE)


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_undefined_function_is_a_link_failure(kind: str) -> None:
    body = "void missing(void);\n__attribute__((noinline)) static void tiny_layer(void *a)"
    sources, interface = one_layer(body + "{ (void)a; missing(); }")
    with pytest.raises(ToolError, match=r"(?s)failed while linking.*missing"):
        build(find_compiler(kind, "cortex-m3"), sources, interface)


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_program_larger_than_the_emulated_board_is_a_link_failure(kind: str) -> None:
    table = "extern const int8_t table[600000]; const int8_t table[600000] = {1};\n"
    layer = "__attribute__((noinline)) static void tiny_layer(void *a)"
    sources, interface = one_layer(
        table + layer + "{ *(int8_t *)a = table[*(unsigned char *)a * 2000]; }"
    )
    with pytest.raises(ToolError, match=r"(?s)failed while linking.*FLASH"):
        build(find_compiler(kind, "cortex-m55"), sources, interface)
    assert build(find_compiler(kind, "cortex-m4"), sources, interface).weights_bytes == 600000


def test_model_of_several_files_and_folders_links() -> None:
    sources, interface = one_layer(
        '#include "parts/more.h"\n__attribute__((noinline)) static void tiny_layer(void *a)'
        "{ *(int8_t *)a = more[*(unsigned char *)a % 8]; }"
    )
    sources["parts/more.h"] = "#include <stdint.h>\nextern const int8_t more[8];\n"
    sources["parts/more.c"] = (
        '#include "more.h"\nconst int8_t more[8] = {1, 2, 3, 4, 5, 6, 7, 8};\n'
    )
    program = build(find_compiler("zig", "cortex-m3"), sources, interface)
    assert program.weights_bytes == 8


def test_name_that_leaves_the_folder_is_refused() -> None:
    with pytest.raises(ToolError, match=r"'\.\./x\.c': expected a name below"):
        build(find_compiler("zig", "cortex-m3"), {"../x.c": ""}, INTERFACE)


def test_compiler_that_hangs_is_a_tool_error() -> None:
    with pytest.raises(ToolError, match="did not end within"):
        build(find_compiler("gcc", "cortex-m3"), SOURCES, INTERFACE, timeout_s=0.001)


def test_program_knows_its_own_bytes() -> None:
    program = sample_program("cortex-m4")
    image = program.flash_image()
    vectors = program.sections[".port.vectors"]
    assert vectors[0] == program.memory.flash_origin
    assert int.from_bytes(image[:4], "little") == program.symbol("midge_port_stack_top").address
    reset = int.from_bytes(image[4:8], "little")
    assert reset == program.symbol("midge_port_reset").address + 1
    run = program.symbol("sample_run")
    assert program.read(run.address, run.size) == image[run.address : run.address + run.size]
    assert program.function_at(run.address + 2) == run
    assert program.function_at(0xFFFF_0000) is None


def test_missing_symbol_or_byte_is_an_internal_error() -> None:
    program = sample_program("cortex-m4")
    with pytest.raises(InternalError, match="symbol 'sample_nothing' is not in the linked program"):
        program.symbol("sample_nothing")
    with pytest.raises(InternalError, match="no program bytes at 0x70000000"):
        program.read(0x7000_0000, 4)


def test_clones_of_a_function_are_entries_of_its_layer() -> None:
    # GCC makes a clone for each constant argument and drops the function itself.
    body = """
__attribute__((noinline)) static void scale(int8_t *a, int32_t step)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < 64; i += step) { sum += a[i] * step; }
    *a = (int8_t)sum;
}
"""
    calls = "scale(arena, 3); scale(arena, 7);"
    sources, _ = one_layer(body, calls=calls)
    interface = ModelInterface("tiny", (64,), (64,), ("scale", "scale"))
    program = build(find_compiler("gcc", "cortex-m4"), sources, interface, optimisation="-O3")
    clones = [symbol for symbol in program.symbols if symbol.name.startswith("scale.")]
    assert clones
    assert "scale" not in {symbol.name for symbol in program.symbols}
    addresses = tuple(sorted(clone.address for clone in clones))
    assert program.layer_entries() == (addresses, addresses)
    assert program.layer_code_bytes["scale"] == sum(clone.size for clone in clones)
    _, trace = open_machine(program).trace((bytes(range(64)),))
    # 22 and 10 turns of the loop.
    assert trace.layer_instructions[0] > 2 * trace.layer_instructions[1] > 0


@pytest.mark.parametrize("kind", ["zig", "gcc"])
def test_objects_of_another_compiler_are_linked_as_the_models_own(
    kind: str, tmp_path: Path
) -> None:
    compiler = find_compiler(kind, "rv32imc")
    (tmp_path / "more.c").write_text("int more(void);\nint more(void) { return 42; }\n")
    command = [*compiler.command, *compiler.flags, "-O2", "-c", "more.c", "-o", "more.o"]
    done = run(command, timeout_s=120, cwd=tmp_path, env=compiler.environment_in(tmp_path))
    assert done.returncode == 0, done.stderr_text
    sources, interface = one_layer(
        "int more(void);\n__attribute__((noinline)) static void tiny_layer(void *arena)"
        "{ *(int *)arena = more(); }\n"
    )
    objects = {"more.o": (tmp_path / "more.o").read_bytes()}
    program = build(compiler, sources, interface, objects=objects)
    assert program.symbol("more").section == ".model.text"
    with pytest.raises(ToolError, match="more"):
        build(compiler, sources, interface)
