"""How kernels were chosen, on the page and in the terminal."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from page_structure import read_page
from sample_reports import branching_report

from midge.report import render_html, render_text
from midge.report.kernel_choice import kernel_choice, others_in_words


def kernel(variant: str, cost: int | None, weights: int, code: int, shared: int = 0) -> Any:
    known = cost is not None
    return {
        "variant": variant,
        "kernel": f"midge_{variant}",
        "cost": cost,
        "weights_bytes": weights if known else None,
        "code_bytes": code if known else None,
        "shared_code_bytes": shared if known else None,
        "scratch_bytes": 64,
    }


def chosen_report() -> dict[str, Any]:
    report = branching_report()
    kernels = [
        kernel("portable", 4_000, 1_000, 200),
        kernel("dsp", 2_000, 1_100, 300),
        kernel("dot_mixed", 1_000, 1_200, 100, 400),
        kernel("winograd", None, 0, 0),
    ]
    report["selection"] = {
        "goal": "balanced",
        "unit": "cycles",
        "limits": [
            {"what": "weights", "limit_bytes": 40_000, "used_bytes": 30_000},
            {"what": "code", "limit_bytes": 10_000, "used_bytes": 10_306},
        ],
        "rows": [],
        "layers": [
            {"name": layer["name"], "taken": 2 if number == 0 else 0, "kernels": kernels[:shown]}
            for number, (layer, shown) in enumerate(
                zip(report["costs"]["layers"], (4, 1, 1, 2, 1, 1), strict=False)
            )
        ],
    }
    return report


@pytest.mark.tiny
def test_what_the_others_would_have_cost() -> None:
    choice = kernel_choice(chosen_report())
    assert choice is not None
    first, *_ = choice.layers
    assert first.taken.variant == "dot_mixed"
    words = others_in_words(first).replace("\N{NO-BREAK SPACE}", " ")
    assert words == "dsp 2.00 ×, -300 B; portable 4.00 ×, -500 B; winograd not known"
    assert others_in_words(first, 1).endswith("-300\N{NO-BREAK SPACE}B; 2 more")
    assert others_in_words(choice.layers[1]) == ""
    assert kernel_choice(branching_report()) is None


def test_page_and_terminal_show_it() -> None:
    report = chosen_report()
    before = copy.deepcopy(report)
    page = read_page(render_html(report))
    assert "Choice of kernels" in [e.words for e in page.find_all("h2")]
    for text in ("Goal balanced: the fewest cycles of moderate size", "dot_mixed, taken", "2.00 ×"):
        assert text in page.words, text
    assert "30,000 B of 40,000 B (75.0 %)" in page.words
    assert "passed: no kernels take less" in page.words
    lines = render_text(report).splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    assert "Kernels chosen by measurement for balanced: the fewest cycles of moderate size" in text
    assert "dot_mixed; instead dsp 2.00 ×, -300 B; portable 4.00 ×, -500 B" in text
    assert "code 10,306 B of 10,000 B (103.1 %); passed: no kernels take less" in text
    assert report == before


@pytest.mark.parametrize("tail", ["\x1b[2J", "\u202e", "\ud800"])
def test_names_cannot_steer_anything(tail: str) -> None:
    report = chosen_report()
    for layer in report["selection"]["layers"]:
        layer["name"] += tail
        layer["kernels"] = [k | {"variant": k["variant"] + tail} for k in layer["kernels"]]
    for text in (render_html(report), render_text(report)):
        text.encode("utf-8")
        assert tail not in text
