"""Variables of a .tflite file: handles, first values, and files that mean harm."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tflite_files import activation, integers, quantization, refuses

from midge.errors import UnsupportedError
from midge.graph import Graph
from midge.importers import import_tflite
from midge.importers.tflite_variables import MOST_ELEMENTS, MOST_MACS, MOST_NAME_BYTES
from midge.synthetic.model_description import (
    AddOptions,
    Fields,
    FullyConnectedOptions,
    ModelDescription,
    Operator,
    PadOptions,
    Quantization,
    Tensor,
)
from midge.synthetic.tflite_writer import write_tflite
from support.bounds import bounded, coming_back
from support.differential import interpreter_outputs
from support.oracle import tflm_outputs_of_samples

H = Tensor("h", (), "resource")
X = activation("x", 1, 3, zero_point=-7)
OLD, Y = replace(X, name="old"), replace(X, name="y")


def var_handle(handle: str = "h", name: str | None = "v", container: str | None = "") -> Operator:
    words = {"SharedName": name, "Container": container}
    table = Fields.of("VarHandleOptions", **{k: w for k, w in words.items() if w is not None})
    return Operator("VAR_HANDLE", (), (handle,), table)


def read(y: str = "old", handle: str = "h") -> Operator:
    return Operator("READ_VARIABLE", (handle,), (y,), Fields("ReadVariableOptions"))


def assign(x: str, handle: str = "h") -> Operator:
    return Operator("ASSIGN_VARIABLE", (handle, x), (), Fields("AssignVariableOptions"))


def call_once(subgraph: int = 1) -> Operator:
    return Operator("CALL_ONCE", (), (), Fields.of("CallOnceOptions", InitSubgraphIndex=subgraph))


def add(a: str, b: str, y: str) -> Operator:
    return Operator("ADD", (a, b), (y,), AddOptions(), 2)


COUNT = [var_handle(), read(), add("old", "x", "y"), assign("y")]
"""The sum of all inputs so far."""


def model(
    operators: Sequence[Operator],
    *further: Tensor,
    functions: Sequence[ModelDescription] = (),
    inputs: tuple[str, ...] = ("x",),
    outputs: tuple[str, ...] = ("y",),
) -> ModelDescription:
    tensors = {t.name: t for t in (H, X, OLD, Y, *further)}
    return ModelDescription(
        tuple(tensors.values()), tuple(operators), inputs, outputs, functions=tuple(functions)
    )


def function(*operators: Operator, tensors: Sequence[Tensor] = ()) -> ModelDescription:
    return ModelDescription((H, *tensors), operators, (), ())


def first(*values: int, name: str = "first") -> Tensor:
    return replace(X, name=name, values=np.array([values], np.int8))


INITIALISED = model(
    [call_once(), *COUNT],
    functions=[function(var_handle(), assign("first"), tensors=[first(5, 6, 7)])],
)


def imported(description: ModelDescription) -> Graph:
    return import_tflite(write_tflite(description), "m.tflite")


def first_value(graph: Graph) -> list[int]:
    (variable,) = graph.variables
    values: list[int] = np.asarray(variable.data).reshape(-1).tolist()
    return values


def assert_oracle_agrees(description: ModelDescription, steps: int = 4) -> Graph:
    graph = imported(description)
    rng = np.random.default_rng(3)
    tensors = [graph.tensors[n] for n in graph.inputs]
    samples = [
        [rng.integers(-20, 20, t.shape).astype(t.dtype.numpy) for t in tensors]
        for _ in range(steps)
    ]
    ours = interpreter_outputs(graph, samples)
    theirs = tflm_outputs_of_samples(write_tflite(description), samples, stream=True)
    for a, b in zip(ours, theirs, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
    return graph


@pytest.mark.tiny
def test_a_variable_stands_for_its_handle() -> None:
    graph = assert_oracle_agrees(INITIALISED)
    assert [op.kind for op in graph.ops] == ["read_variable", "add", "assign_variable"]
    assert [op.name for op in graph.ops] == ["02_read_variable", "03_add", "04_assign_variable"]
    (variable,) = graph.variables
    assert (variable.name, variable.shape, variable.zero_point) == ("v", (1, 3), -7)
    assert first_value(graph) == [5, 6, 7]
    assert graph.ops[0].inputs == graph.ops[2].inputs[:1] == ("v",)
    assert "h" not in graph.tensors


@pytest.mark.tiny
def test_without_an_initialisation_a_variable_stands_for_zeros() -> None:
    graph = assert_oracle_agrees(model(COUNT))
    assert first_value(graph) == [-7, -7, -7]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("dtype", "codes", "expected"),
    [
        ("int16", quantization(0.5, 0), 0),
        ("int16", quantization(0.5, 3), 0x0303),
        ("int16", quantization(0.5, -1), -1),
        ("uint8", quantization(0.5, 130), 130),
        ("float32", None, 0.0),
        ("int32", None, 0),
    ],
)
def test_other_types_are_filled_byte_by_byte(
    dtype: str, codes: Quantization | None, expected: float
) -> None:
    # What is read in the first run is what TFLite Micro's allocation left.
    x = Tensor("x", (1, 3), dtype, codes)
    y = replace(x, name="old")
    description = model([var_handle(), read(), assign("x")], x, y, outputs=("old",))
    graph = assert_oracle_agrees(description)
    assert first_value(graph) == [expected] * 3


@pytest.mark.tiny
def test_initialisations_compute_and_follow_one_another() -> None:
    twice = function(
        *(var_handle(), read("a"), add("a", "first", "b"), assign("b")),
        tensors=[first(1, 2, 3), replace(X, name="a"), replace(X, name="b")],
    )
    description = replace(
        INITIALISED,
        operators=(call_once(1), call_once(2), *COUNT),
        functions=(*INITIALISED.functions, twice),
    )
    graph = assert_oracle_agrees(description)
    # As reals: what 5 and 1 stand for, added.
    assert first_value(graph) == [5 + 1 + 7, 6 + 2 + 7, 7 + 3 + 7]


@pytest.mark.tiny
def test_names_and_containers_tell_variables_apart() -> None:
    def two(oracle: bool = True, **other: str | None) -> Graph:
        tensors = (replace(H, name="k"), replace(X, name="c"), replace(X, name="d"))
        operators = [*COUNT, var_handle("k", **other), read("c", "k"), add("c", "y", "d")]
        operators.append(assign("d", "k"))
        description = model(operators, *tensors, outputs=("y", "d"))
        return assert_oracle_agrees(description) if oracle else imported(description)

    assert [t.name for t in two(name="w").variables] == ["v", "w"]
    # The Python package of TFLite Micro counts variables without their containers, and refuses.
    assert [t.name for t in two(False, container="box").variables] == ["v", "box/v"]
    assert [t.name for t in two(name="v").variables] == ["v"], "the same one"
    # Without a container it is whichever has the name.
    assert [t.name for t in two(container=None).variables] == ["v"]
    assert [t.name for t in two(name="v\0w").variables] == ["v"], "C's strings end there"


@pytest.mark.tiny
def test_a_variable_may_have_the_name_of_a_tensor() -> None:
    operators = [var_handle(name="x"), *COUNT[1:]]
    graph = imported(model(operators))
    assert [t.name for t in graph.variables] == ["x#0"]
    taken = [replace(X, name=n) for n in ("x#0", "x#0#")]
    graph = imported(model(operators, *taken))
    assert [t.name for t in graph.variables] == ["x#0##"]
    assert [t.name for t in imported(model([var_handle(name=""), *COUNT[1:]])).variables] == [
        "variable"
    ]


@pytest.mark.tiny
def test_a_handle_may_be_of_int32() -> None:
    # TFLite Micro's ASSIGN_VARIABLE takes such ones.
    description = model(COUNT, Tensor("h", (1,), "int32"))
    assert first_value(imported(description)) == [-7, -7, -7]


@pytest.mark.tiny
def test_variable_tensors_without_handles_stand_for_zeros_too() -> None:
    def of(dtype: str, zero_point: int) -> list[int]:
        v = Tensor("old", (1, 3), dtype, quantization(0.5, zero_point), variable=True)
        x, y = replace(v, name="x", variable=False), replace(v, name="y", variable=False)
        graph = imported(model([Operator("ADD", ("old", "x"), ("y",), AddOptions(), 2)], v, x, y))
        return first_value(graph)

    assert of("int8", -7) == [-7, -7, -7]
    assert of("int16", 0) == [0, 0, 0]


# ---- files that are wrong, or mean harm ----------------------------------------------------------

MANY = "m.tflite: 1 place needs what Midge does not have:\n  "


def wrong(message: str, description: ModelDescription) -> object:
    return pytest.param(message, description, id=message.replace("\n", " ")[:70])


def initialised_by(*operators: Operator, tensors: Sequence[Tensor] = ()) -> ModelDescription:
    return replace(INITIALISED, functions=(function(*operators, tensors=tensors),))


CASES = [
    wrong(
        f"{MANY}op 0 (CALL_ONCE): calls subgraph 0 from subgraph 0; expected one of 1 to 1, called "
        "from the network",
        replace(INITIALISED, operators=(call_once(0), *COUNT)),
    ),
    *(
        wrong(f"op 0 (CALL_ONCE): calls subgraph {index} from", replace(
            INITIALISED, operators=(call_once(index), *COUNT)))
        for index in (2, -1, 2**31 - 1, -(2**31))
    ),
    wrong(
        "op 0 (CALL_ONCE): calls subgraph 1, where op 0 (CALL_ONCE): calls subgraph 1 from subgraph",
        initialised_by(call_once(1), tensors=[first(1, 2, 3)]),
    ),
    wrong(
        f"{MANY}op 1 (CALL_ONCE): calls subgraph 1, which another CALL_ONCE calls as well",
        replace(INITIALISED, operators=(call_once(), call_once(), *COUNT)),
    ),
    wrong(
        f"{MANY}op 2 (CALL_ONCE): stands behind an operator that reads or assigns a variable; "
        "supported: in front of all of them",
        replace(INITIALISED, operators=(*COUNT[:2], call_once(), *COUNT[2:])),
    ),
    wrong(
        "op 0 (CALL_ONCE): calls subgraph -1 from subgraph 0",
        replace(INITIALISED, operators=(Operator("CALL_ONCE", (), (), Fields()), *COUNT)),
    ),
    wrong(
        "op 0 (CALL_ONCE): calls subgraph 1, where op 0 (WHILE): the operator is not supported",
        initialised_by(Operator("WHILE", (), (), Fields("WhileOptions"))),
    ),
    wrong(
        "op 0 (CALL_ONCE): initialisation: op '01_assign_variable' (assign_variable): first is "
        "int8[1, 4]; the variable v is int8[1, 3]",
        initialised_by(
            var_handle(), assign("first"), tensors=[replace(first(1, 2, 3, 4), shape=(1, 4))]
        ),
    ),
    wrong(
        "m.tflite: m: op '03_assign_variable' (assign_variable): wide is int8[1, 4]; the variable "
        "v is int8[1, 3]",
        model([var_handle(), assign("x"), read(), assign("wide")], activation("wide", 1, 4),
              inputs=("x", "wide"), outputs=("old",)),
    ),
    wrong(
        "m.tflite: m: op '02_read_variable' (read_variable): old is int8[1, 4]; the operator gives "
        "int8[1, 3]",
        model([var_handle(), assign("x"), read()], activation("old", 1, 4), outputs=("old",)),
    ),
    wrong(
        # The second handle's type is that of the first one's variable.
        "m.tflite: m: op '04_assign_variable' (assign_variable): wide is int8[1, 4]; the variable "
        "v is int8[1, 3]",
        model([var_handle(), var_handle("k"), assign("x"), read(), assign("wide", "k")],
              activation("wide", 1, 4), replace(H, name="k"), inputs=("x", "wide"),
              outputs=("old",)),
    ),
    wrong(
        f"{MANY}op 1 (READ_VARIABLE): reads a variable that no ASSIGN_VARIABLE of the file assigns",
        model([var_handle(), read()], outputs=("old",)),
    ),
    wrong(
        "op 0 (READ_VARIABLE): h is the handle of a variable; expected as the first input of "
        "READ_VARIABLE or ASSIGN_VARIABLE, from a VAR_HANDLE in the same subgraph",
        model([read(), assign("x")], outputs=("old",)),
    ),
    wrong(
        "op 2 (ADD): h is the handle of a variable; expected as the first input",
        model([*COUNT[:2], add("old", "h", "y"), assign("y")]),
    ),
    wrong(
        "op 1 (ASSIGN_VARIABLE): h is the handle of a variable; expected as the first input",
        model([var_handle(), assign("h"), assign("x"), read()], outputs=("old",)),
    ),
    wrong(
        "op 2 (ASSIGN_VARIABLE): k is the handle of a variable; expected as the first input",
        model([var_handle(), var_handle("k", "w"), assign("k"), assign("x"), read()],
              replace(H, name="k"), outputs=("old",)),
    ),
    wrong(
        "op 1 (READ_VARIABLE): h is the handle of a variable; expected as the first input",
        model([var_handle(), read("h"), assign("x"), read()], outputs=("old",)),
    ),
    wrong("input or output h is a variable's handle, which is not supported",
          model(COUNT, inputs=("x", "h"))),
    wrong("input or output h is a variable's handle, which is not supported",
          model(COUNT, outputs=("y", "h"))),
    wrong("input or output h is a variable's handle, which is not supported",
          model(COUNT, Tensor("h", (1,), "int32"), inputs=("x", "h"))),
    wrong(
        "m.tflite: op 1 (VAR_HANDLE): makes tensors [0]; expected one that no other VAR_HANDLE makes",
        model([var_handle(), var_handle(name="w"), *COUNT[1:]]),
    ),
    wrong(
        "m.tflite: op 0 (VAR_HANDLE): makes tensors []; expected one",
        model([Operator("VAR_HANDLE", (), (), Fields.of("VarHandleOptions", SharedName="v"))]),
    ),
    wrong("m.tflite: op 0 (VAR_HANDLE): does not name a variable",
          model([var_handle(name=None), *COUNT[1:]])),
    wrong("m.tflite: op 0 (VAR_HANDLE): does not name a variable",
          model([Operator("VAR_HANDLE", (), ("h",), Fields()), *COUNT[1:]])),
    wrong(
        "m.tflite: m: op '04_assign_variable' (assign_variable): takes 2 inputs and 0 optional "
        "ones, found ['v']",
        model([*COUNT, Operator("ASSIGN_VARIABLE", ("h",), (), Fields())]),
    ),
    wrong(
        "m.tflite: m: op '02_add' (add): writes 'old', which is written already",
        model([*COUNT[:1], Operator("READ_VARIABLE", ("h",), ("x2",), Fields()),
               add("x", "x", "old"), assign("x")],
              replace(OLD, variable=True), replace(X, name="x2"), outputs=("x2",)),
    ),
    wrong("damaged: its flatbuffer does not parse (a variable has shape [1, 0])",
          model(COUNT, replace(activation("z", 1, 0), variable=True))),
    wrong("m.tflite: op 3 (ASSIGN_VARIABLE): a variable has shape [1, -1]",
          model(COUNT, activation("y", 1, -1))),
    wrong("m.tflite: m: tensor 'z': 1073741824 bytes; at most 268435456 are supported",
          model([*COUNT, add("z", "x", "y")], replace(activation("z", 2**30), variable=True))),
    wrong(f"the names of variables take over {MOST_NAME_BYTES} bytes",
          model([var_handle(name="v" * (MOST_NAME_BYTES + 1)), *COUNT[1:]])),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("message", "description"), CASES)
def test_is_refused(message: str, description: ModelDescription) -> None:
    with refuses(message):
        imported(description)


@pytest.mark.tiny
def test_every_place_is_listed() -> None:
    description = model([*COUNT[:2], add("old", "h", "y"), assign("h")], inputs=("x", "h"))
    with pytest.raises(UnsupportedError, match="4 places need what Midge does not have") as refused:
        imported(description)
    message = str(refused.value)
    for place in ("op 1 (READ", "op 2 (ADD)", "op 3 (ASSIGN", "input or output h is"):
        assert place in message


def padded_to(size: int) -> ModelDescription:
    """An initialisation that pads three elements to `size`."""
    paddings = integers("paddings", [[0, 0], [0, size - 3]])
    wide = activation("wide", 1, size, zero_point=-7)
    function_of = function(
        *(Operator("PAD", ("first", "paddings"), ("wide",), PadOptions()), var_handle()),
        assign("wide"),
        tensors=[first(1, 2, 3), paddings, wide],
    )
    x, old, y = (replace(wide, name=n) for n in ("x", "old", "y"))
    return model([call_once(), *COUNT], x, old, y, functions=[function_of])


def multiplied(features: int, units: int) -> ModelDescription:
    """An initialisation that multiplies a matrix."""
    row = Tensor("row", (4, features), "int8", quantization(), np.ones((4, features), np.int8))
    weights = Tensor(
        "w", (units, features), "int8", quantization(), np.ones((units, features), np.int8)
    )
    result = activation("result", 4, units, scale=100.0)
    function_of = function(
        Operator("FULLY_CONNECTED", ("row", "w", None), ("result",), FullyConnectedOptions(), 4),
        *(var_handle(), assign("result")),
        tensors=[row, weights, result],
    )
    x, old, y = (replace(result, name=n) for n in ("x", "old", "y"))
    return model([call_once(), *COUNT], x, old, y, functions=[function_of])


@pytest.mark.parametrize("size", [1000, 2**20, 2**27, 2**30])
def test_a_huge_initialisation_is_refused_before_it_is_run(size: int) -> None:
    fits = contextlib.nullcontext()
    refused = refuses(
        f"elements with 0 multiply-accumulates for first values; at most {MOST_ELEMENTS}"
    )
    too_large = refuses("bytes; at most 268435456 are supported")
    with bounded(30), fits if size == 1000 else too_large if size == 2**30 else refused:
        graph = imported(padded_to(size))
        assert first_value(graph) == [1, 2, 3, *[-7] * (size - 3)]


def test_a_laborious_initialisation_is_refused_before_it_is_run() -> None:
    assert first_value(imported(multiplied(4, 2))) == [0] * 8
    features = MOST_MACS // (4 * 64) + 1
    with bounded(80), refuses(f"{4 * 64 * features} multiply-accumulates for first values"):
        imported(multiplied(features, 64))


def test_many_handles_of_one_name_take_no_time() -> None:
    handles = [replace(H, name=f"h{i}") for i in range(600)]
    operators = [var_handle(h.name, name="n" * 300) for h in handles]
    with bounded(60):
        graph = imported(model([*operators, *COUNT], *handles))
    assert len(graph.variables) == 1
    operators = [var_handle(h.name, name=f"{i}") for i, h in enumerate(handles)]
    assigns = [assign("x", h.name) for h in handles]
    with coming_back():
        graph = imported(model([*operators, *COUNT, *assigns], *handles))
    assert len(graph.variables) == 601
