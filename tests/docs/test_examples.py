"""Every example of the README and the guides is executed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from midge.synthetic import keyword_model

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
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder_with_model")
@pytest.mark.parametrize("page", ["README.md", "docs/compile.md"])
def test_python_examples_run(page: str) -> None:
    examples = blocks(page, "example")
    assert examples
    scope: dict[str, object] = {}
    for name, code in examples.items():
        exec(compile(code, f"{page}:{name}", "exec"), scope)


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
