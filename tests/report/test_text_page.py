"""The terminal report: within its width, plain, and with the same figures as the page."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_reports import branching_report, chain_report, every_sample

from midge.report import render_text
from midge.report.text_page import WIDTH
from midge.report.wording import columns, decimal

SAMPLES = every_sample()


def line_with(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


@pytest.mark.parametrize("name", SAMPLES)
def test_fits_a_plain_terminal(name: str) -> None:
    text = render_text(SAMPLES[name])
    for line in text.splitlines():
        assert columns(line) <= WIDTH
        assert line == line.rstrip()
        assert line.isprintable()
    assert not text.endswith("\n")


def test_headline_figures() -> None:
    report = branching_report()
    costs = report["costs"]
    text = render_text(report)
    assert text.startswith("sample_model on Nordic nRF52840\n")
    assert "12,928 B  measured" in line_with(text, "RAM")
    assert line_with(text, "RAM").endswith("4.9 % of 256 KiB")
    assert f"{costs['cycles_modelled']:,}  modelled" in line_with(text, "Cycles")
    assert f"{costs['instructions']:,}  exact" in line_with(text, "Instructions")
    assert f"{costs['latency_ms'][1]:.1f} ms  modelled" in line_with(text, "Latency")
    assert "Arena 12,800 B: 800 B above the lower bound" in text


@pytest.mark.parametrize(
    ("name", "label", "reason"),
    [
        ("not emulated", "Flash", "nothing here emulates the xtensa-lx7 core"),
        ("not emulated", "Instructions", "nothing here emulates the xtensa-lx7 core"),
        ("no cycle model", "Cycles", "the cortex-m4 core has no cycle model"),
        ("nothing counted", "Instructions", "nothing was counted in this run"),
        ("bare core", "Latency", "a bare core has no clock; compile for a board"),
    ],
)
def test_null_reads_as_not_known_with_the_reason(name: str, label: str, reason: str) -> None:
    line = line_with(render_text(SAMPLES[name]), label)
    assert line.split(maxsplit=1)[1].startswith("not known")
    assert reason in line


@pytest.mark.parametrize("layers", [1, 60])
def test_every_layer_has_a_line(layers: int) -> None:
    report = chain_report(layers)
    text = render_text(report)
    for layer in report["costs"]["layers"]:
        line = line_with(text, layer["name"])
        assert f"{layer['cycles_modelled']:,}" in line
        assert decimal(layer["instructions"] / layer["macs"]) in line
        assert f"{layer['weights_bytes']:,} B" in line


def test_bars_are_to_scale() -> None:
    text = render_text(chain_report(7))
    lengths = [sum(c in "█▏▎▍▌▋▊▉░" for c in line_with(text, f"{i:02d}_conv_2d")) for i in range(7)]
    assert lengths == sorted(lengths)
    # The cheapest layer costs a seventh of the dearest.
    assert lengths[0] == pytest.approx(lengths[-1] / 7, abs=1)
    assert lengths[-1] > 6


def test_layers_are_ranked_by_instructions_without_cycles() -> None:
    text = render_text(SAMPLES["no cycle model"])
    assert "Layers by instructions: the cortex-m4 core has no cycle model" in text
    assert "waiting for flash" not in text


NAMES = st.text(max_size=80)


@given(model=NAMES, layer=NAMES, variant=NAMES, digits=st.integers(0, 5))
def test_no_name_or_number_breaks_the_width(
    model: str, layer: str, variant: str, digits: int
) -> None:
    report: dict[str, Any] = copy.deepcopy(branching_report())
    report["model"]["name"] = model
    costs = report["costs"]
    costs["layers"][0] |= {"name": layer, "variant": variant}
    for key in ("instructions", "cycles", "cycles_modelled", "weights_bytes"):
        costs["layers"][1][key] *= 10**digits
    for line in render_text(report).split("\n"):
        assert columns(line) <= WIDTH
        assert line.isprintable()


@pytest.mark.parametrize("tail", ["\x1b[31m", "\x07", "\n", "\u202e", "\ud800"])
def test_names_cannot_steer_the_terminal(tail: str) -> None:
    report = branching_report()
    report["model"]["name"] = f"a{tail}b"
    report["costs"]["layers"][0]["name"] = f"c{tail}d"
    text = render_text(report)
    text.encode("utf-8")
    spelt = tail.encode("unicode_escape").decode()
    assert f"a{spelt}b" in text
    assert f"c{spelt}d" in text
    assert tail == "\n" or tail not in text


def test_the_same_report_gives_the_same_text() -> None:
    assert render_text(branching_report()) == render_text(branching_report())
