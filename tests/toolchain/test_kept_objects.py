"""The objects that the tests keep from run to run stand in for nothing that has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sample_model import one_layer

from midge.errors import ToolError
from midge.processes import Completed
from midge.toolchain import build, find_compiler
from support import objects

LAYER = "__attribute__((noinline)) static void tiny_layer(void *arena) {{ *(int8_t *)arena = {}; }}"


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What of a model has been compiled, from an empty folder on."""
    sources: list[str] = []
    plain = objects._run

    def run(shop: Any, arguments: list[str]) -> Completed:
        if "-c" in arguments:
            sources.append(arguments[arguments.index("-c") + 1])
        return plain(shop, arguments)

    monkeypatch.setattr(objects, "_run", run)
    monkeypatch.setattr(objects, "store", lambda: tmp_path)
    objects.keep()
    return sources


def test_an_object_is_found_again_until_anything_changes(compiled: list[str]) -> None:
    def compiles(source: str, core: str = "cortex-m3", level: str = "-O2") -> bool:
        compiled.clear()
        program = build(find_compiler("zig", core), *one_layer(source), optimisation=level)
        elves.append(program.elf)
        return any(name.startswith("model/") for name in compiled)

    elves: list[bytes] = []
    one, two = LAYER.format("1"), LAYER.format("2")
    assert compiles(one)
    assert not compiles(one)
    assert elves[0] == elves[1]
    assert compiles(two)
    assert compiles(one, core="cortex-m4")
    assert compiles(one, level="-Os")
    assert not compiles(two)
    assert elves[2] == elves[-1] != elves[0]


def test_what_fails_fails_again(compiled: list[str]) -> None:
    for _ in range(2):
        compiled.clear()
        with pytest.raises(ToolError, match="failed while compiling"):
            build(find_compiler("zig", "cortex-m3"), *one_layer("nonsense"))
        assert any(name.startswith("model/") for name in compiled)


def test_what_nobody_asked_for_goes(
    compiled: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(find_compiler("zig", "cortex-m3"), *one_layer(LAYER.format("3")))
    assert compiled
    kept = set(tmp_path.iterdir())
    assert kept
    objects.remove_old()
    assert set(tmp_path.iterdir()) == kept
    monkeypatch.setattr(objects, "DAYS", -1)
    objects.remove_old()
    assert not set(tmp_path.iterdir())
