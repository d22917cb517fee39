"""A problem without its names: storages, who makes and reads them, what may overlap.

A *storage* is the bytes of one buffer and of all its aliases, alive for the union of their
lifetimes. Sharing bytes with an alias is always legal once the problem is valid: every buffer is
written once, so the bytes never change while one of the names is still to be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from midge.memory_plan.bound import Pair, round_up
from midge.memory_plan.problem import Overlap, Problem, Step


@dataclass(frozen=True)
class Storage:
    """The bytes of one buffer and its aliases.

    Attributes:
        names: The owner first, then its aliases in the order of the problem's buffers.
        size_bytes: As declared.
        padded_bytes: Rounded up to the granule.
        alignment: The largest of its names'.
        producer: Index of the step that writes it, -1 if the caller does.
        readers: Bit set of the steps that read it under any of its names.
        persistent: Alive to the end.
    """

    names: tuple[str, ...]
    size_bytes: int
    padded_bytes: int
    alignment: int
    producer: int
    readers: int
    persistent: bool


@dataclass(frozen=True)
class StepNeeds:
    """What one step does to memory.

    Attributes:
        reads: Indices of the storages it reads, each once.
        births: Indices of the storages that it is the first to write.
        scratch_bytes: Rounded up to the granule.
        scratch_alignment: Of its offset, bytes.
        after: Bit set of the steps that must run before it.
        pairs: Storages that may share bytes in it if the input dies.
    """

    reads: tuple[int, ...]
    births: tuple[int, ...]
    scratch_bytes: int
    scratch_alignment: int
    after: int
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Network:
    """All that order and placement have to know of a problem."""

    granule: int
    storages: tuple[Storage, ...]
    steps: tuple[StepNeeds, ...]

    @cached_property
    def sizes(self) -> list[int]:
        """Padded bytes of every storage."""
        return [storage.padded_bytes for storage in self.storages]

    @cached_property
    def input_bytes(self) -> int:
        """Padded bytes that are alive before the first step."""
        return sum(s.padded_bytes for s in self.storages if s.producer < 0)

    def dying_pairs(self, step: int, done: int) -> tuple[Pair, ...]:
        """Return the pairs of `step` whose input dies in it once the steps in `done` have run."""
        return tuple(
            pair for pair in self.steps[step].pairs if self.dies(pair.input, done | 1 << step)
        )

    def dies(self, storage: int, done: int) -> bool:
        """Return whether a storage that exists is free once the steps in `done` have run."""
        it = self.storages[storage]
        return not it.persistent and not it.readers & ~done


def owners(problem: Problem) -> dict[str, str]:
    """Return the owner of the bytes of every buffer: itself, or what it is an alias of."""
    source = {alias.output: alias.input for alias in problem.aliases}
    owner: dict[str, str] = {}
    for buffer in problem.buffers:
        name = buffer.name
        while name in source:
            name = source[name]
        owner[buffer.name] = name
    return owner


def build_network(problem: Problem, *, overlap: bool) -> Network:
    """Return the network of a valid problem.

    Args:
        problem: Must have passed `validate`.
        overlap: False drops every overlap, so that no two live buffers share a byte.
    """
    granule = min(
        [b.alignment for b in problem.buffers]
        + [s.scratch_alignment for s in problem.steps if s.scratch_bytes],
        default=1,
    )
    owner = owners(problem)
    members: dict[str, list[str]] = {}
    for buffer in problem.buffers:
        names = members.setdefault(owner[buffer.name], [owner[buffer.name]])
        if buffer.name != owner[buffer.name]:
            names.append(buffer.name)
    index = {name: i for i, names in enumerate(members.values()) for name in names}

    by_name = {buffer.name: buffer for buffer in problem.buffers}
    writer = {name: i for i, step in enumerate(problem.steps) for name in step.writes}
    number = {step.name: i for i, step in enumerate(problem.steps)}
    stays = set(problem.outputs) | set(problem.keep)
    storages = tuple(
        Storage(
            names=tuple(names),
            size_bytes=by_name[first].size_bytes,
            padded_bytes=round_up(by_name[first].size_bytes, granule),
            alignment=max(by_name[name].alignment for name in names),
            producer=writer.get(first, -1),
            readers=sum(1 << i for i, s in enumerate(problem.steps) if set(names) & set(s.reads)),
            persistent=not stays.isdisjoint(names),
        )
        for first, names in members.items()
    )
    steps = tuple(
        StepNeeds(
            reads=tuple(dict.fromkeys(index[name] for name in step.reads)),
            births=tuple(index[name] for name in step.writes if owner[name] == name),
            scratch_bytes=round_up(step.scratch_bytes, granule),
            scratch_alignment=step.scratch_alignment,
            after=sum(
                1 << i
                for i in {writer[name] for name in step.reads if name in writer}
                | {number[name] for name in step.after}
            ),
            pairs=_pairs(step, index, owner, granule) if overlap else (),
        )
        for step in problem.steps
    )
    return Network(granule=granule, storages=storages, steps=steps)


def _pairs(
    step: Step, index: dict[str, int], owner: dict[str, str], granule: int
) -> tuple[Pair, ...]:
    """Return the overlaps of a step that every operand on the storage agrees to."""
    promises: dict[tuple[int, int], list[Overlap]] = {}
    for overlap in step.overlaps:
        if owner[overlap.output] == overlap.output:
            key = index[overlap.input], index[overlap.output]
            promises.setdefault(key, []).append(overlap)
    pairs = []
    # An input that this step also hands on under another name is not dying, read later or not.
    handed_on = {index[name] for name in step.writes if owner[name] != name}
    for (source, target), entries in promises.items():
        operands = sum(1 for name in step.reads if index[name] == source)
        if len(entries) == operands and source not in handed_on:
            distance = max(entry.distance for entry in entries)
            pairs.append(Pair(source, target, round_up(distance, granule)))
    return tuple(pairs)
