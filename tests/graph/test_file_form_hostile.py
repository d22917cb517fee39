"""What is said of a .midge file that is damaged, and that nothing worse than saying it happens."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from graph_builders import refuses
from hypothesis import example, given, settings
from hypothesis import strategies as st
from midge_files import parts, sealed, small_graph, spoiled

from midge.errors import UnsupportedError, UserError
from midge.graph import Graph, read_graph, verify, write_graph
from midge.graph.text_parser import LARGEST_TEXT
from midge.importers import import_tflite
from midge.synthetic import OPERATORS, random_network

WHOLE = write_graph(small_graph())
TEXT, CONSTANTS = parts(WHOLE)
FIRST_LINE = WHOLE[: WHOLE.index(b"\n")]
BEHIND = len(FIRST_LINE) + 1 + len(TEXT)
"""Where the first constant stands."""
MOST_MEMORY_BYTES = 8 << 20
"""While a file of a kilobyte is read."""


def outcome(data: bytes) -> Graph | str:
    """The graph of a file or the message about it; anything else is an error of the test."""
    try:
        graph = read_graph(data, "m.midge")
    except UserError as error:
        message = str(error)
        assert message.startswith("m.midge: ")
        assert len(message) < 1000
        return message
    assert verify(graph) is graph
    return graph


@pytest.mark.tiny
def test_a_file_that_is_cut_off_anywhere_is_refused() -> None:
    for size in range(len(WHOLE)):
        message = outcome(WHOLE[:size])
        assert isinstance(message, str)
        assert "found " in message
        assert "expected " in message
        if size > len(FIRST_LINE):
            left = size - len(FIRST_LINE) - 1
            assert message.startswith(
                f"m.midge: line 1: found {left} bytes behind it, expected {len(TEXT + CONSTANTS)}: "
                "the file is cut off"
            )


def test_every_flipped_bit_is_found() -> None:
    for at in range(len(WHOLE)):
        for bit in range(8):
            data = bytearray(WHOLE)
            data[at] ^= 1 << bit
            message = outcome(bytes(data))
            assert isinstance(message, str), (at, bit)
            assert "line 1: found " in message


def other_text(old: str, new: str) -> bytes:
    """The file with something else in its text, and a first line that agrees."""
    assert old.encode() in TEXT
    return sealed(TEXT.replace(old.encode(), new.encode(), 1) + CONSTANTS)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


F_DIGEST = digest(np.float32(0.5).tobytes())
W_LINE = next(line for line in TEXT.decode().splitlines() if '"w"' in line)
# Behind one more line and the elements of `w`.
ONE_MORE = BEHIND + len(W_LINE) + 1 + 18
T_DIGEST = digest(b"\1\0")
X_AT = WHOLE.index(b'"x"') + 1
BIG = "9223372036854775807"

# A name, the file, and what is said of it.
HOSTILE: list[tuple[str, bytes, str]] = [
    ("empty", b"", "line 1: found nothing, expected 'midge-file 1': this is not a .midge file"),
    ("a line end", b"\n", "line 1: found nothing, expected 'midge-file 1'"),
    ("another file", b"\x1c\0\0\0TFL3" + bytes(99), r"line 1: found '\x1c\x00\x00\x00TFL3\x00"),
    ("another case", WHOLE.replace(b"midge-f", b"Midge-f", 1), "expected 'midge-file 1'"),
    ("a space first", b" " + WHOLE, "line 1: found ' midge-file 1"),
    ("a mark of the byte order", b"\xef\xbb\xbf" + WHOLE, r"line 1: found '\xef\xbb\xbfmidge-file"),
    ("UTF-16", TEXT.decode().encode("utf-16"), "this is not a .midge file"),
    ("text alone", TEXT, "line 1: found 'midge-graph', expected 'midge-file 1': this is the text"),
    ("CR LF in the first line", WHOLE.replace(b"\n", b"\r\n", 1), "line 1: found CR LF at its end"),
    ("CR LF in each", WHOLE.replace(b"\n", b"\r\n"), "something took the file for a text"),
    ("CR", WHOLE.replace(b"\n", b"\r"), "line 1: found 'midge-file 1 bytes="),
    ("no version", WHOLE.replace(b"file 1 ", b"file ", 1), "line 1: found 'midge-file bytes"),
    ("version 0", WHOLE.replace(b"file 1", b"file 0", 1), "found version 0 of .midge files, expec"),
    ("version 01", WHOLE.replace(b"file 1", b"file 01", 1), "expected 'midge-file 1 bytes=' and a"),
    ("version -1", WHOLE.replace(b"file 1", b"file -1", 1), "expected 'midge-file 1'"),
    ("version 2", b"midge-file 2 anything", "found version 2 of .midge files, expected 1; a newer"),
    ("a version of digits", b"midge-file " + b"9" * 5000, "expected 'midge-file 1'"),
    ("first line alone", FIRST_LINE, "line 1: found 'midge-file 1 bytes="),
    ("nothing behind it", FIRST_LINE + b"\n", "line 1: found 0 bytes behind it, expected"),
    ("no size", b"midge-file 1\n" + TEXT, "line 1: found 'midge-file 1', expected 'midge-file 1 by"),
    ("size 0", f"midge-file 1 bytes=0 sha256:{digest(b'')}\n".encode(), "expected 'midge-file 1 b"),
    ("size -1", WHOLE.replace(b"bytes=", b"bytes=-", 1), "expected 'midge-file 1 bytes=' and a num"),
    ("size +", WHOLE.replace(b"bytes=", b"bytes=+", 1), "expected 'midge-file 1 bytes=' and a num"),
    ("a size of digits", b"midge-file 1 bytes=" + b"9" * 99 + WHOLE, "expected 'midge-file 1 bytes"),
    ("a huge size", WHOLE.replace(b"bytes=", b"bytes=999999999", 1), ": the file is cut off; get it"),
    ("capital digest", FIRST_LINE.upper().replace(b"MIDGE-FILE 1 BYTES", b"midge-file 1 bytes")
     .replace(b"SHA", b"sha") + WHOLE[len(FIRST_LINE):], "' sha256:' and 64 hexadecimal digits"),
    ("short digest", WHOLE.replace(FIRST_LINE, FIRST_LINE[:-1]), "' sha256:' and 64 hexadecimal d"),
    ("two files", WHOLE + WHOLE, ": the file is too long; get it again"),
    ("a line end behind it", WHOLE + b"\n", "line 1: found 790 bytes behind it, expected 789"),
    ("a wrong digest", FIRST_LINE[:-64] + b"0" * 64 + b"\n" + TEXT + CONSTANTS,
     f"line 1: found bytes of sha256:{digest(TEXT + CONSTANTS)} behind it, expected sha256:000"),
    ("a name that was edited", WHOLE.replace(b'"g"', b'"h"'), "the file is damaged or was edited"),
    ("only a line end", sealed(b"\n"), "line 2: found no line 'end'"),
    ("only an end", sealed(b"end\n"), "line 2: found 'end', expected 'midge-graph 1'"),
    ("no end", sealed(TEXT[:-4]), "found no line 'end' from byte"),
    ("no end before constants", sealed(TEXT[:-4] + CONSTANTS), "found no line 'end' from byte"),
    ("no line end behind the end", sealed(TEXT[:-1]), "found no line 'end' from byte"),
    ("CR LF in the text", sealed(TEXT.replace(b"\n", b"\r\n") + CONSTANTS), "found no line 'end'"),
    ("CR LF but at the end", sealed(TEXT.replace(b"\n", b"\r\n", 3) + CONSTANTS),
     "graph text: line 2, column 14: found an invisible character, expected it as \\u{d}"),
    ("an early end", other_text("inputs", "end\ninputs"), "line 5: constant 'w' is given with sha"),
    ("another text version", other_text("graph 1", "graph 2"), "graph text: line 2: found version"),
    ("another form inside", sealed(WHOLE), "line 2: found 'midge-file 1 bytes="),
    ("not UTF-8", sealed(TEXT.replace(b'"x"', b'"\xff"') + CONSTANTS),
     f"line 4: found 0xff at byte {X_AT}, expected text in UTF-8"),
    ("a surrogate in UTF-8", sealed(TEXT.replace(b'"x"', b'"\xed\xa0\x80"') + CONSTANTS),
     f"line 4: found 0xed at byte {X_AT}, expected text in UTF-8"),
    ("an escaped surrogate", other_text('"x"', r'"\u{d800}"'), "its name is not Unicode text"),
    ("an overlong zero", sealed(TEXT.replace(b'"x"', b'"\xc0\x80"') + CONSTANTS), "text in UTF-8"),
    ("an unknown operator", other_text("conv_2d(", "conv_9d("), "line 14, column 18: found 'conv_9d"),
    ("no constants", sealed(TEXT), f"'w' takes 18 bytes from byte {BEHIND}, where 0 are left; "),
    ("one byte too few", sealed(TEXT + CONSTANTS[:-1]), "constant 't' takes 2 bytes from byte"),
    ("one byte too many", sealed(TEXT + CONSTANTS + b"\0"), "found 1 bytes behind the last constant"),
    ("a constant twice", sealed(TEXT + CONSTANTS[:18] + CONSTANTS),
     f"constant 'f' is given with sha256:{digest(CONSTANTS[:4])}; expected float32[] of sha256:"),
    ("constants in another order", sealed(TEXT + CONSTANTS[18:22] + CONSTANTS[:18] + CONSTANTS[22:]),
     "line 5: constant 'w' is given with sha256:"),
    ("a bit of a constant", sealed(TEXT + b"\0" + CONSTANTS[1:]), "constant 'w' is given with sha25"),
    ("a digest of another", other_text(F_DIGEST, T_DIGEST), "constant 'f' is given with sha256:"),
    ("a tensor declared twice", other_text(W_LINE, f"{W_LINE}\n{W_LINE}"),
     "line 6, column 8: found '%1', expected a number that no other tensor has"),
    ("a name twice", other_text(W_LINE, W_LINE + "\n" + W_LINE.replace("%1", "%z")),
     "line 6, column 11: found '\"w\"', expected a name that is not empty and that no other"),
    ("one more constant", other_text(W_LINE, W_LINE + "\n" + W_LINE.replace('%1 "w', '%z "v')),
     f"constant 'v' takes 18 bytes from byte {ONE_MORE}, where 15 are left; expected int8[2, 3, 3, 1]"),
    ("a constant less", sealed(TEXT.replace(W_LINE.encode() + b"\n", b"") + CONSTANTS),
     "constant 'f' is given with sha256:"),
    ("a negative extent", other_text("[2, 3, 3, 1]", "[-2, 3, 3, 1]"),
     "constant 'w' has a dimension under 1; expected int8[-2, 3, 3, 1] of sha256:"),
    ("two negative extents", other_text("[2, 3, 3, 1]", "[-2, -3, 3, 1]"), "a dimension under 1"),
    ("an extent of 0", other_text("[2, 3, 3, 1]", "[0, 3, 3, 1]"), "has a dimension under 1"),
    ("a negative extent without elements", other_text("int8[1, 4,", "int8[1, -4,"),
     "g: tensor 'x': shape [1, -4, 4, 1] has a dimension under 1"),
    ("a huge constant", other_text("[2, 3, 3, 1]", f"[{BIG}, {BIG}, {BIG}, {BIG}]"),
     f"constant 'w' takes {(2**63 - 1) ** 4} bytes from byte {BEHIND + 72}, where 33 are left"),
    ("a gigabyte", other_text("[2, 3, 3, 1]", "[1024, 1024, 1024]"),
     f"constant 'w' takes {1 << 30} bytes from byte {BEHIND + 6}, where 33 are left"),
    ("huge int4", other_text("int4[17]", f"int4[{BIG}]"), "takes 4611686018427387904 bytes from"),
    ("a huge input", other_text("int8[1, 4, 4, 1]", f"int8[{BIG}, {BIG}]"), "g: tensor 'x': "),
    ("nine dimensions", other_text("[2, 3, 3, 1]", "[2, 3, 3, 1, 1, 1, 1, 1, 1]"), "at most 8 num"),
    ("a wider type", other_text("int8[2, 3, 3, 1]", "int64[2, 3, 3, 1]"), "constant 'w' takes 144"),
    ("a layout of five", other_text("[0, 2, 3, 1]", "[0, 2, 3, 4, 1]"), "g: layout of 'x' is (0, 2"),
    ("a layout of an inner one", other_text("layout %0", "layout %1"), "neither input nor output"),
    ("a huge stride", other_text("stride=[2, 2]", f"stride=[{BIG}, {BIG}]"), "op 'the_conv_2d'"),
    ("a stride of 0", other_text("stride=[2, 2]", "stride=[0, 0]"), "op 'the_conv_2d'"),
    ("a huge border", other_text("pad_after=[1, 1]", f"pad_after=[{BIG}, 1]"), "op 'the_conv_2d'"),
    ("a scale of NaN", other_text("scale=0.5", "scale=bits:7fc00000"), "op 'the_conv_2d'"),
    ("a graph name with a path", other_text('graph "g"', 'graph "../g"'), "graph name '../g' is not"),
    ("deep nesting", other_text("stride=[2, 2]", "stride=" + "[" * 50_000), "found '['"),
    ("a bool of 2", sealed(TEXT.replace(T_DIGEST.encode(), digest(b"\2\0").encode())
     + CONSTANTS[:-2] + b"\2\0"), f"constant 't' from byte {BEHIND + 31} on holds a 2; a bool is 0 or 1"),
    ("a half byte that nothing uses", sealed(TEXT + CONSTANTS[:-3] + b"\x18" + CONSTANTS[-2:]),
     f"constant 'q' from byte {BEHIND + 22} on ends in a half byte of 1; a half that nothing uses is 0"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "message"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_what_is_said_of_a_hostile_file(data: bytes, message: str) -> None:
    tracemalloc.start()
    try:
        said = outcome(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(said, str)
    assert message in said
    assert "found " in said or "m.midge: g" in said, said
    assert most < MOST_MEMORY_BYTES


def test_a_newer_version_asks_for_an_update() -> None:
    for data in (b"midge-file 2\n", b"midge-file 12 of any form", other_text("graph 1", "graph 9")):
        with pytest.raises(UnsupportedError, match="a newer Midge wrote it: update Midge"):
            read_graph(data, "m.midge")


def test_a_text_of_megabytes_is_refused_before_it_is_read() -> None:
    comment = b"#" * LARGEST_TEXT
    with refuses(f"m.midge: graph text: {len(TEXT) + len(comment) + 1} characters; up to "):
        read_graph(sealed(TEXT[:14] + comment + b"\n" + TEXT[14:] + CONSTANTS), "m.midge")
    with refuses("m.midge: line 2: found no line 'end'"):
        read_graph(sealed(b"#" * 5 * LARGEST_TEXT + b"\n" + TEXT + CONSTANTS), "m.midge")


def test_comments_and_spaces_in_the_text_do_no_harm() -> None:
    text = TEXT.replace(b"\ninputs", b"\n# a note\n\ninputs").replace(b", ", b" ,  ")
    assert outcome(sealed(text + CONSTANTS)) == small_graph()


def test_the_line_that_is_named_is_the_files() -> None:
    data = other_text("outputs %3", "outputs %9")
    message = outcome(data)
    assert isinstance(message, str)
    number = int(message.split("line ")[1].split(",")[0])
    assert data.split(b"\n")[number - 1] == b"outputs %9"


@cache
def _files() -> list[bytes]:
    """Small networks of all operators and types."""
    kinds = ("int8", "int16", "float32")
    networks = [
        random_network(seed, ops=OPERATORS, dtype=kinds[seed % 3], max_ops=5, max_elements=64)
        for seed in range(30)
    ]
    return [write_graph(import_tflite(n.model_bytes, "n.tflite")) for n in networks]


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("change", [_cut, _flipped, spoiled], ids=lambda f: f.__name__.strip("_"))
def test_spoiled_files_end_in_a_message_or_in_a_sound_graph(
    change: Callable[[bytes, random.Random], bytes],
) -> None:
    accepted = 0
    tracemalloc.start()
    try:
        for seed in range(300):
            rng = random.Random(seed)
            whole = rng.choice(_files())
            data = change(whole, rng)
            graph = outcome(data)
            if isinstance(graph, Graph):
                accepted += data != whole
                assert read_graph(write_graph(graph), "again.midge") == graph
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 * MOST_MEMORY_BYTES
    # Whoever seals a file anew may say another sensible thing; chance cannot.
    assert (accepted > 0) == (change is spoiled)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400))
@example(b"midge-file 1 bytes=1 sha256:")
def test_random_bytes_are_refused(content: bytes) -> None:
    for data in (content, b"midge-file 1 " + content, FIRST_LINE + b"\n" + content):
        assert isinstance(outcome(data), str)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(0, len(TEXT + CONSTANTS)), st.integers(0, 60))
def test_random_bytes_behind_a_line_that_agrees(new: bytes, at: int, length: int) -> None:
    content = TEXT + CONSTANTS
    outcome(sealed((content[:at] + new + content[at + length :]) or b"\n"))
