from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tflite

from midge.synthetic import write_tflite
from midge.synthetic.model_description import (
    FullyConnectedOptions,
    Pool2DOptions,
)
from midge.synthetic.network_builder import NetworkBuilder
from support.networks import INPUT, bell_weights, dense, mobile_chain, network

Refused = Callable[..., str]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "model.tflite"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.tiny
def test_empty_and_foreign_files(refused: Refused, file: Callable[[bytes], Path]) -> None:
    for content in (b"", b"TFL3", b"\x89PNG\r\n\x1a\n" * 8, b"\0" * 64):
        refused("show", file(content), match=r"model\.tflite: is not a \.tflite file: bytes 4 to 8")


@pytest.mark.tiny
def test_truncated_file(refused: Refused, file: Callable[[bytes], Path]) -> None:
    whole = mobile_chain().model_bytes
    for size in np.linspace(8, len(whole) - 1, 40).astype(int):
        message = refused("show", file(whole[:size]))
        assert message.startswith("model.tflite: "), message


def test_flipped_bits_never_show_a_traceback(
    midge: Callable[..., object], file: Callable[[bytes], Path]
) -> None:
    # A flip in a weight or a name makes another sound model; all others are refused in words.
    whole = dense().model_bytes
    generator = np.random.default_rng(3)
    codes = []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] ^= 1 << generator.integers(8)
        shown = midge("show", file(bytes(damaged)))
        codes.append(shown.code)
        assert shown.code in (0, 2), shown
        assert "Traceback" not in shown.err, shown
        if shown.code == 2:
            assert shown.err.startswith("midge: error: model.tflite: "), shown
            assert shown.err.count("midge: ") == 1, shown
    assert codes.count(2) > 20
    assert codes.count(0) > 20


@pytest.mark.tiny
def test_unsupported_operators_are_all_listed(
    refused: Refused, file: Callable[[bytes], Path]
) -> None:
    names = {"DEPTHWISE_CONV_2D": "CONV_3D", "AVERAGE_POOL_2D": "RANK", "ADD": "WHERE"}
    content = _with_other_operators(mobile_chain().model_bytes, names)
    message = refused("compile", file(content), "--out", "unused", match="5 places need")
    for number in (1, 3, 5, 7):
        assert f"op {number} (CONV_3D): the operator is not supported" in message
    assert "op 9 (RANK): the operator is not supported" in message
    assert "DEPTHWISE_CONV_2D" in message.split("supported operators: ")[1]
    assert not Path("unused").exists()


def _with_other_operators(content: bytes, names: dict[str, str]) -> bytes:
    """The file with each kind of operator turned into another, its options left as they are."""
    codes = {
        getattr(tflite.BuiltinOperator, a): getattr(tflite.BuiltinOperator, names[a]) for a in names
    }
    data = bytearray(content)
    model = tflite.Model.GetRootAs(data, 0)
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        if code.BuiltinCode() in codes:
            new = codes[code.BuiltinCode()]
            # Fields of schema.fbs: 0 is the one-byte code of old readers, 3 the whole one.
            for field, layout, value in ((0, "b", min(new, 127)), (3, "i", new)):
                at = code._tab.Pos + code._tab.Offset(4 + 2 * field)
                struct.pack_into(layout, data, at, value)
    return bytes(data)


@pytest.mark.tiny
def test_activation_that_nobody_computes_names_operator_and_place(
    refused: Refused, file: Callable[[bytes], Path]
) -> None:
    def add(builder: NetworkBuilder) -> str:
        return builder.pool_2d("MAX_POOL_2D", builder.input((1, 4, 4, 2), INPUT), pool)

    pool = Pool2DOptions((2, 2), activation="NONE")
    model = network("pool", add).model
    (op,) = model.operators
    tanh = replace(op, options=replace(pool, activation="TANH"))
    refused(
        "show",
        file(write_tflite(replace(model, operators=(tanh,)))),
        match=r"op 0 \(MAX_POOL_2D\): fused activation 4 is not supported",
    )


@pytest.mark.tiny
def test_shape_that_the_operator_does_not_give(
    refused: Refused, file: Callable[[bytes], Path]
) -> None:
    model = dense().model
    wrong = tuple(
        replace(t, shape=(1, 6)) if t.name == model.outputs[0] else t for t in model.tensors
    )
    refused(
        "show",
        file(write_tflite(replace(model, tensors=wrong))),
        match=r"model\.tflite: model: op '00_fully_connected' .* is int8\[1, 6\]; the operator "
        r"gives int8\[1, 5\]",
    )


@pytest.mark.tiny
def test_sums_that_overflow_are_refused(refused: Refused, file: Callable[[bytes], Path]) -> None:
    def add(builder: NetworkBuilder) -> str:
        weights = bell_weights(builder, (5, 8))
        weights = replace(weights, bias=np.full(5, 2**31 - 1, np.int32))
        x = builder.input((1, 8), INPUT)
        return builder.fully_connected(x, weights, FullyConnectedOptions())

    refused("show", file(network("wide", add).model_bytes), match="overflow int32")


@pytest.mark.tiny
def test_paths_that_are_no_model(refused: Refused, models: Path, tmp_path: Path) -> None:
    refused("show", tmp_path / "none.tflite", match="none.tflite: cannot be read: No such file")
    (tmp_path / "folder.tflite").mkdir()
    refused("show", tmp_path / "folder.tflite", match="folder.tflite: cannot be read: Is a dir")
    for name in ("model.xml", "model", "model.tflite.gz"):
        (tmp_path / name).write_bytes((models / "dense.tflite").read_bytes())
        kinds = r"supported: \.midge, \.onnx, \.pt2, \.tflite\n"
        refused("show", tmp_path / name, match=rf"unknown kind of model '.*'; {kinds}")


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["1st", "a-b", "", "é", "a b", "int;"])
def test_name_that_is_no_identifier(refused: Refused, models: Path, name: str) -> None:
    # The empty name is no name given: the file's own is taken.
    if name:
        refused("show", models / "dense.tflite", f"--name={name}", match="is not a C identifier")


@pytest.mark.tiny
@pytest.mark.parametrize("name", ["stdint", "stddef", "STDINT"])
def test_name_of_a_header_that_the_emitted_files_include(
    refused: Refused, models: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    message = refused("compile", models / "dense.tflite", "--name", name, "--out", out)
    assert f"{name}.h would stand in the way of the C library's header" in message
    assert "--name" in message
    assert not out.exists()
