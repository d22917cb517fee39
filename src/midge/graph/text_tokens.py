"""Words of the text form: how names and numbers are written, and how a line is read.

Whatever is written here is read back as the same bits, and looks the same on every machine: no
table of a Python or Unicode release takes part in it.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import math
import re
import struct
from typing import NamedTuple

import numpy as np

from midge.errors import UserError
from midge.graph.types import Array, Attributes, DType

FORMAT_NAME = "midge-graph"
FORMAT_VERSION = 1

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNESCAPES = {escape[1]: character for character, escape in _ESCAPES.items()}

# Controls, blanks, invisible and direction-changing characters, line ends of other conventions,
# surrogates and private planes: each could make a text look like what it is not. Unicode's
# categories Cc, Cf, Co, Cs, Zl, Zp, Zs (but the space), variation selectors and fillers.
_HIDDEN = (
    *((0x00, 0x1F), (0x7F, 0xA0), (0xAD, 0xAD), (0x034F, 0x034F), (0x0600, 0x0605)),
    *((0x061C, 0x061C), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2)),
    *((0x115F, 0x1160), (0x1680, 0x1680), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F)),
    *((0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0x3164, 0x3164), (0xD800, 0xF8FF)),
    *((0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0xFFFE, 0xFFFF)),
    *((0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3)),
    *((0x1D173, 0x1D17A), (0xE0000, 0x10FFFF)),
)
_RANGES = "".join(f"{chr(first)}-{chr(last)}" for first, last in _HIDDEN)
_NEEDS_ESCAPE = re.compile(f'["\\\\{_RANGES}]')
_HIDDEN_CHARACTER = re.compile(f"(?!\n)[{_RANGES}]")

_TOKEN = re.compile(
    r"""[ ]*(?:(?P<string>"(?:[^"\\]++|\\.)*+")
    |(?P<digest>sha256:[0-9a-f]{64}(?![0-9a-f]))
    |(?P<bits>bits:(?:[0-9a-f]{16}|[0-9a-f]{8})(?![0-9a-f]))
    |(?P<number>-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,3})?(?![0-9.A-Za-z_]))
    |(?P<tensor>%[A-Za-z0-9_]{1,64}(?![A-Za-z0-9_]))
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<mark>->|[()\[\],=])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_INTEGER = re.compile("-?[0-9]+")


def quote(name: str) -> str:
    r"""A name in double quotes; what cannot be seen as itself becomes ``\n`` or ``\u{feff}``."""

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        return _ESCAPES.get(character) or f"\\u{{{ord(character):x}}}"

    return f'"{_NEEDS_ESCAPE.sub(escape, name)}"'


def float32_text(value: np.float32) -> str:
    """The shortest decimal that reads back as the same float32; its bits where there is none."""
    content = np.array(value, "<f4").tobytes()
    if np.isfinite(value):
        for digits in range(1, 10):
            text = f"{float(value):.{digits}g}"
            if _float32_bytes(float(text)) == content:
                return text
    return f"bits:{int.from_bytes(content, 'little'):08x}"


def float64_text(value: float) -> str:
    """A decimal that reads back as the same double; the bits of one that is not finite."""
    if math.isfinite(value):
        return repr(float(value))
    return f"bits:{struct.unpack('<Q', struct.pack('<d', value))[0]:016x}"


def constant_digest(data: Array) -> str:
    """``sha256:`` and the digest of the elements: little-endian, row-major."""
    content = data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def type_text(dtype: DType, shape: tuple[int, ...]) -> str:
    """Element type and shape, such as ``int8[1, 64]``."""
    return dtype.value + list_text([str(extent) for extent in shape])


def attribute_words(attributes: Attributes) -> list[str]:
    """``name=value`` for each attribute that has not its default."""
    words = []
    for field in dataclasses.fields(attributes):
        value = getattr(attributes, field.name)
        if value != field.default or _value_text(value) != _value_text(field.default):
            words.append(f"{field.name}={_value_text(value)}")
    return words


def _value_text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case enum.Enum():
            return str(value.value)
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return float64_text(float(value))
        case tuple():
            return list_text([_value_text(item) for item in value])
        case _:
            raise UserError(f"attribute value {value!r} has no text")


def list_text(items: list[str]) -> str:
    """Items in square brackets."""
    return f"[{', '.join(items)}]"


def hidden_character(text: str) -> re.Match[str] | None:
    """The first character other than a line end that has to be written as an escape."""
    return _HIDDEN_CHARACTER.search(text)


def _float32_bytes(real: float) -> bytes:
    try:
        return struct.pack("<f", real) if math.isfinite(real) else b""
    except OverflowError:
        return b""


class Token(NamedTuple):
    """A word of a line.

    Attributes:
        kind: ``string``, ``digest``, ``bits``, ``number``, ``tensor``, ``word``, ``mark``, ``end``.
        text: As it stands in the line; "" at its end.
        column: Of its first character, from 1.
    """

    kind: str
    text: str
    column: int


class Line:
    """Reads the words of one line from left to right; a method that cannot raises UserError.

    Attributes:
        number: From 1, for messages.
        token: The next word.
    """

    def __init__(self, text: str, number: int) -> None:
        self.number = number
        self._text = text
        self._position = 0
        self.token = self._scan()

    def error(self, expected: str, found: str | None = None) -> UserError:
        """What to raise when the next word is not the expected one."""
        if found is None:
            found = repr(_shortened(self.token.text)) if self.token.text else "the end of the line"
        return UserError(
            f"graph text: line {self.number}, column {self.token.column}: found {found}, "
            f"expected {expected}"
        )

    def _scan(self) -> Token:
        match = _TOKEN.match(self._text, self._position)
        if match is None or match.lastgroup is None:
            rest = self._text[self._position :].lstrip(" ")
            self.token = Token("end", "", len(self._text) - len(rest) + 1)
            raise self.error("a name in double quotes, a number or a word", repr(_shortened(rest)))
        self._position = match.end()
        return Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1)

    def take(self, kind: str, expected: str) -> str:
        """The text of the next word, which must be of this kind."""
        if self.token.kind != kind:
            raise self.error(expected)
        text = self.token.text
        self.token = self._scan()
        return text

    def mark(self, mark: str) -> None:
        """Pass over this mark or word."""
        if not self.skip(mark):
            raise self.error(repr(mark))

    def skip(self, mark: str) -> bool:
        """Pass over this mark or word if it is next; says whether it was."""
        if not self.sees(mark):
            return False
        self.token = self._scan()
        return True

    def sees(self, mark: str) -> bool:
        """This mark or word is next."""
        return self.token.kind in ("mark", "word") and self.token.text == mark

    def end(self) -> None:
        """Nothing may follow."""
        if self.token.kind != "end":
            raise self.error("the end of the line")

    def name(self, expected: str) -> str:
        """A name in double quotes."""
        at = self.token
        return re.sub(
            r"\\(?:u\{([0-9a-f]{1,6})\}|(.))",
            lambda match: self._unescaped(match, at),
            self.take("string", expected)[1:-1],
        )

    def _unescaped(self, match: re.Match[str], at: Token) -> str:
        code, character = match.groups()
        if code is not None and int(code, 16) <= 0x10FFFF:
            return chr(int(code, 16))
        if character in _UNESCAPES:
            return _UNESCAPES[character]
        self.token = at
        raise self.error('\\\\, \\", \\n, \\r, \\t or \\u{hexadecimal digits}', repr(match[0]))

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        expected = f"a whole number from {low} to {high}"
        if self.token.kind != "number" or not _INTEGER.fullmatch(self.token.text):
            raise self.error(expected)
        value = int(self.token.text)
        if not low <= value <= high:
            raise self.error(expected)
        self.take("number", expected)
        return value

    def float32_bits(self) -> int:
        """A float32, as its 32 bits."""
        expected = "a float32"
        if self.token.kind == "bits" and len(self.token.text) == 13:
            return int(self.take("bits", expected)[5:], 16)
        if self.token.kind != "number" or not _float32_bytes(float(self.token.text)):
            raise self.error(expected)
        return int.from_bytes(_float32_bytes(float(self.take("number", expected))), "little")

    def float64(self) -> float:
        """A double."""
        expected = "a number"
        if self.token.kind == "bits" and len(self.token.text) == 21:
            bits = int(self.take("bits", expected)[5:], 16)
            return float(struct.unpack("<d", struct.pack("<Q", bits))[0])
        if self.token.kind != "number" or not math.isfinite(float(self.token.text)):
            raise self.error(expected)
        return float(self.take("number", expected))


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
