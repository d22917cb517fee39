"""Segments: what a device sends of a stretch of its signal, and how they are read.

All numbers are little-endian. A segment is a head of `HEAD_BYTES`,

======  ======================================================================
offset  what
======  ======================================================================
0       uint16, bytes of the whole segment
2       uint16, check: CRC-16 (polynomial 0x1021, from 0xffff) of the items, then of the head
        but for these two bytes
4       uint8, version in the high four bits, bytes of a beat's payload in the low four
5       uint8, priority: how suspicious the most suspicious part is
6       uint32, number of the first block of `rice.BLOCK` samples, 0 being the recording's first
10      3 x int16, the samples in front of that block
======  ======================================================================

and items: blocks as in `rice`, and beats. A beat is 0x2f; int16, how far its sample lies before
the end of the block in front of it; uint8, how suspicious it is; its payload. A beat may lie before
its segment, because it was decided within it.
"""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.errors import UserError
from midge.signals.rice import BLOCK, Int16Array, Int64Array, decode_block

UInt8Array = npt.NDArray[np.uint8]

VERSION = 1
HEAD = struct.Struct("<HHBBI3h")
HEAD_BYTES = HEAD.size
BEAT = 0x2F
BEAT_HEAD = struct.Struct("<BhB")
MOST_PAYLOAD_BYTES = 15


@dataclass(frozen=True)
class Segment:
    """A stretch of a signal and its beats.

    Attributes:
        first: Number of its first sample, 0 being the recording's first.
        samples: int16 [n], the raw samples.
        priority: How suspicious its most suspicious part is, 1 to 255.
        positions: int64 [k], sample number of each beat, in the order in which they were decided;
            some may lie outside the segment.
        priorities: uint8 [k], how suspicious each beat is; 0: not at all.
        payloads: uint8 [k, p], what the device says of each beat.
        size_bytes: Of the segment as it was sent.
    """

    first: int
    samples: Int16Array
    priority: int
    positions: Int64Array
    priorities: UInt8Array
    payloads: UInt8Array
    size_bytes: int

    @property
    def end(self) -> int:
        """Number of the sample behind its last one."""
        return self.first + int(self.samples.size)


def checked(check: int, content: bytes | bytearray) -> int:
    """Go on with a CRC-16; it begins with 0xffff."""
    return binascii.crc_hqx(content, check)


def read_segments(data: bytes) -> list[Segment]:
    """Read segments that follow one another, as a device sent them.

    Raises:
        UserError: They were cut or changed, or no device of this version wrote them.
    """
    segments = []
    at = 0
    while at < len(data):
        segments.append(read_segment(data, at))
        at += segments[-1].size_bytes
    return segments


def read_segment(data: bytes, at: int = 0) -> Segment:
    """Read the segment that begins at a byte.

    Raises:
        UserError: It was cut or changed, or no device of this version wrote it.
    """
    if len(data) - at < HEAD_BYTES:
        raise _damaged(at, f"{len(data) - at} bytes are left; a head has {HEAD_BYTES}")
    size, check, kind, priority, block, *history = HEAD.unpack_from(data, at)
    if kind >> 4 != VERSION:
        raise _damaged(at, f"it is of version {kind >> 4}, not {VERSION}")
    if not HEAD_BYTES < size <= len(data) - at:
        raise _damaged(at, f"it says that it has {size} bytes, and {len(data) - at} are there")
    items = data[at + HEAD_BYTES : at + size]
    head = data[at : at + 2] + data[at + 4 : at + HEAD_BYTES]
    if checked(checked(0xFFFF, items), head) != check:
        raise _damaged(at, "its check does not hold")
    payload_bytes = kind & 15
    samples = [np.array(history, np.int16)]
    beats = []
    position = 0
    while position < len(items):
        if items[position] == BEAT:
            end = position + BEAT_HEAD.size + payload_bytes
            if end > len(items):
                raise _damaged(at, "it ends within a beat")
            _, age, suspicion = BEAT_HEAD.unpack_from(items, position)
            coded_to = BLOCK * (block + len(samples) - 1)
            payload = items[position + BEAT_HEAD.size : end]
            beats.append((coded_to - age, suspicion, list(payload)))
            position = end
        else:
            coded, position = decode_block(items, position, samples[-1][-3:])
            samples.append(coded)
    return Segment(
        BLOCK * block,
        np.concatenate(samples)[len(history) :],
        priority,
        np.array([beat[0] for beat in beats], np.int64),
        np.array([beat[1] for beat in beats], np.uint8),
        np.array([beat[2] for beat in beats], np.uint8).reshape(len(beats), payload_bytes),
        size,
    )


def _damaged(at: int, what: str) -> UserError:
    return UserError(
        f"segment at byte {at}: {what}; expected a segment as midge.signals.uplink_segment says. "
        "Have the device send it again; it was cut or changed"
    )
