"""`float_math.h` equals its NumPy twin in every bit, on the host and on cores; what `float32.h` bars."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from midge.c_emitter.amalgamate import kernel_text
from midge.graph import float_math
from midge.toolchain import ModelInterface, Program, build, build_host_library, find_compiler
from midge.virtual_mcu import open_machine
from support.tools import EACH_COMPILER, needs_gcc

UNARY = (
    *("exp", "expm1", "logistic", "tanh", "erf", "log", "sin", "cos", "sqrt"),
    "round_half_away",
)
BINARY = ("power", "divide")
NAMES = UNARY + BINARY
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


def loop(name: str, prefix: str) -> str:
    """A C function that applies one of ours to arrays."""
    arguments = "a[i], b[i]" if name in BINARY else "a[i]"
    return f"""
{prefix}void apply_{name}(const float *a, const float *b, float *y, int count) {{
    (void)b;
    for (int i = 0; i < count; i++) {{ y[i] = midge_{name}_f32({arguments}); }}
}}
"""


@cache
def arguments(count: int, seed: int) -> tuple[Any, Any]:
    """Pairs of floats: all exponents and what networks see, seed 0 every pair of special ones first."""
    generator = np.random.default_rng(seed)
    special = [0, 1, 0x7FFFFF, 0x800000, 0x3EFFFFFF, 0x3F000000, 0x3F7FFFFF, 0x3F800000]
    special += [0x3F800001, 0x40000000, 0x42B17218, 0x4B000000, 0x7F7FFFFF, 0x7F800000]
    special += [0x7F800001, 0x7FC00000]
    bits = np.array([*special, *(b | 0x80000000 for b in special)])
    pairs = np.stack(np.meshgrid(bits, bits), axis=-1).reshape(-1, 2)
    drawn = generator.integers(0, 2**32, (count, 2))
    # Quotients and powers around the border of the subnormal numbers.
    low = drawn[: count // 8] & [0x87FFFFFF, 0xFFFFFFFF] | [0, 0x3C000000]
    spread = generator.uniform(-1, 1, (count, 2)) * 2.0 ** generator.integers(-14, 8, (count, 2))
    mixture = np.concatenate([drawn, low, spread.astype(np.float32).view(np.uint32)])
    every = np.concatenate([pairs[: 0 if seed else None], generator.permutation(mixture)])
    every = every.astype(np.uint32).view(np.float32)
    return np.ascontiguousarray(every[:count, 0]), np.ascontiguousarray(every[:count, 1])


@cache
def expected_of(name: str, count: int, seed: int) -> Any:
    a, b = arguments(count, seed)
    function = getattr(float_math, name)
    return function(a, b) if name in BINARY else function(a)


def assert_same_bits(found: Any, name: str, count: int, seed: int) -> None:
    """Every bit, but that of NaN there is one."""
    (a, b), expected = arguments(count, seed), expected_of(name, count, seed)
    same = found.view(np.uint32) == expected.view(np.uint32)
    wrong = np.flatnonzero(~(same | (np.isnan(found) & np.isnan(expected))))
    what = f"{name}, {wrong.size} of {a.size}"
    first = wrong[:1]
    assert not wrong.size, (what, a[first], b[first], found[first], expected[first])


@cache
def host_library(*flags: str) -> Any:
    kernels = resources.files("midge.device") / "kernels"
    headers = ("base.h", "leading_zeros.h", "float_math.h")
    sources = {n: (kernels / n).read_text("ascii") for n in headers}
    declared = "void apply_{}(const float *a, const float *b, float *y, int count);\n"
    text = '#include "float_math.h"\n' + "".join(declared.format(n) for n in NAMES)
    sources["apply.c"] = text + "".join(loop(name, "") for name in NAMES)
    strict = ("-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    # A trap would end this process: what is undefined is found, not only what comes out wrong.
    path = build_host_library(
        sources, flags=("-fvisibility=default", *strict, *flags), sanitizers=("undefined",)
    )
    return ctypes.CDLL(str(path))


LEAN = ("-ffreestanding", "-D__ARM_ARCH_6M__", "-D__riscv")
VARIANTS = {"host": (), "lean": LEAN, "divider": (*LEAN, "-D__riscv_div")}
"""The host's own, and the ways of cores that lack instructions."""


@pytest.mark.parametrize(
    ("name", "variant"),
    [(n, v) for n in NAMES for v in VARIANTS if n == "divide" or v != "divider"],
)
def test_equals_the_twin_on_the_host(name: str, variant: str) -> None:
    count, seed = 200000, 0
    a, b = arguments(count, seed)
    found = np.zeros_like(a)
    function = getattr(host_library(*VARIANTS[variant]), f"apply_{name}")
    function(*(v.ctypes.data_as(ctypes.c_void_p) for v in (a, b, found)), a.size)
    assert_same_bits(found, name, count, seed)


@cache
def program(core: str, kind: str) -> Program:
    """A model that computes every function of its input's pairs."""
    layer = "static __attribute__((noinline)) "
    text = kernel_text(["float_math.h"]) + "".join(loop(name, layer) for name in NAMES)
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
GUARDED = kernel_text(["float32.h", "float_math.h", "requantize.h"]) + FLOAT_LAYER


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
