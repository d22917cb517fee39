"""A graph as one file, `.midge`: its text form, and behind it the constants that the text names.

::

    midge-file 1 bytes=6371 sha256:0d9f...
    midge-graph 1
    graph "kws" sha256:5b1f...
    tensor %0 ...
    ...
    end
    <the elements of each constant that stands as a digest, in the order of the text>

The first line says how many bytes are behind it, and their SHA-256: a file that was cut off, grew
or changed by a bit is known before anything in it is read. Behind the line ``end`` stand elements
alone, little-endian and row-major, one constant right behind another: their places and sizes follow
from the text, so no file can say them wrongly. Each constant has its own digest in the text. int4
stand two to a byte, the first in the low half, a last half of zero; bool are bytes 0 and 1.

Nothing is compressed, so memory is proportional to the file; nothing is evaluated. The same graph
gives the same file, byte for byte. docs/midge-file.md describes the form for other readers.
"""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np
import numpy.typing as npt

from midge.errors import UnsupportedError, UserError
from midge.graph.text import format_graph, stands_as_digest
from midge.graph.text_parser import LARGEST_TEXT, parse_text
from midge.graph.text_tokens import FORMAT_NAME as TEXT_NAME
from midge.graph.types import Array, DType, Graph
from midge.graph.verify import verify

FILE_NAME = "midge-file"
FILE_VERSION = 1
LONGEST_FIRST_LINE = 128
"""Bytes, its end included."""

_VERSION = re.compile(rb"midge-file ([0-9]{1,9})(?![0-9])")
_FIRST_LINE = re.compile(rb"midge-file 1 bytes=([1-9][0-9]{0,11}) sha256:([0-9a-f]{64})")
_END = b"\nend\n"


def write_graph(graph: Graph) -> bytes:
    """The graph as the content of a `.midge` file.

    Args:
        graph: Any graph that `verify` accepts.

    Returns:
        The same bytes for the same graph, on every machine.

    Raises:
        UserError: the graph does not verify, holds bools other than 0 and 1, or its text is longer
            than a reader accepts.
    """
    text = format_graph(verify(graph))
    if len(text) > LARGEST_TEXT:
        raise UserError(
            f"{graph.name}: its text form has {len(text)} characters; a .midge file holds up to "
            f"{LARGEST_TEXT}"
        )
    parts = [text.encode()]
    for name, tensor in graph.tensors.items():
        if tensor.data is not None and stands_as_digest(tensor.dtype, tensor.data):
            if tensor.dtype is DType.BOOL and tensor.data.tobytes().strip(b"\0\1"):
                raise UserError(f"{graph.name}: tensor {name!r}: holds bools other than 0 and 1")
            parts.append(_stored(tensor.dtype, tensor.data))
    content = b"".join(parts)
    digest = hashlib.sha256(content).hexdigest()
    return f"{FILE_NAME} {FILE_VERSION} bytes={len(content)} sha256:{digest}\n".encode() + content


def read_graph(data: bytes, source: str) -> Graph:
    """Read a graph from the content of a `.midge` file.

    Args:
        data: The whole file, from anywhere.
        source: Names the file in messages.

    Returns:
        The graph that was written, equal in every bit, and verified.

    Raises:
        UserError: the file is damaged, is something else, or holds no sensible graph; the message
            says where, what was found and what was expected.
        UnsupportedError: a newer Midge wrote it.
    """
    try:
        start = _checked_start(data)
        # A text within its limit takes up to four bytes a character.
        end = data.find(_END, start - 1, start + 4 * LARGEST_TEXT)
        if end < 0:
            raise UserError(
                f"line 2: found no line 'end' from byte {start} on, expected one behind the graph"
            )
        constants = _Constants(data, end + len(_END))
        graph = parse_text(_decoded(data, start, constants.position), constants.take, first_line=2)
        if constants.position != len(data):
            raise UserError(
                f"byte {constants.position}: found {len(data) - constants.position} bytes behind "
                "the last constant, expected none"
            )
        return verify(graph)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None


def _checked_start(data: bytes) -> int:
    """Where the text begins, once the first line agrees with all that is behind it."""
    line, newline, _ = data[:LONGEST_FIRST_LINE].partition(b"\n")
    version = _VERSION.match(line)
    if version is None:
        raise UserError(_of_something_else(line))
    if int(version[1]) != FILE_VERSION:
        newer = int(version[1]) > FILE_VERSION
        hint = "a newer Midge wrote it: update Midge" if newer else "no Midge writes that"
        raise UnsupportedError(
            f"line 1: found version {int(version[1])} of .midge files, expected {FILE_VERSION}; "
            f"{hint}"
        )
    if line.endswith(b"\r"):
        raise UserError(
            "line 1: found CR LF at its end, expected LF: something took the file for a text; "
            "transfer it as it is"
        )
    found = _FIRST_LINE.fullmatch(line) if newline else None
    if found is None:
        raise UserError(
            f"line 1: found {_shown(line)}, expected '{FILE_NAME} {FILE_VERSION} bytes=' and a "
            "number, ' sha256:' and 64 hexadecimal digits"
        )
    start, expected = len(line) + 1, int(found[1])
    if len(data) - start != expected:
        what = "cut off" if len(data) - start < expected else "too long"
        raise UserError(
            f"line 1: found {len(data) - start} bytes behind it, expected {expected}: the file is "
            f"{what}; get it again"
        )
    digest = hashlib.sha256(memoryview(data)[start:]).hexdigest()
    if digest != found[2].decode():
        raise UserError(
            f"line 1: found bytes of sha256:{digest} behind it, expected "
            f"sha256:{found[2].decode()}: the file is damaged or was edited; get it again, or "
            "write it anew"
        )
    return start


def _of_something_else(line: bytes) -> str:
    expected = f"expected '{FILE_NAME} {FILE_VERSION}'"
    if line.startswith(TEXT_NAME.encode()):
        return (
            f"line 1: found {TEXT_NAME!r}, {expected}: this is the text form alone, without the "
            "large constants"
        )
    return f"line 1: found {_shown(line)}, {expected}: this is not a .midge file"


def _shown(line: bytes) -> str:
    return repr(line[:40])[1:] if line else "nothing"


def _decoded(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, start + error.start) + 1
        raise UserError(
            f"line {line}: found {data[start + error.start]:#04x} at byte {start + error.start}, "
            "expected text in UTF-8"
        ) from None


class _Constants:
    """Gives out the constants, one behind another.

    Attributes:
        position: Of the first byte that nothing has taken yet.
    """

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, _name: str, dtype: DType, shape: tuple[int, ...]) -> Array:
        """The next constant; nothing is allocated before it is known to be there."""
        if any(extent < 1 for extent in shape):
            raise UserError("has a dimension under 1")
        size_bytes = -(-math.prod(shape) * dtype.size_bits // 8)
        left = len(self._data) - self.position
        if size_bytes > left:
            raise UserError(
                f"takes {size_bytes} bytes from byte {self.position}, where {left} are left"
            )
        stored = np.frombuffer(self._data, np.uint8, size_bytes, self.position)
        place = f"from byte {self.position} on"
        self.position += size_bytes
        if dtype is DType.INT4:
            return _unpacked_int4(stored, shape, place)
        if dtype is DType.BOOL and stored.max() > 1:
            raise UserError(f"{place} holds a {stored.max()}; a bool is 0 or 1")
        # Copied, so that it is aligned.
        return np.frombuffer(stored.tobytes(), dtype.numpy).reshape(shape)


def _stored(dtype: DType, data: Array) -> bytes:
    if dtype is not DType.INT4:
        return data.tobytes()
    codes = data.reshape(-1).view(np.uint8) & 15
    halves = np.concatenate([codes, np.zeros(codes.size % 2, np.uint8)])
    packed: bytes = (halves[0::2] | halves[1::2] << 4).astype(np.uint8).tobytes()
    return packed


def _unpacked_int4(stored: npt.NDArray[np.uint8], shape: tuple[int, ...], place: str) -> Array:
    codes = np.stack([stored & 15, stored >> 4], axis=-1).reshape(-1).astype(np.int8)
    size = math.prod(shape)
    if codes.size > size and codes[-1]:
        raise UserError(
            f"{place} ends in a half byte of {codes[-1]}; a half that nothing uses is 0"
        )
    # -8 to 7: the fourth bit is the sign.
    return ((codes[:size] ^ 8) - 8).astype(np.int8).reshape(shape)
