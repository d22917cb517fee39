"""The example of docs/constant-channels.md is executed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from constant_channel_graphs import SAME3, Drawing

from midge.driver import save
from midge.graph import Activation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "constant-channels.md"


def test_the_page_shows_what_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = Drawing(5, fixed=0.5, dead=0.0)
    x = drawing.tensor("image", (1, 8, 8, 3), 0)
    y = drawing.conv(x, 8, 3, SAME3, activation=Activation.RELU)
    y = drawing.conv(drawing.depthwise(y, 1, SAME3), 8, activation=Activation.RELU)
    save(drawing.graph(["image"], [drawing.conv(y, 2, fixed=[])]), tmp_path / "camera.midge")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(
        r"<!-- example: \w+ -->\n```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S
    )
    assert examples
    for code in examples:
        exec(compile(code, str(PAGE), "exec"), {})
    first, *layers = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d+ of \d+ multiply-accumulates, \d+ bytes of constants", first)
    assert [line.split()[0] for line in layers] == [
        "conv_2d_0",
        "depthwise_conv_2d_1",
        "conv_2d_2",
    ]
