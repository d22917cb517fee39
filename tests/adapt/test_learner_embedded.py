"""The emitted C in a larger program: from C++, beside other learners, without foreign symbols."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from midge.adapt import StreamModel
from midge.adapt.monitor import AlarmRule, Monitor
from midge.errors import UserError
from midge.processes import run
from midge.signals import BandEnergies, emit_chain, heartbeat_chain
from midge.toolchain.compilers import zig_environment, zig_program

TARGET = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4", "-ffreestanding")
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror")
MODELS = {
    "one": StreamModel(4, 60, "8 KB"),
    "two": StreamModel(1, 1, "4 KB", arithmetic="fixed"),
    "three": StreamModel(2, 9, "5 KB"),
}


def compiled(folder: Path, driver: str, *arguments: str) -> None:
    done = run(
        [zig_program(), driver, *TARGET, "-fno-sanitize=undefined", *STRICT, *arguments],
        timeout_s=120,
        cwd=folder,
        env=zig_environment(folder),
    )
    assert done.returncode == 0, done.stderr_text


def symbols(path: Path) -> tuple[set[str], set[str]]:
    """Global names: what a file has, and what it wants of others."""
    table = ELFFile(io.BytesIO(path.read_bytes())).get_section_by_name(".symtab")
    own, wanted = set(), set()
    for symbol in table.iter_symbols():
        if symbol.name and symbol["st_info"]["bind"] == "STB_GLOBAL":
            (wanted if symbol["st_shndx"] == "SHN_UNDEF" else own).add(symbol.name)
    return own, wanted


def test_learners_stand_side_by_side_in_a_program_of_cplusplus(tmp_path: Path) -> None:
    monitor = Monitor(BandEnergies("bands", 64, 3), learn=10)
    files = {
        **{file: text for name, model in MODELS.items() for file, text in model.emit(name).items()},
        **monitor.emit("watch"),
        **emit_chain(heartbeat_chain("beats", 360), "0"),
    }
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    includes = [f'#include "{file}"\n' for file in files if file.endswith(".h")]
    calls = [
        f"    static struct {name}_state {name};\n    {name}_init(&{name});\n"
        for name in (*MODELS, "watch", "watch_learner", "bands", "beats")
    ]
    (tmp_path / "app.cpp").write_text(
        f"{''.join(includes * 2)}void begin() {{\n{''.join(calls)}}}\n"
    )
    for standard in ("c++11", "c++20"):
        compiled(tmp_path, "c++", f"-std={standard}", "-c", "app.cpp", "-o", "app.o")
    _, wanted = symbols(tmp_path / "app.o")
    for name in (*MODELS, "watch", "watch_learner", "bands", "beats"):
        assert f"{name}_init" in wanted, "C names, not C++ ones"


def test_a_learner_has_no_names_but_its_own_and_wants_little(tmp_path: Path) -> None:
    seen: set[str] = set()
    for name, model in MODELS.items():
        for file, text in model.emit(name).items():
            (tmp_path / file).write_text(text)
        compiled(tmp_path, "cc", "-std=c99", "-Os", "-c", f"{name}.c", "-o", f"{name}.o")
        (tmp_path / "user.c").write_text(  # as the header has it, with nothing else included
            f'#include "{name}.h"\nvoid tick(struct {name}_state *state, '
            f"const {model.dialect.number} *x, struct {name}_step *step);\n"
            f"void tick(struct {name}_state *state, const {model.dialect.number} *x, "
            f"struct {name}_step *step) {{ {name}_update(state, x, step, NULL); }}\n"
        )
        compiled(tmp_path, "cc", "-std=c99", "-c", "user.c", "-o", "user.o")
        own, wanted = symbols(tmp_path / f"{name}.o")
        doors = ("init", "update", "forecast", "save", "restore")
        assert own == {f"{name}_{door}" for door in doors}
        # What a compiler writes for copies of structs and 64-bit numbers; no libc beyond it.
        assert {w for w in wanted if not w.startswith("__aeabi_")} <= {"memcpy", "memset"}
        sections = ELFFile(io.BytesIO((tmp_path / f"{name}.o").read_bytes())).iter_sections()
        in_ram = [s.name for s in sections if s.name.startswith((".data", ".bss")) and s.data_size]
        assert not in_ram
        assert not seen & own
        seen |= own


@pytest.mark.parametrize("name", ["midge", "midge_one", "midges", None, 5])
def test_a_name_that_stands_inside_already_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"emit: found the name {name!r}"):
        StreamModel().emit(name)


@pytest.mark.parametrize("value", [1.5, "4", None, True, [1], float("nan")], ids=repr)
def test_what_is_no_whole_number_does_not_get_into_the_c(value: Any) -> None:
    """It did: ``state->left = 1.5u;``"""
    for make in (
        lambda: Monitor(BandEnergies("bands", 64, 3), learn=value),
        lambda: Monitor(BandEnergies("bands", 64, 3), learn=1, hold=value),
        lambda: AlarmRule(flagged=value),
        lambda: AlarmRule(of=value),
        lambda: Monitor(value, learn=1),
    ):
        with pytest.raises(UserError, match=r"found|front is"):
            make()
