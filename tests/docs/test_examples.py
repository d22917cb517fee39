"""Every example of the README and the guides is executed."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import midge
from midge.driver import save
from midge.graph import (
    DType,
    Graph,
    Tensor,
    initial_state,
    interpret,
    outputs_of,
    state_after,
)
from midge.graph.text_tokens import quote
from midge.synthetic import keyword_model, streaming_keyword_model
from midge.toolchain import build_host_library

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"<!-- (example|file): ([\w./-]+) -->\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL
)


def blocks(page: str, kind: str) -> dict[str, str]:
    """The marked code blocks of a page, by name."""
    text = (ROOT / page).read_text("utf-8")
    return {name: code for found, name, code in BLOCK.findall(text) if found == kind}


@pytest.fixture
def _folder_with_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kws.tflite").write_bytes(keyword_model().model_bytes)
    (tmp_path / "stream.tflite").write_bytes(streaming_keyword_model().model_bytes)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder_with_model")
@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "docs/compile.md", "docs/midge-file.md", "docs/streaming.md"),
        *("docs/learner.md", "docs/monitor.md"),
    ],
)
def test_python_examples_run(page: str) -> None:
    examples = blocks(page, "example")
    assert examples
    scope: dict[str, object] = {}
    for name, code in examples.items():
        exec(compile(code, f"{page}:{name}", "exec"), scope)


@pytest.mark.usefixtures("_folder_with_model")
def test_the_application_of_the_streaming_guide_hears_two_microphones() -> None:
    graph = midge.load("stream.tflite")
    artifact = midge.compile(graph, target="cortex-m0plus")
    sources = {**artifact.emitted.files, **blocks("docs/streaming.md", "file")}
    library = ctypes.CDLL(str(build_host_library(sources, flags=("-fvisibility=default", "-Wall"))))
    size = artifact.built.state_bytes
    memory = [(ctypes.c_uint8 * (size + 16))() for _ in range(2)]
    microphones = [ctypes.addressof(m) + -ctypes.addressof(m) % 16 for m in memory]
    frames = np.random.default_rng(3).normal(0, 4, (2, 30, 40)).astype(np.float32)
    expected = [_classes(graph, of_one) for of_one in frames]
    for microphone in microphones:
        library.microphone_start(ctypes.c_void_p(microphone))

    def hear(which: int, step: int) -> int:
        features = frames[which, step].ctypes.data
        place = ctypes.c_void_p(microphones[which])
        return int(library.microphone_hear(place, ctypes.c_void_p(features)))

    for step in range(30):
        assert [hear(which, step) for which in (0, 1)] == [classes[step] for classes in expected]
    library.microphone_restart(ctypes.c_void_p(microphones[1]))
    assert [hear(1, step) for step in range(5)] == expected[1][:5]
    misplaced = ctypes.c_void_p(microphones[0] + 8)
    assert library.microphone_hear(misplaced, ctypes.c_void_p(frames.ctypes.data)) == -1


def _classes(graph: Graph, frames: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[int]:
    """What the interpreter makes of a stream of real numbers."""
    x = graph.tensors[graph.inputs[0]]
    steps = frames / np.float32(x.scale)
    rounded = np.trunc(steps + np.copysign(np.float32(0.5), steps)) + x.zero_point
    codes = np.clip(rounded, -128, 127).astype(np.int8)
    state = initial_state(graph)
    classes = []
    for frame in codes:
        values = interpret(graph, {x.name: frame.reshape(x.shape)}, state)
        state = state_after(graph, values)
        classes.append(int(outputs_of(graph, values)[graph.outputs[0]].argmax()))
    return classes


@pytest.mark.usefixtures("_folder_with_model")
def test_the_reader_of_the_file_guide_reads_every_type() -> None:
    """Its constants are those of a graph that has every element type, int4 in odd numbers too."""
    codes = (np.arange(21) % 9 - 4).reshape(3, 7)
    types = [Tensor(f'a "{d.value}"\n', (3, 7), d, None, codes.astype(d.numpy)) for d in DType]
    graph = midge.load("kws.tflite")
    save(replace(graph, tensors={**graph.tensors, **{t.name: t for t in types}}), "kws.midge")
    scope: dict[str, Any] = {}
    exec(compile(blocks("docs/midge-file.md", "example")["read"], "midge-file.md", "exec"), scope)
    for tensor in types:
        read = scope["constants"][quote(tensor.name)[1:-1]]
        assert (read.dtype, read.shape) == (tensor.dtype.numpy, tensor.shape)
        assert np.array_equal(read, np.asarray(tensor.data)), tensor


def test_every_python_block_is_marked() -> None:
    for page in ("README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))):
        text = (ROOT / page).read_text("utf-8")
        marked = sum(len(blocks(page, kind)) for kind in ("example", "file"))
        assert len(re.findall(r"^```(?:python)", text, re.MULTILINE)) <= marked, page


def test_every_command_is_in_the_readme() -> None:
    from midge.cli import parser

    commands = re.findall(r"^ {4}(\w+) ", parser().format_help(), re.MULTILINE)
    assert {"targets", "compile", "run", "show", "selftest"} <= set(commands)
    readme = (ROOT / "README.md").read_text("utf-8")
    for command in commands:
        assert f"midge {command}" in readme, command


def test_the_operator_of_the_guide_runs_on_the_device(tmp_path: Path) -> None:
    """Four files in four rooms, as ARCHITECTURE.md says; nothing else is touched."""
    files = blocks("docs/adding-an-operator.md", "file")
    rooms = {name.split("/")[0] for name in files}
    assert rooms == {"graph", "importers", "c_emitter", "device"}
    package = tmp_path / "midge"
    shutil.copytree(ROOT / "src" / "midge", package)
    for name, text in files.items():
        assert not (package / name).exists(), (
            f"{name} exists already: the guide needs another example"
        )
        (package / name).write_text(text, "utf-8")
    script = tmp_path / "script.py"
    script.write_text(REVERSE, "utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = np.array([int(v) for v in done.stdout.split()])
    assert np.array_equal(found, np.arange(-24, 24).reshape(2, 4, 6)[..., ::-1].reshape(-1))


REVERSE = """
import numpy as np
import midge
from midge.importers import import_tflite
from midge.synthetic import ModelDescription, write_tflite
from midge.synthetic.model_description import Fields, Operator, Quantization, Tensor

shape, codes = (1, 2, 4, 6), Quantization((0.5,), (3,))
model = ModelDescription(
    tensors=(
        Tensor("x", shape, "int8", codes),
        Tensor("axis", (1,), "int32", None, np.array([-1], np.int32)),
        Tensor("y", shape, "int8", codes),
    ),
    operators=(Operator("REVERSE_V2", ("x", "axis"), ("y",), Fields("ReverseV2Options")),),
    inputs=("x",),
    outputs=("y",),
)
artifact = midge.compile(import_tflite(write_tflite(model), "mirror.tflite"), target="cortex-m4")
x = np.arange(-24, 24, dtype=np.int8).reshape(shape)
assert midge.compare_layers(artifact, x).difference is None
print(*artifact.run(x).outputs.reshape(-1))
"""
