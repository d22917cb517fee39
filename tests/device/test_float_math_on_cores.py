"""The functions of `float_math.h` on cores, and what `float32.h` bars."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from float_math_arguments import GUARDED as HEADERS
from float_math_arguments import NAMES, SOURCE, arguments, assert_same_bits, loop

from midge.toolchain import ModelInterface, Program, build, find_compiler
from midge.virtual_mcu import open_machine
from support.tools import EACH_COMPILER, needs_gcc

CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "rv32imc")
COUNT = 1024
"""Arguments of one run on a core."""

HEADER = f"""
#ifndef MATH_H
#define MATH_H
#include <stdint.h>
#define MATH_ARENA_BYTES {4 * COUNT * (2 + len(NAMES))}
#define MATH_ARENA_ALIGN 16
#define MATH_STATE_BYTES 0
enum midge_status {{ MIDGE_OK = 0 }};
void math_init(void *arena, void *state);
int8_t *math_input(void *arena, unsigned index);
const int8_t *math_output(const void *arena, unsigned index);
enum midge_status math_run(void *arena, void *state);
#endif
"""
MODEL = """
#include "math.h"
void math_init(void *arena, void *state) { (void)arena; (void)state; }
int8_t *math_input(void *arena, unsigned index) { (void)index; return (int8_t *)arena; }
const int8_t *math_output(const void *arena, unsigned index) {
    (void)index;
    return (const int8_t *)arena + %d;
}
enum midge_status math_run(void *arena, void *state) {
    float *values = (float *)arena;
    (void)state;
%s    return MIDGE_OK;
}
"""


@cache
def program(core: str, kind: str) -> Program:
    """A model that computes every function of its input's pairs."""
    layer = "static __attribute__((noinline)) "
    text = SOURCE + "".join(loop(name, layer) for name in NAMES)
    calls = "".join(
        f"    apply_{name}(values, values + {COUNT}, values + {COUNT * (2 + k)}, {COUNT});\n"
        for k, name in enumerate(NAMES)
    )
    sources = {"math.h": HEADER, "math.c": text + MODEL % (8 * COUNT, calls)}
    sizes = (8 * COUNT,), (4 * COUNT * len(NAMES),)
    layers = tuple(f"apply_{name}" for name in NAMES)
    return build(find_compiler(kind, core), sources, ModelInterface("math", *sizes, layers))


@pytest.mark.parametrize("kind", EACH_COMPILER)
@pytest.mark.parametrize("core", CORES)
def test_equals_the_twin_on_a_core(core: str, kind: str) -> None:
    seeds = range(3)
    samples = [(b"".join(v.tobytes() for v in arguments(COUNT, seed)),) for seed in seeds]
    runs = open_machine(program(core, kind)).run(samples)
    for seed, run in zip(seeds, runs, strict=True):
        outputs = np.frombuffer(run.outputs[0], np.float32).reshape(len(NAMES), COUNT)
        for name, found in zip(NAMES, outputs, strict=True):
            assert_same_bits(found, name, COUNT, seed)


@pytest.mark.parametrize("kind", EACH_COMPILER)
def test_an_fpu_needs_no_library(kind: str) -> None:
    assert program("cortex-m4", kind).library_functions == ()


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3", "rv32imc"])
def test_no_soft_float_is_linked(core: str) -> None:
    integer = r"(.*\.)?__(aeabi_l\w+|clzsi2|\w+di3)"
    for name in program(core, "zig").library_functions:
        assert re.fullmatch(integer, name), name


FLOAT_LAYER = """
MIDGE_KERNEL float multiply_add(float a, float b, float c) { return a * b + c; }
MIDGE_LAYER float dot(const float *a, const float *b, int32_t count) {
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) { sum = multiply_add(a[i], b[i], sum); }
    return midge_sqrt_f32(sum) - (float)midge_min(count, 3) * a[0];
}
float run(const float *a);
float run(const float *a) { return dot(a, a + 100, 100); }
"""
FUSED = re.compile(r"\bvfn?m[as]\w*|\bvfms\w*|\bf(n?m(add|sub)|ml[as])\b")
GUARDED = HEADERS + FLOAT_LAYER


def compile_layer(
    kind: str, core: str, folder: Path, text: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    """Compile to assembly, a user's flags last."""
    compiler = find_compiler(kind, core)
    (folder / "layer.c").write_text(text)
    warnings = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-Wno-unused-command-line-argument")
    if kind == "gcc":
        warnings = warnings[:-1]
    return subprocess.run(
        [*compiler.command, *compiler.flags, *warnings, *flags, "-S", "layer.c", "-o", "layer.s"],
        cwd=folder,
        env={**os.environ, **compiler.environment_in(folder)},
        capture_output=True,
        check=False,
        text=True,
    )


# clang fuses for the M7 of these cores, and only by `on`, its default, does it heed the pragma.
@pytest.mark.parametrize(
    ("kind", "core", "contract"),
    [
        pytest.param("gcc", "cortex-m4", "fast", marks=needs_gcc),
        pytest.param("gcc", "cortex-m7", "fast", marks=needs_gcc),
        ("zig", "cortex-m7", "on"),
    ],
)
@pytest.mark.parametrize("level", ["-O0", "-O2", "-Os"])
def test_flags_of_a_user_fuse_nothing(
    kind: str, core: str, contract: str, level: str, tmp_path: Path
) -> None:
    flags = (level, "-std=gnu11", f"-ffp-contract={contract}")
    done = compile_layer(kind, core, tmp_path, GUARDED, *flags)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "layer.s").read_text()
    assert not FUSED.findall(text)
    assert "sqrtf" not in text
    assert "vsqrt.f32" in text


@pytest.mark.parametrize(
    ("kind", "core", "contract"),
    [
        pytest.param("gcc", "cortex-m4", "fast", marks=needs_gcc),
        ("zig", "cortex-m7", "on"),
    ],
)
def test_without_the_guard_they_would(kind: str, core: str, contract: str, tmp_path: Path) -> None:
    text = re.sub(r"#pragma (GCC optimize|STDC).*", "", GUARDED)
    done = compile_layer(kind, core, tmp_path, text, "-O2", f"-ffp-contract={contract}")
    assert done.returncode == 0, done.stderr
    assert FUSED.findall((tmp_path / "layer.s").read_text())


@pytest.mark.parametrize("kind", EACH_COMPILER)
def test_fast_math_is_refused(kind: str, tmp_path: Path) -> None:
    done = compile_layer(kind, "cortex-m4", tmp_path, GUARDED, "-O2", "-ffast-math")
    assert done.returncode != 0
    assert "only without -ffast-math" in done.stderr
