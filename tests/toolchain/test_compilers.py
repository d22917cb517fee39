from __future__ import annotations

import dataclasses
import importlib.util
import shutil
from pathlib import Path

import pytest
from sample_model import CORES, INTERFACE, one_layer, sample_sources

from midge.errors import ToolError, UserError
from midge.toolchain import build, cache_directory, find_compiler

PLAIN_LAYER = """
__attribute__((noinline)) static void tiny_layer(void *arena) { *(int8_t *)arena += (int8_t)1; }
"""


@pytest.mark.parametrize("kind", ["zig", "gcc"])
@pytest.mark.parametrize("core", CORES)
def test_every_core_has_its_units(core: str, kind: str) -> None:
    # The build stops with #error when the compiler's flags leave a unit of the core out.
    compiler = find_compiler(kind, core)
    assert compiler.core == core
    program = build(compiler, *one_layer(PLAIN_LAYER))
    assert program.library_functions == (), "the harness must not pull in library routines"
    assert program.compiler == compiler.version


@pytest.mark.parametrize(
    ("core", "kind", "flag", "weaker", "condition"),
    [
        ("cortex-m33", "zig", "-mcpu=cortex_m33+dsp+fp_armv8d16sp", "-mcpu=cortex_m33", "DSP"),
        (
            "cortex-m55",
            "zig",
            "-mcpu=cortex_m55+mve+fp_armv8d16sp",
            "-mcpu=cortex_m55+fp_armv8d16sp",
            "MVE",
        ),
        ("cortex-m4", "gcc", "-mcpu=cortex-m4", "-mcpu=cortex-m3", "7EM"),
        ("rv32imac", "gcc", "-march=rv32imac", "-march=rv32imc", "atomic"),
    ],
)
def test_missing_unit_stops_the_build(
    core: str, kind: str, flag: str, weaker: str, condition: str
) -> None:
    compiler = find_compiler(kind, core)
    flags = tuple(weaker if found == flag else found for found in compiler.flags)
    assert flags != compiler.flags
    with pytest.raises(ToolError, match=f"expected of this core: .*{condition}"):
        build(dataclasses.replace(compiler, flags=flags), sample_sources(), INTERFACE)


def test_versions_name_the_compiler() -> None:
    assert "clang" in find_compiler("zig", "cortex-m4").version
    assert find_compiler("gcc", "rv32imc").version.startswith("riscv64-unknown-elf-gcc ")


def test_unknown_compiler_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="compiler 'icc' is not known; expected one of zig, gcc"):
        find_compiler("icc", "cortex-m4")


def test_core_without_a_compiler_lists_the_others() -> None:
    with pytest.raises(UserError, match=r"core 'xtensa-lx6': no C compiler.*cortex-m0plus"):
        find_compiler("zig", "xtensa-lx6")


@pytest.mark.parametrize(
    ("core", "package"),
    [("cortex-m3", "gcc-arm-none-eabi"), ("rv32imc", "gcc-riscv64-unknown-elf")],
)
def test_missing_gcc_says_how_to_install_it(
    core: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("arm-none-eabi-gcc") is None
    with pytest.raises(ToolError, match=f"apt-get install {package}.*choose --cc zig"):
        find_compiler("gcc", core)


def test_missing_zig_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ToolError, match="pip install ziglang"):
        find_compiler("zig", "cortex-m3")


def test_cache_directory_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIDGE_CACHE_DIR", str(tmp_path / "a" / "b"))
    assert cache_directory() == tmp_path / "a" / "b"
    monkeypatch.delenv("MIDGE_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "midge"
    assert cache_directory().is_dir()


def test_cache_directory_that_cannot_be_made_is_a_tool_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("MIDGE_CACHE_DIR", str(file / "cache"))
    with pytest.raises(ToolError, match=r"cannot be made .* set MIDGE_CACHE_DIR"):
        cache_directory()
