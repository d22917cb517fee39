"""A compiled network's report, for a browser and for a terminal, out of the data of report.json."""

from midge.report.html_page import render_html
from midge.report.text_page import render_text

__all__ = ["render_html", "render_text"]
