"""Markdown tables, and the files that results are written to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.mlperf_tiny import REPOSITORY
from midge.files import write_files

RESULTS = str(REPOSITORY / "bench" / "results")


def table(header: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """A Markdown table.

    Args:
        header: Titles of the columns.
        rows: Their cells: integers get thousands separators, None becomes ``-``.
        left: How many columns stand left-aligned; the others are aligned right.
    """
    rule = ["---" if column < left else "---:" for column in range(len(header))]
    lines = [header, rule, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def write_results(folder: str, name: str, text: str, content: Mapping[str, Any]) -> None:
    """Write ``<name>.md`` and ``<name>.json``; a reader never sees half of one.

    Raises:
        UserError: the folder cannot be written.
    """
    listed = json.dumps(content, indent=1) + "\n"
    write_files(folder, {f"{name}.md": text, f"{name}.json": listed})


def put_between(path: Path, name: str, text: str) -> None:
    """Rewrite what stands between ``<!-- name:begin -->`` and ``<!-- name:end -->``, if anything.

    Raises:
        UserError: the file cannot be written.
    """
    if not path.is_file():
        return
    before = path.read_text("utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    after = pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", before)
    if after != before:
        write_files(str(path.parent), {path.name: after})


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
