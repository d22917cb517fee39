"""fold_batch_norm: what scales and shifts each channel goes into the weights beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from midge.graph import Activation, DType, Graph, Op, Tensor
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.conv_2d import Conv2D
from midge.graph.ops.depthwise_conv_2d import DepthwiseConv2D
from midge.graph.ops.div import Div
from midge.graph.ops.fully_connected import FullyConnected
from midge.graph.ops.mul import Mul
from midge.graph.ops.transpose_conv import TransposeConv
from midge.passes.names import free_name

Reals = npt.NDArray[np.float64]
Weighted = Conv2D | DepthwiseConv2D | TransposeConv | FullyConnected
_WEIGHTED = (Conv2D, DepthwiseConv2D, TransposeConv, FullyConnected)


def fold_batch_norm(graph: Graph) -> Graph:
    """Merge products and sums with constants of each channel into the layer beside them.

    Behind a layer that nobody else reads, ``(conv(x) + b) * s + t`` is a convolution with weights
    ``w * s`` and bias ``b * s + t``. In front of one, ``conv(x * s + t)`` is one with weights
    ``w * s`` along its input channels and bias ``b + sum(w * t)``; where the window has a border,
    which stands for zeros, only without t. New weights and biases are computed in float64 from all
    the operators that merge and rounded once, so results agree up to rounding.

    Requires a verified graph whose channels are the last dimension; ensures that no float layer
    with constant weights is the only operand of a sum or product with constants of its channels,
    but where the new weights would not be finite.
    """
    changed = _Folding(graph)
    for op in graph.ops:
        if isinstance(op.attributes, _WEIGHTED):
            changed.fold(op)
    return changed.graph()


@dataclass
class _Affine:
    """``y = x * scale + shift``, a scale and a shift for each channel, or one for all.

    Attributes:
        scale: float64 [c] or [1].
        shift: float64 [c] or [1].
    """

    scale: Reals
    shift: Reals

    def then(self, op: Op, constant: Reals) -> _Affine:
        """With one more operator behind it."""
        if isinstance(op.attributes, Mul):
            return _Affine(self.scale * constant, self.shift * constant)
        if isinstance(op.attributes, Div):
            # By zero: what is not finite is refused when the weights are known.
            with np.errstate(divide="ignore", invalid="ignore"):
                return _Affine(self.scale / constant, self.shift / constant)
        sign = -1.0 if isinstance(op.attributes, Sub) else 1.0
        return _Affine(self.scale, self.shift + sign * constant)


class _Folding:
    def __init__(self, graph: Graph) -> None:
        self._before = graph
        self._tensors = dict(graph.tensors)
        self._ops: dict[str, Op] = {op.name: op for op in graph.ops}
        self._producers = {name: op.name for op in graph.ops for name in op.outputs}
        self._count = Counter(n for op in graph.ops for n in op.inputs if n)
        self._count.update(graph.outputs)
        self._readers = {name: op.name for op in graph.ops for name in op.inputs if name}

    def graph(self) -> Graph:
        """What is left; the graph that came in where nothing was merged."""
        ops = tuple(self._ops[op.name] for op in self._before.ops if op.name in self._ops)
        return (
            self._before if ops == self._before.ops else self._before.with_ops(ops, self._tensors)
        )

    def fold(self, op: Op) -> None:
        """Merge what stands around one layer."""
        weights = self._tensors[op.inputs[1]]
        bias = self._tensors[op.inputs[2]] if len(op.inputs) > 2 and op.inputs[2] else None
        constants = [weights] if bias is None else [weights, bias]
        if not all(t.is_constant and t.dtype is DType.FLOAT32 for t in constants):
            return
        self._fold_in_front(op)
        self._fold_behind(self._ops[op.name])

    def _fold_behind(self, op: Op) -> None:
        attributes, name = op.attributes, op.outputs[0]
        if not isinstance(attributes, _WEIGHTED) or attributes.activation is not Activation.NONE:
            return
        affine, merged = _Affine(np.ones(1), np.zeros(1)), []
        activation = Activation.NONE
        while self._count[name] == 1 and name in self._readers and activation is Activation.NONE:
            reader = self._ops[self._readers[name]]
            constant = self._constant_of(reader, name)
            if constant is None or not isinstance(reader.attributes, Add | Sub | Mul | Div):
                break
            affine = affine.then(reader, constant)
            merged.append(reader)
            name, activation = reader.outputs[0], reader.attributes.activation
        if not merged:
            return
        weights, bias = self._reals(op)
        channels = self._tensors[op.outputs[0]].shape[-1]
        by_output = _along(affine.scale, weights.ndim, _output_axis(op))
        with np.errstate(invalid="ignore"):
            scaled, shifted = weights * by_output, bias * affine.scale + affine.shift
        made = self._with_weights(op, scaled, shifted, channels)
        if made is None:
            return
        self._remove(merged)
        output = merged[-1].outputs[0]
        self._ops[op.name] = replace(
            made, attributes=replace(attributes, activation=activation), outputs=(output,)
        )
        self._producers[output] = op.name

    def _fold_in_front(self, op: Op) -> None:
        name, merged = op.inputs[0], list[tuple[Op, Reals]]()
        while self._count[name] == 1 and name in self._producers:
            producer = self._ops[self._producers[name]]
            source = self._operand_of(producer)
            constant = None if source is None else self._constant_of(producer, source)
            if (
                source is None
                or constant is None
                or not isinstance(producer.attributes, Add | Sub | Mul | Div)
            ):
                break
            if producer.attributes.activation is not Activation.NONE:
                break
            merged.insert(0, (producer, constant))
            name = source
        if not merged:
            return
        affine = _Affine(np.ones(1), np.zeros(1))
        for producer, constant in merged:
            affine = affine.then(producer, constant)
        if affine.shift.any() and _has_border(op):
            return
        weights, bias = self._reals(op)
        if isinstance(op.attributes, FullyConnected) and (
            weights.shape[1] != self._tensors[name].shape[-1]
        ):
            return  # its features are not the channels
        scale, shift = self._by_input(op, affine.scale), self._by_input(op, affine.shift)
        axes = tuple(a for a in range(weights.ndim) if a != _output_axis(op))
        channels = self._tensors[op.outputs[0]].shape[-1]
        with np.errstate(invalid="ignore"):
            scaled, shifted = weights * scale, bias + (weights * shift).sum(axis=axes)
        made = self._with_weights(op, scaled, shifted, channels)
        if made is None:
            return
        self._remove([producer for producer, _ in merged])
        self._ops[op.name] = replace(made, inputs=(name, *made.inputs[1:]))
        self._readers[name] = op.name

    def _by_input(self, op: Op, values: Reals) -> Reals:
        """Values of input channels as they broadcast with the weights."""
        shape = self._tensors[op.inputs[1]].shape
        if values.size == 1:
            return values
        if isinstance(op.attributes, DepthwiseConv2D):
            return np.repeat(values, shape[3] // values.size)
        per_group = shape[-1]
        groups = values.size // per_group
        by_output = np.repeat(values.reshape(groups, per_group), shape[0] // groups, axis=0)
        return by_output.reshape(shape[0], *[1] * (len(shape) - 2), per_group)

    def _reals(self, op: Op) -> tuple[Reals, Reals]:
        weights = np.asarray(self._tensors[op.inputs[1]].data, np.float64)
        if len(op.inputs) < 3 or not op.inputs[2]:
            return weights, np.zeros(1)
        return weights, np.asarray(self._tensors[op.inputs[2]].data, np.float64)

    def _operand_of(self, op: Op) -> str | None:
        """The computed one of two operands, of which the other is a constant."""
        computed = [n for n in op.inputs if n and not self._tensors[n].is_constant]
        return computed[0] if len(op.inputs) == 2 and len(computed) == 1 else None

    def _constant_of(self, op: Op, name: str) -> Reals | None:
        """The constant beside an operand, one element for each channel or one for all."""
        if self._operand_of(op) != name or not isinstance(op.attributes, Add | Sub | Mul | Div):
            return None
        index = 1 - op.inputs.index(name)
        if index == 0 and not isinstance(op.attributes, Add | Mul):
            return None
        constant, x = self._tensors[op.inputs[index]], self._tensors[name]
        y = self._tensors[op.outputs[0]]
        if constant.dtype is not DType.FLOAT32 or y.shape != x.shape or not x.shape:
            return None
        if constant.size != 1 and constant.shape[-1] != constant.size:
            return None
        return np.asarray(constant.data, np.float64).reshape(-1)

    def _with_weights(self, op: Op, weights: Reals, bias: Reals, channels: int) -> Op | None:
        """The layer with other constants; None where float32 cannot hold them."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = weights.astype(np.float32)
            biases = np.broadcast_to(bias, (channels,)).astype(np.float32)
        if not (np.isfinite(values).all() and np.isfinite(biases).all()):
            return None
        inputs = [op.inputs[0], self._add(op.inputs[1], values)]
        has_bias = len(op.inputs) > 2 and op.inputs[2]
        if has_bias or biases.any():
            wanted = op.inputs[2] if has_bias else f"{op.name}.bias"
            inputs.append(self._add(wanted, biases))
        return replace(op, inputs=tuple(inputs))

    def _add(self, name: str, data: npt.NDArray[np.float32]) -> str:
        made = free_name(name, self._tensors)
        contiguous = np.ascontiguousarray(data, DType.FLOAT32.numpy)
        self._tensors[made] = Tensor(made, data.shape, DType.FLOAT32, None, contiguous)
        return made

    def _remove(self, ops: Sequence[Op]) -> None:
        for op in ops:
            del self._ops[op.name]


def _output_axis(op: Op) -> int:
    return 3 if isinstance(op.attributes, DepthwiseConv2D) else 0


def _along(values: Reals, rank: int, axis: int) -> Reals:
    """One value a channel, as it broadcasts with weights."""
    return values.reshape([-1 if a == axis else 1 for a in range(rank)])


def _has_border(op: Op) -> bool:
    """True where some output sums fewer taps than the window has."""
    attributes = op.attributes
    if isinstance(attributes, TransposeConv):
        return True  # where windows end, fewer taps than all reach an output
    if not isinstance(attributes, Conv2D | DepthwiseConv2D):
        return False
    return any((*attributes.pad_before, *attributes.pad_after))
