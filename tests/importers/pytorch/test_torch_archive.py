"""Archives of `torch.export.save`: read without PyTorch, and refused where they would run code."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pt2_files import MODEL, WEIGHTS, archive, entries, message_of, small_file, with_json

from midge.importers.torch_archive import import_pt2


def test_the_small_file() -> None:
    graph = import_pt2(small_file(), "models/My-Net.pt2")
    assert graph.name == "my_net"
    assert [t.name for t in graph.variables] == ["level"]
    assert {"conv", "norm", "linear"} <= {op.name for op in graph.ops}
    assert len(import_pt2(small_file(), "m.pt2", streaming=True).variables) == 2


def test_entries_may_be_written_anew() -> None:
    assert import_pt2(archive(entries(small_file())), "m.pt2", "a").digest


def test_neither_pytorch_nor_pickle_is_used(tmp_path: Path) -> None:
    file = tmp_path / "m.pt2"
    file.write_bytes(small_file())
    code = (
        "import sys\n"
        "from midge.importers.torch_archive import import_pt2\n"
        "import pickle\n"
        "def refuse(*a, **k): raise SystemExit(3)\n"
        "pickle.loads = pickle.load = pickle.Unpickler = refuse\n"
        f"import_pt2(open({str(file)!r}, 'rb').read(), 'm.pt2')\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def first(config: Any) -> Any:
    return next(iter(config["config"].values()))


def node(model: Any, op: str) -> Any:
    nodes = model["graph_module"]["graph"]["nodes"]
    return next(n for n in nodes if n["target"] == f"torch.ops.aten.{op}")


def argument(model: Any, op: str, name: str) -> Any:
    return next(a for a in node(model, op)["inputs"] if a["name"] == name)


def test_pickled_tensors() -> None:
    message = message_of(with_json(WEIGHTS, lambda c: first(c).update(use_pickle=True)))
    assert "is a pickled object, which can run code" in message
    message = message_of(with_json(WEIGHTS, lambda c: first(c).update(path_name="custom_obj_0")))
    assert "is a pickled object" in message


def test_symbols_subgraphs_and_custom_objects() -> None:
    symbol = {"as_sym_int": {"as_name": "s0"}}
    data = with_json(MODEL, lambda m: argument(m, "split.Tensor", "dim").update(arg=symbol))
    assert "split.Tensor" in message_of(data)
    assert "dim is a symbolic size, which is not supported" in message_of(data)
    graph = {"as_graph": {"name": "g", "graph": {}}}
    data = with_json(MODEL, lambda m: argument(m, "split.Tensor", "dim").update(arg=graph))
    assert "dim is a subgraph, as control flow has" in message_of(data)

    def symbolic(model: Any) -> None:
        values = model["graph_module"]["graph"]["sym_int_values"]
        values["s0"] = {"as_expr": {"expr_str": "__import__('os').system('true')", "hint": None}}

    assert "computes with symbolic expressions" in message_of(with_json(MODEL, symbolic))

    def extent(model: Any) -> None:
        expression = {"as_expr": {"expr_str": "s0", "hint": None}}
        model["graph_module"]["graph"]["tensor_values"]["x"] = {"sizes": [expression], "dtype": 7}

    assert "has a symbolic extent" in message_of(with_json(MODEL, extent))
    ranges = {"s0": {"min_val": 1, "max_val": 2}}
    data = with_json(MODEL, lambda m: m.update(range_constraints=ranges))
    assert "it has dynamic shapes" in message_of(data)


def test_other_versions() -> None:
    data = with_json(MODEL, lambda m: m["schema_version"].update(major=9, minor=1))
    assert "its schema has version 9.1; supported: 8.x" in message_of(data)
    assert "archive of version '1'" in message_of(changed("archive_version", b"1"))
    assert "big-endian" in message_of(changed("byteorder", b"big"))
    assert "no pt2 archive" in message_of(changed("archive_format", None))
    assert "save it by torch.export.save" in message_of(b"no zip archive at all")


def changed(path: str, body: bytes | None) -> bytes:
    parts = entries(small_file())
    if body is None:
        del parts[path]
    else:
        parts[path] = body
    return archive(parts)


def test_compiled_parts() -> None:
    assert "a compiled library" in message_of(changed("data/aotinductor/model/x.so", b""))
    assert "holds 2 programs" in message_of(changed("models/other.json", b"{}"))


def test_sample_inputs_are_not_read() -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[int]]:
            return sys.exit, (3,)

    data = changed("data/sample_inputs/model.pt", pickle.dumps(Bomb()))
    assert import_pt2(data, "m.pt2").inputs


def test_compressed_entries() -> None:
    parts = entries(small_file()) | {"extra/zeros": bytes(1 << 20)}
    assert "is compressed; expected stored entries" in message_of(archive(parts, compress=True))


def test_tensors_that_reach_beyond_their_payload() -> None:
    def longer(config: Any) -> None:
        first(config)["tensor_meta"]["sizes"][0]["as_int"] = 1 << 40

    assert "reaches element" in message_of(with_json(WEIGHTS, longer))

    def repeated(config: Any) -> None:
        meta = first(config)["tensor_meta"]
        meta["sizes"] = [{"as_int": 1 << 20}, {"as_int": 1 << 20}]
        meta["strides"] = [{"as_int": 0}, {"as_int": 0}]

    assert "its tensors have over" in message_of(with_json(WEIGHTS, repeated))

    def backwards(config: Any) -> None:
        first(config)["tensor_meta"]["strides"][0]["as_int"] = -1

    assert "negative extent, stride or offset" in message_of(with_json(WEIGHTS, backwards))
    data = with_json(WEIGHTS, lambda c: first(c).update(path_name="weight_../../x"))
    assert "names the entry 'weight_../../x', which is not there" in message_of(data)


def test_json_that_is_none() -> None:
    assert "its model is no JSON" in message_of(changed(MODEL, b"{"))
    assert "nested too deeply" in message_of(changed(MODEL, b"[" * 100_000))
    assert "its model has no 'schema_version'" in message_of(changed(MODEL, b"{}"))
    assert "has no 'schema_version'" in message_of(changed(MODEL, b"[1]"))


def test_shapes_that_are_not_those_of_the_operators() -> None:
    def lie(model: Any) -> None:
        tensors = model["graph_module"]["graph"]["tensor_values"]
        tensors["relu"]["sizes"][1]["as_int"] = 5

    message = message_of(with_json(MODEL, lie))
    assert "gives float32[1, 4, 5, 5]; the program says float32[1, 5, 5, 5]" in message


@pytest.mark.parametrize("key", ["outputs", "inputs"])
def test_values_that_are_not_there(key: str) -> None:
    def rename(model: Any) -> None:
        if key == "outputs":
            node(model, "relu.default")["outputs"][0]["as_tensor"]["name"] = "elsewhere"
        else:
            argument(model, "relu.default", "self")["arg"]["as_tensor"]["name"] = "elsewhere"

    assert "which nothing before it computes" in message_of(with_json(MODEL, rename))
