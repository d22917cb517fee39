"""The emitted C under the sanitizers of this machine: no undefined behaviour, no byte too far."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache

import pytest

from midge.c_emitter import choose_kernels, emit_c
from midge.driver import Artifact
from midge.driver.main_path import plan_graph
from midge.driver.selftest import selftest_files
from midge.driver.settings import Settings
from midge.graph import Graph
from midge.passes import run_passes
from midge.toolchain import build_host_library
from midge.version import VERSION
from midge.virtual_mcu import target
from support.networks import (
    join,
    mobile_chain,
    padded,
    residual_branches,
    single_ops,
    two_by_two,
)

HOST = {
    "host.h": """
#include <stdint.h>
#define MIDGE_SELFTEST_CYCLES() ((uint32_t)0)
""",
    "host.c": """
#include <stdio.h>
void midge_selftest_print(const char *text);
void midge_selftest_print(const char *text) { fputs(text, stdout); fflush(stdout); }
""",
}
OPERATORS = (
    *("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "AVERAGE_POOL_2D", "MAX_POOL_2D"),
    *("ADD", "SOFTMAX", "RESHAPE", "PAD"),
)
NETWORKS = (*OPERATORS, "networks")
needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs the system's gcc")


@cache
def files_of(name: str) -> dict[str, str]:
    """The self-test of every single-operator network of an operator, or of the larger networks."""
    if name == "networks":
        joined = join((mobile_chain(), residual_branches(), two_by_two(), padded()))
    else:
        joined = join(single_ops(name))
    return selftest(joined.graph)


def selftest(graph: Graph) -> dict[str, str]:
    """The self-test of a network for a core without extensions; it holds golden vectors."""
    lowered = run_passes(graph)
    planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=False)
    emitted = emit_c(planned.graph, planned.choice, planned.plan, VERSION)
    settings = Settings(target("cortex-m0plus"))
    artifact = Artifact(planned.graph, planned.choice, planned.plan, emitted, None, settings)
    return {**selftest_files(artifact), **HOST}


def run_checked(files: dict[str, str], *sanitizers: str) -> subprocess.CompletedProcess[str]:
    """Run a self-test in a process of its own, which a violation ends."""
    # Nothing is optimised away before a sanitizer sees it.
    flags = ("-O0", "-fvisibility=default", "-include", "host.h", "-Dmain=selftest_main")
    library = build_host_library(files, flags=flags, sanitizers=sanitizers)
    environment = dict(os.environ)
    if "address" in sanitizers:
        command = ["gcc", "-print-file-name=libasan.so"]
        runtime = subprocess.run(command, capture_output=True, check=True, text=True)
        environment |= {
            "LD_PRELOAD": runtime.stdout.strip(),
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
    call = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).selftest_main())"
    return subprocess.run(
        [sys.executable, "-c", call, str(library)],
        capture_output=True,
        check=False,
        env=environment,
        text=True,
    )


def assert_clean(files: dict[str, str], *sanitizers: str) -> None:
    done = run_checked(files, *sanitizers)
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.count(": equal, cycles 0\n") == 3


@pytest.mark.parametrize("name", NETWORKS)
def test_no_undefined_behaviour(name: str) -> None:
    assert_clean(files_of(name), "undefined")


@needs_gcc
@pytest.mark.parametrize("name", NETWORKS)
def test_no_byte_too_far(name: str) -> None:
    assert_clean(files_of(name), "address", "undefined")


@needs_gcc
def test_a_byte_too_far_and_an_overflow_are_seen() -> None:
    # The sanitizers see into the emitted file: faults planted there end the run.
    files = selftest(join(single_ops("MAX_POOL_2D")[:2], "net").graph)
    loop = "for (int32_t k = columns.first; k < columns.last; k++) {"
    assert loop in files["net.c"]
    outside = files["net.c"].replace(
        loop, loop.replace("k < columns.last", "k < columns.last + 999")
    )
    assert run_checked({**files, "net.c": outside}, "address", "undefined").returncode != 0
    mean = "return sum > 0 ? (sum + count / 2) / count"
    files = selftest(join(single_ops("AVERAGE_POOL_2D")[:2], "net").graph)
    assert mean in files["net.c"]
    overflow = files["net.c"].replace(mean, "sum += INT32_MAX - 3; " + mean)
    assert run_checked({**files, "net.c": overflow}, "undefined").returncode != 0
    assert run_checked(files, "undefined").returncode == 0
