"""A compiled network's report, for a browser and for a terminal, out of the data of report.json.

And the table of operators, out of what the code says of itself.
"""

from midge.report.html_page import render_html
from midge.report.operators_page import render_operators_markdown, render_operators_text
from midge.report.quantization_page import render_quantization_html
from midge.report.quantization_text import render_quantization_text
from midge.report.text_page import render_text

__all__ = [
    "render_html",
    "render_operators_markdown",
    "render_operators_text",
    "render_quantization_html",
    "render_quantization_text",
    "render_text",
]
