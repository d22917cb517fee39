from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from test_kernel_variants import ALL_KERNELS, fitting

import midge
from midge.c_emitter import Emitted, choose_kernels, emit_c
from midge.driver import Artifact
from midge.driver.main_path import plan_graph
from midge.driver.samples import random_sample
from midge.graph import Graph, Rounding, interpret, outputs_of
from midge.passes import run_passes
from midge.processes import run
from midge.toolchain import Compiler, ModelInterface, build, find_compiler
from midge.toolchain.compilers import zig_environment, zig_program
from midge.version import VERSION
from midge.virtual_mcu import CORES, open_machine
from support.layer_bench import lay_out, promised
from support.networks import (
    imported,
    join,
    mobile_chain,
    single_ops,
    two_by_two,
)
from support.tools import COMPILERS, EACH_COMPILER, GCC

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
# What C compilers put in where a core has no instruction: copies, 64-bit arithmetic, division, and
# single precision in software.
LIBRARY = re.compile(
    r"memcpy|memset|__aeabi_(mem(cpy|set|clr)[48]?|u?[il]div(mod)?|lmul|l(lsl|lsr|asr)|u?lcmp)"
    r"|__(mul|ashl|ashr|lshr|u?div|u?mod)di3|__u?(div|mod)si3|__c[lt]z[sd]i2|__gnu_thumb1_case_\w+"
    r"|__aeabi_(f(add|sub|rsub|mul|div)|c?fcmp\w+|cfr?cmp\w+|f2u?[il]z|u?[il]2f)"
    r"|__(add|sub|mul|div)sf3|__(eq|ne|lt|le|gt|ge|unord)sf2|__fix(uns)?sf[sd]i|__float(un)?[sd]isf"
)


@cache
def every_kernel_of(core: str) -> Emitted:
    """A network for each kernel of single layers that the core can run: all of them in one file."""
    features = CORES[core].features
    pairs = [
        (kernel, fitting(kernel, Rounding.TFLITE_DOUBLE)[0][0])
        for kernel in ALL_KERNELS
        if kernel.requires <= features
    ]
    choice, networks = (tuple(column) for column in zip(*pairs, strict=True))
    graph = join(networks, "every_kernel").graph
    return emit_c(graph, choice, lay_out(graph, choice, promised, 0), VERSION)


def emitted_for(graph: Graph, core: str) -> Emitted:
    lowered = run_passes(graph)
    choice = choose_kernels(lowered, CORES[core].features)
    planned = plan_graph(lowered, choice, keep_input=False)
    return emit_c(planned.graph, planned.choice, planned.plan, VERSION)


def compile_object(compiler: Compiler, files: dict[str, str], folder: Path, *flags: str) -> bytes:
    """The object of the one C file, compiled as a stranger's firmware might."""
    for name, text in files.items():
        (folder / name).write_text(text)
    (source,) = (name for name in files if name.endswith(".c"))
    done = run(
        [*compiler.command, *compiler.flags, *STRICT, *flags, "-c", source, "-o", "model.o"],
        timeout_s=120,
        cwd=folder,
        env=compiler.environment_in(folder),
    )
    assert done.returncode == 0, done.stderr_text
    assert not done.stderr_text
    return (folder / "model.o").read_bytes()


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize(("core", "level"), [("cortex-m4", "-O2"), ("cortex-m0plus", "-Os")])
def test_every_kernel_is_clean_and_asks_for_nothing(
    cc: str, core: str, level: str, tmp_path: Path
) -> None:
    files = every_kernel_of(core).files
    more = ("-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes")
    content = compile_object(find_compiler(cc, core), files, tmp_path, level, *more)
    elf = ELFFile(io.BytesIO(content))
    symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
    wanted = {s.name for s in symbols if s.name and s["st_shndx"] == "SHN_UNDEF"}
    assert all(LIBRARY.fullmatch(name) for name in wanted), wanted
    offered = {
        s.name
        for s in symbols
        if s["st_info"]["bind"] != "STB_LOCAL" and s["st_shndx"] != "SHN_UNDEF"
    }
    assert offered == {
        f"every_kernel_{part}" for part in ("init", "input", "output", "reset", "run")
    }
    writable = [
        s.name
        for s in elf.iter_sections()
        if s["sh_size"] and s["sh_flags"] & 3 == 3  # SHF_WRITE and SHF_ALLOC
    ]
    assert not writable, "no variables, so that it can run twice at once"


@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_other_levels_compute_the_same(level: str) -> None:
    graph = imported(two_by_two(), "net")
    sample = random_sample(graph)
    for core, cc in (("cortex-m4", GCC), ("cortex-m0plus", "zig")):
        artifact = midge.compile(graph, target=core, cc=cc, optimisation=level)
        result = artifact.run(sample)
        assert isinstance(result.outputs, dict)
        for name, value in outputs_of(graph, interpret(graph, sample)).items():
            assert (result.outputs[name] == value).all()


def test_header_is_cplusplus_too(tmp_path: Path) -> None:
    for name, text in emitted_for(imported(two_by_two(), "two"), "cortex-m3").files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "app.cpp").write_text(
        '#include "two.h"\n#include "two.h"\n'
        "alignas(TWO_ARENA_ALIGN) static uint8_t arena[TWO_ARENA_BYTES];\n"
        "float once(float real) {\n"
        "    two_init(arena, nullptr);\n"
        "    two_input(arena, 0)[0] = two_quantize_input0(real);\n"
        "    if (two_run(arena, nullptr) != MIDGE_OK) { return 0.0f; }\n"
        "    return two_dequantize_output1(two_output(arena, 1)[0]);\n"
        "}\n"
    )
    target = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m3", "-ffreestanding")
    for standard in ("c++11", "c++20"):
        done = run(
            [
                *(zig_program(), "c++", *target, f"-std={standard}", "-fno-sanitize=undefined"),
                *(*STRICT, "-Wpedantic", "-c", "app.cpp", "-o", "app.o"),
            ],
            timeout_s=120,
            cwd=tmp_path,
            env=zig_environment(tmp_path),
        )
        assert done.returncode == 0, done.stderr_text
    symbols = ELFFile(io.BytesIO((tmp_path / "app.o").read_bytes())).get_section_by_name(".symtab")
    assert {"two_init", "two_run", "two_input", "two_output"} <= {
        s.name for s in symbols.iter_symbols()
    }, "C names, not C++ ones"


@pytest.mark.parametrize("cc", EACH_COMPILER)
def test_header_in_two_files_and_two_models_in_one_program(cc: str) -> None:
    graph = imported(two_by_two(), "two")
    artifact = midge.compile(graph, target="cortex-m33", cc=cc)
    other = emitted_for(imported(mobile_chain(), "chain"), "cortex-m33")
    user = (
        '#include "two.h"\n#include "chain.h"\n#include "two.h"\n'
        "{kind} from_{name}(float real);\n"
        "{kind} from_{name}(float real) {{\n"
        "    return {name}_quantize_input0(real);\n}}\n"
    )
    files = {
        **artifact.emitted.files,
        **other.files,
        "first_user.c": user.format(kind="int8_t", name="two"),
        "second_user.c": user.format(kind="int8_t", name="chain"),
    }
    program = build(find_compiler(cc, "cortex-m33"), files, _interface(artifact))
    assert program.static_bytes == 0
    sample = random_sample(graph)
    (inference,) = open_machine(program).run([artifact.to_bytes(sample)])
    expected = outputs_of(graph, interpret(graph, sample))
    for name, value in artifact.from_bytes(inference.outputs).items():
        assert (value == expected[name]).all()


def _interface(artifact: Artifact) -> ModelInterface:
    return artifact.built.interface


@pytest.mark.parametrize("core", ["cortex-m7", "cortex-m3"])
def test_same_graph_gives_the_same_bytes_without_dates_or_paths(core: str) -> None:
    graph = imported(mobile_chain(), "net")
    first, second = (emitted_for(graph, core).files for _ in range(2))
    assert first == second
    for text in first.values():
        assert text.isascii()
        assert not re.search(r"\b(19|20)\d\d-\d\d|\d\d:\d\d:\d\d", text)
        assert str(Path.cwd()) not in text
        assert str(Path.home()) not in text
        assert "tmp" not in text


def test_dsp_file_refuses_a_core_without_the_extension(tmp_path: Path) -> None:
    files = emitted_for(imported(mobile_chain(), "net"), "cortex-m4").files
    with pytest.raises(AssertionError, match="generated for a core with the DSP extension"):
        compile_object(find_compiler("zig", "cortex-m3"), files, tmp_path)


def test_network_that_computes_nothing() -> None:
    # Reshapes are other names for the same bytes: there is no layer, and still a library.
    networks = [n for n in single_ops("RESHAPE") if "flatten" in n.name]
    joined = join(networks, "names")
    for cc in COMPILERS:
        artifact = midge.compile(joined.graph, target="rp2040", cc=cc)
        assert artifact.emitted.layer_symbols == (None,) * len(networks)
        sample = joined.sample(1)
        result = artifact.run(sample)
        assert result.layers == ()
        assert isinstance(result.outputs, dict)
        for name, value in outputs_of(artifact.graph, interpret(artifact.graph, sample)).items():
            assert (result.outputs[name] == value).all()
