"""Where the queues, counts and scratch of a group stand, in one piece of the arena."""

from __future__ import annotations

from dataclasses import dataclass

from midge.c_emitter.streaming import WORD, Group, Stream, stream_of
from midge.c_emitter.streaming_layers import row_bytes
from midge.c_emitter.streaming_schedule import Schedule, schedule_of
from midge.errors import InternalError
from midge.graph import Graph

_COUNT_BYTES = 4
_ALIGNMENT = 8


@dataclass(frozen=True)
class StreamLayout:
    """Offsets in bytes from the start of the group's scratch, each a multiple of 8.

    Attributes:
        queues: Of each queue; None for a resident one.
        held: Of what each stage keeps from row to row; None where it keeps nothing.
        scratch: Of the scratch of each stage's kernel; None without.
        rows: Of a row on a word, by the name of the image whose own rows do not all begin on one.
        counts: Of the counts: one a queue, then one a stage, then one of the rows handed in.
        size_bytes: Of it all, a multiple of 8.
    """

    queues: tuple[int | None, ...]
    held: tuple[int | None, ...]
    scratch: tuple[int | None, ...]
    rows: dict[str, int]
    counts: int
    size_bytes: int


@dataclass(frozen=True)
class PlacedStream:
    """A group worked out to its last byte.

    Attributes:
        stream: Its stages and queues.
        schedule: What its order of rows means.
        layout: Where everything stands.
    """

    stream: Stream
    schedule: Schedule
    layout: StreamLayout


def placed_stream(graph: Graph, group: Group) -> PlacedStream:
    """Work a group out.

    Raises:
        InternalError: these operators are no group.
    """
    stream = stream_of(graph, group)
    if stream is None:
        raise InternalError(f"{graph.name}: ops {group.first} to {group.last} are no group of rows")
    return place(stream)


def place(stream: Stream) -> PlacedStream:
    """Work a stream out."""
    schedule = schedule_of(stream)
    return PlacedStream(stream, schedule, _lay_out(stream, schedule))


@dataclass
class _Piece:
    """Bytes that are in use while some stages' kernels run; in between, and always, for None."""

    size_bytes: int
    stages: frozenset[int] | None
    offset: int = 0


def _lay_out(stream: Stream, schedule: Schedule) -> StreamLayout:
    """Give everything a place; what is never in use at once shares one."""
    queues = [
        None if q.resident else _Piece(capacity * q.row_bytes, _users(stream, i))
        for i, (q, capacity) in enumerate(zip(stream.queues, schedule.capacities, strict=True))
    ]
    held = [_Piece(s.held_bytes, None) if s.held_bytes else None for s in stream.stages]
    scratch = [
        _Piece(s.scratch_bytes, frozenset({n})) if s.scratch_bytes else None
        for n, s in enumerate(stream.stages)
    ]
    rows = {
        s.layer.output.name: _Piece(row_bytes(s.layer.output), frozenset({n}))
        for n, s in enumerate(stream.stages)
        if row_bytes(s.layer.output) % WORD
    }
    counts = _Piece(_COUNT_BYTES * (len(stream.queues) + len(stream.stages) + 1), None)
    pieces = [p for p in (counts, *queues, *held, *scratch, *rows.values()) if p is not None]
    size = _place(pieces)
    return StreamLayout(
        tuple(map(_offset, queues)),
        tuple(map(_offset, held)),
        tuple(map(_offset, scratch)),
        {name: p.offset for name, p in rows.items()},
        counts.offset,
        size,
    )


def _users(stream: Stream, index: int) -> frozenset[int] | None:
    """The stages that write and read a queue of a single row which is read as soon as it is there.

    Between the two kernels no other runs. None for a queue that holds rows longer than that.
    """
    queue = stream.queues[index]
    stage = stream.stages[queue.stage]
    alone = sum(not stream.queues[i].resident for i in stage.queues) == 1
    if not alone or queue.reading.reach > 1 or len(stream.readers(queue.tensor.name)) > 1:
        return None
    makers = (n for n, s in enumerate(stream.stages) if s.layer.output.name == queue.tensor.name)
    return frozenset({queue.stage, *makers})


def _place(pieces: list[_Piece]) -> int:
    """Set every offset; return the bytes that they take together."""
    end = 0
    for piece in (p for p in pieces if p.stages is None):
        piece.offset = end
        end += _aligned(piece.size_bytes)
    floor = end
    done: list[_Piece] = []
    sharing = [p for p in pieces if p.stages is not None]
    for piece in sorted(sharing, key=lambda p: -p.size_bytes):
        rivals = [d for d in done if (d.stages or frozenset()) & (piece.stages or frozenset())]
        candidates = [floor, *(r.offset + _aligned(r.size_bytes) for r in rivals)]
        piece.offset = min(
            at
            for at in candidates
            if all(
                at + piece.size_bytes <= r.offset or r.offset + r.size_bytes <= at for r in rivals
            )
        )
        end = max(end, piece.offset + _aligned(piece.size_bytes))
        done.append(piece)
    return end


def _offset(piece: _Piece | None) -> int | None:
    return None if piece is None else piece.offset


def _aligned(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT
