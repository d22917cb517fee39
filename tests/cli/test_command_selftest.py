from __future__ import annotations

import ctypes
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from midge.processes import run
from midge.toolchain import build_host_library, find_compiler
from midge.virtual_mcu import target as find_target
from support.tools import COMPILERS

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
    assert shown.out == f"wrote {name}.h, {name}.c, main.c, SELFTEST.md to {out}\n"
    return {path.name: path.read_text() for path in out.iterdir()}


def run_on_host(files: dict[str, str]) -> tuple[int, str]:
    """Exit status and what was printed."""
    flags = ("-fvisibility=default", "-include", "ticks.h", "-Dmain=selftest_main", *STRICT)
    library = ctypes.CDLL(str(build_host_library({**files, **HOST}, flags=flags)))
    library.printed.restype = ctypes.c_char_p
    status = library.selftest_main()
    return status, library.printed().decode()


def test_golden_vectors_hold_on_this_machine(midge: Command, models: Path, tmp_path: Path) -> None:
    for name in ("mobile_chain", "two_by_two"):
        files = written(midge, models / f"{name}.tflite", "rp2040", tmp_path / name)
        status, text = run_on_host(files)
        assert status == 0
        assert text == "".join(f"{name} sample {i}: equal, cycles 1234567890\n" for i in range(3))


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
def test_compiles_for_boards_without_a_warning(
    midge: Command, models: Path, tmp_path: Path, target: str
) -> None:
    files = written(midge, models / "mobile_chain.tflite", target, tmp_path)
    for cc in COMPILERS:
        compiler = find_compiler(cc, find_target(target).core.name)
        for source in (name for name in files if name.endswith(".c")):
            done = run(
                [*compiler.command, *compiler.flags, "-O2", *STRICT, "-c", source, "-o", "x.o"],
                timeout_s=120,
                cwd=tmp_path,
                env=compiler.environment_in(tmp_path),
            )
            assert (done.returncode, done.stderr_text) == (0, "")


@pytest.mark.parametrize(
    ("target", "read", "written_first"),
    [
        ("esp32c3", 0x7E2, [(1, 0x7E0), (1, 0x7E1)]),
        ("esp32c6", 0x7E2, [(1, 0x7E0), (1, 0x7E1)]),
        ("rp2350riscv", 0xB00, [(0, 0x320)]),
        ("rv32imac", 0xB00, []),
    ],
)
def test_riscv_counters_are_those_of_the_board(
    midge: Command,
    models: Path,
    tmp_path: Path,
    target: str,
    read: int,
    written_first: list[tuple[int, int]],
) -> None:
    written(midge, models / "dense.tflite", target, tmp_path)
    for cc in COMPILERS:
        compiler = find_compiler(cc, find_target(target).core.name)
        done = run(
            [*compiler.command, *compiler.flags, "-Os", "-c", "main.c", "-o", "main.o"],
            timeout_s=120,
            cwd=tmp_path,
            env=compiler.environment_in(tmp_path),
        )
        assert done.returncode == 0, done.stderr_text
        found = list(_csr_instructions((tmp_path / "main.o").read_bytes()))
        # csrrwi: register x0, a five-bit constant; csrrs: whatever register, nothing set.
        writes = [(bits, number) for kind, bits, number in found if kind == 5]
        reads = [(bits, number) for kind, bits, number in found if kind == 2]
        assert writes == written_first
        assert reads == [(0, read)] * 2


def _csr_instructions(elf: bytes) -> Iterator[tuple[int, int, int]]:
    """Every SYSTEM instruction (RISC-V ISA, 2.8): its kind, source field and CSR number."""
    for section in ELFFile(io.BytesIO(elf)).iter_sections():
        if not section.name.startswith(".text"):
            continue
        at, data = 0, section.data()
        while at < len(data):
            size = 4 if data[at] & 3 == 3 else 2
            word = int.from_bytes(data[at : at + size], "little")
            if size == 4 and word & 0x7F == 0x73:
                yield word >> 12 & 7, word >> 15 & 31, word >> 20
            at += size


def test_readme_names_what_the_board_needs(midge: Command, models: Path, tmp_path: Path) -> None:
    files = written(midge, models / "dense.tflite", "nrf52840", tmp_path)
    assert "Self-test of `dense`" in files["SELFTEST.md"]
    assert "midge_selftest_print" in files["SELFTEST.md"]
    assert "void midge_selftest_print(const char *text);" in files["main.c"]
    assert "@" not in files["main.c"], "a mark of the template was left"
