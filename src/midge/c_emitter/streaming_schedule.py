"""When each row of a group is made: how long its queues get, and what it may be written over.

`_Run` does in Python what the emitted C does; the two read alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midge.c_emitter.streaming import Queue, Stream
from midge.c_emitter.streaming_layers import row_bytes


@dataclass(frozen=True)
class Schedule:
    """What follows from the order in which rows are made.

    Attributes:
        capacities: Rows that each queue holds at most; 0 for a resident one.
        distances: For each image outside, by name: how far it must stand behind the output for the
            two to share memory, as in `memory_plan.Overlap`.
        moved_bytes: Bytes that are copied on top of what the layers do.
    """

    capacities: tuple[int, ...]
    distances: dict[str, int]
    moved_bytes: int


@dataclass(frozen=True)
class _Read:
    """Bytes of an image outside, from `low` on, are read; while a row is written or before it."""

    name: str
    low: int
    spare: int | None = None
    """While a row is written: the kernel's own distance for that row, or None for no promise."""


@dataclass(frozen=True)
class _Write:
    """A row of the output is written, from byte `start` to `end`."""

    start: int
    end: int
    during: tuple[_Read, ...]


def schedule_of(stream: Stream) -> Schedule:
    """Run a group on paper."""
    run = _Run(stream)
    run.all_rows()
    return Schedule(tuple(run.longest), dict(_distances(stream, run.events)), run.moved_bytes)


class _Run:
    """The counts that the emitted C keeps, and a record of what it does."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.waiting = [0 if q.resident else q.reading.pad_before for q in stream.queues]
        self.longest = list(self.waiting)
        self.made = [0] * len(stream.stages)
        self.events: list[_Read | _Write] = []
        self.moved_bytes = sum(
            q.reading.pad_before * q.row_bytes for q in stream.queues if not q.resident
        )
        self._readers = {
            name: stream.readers(name)
            for name in (stream.source.name, *(s.layer.output.name for s in stream.stages))
        }

    def all_rows(self) -> None:
        source = self.stream.source
        size, rows = row_bytes(source), source.shape[1]
        for row in range(rows):
            if not self.stream.group.fed:
                self.events.append(_Read(source.name, row * size))
            self.moved_bytes += size
            self._arrived(source.name, last=row == rows - 1)

    def _arrived(self, name: str, *, last: bool) -> None:
        queues = self._readers[name]
        for index in queues:
            self._enqueue(index)
        self.moved_bytes += (len(queues) - 1) * self.stream.queues[queues[0]].row_bytes
        for stage in dict.fromkeys(self.stream.queues[i].stage for i in queues):
            self._make(stage)
        if last:
            for index in queues:
                for _ in range(self.stream.queues[index].reading.pad_after):
                    self.moved_bytes += self.stream.queues[index].row_bytes
                    self._enqueue(index)
                    self._make(self.stream.queues[index].stage)

    def _enqueue(self, index: int) -> None:
        self.waiting[index] += 1
        self.longest[index] = max(self.longest[index], self.waiting[index])

    def _make(self, number: int) -> None:
        """Rows of a stage for as long as its queues hold what they need."""
        stage = self.stream.stages[number]
        queues = [(i, self.stream.queues[i]) for i in stage.queues]
        while all(q.resident or self.waiting[i] >= q.reading.reach for i, q in queues):
            taken = self.made[number]
            self.made[number] += 1
            last = self.made[number] == stage.row.rows * stage.period
            finished = self.made[number] % stage.period == 0
            self._note(number, taken, [q for _, q in queues if q.resident], finished=finished)
            for i, q in queues:
                if not q.resident:
                    self.waiting[i] -= q.reading.stride
                    self.moved_bytes += max(self.waiting[i], 0) * q.row_bytes
            if finished and number < len(self.stream.stages) - 1:
                self._arrived(stage.layer.output.name, last=last)

    def _note(self, number: int, row: int, resident: list[Queue], *, finished: bool) -> None:
        stage = self.stream.stages[number]
        writes = finished and number == len(self.stream.stages) - 1
        reads = []
        for queue in resident:
            operand = queue.reading.operand
            low = row * queue.reading.stride * queue.row_bytes
            spare = stage.kernel.overlap(stage.called, operand) if writes else None
            reads.append(_Read(queue.tensor.name, low, spare))
        if not writes:
            self.events += reads
            return
        size = row_bytes(self.stream.output)
        start = row // stage.period * size
        self.events.append(_Write(start, start + size, tuple(reads)))


def _distances(stream: Stream, events: list[_Read | _Write]) -> Iterator[tuple[str, int]]:
    """``max(end of what is written - lowest byte still to be read)``, from the end backwards.

    What is written when nothing is read any more may stand anywhere.
    """
    for tensor in stream.outside:
        needed: int | None = None
        distance = -tensor.size_bytes
        for event in reversed(events):
            reads = (event,) if isinstance(event, _Read) else event.during
            reads = tuple(read for read in reads if read.name == tensor.name)
            if isinstance(event, _Write):
                if needed is not None:
                    distance = max(distance, event.end - needed)
                for read in reads:
                    ahead = event.end - event.start if read.spare is None else read.spare
                    distance = max(distance, event.start + ahead - read.low)
            lows = [read.low for read in reads] + ([] if needed is None else [needed])
            needed = min(lows, default=None)
        yield tensor.name, distance
