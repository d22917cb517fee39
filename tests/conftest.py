"""Options for every room; its presence puts this folder on the import path, for `support`."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Generator
from pathlib import Path

# Before NumPy and PyTorch are imported: on cores that other workers keep busy, the threads of a
# pool wait for one another six times as long as one thread works.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from support import effort

# A busy machine fails no test: what may take long has a watchdog of its own.
settings.register_profile("midge", deadline=None)
settings.load_profile("midge")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files instead of comparing"
    )
    parser.addoption(
        "--thorough", action="store_true", help="take all of what `make test` takes samples of"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--thorough"):
        effort.take_all()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected, and what it imports, stays to the end.

    To look through it for garbage again and again takes a quarter of the time of collecting.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(10_000, 20, 20)
        gc.enable()


def pytest_collection_finish() -> None:
    """Compilers' objects are kept; not before, as coverage wants to see Midge imported."""
    from support import objects

    if not effort.takes_all():
        objects.keep()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Objects that nobody wants any more go, once in a run."""
    from support import objects

    if not hasattr(session.config, "workerinput"):
        objects.remove_old()


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`-m tiny` leaves modules without that mark alone: importing them takes longer than the rest."""
    if config.getoption("markexpr") != "tiny" or collection_path.suffix != ".py":
        return None
    return "mark.tiny" not in collection_path.read_text("utf-8") or None


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """Nor does it make the cases of a function without it, which it would put away again."""
    if collector.config.getoption("markexpr") != "tiny" or not name.startswith("test_"):
        return None
    marks = [*getattr(obj, "pytestmark", ()), *collector.iter_markers()]
    return None if any(mark.name == "tiny" for mark in marks) else []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine with Python and make alone has no GCC for the cores: those cases are skipped."""
    if all(shutil.which(f"{p}-gcc") for p in ("arm-none-eabi", "riscv64-unknown-elf")):
        return
    by_name = r"\[.*gcc|test_(compiler_that_hangs|clones_of_a_function|versions_name)"
    for item in items:
        if re.search(by_name, item.nodeid):
            item.add_marker(pytest.mark.skip(reason="GCC for the cores is missing; CI has it"))
