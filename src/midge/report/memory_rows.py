"""The memory plan by storage: the bytes of one tensor and of every other name they go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from midge.report.wording import familiar_names, printable

Json = dict[str, Any]

BEFORE = "before the first step"
AFTER = "after the last step"


@dataclass(frozen=True)
class Storage:
    """Bytes in the arena.

    Attributes:
        owner: The tensor that they belong to.
        aliases: Tensors that are the same bytes.
        short: The part of the owner's name that tells it from the others.
        role: ``input``, ``output`` or ``activation``; an output's wins, then an input's.
        offset: Of the first byte.
        size_bytes: How many.
        first: First slot in which they are taken.
        last: Last one.
    """

    owner: str
    aliases: tuple[str, ...]
    short: str
    role: str
    offset: int
    size_bytes: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """Offset of the first byte behind."""
        return self.offset + self.size_bytes


@dataclass(frozen=True)
class Shared:
    """Bytes that an output takes over from a dying input.

    Attributes:
        step: In which step.
        slot: The step's slot.
        input: Owner of the input's bytes.
        output: Owner of the output's bytes.
        shared_bytes: How many, as the planner says.
        low: Offset of the first.
        high: Offset of the first byte behind.
    """

    step: str
    slot: int
    input: str
    output: str
    shared_bytes: int
    low: int
    high: int


@dataclass(frozen=True)
class Names:
    """Steps and tensors by what people call them.

    Attributes:
        steps: Whole and printable by slot; None before the first and after the last.
        short_steps: The same, shortened to what tells them apart.
        short_tensors: Short names of tensors.
    """

    steps: tuple[str | None, ...]
    short_steps: tuple[str | None, ...]
    short_tensors: dict[str, str]

    def slot(self, slot: int) -> str:
        """A step's name, or before the first or after the last."""
        return self.steps[slot] or (BEFORE if slot == 0 else AFTER)

    def axis(self, slot: int) -> str:
        """The same for a place where there is little room."""
        return self.short_steps[slot] or ("inputs written" if slot == 0 else "outputs read")

    def short(self, tensor: str) -> str:
        """A tensor's short name."""
        return self.short_tensors[tensor]

    def when(self, first: int, last: int) -> str:
        """The slots from first to last in words."""
        if first == last:
            return self.slot(first) if self.steps[first] is None else f"in {self.slot(first)}"
        start = BEFORE if self.steps[first] is None else self.slot(first)
        return f"from {start} to {self.slot(last)}"


@dataclass(frozen=True)
class PlanRows:
    """A plan, read.

    Attributes:
        names: Of its steps and tensors.
        storages: In the order of their first slot.
        shared: Bytes that are taken over.
    """

    names: Names
    storages: tuple[Storage, ...]
    shared: tuple[Shared, ...]


def read_plan(plan: Json) -> PlanRows:
    """Group a plan's buffers by the bytes that they are.

    Args:
        plan: ``memory_plan`` of report.json.
    """
    names = _names(plan)
    owners = _owners(plan)
    storages = _storages(plan, owners, names)
    return PlanRows(names, storages, _shared(plan, owners, storages))


def _names(plan: Json) -> Names:
    steps = [entry["step"] for entry in plan["live"]]
    short = familiar_names(step for step in steps if step is not None)
    return Names(
        steps=tuple(None if step is None else printable(step) for step in steps),
        short_steps=tuple(None if step is None else short[step] for step in steps),
        short_tensors=familiar_names(buffer["name"] for buffer in plan["buffers"]),
    )


def _owners(plan: Json) -> dict[str, str]:
    """The owner of every tensor's bytes, however many aliases apart."""
    source = {buffer["name"]: buffer["alias_of"] for buffer in plan["buffers"]}
    owners = {}
    for name in source:
        owner = name
        while source[owner] is not None:
            owner = source[owner]
        owners[name] = owner
    return owners


def _storages(plan: Json, owners: dict[str, str], names: Names) -> tuple[Storage, ...]:
    members: dict[str, list[Json]] = {}
    for buffer in plan["buffers"]:
        members.setdefault(owners[buffer["name"]], []).append(buffer)
    found = []
    for owner, buffers in members.items():
        roles = {buffer["role"] for buffer in buffers}
        role = next((r for r in ("output", "input") if r in roles), "activation")
        own = next(buffer for buffer in buffers if buffer["name"] == owner)
        found.append(
            Storage(
                owner=owner,
                aliases=tuple(b["name"] for b in buffers if b["name"] != owner),
                short=names.short(owner),
                role=role,
                offset=own["offset"],
                size_bytes=max(b["size_bytes"] for b in buffers),
                first=min(b["first"] for b in buffers),
                last=max(b["last"] for b in buffers),
            )
        )
    return tuple(sorted(found, key=lambda s: (s.first, s.offset, s.owner)))


def _shared(
    plan: Json, owners: dict[str, str], storages: tuple[Storage, ...]
) -> tuple[Shared, ...]:
    slots = {e["step"]: slot for slot, e in enumerate(plan["live"]) if e["step"] is not None}
    by_owner = {storage.owner: storage for storage in storages}
    found = []
    for entry in plan["shared"]:
        dying, written = by_owner[owners[entry["input"]]], by_owner[owners[entry["output"]]]
        found.append(
            Shared(
                step=entry["step"],
                slot=slots[entry["step"]],
                input=dying.owner,
                output=written.owner,
                shared_bytes=entry["shared_bytes"],
                low=max(dying.offset, written.offset),
                high=min(dying.end, written.end),
            )
        )
    return tuple(found)
