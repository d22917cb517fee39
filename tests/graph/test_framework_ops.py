"""silu and its kin, layer_norm and gru: values against double precision and PyTorch, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graph_builders import int8, int32, per_channel, per_tensor, plain, refuses
from numpy.typing import NDArray

from midge.graph import (
    Attributes,
    DType,
    Graph,
    Op,
    Rounding,
    Tensor,
    format_graph,
    initial_state,
    interpret,
    parse_graph,
    state_after,
    verify,
)
from midge.graph.ops.gru import HIDDEN_SCALE, Gru
from midge.graph.ops.layer_norm import LayerNorm, bits_of, sum_scale
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid, Mish, Silu, Softplus
from support.framework_layers import every_case, gru_cases, layer_norm_cases

FLOAT, INT8, INT16 = DType.FLOAT32, DType.INT8, DType.INT16
Float64 = NDArray[np.float64]


def graph_of(attributes: Attributes, inputs: Sequence[Tensor | None], y: Tensor) -> Graph:
    there = [t for t in inputs if t is not None]
    op = Op("the_op", attributes, tuple(t.name if t else "" for t in inputs), (y.name,))
    return Graph(
        "g",
        {t.name: t for t in (*there, y)},
        (op,),
        tuple(t.name for t in there if t.is_computed),
        (y.name,),
    )


def real(name: str, data: Any) -> Tensor:
    values = np.asarray(data, np.float32)
    return Tensor(name, values.shape, FLOAT, None, values)


@pytest.mark.parametrize("case", every_case(), ids=lambda c: c.name)
def test_text_form_keeps_the_operator(case: Any) -> None:
    constants = {n: t.data for n, t in case.graph.tensors.items() if t.data is not None}
    assert parse_graph(format_graph(case.graph), constants) == case.graph


# ---- functions of one element --------------------------------------------------------------------

REFERENCES: dict[str, Any] = {
    "silu": (Silu(), 1.5, lambda x: x / (1 + np.exp(-x))),
    "mish": (Mish(), 5.0, lambda x: x * np.tanh(np.logaddexp(0, x))),
    "softplus": (Softplus(), 3.0, lambda x: np.logaddexp(0, x)),
    "erf": (Erf(), 0.56, None),
    "hard_sigmoid": (HardSigmoid(), None, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
}


def reference(kind: str, x: Float64) -> Float64:
    if kind == "erf":
        from math import erf

        return np.vectorize(erf)(x)
    values: Float64 = REFERENCES[kind][2](x)
    return values


@pytest.mark.parametrize("kind", REFERENCES)
def test_float_values_are_near_the_reals(kind: str) -> None:
    attributes, bound, _ = REFERENCES[kind]
    rng = np.random.default_rng(5)
    spread = [rng.normal(0, s, 20000) for s in (1e-3, 0.1, 1, 5, 20)]
    x = np.concatenate([*spread, np.linspace(-80, 80, 20001)]).astype(np.float32)
    y = attributes.real(x).astype(np.float64)
    expected = reference(kind, x.astype(np.float64))
    if bound is None:
        assert np.abs(y - expected).max() < 2.0**-23
        return
    normal = np.abs(expected) > 1e-36
    ulp = np.spacing(np.abs(expected[normal]).astype(np.float32)).astype(np.float64)
    error = np.abs(y - expected)[normal] / ulp
    assert error.max() < bound
    assert error.max() > bound / 4, "the stated bound says something"


@pytest.mark.tiny
def test_special_values() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -200.0, 200.0], np.float32)
    with np.errstate(all="ignore"):
        found = {kind: REFERENCES[kind][0].real(x).tolist() for kind in REFERENCES}
    assert found["silu"][:3] == [0.0, 0.0, np.inf]
    assert np.isnan(found["silu"][3:5]).all(), "as PyTorch has it"
    assert found["silu"][5:] == [0.0, 200.0]
    assert found["mish"][:3] == [0.0, 0.0, np.inf]
    assert np.isnan(found["mish"][3:5]).all()
    assert found["mish"][5:] == [0.0, 200.0]
    assert found["softplus"][2:4] == [np.inf, 0.0]
    assert found["softplus"][5:] == [0.0, 200.0]
    assert found["softplus"][0] == pytest.approx(np.log(2))
    assert found["hard_sigmoid"][:4] == [0.5, 0.5, 1.0, 0.0]
    assert np.isnan(found["hard_sigmoid"][4])
    assert found["erf"][2:4] == [1.0, -1.0]


@pytest.mark.parametrize("kind", REFERENCES)
def test_codes_are_the_nearest_of_int8_and_near_of_int16(kind: str) -> None:
    attributes = REFERENCES[kind][0]
    for dtype, x_scale, y_scale, bound in ((INT8, 0.05, 0.03, 0.501), (INT16, 2e-4, 2.5e-4, 2.5)):
        codes = np.arange(dtype.limits[0], dtype.limits[1] + 1).astype(dtype.numpy)
        zero = 3 if dtype is INT8 else 0
        x = Tensor("x", codes.shape, dtype, per_tensor(x_scale, zero))
        y = Tensor("y", codes.shape, dtype, per_tensor(y_scale, zero))
        found = interpret(verify(graph_of(attributes, [x], y)), {"x": codes})["y"]
        reals = reference(kind, (codes.astype(np.float64) - zero) * x.scale)
        exact = np.clip(reals / y.scale + zero, *dtype.limits)
        assert np.abs(found.astype(np.float64) - exact).max() < bound


@pytest.mark.tiny
def test_hard_sigmoid_refuses_what_is_no_number() -> None:
    x, y = plain("x", 3, dtype=FLOAT), plain("y", 3, dtype=FLOAT)
    with refuses("alpha nan is not a finite float32"):
        verify(graph_of(HardSigmoid(alpha=float("nan")), [x], y))
    with refuses("beta 1e+39 is not a finite float32"):
        verify(graph_of(HardSigmoid(beta=1e39), [x], y))


# ---- layer_norm ----------------------------------------------------------------------------------


def normalised(x: Float64, epsilon: float) -> Float64:
    centred = x - x.mean(axis=-1, keepdims=True)
    squares: Float64 = (centred * centred).mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return centred / np.sqrt(squares + epsilon)


def of_constants(graph: Graph, what: str, unit: float) -> Float64 | float:
    tensor = graph.tensors.get(what)
    if tensor is None:
        return 1.0 if what == "gamma" else 0.0
    scale = unit if tensor.quantization is None else tensor.scale
    return np.asarray(tensor.data, np.float64) * scale


@pytest.mark.parametrize("case", layer_norm_cases(), ids=lambda c: c.name)
def test_layer_norm_is_near_the_reals(case: Any) -> None:
    """Half a step, and what a normalised element is rounded by times gamma."""
    graph = case.graph
    (op,) = graph.ops
    x, y = graph.tensors["x"], graph.tensors["y"]
    is_float = x.dtype is FLOAT
    unit = 1.0 if is_float else sum_scale(x, graph.tensors.get("gamma"))
    gamma, beta = of_constants(graph, "gamma", 1.0), of_constants(graph, "beta", unit)
    worst = 0.0
    for seed in range(9):
        sample = case.sample(seed)
        found = interpret(graph, sample)["y"].astype(np.float64)
        values = sample["x"].astype(np.float64)
        reals = values if is_float else (values - x.zero_point) * x.scale
        # Without an epsilon a row of equal elements has no value in floats; in integers it is beta.
        normal = normalised(reals, float(np.float32(op.attributes.epsilon)))
        if is_float:
            expected = normal * gamma + beta
            assert np.allclose(found, expected, rtol=2e-5, atol=1e-5, equal_nan=True)
            continue
        expected = np.nan_to_num(normal) * gamma + beta
        exact = np.clip(expected / y.scale + y.zero_point, *y.dtype.limits)
        worst = max(worst, float(np.abs(found - exact).max()))
    if not is_float:
        rounded = 2.0 ** -(bits_of(x.dtype, x.shape[-1]).normal + 1)
        bound = 0.5 + rounded * float(np.abs(gamma).max()) / y.scale + 0.02
        assert worst <= bound
        # Where a step of y is not thousands of times finer than gamma that is half a step.
        assert bound < 0.6 or "_6" in case.name


@pytest.mark.tiny
def test_layer_norm_by_hand() -> None:
    x, y = int8("x", 1, 4, scale=1.0, zero_point=9), int8("y", 1, 4, scale=0.5, zero_point=1)
    graph = verify(graph_of(LayerNorm(epsilon=0.0), [x], y))
    # Mean 1, differences -1, -1, -1, 3, variance 3: -0.577 and 1.732 are -1.15 and 3.46 steps.
    found = interpret(graph, {"x": np.array([[9, 9, 9, 13]], np.int8)})["y"]
    assert found.tolist() == [[0, 0, 0, 4]]
    assert interpret(graph, {"x": np.full((1, 4), -77, np.int8)})["y"].tolist() == [[1, 1, 1, 1]]


def test_layer_norm_of_floats_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    x = rng.normal(3, 5, (7, 48)).astype(np.float32)
    gamma, beta = rng.normal(1, 1, 48), rng.normal(0, 1, 48)
    inputs = [plain("x", 7, 48, dtype=FLOAT), real("gamma", gamma), real("beta", beta)]
    graph = verify(graph_of(LayerNorm(epsilon=1e-3), inputs, plain("y", 7, 48, dtype=FLOAT)))
    found = interpret(graph, {"x": x})["y"]
    constants = [torch.tensor(np.asarray(t.data)) for t in inputs[1:]]
    expected = torch.nn.functional.layer_norm(torch.tensor(x), (48,), *constants, eps=1e-3)
    assert np.allclose(found, expected.numpy(), rtol=1e-5, atol=2e-6)


LAYER_NORM_REFUSALS: list[tuple[str, LayerNorm, list[Tensor | None], Tensor]] = [
    ("x is a scalar", LayerNorm(), [plain("x", dtype=FLOAT)], plain("y", dtype=FLOAT)),
    (
        "gamma has shape [3]; expected [4]",
        LayerNorm(),
        [plain("x", 2, 4, dtype=FLOAT), real("gamma", [1, 1, 1])],
        plain("y", 2, 4, dtype=FLOAT),
    ),
    (
        "epsilon -1; expected a float32 from 0 up",
        LayerNorm(epsilon=-1.0),
        [plain("x", 2, 4, dtype=FLOAT)],
        plain("y", 2, 4, dtype=FLOAT),
    ),
    (
        "gamma is computed at run time; supported here: a constant",
        LayerNorm(),
        [plain("x", 2, 4, dtype=FLOAT), plain("gamma", 4, dtype=FLOAT)],
        plain("y", 2, 4, dtype=FLOAT),
    ),
    (
        "gamma is int8; supported here: int16",
        LayerNorm(),
        [int8("x", 2, 4), int8("gamma", 4, data=1)],
        int8("y", 2, 4),
    ),
    (
        "rounding half_even; supported here: tflite_double, single",
        LayerNorm(rounding=Rounding.HALF_EVEN),
        [int8("x", 2, 4)],
        int8("y", 2, 4),
    ),
    (
        "rows of 4096; supported of integers: up to 4095",
        LayerNorm(),
        [int8("x", 1, 4096)],
        int8("y", 1, 4096),
    ),
    (
        "it hides every difference",
        LayerNorm(),
        [int8("x", 1, 64, scale=1e-9)],
        int8("y", 1, 64),
    ),
    (
        "overflow int32; beta is too large",
        LayerNorm(),
        [int8("x", 1, 2), None, int32("beta", [2**31 - 1, 0])],
        int8("y", 1, 2),
    ),
    (
        "the scales give a factor",
        LayerNorm(),
        [int8("x", 1, 2)],
        int8("y", 1, 2, scale=1e-15),
    ),
    (
        "x is int16 with zero point 4; supported here: 0",
        LayerNorm(),
        [Tensor("x", (1, 2), INT16, per_tensor(1.0, 4))],
        Tensor("y", (1, 2), INT16, per_tensor(1.0, 0)),
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("message", "attributes", "inputs", "y"), LAYER_NORM_REFUSALS, ids=lambda v: str(v)[:40]
)
def test_layer_norm_refuses(
    message: str, attributes: LayerNorm, inputs: list[Tensor | None], y: Tensor
) -> None:
    with refuses(message):
        verify(graph_of(attributes, inputs, y))


# ---- gru -----------------------------------------------------------------------------------------


def torch_gru(features: int, units: int, batch_first: bool) -> tuple[Any, dict[str, Tensor]]:
    """A module, and its constants in the order of the operator."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(features)
    module = torch.nn.GRU(features, units, batch_first=batch_first)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    found = {n: real(n, getattr(module, f"{n}_l0").detach().numpy()) for n in names}
    return module, found


@pytest.mark.parametrize("time_major", [False, True])
def test_gru_of_floats_is_pytorchs(time_major: bool) -> None:
    module, constants = torch_gru(5, 7, not time_major)
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, (2, 9, 5)).astype(np.float32)
    first = rng.uniform(-1, 1, (9 if time_major else 2, 7)).astype(np.float32)
    inputs = [plain("x", 2, 9, 5, dtype=FLOAT), *constants.values(), real("first", first)]
    y = plain("y", 2, 9, 7, dtype=FLOAT)
    graph = verify(graph_of(Gru(time_major=time_major), inputs, y))
    found = interpret(graph, {"x": x})["y"]
    with torch.no_grad():
        expected, _ = module(torch.tensor(x), torch.tensor(first)[None])
    assert np.abs(found - expected.numpy()).max() < 1e-6


def test_gru_with_the_reset_in_front_is_that_of_onnx() -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper, rng = onnx.helper, np.random.default_rng(3)
    x = rng.normal(0, 1, (6, 2, 3)).astype(np.float32)
    w, r = (rng.normal(0, 1, (1, 12, n)).astype(np.float32) for n in (3, 4))
    b = rng.normal(0, 1, (1, 24)).astype(np.float32)
    for before in (0, 1):
        node = helper.make_node(
            "GRU", ["x", "w", "r", "b"], ["y"], hidden_size=4, linear_before_reset=before
        )
        ends = [
            helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
            for n, s in (("x", x.shape), ("y", (6, 1, 2, 4)))
        ]
        held = [onnx.numpy_helper.from_array(v, n) for v, n in ((w, "w"), (r, "r"), (b, "b"))]
        model = helper.make_model(
            helper.make_graph([node], "g", ends[:1], ends[1:], held),
            opset_imports=[helper.make_opsetid("", 14)],
            ir_version=8,
        )
        session = runtime.InferenceSession(model.SerializeToString())
        (expected,) = session.run(None, {"x": x})

        def gates(values: Any) -> Any:
            """Update, reset, hidden as reset, update, new."""
            return np.concatenate([values[4:8], values[:4], values[8:]])

        constants = (("w", w[0]), ("r", r[0]), ("b", b[0, :12]), ("c", b[0, 12:]))
        inputs = [plain("x", 6, 2, 3, dtype=FLOAT), *(real(n, gates(v)) for n, v in constants)]
        op = Gru(linear_before_reset=bool(before), time_major=True)
        graph = verify(graph_of(op, inputs, plain("y", 6, 2, 4, dtype=FLOAT)))
        found = interpret(graph, {"x": x})["y"]
        assert np.abs(found - expected[:, 0]).max() < 1e-6


@pytest.mark.parametrize("case", gru_cases(), ids=lambda c: c.name)
def test_gru_step_by_step_is_the_whole_sequence(case: Any) -> None:
    """One run of many steps, and many runs of one step that keep the state, are the same bits."""
    graph = case.graph
    (op,) = graph.ops
    x, y = graph.tensors["x"], graph.tensors["y"]
    sample = case.sample(5)
    whole = interpret(graph, sample)["y"]
    axis = 0 if op.attributes.time_major else 1
    batch = x.shape[1 - axis]
    hidden_type = FLOAT if x.dtype is FLOAT else INT16
    quantization = None if x.dtype is FLOAT else per_tensor(HIDDEN_SCALE, 0)
    name = op.inputs[5] if len(op.inputs) > 5 else ""
    start = np.zeros((batch, y.shape[2]), hidden_type.numpy)
    if name:
        held = graph.tensors[name].data
        start = np.asarray(sample[name] if held is None else held)
    kept = Tensor("kept", start.shape, hidden_type, quantization, start, variable=True)
    inputs = (*op.inputs, *[""] * (5 - len(op.inputs)))[:5]
    short = [list(t.shape) for t in (x, y)]
    for shape in short:
        shape[axis] = 1
    one = graph.with_ops(
        [replace(op, attributes=replace(op.attributes, stateful=True), inputs=(*inputs, "kept"))],
        {
            **graph.tensors,
            "kept": kept,
            "x": replace(x, shape=tuple(short[0])),
            "y": replace(y, shape=tuple(short[1])),
        },
    )
    verify(replace(one, inputs=("x",)))
    state, steps = initial_state(one), []
    for step in range(x.shape[axis]):
        values = interpret(
            replace(one, inputs=("x",)), {"x": np.take(sample["x"], [step], axis)}, state
        )
        state = state_after(one, values)
        steps.append(values["y"])
    assert np.array_equal(np.concatenate(steps, axis), whole)


@pytest.mark.tiny
def test_gru_by_hand() -> None:
    """One unit, weights of zero: r = z = 1/2, n = 0, so the state halves."""
    zeros = [[0], [0], [0]]
    inputs = (
        int8("x", 1, 3, 1, scale=1.0),
        int8("w", 3, 1, scale=1.0, data=zeros),
        int8("r", 3, 1, scale=1.0, data=zeros),
        None,
        None,
        Tensor(
            "h", (1, 1), INT16, per_tensor(HIDDEN_SCALE, 0), np.array([[16384]], np.int16), True
        ),
    )
    graph = verify(graph_of(Gru(stateful=True), inputs, int8("y", 1, 3, 1, scale=2.0**-7)))
    values = interpret(graph, {"x": np.array([[[5], [-7], [100]]], np.int8)}, initial_state(graph))
    assert values["y"].reshape(-1).tolist() == [32, 16, 8]
    assert values["h"].tolist() == [[2048]]


X = int8("x", 1, 3, 2, scale=0.1)
W = int8("w", 6, 2, scale=0.01, data=1)
R = int8("r", 6, 2, scale=0.01, data=1)
Y = int8("y", 1, 3, 2, scale=0.01)
STATE = Tensor("h", (1, 2), INT16, per_tensor(HIDDEN_SCALE, 0), np.zeros((1, 2), np.int16), True)
FLOATS = (plain("x", 1, 3, 2, dtype=FLOAT), real("w", np.ones((6, 2))), real("r", np.ones((6, 2))))


def gru(message: str, *changed: Tensor | None, y: Tensor = Y, **attributes: Any) -> Any:
    """A refusal; `changed` replaces the inputs from the first on."""
    inputs = [*changed, *(X, W, R, None, None, STATE)[len(changed) :]]
    return pytest.param(message, Gru(**attributes), inputs, y, id=message[:50])


GRU_REFUSALS = [
    gru("x has shape [3, 2]; expected 3 dimensions", int8("x", 3, 2)),
    gru("w has shape [6, 3]; expected [6, 2]", X, int8("w", 6, 3, data=1)),
    gru("r has shape [4, 2]; expected [6, 2]", X, W, int8("r", 4, 2, data=1)),
    gru("b has shape [5]; expected [6]", X, W, R, int32("b", [1] * 5)),
    gru("c has shape [7]; expected [6]", X, W, R, None, int32("c", [1] * 7)),
    gru(
        "h has shape [2, 2]; expected [1, 2]",
        *(X, W, R, None, None, replace(STATE, shape=(2, 2), data=np.zeros((2, 2), np.int16))),
    ),
    gru("y is int8[1, 3, 3]; the operator gives int8[1, 3, 2]", y=int8("y", 1, 3, 3)),
    gru("w is computed at run time; supported here: a constant", X, int8("w", 6, 2)),
    gru("b is int8; supported here: int32", X, W, R, int8("b", 6, data=1)),
    gru(
        "h is int8; supported here: int16",
        *(X, W, R, None, None, int8("h", 1, 2, scale=HIDDEN_SCALE)),
    ),
    gru(
        "h has scale 0.5 and zero point 0; expected 1/32768 and 0",
        *(X, W, R, None, None, replace(STATE, quantization=per_tensor(0.5, 0))),
    ),
    gru(
        "rewrites input 5, 'h', which is not a variable",
        *(X, W, R, None, None, replace(STATE, variable=False)),
        stateful=True,
    ),
    gru("rewrites input 5, '', which is not a variable", X, W, R, None, None, None, stateful=True),
    gru(
        "w has a zero point other than 0; supported here: symmetric weights",
        *(X, int8("w", 6, 2, zero_point=1, data=1)),
    ),
    gru(
        "w is quantised along dimension 1; supported here: 0",
        *(X, replace(W, quantization=per_channel([1, 2], 1))),
    ),
    gru("rounding half_even; supported here: tflite_double, single", rounding=Rounding.HALF_EVEN),
    gru(
        "overflow int32; w or its bias is too large",
        *(X, W, R, int32("b", [2**31 - 1] * 6)),
    ),
    gru(
        "as reals are beyond a gate's 43690; w or its bias is too large",
        *(int8("x", 1, 3, 2, scale=1e5), W),
    ),
    gru(
        "w holds a number that is not finite",
        *(FLOATS[0], real("w", np.full((6, 2), np.inf)), FLOATS[2], None, None, None),
        y=plain("y", 1, 3, 2, dtype=FLOAT),
    ),
    gru(
        "r is int8; supported here: float32",
        *(*FLOATS[:2], R, None, None, None),
        y=plain("y", 1, 3, 2, dtype=FLOAT),
    ),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("message", "attributes", "inputs", "y"), GRU_REFUSALS)
def test_gru_refuses(message: str, attributes: Gru, inputs: list[Tensor | None], y: Tensor) -> None:
    with refuses(message):
        verify(graph_of(attributes, inputs, y))
