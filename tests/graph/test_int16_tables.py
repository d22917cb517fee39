"""Sigmoid and tanh of int16: near the functions, and equal in C and Python."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from importlib import resources

import numpy as np
import pytest

from midge.graph.int16_tables import SIGMOID_TABLE, scaled_argument, sigmoid_q15, tanh_q15
from midge.toolchain import build_host_library

KERNELS = resources.files("midge") / "device" / "kernels"
SOURCE = """
#include "int16_tables.h"
int32_t sigmoid(int32_t argument);
int32_t sigmoid(int32_t argument) { return midge_sigmoid_q15(argument); }
int32_t hyperbolic(int32_t argument);
int32_t hyperbolic(int32_t argument) { return midge_tanh_q15(argument); }
"""


@cache
def library() -> ctypes.CDLL:
    sources = {n: (KERNELS / n).read_text("ascii") for n in ("base.h", "int16_tables.h")}
    flags = ("-fvisibility=default", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    path = build_host_library(
        {**sources, "tables.c": SOURCE}, flags=flags, sanitizers=("undefined",)
    )
    return ctypes.CDLL(str(path))


@pytest.mark.tiny
def test_the_table_in_c_is_the_one_in_python() -> None:
    text = (KERNELS / "int16_tables.h").read_text("ascii")
    found = re.search(r"midge_sigmoid_table\[256\] = \{(.*?)\}", text, re.DOTALL)
    assert found
    assert [int(n) for n in found[1].split(",")] == SIGMOID_TABLE.tolist()
    # TFLite Micro's, by its ends and its sum.
    assert SIGMOID_TABLE[[0, 1, 4, 255]].tolist() == [32768, 33451, 35493, 65535]
    assert int(SIGMOID_TABLE.sum()) == 15670629


@pytest.mark.tiny
def test_both_are_near_the_functions_and_symmetric() -> None:
    argument = np.arange(-140_000, 140_000, 7)
    real = argument / 12288
    assert np.abs(sigmoid_q15(argument) / 32768 - 1 / (1 + np.exp(-real))).max() < 1e-4
    assert np.abs(tanh_q15(argument) / 32768 - np.tanh(real)).max() < 1e-4
    assert np.all(np.diff(sigmoid_q15(argument)) >= 0)
    assert np.all(np.diff(tanh_q15(argument)) >= 0)
    assert sigmoid_q15(np.array([-(2**30), 0, 2**30])).tolist() == [1, 16384, 32767]
    assert tanh_q15(np.array([-(2**30), 0, 2**30])).tolist() == [-32767, 0, 32767]


@pytest.mark.tiny
def test_an_argument_is_rounded_half_up() -> None:
    values = np.array([-3, -2, -1, 0, 1, 2, 3], np.int64)
    assert scaled_argument(values, 3, 0).tolist() == [-9, -6, -3, 0, 3, 6, 9]
    assert scaled_argument(values, 1, 1).tolist() == [-1, -1, 0, 0, 1, 1, 2]


def test_c_equals_python() -> None:
    ends = [0, 1, 255, 256, 511, 512, 65279, 65280, 130559, 130560, 2**31 - 1]
    arguments = sorted({*range(-132_000, 132_000, 97), *ends, *(-e for e in ends)})
    values = np.array(arguments, np.int64)
    assert [library().sigmoid(a) for a in arguments] == sigmoid_q15(values).tolist()
    assert [library().hyperbolic(a) for a in arguments] == tanh_q15(values).tolist()
