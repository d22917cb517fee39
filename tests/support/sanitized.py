"""The emitted C on this machine, under sanitizers: no undefined behaviour, no byte too far."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache

from midge.c_emitter import Choice, choose_kernels, emit_c
from midge.driver import Artifact
from midge.driver.main_path import plan_graph
from midge.driver.selftest import selftest_files
from midge.driver.settings import Settings
from midge.graph import Graph
from midge.memory_plan import Plan
from midge.passes import run_passes
from midge.toolchain import build_host_library
from midge.version import VERSION
from midge.virtual_mcu import target
from support.layer_bench import lay_out, promised

TIMEOUT_S = 60
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


def selftest(graph: Graph) -> dict[str, str]:
    """The self-test of a network for a core without extensions; it holds golden vectors."""
    lowered = run_passes(graph)
    planned = plan_graph(lowered, choose_kernels(lowered, frozenset()), keep_input=False)
    return _selftest_of(planned.graph, planned.choice, planned.plan)


def selftest_of_layers(graph: Graph) -> dict[str, str]:
    """The self-test of layers side by side, each laid out as near to its input as it may be."""
    lowered = run_passes(graph)
    choice = choose_kernels(lowered, frozenset())
    return _selftest_of(lowered, choice, lay_out(lowered, choice, promised, 0))


def _selftest_of(graph: Graph, choice: Choice, plan: Plan) -> dict[str, str]:
    emitted = emit_c(graph, choice, plan, VERSION)
    settings = Settings(target("cortex-m0plus"))
    artifact = Artifact(graph, choice, plan, emitted, None, settings)
    return {**selftest_files(artifact), **HOST}


@cache
def _address_sanitizer() -> str:
    """Where the runtime of the system's gcc stands."""
    command = ["gcc", "-print-file-name=libasan.so"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def run_checked(files: dict[str, str], *sanitizers: str) -> subprocess.CompletedProcess[str]:
    """Run a self-test in a process of its own, which a violation ends.

    Undefined behaviour traps, which gcc compiles in half the time that a message takes; only a
    run that fails is made again, with the message.
    """
    if "address" not in sanitizers:
        return _run(files, sanitizers)
    done = _run(files, sanitizers, "-fsanitize-undefined-trap-on-error")
    if done.returncode == 0:
        return done
    said = _run(files, sanitizers)
    return said if said.returncode != 0 else done


def _run(
    files: dict[str, str], sanitizers: tuple[str, ...], *more: str
) -> subprocess.CompletedProcess[str]:
    # Nothing is optimised away before a sanitizer sees it.
    flags = ("-O0", "-fvisibility=default", "-include", "host.h", "-Dmain=selftest_main", *more)
    library = build_host_library(files, flags=flags, sanitizers=sanitizers)
    environment = dict(os.environ)
    if "address" in sanitizers:
        environment |= {
            "LD_PRELOAD": _address_sanitizer(),
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
        timeout=TIMEOUT_S,
    )
