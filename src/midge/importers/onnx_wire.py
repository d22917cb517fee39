"""Counts what a protobuf holds before anything is made of it.

A message of two bytes becomes an object of hundreds, a packed number of one byte becomes eight: a
file of some megabytes could ask for gigabytes. This walk allocates nothing, follows the schema of
ONNX no deeper than protobuf itself does, and stops where a network for a microcontroller never
comes.
"""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor

MOST_FIELDS = 1 << 17
"""Fields of all messages; a network of a thousand nodes has some ten thousand."""
MOST_PACKED_BYTES = 1 << 24
"""Of numbers that stand as variable-length integers, each of which may have one byte."""
DEEPEST = 64
"""Messages within messages; a graph's deepest, types and attributes, stand at ten."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_WIDE = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)
"""Scalars that take as many bytes in memory as in a file."""


class _Walk:
    """One pass over a file."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._fields = 0
        self._packed_bytes = 0

    def message(self, descriptor: Any, begin: int, end: int, depth: int = 0) -> None:
        """Count the fields from `begin` to `end`, and those of messages among them."""
        if depth > DEEPEST:
            raise ValueError(f"messages are nested over {DEEPEST} deep")
        known = descriptor.fields_by_number
        at = begin
        while at < end:
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise ValueError(f"holds over {MOST_FIELDS} fields")
            tag, at = self._varint(at, end)
            wire = tag & 7
            if wire == _VARINT:
                _, at = self._varint(at, end)
            elif wire in _FIXED_BYTES:
                at += _FIXED_BYTES[wire]
            elif wire == _LENGTH:
                size, at = self._varint(at, end)
                if size > end - at:
                    raise ValueError(f"a field of {size} bytes where {end - at} are left")
                field = known.get(tag >> 3)
                if field is not None:
                    self._length_delimited(field, at, at + size, depth)
                at += size
            else:
                raise ValueError(f"wire type {wire} at byte {at}")
        if at > end:
            raise ValueError("a field leaves its message")

    def _length_delimited(self, field: Any, begin: int, end: int, depth: int) -> None:
        if field.message_type is not None:
            self.message(field.message_type, begin, end, depth + 1)
        elif field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, *_WIDE):
            self._packed_bytes += end - begin
            if self._packed_bytes > MOST_PACKED_BYTES:
                raise ValueError(f"holds over {MOST_PACKED_BYTES} bytes of single numbers")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        if at < end and self._data[at] < 128:
            return self._data[at], at + 1
        value = shift = 0
        while at < end and shift < 70:
            byte = self._data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
            shift += 7
        raise ValueError(f"a number at byte {at} does not end")


def expect_moderate(data: bytes) -> None:
    """A ModelProto holds a number of parts that is worth parsing.

    Raises:
        ValueError: it does not parse, or holds too many, or is nested too deep.
    """
    _Walk(memoryview(data)).message(onnx.ModelProto.DESCRIPTOR, 0, len(data))
