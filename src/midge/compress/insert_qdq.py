"""Writes annotations into a float graph: `quantize` and `dequantize` wherever a tensor has codes.

What comes out computes the quantised network in float32, step by step, and `lower_qdq` turns it
into one of integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from midge.compress.annotate import Annotations, Codes, activations
from midge.compress.calibrate import Observed
from midge.compress.evaluate import to_stored
from midge.compress.forms import quantized_form
from midge.compress.rules import OutputScale, Rule
from midge.compress.settings import QuantizeSettings
from midge.compress.weights import Float64Array, may_be_int4, quantize_weights
from midge.graph import Attributes, DType, Graph, Op, Tensor, verify
from midge.graph.ops.conversions import Dequantize, Quantize

VARIABLE_OPS = ("read_variable", "assign_variable")


@dataclass(frozen=True)
class Inserted:
    """A float graph with its annotations written into it.

    Attributes:
        graph: Verified.
        stands_for: The original's tensor by the names of what stands for it: its reals before they
            are rounded, and its integers.
    """

    graph: Graph
    stands_for: Mapping[str, str]


def insert_qdq(
    graph: Graph, annotations: Annotations, observed: Observed, settings: QuantizeSettings
) -> Inserted:
    """The graph with its annotations as operators.

    Args:
        graph: A verified float graph.
        annotations: Of this graph.
        observed: What its tensors held; int4 weights are rounded by it.
        settings: What was asked for.
    """
    return _Insertion(graph, annotations, observed, settings).result()


class _Insertion:
    """The graph in the making."""

    def __init__(
        self,
        graph: Graph,
        annotations: Annotations,
        observed: Observed,
        settings: QuantizeSettings,
    ) -> None:
        self.graph = graph
        self.annotations = annotations
        self.observed = observed
        self.settings = settings
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.ops: list[Op] = []
        self.read_as: dict[str, str] = {}  # what stands for a tensor of reals where it is read
        self.coded_as: dict[str, str] = {}  # its integers
        self.stands_for: dict[str, str] = {}
        self.op_names = {op.name for op in graph.ops}

    def result(self) -> Inserted:
        graph = self.graph
        for name, codes in self.annotations.codes.items():
            tensor = graph.tensors[name]
            if tensor.variable:
                self._hold_as_codes(tensor, codes)
            elif tensor.is_constant:
                self._store_as_codes(tensor, codes)
            elif name in graph.inputs:
                self._quantize(name, name, codes)
        for op in graph.ops:
            self._add(op)
        outputs = tuple(self._output(name) for name in graph.outputs)
        changed = replace(graph, tensors=self.tensors, outputs=outputs)
        return Inserted(verify(changed.with_ops(self.ops, self.tensors)), self.stands_for)

    def _output(self, name: str) -> str:
        """An input that is an output as well stays what it is."""
        return name if name in self.graph.inputs else self.read_as.get(name, name)

    def _free(self, name: str) -> str:
        """The name, or with the first number behind it that no tensor has."""
        if name not in self.tensors:
            return name
        return next(n for i in itertools.count(2) if (n := f"{name}_{i}") not in self.tensors)

    def _new(self, name: str, like: Tensor, codes: Codes | None = None) -> Tensor:
        """A computed tensor of a tensor's shape, of reals or of codes."""
        dtype = DType.FLOAT32 if codes is None else codes.dtype
        quantization = None if codes is None else codes.quantization
        made = Tensor(self._free(name), like.shape, dtype, quantization)
        self.tensors[made.name] = made
        return made

    def _hold_as_codes(self, variable: Tensor, codes: Codes) -> None:
        """A variable of integers; its readers and writers follow."""
        coded = replace(variable, dtype=codes.dtype, quantization=codes.quantization)
        data = to_stored(coded, np.asarray(variable.data))
        self.tensors[variable.name] = replace(coded, data=data)
        self.coded_as[variable.name] = variable.name

    def _store_as_codes(self, constant: Tensor, codes: Codes) -> None:
        coded = self._new(f"{constant.name}/codes", constant, codes)
        data = to_stored(coded, np.asarray(constant.data))
        self.tensors[coded.name] = replace(coded, data=data)
        self.read_as[constant.name] = self._dequantize(coded.name, f"{constant.name}/reals")

    def _quantize(self, name: str, raw: str, codes: Codes) -> None:
        """A tensor to integers and back; `raw` holds its reals. An output keeps its name."""
        coded = self._to_codes(raw, f"{name}/codes", codes)
        self.stands_for |= {raw: name, coded: name, name: name}
        self.coded_as[name] = coded
        self.read_as[name] = self._dequantize(coded, self._reals_name(name, raw))

    def _reals_name(self, name: str, raw: str) -> str:
        return name if raw != name and name in self.graph.outputs else f"{name}/reals"

    def _to_codes(self, raw: str, name: str, codes: Codes) -> str:
        coded = self._new(name, self.tensors[raw], codes).name
        self._append(f"{coded}/quantize", Quantize(to=codes.dtype), (raw,), (coded,))
        return coded

    def _dequantize(self, coded: str, name: str) -> str:
        reals = self._new(name, self.tensors[coded]).name
        self._append(f"{reals}/dequantize", Dequantize(), (coded,), (reals,))
        return reals

    def _append(
        self, name: str, attributes: Attributes, inputs: tuple[str, ...], outputs: tuple[str, ...]
    ) -> None:
        unique = name
        while unique in self.op_names:
            unique += "_"
        self.op_names.add(unique)
        self.ops.append(Op(unique, attributes, inputs, outputs))

    def _add(self, op: Op) -> None:
        rule = self.annotations.rules.get(op.name)
        if rule is not None and op.kind in VARIABLE_OPS:
            self._move_state(op)
            return
        if rule is not None and rule.form:
            self._add_form(op)
            return
        inputs = self._inputs(op, rule)
        coded = [n for n in op.outputs if n in self.annotations.codes]
        raw = {n: n for n in op.outputs}
        for name in coded:
            if name in self.graph.outputs:
                raw[name] = self._new(f"{name}/raw", self.graph.tensors[name]).name
                del self.tensors[name]
        self.ops.append(replace(op, inputs=inputs, outputs=tuple(raw.values())))
        for name in coded:
            self._quantize(name, raw[name], self.annotations.codes[name])

    def _inputs(self, op: Op, rule: Rule | None) -> tuple[str, ...]:
        inputs = [self.read_as.get(n, n) for n in op.inputs]
        if rule is None:
            return tuple(inputs)
        coded = activations(self.graph, op, rule)
        for index, name in enumerate(op.inputs[rule.activations]):
            if name in coded:
                inputs[index] = self._read(op, rule, name)
        if rule.weights is not None:
            inputs[rule.weights[0] :] = op.inputs[rule.weights[0] :]
            index, axis = rule.weights
            inputs[index] = self._weights(op, index, axis)
        return tuple(inputs)

    def _read(self, op: Op, rule: Rule, name: str) -> str:
        """The reals of an activation, on the output's steps where the op does not rescale."""
        outputs = [n for n in op.outputs if n in self.annotations.codes]
        if rule.output is not OutputScale.SHARED or not outputs:
            return self.read_as[name]
        wanted = self.annotations.codes[outputs[0]]
        if wanted == self.annotations.codes[name]:
            return self.read_as[name]
        coded = self._to_codes(self.read_as[name], f"{op.name}/{name}/codes", wanted)
        return self._dequantize(coded, f"{op.name}/{name}/reals")

    def _move_state(self, op: Op) -> None:
        """Integers between a variable and its readers and writers."""
        if op.kind == "read_variable":
            (source,), (name,) = op.inputs, op.outputs
            is_output = name in self.graph.outputs
            if is_output:
                del self.tensors[name]
            coded = self._new(f"{name}/codes", self.tensors[source], self.annotations.codes[name])
            self.stands_for |= {coded.name: name, name: name}
            self.ops.append(replace(op, outputs=(coded.name,)))
            self.coded_as[name] = coded.name
            self.read_as[name] = self._dequantize(
                coded.name, name if is_output else f"{name}/reals"
            )
            return
        target, source = op.inputs
        codes = self.annotations.codes[target]
        coded_name = self.coded_as.get(source, "")
        if self.annotations.codes[source] != codes or not coded_name:
            coded_name = self._to_codes(self.read_as[source], f"{op.name}/codes", codes)
        self.ops.append(replace(op, inputs=(target, coded_name)))

    def _add_form(self, op: Op) -> None:
        """An op whose integer form is made at once; it stays as it is when the rest is lowered."""
        codes = self.annotations.codes
        ranges = {n: codes[n].quantization for n in (op.inputs[0], op.outputs[0])}
        (made,), tensors = quantized_form(
            self.graph, op, ranges, self.observed, codes[op.outputs[0]].dtype, self.settings
        )
        name = op.outputs[0]
        for tensor in tensors.values():
            if tensor.name != name:
                self.tensors[tensor.name] = tensor
        is_output = name in self.graph.outputs
        original = self.tensors.pop(name)
        coded = self._new(f"{name}/codes", original, codes[name])
        if not is_output:
            self.tensors[name] = original
        self.stands_for |= {coded.name: name, name: name}
        inputs = (self.coded_as[op.inputs[0]], *made.inputs[1:])
        self.ops.append(replace(made, inputs=inputs, outputs=(coded.name,)))
        self.coded_as[name] = coded.name
        self.read_as[name] = self._dequantize(coded.name, name if is_output else f"{name}/reals")

    def _weights(self, op: Op, index: int, axis: int) -> str:
        """The weights behind a `dequantize`; the bias stays real, lowering rounds it."""
        weights = self.graph.tensors[op.inputs[index]]
        behind = op.inputs[index + 1 : index + 2]
        bias = self.graph.tensors[behind[0]].data if behind and behind[0] else None
        activation = self.annotations.codes[op.inputs[0]]
        narrow = (
            self.settings.weight_type is DType.INT4
            and activation.dtype is DType.INT8
            and may_be_int4(self.graph, op)
        )
        dtype = DType.INT4 if narrow else DType.INT8
        data, quantization = quantize_weights(
            np.asarray(weights.data),
            bias,
            axis=axis,
            dtype=dtype,
            x_scale=float(activation.quantization.scale[0]),
            long_sums=activation.dtype is DType.INT16,
            importance=self._importance(op, weights) if narrow else None,
        )
        coded = replace(
            weights,
            name=self._free(f"{op.name}/weights"),
            dtype=dtype,
            quantization=quantization,
            data=data,
        )
        self.tensors[coded.name] = coded
        return self._dequantize(coded.name, f"{coded.name}/reals")

    def _importance(self, op: Op, weights: Tensor) -> Float64Array | None:
        """The mean square of what each weight of one output multiplies."""
        moments = self.observed.moments.get(op.inputs[0])
        if moments is None:
            return None
        means: Float64Array = moments.mean_square.reshape(-1, weights.shape[-1]).mean(axis=0)
        return means
