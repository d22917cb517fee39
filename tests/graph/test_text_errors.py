"""What is said of a text that is not a graph, and that nothing worse than saying it happens."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import refuses
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, Graph, parse_graph
from midge.graph.text_parser import LARGEST_TEXT

WEIGHTS = np.arange(18, dtype=np.int8).reshape(2, 3, 3, 1)
CONSTANTS: dict[str, Array] = {"w": WEIGHTS}
DIGEST = "sha256:7a096cc12702bcfa647ee070d4f3ba4c2d1d715b484b55b825d0edba6545803b"
TEXT = rf"""midge-graph 1
graph "g" sha256:{"0f" * 32}
tensor %0 "x" int8[1, 4, 4, 1] scale=0.5 zero_point=3
tensor %1 "w" int8[2, 3, 3, 1] scale=[0.1, 0.2] zero_point=0 axis=0 data={DIGEST}
tensor %2 "b" int32[2] data=[-1, 70000]
tensor %3 "h" int8[1, 2, 2, 2] scale=1 zero_point=-128
tensor %4 "y" int8[1, 2, 2, 2] scale=1 zero_point=-128
inputs %0
outputs %4
op "c" conv_2d(%0, %1, %2) -> %3 stride=[2, 2] pad_after=[1, 1] activation=relu
op "p" max_pool_2d(%3) -> %4 kernel=[1, 1]
end
"""
LINES = TEXT.splitlines()


@pytest.mark.tiny
def test_the_text_that_is_spoiled_below_is_a_graph() -> None:
    assert isinstance(parse_graph(TEXT, CONSTANTS), Graph)


# What is replaced, by what, and what is then said.
SPOILED = [
    ("midge-graph 1", "midge-graph", "line 1: found 'midge-graph', expected 'midge-graph 1'"),
    ("midge-graph 1", "", "line 1: found '', expected 'midge-graph 1'"),
    ("midge-graph 1", "# x\nmidge-graph 1", "line 1: found '# x', expected 'midge-graph 1'"),
    ("midge-graph 1", "midge-graph 1 ", "line 1: found 'midge-graph 1 ', expected"),
    (
        "midge-graph 1",
        "midge-graph 2",
        "line 1: found version 2, expected 1; a newer Midge wrote it: update Midge",
    ),
    ('graph "g"', 'grph "g"', "line 2, column 1: found 'grph', expected 'graph'"),
    ('graph "g"', "graph g", "line 2, column 7: found 'g', expected the graph's name in double"),
    ('graph "g"', 'graph "g', "line 2, column 7: found '\"g sha256:"),
    ('graph "g"', r'graph "\q"', r"""found '\\q', expected \\, \", \n, \r, \t or \u{hexade"""),
    ('graph "g"', r'graph "\u{110000}"', r"found '\\u{110000}', expected \\,"),
    ('graph "g"', 'graph "g" x', "line 2, column 11: found 'x', expected the end of the line"),
    ("sha256:0f0f", "sha256:0F0f", "line 2, column 11: found 'sha256', expected the end of the li"),
    ("sha256:0f0f", "sha256:00f0f", "line 2, column 11: found 'sha256', expected the end of the l"),
    ("tensor %0", "tensr %0", "line 3, column 1: found 'tensr', expected 'tensor' or 'inputs'"),
    ("tensor %1", "tensor %0", "line 4, column 8: found '%0', expected a number that no other te"),
    ("tensor %0", "tensor 0", "line 3, column 8: found '0', expected the tensor's number, such as"),
    ("tensor %0", "tensor %" + "1" * 65, "line 3, column 8: found '%111"),
    ('%1 "w"', '%1 "x"', "line 4, column 11: found '\"x\"', expected a name that is not empty an"),
    ('%1 "w"', '%1 ""', "line 4, column 11: found '\"\"', expected a name that is not empty and"),
    ('%1 "w"', "%1 w", "line 4, column 11: found 'w', expected the tensor's name in double quotes"),
    ("int8[1, 4", "int9[1, 4", "found 'int9', expected an element type: int4, int8, int16, int32"),
    ("int8[1, 4", "int8(1, 4", "line 3, column 19: found '(', expected '['"),
    ("[1, 4, 4, 1]", "[1, 4 4, 1]", "line 3, column 25: found '4', expected ','"),
    ("[1, 4, 4, 1]", "[1, 4, 4, 1", "line 3, column 31: found 'scale', expected ','"),
    ("[1, 4, 4, 1]", "[1, 4.0]", "found '4.0', expected a whole number from -92233720368547758"),
    ("[1, 4, 4, 1]", "[1, x]", "found 'x', expected a whole number from"),
    ("[1, 4, 4, 1]", "[1,,4]", "found ',', expected a whole number from"),
    ("[1, 4, 4, 1]", "[1, [4]]", "found '[', expected a whole number from"),
    ("[1, 4, 4, 1]", f"[{2**63}]", f"found '{2**63}', expected a whole number from"),
    ("[1, 4, 4, 1]", f"[{10**21}]", f"found '{10**21}"),
    ("[1, 4, 4, 1]", "[1, 1, 1, 1, 1, 1, 1, 1, 1]", "found '1', expected at most 8 numbers"),
    ("[1, 4, 4, 1]", "[0x4]", "found '0x4]"),
    ("scale=0.5", "scale 0.5", "line 3, column 38: found '0.5', expected '='"),
    ("scale=0.5", "scale=", "found 'zero_point', expected a float32"),
    ("scale=0.5", "scale=nan", "found 'nan', expected a float32"),
    ("scale=0.5", "scale=1e39", "found '1e39', expected a float32"),
    ("scale=0.5", "scale=1e999", "found '1e999', expected a float32"),
    ("scale=0.5", "scale=bits:7ff0000000000000", "expected a float32"),
    ("scale=0.5", "scale=bits:7f80", "found 'bits', expected a float32"),
    ("zero_point=3", "", "line 3, column 42: found the end of the line, expected 'zero_point'"),
    ("zero_point=3", "zero_point=x", "found 'x', expected a whole number from"),
    ("axis=0", "axis=8", "found '8', expected a whole number from 0 to 7"),
    ("axis=0", "axis=-1", "found '-1', expected a whole number from 0 to 7"),
    ("axis=0", "axes=0", "found 'axes', expected the end of the line"),
    ("data=[-1, 70000]", "data=[-1]", "found 1 elements, expected as many as int32[2] has"),
    ("data=[-1, 70000]", "data=[]", "found 0 elements, expected as many as int32[2] has"),
    ("data=[-1, 70000]", f"data=[0, {2**31}]", "expected a whole number from -2147483648 to 21474"),
    ("data=[-1, 70000]", "data=none", "found 'none', expected '['"),
    ("int32[2] data", "int32[-1, -2] data", "found 2 elements, expected as many as int32[-1, -2]"),
    ("int32[2] data", "float32[2] data", "expected sha256: and 64 hexadecimal digits for float32"),
    ("int32[2] data", "bool[2] data", "expected sha256: and 64 hexadecimal digits for bool"),
    ("inputs %0", "input %0", "line 8, column 1: found 'input', expected 'tensor' or 'inputs'"),
    ("inputs %0", "inputs %9", "found '%9', expected a tensor that a line above declares"),
    ("inputs %0", "inputs %0,", "found the end of the line, expected a tensor such as %0"),
    ("inputs %0", "inputs %0 %1", "found '%1', expected the end of the line"),
    ("inputs %0", "inputs x", "found 'x', expected the end of the line"),
    ("outputs %4", "inputs %4", "line 9, column 1: found 'inputs', expected 'outputs'"),
    ('op "c"', 'of "c"', "line 10, column 1: found 'of', expected 'layout', 'op' or 'end'"),
    ('op "c"', "op c", "line 10, column 4: found 'c', expected the operator's name in double quo"),
    ("conv_2d(", "conv_9d(", "found 'conv_9d', expected one of"),
    ("conv_2d(", '"conv_2d"(', "found '\"conv_2d\"', expected an operator such as conv_2d"),
    ("conv_2d(%0", "conv_2d %0", "found '%0', expected '('"),
    ("%2) ->", "%2 ->", "found '->', expected ')'"),
    ("%2) ->", "%2)", "found '%3', expected '->'"),
    ("-> %3", "-> %7", "found '%7', expected a tensor that a line above declares"),
    (
        "stride=",
        "strid=",
        "found 'strid', expected an attribute of conv_2d that is not given yet: ",
    ),
    ("stride=", "stride", "found '[', expected '='"),
    ("pad_after=", "stride=", "that is not given yet: dilation, pad_before, pad_after, activation"),
    ("stride=[2, 2]", "5", "found '5', expected an attribute of conv_2d that is not given yet"),
    ("stride=[2, 2]", "stride=2", "found '2', expected '['"),
    ("stride=[2, 2]", "stride=[2]", "found 1, expected 2 values"),
    ("stride=[2, 2]", "stride=[2, 2, 2]", "found '2', expected ']' after 2 values"),
    ("stride=[2, 2]", "stride=[2, [2]]", "found '[', expected a whole number"),
    ("stride=[2, 2]", "stride=[2, 2.5]", "found '2.5', expected a whole number"),
    ("activation=relu", "activation=tanh", "found 'tanh', expected one of none, relu, relu6, re"),
    (" kernel=[1, 1]", "", "expected attribute kernel, which max_pool_2d must have"),
    (
        "max_pool_2d(%3) -> %4 kernel=[1, 1]",
        "softmax(%3) -> %4 beta=1e999",
        "found '1e999', expected a number",
    ),
    (
        "max_pool_2d(%3) -> %4 kernel=[1, 1]",
        "softmax(%3) -> %4 beta=relu",
        "found 'relu', expected a number",
    ),
    (
        "max_pool_2d(%3) -> %4 kernel=[1, 1]",
        "fully_connected(%3) -> %4 keep_dims=1",
        "found '1', expected true or false",
    ),
    ("end\n", "", "line 12: found the end of the text, expected a line 'end'; the text is cut off"),
    ("end\n", "end %0\n", "line 12, column 5: found '%0', expected the end of the line"),
    ("end\n", "end\nend\n", "line 13, column 1: found 'end', expected no more lines after 'end'"),
    ("end\n", "ende\n", "line 12, column 1: found 'ende', expected 'op' or 'end'"),
    (
        '"x"',
        '"\u202ex"',
        "column 12: found an invisible character, expected it as \\u{202e}",
    ),
    ("end\n", "end\r\n", "line 12, column 4: found an invisible character, expected it as \\u{d}"),
    ("inputs %0", "inputs\t%0", "line 8, column 7: found an invisible character, expected it as"),
    ("inputs %0", "inputs $0", "line 8, column 8: found '$0', expected a name in double quotes, a"),
    ('op "c"', f'op "{"c" * 99}', "line 10, column 4: found '\"ccccccccccc"),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("old", "new", "message"), SPOILED)
def test_message(old: str, new: str, message: str) -> None:
    spoiled = TEXT.replace(old, new, 1)
    assert spoiled != TEXT
    with refuses(message) as error:
        parse_graph(spoiled, CONSTANTS)
    text = str(error.value)
    assert text.startswith("graph text: line ")
    assert "found " in text
    assert "expected " in text
    assert len(text) < 300


def test_another_version_or_operator_is_unsupported() -> None:
    for spoiled in (TEXT.replace("graph 1", "graph 7", 1), TEXT.replace("max_pool", "min_pool")):
        with pytest.raises(UnsupportedError):
            parse_graph(spoiled, CONSTANTS)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({}, f"constant 'w' is not among the 0 given ones; expected int8[2, 3, 3, 1] of {DIGEST}"),
        ({"v": WEIGHTS}, "constant 'w' is not among the 1 given ones"),
        ({"w": WEIGHTS[0]}, "constant 'w' is given as int8[3, 3, 1]; expected int8[2, 3, 3, 1]"),
        ({"w": WEIGHTS.astype(np.uint8)}, "constant 'w' is given as uint8[2, 3, 3, 1]; expected"),
        ({"w": WEIGHTS + np.int8(1)}, f"; expected int8[2, 3, 3, 1] of {DIGEST}"),
    ],
)
def test_a_constant_must_be_the_one_that_is_meant(
    constants: dict[str, Array], message: str
) -> None:
    with refuses("graph text: line 4: constant 'w' is ") as error:
        parse_graph(TEXT, constants)
    assert message in str(error.value)


def test_a_text_of_megabytes_is_refused_before_it_is_read() -> None:
    with refuses(f"graph text: {LARGEST_TEXT + 1} characters; up to {LARGEST_TEXT} are read"):
        parse_graph("x" * (LARGEST_TEXT + 1))


def test_nesting_does_not_recurse() -> None:
    with refuses("found '[', expected a whole number"):
        parse_graph(TEXT.replace("stride=[2, 2]", f"stride={'[' * 100_000}"), CONSTANTS)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TEXT)),
            st.integers(0, 8),
            st.one_of(
                st.text('%[](),=->"\\ 0123456789einfx\n', max_size=6),
                st.sampled_from([*TEXT.split(), *LINES]),
                st.text(max_size=3),
            ),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_spoiled_text_is_a_graph_or_a_user_error(edits: list[tuple[int, int, str]]) -> None:
    text = TEXT
    for position, length, new in edits:
        text = text[:position] + new + text[position + length :]
    try:
        graph = parse_graph(text, CONSTANTS)
    except UserError as error:
        assert str(error).startswith("graph text: ")
    else:
        assert isinstance(graph, Graph)
