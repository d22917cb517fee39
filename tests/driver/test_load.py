"""Files of every kind that a graph is read from, and the one that it is written to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.driver import save
from midge.driver.main_path import LARGEST_FILE_BYTES, load
from midge.errors import ToolError, UnsupportedError, UserError
from midge.graph import write_graph
from support.networks import dense, imported, mobile_chain

GRAPH = imported(dense())


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.tiny
def test_a_saved_graph_is_loaded_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "dense.midge"
    save(GRAPH, path)
    assert path.read_bytes() == write_graph(GRAPH)
    assert load(path) == GRAPH
    assert load(str(path)).digest == GRAPH.digest
    assert names_in(tmp_path) == ["dense.midge"]


@pytest.mark.tiny
def test_a_name_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "other.midge"
    save(GRAPH, path)
    assert load(path).name == GRAPH.name
    assert load(path, "") == GRAPH
    assert load(path, "mine") == replace(GRAPH, name="mine")
    with pytest.raises(UserError, match="graph name 'a-b' is not a C identifier"):
        load(path, "a-b")


def test_a_saved_graph_compiles_to_the_same_c(tmp_path: Path) -> None:
    (tmp_path / "chain.tflite").write_bytes(mobile_chain().model_bytes)
    graph = load(tmp_path / "chain.tflite")
    save(graph, tmp_path / "chain.midge")
    first, second = (
        midge.compile(g, target="cortex-m4") for g in (graph, load(tmp_path / "chain.midge"))
    )
    assert first.emitted.files == second.emitted.files
    x = np.random.default_rng(0).integers(-128, 128, (2, 14, 14, 3)).astype(np.int8)
    assert np.array_equal(np.asarray(first.run(x).outputs), np.asarray(second.run(x).outputs))


def test_saving_replaces_a_file_at_once_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.midge"
    save(imported(mobile_chain()), path)
    before = path.read_bytes()

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match=r"net\.midge: cannot be written: No space left"):
            save(GRAPH, path)
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["net.midge"]
    with pytest.raises(UserError, match="output 'z' is not a tensor of the graph"):
        save(replace(GRAPH, outputs=("z",)), path)
    assert path.read_bytes() == before
    save(GRAPH, path)
    assert load(path) == GRAPH


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.midge").mkdir()
    for name, message in (
        ("none/net.midge", "cannot be written: No such file"),
        ("file/net.midge", "cannot be written: Not a directory"),
        ("folder.midge", "cannot be written: Is a directory"),
        ("net\0.midge", "cannot be written: embedded null byte"),
        ("n" * 300 + ".midge", "cannot be written: File name too long"),
        ("net.tflite", "a graph is written as .midge; name the file so"),
        ("net", "a graph is written as .midge; name the file so"),
        (".midge", "a graph is written as .midge; name the file so"),
    ):
        with pytest.raises(UserError, match=message):
            save(GRAPH, tmp_path / name)
    assert names_in(tmp_path) == ["file", "folder.midge"]


def test_where_nothing_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.midge").mkdir()
    for name, message in (
        ("none.midge", "cannot be read: No such file"),
        ("folder.midge", "cannot be read: Is a directory"),
        ("net\0.midge", "cannot be read: embedded null byte"),
        ("n" * 300 + ".midge", "cannot be read: File name too long"),
    ):
        with pytest.raises(UserError, match=message):
            load(tmp_path / name)


@pytest.mark.tiny
@pytest.mark.parametrize("suffix", [".midge", ".onnx", ".pt2", ".tflite"])
def test_a_damaged_file_of_each_kind_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    for content in (b"", b"\0" * 64, b"PK\3\4" + b"\xff" * 100, write_graph(GRAPH)[:-1]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"^net{suffix}: "):
            load(path)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.xml", r"supported: \.midge, \.onnx, \.pt2, \.tflite$"),
        ("net", r"unknown kind of model ''; supported"),
        ("net.pth", r"; it holds weights without the network: write a \.pt2 by torch.export.save$"),
        ("net.pt", r"write a \.pt2 by torch.export.save$"),
        ("net.h5", r"; convert it by tf.lite.TFLiteConverter$"),
        ("net.keras", r"; convert it by tf.lite.TFLiteConverter$"),
    ],
)
def test_other_files_are_refused_with_what_to_do(name: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(UserError, match=hint):
        load(tmp_path / name)


def test_a_file_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "net.midge"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE_BYTES + 1)  # a hole: it takes no space
    with pytest.raises(UserError, match=f"has {LARGEST_FILE_BYTES + 1} bytes; up to "):
        load(path)


class _Missing:
    """An importer of modules that are not there."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Take a module away, and all that might have imported it."""

    def take(name: str) -> None:
        for module in [m for m in sys.modules if m.startswith((name, "midge.importers.onnx"))]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(sys, "meta_path", [_Missing(name), *sys.meta_path])

    return take


def test_a_package_that_is_not_installed_is_named(
    without: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    without("onnx")
    expected = r"^net\.onnx: reading it needs the package onnx, which is not installed; pip install"
    with pytest.raises(ToolError, match=expected + r" 'midge\[onnx\]'$"):
        load(tmp_path / "net.onnx")


def test_a_module_of_midge_that_is_missing_is_a_defect(
    without: Callable[[str], None], tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    without("midge.importers.onnx")
    with pytest.raises(ModuleNotFoundError, match=r"midge\.importers\.onnx"):
        load(tmp_path / "net.onnx")


def test_a_newer_file_asks_for_an_update(tmp_path: Path) -> None:
    path = tmp_path / "net.midge"
    path.write_bytes(b"midge-file 2 whatever it holds\n")
    with pytest.raises(UnsupportedError, match=r"^net\.midge: line 1: found version 2 .*: update"):
        load(path)
