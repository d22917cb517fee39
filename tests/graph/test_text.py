"""Graph -> text -> graph, exactly."""

from __future__ import annotations

import dataclasses
import enum
import math
import struct
import typing
import unicodedata
from typing import Any

import numpy as np
import pytest
from graph_builders import int8, int32, one_op, per_channel, per_tensor, refuses
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midge.graph import (
    OPS,
    Activation,
    Array,
    Attributes,
    DType,
    Graph,
    Op,
    Quantization,
    Rounding,
    Tensor,
    format_graph,
    parse_graph,
    verify,
)
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.pad import Pad
from midge.graph.ops.softmax import Softmax
from midge.graph.text_tokens import (
    constant_digest,
    float32_text,
    float64_text,
    hidden_character,
    quote,
)


def constants_of(graph: Graph) -> dict[str, Array]:
    return {n: t.data for n, t in graph.tensors.items() if t.data is not None}


def sample() -> Graph:
    weights = Tensor(
        "conv/weights",
        (2, 3, 3, 1),
        DType.INT8,
        per_channel([0.1, 1 / 3], 0),
        np.arange(-9, 9, dtype=np.int8).reshape(2, 3, 3, 1),
    )
    op = Conv2D(stride=(2, 2), pad_after=(1, 1), activation=Activation.RELU6)
    x = int8("input_1", 1, 4, 4, 1, scale=0.58471, zero_point=83)
    y = int8('relu;"quoted"\nnext', 1, 2, 2, 2, scale=1e-5, zero_point=-128)
    graph = one_op(op, (x, weights, int32("bias", [-1, 70000])), y)
    return verify(dataclasses.replace(graph, name="kws", digest="0f" * 32))


SAMPLE_TEXT = r"""midge-graph 1
graph "kws" sha256:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f
tensor %0 "input_1" int8[1, 4, 4, 1] scale=0.58471 zero_point=83
tensor %1 "conv/weights" int8[2, 3, 3, 1] scale=[0.1, 0.33333334] zero_point=0 axis=0 data=DIGEST
tensor %2 "bias" int32[2] data=[-1, 70000]
tensor %3 "relu;\"quoted\"\nnext" int8[1, 2, 2, 2] scale=1e-05 zero_point=-128
inputs %0
outputs %3
op "the_conv_2d" conv_2d(%0, %1, %2) -> %3 stride=[2, 2] pad_after=[1, 1] activation=relu6
end
""".replace("DIGEST", "sha256:b878df1ea91a2abb12b949c079b7d76d20655e23de5f00a99a03101a73f90864")


@pytest.mark.tiny
def test_the_text_of_a_graph_is_this() -> None:
    assert format_graph(sample()) == SAMPLE_TEXT


@pytest.mark.tiny
def test_the_text_gives_the_graph_back() -> None:
    graph = parse_graph(SAMPLE_TEXT, constants_of(sample()))
    assert graph == sample()
    assert list(graph.tensors) == list(sample().tensors)
    assert verify(graph)


def test_comments_empty_lines_and_spaces_are_passed_over() -> None:
    lines = SAMPLE_TEXT.splitlines()
    loose = "\n".join(
        [
            lines[0],
            "# a comment",
            "",
            "  ",
            *(line.replace(", ", " ,  ") + " " for line in lines[1:]),
        ]
    )
    assert parse_graph(loose, constants_of(sample())) == sample()


scalars = st.integers(-(2**31), 2**31 - 1)
float32_bits = st.integers(0, 2**32 - 1)
names = st.text(st.characters(), min_size=1, max_size=12)


def float32s(bits: list[int]) -> np.ndarray:
    return np.array(bits, np.uint32).view(np.float32)


@st.composite
def quantizations(draw: st.DrawFn) -> Quantization | None:
    if draw(st.booleans()):
        return None
    scale = draw(st.lists(float32_bits, max_size=4))
    same = draw(st.booleans())
    offset = st.integers(-(2**63), 2**63 - 1)
    zeros = [draw(offset)] * len(scale) if same else draw(st.lists(offset, max_size=4))
    axis = draw(st.none() | st.integers(0, 7))
    return Quantization(float32s(scale), np.array(zeros, np.int64), axis)


@st.composite
def tensors(draw: st.DrawFn, name: str) -> Tensor:
    dtype = draw(st.sampled_from(DType))
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    data = None
    if draw(st.booleans()):
        size = math.prod(shape) * dtype.numpy.itemsize
        content = draw(st.binary(min_size=size, max_size=size))
        data = np.frombuffer(content, dtype.numpy).reshape(shape)
        if dtype is DType.INT4:
            data = np.clip(data, *dtype.limits)
    variable = data is not None and draw(st.booleans())
    return Tensor(name, shape, dtype, draw(quantizations()), data, variable)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of an attribute's annotation."""
    if typing.get_origin(hint) is tuple:
        items = typing.get_args(hint)
        if items[-1] is Ellipsis:
            return st.lists(values(items[0]), max_size=4).map(tuple)
        return st.tuples(*map(values, items))
    if hint is bool:
        return st.booleans()
    if hint is int:
        return scalars
    if hint is float:
        return st.floats(allow_nan=False)
    assert issubclass(hint, enum.Enum)
    return st.sampled_from(hint)


@st.composite
def attributes(draw: st.DrawFn) -> Attributes:
    kind = OPS[draw(st.sampled_from(sorted(OPS)))]
    hints = typing.get_type_hints(kind)
    chosen = {}
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING or draw(st.booleans()):
            chosen[field.name] = draw(values(hints[field.name]))
    return kind(**chosen)


layouts = st.lists(scalars, max_size=8).map(tuple)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any graph that can be written, sensible or not."""
    there = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    some = st.lists(st.sampled_from(there), max_size=3).map(tuple)
    some_or_none = st.lists(st.sampled_from([*there, ""]), max_size=3).map(tuple)
    operators = draw(st.lists(st.builds(Op, names, attributes(), some_or_none, some), max_size=3))
    return Graph(
        name=draw(names),
        tensors={name: draw(tensors(name)) for name in there},
        ops=tuple(operators),
        inputs=draw(some),
        outputs=draw(some),
        digest=draw(st.sampled_from(["", "a5" * 32])),
        layouts=draw(st.dictionaries(st.sampled_from(there), layouts, max_size=2)),
    )


@settings(deadline=None)
@given(graphs())
def test_any_graph_comes_back_bit_for_bit(graph: Graph) -> None:
    text = format_graph(graph)
    again = parse_graph(text, constants_of(graph))
    assert again == graph
    assert list(again.tensors) == list(graph.tensors)
    assert format_graph(again) == text
    assert hidden_character(text) is None
    assert len(text.split("\n")) == len(text.splitlines()) + 1


@given(float32_bits)
@example(0x00000001)
@example(0x80000000)
@example(0x7F7FFFFF)
@example(0x7F800000)
@example(0x7FC00001)
def test_a_float32_reads_back_as_its_bits(bits: int) -> None:
    (value,) = float32s([bits])
    text = float32_text(value)
    assert len(text) <= 15
    graph = one_op(
        Softmax(),
        (Tensor("x", (1,), DType.INT8, Quantization(float32s([bits]), np.zeros(1, np.int64))),),
        int8("y", 1),
    )
    again = parse_graph(format_graph(graph)).tensors["x"].quantization
    assert again is not None
    assert again.scale.view(np.uint32).tolist() == [bits]


def test_a_float32_is_as_short_as_it_can_be() -> None:
    shortest = {
        0.1: "0.1",
        1 / 256: "0.00390625",
        2.0**-126: "1.1754944e-38",
        3e38: "3e+38",
        1.0: "1",
        16777216.0: "16777216",
        -0.5: "-0.5",
    }
    assert [float32_text(np.float32(v)) for v in shortest] == list(shortest.values())
    assert float32_text(np.float32(np.inf)) == "bits:7f800000"


@given(st.floats())
def test_a_double_reads_back_as_its_bits(value: float) -> None:
    text = float64_text(value)
    graph = one_op(Softmax(beta=value), (int8("x", 1),), int8("y", 1))
    again = parse_graph(format_graph(graph)).ops[0].attributes
    assert isinstance(again, Softmax)
    if f"beta={text}" in format_graph(graph):
        assert struct.pack("<d", again.beta) == struct.pack("<d", value)
    else:
        assert value == again.beta == 1.0


def test_digests_do_not_depend_on_layout_or_byte_order() -> None:
    data = np.arange(12, dtype="<i4").reshape(3, 4)
    digest = constant_digest(data)
    assert constant_digest(np.asfortranarray(data)) == digest
    assert constant_digest(data.astype(">i4")) == digest
    assert constant_digest(data.T.copy().T) == digest
    assert constant_digest(data.T) != digest


def test_small_integers_are_inline_and_all_else_is_a_digest() -> None:
    for dtype in DType:
        for size in (1, 16, 17):
            data = np.ones(size, dtype.numpy)
            tensor = Tensor("c", (size,), dtype, None, data)
            graph = Graph("g", {"c": tensor}, (), (), ("c",))
            inline = size <= 16 and dtype not in (DType.FLOAT32, DType.BOOL)
            assert ("data=[1" in format_graph(graph)) == inline
            assert parse_graph(format_graph(graph), {"c": data}) == graph
            if inline:
                assert parse_graph(format_graph(graph)) == graph


def test_defaults_are_left_out_and_left_out_inputs_are_none() -> None:
    plain = one_op(
        Conv2D(),
        (int8("x", 1, 1, 1, 1), int8("w", 1, 1, 1, 1, data=1), None),
        int8("y", 1, 1, 1, 1),
    )
    assert 'op "the_conv_2d" conv_2d(%0, %1, none) -> %2\n' in format_graph(plain)
    assert parse_graph(format_graph(plain)) == plain
    pool = one_op(MaxPool2D(kernel=(1, 1)), (int8("x", 1, 1, 1, 1),), int8("y", 1, 1, 1, 1))
    assert "-> %1 kernel=[1, 1]\n" in format_graph(pool)


def test_names_can_hide_nothing() -> None:
    name = 'a\\b"c\n\r\t\0\x7f\x85\xa0\u202e\u2028\ufeff\ud800\U000e0041 ünï 汉字 ;%1'
    graph = Graph(name, {name: int8(name, 1)}, (), (name,), (name,))
    line = format_graph(graph).split("\n")[2]
    assert line == (
        r'tensor %0 "a\\b\"c\n\r\t\u{0}\u{7f}\u{85}\u{a0}\u{202e}\u{2028}\u{feff}\u{d800}\u{e0041}'
        ' ünï 汉字 ;%1" int8[1] scale=0.5 zero_point=0'
    )
    assert parse_graph(format_graph(graph)) == graph


def test_every_hidden_character_is_escaped_and_no_other() -> None:
    # Unicode 3.2 is the one version whose tables every Python has.
    hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"}
    later_or_marks = {
        *(
            0xAD,
            0x034F,
            0x0604,
            0x0605,
            0x061C,
            0x0890,
            0x0891,
            0x08E2,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
        ),
        *(0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0, 0x110BD, 0x110CD),
    }
    for code in range(0x20000):
        character = chr(code)
        category = unicodedata.ucd_3_2_0.category(character)
        escaped = hidden_character(character) is not None
        if character == "\n":
            assert quote(character) == r'"\n"'
        elif category in hidden and character != " ":
            assert escaped, hex(code)
            assert len(quote(character)) > 3
        elif escaped and category != "Cn":
            assert code in later_or_marks or 0xFE00 <= code <= 0xFE0F, hex(code)
    assert all(hidden_character(chr(code)) for code in later_or_marks)
    assert all(hidden_character(chr(code)) for code in range(0xE0000, 0x110000, 97))


OTHER_VALUES: list[Attributes] = [
    Conv2D(
        stride=(2, 3),
        dilation=(4, 5),
        pad_before=(6, 7),
        pad_after=(8, 9),
        activation=Activation.RELU_N1_TO_1,
        rounding=Rounding.HALF_EVEN,
    ),
    FullyConnected(keep_dims=True, rounding=Rounding.SINGLE),
    Softmax(beta=-0.0),
    Softmax(beta=1e-300),
    Pad(before=(), after=(0, -1, 2**63 - 1, -(2**63))),
    MaxPool2D(kernel=(1, 2), activation=Activation.RELU),
]


@pytest.mark.parametrize("attributes", OTHER_VALUES, ids=repr)
def test_attributes_of_every_type_come_back(attributes: Attributes) -> None:
    graph = one_op(attributes, (int8("x", 1),), int8("y", 1))
    text = format_graph(graph)
    again = parse_graph(text).ops[0].attributes
    assert (again, repr(again)) == (attributes, repr(attributes))
    written = [field.name for field in dataclasses.fields(attributes) if f"{field.name}=" in text]
    changed = [
        field.name
        for field in dataclasses.fields(attributes)
        if repr(getattr(attributes, field.name)) != repr(field.default)
    ]
    assert written == changed


def test_false_is_written_where_it_is_not_the_default() -> None:
    spelled = format_graph(one_op(FullyConnected(keep_dims=True), (int8("x", 1),), int8("y", 1)))
    assert "keep_dims=true" in spelled
    again = parse_graph(spelled.replace("=true", "=false")).ops[0].attributes
    assert again == FullyConnected(keep_dims=False)


GRAPH = one_op(Softmax(), (int8("x", 1),), int8("y", 1))
UNWRITABLE = [
    (dataclasses.replace(GRAPH, digest="xyz"), "digest 'xyz' has no text; verify the graph first"),
    (dataclasses.replace(GRAPH, inputs=("z",)), "'z' is named but is not a tensor of the graph"),
    (
        dataclasses.replace(GRAPH, tensors={**GRAPH.tensors, "z": int8("q", 1)}),
        "tensor 'z' is filed under another name than its own, 'q'",
    ),
    (one_op(Softmax(beta="x"), (int8("x", 1),), int8("y", 1)), "attribute value 'x' has no text"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("graph", "message"), UNWRITABLE, ids=[m for _, m in UNWRITABLE])
def test_what_has_no_text_is_refused(graph: Graph, message: str) -> None:
    with refuses(message):
        format_graph(graph)


def test_numpy_numbers_are_written_as_numbers() -> None:
    op = Conv2D(stride=(np.int64(2), 1))  # type: ignore[arg-type]
    graph = one_op(op, (int8("x", 1, 1, 1, 1), int8("w", 1, 1, 1, 1)), int8("y", 1, 1, 1, 1))
    assert "stride=[2, 1]" in format_graph(graph)
    beta = one_op(Softmax(beta=np.float32(0.1)), (int8("x", 1),), int8("y", 1))  # type: ignore[arg-type]
    assert "beta=0.10000000149011612" in format_graph(beta)


def test_a_quantisation_of_one_entry_keeps_its_axis() -> None:
    named = Tensor("x", (1,), DType.INT8, dataclasses.replace(per_tensor(), axis=0))
    graph = Graph("g", {"x": named}, (), ("x",), ("x",))
    assert "scale=0.5 zero_point=0 axis=0" in format_graph(graph)
    assert parse_graph(format_graph(graph)) == graph
