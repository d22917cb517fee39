"""The twin of `device/signals/uplink_store.h`: segments that wait for a connection.

A device has a few kilobytes, and may be alone for days. When there is no room, the oldest of the
least suspicious segments goes, unless it is more suspicious than what comes; then what comes is
lost. Both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from midge.signals.rice import BLOCK
from midge.signals.uplink_segment import BEAT, BEAT_HEAD, HEAD, HEAD_BYTES, VERSION, checked


@dataclass(eq=False)
class _Growing:
    """A segment in the store: its head's fields and items, and which block would continue it."""

    block: int
    history: tuple[int, ...]
    payload_bytes: int
    next: int
    priority: int = 0
    items: bytearray = field(default_factory=bytearray)

    @property
    def size_bytes(self) -> int:
        return HEAD_BYTES + len(self.items)

    def to_bytes(self) -> bytes:
        """The segment as it is sent."""
        kind = VERSION << 4 | self.payload_bytes
        rest = (kind, self.priority, self.block & 0xFFFFFFFF, *self.history)
        head = HEAD.pack(self.size_bytes, 0, *rest)
        check = checked(checked(0xFFFF, self.items), head[:2] + head[4:])
        return HEAD.pack(self.size_bytes, check, *rest) + bytes(self.items)


class Store:
    """Segments of a bounded number of bytes, the oldest first; the last may be open.

    Attributes:
        capacity: Bytes that it holds at most.
        dropped_segments: Segments that made room for others.
        lost_items: Blocks and suspicious beats that found no room or no segment.
    """

    def __init__(
        self, capacity: int, segment_bytes: int, wait_blocks: int, payload_bytes: int
    ) -> None:
        self.capacity = capacity
        self.dropped_segments = 0
        self.lost_items = 0
        self._segment_bytes = segment_bytes
        self._wait_blocks = wait_blocks
        self._payload_bytes = payload_bytes
        self._closed: list[_Growing] = []
        self._open: _Growing | None = None

    @property
    def used_bytes(self) -> int:
        """Bytes that are taken."""
        segments = [*self._closed, *([self._open] if self._open else [])]
        return sum(segment.size_bytes for segment in segments)

    def add_block(
        self, number: int, content: bytes, history: tuple[int, ...], priority: int
    ) -> None:
        """Keep a block: in the open segment if it continues that, or in a new one.

        Args:
            number: The block's.
            content: Its bytes.
            history: The samples in front of it.
            priority: How suspicious it is, at least 1.
        """
        if self._open:
            full = self._open.size_bytes >= self._segment_bytes
            if full or number != self._open.next:
                self.close()
        highest = max(priority, self._open.priority if self._open else 0)
        needed = len(content) + (0 if self._open else HEAD_BYTES)
        if not self._reserve(needed, highest):
            self.close()
            self.lost_items += 1
            return
        if self._open is None:
            self._open = _Growing(number, history, self._payload_bytes, number)
        self._open.priority = highest
        self._open.items += content
        self._open.next += 1

    def pass_block(self, number: int) -> None:
        """A block is not kept; after some of them nothing can belong to the open segment."""
        if self._open and number - self._open.next >= self._wait_blocks:
            self.close()

    def add_beat(self, position: int, priority: int, payload: bytes) -> None:
        """Keep a beat in the open segment, if it is suspicious or lies before its end.

        Args:
            position: Its sample number.
            priority: How suspicious it is; 0: not at all.
            payload: What is sent with it.
        """
        age = self._open.next * BLOCK - position if self._open else 0
        if not priority and age <= 0:
            return
        size = BEAT_HEAD.size + len(payload)
        if self._open is None or not self._reserve(size, self._open.priority):
            self.lost_items += 1
        else:
            self._open.items += BEAT_HEAD.pack(BEAT, age, priority) + payload

    def close(self) -> None:
        """Close the open segment, if there is one."""
        if self._open:
            self._closed.append(self._open)
            self._open = None

    def pop(self) -> bytes | None:
        """Take out the oldest closed segment, as it is sent; None where there is none."""
        return self._closed.pop(0).to_bytes() if self._closed else None

    def _reserve(self, size: int, priority: int) -> bool:
        """Make room; whether there is."""
        while self.capacity - self.used_bytes < size:
            least = min(self._closed, key=lambda segment: segment.priority, default=None)
            if least is None or least.priority > priority:
                return False
            self._closed.remove(least)
            self.dropped_segments += 1
        return True
