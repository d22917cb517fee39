"""The Python of `docs/uplink.md` runs, and its sizes are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midge.recipes.ecg.uplink import ecg_uplink
from midge.signals.uplink import STRUCT_BYTES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "uplink.md").read_text("utf-8")


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = re.findall(r"<!-- example: send -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/uplink.md", "exec"), {})
    assert capsys.readouterr().out.count("\n") == 3


def test_the_sizes_are_those_of_the_recipe() -> None:
    uplink = ecg_uplink(360, 3)
    sizes = f"{STRUCT_BYTES} + {uplink.history_bytes:,} + {uplink.store_bytes:,} bytes"
    assert sizes in PAGE
