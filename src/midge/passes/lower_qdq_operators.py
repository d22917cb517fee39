"""The walk of `lower_qdq` over the operators of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from midge.errors import UserError
from midge.graph import Activation, Attributes, DType, Op, Quantization, Rounding, Tensor
from midge.graph.elementwise import Binary
from midge.graph.elementwise_unary import Unary
from midge.graph.ops.batch_matmul import BatchMatmul
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.conversions import Cast, Dequantize, Quantize
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.l2_normalization import L2Normalization
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.mul import Mul
from midge.graph.ops.rectifiers import Relu, Relu6, ReluN1To1
from midge.graph.ops.reductions import Mean
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.transpose_conv import TransposeConv
from midge.graph.ops.variable import AssignVariable
from midge.graph.quantized_forms import quantize_layer_norm
from midge.passes.lower_qdq_conversion import Conversion, Function
from midge.passes.lower_qdq_numbers import (
    CODES,
    Float32Array,
    bias_codes,
    constant_codes,
    function_values,
    moved_constant,
    reals_of,
    without_zero_point,
)
from midge.passes.lower_qdq_targets import (
    CLAMPS,
    is_float,
    keeps_quantization,
)

Weighted = Conv2D | DepthwiseConv2D | TransposeConv | FullyConnected
ACTIVATIONS: dict[type[Attributes], Activation] = {
    Relu: Activation.RELU,
    Relu6: Activation.RELU6,
    ReluN1To1: Activation.RELU_N1_TO_1,
}
HALF_EVEN_KINDS = (
    *(Conv2D, DepthwiseConv2D, TransposeConv, FullyConnected, BatchMatmul),
    *(Mul, Mean),
)
"""Operators on int8 whose sums and products ONNX Runtime rounds half to even, on every CPU."""
FIXED: dict[tuple[type[Attributes], DType], tuple[float, int]] = {
    (Softmax, DType.INT8): (1 / 256, -128),
    (Softmax, DType.INT16): (1 / 32768, 0),
    (LogSoftmax, DType.INT8): (16 / 256, 127),
    (L2Normalization, DType.INT8): (1 / 128, 0),
    (Logistic, DType.INT16): (1 / 32768, 0),
    (Tanh, DType.INT16): (1 / 32768, 0),
}
"""The only scale and zero point of their outputs."""


class Lowering(Conversion):
    """A graph while its operators are lowered, one after the other."""

    def run(self) -> None:
        """Lower every operator."""
        for name in self._graph.inputs:
            if is_float(self._graph.tensors[name]):
                self._take_input(name)
        for variable in self._graph.variables:
            if variable.dtype is DType.FLOAT32:
                self._take_variable(variable)
        for op in self._graph.ops:
            if op.name not in self._fused:
                self._lower(op)
        for name in self._graph.outputs:
            if name in self._functions and name not in self._codes:
                function = self._functions[name]
                if self._targets.of(name) is None:
                    self._leave(function.op, f"its output {name} is not quantised")

    def output(self, name: str) -> Tensor:
        """What an output of the graph has become."""
        if name in self._floats:
            return self.tensors[self._floats[name]]
        if not is_float(self._graph.tensors[name]):
            return self._integer(name)
        if self._graph.tensors[name].is_constant:
            return self.tensors[name]
        return self._as_integers(name)

    def _take_input(self, name: str) -> None:
        x, target = self._graph.tensors[name], self._targets.of(name)
        is_read_as_float = any(
            self._may_stay(op)
            and not isinstance(op.attributes, (Quantize, *CLAMPS))
            and not keeps_quantization(op.attributes)
            for op in self._readers.get(name, [])
        )
        if target is None or is_read_as_float:
            self._floats[name] = name
        else:
            self._codes[name] = self._declare(
                replace(x, dtype=target.dtype, quantization=target.quantization)
            )

    def _take_variable(self, variable: Tensor) -> None:
        """A variable is quantised as what is read of it is wanted."""
        target = self._targets.of(variable.name)
        if target is None or target.quantization is None:
            self._floats[variable.name] = variable.name
            return
        first = constant_codes(
            variable.name,
            np.asarray(variable.data),
            target.dtype,
            target.quantization,
            self._rounding,
        )
        self._codes[variable.name] = self._declare(replace(first, variable=True))

    def _lower(self, op: Op) -> None:
        graph, attributes = self._graph, op.attributes
        if self._failed.intersection(op.inputs):
            self._failed.update(n for n in op.outputs if is_float(graph.tensors[n]))
        elif isinstance(attributes, Dequantize):
            self._codes[op.outputs[0]] = self._integer(op.inputs[0])
        elif not any(is_float(graph.tensors[n]) for n in (*op.inputs, *op.outputs) if n):
            inputs = tuple(self._integer(n).name if n else "" for n in op.inputs)
            self._emit(replace(op, inputs=inputs))
        elif op.name in self._keep_float:
            self._leave(op, "")
        else:
            try:
                if isinstance(attributes, Quantize):
                    self._quantize(op)
                else:
                    self._lower_float(op)
            except UserError as error:
                self._leave(op, str(error))

    def _quantize(self, op: Op) -> None:
        name, y = op.inputs[0], self._graph.tensors[op.outputs[0]]
        if y.quantization is None:
            raise UserError(f"{y.name} has no quantisation parameters")
        x = self._graph.tensors[name]
        if x.is_constant:
            made = constant_codes(
                y.name, np.asarray(x.data), y.dtype, y.quantization, self._rounding
            )
            self._integers[y.name] = self._declare(made)
        elif name in self._floats:
            # Reals are rounded as the tables and constants around them are.
            attributes = Quantize(to=y.dtype, rounding=self._rounding)
            self._emit(replace(op, attributes=attributes, inputs=(self._floats[name],)))
        else:
            self._integers[y.name] = self._as_integers(name, y.dtype, y.quantization, y.name)

    def _lower_float(self, op: Op) -> None:
        if self._lower_function(op):
            return
        attributes = op.attributes
        if isinstance(attributes, AssignVariable):
            self._lower_assignment(op)
        elif isinstance(attributes, Weighted):
            self._lower_weighted(op, attributes)
        elif isinstance(attributes, LayerNorm):
            self._lower_layer_norm(op)
        elif keeps_quantization(attributes):
            self._lower_keeping(op)
        else:
            self._lower_other(op)

    def _lower_function(self, op: Op) -> bool:
        """True where the output is a function of one int8 tensor, which is then kept as one."""
        y = self._graph.tensors[op.outputs[0]] if op.outputs else None
        one_by_one = isinstance(op.attributes, Unary | Binary) and not isinstance(
            op.attributes, Cast
        )
        if y is None or not one_by_one or not is_float(y):
            return False
        found = [self._operand(name, y.shape) for name in op.inputs]
        operands = [operand for operand in found if operand is not None]
        sources = {source.name: source for source, _ in operands if source is not None}
        if len(operands) < len(found) or len(sources) != 1:
            return False
        typed = [self._graph.tensors[n] for n in op.inputs]
        values = function_values(op.attributes, [v for _, v in operands], typed, y)
        self._functions[y.name] = Function(next(iter(sources.values())), values, op)
        return True

    def _operand(
        self, name: str, shape: tuple[int, ...]
    ) -> tuple[Tensor | None, Float32Array] | None:
        """An int8 tensor and float32 [256], or a constant and a scalar; None for anything else."""
        x, codes = self._graph.tensors[name], self._codes.get(name)
        held = x if codes is None else codes
        if held.is_constant:
            if held.size != 1:
                return None
            real = np.asarray(held.data) if codes is None else reals_of(codes)
            return None, np.asarray(real, np.float32).reshape(())
        if x.shape != shape or held.variable:
            return None
        if codes is not None:
            return (codes, reals_of(codes, CODES)) if codes.dtype is DType.INT8 else None
        function = self._functions.get(name)
        return None if function is None else (function.source, function.values)

    def _lower_assignment(self, op: Op) -> None:
        variable, value = op.inputs
        held = self._codes.get(variable)
        if held is None:
            raise UserError(f"its variable {variable} is not quantised")
        x = self._as_integers(value, held.dtype, held.quantization)
        self._emit(replace(op, inputs=(variable, x.name)))

    def _lower_weighted(self, op: Op, attributes: Weighted) -> None:
        x, w = self._as_integers(op.inputs[0]), self._weights(op.inputs[1])
        attributes, name = self._with_clamp(op, attributes)
        y = self._wanted(name)
        roundings = self._roundings(attributes, x.dtype)
        is_long = roundings[0] is Rounding.TFLITE_16X8
        inputs = [x, w]
        if len(op.inputs) > 2 and op.inputs[2]:
            dtype = DType.INT64 if is_long else DType.INT32
            inputs.append(self._bias(op, op.inputs[2], x, w, dtype))
        rounded = [replace(attributes, rounding=r) for r in roundings]
        self._choose(op, rounded, inputs, {name: [y]}, (name,))

    def _weights(self, name: str) -> Tensor:
        codes = self._codes.get(name)
        if codes is None:
            raise UserError(f"its weights {name} are not quantised")
        if not codes.is_constant:
            raise UserError(f"its weights {name} are computed at run time")
        centred = without_zero_point(codes)
        return codes if centred is codes else self._declare(centred)

    def _with_clamp(self, op: Op, attributes: Weighted) -> tuple[Weighted, str]:
        """The operator with the clamp behind it fused, and the name of what comes out."""
        name = op.outputs[0]
        readers = self._readers.get(name, [])
        if (
            attributes.activation is Activation.NONE
            and len(readers) == 1
            and isinstance(readers[0].attributes, CLAMPS)
            and readers[0].name not in self._keep_float
            and name not in self._graph.outputs
        ):
            self._fused.add(readers[0].name)
            fused = ACTIVATIONS[type(readers[0].attributes)]
            return replace(attributes, activation=fused), readers[0].outputs[0]
        return attributes, name

    def _bias(self, op: Op, name: str, x: Tensor, w: Tensor, dtype: DType) -> Tensor:
        stored = self._codes.get(name, self._graph.tensors[name])
        if not stored.is_constant:
            raise UserError(f"its bias {name} is computed at run time")
        codes, ratio = bias_codes(stored, x, w, dtype)
        if ratio != 1.0:
            self.remarks.append(
                f"{op.name}: its bias {name} has up to {ratio:g} times the scale of input times "
                "weights, or that part of it; it is rounded to that"
            )
        if x.quantization is None or w.quantization is None:
            raise UserError(f"{x.name} or {w.name} has no quantisation parameters")
        scales = np.asarray(x.quantization.scale * w.quantization.scale, np.float32)
        axis = None if scales.size == 1 else 0
        usable = np.maximum(scales, np.finfo(np.float32).tiny)
        quantization = Quantization(usable, np.zeros(scales.size, np.int64), axis)
        data = codes.astype(dtype.numpy)
        made = self._free(f"{op.name}.bias")
        return self._declare(Tensor(made, data.shape, dtype, quantization, data))

    def _lower_layer_norm(self, op: Op) -> None:
        """Gamma and beta become what the integers' arithmetic wants of them."""
        x, y = self._as_integers(op.inputs[0]), self._wanted(op.outputs[0])
        if x.quantization is None or y.quantization is None or y.dtype is not x.dtype:
            raise UserError(f"its input is {x.dtype.value} and its output {y.dtype.value}")
        ranges = {op.inputs[0]: x.quantization, op.outputs[0]: y.quantization}
        single = self._rounding is not Rounding.TFLITE_DOUBLE
        rounding = Rounding.SINGLE if single else Rounding.TFLITE_DOUBLE
        (lowered,), made = quantize_layer_norm(
            self._graph, op, ranges, activations=x.dtype, rounding=rounding
        )
        constants = [
            self._declare(replace(made[n], name=self._free(n))) if n else None
            for n in lowered.inputs[1:]
        ]
        inputs = [x, *constants]
        self._choose(op, [lowered.attributes], inputs, {op.outputs[0]: [y]}, op.outputs)

    def _lower_keeping(self, op: Op) -> None:
        graph = self._graph
        floats = [n for n in op.inputs if n and is_float(graph.tensors[n])]
        computed = [n for n in floats if self._is_computed(n)]
        if not floats:
            raise UserError("its output is not quantised")
        if not computed and len(op.inputs) == 1:
            codes = self._codes.get(floats[0])
            if codes is None:
                raise UserError(f"its input {floats[0]} is a constant that is not quantised")
            y = graph.tensors[op.outputs[0]]
            moved = moved_constant(codes, op.attributes, self._own_name(y.name), y.shape)
            self._codes[y.name] = self._declare(moved)
            return
        held = [self._as_integers(n) for n in computed]
        if not held:
            held = [self._codes[n] for n in floats if n in self._codes]
        if not held:
            raise UserError("its inputs are constants that are not quantised")
        target = self._targets.of(op.outputs[0])
        common = held[0]
        if any((t.dtype, t.quantization) != (common.dtype, common.quantization) for t in held[1:]):
            common = target or max(held, key=lambda t: t.scale)
        inputs = [
            (
                self._as_integers(n, common.dtype, common.quantization)
                if is_float(graph.tensors[n])
                else self._integer(n)
            )
            if n
            else None
            for n in op.inputs
        ]
        self._choose(op, [op.attributes], inputs, {n: [common] for n in op.outputs}, op.outputs)

    def _lower_other(self, op: Op) -> None:
        graph = self._graph
        floats = [n for n in op.inputs if n and is_float(graph.tensors[n])]
        held = {n: self._as_integers(n) for n in floats if self._is_computed(n)}
        if not held:
            raise UserError("none of its inputs is quantised")
        dtype = next(iter(held.values())).dtype
        mixed = [t for t in held.values() if t.dtype is not dtype]
        if mixed:
            raise UserError(f"it mixes {dtype.value} and {mixed[0].dtype.value}, {mixed[0].name}")
        inputs = [
            (
                held.get(n) or self._as_integers(n, dtype)
                if is_float(graph.tensors[n])
                else self._integer(n)
            )
            if n
            else None
            for n in op.inputs
        ]
        targets: dict[str, list[Tensor]] = {}
        fixed = FIXED.get((type(op.attributes), dtype))
        for name in op.outputs:
            if not is_float(graph.tensors[name]):
                continue
            found = [] if self._targets.of(name) is None else [self._wanted(name)]
            if fixed is not None:
                y = graph.tensors[name]
                only = Quantization.per_tensor(*fixed)
                found.append(replace(y, dtype=dtype, quantization=only))
            targets[name] = found or [self._wanted(name)]
        if hasattr(op.attributes, "rounding"):
            rounded = [
                replace(op.attributes, **{"rounding": r})
                for r in self._roundings(op.attributes, dtype)
            ]
        else:
            rounded = [op.attributes]
        self._choose(op, rounded, inputs, targets, op.outputs)

    def _roundings(self, attributes: Attributes, dtype: DType) -> list[Rounding]:
        """Those to try, the wanted one first."""
        if dtype is DType.INT16 and isinstance(attributes, Weighted | BatchMatmul):
            return [Rounding.TFLITE_16X8]
        first = self._rounding
        if first is Rounding.HALF_EVEN and not (
            dtype is DType.INT8 and isinstance(attributes, HALF_EVEN_KINDS)
        ):
            first = Rounding.SINGLE
        return list(dict.fromkeys((first, Rounding.SINGLE, Rounding.TFLITE_DOUBLE)))

    def _wanted(self, name: str) -> Tensor:
        """The tensor in the type and quantisation that its readers want."""
        target = self._targets.of(name)
        if target is None:
            raise UserError(f"its output {name} is not quantised")
        y = self._graph.tensors[name]
        return replace(y, dtype=target.dtype, quantization=target.quantization)

    def _choose(
        self,
        op: Op,
        ways: Sequence[Attributes],
        inputs: Sequence[Tensor | None],
        targets: dict[str, list[Tensor]],
        outputs: Sequence[str],
    ) -> None:
        """Emit the first way, with the first quantisation of the outputs, that has a meaning.

        Raises:
            UserError: none has; the message is that of the first.
        """
        errors: list[UserError] = []
        number = max((len(t) for t in targets.values()), default=1)
        for choice in range(number):
            for attributes in ways:
                try:
                    types = attributes.infer(inputs)
                    made = []
                    for name, expected in zip(outputs, types, strict=True):
                        y = self._graph.tensors[name]
                        if name in targets:
                            wanted = targets[name][min(choice, len(targets[name]) - 1)]
                            if wanted.dtype is not expected.dtype:
                                raise UserError(
                                    f"its input is {expected.dtype.value} and its output "
                                    f"{wanted.dtype.value}; supported: one type"
                                )
                            y = replace(y, dtype=wanted.dtype, quantization=wanted.quantization)
                        made.append(y)
                    attributes.check(inputs, made)
                except UserError as error:
                    errors.append(error)
                    continue
                self._emit_lowered(op, attributes, inputs, made, outputs)
                return
        raise errors[0]

    def _emit_lowered(
        self,
        op: Op,
        attributes: Attributes,
        inputs: Sequence[Tensor | None],
        made: Sequence[Tensor],
        outputs: Sequence[str],
    ) -> None:
        named = []
        for name, tensor in zip(outputs, made, strict=True):
            y = self._declare(replace(tensor, name=self._own_name(name)))
            named.append(y.name)
            if is_float(self._graph.tensors[name]):
                self._codes[name] = y
        read = tuple("" if t is None else t.name for t in inputs)
        self._emit(Op(op.name, attributes, read, tuple(named)))
