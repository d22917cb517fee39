"""Charts are well-formed SVG, thin out long series, and take what streams hold."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from midge.adapt.page import heading, html_table, note, page
from midge.adapt.svg import Line, band_chart, line_chart


def test_a_long_line_is_thinned_but_keeps_its_spike():
    values = np.zeros(50_000)
    values[31_234] = 7.0
    text = line_chart("a < b", [Line("x & y", values)], marks=[31_234])

    tree = ElementTree.fromstring(text)

    paths = [node.attrib["d"] for node in tree.iter() if node.tag.endswith("path")]
    heights = [float(point.split()[1]) for point in paths[0].replace("M", "L").split("L")[1:]]
    assert len(heights) < 2000
    assert min(heights) < max(heights) - 50


def test_gaps_and_constants_are_drawn():
    values = np.array([np.nan, 1.0, np.nan, 1.0, 1.0])

    ElementTree.fromstring(line_chart("", [Line("x", values), Line("y", np.full(5, np.nan))]))
    ElementTree.fromstring(line_chart("", [Line("x", np.full(3, np.nan))]))


def test_bands_name_their_regimes():
    text = band_chart("regimes", [("true", np.array([0, 0, 1, 1, 0]))])

    ElementTree.fromstring(text)
    assert "regime 1, ticks 2 to 3" in text


def test_logarithmic_axes_show_their_values():
    ticks = np.array([1e3, 1e4, 1e5])

    text = line_chart("", [Line("x", np.array([1.0, 10.0, 100.0]), ticks)], logarithmic=True)

    assert ">10,000<" in text


def test_a_page_loads_nothing_and_escapes_what_it_shows():
    text = page("<t>", [heading("<h>"), note("<n>"), html_table(["<a>"], [["<b>"]])])

    assert "http" not in text
    assert "<script" not in text
    for shown in ("t", "h", "n", "a", "b"):
        assert f"&lt;{shown}&gt;" in text
