"""The page of the heart-rhythm recipe: well formed, self-contained, true to its figures."""

from __future__ import annotations

import json
import math
import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from sample_ecg_reports import SAMPLES, sample, strip

from midge.recipes.ecg.report_page import battery_text, render_ecg_html
from midge.recipes.ecg.report_pictures import byte_bars, draw_curves, matrix_of
from midge.recipes.ecg.report_strips import MILLIVOLT, SECOND, clock_time, draw_strip, thin_out
from midge.recipes.ecg.report_text import render_ecg_text
from report.page_structure import Element, read_page

HOSTILE = "</script></title></svg><x-evil onload='a()'>\"& {{ 7*7 }} <!-- ]]>"


def page_of(name: str) -> Element:
    return read_page(render_ecg_html(SAMPLES[name]()))


def row_of(table: Element, name: str) -> list[str]:
    rows = [r for r in table.find_all("tr") if r.children[0].words.startswith(name)]
    assert rows, name
    return [cell.words for cell in rows[0].children]


@pytest.mark.parametrize("name", SAMPLES)
def test_tags_balance_and_references_resolve(name: str) -> None:
    elements = page_of(name).everything()
    ids = [e.attributes["id"] for e in elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in elements:
        for target in element.attributes.get("aria-labelledby", "").split():
            assert target in ids
        if element.tag == "svg":
            assert element.attributes["role"] == "img"
            assert element.attributes["aria-label"].strip()


@pytest.mark.parametrize("name", SAMPLES)
def test_needs_nothing_from_anywhere(name: str) -> None:
    text = render_ecg_html(SAMPLES[name]())
    page = read_page(text)
    assert not {e.tag for e in page.everything()} & {"script", "link", "img", "iframe", "use", "a"}
    attributes = {a for e in page.everything() for a in e.attributes}
    assert not attributes & {"src", "srcset", "href", "action", "data"}
    assert not [a for a in attributes if a.startswith("on")]
    assert "://" not in text
    assert not re.findall(r"url\(|@import", text.replace("url(#hatch)", ""))


def test_drawings_lie_within_their_frames() -> None:
    for svg in page_of("sample").find_all("svg"):
        width, height = (float(svg.attributes[side]) for side in ("width", "height"))
        for rect in svg.find_all("rect"):
            x, y, w, h = (float(rect.attributes[a]) for a in ("x", "y", "width", "height"))
            assert all(math.isfinite(v) and v >= 0 for v in (x, y, w, h))
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


def test_every_table_has_its_figures() -> None:
    page = page_of("sample")
    (scores,) = page.find_all("table", "scores")
    first = scores.find_all("tbody")[0]
    assert row_of(first, "small network, int8")[1:] == [
        *("91.0", "90.0", "95.0", "80.0", "100.0", "90.0", "50.0", "89.6"),
    ]
    assert row_of(scores, "de Chazal")[1:] == ["–", "87", "99", "76", "38", "77", "82", "83.0"]
    (boards,) = page.find_all("table", "boards")
    nordic = row_of(boards, "Nordic")
    assert nordic[1:5] == [
        *("24,576 B", "6,120 Bstack 712 B", "412at most 9,800", "312,346at most 330,001"),
    ]
    assert nordic[5:9] == ["1,812", "6.72 ms430,001 cycles", "1.23 %", "8 months"]
    assert "all 9,876 beats" in nordic[9]
    (sent,) = page.find_all("table", "bytes")
    assert row_of(sent, "flagged")[2:] == ["120,000 B", "10,909 B", "12.0 %"]
    (records,) = page.find_all("table", "records")
    assert row_of(records, "208")[1:6] == ["400", "50", "100", "12", "·"]
    goals = [e.words for e in page.find_all("span", "missed")]
    assert goals == ["✗ missed"]


def test_made_up_signals_are_said_to_be_so_everywhere() -> None:
    text = render_ecg_html(replace(sample(), synthetic=True))
    page = read_page(text)
    assert page.find_all("title")[0].words.startswith("SYNTHETIC")
    assert "SYNTHETIC" in page.find_all("p", "synthetic")[0].words
    captions = page.find_all("figcaption")
    assert len(captions) == 4
    assert all("synthetic" in c.words for c in captions)
    assert "de Chazal" not in text
    assert "SYNTHETIC" in render_ecg_text(replace(sample(), synthetic=True))
    assert "SYNTHETIC" not in render_ecg_html(sample())
    assert "SYNTHETIC" not in render_ecg_text(sample())


def test_what_is_not_known_is_a_dash_and_a_difference_is_a_defect() -> None:
    (boards,) = page_of("bare").find_all("table", "boards")
    nordic = row_of(boards, "Nordic")
    assert nordic[5:9] == ["–"] * 4
    assert "defect" in nordic[9]
    assert "DIFFER" in render_ecg_text(SAMPLES["bare"]())


def with_hostile_strings(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        # What chooses a style or a column is ours.
        kept = ("rows", "columns") if type(value).__name__ == "Scores" else ()
        kept += ("name",) if type(value).__name__ in ("System", "Curve") else ()
        changed = {
            f.name: with_hostile_strings(getattr(value, f.name))
            for f in fields(value)
            if f.name not in kept
        }
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(with_hostile_strings(v) for v in value)
    if isinstance(value, dict):
        return {k: with_hostile_strings(v) for k, v in value.items()}
    return value + HOSTILE if isinstance(value, str) else value


def test_hostile_names_stay_text() -> None:
    tame = page_of("sample")
    report = with_hostile_strings(sample())
    report = replace(report, strips=sample().strips)
    text = render_ecg_html(report)
    page = read_page(text)
    assert {e.tag for e in page.everything()} == {e.tag for e in tame.everything()}
    assert "<!-- ]]>" not in text


def test_the_same_report_is_the_same_page_and_json() -> None:
    one, two = sample(), sample()
    assert render_ecg_html(one) == render_ecg_html(two)
    assert render_ecg_text(one) == render_ecg_text(two)
    assert json.dumps(one.to_json()) == json.dumps(two.to_json())
    assert json.loads(json.dumps(one.to_json(), allow_nan=False)) == one.to_json()


def test_the_text_has_the_figures() -> None:
    text = render_ecg_text(sample())
    assert re.search(r"wrist \(emulated device\) +91\.0 +89\.0 +95\.0 +76\.0 +100\.0", text)
    assert "12.0 % of the lead's samples in 12 bits (120,000 B)" in text
    assert "1 of 3 goals met" in text
    assert "MISSED: ventricular sensitivity of the device: 88.0 % (at least 90 %)" in text
    assert "\N{NO-BREAK SPACE}" not in text
    assert max(map(len, text.splitlines())) < 150


def test_paper_runs_at_its_speed_and_the_pen_stops_at_its_edge() -> None:
    given = strip("k", "V", "V", "V")
    picture = draw_strip(given)
    assert picture.right - picture.left == pytest.approx(SECOND * 599 / 120)
    assert len(picture.coarse) == 5
    steps = [b - a for a, b in zip(picture.coarse, picture.coarse[1:], strict=False)]
    assert steps == pytest.approx([SECOND] * 4)
    assert picture.across[0] - picture.across[1] == pytest.approx(MILLIVOLT / 2)
    far = replace(given, millivolts=(50.0, *given.millivolts[1:-1], -50.0))
    for _, y in draw_strip(far).trace:
        assert picture.top - 1e-9 <= y <= draw_strip(far).bottom + 1e-9


def test_letters_stand_at_their_beats_and_errors_stand_out() -> None:
    picture = draw_strip(strip("k", "V", "N", "V"))
    at = picture.middle
    here = {(letter.y, letter.text, letter.css) for letter in picture.letters if letter.x == at}
    assert {(text, css) for _, text, css in here} == {
        ("V", "reference"),
        ("N", "wrong"),
        ("V", "right"),
    }
    assert "device said normal, flagged; together with the cloud ventricular" in picture.words
    assert clock_time(754.2) == "12:34"


def test_thinning_keeps_the_peaks() -> None:
    signal = [0.0] * 100
    signal[37] = 1.5
    kept, rate = thin_out(signal, 360, 120)
    assert rate == 120
    assert max(kept) == 1.5
    assert abs(kept.index(1.5) - 37 / 3) <= 1.5
    assert len(kept) == pytest.approx(100 / 3, abs=1.5)
    assert thin_out(signal, 100, 120) == (signal, 100)
    assert thin_out([], 360, 120) == ([], 120)


def test_curves_rise_from_the_axis() -> None:
    plot = draw_curves(sample().systems, "V", "Ventricular")
    assert plot is not None
    assert len(plot.lines) == 5
    for line in plot.lines:
        xs, ys = zip(*line.points, strict=True)
        assert list(xs) == sorted(xs)
        assert list(ys) == sorted(ys, reverse=True)
        assert xs[0] == plot.left
        assert line.points[-1] == (plot.right, plot.top)
    assert draw_curves(sample().systems, "Q", "?") is None


def test_matrices_leave_out_empty_rows_and_mark_the_diagonal() -> None:
    matrix = matrix_of("t", sample().systems[0].scores["all"])
    names = [name for name, _ in matrix.rows]
    assert names == ["N", "S", "V", "F", "false"]
    cells = dict(matrix.rows)
    assert [c.css for c in cells["N"]] == ["same", "none", "off", "off"]
    assert [c.css for c in cells["F"]] == ["other", "none", "other", "none"]
    assert cells["N"][0].share == 0.9


def test_bars_are_shares_of_the_longest() -> None:
    bars = byte_bars(sample().uplink)
    assert [round(b.share, 3) for b in bars] == [1.0, 0.75, 0.255, 0.09]
    assert [round(b.of_packed, 3) for b in bars] == [1.333, 1.0, 0.34, 0.12]
    assert all(b.share == 0 for b in byte_bars(SAMPLES["bare"]().uplink))


@pytest.mark.parametrize(
    ("power_uw", "text"),
    [(None, "–"), (1000.0, "28 days"), (120.0, "8 months"), (10.0, "7.7 years")],
)
def test_battery_life(power_uw: float | None, text: str) -> None:
    board = replace(sample().boards[0], power_uw=power_uw)
    assert battery_text(board).replace("\N{NO-BREAK SPACE}", " ") == text
