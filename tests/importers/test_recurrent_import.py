"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM: what is read of a file, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import tflite
from tflite_files import refuses

from midge.graph import Graph
from midge.graph.ops.lstm import Lstm
from midge.graph.ops.svdf import Svdf, SvdfActivation
from midge.importers import import_tflite
from midge.synthetic.model_description import (
    Fields,
    ModelDescription,
    Operator,
    Quantization,
    Tensor,
)
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.recurrent_layers import LstmLayer, SvdfLayer, add_lstm, add_svdf
from midge.synthetic.synthetic_network import SyntheticNetwork
from midge.synthetic.tflite_writer import write_tflite
from support.differential import interpreter_outputs
from support.oracle import ModelRefusedError, tflm_outputs_of_samples

INPUT = Quantization((0.05,), (3,))


def svdf_model(layer: SvdfLayer, dtype: str = "int8") -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    x = builder.input((1, 5), INPUT if dtype == "int8" else None, dtype)
    return builder.build([add_svdf(builder, x, layer)])


def lstm_model(layer: LstmLayer) -> ModelDescription:
    builder = NetworkBuilder(seed=1)
    return builder.build([add_lstm(builder, builder.input((2, 3, 5), INPUT), layer)])


def imported(model: ModelDescription) -> Graph:
    return import_tflite(write_tflite(model), "m.tflite")


def attributes(model: ModelDescription) -> object:
    (op,) = imported(model).ops
    return op.attributes


@pytest.mark.tiny
def test_attributes_of_svdf_are_read() -> None:
    assert attributes(svdf_model(SvdfLayer(2, rank=3))) == Svdf(rank=3)
    for activation in SvdfActivation:
        layer = SvdfLayer(2, activation=activation.name)
        assert attributes(svdf_model(layer, "float32")) == Svdf(rank=1, activation=activation)


@pytest.mark.tiny
def test_relu_of_int8_is_what_its_zero_point_says() -> None:
    layer = SvdfLayer(2, activation="RELU", output=Quantization((0.1,), (-128,)))
    assert attributes(svdf_model(layer)) == Svdf(rank=1)
    for zero_point in (-127, 127):
        layer = replace(layer, output=Quantization((0.1,), (zero_point,)))
        with refuses("op '00_svdf' (svdf): activation relu of an int8 svdf, which TFLite Micro"):
            imported(svdf_model(layer))


@pytest.mark.tiny
def test_attributes_of_lstm_are_read() -> None:
    assert attributes(lstm_model(LstmLayer(3))) == Lstm()
    clip = float(np.float32(0.3))
    assert attributes(lstm_model(LstmLayer(3, cell_clip=clip))) == Lstm(cell_clip=clip)
    graph = imported(lstm_model(LstmLayer(3, time_major=True)))
    assert graph.ops[0].attributes == Lstm(time_major=True)
    assert [t.shape for t in graph.variables] == [(3, 3), (3, 3)]
    assert len(graph.ops[0].inputs) == 15, "what is left out of 24 is not kept"


def changed(model: ModelDescription, change: Callable[[Operator], Operator]) -> ModelDescription:
    return replace(model, operators=tuple(map(change, model.operators)))


def with_field(name: str, value: object) -> Callable[[Operator], Operator]:
    """The operator with another value in its options."""

    def change(op: Operator) -> Operator:
        assert isinstance(op.options, Fields)
        values = {**dict(op.options.values), name: value}
        return replace(op, options=Fields.of(op.options.table, **values))

    return change


def with_input(place: int, name: str | None) -> Callable[[Operator], Operator]:
    return lambda op: replace(op, inputs=(*op.inputs[:place], name, *op.inputs[place + 1 :]))


SVDF, LSTM = svdf_model(SvdfLayer(2)), lstm_model(LstmLayer(5))
PEEPHOLE = Tensor("peephole", (5,), "int8", INPUT, np.zeros(5, np.int8))
MATRIX = Tensor("matrix", (5, 5), "int8", INPUT, np.zeros((5, 5), np.int8))
MORE = replace(LSTM, tensors=(*LSTM.tensors, PEEPHOLE, MATRIX))
REFUSALS = [
    ("has 4 inputs; expected 5, -1 for those left out", SVDF,
     lambda op: replace(op, inputs=op.inputs[:4])),
    ("fused activation 77 is none of the schema's", SVDF,
     with_field("FusedActivationFunction", 77)),
    ("has no SVDFOptions", SVDF, lambda op: replace(op, options=Fields())),
    ("op '00_svdf' (svdf): rank 0 does not divide the 2 filters", SVDF, with_field("Rank", 0)),
    ("op '00_svdf' (svdf): rank -2 does not divide", SVDF, with_field("Rank", -2)),
    ("a required tensor is left out", SVDF, with_input(4, None)),
    ("rewrites input 3, 'input_0', which is not a variable", SVDF, with_input(4, "input_0")),
    ("has 20 inputs; expected 24, -1 for those left out", LSTM,
     lambda op: replace(op, inputs=op.inputs[:20])),
    ("has peephole weights (peephole), as TFLite Micro does not take it", MORE,
     with_input(10, "peephole")),
    ("has a projection (matrix), as TFLite Micro does not take it", MORE, with_input(16, "matrix")),
    ("has layer normalisation (peephole), as TFLite Micro does not take it", MORE,
     with_input(23, "peephole")),
    ("a required tensor is left out", LSTM, with_input(1, None)),
    ("a required tensor is left out", LSTM, with_input(18, None)),
    ("fused activation 0 is not supported (TFLite Micro ends the program); supported: TANH", LSTM,
     with_field("FusedActivationFunction", tflite.ActivationFunctionType.NONE)),
    ("diagonal recurrent weights are not supported; supported: matrices", LSTM,
     with_field("DiagonalRecurrentTensors", True)),
    ("cell_clip nan is not a finite number", LSTM, with_field("CellClip", float("nan"))),
    ("has no UnidirectionalSequenceLSTMOptions", LSTM, lambda op: replace(op, options=Fields())),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("message", "model", "change"), REFUSALS, ids=[r[0][:50] for r in REFUSALS]
)
def test_is_refused(
    message: str, model: ModelDescription, change: Callable[[Operator], Operator]
) -> None:
    with refuses(message):
        imported(changed(model, change))


@pytest.mark.parametrize("place", [10, 17, 20])
def test_tflite_micro_refuses_variants_too(place: int) -> None:
    made = SyntheticNetwork("variant", changed(MORE, with_input(place, "peephole")))
    with pytest.raises(ModelRefusedError):
        tflm_outputs_of_samples(made.model_bytes, [made.sample_inputs(0)], stream=True)


def test_an_svdf_without_a_bias_equals_one_with_zeros() -> None:
    # TFLite Micro crashes on the first.
    model = svdf_model(SvdfLayer(3, rank=2, bias=False))
    (op,) = model.operators
    assert op.inputs[3] is None
    zeros = Tensor("zeros", (3,), "int32", Quantization((1e-9,), (0,)), np.zeros(3, np.int32))
    with_zeros = changed(replace(model, tensors=(*model.tensors, zeros)), with_input(3, "zeros"))
    made = SyntheticNetwork("zeros", with_zeros)
    samples = [made.sample_inputs(seed) for seed in range(4)]
    ours = interpreter_outputs(imported(model), samples)
    theirs = tflm_outputs_of_samples(made.model_bytes, samples, stream=True)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(ours, theirs, strict=True))


NARROW = LstmLayer(16, gain=1.0, output=Quantization((2.0**-14,), (0,)), cell_power=-15)
SHORT = SvdfLayer(40, steps=2)


@pytest.mark.parametrize(
    ("add", "shape", "layer", "seed", "samples"),
    [
        (add_lstm, (60, 1, 40), NARROW, 3, (0, 5, 10)),
        (add_svdf, (1500, 6), SHORT, 4, (0, 1)),
        (add_svdf, (1500, 6), SHORT, 8, (0, 1, 2)),
    ],
    ids=["gates", "entering", "leaving"],
)
def test_products_of_scales_are_taken_in_double_precision(
    add: Callable[..., str],
    shape: tuple[int, ...],
    layer: LstmLayer | SvdfLayer,
    seed: int,
    samples: tuple[int, ...],
) -> None:
    # In float32, as TFLite Micro's sources have it, one output differs from its package.
    builder = NetworkBuilder(seed=seed)
    x = builder.input(shape, Quantization((0.0317 * (1 + seed * 0.013),), (3,)))
    made = SyntheticNetwork("scales", builder.build([add(builder, x, layer)]))
    inputs = [made.sample_inputs(s) for s in samples]
    ours = interpreter_outputs(imported(made.model), inputs)
    theirs = tflm_outputs_of_samples(made.model_bytes, inputs, stream=True)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(ours, theirs, strict=True))
