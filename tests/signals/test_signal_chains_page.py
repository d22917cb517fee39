"""The examples of docs/signal-chains.md run."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import pytest
from chain_support import FLAGS

from midge.signals import FEATURES, emit_chain
from midge.toolchain import build_host_library

PAGE = Path(__file__).resolve().parents[2] / "docs" / "signal-chains.md"
BLOCK = re.compile(
    r"<!-- (example|file): ([\w.]+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def test_the_examples_run_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = [
        (name, code) for kind, name, code in BLOCK.findall(PAGE.read_text()) if kind == "example"
    ]
    assert [name for name, _ in blocks] == ["detect", "device"]
    scope: dict[str, Any] = {}
    for name, code in blocks:
        exec(compile(code, name, "exec"), scope)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1] == "(37, 36)"
    assert printed[3] == "[0 0 0 0]"
    assert "of the time" in printed[5]


def test_the_c_of_the_page_reports_the_twins_beats() -> None:
    found = {name: code for kind, name, code in BLOCK.findall(PAGE.read_text())}
    scope: dict[str, Any] = {}
    exec(found["detect"], scope)
    files = emit_chain(scope["chain"], "test") | {"app.c": found["app.c"]}
    flags = [flag for flag in FLAGS if flag != "-Werror"]
    library = ctypes.CDLL(str(build_host_library(files, flags=flags)))
    library.start()
    fed = scope["chain"].with_tail(scope["samples"])
    said = [library.sampled(ctypes.c_int16(int(sample))) for sample in fed]
    positions = [p for p in said if 0 <= p < scope["samples"].size]
    assert positions == scope["found"].positions.tolist()


def test_every_feature_has_its_c() -> None:
    header = PAGE.parents[1] / "src" / "midge" / "device" / "signals" / "features.h"
    assert set(re.findall(r"^MIDGE_FEATURE\((\w+),", header.read_text(), re.MULTILINE)) == set(
        FEATURES
    )
