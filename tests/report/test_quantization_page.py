"""The page on a quantisation: well formed, self-contained, safe with names, true to its figures."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from page_structure import Element, read_page
from sample_quantizations import SAMPLES, layer, picture, sample

from midge.report import render_quantization_html
from midge.report.quantization_reasons import codes_spanned, reasons

HOSTILE = "</script></title></svg><x-evil onload='a()'>\"& {{ 7*7 }} <!-- ]]>"


def page_of(content: dict[str, Any]) -> Element:
    return read_page(render_quantization_html(content))


def card(page: Element, label: str) -> Element:
    cards = [a for a in page.find_all("article") if a.find_all("h3")[0].words.startswith(label)]
    assert len(cards) == 1
    return cards[0]


def row_of(page: Element, name: str) -> Element:
    (table,) = page.find_all("table", "nets")
    rows = [
        r
        for r in table.find_all("tbody")[0].find_all("tr")
        if r.find_all("th")[0].words.startswith(name)
    ]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("name", SAMPLES)
def test_tags_balance_and_references_resolve(name: str) -> None:
    page = page_of(sample(name))
    elements = page.everything()
    ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in elements:
        for target in element.attributes.get("aria-labelledby", "").split():
            assert target in ids, f"aria-labelledby names {target!r}, which is nowhere"
    for svg in page.find_all("svg"):
        assert svg.attributes["role"] == "img"
        assert svg.attributes["aria-label"].strip()


@pytest.mark.parametrize("name", SAMPLES)
def test_drawings_lie_within_their_frames(name: str) -> None:
    for svg in page_of(sample(name)).find_all("svg"):
        width, height = (float(svg.attributes[side]) for side in ("width", "height"))
        for rect in svg.find_all("rect"):
            x, y, w, h = (float(rect.attributes[a]) for a in ("x", "y", "width", "height"))
            assert all(math.isfinite(v) for v in (x, y, w, h))
            assert x >= 0
            assert y >= 0
            assert x + w <= width + 0.1
            assert y + h <= height + 0.1
        for circle in svg.find_all("circle"):
            assert 0 <= float(circle.attributes["cx"]) <= width
            assert 0 <= float(circle.attributes["cy"]) <= height
        for line in svg.find_all("polyline"):
            for point in line.attributes["points"].split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= width
                assert 0 <= y <= height


@pytest.mark.parametrize("name", SAMPLES)
def test_needs_nothing_from_anywhere(name: str) -> None:
    text = render_quantization_html(sample(name))
    page = read_page(text)
    tags = {e.tag for e in page.everything()}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "image", "use", "a"}
    attributes = {a for e in page.everything() for a in e.attributes}
    assert not attributes & {"src", "srcset", "href", "xlink:href", "action", "data"}
    assert not [a for a in attributes if a.startswith("on")]
    assert "://" not in text
    assert not re.findall(r"url\([^)]*\)|@import", text.replace("url(#hatch)", ""))


def with_hostile_strings(value: Any, key: str = "") -> Any:
    """The content with a hostile tail on every string but types, which choose what is drawn."""
    if isinstance(value, dict):
        return {k: with_hostile_strings(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [with_hostile_strings(item, key) for item in value]
    return value + HOSTILE if isinstance(value, str) and not key.endswith("dtype") else value


@pytest.mark.parametrize("name", ["quantised", "inspected", "forty layers"])
def test_hostile_names_stay_text(name: str) -> None:
    tame = page_of(sample(name))
    content = with_hostile_strings(sample(name))
    text = render_quantization_html(content)
    page = read_page(text)
    assert {e.tag for e in page.everything()} == {e.tag for e in tame.everything()}
    known = {a for e in tame.everything() for a in e.attributes} | {"title", "aria-hidden"}
    assert {a for e in page.everything() for a in e.attributes} <= known
    assert "<!-- ]]>" not in text
    shown = page.text + "".join(v for e in page.everything() for v in e.attributes.values())
    for entry in content["layers"]:
        assert entry["name"] in shown
    assert content["model"] in shown
    assert "49" not in page.find_all("h1")[0].text


@pytest.mark.parametrize("tail", ["\x00", "\x1b[2J", "\ud800", "\u202e", "\r\n", "\u2028"])
def test_names_that_no_page_should_hold_are_spelt_out(tail: str) -> None:
    content = json.loads(json.dumps(sample("quantised")).replace("stem", "NAME"))
    content = json.loads(json.dumps(content).replace("NAME", json.dumps("x" + tail)[1:-1]))
    text = render_quantization_html(content)
    text.encode("utf-8")
    assert tail not in text
    assert "x" + tail.encode("unicode_escape").decode() in text
    assert "\\xa0" not in text


def test_headlines() -> None:
    page = page_of(sample("quantised"))
    expected = {
        "Accuracy": ("94.2 %", "float network: 95.0 %", "−0.8 points", "93.8 %"),
        "Against the float network": ("30.5 dB", "same answer on 99.2 %", "cosine", "0.31"),
        "Emulated device": ("equal", "bit for bit"),
        "Constants": ("1,000 B", "25.0 % of 4,000 B", "3,000 B fewer"),
        "Measured on": ("400 samples", "256 others"),
        "Costliest layer": ("2.5 dB", "head", "then stem"),
    }
    for label, texts in expected.items():
        words = card(page, label).words
        for text in texts:
            assert text in words, f"{label}: {text!r} is not in {words!r}"
    assert "calibrated on few samples" in page.find_all("p", "notice")[0].words


def test_figures_of_the_calibration_samples_carry_a_warning() -> None:
    found = card(page_of(sample("quantised") | {"evaluated_on_calibration": True}), "Measured on")
    assert "on others the figures will be worse" in found.find_all("p", "warning")[0].words
    assert not found.find_all("p", "note")


def test_a_device_that_differs_is_a_defect() -> None:
    alike = {"snr_db": 51.0, "cosine": 0.999, "top1": 1.0, "largest_error": 0.1}
    found = card(page_of(sample("quantised") | {"integer_vs_device": alike}), "Emulated device")
    assert "differs" in found.words
    assert "please report it" in found.words


@pytest.mark.parametrize("name", ["inspected", "without pictures"])
def test_what_is_not_known_is_left_out(name: str) -> None:
    page = page_of(sample(name))
    headings = [e.words for e in page.find_all("h2")]
    assert "Outputs, float against integers" not in headings
    assert ("Where the noise comes from" in headings) == (name == "without pictures")
    assert ("Values and codes" in headings) == (name == "inspected")
    if name == "inspected":
        assert "no float network was given" in card(page, "Against the float network").words
        assert "1 of 4 channels never change" in row_of(page, "stem").words
        cells = [cell.words for cell in row_of(page, "stem").find_all("td")]
        assert cells[:3] == ["0 to 2.55", "30.0 %", "1 of 4"]


def test_the_noise_is_drawn_to_scale() -> None:
    content = sample("quantised")
    plot = page_of(content).find_all("svg")[0]
    ticks = {
        int(t.words.split()[0]): float(t.attributes["x"])
        for t in plot.find_all("text", "middle")
        if "dB" in t.words
    }
    low, high = min(ticks), max(ticks)
    assert low <= 30.5
    assert high >= 39.9
    for kind, field in (("whole", "snr_db"), ("own", "own_snr_db")):
        places = [float(c.attributes["cx"]) for c in plot.find_all("circle", kind)]
        for place, entry in zip(places, content["layers"], strict=True):
            share = (entry[field] - low) / (high - low)
            assert place == pytest.approx(ticks[low] + share * (ticks[high] - ticks[low]), abs=0.2)
    assert [t.words for t in plot.find_all("text", "costly")] == ["stem", "head"]
    assert [t.words for t in plot.find_all("text", "cost")] == ["costs 0.4 dB", "costs 2.5 dB"]


def test_layers_that_cost_nothing_are_not_called_costly() -> None:
    content = sample("quantised")
    for entry in content["layers"]:
        entry["cost_db"] = 0.01
    page = page_of(content)
    assert "none" in card(page, "Costliest layer").find_all("p", "value")[0].words
    assert not page.find_all("span", "rank")


def test_remedies_tell_gain_and_bytes() -> None:
    (table,) = page_of(sample("quantised")).find_all("table", "remedies")
    rows = [[c.words for c in r.children] for r in table.find_all("tbody")[0].find_all("tr")]
    assert rows[0][:2] == ["keep_float=['head']", "+2.5 dB"]
    assert rows[0][-1] == "+960 B"
    assert rows[1][1] == "+0.0 dB", "no minus on a zero"
    assert rows[1][-1] == "−12 B"
    assert rows[2][1] == "–"


def test_answers_that_differ_stand_out() -> None:
    (table,) = page_of(sample("quantised")).find_all("table", "answers")
    assert [c.words for c in table.find_all("td", "same")] == ["38", "359"]
    assert [c.words for c in table.find_all("td", "off")] == ["1", "2"]
    (judged,) = page_of(sample("quantised")).find_all("table", "judged")
    assert [c.words for c in judged.find_all("td")] == ["375", "5", "2", "18"]


def test_bars_show_the_counts_and_the_codes() -> None:
    content = sample("quantised")
    article = next(
        a for a in page_of(content).find_all("article") if a.find_all("h3")[0].words == "gate"
    )
    plot = article.find_all("svg")[0]
    (group,) = plot.find_all("g", "bars")
    bars = group.find_all("rect")
    counts = [n for n in content["pictures"]["layers"][1]["float"] if n]
    heights = [float(b.attributes["height"]) for b in bars]
    assert len(bars) == len(counts)
    for count, height in zip(counts, heights, strict=True):
        assert height == pytest.approx(92 * math.log1p(count) / math.log1p(905), abs=0.1)
    assert bars[0].words == "900 values from 0 to 0.0398"
    assert "99 % of the values: 27 codes" in plot.words


def test_values_that_no_code_reaches_share_none() -> None:
    content = sample("quantised")
    content["pictures"]["layers"][1]["inner"] = [10.0, 12.0]
    assert "99 % of the values: 0 codes" in page_of(content).find_all("main")[0].words


def test_what_only_takes_another_shape_is_no_layer() -> None:
    content = sample("quantised")
    content["layers"].append(layer("flat", kind="reshape"))
    content["pictures"]["layers"].append(picture("flat"))
    assert "flat" not in page_of(content).find_all("main")[0].text.split()


def test_layers_beyond_the_noisiest_wait_for_a_reader() -> None:
    page = page_of(sample("forty layers"))
    (details,) = page.find_all("details")
    assert "The other 31 layers" in details.find_all("summary")[0].words
    assert len(details.find_all("article")) == 31
    inside = details.text
    # The noisiest are the last ones.
    assert "relu_39" not in inside
    assert "relu_0" in inside


def test_a_plain_layer_has_nothing_that_stands_out() -> None:
    assert reasons(layer("a"), picture("a")) == ()
    (table,) = page_of(sample("forty layers")).find_all("table", "nets")
    assert "nothing" in {cell.words for cell in table.find_all("td", "why")}


@pytest.mark.parametrize(
    ("fields", "drawn", "said"),
    [
        ({"clipped": 0.0123}, {}, "1.2 % of its values lie beyond the codes"),
        ({"clipped": 0.0039}, {}, ""),
        ({"weights_dtype": "int4"}, {}, "weights are int4: 15 values"),
        ({"dtype": "float32", "clipped": 0.5}, {}, "computes in float32"),
        ({"high": 1.0}, {}, "its values reach over 101 of 256 codes"),
        ({"high": 1.0, "kind": "softmax"}, {}, "this operator's range is fixed"),
        ({"high": 1.27}, {}, "over 128 of 256"),
        ({"high": 1.28}, {}, ""),
        ({}, {"inner": [0.5, 0.8]}, "99 % of its values share 31 of 256 codes"),
        ({}, {"inner": [0.5, 0.98]}, ""),
        ({"dtype": "int16"}, {"inner": [0.5, 0.8]}, ""),
        ({}, {"channels": [[0, 2.4], [0, 0.1], [0, 0]]}, "1 of 3 has 16 codes or fewer"),
        ({}, {"channels": [[0, 2.4], [0, 0.1], [0, 0]]}, "the loudest 241"),
        ({}, {"channels": [[0, 0.3], [0, 0.1]]}, ""),
        ({"dead_channels": 2}, {}, "2 of 4 channels never change"),
    ],
)
def test_reasons_follow_from_the_figures(
    fields: dict[str, Any], drawn: dict[str, Any], said: str
) -> None:
    found = "; ".join(reasons(layer("a", **fields), picture("a", **drawn))).replace("\xa0", " ")
    assert (said in found) if said else (not found), found


def test_at_most_three_reasons_in_the_order_of_weight() -> None:
    entry = layer("a", clipped=0.2, weights_dtype="int4", high=0.4, dead_channels=3, snr_db=1.0)
    found = reasons(entry, picture("a", channels=[[0, 2.4], [0, 0.1]], inner=[0.0, 0.1]))
    assert len(found) == 3
    assert "beyond the codes" in found[0]
    assert "int4" in found[1]


def test_codes_from_end_to_end() -> None:
    assert codes_spanned(0.0, 2.55, 0.01) == 256
    assert codes_spanned(1.0, 1.0, 0.01) == 1
    assert codes_spanned(None, 1.0, 0.01) is None
    assert codes_spanned(0.0, 1.0, None) is None


def test_the_same_content_gives_the_same_bytes_and_is_left_alone() -> None:
    content = sample("quantised")
    text = render_quantization_html(content)
    assert content == sample("quantised")
    assert text == render_quantization_html(json.loads(json.dumps(content)))
