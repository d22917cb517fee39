"""A plan as a picture in the terminal: steps from left to right, addresses from bottom to top.

Every buffer is a box over the steps in which it is alive, labelled with the number of the step that
writes it, which is also its row in the table below. The address axis is to scale, but for boxes too
small to see: those are stretched until a label fits, and all above them moves up. A network too
long for the width is continued in further panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from midge.memory_plan.canvas import Canvas
from midge.memory_plan.plan import Plan
from midge.memory_plan.problem import Problem

SHARED = "░"
SCRATCH = "▒"
FREE = "·"
LEVELS = "▁▂▃▄▅▆▇█"
# Columns a slot takes at least if that keeps the picture in one piece, and otherwise.
NARROWEST, NARROW, WIDEST = 2.5, 3.0, 18.0


@dataclass(frozen=True)
class _Box:
    """One buffer or scratch: slots `first` to `last`, bytes `bottom` to `top`, possible labels."""

    first: int
    last: int
    bottom: int
    top: int
    labels: tuple[str, ...]
    fill: str = ""


def draw_plan(problem: Problem, plan: Plan, *, width: int = 100, height: int = 18) -> str:
    """Draw where every buffer lives, when, and what it costs.

    Args:
        problem: What was planned.
        plan: The plan of it.
        width: Columns to fill, at least 40.
        height: Rows for the address axis; small buffers may add some.

    Returns:
        Plain text, lines of at most `width` characters, each ending in a line feed.
    """
    width = max(width, 40)
    boxes = _boxes(problem, plan)
    frame = _frame(plan, boxes, width, height)
    lines = _headline(plan, width)
    for start in range(0, len(plan.order) + 1, frame.per_panel):
        lines += ["", *_panel(plan, boxes, frame, start)]
    legend = _wrapped(_legend(plan), "   ", width - frame.axis)
    lines += ["", *(" " * frame.axis + line for line in legend)]
    lines += ["", *_table(problem, plan, width)]
    return "".join(line.rstrip() + "\n" for line in lines)


@dataclass(frozen=True)
class _Frame:
    """The scales of a picture: the same in all its panels.

    Attributes:
        axis: Columns left of the first slot's line.
        cell: Columns of one slot.
        per_panel: Slots in one panel.
        rows: Row line of every address at which a box begins or ends, counted from the bottom.
    """

    axis: int
    cell: float
    per_panel: int
    rows: dict[int, int]


def _frame(plan: Plan, boxes: Sequence[_Box], width: int, height: int) -> _Frame:
    axis = max(len(f"{plan.arena_bytes:,}"), len("live")) + 1
    columns, slots = width - axis - 1, len(plan.order) + 1
    narrowest = NARROWEST if slots * NARROWEST <= columns else NARROW
    panels = -(-slots // int(columns / narrowest))
    per_panel = -(-slots // panels)
    rows = _row_of_address(boxes, plan.arena_bytes, height)
    return _Frame(axis, min(columns / per_panel, WIDEST), per_panel, rows)


def _headline(plan: Plan, width: int) -> list[str]:
    gap = "the least possible" if not plan.gap_bytes else f"{plan.gap_bytes:,} over a lower bound"
    steps = f"{len(plan.order)} step{'' if len(plan.order) == 1 else 's'}"
    parts = [
        f"arena {plan.arena_bytes:,} bytes, {gap}",
        f"largest live set {plan.live_set_bytes:,}",
        f"{steps} {'reordered' if plan.reordered else 'in file order'}",
    ]
    return _wrapped(parts, "; ", width)


def _legend(plan: Plan) -> list[str]:
    entries = [f"{FREE} free", "▲ fullest step"]
    if plan.shared:
        entries.insert(0, f"{SHARED} written over its dying input")
    if plan.scratch_offsets:
        entries.insert(0, f"{SCRATCH} scratch")
    return entries


def _wrapped(parts: Sequence[str], between: str, width: int) -> list[str]:
    """Join parts into lines of at most `width` characters."""
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}{between}{part}" if lines[-1] else part
        if len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _writer_labels(problem: Problem, plan: Plan) -> dict[str, str]:
    """Return the short label of every buffer: the number of its writing step, or `in`."""
    labels: dict[str, str] = {}
    for k, name in enumerate(problem.inputs):
        labels[name] = "in" if len(problem.inputs) == 1 else f"i{k}"
    for slot, index in enumerate(plan.order, start=1):
        writes = problem.steps[index].writes
        for k, name in enumerate(writes):
            labels[name] = f"{slot}" if len(writes) == 1 else f"{slot}{_letter(k)}"
    return labels


def _letter(k: int) -> str:
    return chr(ord("a") + k) if k < 26 else f"_{k}"


def _boxes(problem: Problem, plan: Plan) -> list[_Box]:
    labels = _writer_labels(problem, plan)
    end = len(plan.order)
    boxes = []
    for buffer in problem.buffers:
        if buffer.name in plan.aliases:
            continue
        life, bottom = plan.lifetimes[buffer.name], plan.offsets[buffer.name]
        label = labels[buffer.name]
        long = buffer.name if buffer.name in problem.inputs else f"{label} {buffer.name}"
        top = bottom + buffer.size_bytes
        boxes.append(_Box(life.first, min(life.last, end), bottom, top, (long, label)))
    slot_of = {index: slot for slot, index in enumerate(plan.order, start=1)}
    for index, step in enumerate(problem.steps):
        if step.name in plan.scratch_offsets:
            bottom = plan.scratch_offsets[step.name]
            slot = slot_of[index]
            boxes.append(_Box(slot, slot, bottom, bottom + step.scratch_bytes, (), SCRATCH))
    return boxes


def _row_of_address(boxes: Sequence[_Box], arena: int, height: int) -> dict[int, int]:
    """Map every edge of a box to a row line, counted from address 0 up, order kept.

    Linear in the address, except that every box gets one row between its lines.
    """
    edges = sorted({0, arena, *(b.bottom for b in boxes), *(b.top for b in boxes)})
    bottoms: dict[int, list[int]] = {}
    for box in boxes:
        bottoms.setdefault(box.top, []).append(box.bottom)
    rows: dict[int, int] = {}
    row = 0
    for edge in edges:
        row = max(row, (edge * height + arena // 2) // arena if arena else 0)
        for bottom in bottoms.get(edge, ()):
            row = max(row, rows[bottom] + 2)
        rows[edge] = row
    return rows


def _panel(plan: Plan, boxes: Sequence[_Box], frame: _Frame, start: int) -> list[str]:
    """Draw the slots from `start` on that one panel has room for."""
    last = min(start + frame.per_panel, len(plan.order) + 1) - 1
    lefts = [frame.axis + int(k * frame.cell) for k in range(last - start + 2)]
    rows = frame.rows
    visible = [box for box in boxes if box.first <= last and box.last >= start]
    top = max((rows[box.top] for box in visible), default=0)
    canvas = Canvas(lefts[-1] + 1, top + 1)
    outlines = []
    for box in visible:
        x0, x1 = lefts[max(box.first, start) - start], lefts[min(box.last, last) - start + 1]
        outline = (x0, top - rows[box.top], x1, top - rows[box.bottom])
        canvas.box(*outline, open_left=box.first < start, open_right=box.last > last)
        outlines.append(outline)
    for i, (x0, y0, x1, y1) in enumerate(outlines):
        if visible[i].fill:
            canvas.fill(x0, y0, x1, y1, visible[i].fill)
        for u0, v0, u1, v1 in outlines[:i]:
            canvas.fill(max(x0, u0), max(y0, v0), min(x1, u1), min(y1, v1), SHARED)
    for box, outline in zip(visible, outlines, strict=True):
        canvas.label(*outline, box.labels)
    canvas.fill_holes(FREE)
    for address, row in _axis_labels(visible, rows):
        canvas.text(0, top - row, f"{address:>{frame.axis - 1},}")
    return [*canvas.lines(), *_rulers(plan, frame, lefts, start)]


def _rulers(plan: Plan, frame: _Frame, lefts: list[int], start: int) -> list[str]:
    """Return step numbers, live bytes as bars, and marks at the fullest slots."""
    digits = len(str(len(plan.order)))
    stride = next(s for s in (1, 2, 5, 10, 20, 50, 100) if s * frame.cell >= digits + 1)
    largest = max(slot.bound_bytes for slot in plan.live)
    numbers = marks = " " * frame.axis
    bars = f"{'live':>{frame.axis - 1}} "
    for k, (left, right) in enumerate(pairwise(lefts)):
        room, slot = right - left, plan.live[start + k]
        if (start + k) % stride == 0:
            number = f"{start + k}" if start + k else "in"
            numbers = numbers.ljust(left + 1 + (room - 1 - len(number)) // 2) + number
        level = -(-slot.live_bytes * len(LEVELS) // plan.live_set_bytes) - 1
        bars += " " + (LEVELS[min(level, 7)] if level >= 0 else " ") * (room - 1)
        if slot.bound_bytes == largest:
            marks = marks.ljust(left + room // 2) + "▲"
    return [numbers, bars, *([marks] if marks.strip() else [])]


def _axis_labels(boxes: Sequence[_Box], rows: dict[int, int]) -> list[tuple[int, int]]:
    """Return (address, row) for every row with an edge of a box: of several the largest box's."""
    weight: dict[int, int] = {}
    for box in boxes:
        for edge in (box.bottom, box.top):
            weight[edge] = max(weight.get(edge, 0), box.top - box.bottom)
    chosen: dict[int, int] = {}
    for edge in sorted(weight):
        row = rows[edge]
        if row not in chosen or weight[edge] >= weight[chosen[row]]:
            chosen[row] = edge
    return [(edge, row) for row, edge in chosen.items()]


def _table(problem: Problem, plan: Plan, width: int) -> list[str]:
    """One row for every buffer, in the order of writing."""
    labels = _writer_labels(problem, plan)
    size = {buffer.name: buffer.size_bytes for buffer in problem.buffers}
    over = {entry.output: entry for entry in plan.shared}
    rows = [("", "step", "buffer", "bytes", "address", "until", "live", "sharing")]
    entries: list[tuple[int, str, tuple[str, ...]]] = [(0, "", problem.inputs)]
    for slot, index in enumerate(plan.order, start=1):
        step = problem.steps[index]
        entries.append((slot, step.name, step.writes))
    for slot, step_name, names in entries:
        live = plan.live[slot]
        for k, name in enumerate(names):
            note = ""
            if name in plan.aliases:
                note = f"= {labels[plan.aliases[name]]}"
            elif name in over:
                note = f"{over[name].shared_bytes:,} over {labels[over[name].input]}"
            if k == 0 and live.scratch_bytes:
                note = f"{note}, " if note else ""
                note += f"scratch {live.scratch_bytes:,}"
            last = plan.lifetimes[name].last
            rows.append(
                (
                    labels[name],
                    step_name if k == 0 else "",
                    name,
                    f"{size[name]:,}",
                    f"{plan.offsets[name]:,}",
                    "end" if last > len(plan.order) else f"{last or 'in'}",
                    f"{live.live_bytes:,}" if k == 0 else "",
                    note,
                )
            )
    return _align(rows, width)


def _align(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Set columns side by side; where it gets narrow the step names go, then the buffers shrink."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        del columns[1], widths[1]
    names = len(widths) - 6
    excess = sum(widths) + 2 * (len(widths) - 1) - width
    widths[names] = min(widths[names], max(8, widths[names] - excess))
    lines = []
    for row in zip(*columns, strict=True):
        cells = [
            _shorten(text, room).ljust(room)
            if c in range(1, names + 1) or c == len(widths) - 1
            else text.rjust(room)
            for c, (text, room) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells)[:width])
    return lines


def _shorten(text: str, room: int) -> str:
    """Cut out the middle: the ends of tensor names tell them apart."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"
