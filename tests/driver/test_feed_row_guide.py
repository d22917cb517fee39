"""docs/memory.md is executed."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.c_emitter import choose_kernels
from midge.c_emitter.streaming_choice import choose_groups
from midge.driver import Artifact
from midge.driver.samples import random_sample
from midge.graph import interpret, outputs_of
from midge.passes import run_passes
from midge.synthetic import keyword_model
from midge.toolchain import build_host_library
from support.streaming_bench import write_streamed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "memory.md"
BLOCK = re.compile(
    r"<!-- (example|file): ([\w./-]+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def blocks(kind: str) -> dict[str, str]:
    found = BLOCK.findall(PAGE.read_text("utf-8"))
    return {name: code for kind_of, name, code in found if kind_of == kind}


def test_the_examples_run_and_the_application_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kws.tflite").write_bytes(keyword_model().model_bytes)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for name, code in blocks("example").items():
        exec(compile(code, f"memory.md:{name}", "exec"), scope)
    whole, rows, fed = (scope[name] for name in ("whole", "rows", "fed"))
    assert isinstance(whole, Artifact)
    assert isinstance(rows, Artifact)
    assert isinstance(fed, Artifact)
    assert rows.plan.arena_bytes < whole.plan.arena_bytes
    header = fed.emitted.files["kws.h"]
    for line in ("#define KWS_ROWS 49", "#define KWS_ROW_BYTES 10", "void kws_begin_frame("):
        assert line in header
        assert line in PAGE.read_text("utf-8")

    _listen()


def _listen() -> None:
    graph = run_passes(midge.load("kws.tflite"))
    # Kernels that this machine has as well.
    choice = choose_kernels(graph, frozenset())
    grouping = choose_groups(graph, choice, frozenset(), fed=True)
    written = write_streamed(graph, choice, grouping.groups)
    sources = {**written.emitted.files, **blocks("file")}
    library = ctypes.CDLL(str(build_host_library(sources, flags=("-fvisibility=default", "-Wall"))))
    library.listen_start()
    for seed in range(2):
        sample = random_sample(graph, seed)
        (image,) = sample.values()
        heard = [
            library.listen_row(ctypes.create_string_buffer(row.tobytes()))
            for row in np.ascontiguousarray(image)[0]
        ]
        (scores,) = outputs_of(graph, interpret(graph, sample)).values()
        assert heard == [-1] * 48 + [int(np.argmax(scores))]
