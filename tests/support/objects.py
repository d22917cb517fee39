"""Objects that were compiled before: a run of the tests compiles what has changed since the last.

What a compiler makes depends on its program, its arguments and the C in its folder; an object is
found again by the digest of all of them. Links, and what fails, are done anew. A thorough run and
the tests of the toolchain itself leave all this alone (`tests/toolchain/conftest.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from midge.processes import Completed
from midge.toolchain import cache_directory

DAYS = 14
"""An object for which no run has asked in so many days is removed."""

# The package has a function of the module's name.
_Workshop: Any = importlib.import_module("midge.toolchain.build")._Workshop
_run = _Workshop._run


def store() -> Path:
    """Where they stand, compressed, beside the host's libraries."""
    folder = cache_directory() / "test-objects"
    folder.mkdir(exist_ok=True)
    return folder


def keep() -> None:
    """From now on this process looks for an object before it compiles."""
    _Workshop._run = _run_or_find


@contextlib.contextmanager
def left_alone() -> Iterator[None]:
    """Within, every compiler runs."""
    before, _Workshop._run = _Workshop._run, _run
    try:
        yield
    finally:
        _Workshop._run = before


def remove_old() -> None:
    """Remove those that nobody wants any more."""
    oldest = time.time() - DAYS * 24 * 3600
    for path in store().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _run_or_find(shop: Any, arguments: list[str]) -> Completed:
    if "-c" not in arguments:
        return _run(shop, arguments)
    made: Path = shop.folder / arguments[arguments.index("-o") + 1]
    kept = store() / _digest(shop, arguments)
    with contextlib.suppress(FileNotFoundError):
        made.write_bytes(zlib.decompress(kept.read_bytes()))
        os.utime(kept)
        return Completed((), 0, b"", b"")
    done = _run(shop, arguments)
    if done.returncode == 0:
        # Other workers may be at it: it comes to its place in one step.
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        part.write_bytes(zlib.compress(made.read_bytes(), 1))
        part.replace(kept)
    return done


def _digest(shop: Any, arguments: list[str]) -> str:
    compiler = shop.compiler
    program = Path(compiler.command[0]).stat()
    state = (compiler.version, compiler.command, program.st_size, program.st_mtime_ns, arguments)
    digest = hashlib.sha256(repr(state).encode())
    for path in sorted(shop.folder.rglob("*.[chS]")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(shop.folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()
