"""The report as one page of HTML that needs nothing from anywhere else."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from midge.report.headline import headline, is_bare_core, why_no_cycles, why_not_run
from midge.report.kernel_choice import kernel_choice
from midge.report.layers import layer_table
from midge.report.memory_picture import draw_memory
from midge.report.memory_rows import read_plan
from midge.report.wording import (
    byte_count,
    capacity,
    clock,
    count,
    decimal,
    percent,
    printable,
    shape_text,
    shorten,
)


def render_html(report: dict[str, Any]) -> str:
    """The page for a browser: no script, no outside resource, light and dark, fit for print.

    Args:
        report: The contents of report.json.

    Returns:
        HTML; the same report gives the same text. Names are escaped, and what cannot be written
        as UTF-8 is spelt out, so that the text can go into a file as it is.
    """
    plan = report["memory_plan"]
    rows = read_plan(plan)
    page = page_environment().get_template("page.html")
    return page.render(
        report=report,
        figures=headline(report),
        table=layer_table(report),
        choice=kernel_choice(report),
        plan=plan,
        rows=rows,
        picture=draw_memory(plan, rows),
        bare_core=is_bare_core(report),
        why_no_cycles=why_no_cycles(report),
        why_not_run=why_not_run(report),
    )


@cache
def page_environment() -> jinja2.Environment:
    """Where templates of pages are found, and the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("midge.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        byte_count=byte_count,
        capacity=capacity,
        clock=clock,
        count=count,
        decimal=decimal,
        printable=printable,
        shape=shape_text,
        shorten=shorten,
        units=lambda value: f"{value:.1f}",
    )
    environment.globals.update(percent=percent, share=_share)
    return environment


def _share(part: float | None, whole: float) -> str:
    """A length for CSS: the part of the whole in percent."""
    return f"{100 * (part or 0) / whole:.2f}%"
