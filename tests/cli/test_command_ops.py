from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midge.c_emitter import KERNELS
from midge.graph import OPS, DType
from midge.importers import CONVERTERS, TFLM_BUILTINS, VARIABLE_OPERATORS

Command = Callable[..., Any]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"


@pytest.mark.tiny
def test_every_operator_is_listed_and_what_tflm_has_more(midge: Command) -> None:
    shown = midge("ops")
    assert (shown.code, shown.err) == (0, "")
    head, *rows = shown.out.splitlines()
    assert head.split()[:3] == ["operator", "int8", "int16"]
    listed = [row.split()[0] for row in rows[: rows.index("")]]
    assert listed == sorted({*CONVERTERS, *VARIABLE_OPERATORS})
    missing = shown.out.partition("In TFLite Micro, not here: ")[2].splitlines()[0].split(", ")
    assert set(missing) == TFLM_BUILTINS - set(listed)
    assert "SignalFramer" in shown.out
    assert "float32 is computed in software on cortex-m0plus, cortex-m3, rv32imc" in shown.out


@pytest.mark.tiny
def test_as_json(midge: Command) -> None:
    content = json.loads(midge("ops", "--json", "-").out)
    by_name = {row["builtin"]: row for row in content["operators"]}
    assert by_name["ADD"]["graph"] == ["add"]
    assert {"portable", "dsp"} <= set(by_name["CONV_2D"]["kernels"])
    assert content["units"]["dsp"] == ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"]
    kinds = {operator["kind"]: operator for operator in content["graph"]}
    assert set(kinds) == set(OPS)
    assert ["stride", "tuple[int, int]", "(1, 1)"] in kinds["conv_2d"]["attributes"]


@pytest.mark.tiny
def test_the_page_is_what_the_code_says(midge: Command, tmp_path: Path) -> None:
    written = tmp_path / "operators.md"
    assert midge("ops", "--markdown", written).code == 0
    assert written.read_text("utf-8") == PAGE.read_text("utf-8"), (
        "write it anew: midge ops --markdown docs/operators.md"
    )


@pytest.mark.tiny
@pytest.mark.parametrize("kind", sorted(OPS))
def test_every_type_that_an_operator_takes_has_a_portable_kernel(kind: str) -> None:
    portable = {t for k in KERNELS.get(kind, ()) if not k.requires for t in k.types}
    if kind == "reshape" or not OPS[kind].reads_values:
        assert not portable
    else:
        assert portable >= set(OPS[kind].types)
    assert DType.INT4 not in OPS[kind].types
