"""The page: well formed, self-contained, safe with strangers' names, and it says what it must."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from page_structure import Element, read_page
from sample_reports import branching_report, chain_report, every_sample, not_emulated

from midge.report import render_html
from midge.report.wording import decimal

SAMPLES = every_sample()
HOSTILE = "</script></title></svg><x-evil onload='a()'>\"& {{ 7*7 }} <!-- ]]>"


def page_of(report: dict[str, Any]) -> Element:
    return read_page(render_html(report))


def card(page: Element, label: str) -> Element:
    cards = [c for c in page.find_all("article") if c.find_all("h3")[0].words.startswith(label)]
    assert len(cards) == 1
    return cards[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_tags_balance_and_references_resolve(name: str) -> None:
    page = page_of(SAMPLES[name])
    elements = page.everything()
    ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in elements:
        for target in element.attributes.get("aria-labelledby", "").split():
            assert target in ids, f"aria-labelledby names {target!r}, which is nowhere"
    assert [e.words for e in page.find_all("h2")] == [
        "One inference",
        "Cost of each layer",
        "Memory over time",
        "Model and target",
        "What the numbers mean",
    ]
    assert len(page.find_all("article")) == 6


@pytest.mark.parametrize("name", SAMPLES)
def test_needs_nothing_from_anywhere(name: str) -> None:
    text = render_html(SAMPLES[name])
    page = read_page(text)
    tags = {e.tag for e in page.everything()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "use", "a"}
    attributes = {a for e in page.everything() for a in e.attributes}
    assert not attributes & {"src", "srcset", "href", "xlink:href", "action", "data"}
    assert not [a for a in attributes if a.startswith("on")]
    assert "://" not in text
    assert set(re.findall(r"url\([^)]*\)|@import", text)) == {"url(#hatch)"}


def with_hostile_strings(value: Any) -> Any:
    """The report with a hostile tail on every string but those that the planner itself chooses."""
    if isinstance(value, dict):
        return {k: v if k == "role" else with_hostile_strings(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_hostile_strings(item) for item in value]
    return value + HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("name", ["branches", "sixty layers in place", "not emulated"])
def test_hostile_names_stay_text(name: str) -> None:
    tame = page_of(SAMPLES[name])
    report = with_hostile_strings(copy.deepcopy(SAMPLES[name]))
    text = render_html(report)
    page = read_page(text)
    assert {e.tag for e in page.everything()} == {e.tag for e in tame.everything()}
    known = {a for e in tame.everything() for a in e.attributes} | {"title"}
    assert {a for e in page.everything() for a in e.attributes} <= known
    assert "<!-- ]]>" not in text
    # Every one of them is there, whole, for whoever looks for it.
    shown = page.text + "".join(v for e in page.everything() for v in e.attributes.values())
    for buffer in report["memory_plan"]["buffers"]:
        assert buffer["name"] in shown
    for entry in (report["model"]["digest"], report["target"]["title"], report["midge"]):
        assert entry in shown


@pytest.mark.parametrize("tail", ["\x00", "\x1b[2J", "\ud800", "\u202e", "\r\n", "\u2028"])
def test_names_that_no_page_should_hold_are_spelt_out(tail: str) -> None:
    report = branching_report()
    renamed = json.loads(json.dumps(report).replace("res/bn_2/Fused", "NAME"))
    text = render_html(
        json.loads(json.dumps(renamed).replace("NAME", json.dumps("x" + tail)[1:-1]))
    )
    text.encode("utf-8")
    assert tail not in text
    assert "x" + tail.encode("unicode_escape").decode() in text


def test_headline_figures() -> None:
    report = branching_report()
    page, costs = page_of(report), report["costs"]
    expected = {
        "RAM": ("12,928 B", "measured", "4.9 % of 256 KiB", "arena 12,800 B", "at most 12,968 B"),
        "Flash": (f"{costs['flash_bytes']['total']:,} B", "exact", "of 1 MiB", "code 10,306 B"),
        "Latency": (f"{costs['latency_ms'][1]:.1f} ms", "modelled", "at 64 MHz"),
        "Energy": (f"{costs['energy_uj'][1]:.1f} µJ", "modelled"),
        "Cycles": (f"{costs['cycles_modelled']:,}", "modelled", f"{costs['cycles']:,}"),
        "Instructions": (f"{costs['instructions']:,}", "exact"),
    }
    for label, texts in expected.items():
        words = card(page, label).words
        for text in texts:
            assert text in words, f"{label}: {text!r} is not in {words!r}"


@pytest.mark.parametrize(
    ("name", "label", "reason"),
    [
        ("not emulated", "Flash", "nothing here emulates the xtensa-lx7 core"),
        ("not emulated", "Latency", "nothing here emulates the xtensa-lx7 core"),
        ("not emulated", "Energy", "nothing here emulates the xtensa-lx7 core"),
        ("not emulated", "Cycles", "nothing here emulates the xtensa-lx7 core"),
        ("not emulated", "Instructions", "nothing here emulates the xtensa-lx7 core"),
        ("no cycle model", "Latency", "the cortex-m4 core has no cycle model"),
        ("no cycle model", "Energy", "the cortex-m4 core has no cycle model"),
        ("no cycle model", "Cycles", "the cortex-m4 core has no cycle model"),
        ("nothing counted", "Instructions", "nothing was counted in this run"),
        ("nothing counted", "Cycles", "nothing was counted in this run"),
        ("bare core", "Latency", "a bare core has no clock"),
        ("bare core", "Energy", "a bare core has no supply"),
    ],
)
def test_null_reads_as_not_known_with_the_reason(name: str, label: str, reason: str) -> None:
    found = card(page_of(SAMPLES[name]), label)
    assert found.find_all("p", "value")[0].words == "not known"
    assert reason in found.words
    assert not found.find_all("span", "badge"), "what is not known has no certainty"


@pytest.mark.parametrize("label", ["Latency", "Energy", "Cycles"])
def test_without_wait_states_the_figure_is_called_a_lower_bound(label: str) -> None:
    words = card(page_of(SAMPLES["no wait states"]), label).words
    assert "zero wait" in words
    assert "a lower bound" in words
    assert "not known, the wait states of this board's flash are not published" in words


def test_not_emulated_still_shows_the_arena() -> None:
    page = page_of(not_emulated())
    words = card(page, "RAM").words
    assert "12,800 B" in words
    assert "static variables and stack are not known" in words
    assert not page.find_all("table", "layers")
    assert page.find_all("svg", "memory")


def test_energy_without_a_published_current() -> None:
    report = branching_report()
    report["costs"]["energy_uj"] = None
    assert "no supply current is published" in card(page_of(report), "Energy").words


def test_stack_without_a_bound() -> None:
    report = branching_report()
    report["costs"]["ram_bytes"]["stack_bound"] = None
    assert "the stack's bound is not known" in card(page_of(report), "RAM").words


@pytest.mark.parametrize("layers", [1, 60])
def test_every_layer_has_a_row_with_its_costs(layers: int) -> None:
    report = chain_report(layers)
    (table,) = page_of(report).find_all("table", "layers")
    rows = table.find_all("tbody")[0].find_all("tr")
    assert len(rows) == layers
    for row, layer in zip(rows, report["costs"]["layers"], strict=True):
        assert layer["name"] in row.words
        for figure in ("cycles_modelled", "instructions", "weights_bytes", "code_bytes"):
            assert f"{layer[figure]:,}" in row.words
        assert decimal(layer["instructions"] / layer["macs"]) in row.words
    total = table.find_all("tfoot")[0].words
    assert f"{report['costs']['cycles_modelled']:,}" in total
    assert "outside the layers" in total


def bar_lengths(row: Element) -> list[float]:
    bar = row.find_all("td", "wide")[0].find_all("i")
    widths = [re.fullmatch(r"width:([\d.]+)%", part.attributes["style"]) for part in bar]
    return [float(width[1]) for width in widths if width]


def test_bars_are_to_scale() -> None:
    report = chain_report(7)
    (table,) = page_of(report).find_all("table", "layers")
    rows = table.find_all("tbody")[0].find_all("tr")
    most = max(layer["cycles_modelled"] for layer in report["costs"]["layers"])
    for row, layer in zip(rows, report["costs"]["layers"], strict=True):
        computing, waiting = bar_lengths(row)
        assert computing == pytest.approx(100 * layer["cycles"] / most, abs=0.01)
        assert computing + waiting == pytest.approx(100 * layer["cycles_modelled"] / most, abs=0.02)


def test_headline_bars_are_to_scale() -> None:
    report = branching_report()
    bar = card(page_of(report), "RAM").find_all("div", "bar")[0]
    widths = [float(i.attributes["style"][len("width:") : -1]) for i in bar.find_all("i")]
    assert widths == pytest.approx([100 * b / 262_144 for b in (12_800, 128, 40)], abs=0.01)


def test_without_cycles_the_layers_are_ranked_by_instructions() -> None:
    page = page_of(SAMPLES["no cycle model"])
    (table,) = page.find_all("table", "layers")
    heads = [th.words for th in table.find_all("thead")[0].find_all("th")]
    assert heads[1] == "Instructions"
    assert heads.count("Instructions") == 1
    assert len(bar_lengths(table.find_all("tbody")[0].find_all("tr")[0])) == 1


@pytest.mark.parametrize(
    ("name", "whole"), [("nothing counted", "not known"), ("not counted by layer", "2,718,232")]
)
def test_without_counts_no_layer_shows_a_cost(name: str, whole: str) -> None:
    (table,) = page_of(SAMPLES[name]).find_all("table", "layers")
    assert table.find_all("tfoot")[0].find_all("td", "wide")[0].words == whole
    for row in table.find_all("tbody")[0].find_all("tr"):
        cost = row.find_all("td", "wide")[0]
        assert cost.words == "not known"
        assert not cost.find_all("i")


def test_memory_has_a_text_equivalent() -> None:
    report = branching_report()
    page = page_of(report)
    (details,) = page.find_all("details")
    for buffer in report["memory_plan"]["buffers"]:
        assert buffer["name"] in details.text
    assert "also called res/flatten/Reshape" in details.words
    assert "800 B above the lower bound of 12,000 B" in page.words
    assert "another order than in the file" in page.words


def test_the_same_report_gives_the_same_bytes() -> None:
    report = branching_report()
    assert render_html(report) == render_html(json.loads(json.dumps(report)))


def test_rendering_leaves_the_report_alone() -> None:
    report = branching_report()
    before = copy.deepcopy(report)
    render_html(report)
    assert report == before
