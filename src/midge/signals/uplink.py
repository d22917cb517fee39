"""The way up: a device keeps what lies around suspicious beats, and sends only that.

Every sample is coded as it comes (`rice`), and the blocks stay in a history for as long as a beat
that is yet to be decided may want them. Around each suspicious beat at position p, the blocks that
hold samples from p - before to p + after are marked; intervals that touch make one segment. What
leaves the history goes to the store (`uplink_store`) if it is marked, and is forgotten if it is
not. A segment carries its suspicious beats and all others that lie in it or were decided within it.

`Uplink.run` is the twin of `device/signals/uplink.h`, and gives the same bytes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.signals.rice import BLOCK, HISTORY, MOST_BYTES, Int16Array, Int64Array, encode_blocks
from midge.signals.uplink_segment import HEAD_BYTES, MOST_PAYLOAD_BYTES, UInt8Array
from midge.signals.uplink_store import Store

ITEM_HEAD_BYTES = 2
"""Of an item of the history: its size and how suspicious it is."""
LARGEST_ITEM_BYTES = ITEM_HEAD_BYTES + MOST_BYTES + 2 * HISTORY
EXPECTED_BITS = 6.0
"""Bits a sample for which the history has room by default. Electrocardiograms take 4 to 5."""
STRUCT_BYTES = 232
"""Of `struct midge_uplink` on a 32-bit core."""
MARK_BYTES = 6
"""Of a beat in the history, besides its payload."""
MOST_AGE = 32_000
"""Samples between a beat and its decision."""


@dataclass(frozen=True)
class UplinkBeats:
    """What a device decided of a record's beats, in the order in which it decided.

    Attributes:
        positions: int64 [k], sample number of each beat.
        decided_at: int64 [k], sample with which it was decided, ascending.
        priorities: uint8 [k], how suspicious it is; 0: not at all.
        payloads: uint8 [k, p], what is sent with it.
    """

    positions: Int64Array
    decided_at: Int64Array
    priorities: UInt8Array
    payloads: UInt8Array


@dataclass(frozen=True)
class Sent:
    """What a device sent of a record.

    Attributes:
        data: All segments, in the order in which they were sent.
        segments: How many.
        coded_bytes: What all blocks of the record would have taken.
        dropped_segments: Segments that made room for others before they were sent.
        lost_items: Blocks and suspicious beats that found no room or no segment.
        early_blocks: Blocks that left the history before their time, because the signal took
            more bits than there was room for.
        refused_beats: Beats in the future, or more than `MOST_AGE` samples in the past.
    """

    data: bytes
    segments: int
    coded_bytes: int
    dropped_segments: int
    lost_items: int
    early_blocks: int
    refused_beats: int


@dataclass(frozen=True)
class Uplink:
    """What is kept and sent, and the memory for it.

    Attributes:
        rate_hz: Samples a second.
        before_s: Seconds kept before a suspicious beat.
        after_s: Seconds kept behind it.
        decision_s: Seconds until a beat is decided, at most. The history reaches back so far, and
            `before_s` more. A suspicious beat that is decided later has no part in a segment.
        payload_bytes: What is sent with each beat, 0 to 15 bytes.
        history_bytes: Memory for what may be wanted yet; 0: room for 6 bits a sample. A signal
            that takes more leaves earlier, and its segments begin later.
        store_bytes: Memory for what waits for a connection, up to 65,535.
        segment_bytes: A segment of so many bytes or more takes no further block.
    """

    rate_hz: float
    before_s: float
    after_s: float
    decision_s: float = 2.0
    payload_bytes: int = 0
    history_bytes: int = 0
    store_bytes: int = 2048
    segment_bytes: int = 1024

    def __post_init__(self) -> None:
        """Check the parameters; raises UserError."""
        for name, low, high in (
            ("rate_hz", 1, 1_000_000),
            ("before_s", 0, 60),
            ("after_s", 0, 60),
            ("decision_s", 0, MOST_AGE / max(self.rate_hz, 1)),
            ("payload_bytes", 0, MOST_PAYLOAD_BYTES),
            ("store_bytes", HEAD_BYTES + MOST_BYTES, 65_535),
            ("segment_bytes", HEAD_BYTES, 65_535),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(f"Uplink: {name} is {value}; expected {low:g} to {high:,}")
        if not self.history_bytes:
            held = self.hold_blocks * (BLOCK * EXPECTED_BITS / 8 + ITEM_HEAD_BYTES + 2 * HISTORY)
            object.__setattr__(self, "history_bytes", max(math.ceil(held), LARGEST_ITEM_BYTES))
        if not LARGEST_ITEM_BYTES <= self.history_bytes <= 65_535:
            raise UserError(
                f"Uplink: history_bytes is {self.history_bytes}; expected {LARGEST_ITEM_BYTES} to "
                "65,535, or 0 for what before_s and decision_s need"
            )

    @property
    def before(self) -> int:
        """Samples kept before a suspicious beat."""
        return round(self.before_s * self.rate_hz)

    @property
    def after(self) -> int:
        """Samples kept behind a suspicious beat."""
        return round(self.after_s * self.rate_hz)

    @property
    def hold_blocks(self) -> int:
        """Blocks that the history holds."""
        return math.ceil((self.before_s + self.decision_s) * self.rate_hz / BLOCK) + 1

    @property
    def wait_blocks(self) -> int:
        """Blocks that pass before nothing more can belong to a segment."""
        return math.ceil(self.decision_s * self.rate_hz / BLOCK) + 1

    @property
    def ram_bytes(self) -> int:
        """Memory of the uplink on a 32-bit core, without the stack."""
        return STRUCT_BYTES + self.history_bytes + self.store_bytes

    def plan_text(self, name: str) -> str:
        """The constant of C that `midge_uplink_init` takes.

        Args:
            name: The constant's.
        """
        values = {
            "before": self.before,
            "after": self.after,
            "hold_blocks": self.hold_blocks,
            "wait_blocks": self.wait_blocks,
            "history_bytes": self.history_bytes,
            "store_bytes": self.store_bytes,
            "segment_bytes": self.segment_bytes,
            "payload_bytes": self.payload_bytes,
        }
        fields = ", ".join(f".{field} = {value}" for field, value in values.items())
        return f"static const struct midge_uplink_plan {name} = {{\n    {fields}}};\n"

    def run(
        self,
        samples: Int16Array,
        beats: UplinkBeats,
        *,
        connected: bool = True,
        finished: bool = True,
    ) -> Sent:
        """What the device sends of a record.

        Args:
            samples: int16 [n]; those behind the last whole block are never sent.
            beats: What it decided.
            connected: Whether segments are sent as soon as they are closed; otherwise only at the
                end of the record.
            finished: Whether the recording ends with the record, so that what is still remembered
                leaves the history; otherwise it stays there.

        Raises:
            UserError: The arrays do not fit one another.
        """
        _check(beats, self.payload_bytes, samples.size)
        coded = encode_blocks(samples)
        history = _History(self)
        sent: list[bytes] = []

        def send() -> None:
            while (segment := history.store.pop()) is not None:
                sent.append(segment)

        at = 0
        last = [*(BLOCK * (n + 1) - 1 for n in range(len(coded))), samples.size]
        for number, end in enumerate(last):
            while at < beats.positions.size and beats.decided_at[at] < end:
                history.add_beat(beats, at)
                at += 1
            if number < len(coded):
                history.add_block(coded.block(number), tuple(coded.histories[number].tolist()))
                if connected:
                    send()
        if finished:
            history.finish()
        send()
        return Sent(
            b"".join(sent),
            len(sent),
            len(coded.data),
            history.store.dropped_segments,
            history.store.lost_items,
            history.early_blocks,
            history.refused_beats,
        )


@dataclass(eq=False)
class _Item:
    """An item of the history.

    Attributes:
        at: A block's number, or a beat's sample number.
        content: A block's bytes, or a beat's payload.
        samples_in_front: Of a block; None for a beat.
        priority: How suspicious it is; 0: not at all.
    """

    at: int
    content: bytes
    samples_in_front: tuple[int, ...] | None
    priority: int

    @property
    def size_bytes(self) -> int:
        rest = MARK_BYTES if self.samples_in_front is None else 2 * HISTORY
        return ITEM_HEAD_BYTES + rest + len(self.content)


class _History:
    """What a device remembers until it is known whether it is worth keeping."""

    def __init__(self, uplink: Uplink) -> None:
        self.store = Store(
            uplink.store_bytes, uplink.segment_bytes, uplink.wait_blocks, uplink.payload_bytes
        )
        self.early_blocks = 0
        self.refused_beats = 0
        self._uplink = uplink
        self._items: deque[_Item] = deque()
        self._used = 0
        self._held = 0
        self._blocks = 0
        self._keep_until = -1
        self._keep_priority = 0

    def add_block(self, content: bytes, samples_in_front: tuple[int, ...]) -> None:
        """Remember a block."""
        self._keep_priority = self._priority_to_come()
        item = _Item(self._blocks, content, samples_in_front, self._keep_priority)
        while self._held >= self._uplink.hold_blocks:
            self._leave()
        self._put(item)
        self._held += 1
        self._blocks += 1

    def add_beat(self, beats: UplinkBeats, index: int) -> None:
        """Remember a beat and mark what lies around it."""
        position, priority = int(beats.positions[index]), int(beats.priorities[index])
        if not 0 <= int(beats.decided_at[index]) - position <= MOST_AGE:
            self.refused_beats += 1
            return
        if priority:
            until = position + self._uplink.after
            for block in self._blocks_within(position - self._uplink.before, until):
                block.priority = max(block.priority, priority)
            to_come = self._priority_to_come()
            self._keep_until = max(until, self._keep_until) if to_come else until
            self._keep_priority = max(priority, to_come)
        self._put(_Item(position, beats.payloads[index].tobytes(), None, priority))

    def finish(self) -> None:
        """Let everything leave."""
        while self._items:
            self._leave()
        self.store.close()

    def _priority_to_come(self) -> int:
        """How suspicious the block after the finished ones is."""
        return self._keep_priority if self._keep_until >= BLOCK * self._blocks else 0

    def _blocks_within(self, first: int, last: int) -> Iterator[_Item]:
        for item in self._items:
            start = BLOCK * item.at
            if item.samples_in_front is not None and start <= last and start + BLOCK > first:
                yield item

    def _put(self, item: _Item) -> None:
        while self._uplink.history_bytes - self._used < item.size_bytes:
            self.early_blocks += self._items[0].samples_in_front is not None
            self._leave()
        self._items.append(item)
        self._used += item.size_bytes

    def _leave(self) -> None:
        """The oldest item goes to the store, or for ever."""
        item = self._items.popleft()
        self._used -= item.size_bytes
        if item.samples_in_front is None:
            self.store.add_beat(item.at, item.priority, item.content)
            return
        self._held -= 1
        if item.priority:
            self.store.add_block(item.at, item.content, item.samples_in_front, item.priority)
        else:
            self.store.pass_block(item.at)


def priorities(
    margins: npt.NDArray[np.int16], suspicious: npt.NDArray[np.bool_], suspicious_below: int
) -> UInt8Array:
    """How suspicious beats are, from how far their margins lie under the limit.

    The twin of `midge_uplink_priority`.

    Args:
        margins: int16 [k], by how much the normal class leads.
        suspicious: bool [k].
        suspicious_below: The limit.

    Returns:
        uint8 [k]: 0 where a beat is not suspicious, else 1 to 255.
    """
    under = np.clip(suspicious_below - margins.astype(np.int64), 1, 255)
    return np.where(suspicious, under, 0).astype(np.uint8)


def _check(beats: UplinkBeats, payload_bytes: int, samples: int) -> None:
    count = beats.positions.size
    shapes = {
        "decided_at": (beats.decided_at.shape, (count,)),
        "priorities": (beats.priorities.shape, (count,)),
        "payloads": (beats.payloads.shape, (count, payload_bytes)),
    }
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise UserError(
                f"Uplink.run: {name} has the shape {list(found)}; expected {list(expected)}, a "
                "row for each beat"
            )
    decided = beats.decided_at
    if count and (decided.min() < 0 or decided.max() >= samples or (np.diff(decided) < 0).any()):
        raise UserError(
            f"Uplink.run: decided_at does not ascend within the {samples} samples; give the beats "
            "in the order in which they were decided"
        )
