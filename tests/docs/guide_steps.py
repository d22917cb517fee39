"""The steps of a guide: code, commands and what they print, in the order of the page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(
    r"<!-- (example|command|output): ([\w-]+)(?:, exit (\d))? -->\n```\w+\n(.*?)^```",
    re.MULTILINE | re.DOTALL,
)
NUMBER = re.compile(r"(-?\d[\d,]*(?:\.\d+)?)")
RELATIVE, ABSOLUTE = 0.25, 3.0
"""How far a number may be from the printed one: training differs from machine to machine."""


@dataclass(frozen=True)
class Step:
    """A marked block.

    Attributes:
        kind: ``example``, ``command`` or ``output``.
        name: An output has that of the step that prints it.
        exit_code: Of each command.
        body: The block's text.
    """

    kind: str
    name: str
    exit_code: int
    body: str


def steps_of(page: str) -> list[Step]:
    """All marked blocks of a page."""
    text = (ROOT / page).read_text("utf-8")
    return [Step(k, n, int(code or 0), body) for k, n, code, body in STEP.findall(text)]


def mismatch(expected: str, found: str) -> str:
    """Why an output is not the printed one; "" where it is.

    A line ``...`` stands for any lines, and blanks for any blanks. Numbers may differ a little.
    """
    lines = [" ".join(line.split()) for line in found.splitlines() if line.strip()]
    wanted = [" ".join(line.split()) for line in expected.splitlines() if line.strip()]
    parts: list[list[str]] = [[]]
    for line in wanted:
        if line == "...":
            parts.append([])
        else:
            parts[-1].append(line)
    at = 0
    for number, part in enumerate(parts):
        # Behind "..." a part may begin anywhere; the last one stands at the end.
        last = len(lines) - len(part)
        first = last if number and number == len(parts) - 1 else at
        starts = range(max(first, at), last + 1) if number else range(min(1, last + 1))
        places = (s for s in starts if all(map(_alike, part, lines[s:])))
        place = next(places, None)
        if place is None:
            return "\n".join(["found", *lines, "expected", *wanted])
        at = place + len(part) if part or number + 1 < len(parts) else len(lines)
    return f"more than expected: {lines[at:]}" if at != len(lines) else ""


def _alike(expected: str, found: str) -> bool:
    ours, theirs = NUMBER.split(expected), NUMBER.split(found)
    if len(ours) != len(theirs) or ours[::2] != theirs[::2]:
        return False
    return all(
        abs(a - b) <= max(RELATIVE * abs(a), ABSOLUTE)
        for a, b in zip(map(_number, ours[1::2]), map(_number, theirs[1::2]), strict=True)
    )


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def unmarked(page: str) -> list[str]:
    """First lines of blocks of Python, shell or output that no step is."""
    text = (ROOT / page).read_text("utf-8")
    marked = {step.body for step in steps_of(page)}
    fences = [m.start() for m in re.finditer(r"^```", text, re.MULTILINE)]
    found = []
    for begin, end in list(pairwise(fences))[::2]:
        head, _, body = text[begin:end].partition("\n")
        if head in ("```python", "```sh", "```text", "```") and body not in marked:
            found.append(body.partition("\n")[0])
    return found
