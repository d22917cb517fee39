"""A float network whose training knows of quantisation: codes are rounded in the forward pass.

`FakeQuantized` computes a graph in float32 with the annotations that `insert_qdq` writes into it,
operator by operator: what post-training quantisation does is what training sees. PT2E's observers
are not used: one set of rules then holds for recurrent layers, normalisation and attention too.

Source: Esser et al., "Learned Step Size Quantization", ICLR 2020, for the gradient of a scale;
Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", CVPR 2018, for the rounding of weights.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from midge.compress import torch_ops
from midge.compress.annotate import Annotations, Codes, activations
from midge.compress.rules import RULES, OutputScale, Rule
from midge.compress.weights import LARGEST_CODES, may_be_int4
from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Graph, Op, Quantization
from midge.graph import Tensor as GraphTensor

_FORM_WEIGHTS: dict[str, tuple[range, int | None]] = {
    "gru": (range(1, 3), 0),
    "lstm": (range(1, 9), None),
}
"""Inputs of ops with a form of their own that become int8, and the dimension with a scale each."""
_TRAINED_OPERANDS = ("add", "sub", "mul", "div", "prelu", "gather", "layer_norm")
"""Ops whose constants are trained as well, where they have more than one element."""
_LEAST_SCALE = 1e-30


@dataclass(frozen=True)
class WeightCodes:
    """How one operand of an op is rounded.

    Attributes:
        dtype: int8 or int4.
        axis: Its dimension with a scale each; None for one scale.
        share: Of the largest weight, where codes end: float32 that broadcasts, or 1.
    """

    dtype: DType
    axis: int | None
    share: Tensor | float = 1.0


class FakeQuantized(nn.Module):  # type: ignore[misc]
    """A graph as a module that computes what its integer form will, up to a step of rounding.

    It takes and gives what the source model does: float32 [n, ...] in the source's order of
    dimensions, n as one likes. Batch normalisation is folded and there is no dropout, in training
    mode as in evaluation mode. Scales are trained as the logarithm of their ratio to what
    calibration chose; zero points stay.

    Attributes:
        rounds: Off, it computes in float32 as the graph does; on when made.
        log_scales: Trained; one a group of tensors that share their codes.
    """

    def __init__(
        self,
        graph: Graph,
        annotations: Annotations,
        *,
        weights: DType = DType.INT8,
        shares: Mapping[str, Any] | None = None,
        learn_ranges: bool = True,
    ) -> None:
        """Build it.

        Args:
            graph: A verified float graph.
            annotations: Of this graph.
            weights: int8, or int4 for the layers that take it.
            shares: Of int4 layers, by the op's name: where codes end, of each channel's largest
                weight, float64 [channels].
            learn_ranges: Scales of activations are trained.

        Raises:
            UnsupportedError: operators have no differentiable form; all are named.
        """
        super().__init__()
        self.graph = graph
        self.annotations = annotations
        self.rounds = True
        _expect_known(graph)
        self._take_constants()
        self._take_scales(learn_ranges)
        self._weight_codes = self._weight_codes_of(weights, shares or {})
        self._ops = {op.name: op for op in graph.ops}
        self._last_reader = {n: i for i, op in enumerate(graph.ops) for n in op.inputs}

    def __deepcopy__(self, memo: dict[int, Any]) -> FakeQuantized:
        """Numbers of its own; the graph and its annotations never change."""
        for shared in (self.graph, self.annotations, self._ops):
            memo[id(shared)] = shared
        made: FakeQuantized = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def _take_constants(self) -> None:
        """Those that are trained as parameters, the others as buffers."""
        trained = _trained_constants(self.graph)
        self._attributes: dict[str, str] = {}
        for name, tensor in self.graph.tensors.items():
            if not (tensor.is_constant or tensor.variable):
                continue
            attribute = _attribute(name, self)
            self._attributes[name] = attribute
            value = torch.from_numpy(np.array(tensor.data))
            if name in trained:
                self.register_parameter(attribute, nn.Parameter(value))
            else:
                self.register_buffer(attribute, value)

    def _take_scales(self, learn_ranges: bool) -> None:
        """One scale for all tensors of a group: they hold the same `Codes`."""
        groups: dict[int, int] = {}
        self._group_of = {
            name: groups.setdefault(id(codes), len(groups))
            for name, codes in self.annotations.codes.items()
        }
        codes = list({id(c): c for c in self.annotations.codes.values()}.values())
        scales = [float(c.quantization.scale[0]) for c in codes]
        self._ends = [_ends(c) for c in codes]
        learned = torch.ones(len(codes))
        learned[[self._group_of[n] for n in self.annotations.fixed]] = 0.0
        self.register_buffer("_scales", torch.tensor(scales, dtype=torch.float32))
        self.register_buffer("_learned", learned)
        self.log_scales = nn.Parameter(torch.zeros(len(codes)), requires_grad=learn_ranges)

    def _weight_codes_of(
        self, weights: DType, shares: Mapping[str, Any]
    ) -> dict[tuple[str, int], WeightCodes]:
        found: dict[tuple[str, int], WeightCodes] = {}
        for op in self.graph.ops:
            rule = self.annotations.rules.get(op.name)
            if rule is None:
                continue
            if op.kind in _FORM_WEIGHTS:
                indices, axis = _FORM_WEIGHTS[op.kind]
                found |= {(op.name, i): WeightCodes(DType.INT8, axis) for i in indices}
            elif rule.weights is not None:
                index, channels = rule.weights
                found[op.name, index] = WeightCodes(DType.INT8, channels)
                if weights is DType.INT4 and op.name in shares and may_be_int4(self.graph, op):
                    rank = len(self.graph.tensors[op.inputs[index]].shape)
                    share = torch.as_tensor(shares[op.name], dtype=torch.float32)
                    shaped = share.reshape([-1 if d == channels else 1 for d in range(rank)])
                    found[op.name, index] = WeightCodes(DType.INT4, channels, shaped)
        return found

    def scales(self) -> Tensor:
        """Steps of all groups, float32 [groups]."""
        scales: Tensor = self._scales * torch.exp(self.log_scales * self._learned)
        return scales

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The network's outputs.

        Args:
            *inputs: [n, ...] in the source's order of dimensions, in the order of `graph.inputs`.

        Raises:
            UserError: an input has another shape.
        """
        self._expect(inputs)
        scales, weights = self.scales(), self._rounded_weights()

        def one(*sample: Tensor) -> tuple[Tensor, ...]:
            return self._one(sample, scales, weights)

        outputs: tuple[Tensor, ...] = torch.vmap(one)(*inputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _expect(self, inputs: Sequence[Tensor]) -> None:
        names = self.graph.inputs
        if len(inputs) != len(names):
            raise UserError(
                f"{self.graph.name}: found {len(inputs)} inputs; expected {len(names)}: "
                f"{list(names)}"
            )
        for name, given in zip(names, inputs, strict=True):
            expected = self._sample_shape(name)
            if tuple(given.shape[1:]) != expected:
                raise UserError(
                    f"{self.graph.name}: input {name!r} has shape {list(given.shape)}; expected "
                    f"[n, {', '.join(map(str, expected))}]"
                )

    def _sample_shape(self, name: str) -> tuple[int, ...]:
        """Of an input or output in the source's order, without a batch of one."""
        shape = self.graph.source_shape(name)
        return shape[1:] if shape[:1] == (1,) else shape

    def _one(
        self,
        sample: Sequence[Tensor],
        scales: Tensor,
        weights: Mapping[tuple[str, int], Tensor],
    ) -> tuple[Tensor, ...]:
        """One sample through all operators."""
        graph = self.graph
        values: dict[str, Tensor] = {n: getattr(self, a) for n, a in self._attributes.items()}
        for name, given in zip(graph.inputs, sample, strict=True):
            order = graph.layouts.get(name)
            whole = given.reshape(graph.source_shape(name))
            values[name] = whole if order is None else whole.permute(order)
        for name in (*graph.inputs, *self._attributes):
            if name in self._group_of:
                values[name] = self._rounded(values[name], name, scales)
        for number, op in enumerate(graph.ops):
            operands = self._operands(op, values, scales, weights)
            made = torch_ops.run(op, operands, graph.op_inputs(op), graph.op_outputs(op))
            for name, value in zip(op.outputs, made, strict=True):
                values[name] = self._rounded(value, name, scales)
            for name in op.inputs:
                if self._last_reader.get(name) == number and name not in graph.outputs:
                    values.pop(name, None)
        return tuple(self._given(name, values[name]) for name in graph.outputs)

    def _given(self, name: str, value: Tensor) -> Tensor:
        order = self.graph.layouts.get(name)
        turned = value if order is None else value.permute(*np.argsort(order).tolist())
        return turned.reshape(self._sample_shape(name))

    def _operands(
        self,
        op: Op,
        values: Mapping[str, Tensor],
        scales: Tensor,
        weights: Mapping[tuple[str, int], Tensor],
    ) -> list[Tensor | None]:
        operands = [
            weights.get((op.name, i), values[n]) if n else None for i, n in enumerate(op.inputs)
        ]
        rule = self.annotations.rules.get(op.name)
        if rule is not None and rule.output is OutputScale.SHARED:
            # The op does not rescale: what comes in on other steps is rescaled in front of it.
            for index, name in _coded(self.graph, op, rule):
                wanted = op.outputs[0]
                if self._group_of[name] != self._group_of[wanted]:
                    operands[index] = self._rounded(values[name], wanted, scales)
        return operands

    def _rounded(self, value: Tensor, name: str, scales: Tensor) -> Tensor:
        group = self._group_of.get(name)
        if group is None or not self.rounds:
            return value
        low, high = self._ends[group]
        return fake_quantize(value, scales[group], low, high)

    def _rounded_weights(self) -> dict[tuple[str, int], Tensor]:
        """Every weight on its codes, with a gradient as if it were not rounded."""
        if not self.rounds:
            return {}
        return {
            place: rounded_weights(self._operand(place), codes)
            for place, codes in self._weight_codes.items()
        }

    def _operand(self, place: tuple[str, int]) -> Tensor:
        name, index = place
        operand: Tensor = getattr(self, self._attributes[self._ops[name].inputs[index]])
        return operand

    def trained_graph(self) -> Graph:
        """The float graph with the trained constants; what becomes int4 stands on its codes."""
        tensors = dict(self.graph.tensors)
        narrow = {
            self._attributes[op.inputs[i]]: codes
            for op in self.graph.ops
            for i in range(len(op.inputs))
            if (codes := self._weight_codes.get((op.name, i))) and codes.dtype is DType.INT4
        }
        for name, attribute in self._attributes.items():
            value = getattr(self, attribute)
            if isinstance(value, nn.Parameter):
                value = value.detach()
                if attribute in narrow:
                    value = rounded_weights(value, narrow[attribute])
                array = np.ascontiguousarray(value.cpu().numpy(), np.float32)
                _expect_finite(self.graph, name, array)
                tensors[name] = replace(tensors[name], data=array)
        return replace(self.graph, tensors=tensors)

    def trained_annotations(self) -> Annotations:
        """The annotations with the trained scales."""
        scales = self.scales().detach().cpu().numpy().astype(np.float32)
        if not (np.all(np.isfinite(scales)) and np.all(scales > _LEAST_SCALE)):
            raise UserError(
                f"{self.graph.name}: training has led to a scale that is no positive finite "
                "number; train with a lower rate, or with learn_ranges=False"
            )
        made: dict[int, Codes] = {}
        for name, codes in self.annotations.codes.items():
            group = self._group_of[name]
            zero = int(codes.quantization.zero_point[0])
            quantization = Quantization.per_tensor(float(scales[group]), zero)
            made.setdefault(group, Codes(codes.dtype, quantization))
        by_name = {n: made[self._group_of[n]] for n in self.annotations.codes}
        return Annotations(by_name, self.annotations.rules, self.annotations.fixed)


def fake_quantize(x: Tensor, scale: Tensor, low: int, high: int) -> Tensor:
    """A tensor on codes from `low` to `high` steps, zero point taken off.

    The gradient of x is 1 where it has a code, else 0; that of the scale is the rounding error in
    steps, or the end where x has none, over the root of the elements times the codes.
    """
    damping = float(max(x.numel(), 1) * (high - low)) ** -0.5
    step = scale * damping + (scale * (1 - damping)).detach()
    steps = (x / step).clamp(low, high)
    return (steps + (steps.round() - steps).detach()) * step


def rounded_weights(weights: Tensor, codes: WeightCodes) -> Tensor:
    """Weights on symmetric codes whose scale follows the largest; their gradient passes through."""
    top = LARGEST_CODES[codes.dtype]
    exact = weights.detach()
    dims = [d for d in range(exact.ndim) if d != codes.axis]
    largest = exact.abs().amax(dims, keepdim=True) if codes.axis is not None else exact.abs().max()
    share = codes.share if isinstance(codes.share, float) else codes.share.to(exact.device)
    scale = largest * share / top
    scale = torch.where(scale > _LEAST_SCALE, scale, torch.ones_like(scale))
    rounded = (exact / scale).round().clamp(-top, top) * scale
    return weights + (rounded - exact)


def _ends(codes: Codes) -> tuple[int, int]:
    low, high = codes.dtype.limits
    zero = int(codes.quantization.zero_point[0])
    return low - zero, high - zero


def _coded(graph: Graph, op: Op, rule: Rule) -> list[tuple[int, str]]:
    names = activations(graph, op, rule)
    return [(i, n) for i, n in enumerate(op.inputs) if n in names]


def _trained_constants(graph: Graph) -> set[str]:
    """Float constants that are weights, biases, tables, or operands with many elements."""
    found: set[str] = set()
    for op in graph.ops:
        rule = RULES.get(op.kind)
        weighted = rule is not None and (rule.weights is not None or rule.form)
        for name in op.inputs:
            tensor: GraphTensor | None = graph.tensors[name] if name else None
            if tensor is None or not tensor.is_constant or tensor.dtype is not DType.FLOAT32:
                continue
            if weighted or (op.kind in _TRAINED_OPERANDS and tensor.size > 1):
                found.add(name)
    return found


def _expect_known(graph: Graph) -> None:
    stateful = [
        f"{op.name!r} ({op.kind})"
        for op in graph.ops
        if getattr(op.attributes, "stateful", False) or op.kind == "assign_variable"
    ]
    if stateful:
        raise UserError(
            f"{graph.name}: {', '.join(stateful)} keep state from call to call, or begin with one "
            "that is computed; train on whole sequences that begin with zeros: export the module "
            "without streaming"
        )
    unknown = [f"{op.name!r} ({op.kind})" for op in graph.ops if not torch_ops.is_known(op)]
    if unknown:
        raise UnsupportedError(
            f"{graph.name}: {len(unknown)} operators have no form that training passes through: "
            f"{', '.join(unknown)}; replace them, or quantise after training: midge.quantize"
        )


def _expect_finite(graph: Graph, name: str, array: np.ndarray[Any, Any]) -> None:
    if not np.all(np.isfinite(array)):
        raise UserError(
            f"{graph.name}: training has left NaN or an infinity in {name!r}; train with a lower "
            "rate"
        )


def _attribute(name: str, module: nn.Module) -> str:
    """The name of a parameter, from that of a tensor."""
    made = "w_" + re.sub(r"\W", "_", name)
    while hasattr(module, made):
        made += "_"
    return made
