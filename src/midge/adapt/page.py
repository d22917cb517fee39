"""Self-contained pages: pictures and tables in one HTML file that loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 960px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; text-align: right }
td:first-child, th:first-child { text-align: left } tr + tr { border-top: 1px solid #ddd }
svg { display: block; margin: .6em 0 } p.note { color: #555 }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page.

    Args:
        title: Plain text.
        parts: HTML, from the functions below and from `svg`.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="generator" content="Midge">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def heading(text: str) -> str:
    """A section begins."""
    return f"<h2>{escape(text)}</h2>"


def note(text: str) -> str:
    """A paragraph beside pictures."""
    return f'<p class="note">{escape(text)}</p>'


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of plain text."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"
