"""Another judge: unit tests of single kernel files, which see numbers that no network shows.

A mutant that few networks do not notice goes to the tests in ``tests/device`` that name its file.
They run against a copy of the package in which that file is changed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.mlperf_tiny import REPOSITORY
from midge import processes

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class UnitTests:
    """The unit tests of one kernel file.

    Attributes:
        file: The kernel file's name.
        paths: The tests.
    """

    file: str
    paths: tuple[Path, ...]

    @property
    def name(self) -> str:
        """For people."""
        return " ".join(path.name for path in self.paths)

    def run(self, text: str) -> int | None:
        """The exit status of pytest with this text in the kernel file's place; None: it hangs."""
        with tempfile.TemporaryDirectory(prefix="midge-mutant-") as temporary:
            package = Path(temporary) / "midge"
            shutil.copytree(
                REPOSITORY / "src" / "midge", package, ignore=shutil.ignore_patterns("__pycache__")
            )
            (package / "device" / "kernels" / self.file).write_text(text, "ascii")
            options = ["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
            environment = {
                "PYTHONPATH": temporary,
                "PYTHONDONTWRITEBYTECODE": "1",
                # Neither failing examples nor libraries of mutants are worth keeping.
                "HYPOTHESIS_STORAGE_DIRECTORY": str(Path(temporary) / "hypothesis"),
                "MIDGE_CACHE_DIR": str(REPOSITORY / "build" / "mutants" / "cache"),
            }
            try:
                done = processes.run(
                    [sys.executable, "-m", "pytest", *options, *self.paths],
                    timeout_s=_TIMEOUT_S,
                    cwd=REPOSITORY,
                    env=environment,
                )
            except processes.TimedOutError:
                return None
            return done.returncode


def unit_tests(file: str) -> UnitTests | None:
    """The tests in ``tests/device`` that name a kernel file; None where none does."""
    folder = REPOSITORY / "tests" / "device"
    named = [p for p in sorted(folder.glob("test_*.py")) if f'"{file}"' in p.read_text("utf-8")]
    return UnitTests(file, tuple(named)) if named else None
