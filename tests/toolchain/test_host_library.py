from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys

import pytest

from midge.errors import ToolError, UserError
from midge.toolchain import build_host_library

ADD = {"add.c": "int add(int a, int b);\nint add(int a, int b) { return a + b; }\n"}
EXPORTED = ("-fvisibility=default",)


def test_library_is_built_once_and_runs() -> None:
    path = build_host_library(ADD, flags=EXPORTED)
    assert ctypes.CDLL(str(path)).add(40, 2) == 42
    changed = path.stat().st_mtime_ns
    assert build_host_library(ADD, flags=EXPORTED) == path
    assert path.stat().st_mtime_ns == changed
    other = {"add.c": ADD["add.c"].replace("a + b", "a - b")}
    assert build_host_library(other, flags=EXPORTED) != path


def test_only_the_named_units_are_compiled() -> None:
    sources = {**ADD, "broken.c": "this is not C"}
    path = build_host_library(sources, units=("add.c",), flags=EXPORTED)
    assert ctypes.CDLL(str(path)).add(1, 2) == 3


def test_undefined_behaviour_ends_the_process_when_asked_for() -> None:
    overflow = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).add(2**31 - 1, 1); print('went on')"
    checked = build_host_library(ADD, flags=EXPORTED, sanitizers=("undefined",))
    plain = build_host_library(ADD, flags=EXPORTED)
    for path, goes_on in ((plain, True), (checked, False)):
        done = subprocess.run(
            [sys.executable, "-c", overflow, str(path)], capture_output=True, check=False
        )
        assert (b"went on" in done.stdout) is goes_on, done


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs the system's gcc")
def test_address_sanitizer_finds_a_write_past_the_end() -> None:
    source = "#include <stdlib.h>\nint f(int i);\nint f(int i) { char *p = malloc(4); p[i] = 1;\n"
    sources = {"f.c": source + "int r = p[0]; free(p); return r; }\n"}
    path = build_host_library(sources, flags=EXPORTED, sanitizers=("address",))
    command = ["gcc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    call = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).f(int(sys.argv[2])); print('went on')"
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}
    for index, fine in ((3, True), (4, False)):
        done = subprocess.run(
            [sys.executable, "-c", call, str(path), str(index)],
            capture_output=True,
            check=False,
            env=environment,
        )
        assert (b"went on" in done.stdout) is fine, done
        assert (b"heap-buffer-overflow" in done.stderr) is not fine


def test_broken_source_is_a_tool_error() -> None:
    with pytest.raises(ToolError, match=r"(?s)host's C compiler failed on bad.c.*error:"):
        build_host_library({"bad.c": "int f( {"})


def test_unknown_sanitizer_is_refused() -> None:
    with pytest.raises(UserError, match="sanitizer thread: not known; expected undefined, address"):
        build_host_library(ADD, sanitizers=("thread",))
