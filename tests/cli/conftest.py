"""The command line in this process, and model files to give it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from midge.cli import main
from midge.synthetic import SyntheticNetwork
from support.networks import dense, mobile_chain, padded, two_by_two


@dataclass(frozen=True)
class Shown:
    """What a command left: its exit code and both streams, lines of progress apart."""

    code: int
    out: str
    err: str
    progress: str = ""


Command = Callable[..., Shown]


@pytest.fixture
def midge(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one command."""

    def run(*arguments: object) -> Shown:
        capsys.readouterr()
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        lines = err.splitlines(keepends=True)
        measuring = [line.startswith("measuring kernels on ") for line in lines]
        progress, rest = (
            "".join(line for line, is_it in zip(lines, measuring, strict=True) if is_it is wanted)
            for wanted in (True, False)
        )
        return Shown(code, out, rest, progress)

    return run


@pytest.fixture
def refused(midge: Command) -> Callable[..., str]:
    """Run a command that must fail with one message; returns it without its beginning."""

    def run(*arguments: object, code: int = 2, match: str = "") -> str:
        shown = midge(*arguments)
        assert shown.code == code, shown
        assert shown.err.startswith("midge: error: "), shown
        assert shown.err.count("midge: ") == 1, shown
        assert "Traceback" not in shown.err + shown.out, shown
        assert re.search(match, shown.err, re.DOTALL), shown
        return shown.err.removeprefix("midge: error: ").removesuffix("\n")

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model files."""
    folder = tmp_path_factory.mktemp("models")
    made: tuple[SyntheticNetwork, ...] = (dense(), mobile_chain(), two_by_two(), padded())
    for network in made:
        (folder / f"{network.name}.tflite").write_bytes(network.model_bytes)
    return folder
