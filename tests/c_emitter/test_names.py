from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.driver.samples import random_sample
from midge.graph import Graph, interpret, outputs_of
from midge.synthetic import ModelDescription, SyntheticNetwork, write_tflite
from support.networks import dense, imported, join
from support.tools import COMPILERS, GCC

STEMS = (
    *(
        "int",
        "while",
        "main",
        "auto",
        "1st",
        "42",
        "a b",
        "a.b.c",
        "räder",
        "漢字",
        "-",
        "_",
        "__x",
    ),
    *("Double", "INT", "stdio", "memcpy", "model", "midge", "class", "x" * 150, "a'b\"c", "%s%n"),
)


@pytest.mark.tiny
@pytest.mark.parametrize("stem", STEMS)
def test_any_file_name_gives_c_identifiers(tmp_path: Path, stem: str) -> None:
    path = tmp_path / f"{stem}.tflite"
    path.write_bytes(dense().model_bytes)
    name = midge.load(path).name
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


@pytest.mark.parametrize(
    ("name", "cc"),
    [
        *(("model", "zig"), ("model", GCC)),
        *zip(("int", "midge", "MIDGE", "main", "_0", "net_run"), ("zig", GCC) * 3, strict=True),
    ],
)
def test_names_that_sound_taken_build_and_run(name: str, cc: str) -> None:
    # "model" is what a file called model.tflite gives, the commonest of all.
    graph = replace(imported(dense()), name=name)
    core = "cortex-m3" if cc == "zig" else "rv32imc"
    sample = random_sample(graph)
    outputs = midge.compile(graph, target=core, cc=cc).run(sample).outputs
    assert isinstance(outputs, dict)
    expected = outputs_of(graph, interpret(graph, sample))
    assert {n: a.tolist() for n, a in outputs.items()} == {
        n: a.tolist() for n, a in expected.items()
    }


def renamed(model: ModelDescription, names: dict[str, str]) -> ModelDescription:
    """The model with other tensor names."""

    def new(name: str | None) -> str | None:
        return None if name is None else names.get(name, name)

    def all_new(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(names.get(name, name) for name in given)

    return replace(
        model,
        tensors=tuple(replace(t, name=names.get(t.name, t.name)) for t in model.tensors),
        operators=tuple(
            replace(o, inputs=tuple(map(new, o.inputs)), outputs=all_new(o.outputs))
            for o in model.operators
        ),
        inputs=all_new(model.inputs),
        outputs=all_new(model.outputs),
    )


TENSOR_NAMES = (
    *("*/ int x; /*", "/*", "*/", "//", "/*/", "**/", '"quoted"', "'", "back\\slash", "ends in \\"),
    *(
        "line\nbreak",
        "back\\\nslash newline",
        "trigraph??/",
        "??/\n*/",
        "tab\ttab",
        "bell\a\x1b[31m",
    ),
    *(
        "Ümläut",
        "漢字",
        "\u202e*/",
        "%s%n%d",
        "#include <x>",
        "@MODEL_NAME@",
        "int",
        "a b c",
        "\x7f",
    ),
)


def test_tensor_names_cannot_leave_their_comments() -> None:
    model = dense().model
    networks = []
    for name in TENSOR_NAMES:
        names = {model.inputs[0]: f"in {name}", model.outputs[0]: name}
        networks.append(SyntheticNetwork(name, renamed(model, names)))
    joined = join(networks, "names")
    for cc in COMPILERS:
        artifact = midge.compile(joined.graph, target="cortex-m4", cc=cc)
        sample = joined.sample(0)
        result = artifact.run(sample).outputs
        assert isinstance(result, dict)
        for name, value in outputs_of(artifact.graph, interpret(artifact.graph, sample)).items():
            assert np.array_equal(result[name], value), name


def test_op_names_stay_in_comments_too() -> None:
    # The importer makes op names itself; a graph made in memory may have any.
    graph = imported(dense())
    (op,) = graph.ops
    artifact = midge.compile(replace(graph, ops=(replace(op, name="*/ /* ??/\n\\"),)))
    assert "*/ /*" not in artifact.emitted.files["net.c"].split("#include")[0]
    assert artifact.run().layers[0].name == "*/ /* ??/\n\\"


def test_digest_of_the_file_stands_in_the_header(tmp_path: Path) -> None:
    import hashlib

    content = write_tflite(dense().model)
    (tmp_path / "m.tflite").write_bytes(content)
    header = midge.compile(midge.load(tmp_path / "m.tflite")).emitted.files["m.h"]
    assert hashlib.sha256(content).hexdigest() in header
    made: Graph = replace(imported(dense()), digest="")
    assert "model  made in memory" in midge.compile(made).emitted.files["net.h"]
