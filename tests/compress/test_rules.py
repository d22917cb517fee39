from __future__ import annotations

import pytest
from float_networks import Layers, samples

from midge.compress import QuantizeSettings, quantize_graph
from midge.compress.annotate import annotate
from midge.compress.calibrate import calibrate
from midge.compress.rules import BOTH, NOT_QUANTIZED, RULES, OutputScale
from midge.errors import UserError
from midge.graph import OPS, DType, Graph, Rounding
from midge.graph.ops.concatenation import Concatenation
from midge.graph.ops.extremum import Maximum
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.max_pool_2d import MaxPool2D
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.reshape import Reshape

PLAIN = ("cast", "dequantize", "logical_and", "logical_not", "logical_or", "lookup", "quantize")
"""They have no float32 form that could be quantised."""
PLAIN_TOO = ("reduce_all", "shape")


@pytest.mark.tiny
def test_every_operator_has_a_rule_or_a_reason() -> None:
    assert set(RULES).isdisjoint(NOT_QUANTIZED)
    assert set(OPS) == {*RULES, *NOT_QUANTIZED, *PLAIN, *PLAIN_TOO}


@pytest.mark.tiny
@pytest.mark.parametrize("kind", RULES)
def test_rules_promise_no_type_that_an_operator_lacks(kind: str) -> None:
    rule = RULES[kind]
    assert set(rule.types) <= set(BOTH)
    if rule.output is not OutputScale.NONE and kind != "select":
        assert set(rule.types) <= set(OPS[kind].types)
    assert (rule.output is OutputScale.FIXED) == bool(rule.fixed)


def annotated(graph: Graph, **settings: str) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each tensor."""
    observed = calibrate(graph, samples(graph))
    annotations = annotate(graph, observed, QuantizeSettings(**settings))  # type: ignore[arg-type]
    return {
        name: (float(codes.quantization.scale[0]), int(codes.quantization.zero_point[0]))
        for name, codes in annotations.codes.items()
    }


def test_what_moves_codes_shares_their_scale_to_both_sides() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 4, 4, 2), DType.FLOAT32)
    pooled = net.op("pooled", MaxPool2D(kernel=(2, 2), stride=(2, 2)), x)
    flat = net.op("flat", Reshape(shape=(1, 8)), pooled)
    graph = net.graph("moves", [x], [net.fully("fc", flat, 3), flat])
    codes = annotated(graph)
    assert codes["x"] == codes["pooled"] == codes["flat"]
    assert codes["fc"] != codes["flat"]


def test_joined_tensors_share_one_scale_but_for_built_in_ones() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 6), DType.FLOAT32)
    left, right = net.fully("left", x, 4), net.fully("right", x, 4)
    gate = net.op("gate", Logistic(), net.fully("in", x, 4))
    joined = net.op("joined", Concatenation(axis=1), left, gate, right)
    graph = net.graph("joins", [x], [joined])
    codes = annotated(graph)
    assert codes["gate"] == (1 / 256, -128)
    assert codes["left"] == codes["right"] == codes["joined"]
    made = quantize_graph(graph, samples(graph), explained=False)
    assert made.report.float_vs_integer is not None
    assert made.report.float_vs_integer.snr_db is not None
    # Without rescaling the gate would be read with the scale of the others.
    assert made.report.float_vs_integer.snr_db > 30


def test_what_is_built_in_stays_so_behind_a_move() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 6), DType.FLOAT32)
    gates = [net.op(f"gate{i}", Tanh(), net.fully(f"in{i}", x, 4)) for i in (0, 1)]
    joined = net.op("joined", Concatenation(axis=1), *gates)
    flat = net.op("flat", Reshape(shape=(1, 2, 4)), joined)
    graph = net.graph("tanh", [x], [net.op("largest", Maximum(), flat, net.constant("c", [0.5]))])
    codes = annotated(graph)
    assert {codes[n] for n in ("gate0", "gate1", "joined", "flat")} == {(1 / 128, 0)}
    # Between a tensor and a constant the larger is in [0.5, 1): it has a scale of its own.
    assert codes["largest"] == codes["c"]
    assert codes["largest"][0] < 1 / 250
    assert annotated(graph, activations="int16")["flat"] == (2.0**-15, 0)


def test_slopes_are_int8_beside_int16() -> None:
    net = Layers()
    x = net.builder.input("x", (1, 6), DType.FLOAT32)
    slope = net.constant("slope", [0.25, 0.5, -0.1, 2, 1, 0])
    graph = net.graph("prelu", [x], [net.op("prelu", Prelu(), net.fully("fc", x, 6), slope)])
    settings = QuantizeSettings(activations="int16")
    made = quantize_graph(graph, samples(graph), settings, explained=False)
    (op,) = (o for o in made.graph.ops if o.kind == "prelu")
    assert [made.graph.tensors[n].dtype for n in op.inputs] == [DType.INT16, DType.INT8]


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "int2"}, "weights 'int2' are none of: int8, int4"),
        ({"activations": "uint8"}, "activations 'uint8' are none of: int8, int16"),
        ({"observer": "kl"}, "observer 'kl' are none of: mse, percentile, minmax"),
        ({"percentile": 50.0}, "percentile 50.0; expected over 50 and up to 100"),
        ({"percentile": float("nan")}, "percentile nan"),
        ({"rounding": Rounding.HALF_EVEN}, "rounding half_even; supported here: tflite_double"),
    ],
)
def test_unknown_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        QuantizeSettings(**settings)  # type: ignore[arg-type]
