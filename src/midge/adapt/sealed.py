"""Bytes that tell what they are: a magic, a description in JSON, a body, and a checksum of it all.

What the C writes piece by piece, and reads (`device/learner/learner_saved.h`).
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, NamedTuple

from midge.errors import UserError

FORMAT = 1
_HEADER = struct.Struct("<4sHHI")
_CHECKSUM = struct.Struct("<I")


class Opened(NamedTuple):
    """What was sealed.

    Attributes:
        described: The description.
        body: Bytes of the state.
    """

    described: dict[str, Any]
    body: bytes


def head(magic: bytes, described: dict[str, Any], body_bytes: int) -> bytes:
    """What stands in front of a body of so many bytes."""
    text = json.dumps(described, sort_keys=True).encode()
    return _HEADER.pack(magic, FORMAT, len(text), body_bytes) + text


def seal(begins: bytes, body: bytes) -> bytes:
    """A head, a body, and their checksum."""
    whole = begins + body
    return whole + _CHECKSUM.pack(zlib.crc32(whole))


def unseal(data: bytes, magic: bytes, problem: str) -> Opened:
    """The inverse of `seal`.

    Args:
        data: The bytes.
        magic: What they have to begin with.
        problem: What is said to the user behind what was found.

    Raises:
        UserError: If the bytes are not of that kind, or not whole.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise UserError(f"checkpoint: found {type(data).__name__}; {problem}")
    data = bytes(data)
    if len(data) < _HEADER.size + _CHECKSUM.size or data[:4] != magic:
        raise UserError(f"checkpoint: found {len(data)} bytes that do not start as one; {problem}")
    _, version, text_bytes, body_bytes = _HEADER.unpack_from(data)
    if version != FORMAT:
        raise UserError(f"checkpoint: found format {version}; expected {FORMAT}")
    body_at = _HEADER.size + text_bytes
    if len(data) != body_at + body_bytes + _CHECKSUM.size:
        raise UserError(f"checkpoint: found {len(data)} bytes, not what it says; {problem}")
    if zlib.crc32(data[: -_CHECKSUM.size]) != _CHECKSUM.unpack(data[-_CHECKSUM.size :])[0]:
        raise UserError(f"checkpoint: the checksum does not match; {problem}")
    try:
        described = json.loads(data[_HEADER.size : body_at])
    except (ValueError, RecursionError) as error:
        raise damaged(error, problem) from None
    if not isinstance(described, dict):
        raise damaged("no object", problem)
    return Opened(described, data[body_at : -_CHECKSUM.size])


def damaged(why: object, problem: str) -> UserError:
    """What a description is refused with."""
    return UserError(f"checkpoint: its description is damaged ({why}); {problem}")
