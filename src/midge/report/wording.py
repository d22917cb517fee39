"""Numbers and names as people read them: digits grouped, units scaled, long names shortened.

Names of models, tensors and layers come out of files that strangers made. `printable` is where
everything that could steer a terminal, reorder a line or not be written as UTF-8 is taken out; HTML
escaping is the template's.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

NOT_KNOWN = "not known"
NOTHING_TO_SHOW = "–"
ELLIPSIS = "…"
NO_BREAK = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, so that no line ends there; a terminal is given a plain space."""

_LATENCY_UNITS = (("µs", 1e-3), ("ms", 1.0), ("s", 1e3))
_ENERGY_UNITS = (("nJ", 1e-3), ("µJ", 1.0), ("mJ", 1e3), ("J", 1e6))
_CLOCK_UNITS = (("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9))


def count(value: int | None) -> str:
    """``1,234``, or ``not known``."""
    return NOT_KNOWN if value is None else f"{value:,}"


def byte_count(value: int | None) -> str:
    """Exact bytes: ``16,000 B``, or ``not known``."""
    return NOT_KNOWN if value is None else f"{value:,}{NO_BREAK}B"


def capacity(size_bytes: int) -> str:
    """A memory's size in the largest binary unit that divides it: ``256 KiB``."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor:,}{NO_BREAK}{unit}"
    return byte_count(size_bytes)


def latency(milliseconds: float) -> str:
    """Three digits or more with a fitting unit: ``124.6 ms``."""
    return _scaled(milliseconds, _LATENCY_UNITS)


def energy(microjoules: float) -> str:
    """Three digits or more with a fitting unit: ``1.23 mJ``."""
    return _scaled(microjoules, _ENERGY_UNITS)


def clock(hertz: int) -> str:
    """``64 MHz``."""
    unit, factor = _unit_for(hertz, _CLOCK_UNITS)
    return f"{hertz / factor:g}{NO_BREAK}{unit}"


def decimal(value: float) -> str:
    """Two decimals below ten, one below a thousand, none above."""
    places = 2 if abs(value) < 9.995 else 1 if abs(value) < 999.95 else 0
    return f"{value:,.{places}f}"


def percent(part: float, whole: float) -> str:
    """A share: ``6.6 %``; what is there but rounds to nothing is ``<0.1 %``."""
    if not whole:
        return NOTHING_TO_SHOW
    share = 100 * part / whole
    return f"<0.1{NO_BREAK}%" if 0 < share < 0.05 else f"{share:.1f}{NO_BREAK}%"


def shape_text(shape: Sequence[int]) -> str:
    """``1×25×5×64``, or ``scalar``."""
    return "×".join(str(size) for size in shape) or "scalar"


def printable(text: str) -> str:
    """The text with controls, reordering marks and lone surrogates as backslash escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def columns(text: str) -> int:
    """Terminal columns of a printable text at most: East Asian wide characters take two.

    A combining mark counts like a letter, so that a name made of marks alone is cut as well.
    """
    return sum(_columns(c) for c in text)


def shorten(text: str, width: int) -> str:
    """Leave out the middle of what is wider than `width` columns (at least 1)."""
    if columns(text) <= width:
        return text
    tail_room = (width - 1) // 2
    head = _fitting(text, width - 1 - tail_room)
    tail = _fitting(text[::-1], tail_room)[::-1]
    return head + ELLIPSIS + tail


def aligned(rows: Sequence[Sequence[str]], left: Collection[int]) -> list[str]:
    """Rows as lines, columns aligned to the right but for those of `left`."""
    sizes = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = []
        for i, (cell, size) in enumerate(zip(row, sizes, strict=True)):
            blank = " " * (size - columns(cell))
            cells.append(cell + blank if i in left else blank + cell)
        lines.append("  ".join(cells).rstrip())
    return lines


def familiar_names(names: Iterable[str]) -> dict[str, str]:
    """For each name the part by which a person tells it from the others.

    TensorFlow joins the names of all operators that it fused with semicolons, starts each with
    the model's scope and ends it with the operator's kind: of
    ``net/relu_3/Relu;net/bn_3/Fused;net/conv_3/Conv2D`` beside others of ``net/`` the result is
    ``relu_3``. What would make two names equal is kept.

    Args:
        names: As in the file.

    Returns:
        printable short names, by name.
    """
    whole = list(dict.fromkeys(names))
    first = {name: name.split(";", 1)[0] or name for name in whole}
    scope = _common_scope([part for part in first.values() if "/" in part])
    scoped = {name: part.removeprefix(scope) for name, part in first.items()}
    layer = {name: part.rpartition("/")[0] or part for name, part in scoped.items()}
    taken = Counter([*layer.values(), *scoped.values()])
    seen = Counter(scoped.values())
    found = {}
    for name in whole:
        # A name without a slash is its own layer, and so counted twice.
        alone = taken[layer[name]] == 1 + (layer[name] == scoped[name])
        candidates = ((layer[name], alone), (scoped[name], seen[scoped[name]] == 1), (name, True))
        found[name] = printable(next(part for part, good in candidates if good))
    if len(set(found.values())) < len(found):
        # A name that had to stay whole is what another was shortened to.
        return {name: printable(name) for name in whole}
    return found


def _common_scope(paths: list[str]) -> str:
    """The folders that two or more paths all start with, the last slash included."""
    if len(paths) < 2:
        return ""
    folders = [path.split("/")[:-1] for path in paths]
    common: list[str] = []
    for level in zip(*folders, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return "/".join([*common, ""]) if common else ""


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    unit, factor = _unit_for(value, units)
    return f"{decimal(value / factor)}{NO_BREAK}{unit}"


def _unit_for(value: float, units: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """The largest unit of which there is at least one; the smallest for less."""
    chosen = units[0]
    for unit in units:
        if value >= unit[1]:
            chosen = unit
    return chosen


def _columns(character: str) -> int:
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fitting(text: str, width: int) -> str:
    """As many leading characters as `width` columns hold."""
    used = 0
    for index, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[:index]
    return text
