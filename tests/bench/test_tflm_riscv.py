"""The comparison with TFLite Micro on RISC-V: what it does with sources that it is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.tflm_riscv import Row, fastest, figures
from bench.tflm_riscv_sources import ORIGINS, find_sources

from midge import UserError


@pytest.mark.tiny
def test_folders_that_hold_the_sources_are_taken_as_they_are(tmp_path: Path) -> None:
    for origin in ORIGINS:
        file = tmp_path / origin.name / origin.holds
        file.parent.mkdir(parents=True)
        file.touch()
    given: dict[str, Path | None] = {o.name: tmp_path / o.name for o in ORIGINS}
    sources = find_sources(given, tmp_path / "cache")
    assert f"-I{tmp_path.resolve() / 'flatbuffers' / 'include'}" in sources.includes
    assert not (tmp_path / "cache").exists()


@pytest.mark.tiny
def test_a_folder_without_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--tflm .*micro_interpreter.cc was not found there"):
        find_sources({"tflm": tmp_path}, tmp_path / "cache")


@pytest.mark.tiny
def test_midge_is_held_against_the_fastest_build() -> None:
    peers = [
        Row("ad01", "TFLite Micro", compiler, 3, count, 10, 1, 1, 1, 1, own=False)
        for compiler, count in (("gcc", 90), ("zig", 80))
    ]
    own = Row("ad01", "Midge", "zig", 3, 20, 10, 1, 1, 1, 1, own=True)
    assert fastest([*peers, own], "ad01") == 80
    assert fastest(peers, "kws01") is None
    assert "| ad01 | Midge | zig | 20 | 2.00 | 4.00 |" in figures([*peers, own])
