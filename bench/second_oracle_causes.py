"""Why tflite-runtime differs from TFLite Micro, and the proof for each layer.

Each cause is a suspicion that an operator raises by its form alone. It counts as the cause of a
difference only when the numbers say so:

- the layer is written in another form that means the same, without the suspect (`rewritten`), and
  tflite-runtime then equals TFLite Micro in every byte;
- where the suspect computes something else instead of refusing, that is computed here too, and
  tflite-runtime's bytes equal it (`recompute`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from bench.second_oracle_answers import OUTPUTS, Answer, Array, Comparison, Sample, SecondOracle
from midge.graph import Graph, Rounding
from midge.graph import requantize as rq
from midge.graph.ops.fully_connected import FullyConnected
from midge.importers import import_tflite
from midge.synthetic import ModelDescription, write_tflite
from midge.synthetic.model_description import (
    FullyConnectedOptions,
    Operator,
    Quantization,
    ReshapeOptions,
    Tensor,
)

CONV_WITHOUT_BIAS = "CONV_2D, two inputs"
CONV_BIAS_ABSENT = "CONV_2D, bias index -1"
DENSE_RANK = "FULLY_CONNECTED, a scale per unit, output not of rank 2"
DENSE_PRODUCT = "FULLY_CONNECTED, one weight scale"

CAUSES = {
    CONV_WITHOUT_BIAS: "int8 CONV_2D must have a bias (`conv.cc`: has_bias); TFLite Micro and the "
    "schema let it be left out",
    CONV_BIAS_ABSENT: 'int8 CONV_2D must have a bias; index -1, the schema\'s "left out", is '
    '"optional but was expected"',
    DENSE_RANK: "the reference kernel for one scale per unit takes the output's dimensions 0 and 1 "
    "as rows and units (`reference/integer_ops/fully_connected.h`, FullyConnectedPerChannel): with "
    "keep_num_dims and rank 3 or more it computes a part of the output from the wrong rows and "
    "leaves the rest unwritten; with rank 1 it reads a dimension that is not there, and what "
    "happens is undefined",
    DENSE_PRODUCT: "the product of input scale and weight scale is rounded to float32 before it "
    "is divided by the output scale (`kernel_util.cc`, GetQuantizedConvolutionMultipler); TFLite "
    "Micro multiplies in double",
}
"""What tflite-runtime does, by cause."""


@dataclass(frozen=True)
class Layer:
    """One operator of a network, cut out as a network of its own.

    Attributes:
        model: The network of this operator; it has no other.
        samples: Inputs, as TFLite Micro computed them.
        expected: What TFLite Micro computed from them.
    """

    model: ModelDescription
    samples: tuple[Sample, ...]
    expected: Answer

    @property
    def operator(self) -> Operator:
        """The operator."""
        return self.model.operators[0]

    @property
    def suspect(self) -> str | None:
        """What tflite-runtime may stumble over here, one of `CAUSES`."""
        return suspect(self.model, self.operator)

    @property
    def undefined(self) -> bool:
        """Whether tflite-runtime's answer depends on memory that is not the layer's.

        It may be right, wrong, or the end of the process.
        """
        return self.suspect == DENSE_RANK and self._output_rank == 1

    @property
    def _output_rank(self) -> int:
        return len(self.model.tensor(self.operator.outputs[0]).shape)


@dataclass(frozen=True)
class Recomputed:
    """The bytes of a layer held against what the cause says they must be.

    Attributes:
        predicted: Elements that equal the formula of the cause.
        untouched: Elements that still hold, after two inferences, the two different values that
            the output was filled with before.
        unknown: Elements that the cause says nothing about: they come from outside the tensors.
        contradicting: Elements that are none of these.
    """

    predicted: int = 0
    untouched: int = 0
    unknown: int = 0
    contradicting: int = 0

    def __add__(self, other: Recomputed) -> Recomputed:
        """Of two layers together."""
        return Recomputed(
            self.predicted + other.predicted,
            self.untouched + other.untouched,
            self.unknown + other.unknown,
            self.contradicting + other.contradicting,
        )


def suspect(model: ModelDescription, op: Operator) -> str | None:
    """The cause that this operator's form suggests, if any."""
    if op.op == "CONV_2D":
        if len(op.inputs) == 2:
            return CONV_WITHOUT_BIAS
        return CONV_BIAS_ABSENT if op.inputs[2] is None else None
    if op.op == "FULLY_CONNECTED":
        if len(_quantization(model, op.inputs[1]).scales) == 1:
            return DENSE_PRODUCT
        return DENSE_RANK if len(model.tensor(op.outputs[0]).shape) != 2 else None
    return None


def cut(
    model: ModelDescription, values: list[dict[str, Array]], constants: set[str]
) -> Iterator[Layer]:
    """Every operator of a network as a network of its own.

    Args:
        model: The network.
        values: For each sample what TFLite Micro computed, and the inputs, by tensor name.
        constants: Names of the tensors that are not computed.
    """
    for op in model.operators:
        operands = [name for name in op.inputs if name is not None]
        inputs = tuple(dict.fromkeys(name for name in operands if name not in constants))
        needed = {*operands, *op.outputs}
        alone = replace(
            model,
            tensors=tuple(t for t in model.tensors if t.name in needed),
            operators=(op,),
            inputs=inputs,
            outputs=op.outputs,
        )
        samples = tuple(tuple(sample[name] for name in inputs) for sample in values)
        outputs = tuple(tuple(sample[name] for name in op.outputs) for sample in values)
        yield Layer(alone, samples, Answer(OUTPUTS, outputs))


def rewritten(model: ModelDescription) -> ModelDescription:
    """The same network with every suspect operator in a form that raises no suspicion."""
    tensors = {tensor.name: tensor for tensor in model.tensors}
    operators: list[Operator] = []
    for op in model.operators:
        match suspect(model, op):
            case None:
                operators.append(op)
            case cause if cause in (CONV_WITHOUT_BIAS, CONV_BIAS_ABSENT):
                operators.append(_with_bias(op, tensors))
            case _:
                operators += _with_rows_and_units(op, tensors)
    return replace(model, tensors=tuple(tensors.values()), operators=tuple(operators))


def recompute(layer: Layer, second: SecondOracle) -> Recomputed:
    """Hold tflite-runtime's bytes against what `Layer.suspect` says it computes.

    Only for the causes that compute something else; a rank-1 output has no second dimension, so
    nothing can be said about its bytes (`Layer.undefined`).
    """
    if layer.suspect not in (DENSE_RANK, DENSE_PRODUCT) or layer.undefined:
        return Recomputed()
    model = write_tflite(layer.model)
    graph = import_tflite(model, "layer.tflite")
    fills = (85, -86)
    answers = [second.answer(model, layer.samples, fill=fill) for fill in fills]
    if any(answer.kind != OUTPUTS for answer in answers):
        return Recomputed()
    total = Recomputed()
    for index, (x,) in enumerate(layer.samples):
        expected, stated = _as_tflite_runtime(graph, x)
        found = [answer.outputs[index][0].reshape(-1) for answer in answers]
        untouched = (found[0] == fills[0]) & (found[1] == fills[1]) & ~stated.written
        predicted = stated.known & (found[0] == expected) & (found[1] == expected)
        unknown = stated.written & ~stated.known
        total += Recomputed(
            int(predicted.sum()),
            int(untouched.sum()),
            int(unknown.sum()),
            int((~(predicted | untouched | unknown)).sum()),
        )
    return total


@dataclass(frozen=True)
class _Stated:
    """What a cause says of each element: that it is written, and that its value is known."""

    written: Array
    known: Array


def _as_tflite_runtime(graph: Graph, x: Array) -> tuple[Array, _Stated]:
    """FULLY_CONNECTED with the two deviations: int64 [elements], and what is stated of each."""
    op = graph.ops[0]
    assert isinstance(op.attributes, FullyConnected)
    source, weights, bias = (graph.tensors[n] if n else None for n in (*op.inputs, "")[:3])
    output = graph.tensors[op.outputs[0]]
    assert source is not None
    assert weights is not None
    assert weights.quantization is not None
    units, depth = weights.shape
    rows = x.reshape(-1, depth).astype(np.int64) - source.zero_point
    sums = rows @ np.asarray(weights.data).astype(np.int64).T
    if bias is not None:
        sums = sums + np.asarray(bias.data).astype(np.int64)
    scales = weights.quantization.scale
    if scales.size == 1:
        product = (np.float32(source.scale) * scales.astype(np.float32)).astype(np.float64)
        row_count, unit_count = len(rows), units
    else:
        product = np.float64(source.scale) * scales.astype(np.float64)
        row_count, unit_count = output.shape[0], output.shape[1]
    factors = rq.requantization(product / np.float64(output.scale), Rounding.TFLITE_DOUBLE)
    results = rq.requantize(sums, factors) + output.zero_point
    results = results.clip(*rq.activation_range(output, op.attributes.activation))
    at = np.arange(output.size)
    row, unit = at // unit_count, at % unit_count
    written = row < row_count
    known = written & (unit < units)
    expected = np.zeros(output.size, np.int64)
    expected[known] = results[row[known], unit[known]]
    return expected, _Stated(written, known)


def _with_bias(op: Operator, tensors: dict[str, Tensor]) -> Operator:
    """CONV_2D with a bias of zeros."""
    x, w = (tensors[name] for name in op.inputs[:2] if name is not None)
    assert x.quantization is not None
    assert w.quantization is not None
    scales = tuple(x.quantization.scale * scale for scale in w.quantization.scales)
    name = f"{op.outputs[0]}/zeros"
    zeros = np.zeros(w.shape[0], np.int32)
    tensors[name] = Tensor(
        name, zeros.shape, "int32", Quantization(scales, (0,) * len(scales)), zeros
    )
    return replace(op, inputs=(*op.inputs[:2], name))


def _with_rows_and_units(op: Operator, tensors: dict[str, Tensor]) -> list[Operator]:
    """FULLY_CONNECTED with its scale written once a unit, [rows, units], and its shape back.

    With one unit a scale a unit is the one scale: that form cannot be had.
    """
    name = op.inputs[1]
    assert name is not None
    w, y = tensors[name], tensors[op.outputs[0]]
    assert w.quantization is not None
    units = w.shape[0]
    if len(w.quantization.scales) == 1:
        # The bias too: tflite-runtime holds one scale of it against weight scales that it takes
        # for 0 as soon as there are several.
        operands = [_with_repeated_scale(n, units, y.name, tensors) for n in op.inputs[1:]]
        op = replace(op, inputs=(op.inputs[0], *operands))
    if len(y.shape) == 2:
        return [op]
    assert isinstance(op.options, FullyConnectedOptions)
    flat = replace(y, name=f"{y.name}/rows", shape=(int(np.prod(y.shape)) // units, units))
    tensors[flat.name] = flat
    dense = replace(op, outputs=(flat.name,), options=replace(op.options, keep_num_dims=False))
    return [dense, Operator("RESHAPE", (flat.name,), (y.name,), ReshapeOptions(y.shape))]


def _with_repeated_scale(
    name: str | None, count: int, owner: str, tensors: dict[str, Tensor]
) -> str | None:
    """A copy of a constant whose one scale stands there `count` times; its name."""
    if name is None:
        return None
    quantization = tensors[name].quantization
    if quantization is None or len(quantization.scales) != 1:
        return name
    repeated = Quantization(quantization.scales * count, quantization.zero_points * count)
    copy = replace(tensors[name], name=f"{owner}/repeated/{name}", quantization=repeated)
    tensors[copy.name] = copy
    return copy.name


def _quantization(model: ModelDescription, name: str | None) -> Quantization:
    assert name is not None
    quantization = model.tensor(name).quantization
    assert quantization is not None
    return quantization


def proven(layer: Layer, second: SecondOracle) -> tuple[Comparison, Recomputed]:
    """Try the suspicion on a layer that tflite-runtime does not compute as TFLite Micro does.

    Returns:
        The layer in its unsuspicious form against TFLite Micro, and the bytes of the form as
        written against the cause's own formula. The cause holds when the first is equal and the
        second contradicts nothing.
    """
    answer = second.answer(write_tflite(rewritten(layer.model)), layer.samples)
    return Comparison.of(answer, layer.expected), recompute(layer, second)
