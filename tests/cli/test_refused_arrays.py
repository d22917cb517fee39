from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.files import read_arrays, write_arrays

Refused = Callable[..., str]


@pytest.fixture
def run_on(refused: Refused, models: Path, tmp_path: Path) -> Callable[..., str]:
    """Refuse to run a model on arrays: a .npy of one array, a .npz of arrays by name."""

    def run(model: str, arrays: Any, match: str, *more: str) -> str:
        named = isinstance(arrays, dict)
        path = tmp_path / ("x.npz" if named else "x.npy")
        if named:
            np.savez(path, **arrays)
        else:
            np.save(path, arrays)
        return refused("run", models / f"{model}.tflite", "--input", path, *more, match=match)

    return run


def test_arrays_that_do_not_fit_the_model(run_on: Callable[..., str]) -> None:
    # What else there is to refuse stands in tests/driver/test_samples.py, without a build.
    run_on(
        *("dense", np.zeros((1, 9), np.int8)),
        r"input 'input_0' has shape \[1, 9\]; expected \[1, 8\], or a batch \[n, 8\]$",
    )
    run_on("dense", np.zeros((1, 8), np.float32), r"is float32; expected int8\. Quantise it first:")
    a, b = np.zeros((3, 4, 4, 3), np.int8), np.zeros((2, 1, 1, 3), np.int8)
    run_on("two_by_two", a, "two_by_two has 2 inputs; give each by name")
    run_on("two_by_two", {"input_0": a, "x": b}, r"named \['input_0', 'x'\]; two_by_two has")
    run_on("two_by_two", {"input_0": a, "input_1": b}, "differ in their number of samples")


def test_compare_layers_refuses_the_same(run_on: Callable[..., str]) -> None:
    run_on("dense", np.zeros((1, 9), np.int8), "'input_0' has shape", "--compare-layers")


def test_output_name_that_does_not_suit_the_outputs(
    refused: Refused, models: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 8), np.int8))
    arguments = ("run", models / "dense.tflite", "--input", tmp_path / "x.npy", "--output")
    refused(
        *(*arguments, tmp_path / "y.npz"),
        match=r"y\.npz: these outputs are written as \.npy; name the file so",
    )
    assert not (tmp_path / "y.npz").exists()


@pytest.mark.tiny
def test_files_that_hold_no_numbers(tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    npy = io.BytesIO()
    np.save(npy, np.zeros((3, 4), np.int8))
    objects = io.BytesIO()
    np.save(objects, np.array([Planted()], object), allow_pickle=True)
    huge = npy.getvalue().replace(b"(3, 4), }   ", b"(9999999999,), }", 1)[:128]
    assert b"9999999999" in huge
    for name, content in {
        "pickle.npy": pickle.dumps(Planted()),
        "objects.npy": objects.getvalue(),
        "empty.npy": b"",
        "text.npy": b"1 2 3\n",
        "cut.npy": npy.getvalue()[:-1],
        "head.npy": npy.getvalue()[:20],
        "huge.npy": huge,
        "empty.npz": b"PK\x05\x06" + bytes(10),
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}: is not a \.npy or \.npz file of numbers"):
            read_arrays(str(tmp_path / name))
    assert not (tmp_path / "ran").exists(), "what was pickled must not run"
    with pytest.raises(UserError, match=r"none\.npy: cannot be read: No such file or directory"):
        read_arrays(str(tmp_path / "none.npy"))
    with pytest.raises(UserError, match=r": cannot be read: Is a directory"):
        read_arrays(str(tmp_path))


def _saved(compress: bool | None) -> bytes:
    file = io.BytesIO()
    arrays = {"a": np.arange(12, dtype=np.int8).reshape(3, 4), "b": np.ones(30, np.int8)}
    if compress is None:
        np.save(file, arrays["a"])
    elif compress:
        np.savez_compressed(file, **arrays)
    else:
        np.savez(file, **arrays)
    return file.getvalue()


SAVED = [_saved(None), _saved(False), _saved(True)]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.sampled_from(SAVED),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.sampled_from("0(9'{\n\0\xff"))),
    cut=st.integers(0, 60) | st.none(),
)
def test_damaged_arrays_are_read_or_refused(
    tmp_path: Path, which: bytes, edits: list[tuple[int, str]], cut: int | None
) -> None:
    content = bytearray(which)
    for position, character in edits:
        content[position % len(content)] = ord(character)
    path = tmp_path / "x.np"
    path.write_bytes(content[: len(content) - cut] if cut else content)
    try:
        read = read_arrays(str(path))
    except UserError as error:
        said = str(error)
    else:
        arrays = read.values() if isinstance(read, dict) else [read]
        assert all(isinstance(a, np.ndarray) for a in arrays)
        return
    assert "is not a .npy or .npz file of numbers" in said


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
        min_size=1,
        unique=True,
    )
)
def test_arrays_by_any_name_come_back(tmp_path: Path, names: list[str]) -> None:
    path = str(tmp_path / "y.npz")
    arrays = {n: np.full((2, i + 1), i, np.int8) for i, n in enumerate(names)}
    write_arrays(path, arrays)
    back = read_arrays(path)
    assert isinstance(back, dict)
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[n], arrays[n]) for n in names)
