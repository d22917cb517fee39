"""A plan as a picture in the terminal: steps from left to right, arena addresses from bottom to top.

Every buffer is a box over the steps in which it is alive, labelled with the number of the step that
writes it, which is also its row in the table below the picture. The address axis is linear, but a box
too small to see is stretched until its label fits. Networks that are too long for the width are
continued in further panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midge.memory_plan.canvas import Canvas
from midge.memory_plan.plan import Plan
from midge.memory_plan.problem import Problem

AXIS = 9
SHARED = "░"
SCRATCH = "▒"
LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _Box:
    """One buffer or scratch: slots `first` to `last`, bytes `bottom` to `top`, labels to choose from."""

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
    rows = _row_of_address(boxes, plan.arena_bytes, height)
    slots = len(plan.order) + 1
    cell = max(3, len(str(slots - 1)) + 1)
    per_panel = max(1, (width - AXIS - 1) // cell)
    panels = -(-slots // per_panel)
    lines = _headline(plan, width)
    for panel in range(panels):
        lines += ["", *_panel(plan, boxes, rows, width, panel * per_panel, per_panel)]
    lines += ["", _legend(plan), "", *_table(problem, plan, width)]
    return "".join(line.rstrip() + "\n" for line in lines)


def _headline(plan: Plan, width: int) -> list[str]:
    gap = "its lower bound" if plan.gap_bytes == 0 else f"{plan.gap_bytes:,} over its lower bound"
    if plan.gap_bytes and plan.proven_optimal:
        gap += ", proven least"
    parts = [
        f"arena {plan.arena_bytes:,} bytes, {gap}",
        f"largest live set {plan.live_set_bytes:,}",
        f"{len(plan.order)} steps {'reordered' if plan.reordered else 'in file order'}",
    ]
    lines = [""]
    for part in parts:
        joined = f"{lines[-1]}; {part}" if lines[-1] else part
        if len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _legend(plan: Plan) -> str:
    entries = ["▲ sets the lower bound"]
    if plan.shared:
        entries.insert(0, f"{SHARED} written over its dying input")
    if plan.scratch_offsets:
        entries.insert(0, f"{SCRATCH} scratch")
    return " " * AXIS + "   ".join(entries)


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


def _panel(
    plan: Plan, boxes: Sequence[_Box], rows: dict[int, int], width: int, start: int, count: int
) -> list[str]:
    """Draw slots `start` to `start + count - 1`."""
    last = min(start + count, len(plan.order) + 1) - 1
    shown = last - start + 1
    # All panels share one scale, so that a continued network lines up under its beginning.
    columns = width - AXIS - 1
    share = min(columns, 18 * (len(plan.order) + 1)) / min(count, len(plan.order) + 1)
    left = [AXIS + int(k * share) for k in range(shown + 1)]
    top = max(rows.values())
    canvas = Canvas(left[-1] + 1, top + 1)
    visible = [box for box in boxes if box.first <= last and box.last >= start]
    frames = []
    for box in visible:
        x0, x1 = left[max(box.first, start) - start], left[min(box.last, last) - start + 1]
        y0, y1 = top - rows[box.top], top - rows[box.bottom]
        frames.append((x0, y0, x1, y1))
        canvas.box(x0, y0, x1, y1, open_left=box.first < start, open_right=box.last > last)
    for i, (x0, y0, x1, y1) in enumerate(frames):
        if visible[i].fill:
            canvas.fill(x0, y0, x1, y1, visible[i].fill)
        for u0, v0, u1, v1 in frames[:i]:
            canvas.fill(max(x0, u0), max(y0, v0), min(x1, u1), min(y1, v1), SHARED)
    for box, frame in zip(visible, frames, strict=True):
        canvas.label(*frame, box.labels)
    for address, row in _axis_labels(boxes, rows, plan.arena_bytes):
        canvas.text(0, top - row, f"{address:>{AXIS - 1},}")
    numbers, loads, peaks = (" " * AXIS, f"{'live':>{AXIS - 1}} ", " " * AXIS)
    largest = max(slot.bound_bytes for slot in plan.live)
    for k in range(shown):
        room = left[k + 1] - left[k]
        slot = plan.live[start + k]
        numbers += f"{start + k or 'in'}".center(room)
        level = slot.live_bytes * len(LEVELS) // max(1, plan.live_set_bytes, plan.arena_bytes)
        bar = LEVELS[min(level, len(LEVELS) - 1)] if slot.live_bytes else " "
        loads += " " + bar * (room - 1)
        peaks += ("▲" if slot.bound_bytes == largest else "").center(room)
    return [*canvas.lines(), numbers, loads, peaks]


def _axis_labels(
    boxes: Sequence[_Box], rows: dict[int, int], arena: int
) -> list[tuple[int, int]]:
    """Return (address, row) for every row that has an edge: of its edges the largest box's."""
    weight = {0: 1 << 62, arena: 1 << 62}
    for box in boxes:
        for edge in (box.bottom, box.top):
            weight[edge] = max(weight.get(edge, 0), box.top - box.bottom)
    chosen: dict[int, int] = {}
    for edge in sorted(rows):
        row = rows[edge]
        if row not in chosen or weight[edge] > weight[chosen[row]]:
            chosen[row] = edge
    return [(edge, row) for row, edge in chosen.items()]


def _table(problem: Problem, plan: Plan, width: int) -> list[str]:
    """One row for every buffer, in the order of writing."""
    labels = _writer_labels(problem, plan)
    size = {buffer.name: buffer.size_bytes for buffer in problem.buffers}
    over = {entry.output: entry for entry in plan.shared}
    rows = [("", "step", "buffer", "bytes", "address", "until", "live", "")]
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
    """Set columns side by side; the two name columns give way when it gets narrow."""
    widths = [max(len(row[c]) for row in rows) for c in range(8)]
    spare = width - sum(widths) - 2 * (len(widths) - 1)
    while spare < 0 and max(widths[1], widths[2]) > 8:
        widths[1 if widths[1] >= widths[2] else 2] -= 1
        spare += 1
    lines = []
    for row in rows:
        cells = [
            _shorten(text, room).ljust(room) if c in (1, 2, 7) else text.rjust(room)
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
