from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midge.processes import run
from midge.toolchain import build_host_library, find_compiler

Command = Callable[..., Any]

HOST = {
    "ticks.h": """
#include <stdint.h>
#define MIDGE_SELFTEST_CYCLES() next_tick()
uint32_t next_tick(void);
""",
    "host.c": """
#include "ticks.h"
static char text[2000];
static unsigned length;
static uint32_t ticks;
void midge_selftest_print(const char *part);
const char *printed(void);
uint32_t next_tick(void) { return ticks += 1234567890u; }
void midge_selftest_print(const char *part) {
    while (*part != 0 && length < sizeof text - 1) { text[length++] = *part++; }
}
const char *printed(void) { return text; }
""",
}
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")


def written(midge: Command, model: Path, target: str, out: Path) -> dict[str, str]:
    shown = midge("selftest", model, "--target", target, "--out", out)
    assert shown.code == 0, shown
    name = model.stem
    assert shown.out == f"wrote {name}.h, {name}.c, main.c, README.md to {out}\n"
    return {path.name: path.read_text() for path in out.iterdir()}


def run_on_host(files: dict[str, str]) -> tuple[int, str]:
    """Exit status and what was printed."""
    flags = ("-fvisibility=default", "-include", "ticks.h", "-Dmain=selftest_main", *STRICT)
    library = ctypes.CDLL(str(build_host_library({**files, **HOST}, flags=flags)))
    library.printed.restype = ctypes.c_char_p
    status = library.selftest_main()
    return status, library.printed().decode()


def test_golden_vectors_hold_on_this_machine(
    midge: Command, models: Path, tmp_path: Path
) -> None:
    for name in ("mobile_chain", "two_by_two"):
        files = written(midge, models / f"{name}.tflite", "rp2040", tmp_path / name)
        status, text = run_on_host(files)
        assert status == 0
        assert text == "".join(
            f"{name} sample {i}: equal, cycles 1234567890\n" for i in range(3)
        )


@pytest.mark.parametrize("what", ["golden_1_output_0", "golden_1_input_0"])
def test_one_wrong_byte_shows(midge: Command, models: Path, tmp_path: Path, what: str) -> None:
    files = written(midge, models / "dense.tflite", "rp2040", tmp_path)
    array = re.search(rf"{what}\[\d+\] \S+ = \{{\n *(-?\d+)", files["main.c"])
    assert array, files["main.c"]
    value = int(array[1])
    start, end = array.span(1)
    main = files["main.c"]
    other = value - 100 if value > 0 else value + 100
    status, text = run_on_host({**files, "main.c": f"{main[:start]}{other}{main[end:]}"})
    assert status == 1
    assert re.findall(r"sample \d: (\w+)", text) == ["equal", "WRONG", "equal"]


@pytest.mark.parametrize("target", ["cortex-m4", "rp2040", "esp32c3"])
@pytest.mark.parametrize("cc", ["zig", "gcc"])
def test_compiles_for_boards_without_a_warning(
    midge: Command, models: Path, tmp_path: Path, target: str, cc: str
) -> None:
    from midge.virtual_mcu import target as find_target

    written(midge, models / "mobile_chain.tflite", target, tmp_path)
    compiler = find_compiler(cc, find_target(target).core.name)
    for source in ("main.c", "mobile_chain.c"):
        done = run(
            [*compiler.command, *compiler.flags, "-O2", *STRICT, "-c", source, "-o", "main.o"],
            timeout_s=120,
            cwd=tmp_path,
            env=compiler.environment_in(tmp_path),
        )
        assert done.returncode == 0, done.stderr_text
        assert not done.stderr_text


def test_readme_names_what_the_board_needs(midge: Command, models: Path, tmp_path: Path) -> None:
    files = written(midge, models / "dense.tflite", "nrf52840", tmp_path)
    assert "Self-test of `dense`" in files["README.md"]
    assert "midge_selftest_print" in files["README.md"]
    assert "void midge_selftest_print(const char *text);" in files["main.c"]
    assert "@" not in files["main.c"], "a mark of the template was left"
