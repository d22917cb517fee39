"""The memory plan as a drawing: time to the right in steps, arena addresses upwards.

Every storage is a rectangle over the slots in which its bytes are taken. Where an output is written
over an input that dies in the same step, the step's rectangle is cut along its diagonal: kernels
write in ascending order, so the output grows from the lower right while the input goes. (How fast
is the kernel's own affair; the straight diagonal only says who is before whom.)

Everything here is geometry in SVG user units, one unit a CSS pixel; the template draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midge.report.memory_rows import Names, PlanRows, Shared, Storage
from midge.report.picture_label import LETTER_WIDTH, LINE_HEIGHT, Label, place_label
from midge.report.wording import byte_count, capacity, printable, shorten

Json = dict[str, Any]

LEFT = 76.0
RIGHT = 14.0
TOP = 22.0
PLOT_HEIGHT = 340.0
STRIP_GAP = 26.0
STRIP_HEIGHT = 64.0
NAMES_GAP = 8.0
MOST_WIDTH = 1050.0
WIDEST_COLUMN = 150.0
NARROWEST_COLUMN = 15.0
LONGEST_STEP_NAME = 22
LEAST_HEIGHT = 2.0
TICK_CLEARANCE = 14.0


@dataclass(frozen=True)
class Box:
    """A rectangle with a tooltip; `tint` is its CSS class."""

    x: float
    y: float
    width: float
    height: float
    tint: str
    tooltip: str


@dataclass(frozen=True)
class Outline:
    """A storage: a rectangle, cut where bytes are taken over; `tint` is its CSS class."""

    outline: tuple[tuple[float, float], ...]
    tint: str
    tooltip: str


@dataclass(frozen=True)
class Column:
    """A slot: its step's name under the plot, its live bytes in the strip."""

    x: float
    name: str
    tooltip: str
    live: Box
    scratch: Box | None
    fullest: bool


@dataclass(frozen=True)
class Tick:
    """A line across the plot at an address; `kind` is its CSS class."""

    y: float
    text: str
    kind: str


@dataclass(frozen=True)
class MemoryPicture:
    """All that the template draws, in drawing order."""

    width: float
    height: float
    plot_right: float
    plot_bottom: float
    strip_bottom: float
    names_y: float
    column_width: float
    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    storages: tuple[Outline, ...]
    shared: tuple[Box, ...]
    scratch: tuple[Box, ...]
    labels: tuple[Label, ...]
    most_live: str


@dataclass(frozen=True)
class _Scale:
    """From slots and bytes to user units."""

    column: float
    top_bytes: int

    def x(self, slot: int) -> float:
        return LEFT + slot * self.column

    def y(self, address: int) -> float:
        return TOP + PLOT_HEIGHT * (1 - address / self.top_bytes)

    def box(self, first: int, last: int, low: int, high: int, *, tint: str, tooltip: str) -> Box:
        height = max(self.y(low) - self.y(high), LEAST_HEIGHT)
        y = self.y(low) - height
        return Box(self.x(first), y, self.x(last + 1) - self.x(first), height, tint, tooltip)


def draw_memory(plan: Json, rows: PlanRows) -> MemoryPicture:
    """Lay the picture out.

    Args:
        plan: ``memory_plan`` of report.json.
        rows: The same, read.
    """
    slots = len(plan["live"])
    column = min(max((MOST_WIDTH - LEFT - RIGHT) / slots, NARROWEST_COLUMN), WIDEST_COLUMN)
    scale = _Scale(column, max(plan["arena_bytes"], 1))
    strip_bottom = TOP + PLOT_HEIGHT + STRIP_GAP + STRIP_HEIGHT
    columns = _columns(plan, rows.names, scale, strip_bottom)
    names_height = max(len(c.name) for c in columns) * LETTER_WIDTH
    labels = (_label(scale, storage, rows.shared) for storage in rows.storages)
    return MemoryPicture(
        width=LEFT + slots * column + RIGHT,
        height=strip_bottom + NAMES_GAP + names_height + 4,
        plot_right=LEFT + slots * column,
        plot_bottom=TOP + PLOT_HEIGHT,
        strip_bottom=strip_bottom,
        names_y=strip_bottom + NAMES_GAP,
        column_width=column,
        columns=columns,
        ticks=_ticks(plan, scale),
        storages=tuple(_outline(scale, s, i, rows) for i, s in enumerate(rows.storages)),
        shared=tuple(_shared_box(scale, entry, rows.names) for entry in rows.shared),
        scratch=tuple(_scratch_box(scale, entry) for entry in plan["scratch"]),
        labels=tuple(label for label in labels if label is not None),
        most_live=byte_count(_most_live(plan)),
    )


def _tint(storage: Storage, index: int) -> str:
    """Of inputs and outputs by role; of activations in turn, so that neighbours differ."""
    return storage.role if storage.role != "activation" else f"activation-{index % 3}"


def _outline(scale: _Scale, storage: Storage, index: int, rows: PlanRows) -> Outline:
    """Up the left side, cut where it takes bytes over, and down the right, cut where it gives."""
    taken = sorted((e for e in rows.shared if e.output == storage.owner), key=lambda e: e.low)
    given = sorted((e for e in rows.shared if e.input == storage.owner), key=lambda e: -e.low)
    left, right = scale.x(storage.first), scale.x(storage.last + 1)
    bottom = scale.y(storage.offset)
    top = min(scale.y(storage.end), bottom - LEAST_HEIGHT)
    points = [(left, bottom)]
    for entry in taken:
        low, high = scale.y(entry.low), scale.y(entry.high)
        points += [(left, low), (left + scale.column, high)]
        if entry.high < storage.end:
            points.append((left, high))
    if not taken or taken[-1].high < storage.end:
        points.append((left, top))
    if not given or given[0].high < storage.end:
        points.append((right, top))
    for entry in given:
        low, high = scale.y(entry.low), scale.y(entry.high)
        points += [(right, high), (right - scale.column, low)]
        if entry.low > storage.offset:
            points.append((right, low))
    if not given or given[-1].low > storage.offset:
        points.append((right, bottom))
    also = "".join(f"\nalso called {printable(name)}" for name in storage.aliases)
    tooltip = (
        f"{printable(storage.owner)}{also}\n{storage.role}, {byte_count(storage.size_bytes)} at "
        f"{storage.offset:,} to {storage.end - 1:,}\n"
        f"{rows.names.when(storage.first, storage.last)}"
    )
    return Outline(tuple(points), _tint(storage, index), tooltip)


def _scratch_box(scale: _Scale, entry: Json) -> Box:
    low, size = entry["offset"], entry["size_bytes"]
    place = f"{byte_count(size)} at {low:,} to {low + size - 1:,}"
    tooltip = f"scratch of {printable(entry['step'])}\n{place}"
    return scale.box(entry["slot"], entry["slot"], low, low + size, tint="scratch", tooltip=tooltip)


def _shared_box(scale: _Scale, entry: Shared, names: Names) -> Box:
    tooltip = (
        f"in {printable(entry.step)}, {byte_count(entry.shared_bytes)} pass from\n"
        f"{names.short(entry.input)}\n(upper left, dying) to\n{names.short(entry.output)}\n"
        "(lower right, written)"
    )
    return scale.box(entry.slot, entry.slot, entry.low, entry.high, tint="shared", tooltip=tooltip)


def _label(scale: _Scale, storage: Storage, shared: tuple[Shared, ...]) -> Label | None:
    """Where the storage is whole, or else in its middle: see `place_label`."""
    ends = storage.first, storage.last, storage.offset, storage.end
    box = scale.box(*ends, tint="", tooltip="")
    taken = [e for e in shared if storage.owner in (e.input, e.output)]
    first = storage.first + any(e.slot == storage.first for e in taken)
    last = storage.last - any(e.slot == storage.last for e in taken)
    low = max([e.high for e in taken], default=storage.offset)
    high = min([e.low for e in taken], default=storage.end)
    areas: list[tuple[float, float, float, float]] = []
    if first <= last:
        areas.append((scale.x(first), box.y, scale.x(last + 1) - scale.x(first), box.height))
    if taken:
        above, below = scale.y(low), scale.y(high)
        areas.append((box.x, box.y, box.width, max(above - box.y, 0)))
        areas.append((box.x, below, box.width, max(box.y + box.height - below, 0)))
        # Cut on both sides, the storage is a parallelogram around its middle. What stands upright
        # in it must stay clear of the slanting sides: the wider the text, the shorter.
        middle_x, middle_y = box.x + box.width / 2, box.y + box.height / 2
        for width in (2 * LINE_HEIGHT, LINE_HEIGHT):
            clear = box.height * max(1 - width / scale.column, 0)
            areas.append((middle_x - width / 2, middle_y - clear / 2, width, clear))
    return place_label(storage.short, byte_count(storage.size_bytes), areas)


def _columns(plan: Json, names: Names, scale: _Scale, bottom: float) -> tuple[Column, ...]:
    most = _most_live(plan)
    found = []
    for slot, entry in enumerate(plan["live"]):
        live, scratch = entry["live_bytes"], entry["scratch_bytes"]
        x, width = scale.x(slot) + 1, scale.column - 2
        live_height, scratch_height = (STRIP_HEIGHT * size / most for size in (live, scratch))
        tooltip = f"{names.slot(slot)}\n{byte_count(live)} alive, {byte_count(scratch)} of scratch"
        above = bottom - live_height - scratch_height
        hatched = Box(x, above, width, scratch_height, "scratch", tooltip) if scratch else None
        found.append(
            Column(
                x=scale.x(slot),
                name=shorten(names.axis(slot), LONGEST_STEP_NAME),
                tooltip=tooltip,
                live=Box(x, bottom - live_height, width, live_height, "live", tooltip),
                scratch=hatched,
                fullest=live + scratch == most,
            )
        )
    return tuple(found)


def _most_live(plan: Json) -> int:
    return max(entry["live_bytes"] + entry["scratch_bytes"] for entry in plan["live"]) or 1


def _ticks(plan: Json, scale: _Scale) -> tuple[Tick, ...]:
    """The arena's end, the lower bound where it is another, and round addresses between."""
    arena, bound = plan["arena_bytes"], plan["lower_bound_bytes"]
    ticks = [Tick(scale.y(arena), byte_count(arena), "arena")]
    if bound < arena:
        ticks.append(Tick(scale.y(bound), byte_count(bound), "lower-bound"))
    step = 1
    while step * 6 < arena:
        step *= 2
    for address in range(0, arena, step):
        y = scale.y(address)
        if all(abs(y - tick.y) >= TICK_CLEARANCE for tick in ticks):
            ticks.append(Tick(y, capacity(address) if address else "0", "address"))
    return tuple(ticks)
