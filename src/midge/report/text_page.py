"""The report for a terminal: about a hundred columns, no colours, nothing that moves the cursor."""

from __future__ import annotations

import textwrap
from typing import Any

from midge.report.headline import Figure, headline, is_bare_core, why_no_cycles, why_not_run
from midge.report.kernel_choice import kernel_choice, others_in_words
from midge.report.layers import LayerTable, Row, layer_table
from midge.report.wording import (
    NO_BREAK,
    NOT_KNOWN,
    NOTHING_TO_SHOW,
    byte_count,
    clock,
    columns,
    count,
    decimal,
    percent,
    printable,
    shorten,
)

Json = dict[str, Any]

WIDTH = 100
LIMIT_BAR = 24
NOTES_AT = 39
WIDEST_NAME = 28
WIDEST_DETAIL = 30
NARROWEST_TEXT = 10
WIDEST_BAR = 24
NARROWEST_BAR = 6
FREE = "·"
WAITING = "░"
EIGHTHS = " ▏▎▍▌▋▊▉█"


def render_text(report: Json) -> str:
    """Headline figures, layers and arena as text.

    Args:
        report: The contents of report.json.

    Returns:
        Lines of at most 100 columns without trailing blanks, the last one not ended; the same
        report gives the same text.
    """
    lines = [
        *_title(report),
        "",
        *(line for figure in headline(report) for line in _figure(figure)),
        "",
        *_layers(report),
        "",
        *_choice(report),
        *_memory(report["memory_plan"]),
    ]
    return "\n".join(line.replace(NO_BREAK, " ").rstrip() for line in lines)


def _title(report: Json) -> list[str]:
    model, target, costs = report["model"], report["target"], report["costs"]
    facts = [printable(f"{target['core']} ({target['isa']})")]
    if target["clock_hz"] is not None:
        facts.append(clock(target["clock_hz"]))
    if report["compiler"]:
        facts.append(printable(f"{report['compiler']} {report['optimisation']}"))
    if costs:
        plural = "" if costs["samples"] == 1 else "s"
        facts.append(f"{printable(costs['emulator'])}, {count(costs['samples'])} sample{plural}")
    on = f" on {printable(target['title'])}"
    name = shorten(printable(model["name"]), max(WIDTH - columns(on), 16))
    return [shorten(name + on, WIDTH), *_wrapped(" · ".join(facts), 0)]


def _figure(figure: Figure) -> list[str]:
    """The value with its bar on one line, composition and notes below."""
    start = f"{figure.label:<13}{figure.value or NOT_KNOWN:>14}  {figure.certainty:<9}"
    notes = list(figure.notes)
    if figure.bar and figure.bar.limit:
        taken = sum(part.amount for part in figure.bar.parts if part.style != "bound")
        start += f" {_bar(taken, 0, figure.bar.full, LIMIT_BAR, FREE)}  {figure.bar.limit_text}"
    if figure.bar:
        notes.insert(0, " · ".join(f"{part.label} {part.text}" for part in figure.bar.parts))
    text = _wrapped("; ".join(notes), NOTES_AT)
    if len(start) > NOTES_AT:
        return [start, *text]
    return [start.ljust(NOTES_AT) + text[0][NOTES_AT:], *text[1:]]


def _layers(report: Json) -> list[str]:
    if report["costs"] is None:
        return [f"Layers: {NOT_KNOWN}, {why_not_run(report)}"]
    table = layer_table(report)
    lines = []
    if not table.by_layer:
        lines = ["Cost of the layers: not known, nothing was counted by layer in this run"]
    elif table.cost_key == "instructions":
        lines = [f"Layers by instructions: {why_no_cycles(report)}"]
    heads = ("Layer", "", table.cost_label, "share", "instr/MAC", "weights", "scratch")
    cells = [_cells(row, table) for row in table.rows]
    sizes = [max(columns(row[i]) for row in (heads, *cells)) for i in range(len(heads))]
    # What is over the width is taken from the detail and then from the name; a bar that would be
    # a stump is left out.
    gaps = len(sizes)
    for column in (1, 0):
        over = sum(sizes) + gaps + NARROWEST_BAR - WIDTH
        sizes[column] -= max(min(over, sizes[column] - NARROWEST_TEXT), 0)
    bar = min(WIDTH - sum(sizes) - gaps, WIDEST_BAR)
    drawn = bar >= NARROWEST_BAR and table.by_layer
    for row, texts in zip((None, *table.rows), (heads, *cells), strict=True):
        left = [
            _padded(shorten(t, size), size) for t, size in zip(texts[:2], sizes[:2], strict=True)
        ]
        right = [_aligned(text, size) for text, size in zip(texts[2:], sizes[2:], strict=True)]
        middle = [_cost_bar(row, table, bar)] if drawn else []
        lines.append(" ".join([*left, right[0], *middle, *right[1:]]))
    if drawn and table.cost_key == "cycles_modelled" and not is_bare_core(report):
        lines.append(f"█ computing, {WAITING} waiting for flash")
    if table.outside is not None:
        share = percent(table.outside, table.total or 0)
        lines.append(f"outside the layers: {count(table.outside)} ({share})")
    return lines


def _cells(row: Row, table: LayerTable) -> tuple[str, ...]:
    per_mac = NOT_KNOWN if row.macs else "no MACs"
    if row.instructions_per_mac is not None:
        per_mac = decimal(row.instructions_per_mac)
    known = row.cost is not None and table.total
    return (
        shorten(row.short, WIDEST_NAME),
        shorten(row.detail, WIDEST_DETAIL),
        count(row.cost),
        percent(row.cost or 0, table.total or 0) if known else NOTHING_TO_SHOW,
        per_mac,
        byte_count(row.weights_bytes),
        byte_count(row.scratch_bytes),
    )


def _cost_bar(row: Row | None, table: LayerTable, width: int) -> str:
    if row is None or row.cost is None:
        return " " * width
    computing = row.cost if row.computing is None else row.computing
    return _bar(computing, row.cost - computing, table.most_cost, width, " ")


def _choice(report: Json) -> list[str]:
    """Goal, limits, and for each layer what the other kernels would have cost."""
    choice = kernel_choice(report)
    if choice is None:
        return []
    lines = _wrapped(f"Kernels chosen by measurement for {choice.goal}: {choice.meaning}", 0)
    for limit in choice.limits:
        passed = "" if limit.holds else "; passed: no kernels take less"
        lines += _wrapped(f"{limit.what} {limit.text}{passed}", 2)
    for layer in choice.layers:
        others = others_in_words(layer)
        if others:
            name = shorten(layer.short, WIDEST_NAME)
            taken = shorten(layer.taken.variant, WIDEST_DETAIL)
            lines += _wrapped(f"{name}: {taken}; instead {others}", 2)
    return [*lines, ""]


def _memory(plan: Json) -> list[str]:
    arena, gap = plan["arena_bytes"], plan["gap_bytes"]
    if gap:
        bound = f"{byte_count(gap)} above the lower bound of this order of steps"
    else:
        bound = "the lower bound of this order of steps"
    order = "in another order than the file's" if plan["reordered"] else "in the file's order"
    text = (
        f"Arena {byte_count(arena)}: {bound}; most alive at once without sharing or scratch "
        f"{byte_count(plan['live_set_bytes'])}; outputs written over dying inputs: "
        f"{len(plan['shared'])}; steps {order}"
    )
    return _wrapped(text, 0)


def _bar(first: float, second: float, full: float, width: int, rest: str) -> str:
    """`first` solid to an eighth of a column, `second` behind it in whole columns."""
    eighths = round(8 * width * first / full)
    if first and not eighths:
        eighths = 1
    solid = EIGHTHS[8] * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
    behind = WAITING * max(round(width * (first + second) / full) - len(solid), 0) if second else ""
    return (solid + behind).ljust(width, rest)


def _wrapped(text: str, indent: int) -> list[str]:
    """Lines of at most WIDTH letters, each indented; at least one."""
    blank = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=blank, subsequent_indent=blank) or [blank]


def _padded(text: str, size: int) -> str:
    return text + " " * (size - columns(text))


def _aligned(text: str, size: int) -> str:
    return " " * (size - columns(text)) + text
