"""A model written by hand, its meaning in Python, and models of a single layer around given C."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from pathlib import Path

from midge.toolchain import ModelInterface, Program, build, find_compiler

HERE = Path(__file__).parent
SOURCES = {name: (HERE / name).read_text(encoding="utf-8") for name in ("sample.h", "sample.c")}
LAYERS = ("sample_convolve", "sample_gather", "sample_normalise")
INTERFACE = ModelInterface("sample", (128, 32), (64, 16), LAYERS)

ARM_CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55")
RISCV_CORES = ("rv32imc", "rv32imac", "hazard3")
CORES = ARM_CORES + RISCV_CORES
UNICORN_CORES = tuple(core for core in CORES if core != "cortex-m55")


def sample_sources(*options: str) -> dict[str, str]:
    """The hand-written model, with SAMPLE_FLOATS or SAMPLE_DIVIDES switched on."""
    switches = "".join(f"#define {option}\n" for option in options)
    return {**SOURCES, "sample.c": switches + SOURCES["sample.c"]}


@functools.cache
def sample_program(
    core: str, kind: str = "zig", *options: str, optimisation: str = "-O2"
) -> Program:
    """The hand-written model, built; each variant once a session."""
    compiler = find_compiler(kind, core)
    return build(compiler, sample_sources(*options), INTERFACE, optimisation=optimisation)


def samples(count: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """Seeded random inputs."""
    source = random.Random(seed)
    return [(source.randbytes(128), source.randbytes(32)) for _ in range(count)]


def meaning(
    sample: tuple[bytes, bytes], runs: int, *, divides: bool = False
) -> tuple[bytes, bytes]:
    """What sample.c computes for its ``runs``-th inference; floats and integers agree."""
    weights = (
        (3, -7, 12, 5, -128, 127, 64, -1),
        (-5, 9, 33, -70, 2, 8, -16, 40),
        (100, -100, 50, -50, 25, -25, 12, -12),
        (1, 2, 4, 8, 16, 32, 64, 127),
    )
    multipliers = (1518500250, 1288490188, 1932735283, 1073741824)
    values = _signed(sample[0])
    convolved = []
    for row in range(16):
        for channel in range(4):
            terms = zip(values[8 * row : 8 * row + 8], weights[channel], strict=True)
            total = 10 * channel + sum(a * b for a, b in terms)
            convolved.append(_clamp((total * multipliers[channel] + (1 << 36)) >> 37))
    convolved += [_wrap(value ^ 85) for value in convolved]
    gathered: list[int] = []
    for i, size in enumerate(sample[1][:8]):
        gathered += convolved[8 * i : 8 * i + (size & 7)]
    gathered += [17] * (64 - len(gathered))
    scratch = [_wrap(gathered[i % 64] ^ i) for i in range(96)]
    total = sum(scratch[95 - i] * scratch[i] * 1000003 for i in range(96))
    normalised = []
    for i in range(16):
        scaled = int((gathered[i] * 3 + 12) / 8)
        share = int(_divide(total, 3 + i + runs)) if divides else (total >> i) + runs
        normalised.append(_clamp(scaled + (share & 15)))
    return _unsigned(gathered), _unsigned(normalised)


def one_layer(
    body: str, *, layers: tuple[str, ...] = ("tiny_layer",), calls: str = "tiny_layer(arena);"
) -> tuple[dict[str, str], ModelInterface]:
    """A model named tiny around the C of its layers, which take the arena of 4 KB.

    Input and output are the arena's first 64 bytes.
    """
    header = """
#ifndef TINY_H
#define TINY_H
#include <stdint.h>
#define TINY_ARENA_BYTES 4096
#define TINY_ARENA_ALIGN 16
#define TINY_STATE_BYTES 0
enum midge_status { MIDGE_OK = 0 };
void tiny_init(void *arena, void *state);
int8_t *tiny_input(void *arena, unsigned index);
const int8_t *tiny_output(const void *arena, unsigned index);
enum midge_status tiny_run(void *arena, void *state);
#endif
"""
    source = f"""
#include "tiny.h"
{body}
void tiny_init(void *arena, void *state) {{ (void)arena; (void)state; }}
int8_t *tiny_input(void *arena, unsigned index) {{ (void)index; return (int8_t *)arena; }}
const int8_t *tiny_output(const void *arena, unsigned index)
{{
    (void)index;
    return (const int8_t *)arena;
}}
enum midge_status tiny_run(void *arena, void *state)
{{
    (void)state;
    {calls}
    return MIDGE_OK;
}}
"""
    return {"tiny.h": header, "tiny.c": source}, ModelInterface("tiny", (64,), (64,), layers)


@functools.cache
def tiny_program(
    core: str,
    body: str,
    kind: str = "zig",
    *,
    layers: tuple[str, ...] = ("tiny_layer",),
    calls: str = "tiny_layer(arena);",
    optimisation: str = "-O2",
    stack_bytes: int = 16384,
) -> Program:
    """A model of the given layers, built."""
    sources, interface = one_layer(body, layers=layers, calls=calls)
    return build(
        find_compiler(kind, core),
        sources,
        interface,
        optimisation=optimisation,
        stack_bytes=stack_bytes,
    )


def edited(old: str, new: str) -> Mapping[str, str]:
    """The hand-written model with a piece of its C replaced."""
    assert old in SOURCES["sample.c"], old
    return {**SOURCES, "sample.c": SOURCES["sample.c"].replace(old, new)}


def _signed(data: bytes) -> list[int]:
    return [byte - 256 if byte > 127 else byte for byte in data]


def _unsigned(values: list[int]) -> bytes:
    return bytes(value & 0xFF for value in values)


def _wrap(value: int) -> int:
    return (value + 128) % 256 - 128


def _clamp(value: int) -> int:
    return min(max(value, -128), 127)


def _divide(a: int, b: int) -> int:
    # C truncates towards zero; Python's // rounds down.
    return -(-a // b) if a < 0 else a // b
