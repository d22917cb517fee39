"""`float_math.h` equals its NumPy twin in every bit on the host, in the variants of all cores."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
from float_math_arguments import NAMES, arguments, assert_same_bits, loop

from midge.toolchain import build_host_library


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
