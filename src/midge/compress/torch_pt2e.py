"""A quantizer for torchao's PT2E flow: annotations that lower to integers alone.

For those who train in that flow. What `convert_pt2e` gives is exported again and imported like any
quantised model; nothing of it is then left in float. It is for feed-forward networks: PT2E holds
recurrent layers, layer normalisation and attention in float between their ends, which
`midge.quantize` and `midge.quantization_aware` do not.

::

    program = torch.export.export(module.train(), example, dynamic_shapes=({0: Dim.DYNAMIC},))
    prepared = prepare_qat_pt2e(program.module(), MidgeQuantizer(training=True))
    ...
    converted = convert_pt2e(prepared)
    graph = import_exported(torch.export.export(converted, one_sample))
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node
from torchao.quantization.pt2e import (
    FusedMovingAvgObsFakeQuantize,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
)
from torchao.quantization.pt2e.quantizer import (
    FixedQParamsQuantizationSpec,
    QuantizationAnnotation,
    QuantizationSpec,
    Quantizer,
    SharedQuantizationSpec,
)

from midge.compress.rules import RULES
from midge.errors import UnsupportedError
from midge.graph import DType
from midge.importers.torch_program import clean_path

_KEY = "quantization_annotation"
_LEAST_SCALE = 2.0**-20
_WEIGHTED = {"conv1d": 0, "conv2d": 0, "linear": 0, "conv_transpose1d": 1, "conv_transpose2d": 1}
"""By name, the dimension of the weights' output channels."""
_CLAMPS = ("relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_")
_FIXED = {"sigmoid": "logistic", "tanh": "tanh", "softmax": "softmax", "log_softmax": "log_softmax"}
"""By name, the operator of the graph whose arithmetic has the output's scale built in."""
_SHARED = frozenset(
    (
        *("max_pool1d", "max_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d"),
        *("avg_pool1d", "avg_pool2d", "cat", "concat", "stack", "flatten", "view", "reshape"),
        *("permute", "transpose", "squeeze", "unsqueeze", "select", "slice", "expand", "flip"),
        *("contiguous", "clone", "dropout", "dropout_", "maximum", "minimum", "unflatten"),
        *("upsample_nearest1d", "upsample_nearest2d", "pixel_shuffle", "pixel_unshuffle"),
    )
)
_OWN = frozenset(
    (
        *("add", "add_", "sub", "mul", "mul_", "mean", "sum", "matmul", "bmm", "batch_norm"),
        *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "gelu", "silu", "silu_", "mish", "elu"),
        *("hardswish", "hardswish_", "hardsigmoid", "leaky_relu", "leaky_relu_", "softplus"),
        *_CLAMPS,
    )
)


class MidgeQuantizer(Quantizer):  # type: ignore[misc]
    """int8 activations per tensor, int8 weights per output channel, biases left real.

    Inputs and outputs of every operator have codes; those that only move or choose among elements
    share them; a clamp, and batch normalisation in front of it, belong to the sum before them;
    sigmoid, tanh and softmax have the scales of their arithmetic.
    """

    def __init__(self, *, training: bool = False) -> None:
        """Make it.

        Args:
            training: For `prepare_qat_pt2e`; else for `prepare_pt2e`.
        """
        super().__init__()
        limits = {"quant_min": -128, "quant_max": 127, "dtype": torch.int8}
        symmetric = {"quant_min": -127, "quant_max": 127, "dtype": torch.int8}
        affine, rows = torch.per_tensor_affine, torch.per_channel_symmetric
        if training:
            observer = FusedMovingAvgObsFakeQuantize.with_args(
                observer=MovingAverageMinMaxObserver, eps=_LEAST_SCALE
            )
            of_rows = FusedMovingAvgObsFakeQuantize.with_args(
                observer=MovingAveragePerChannelMinMaxObserver, eps=_LEAST_SCALE
            )
        else:
            observer = HistogramObserver.with_args(eps=_LEAST_SCALE)
            of_rows = PerChannelMinMaxObserver.with_args(eps=_LEAST_SCALE)
        self._activation = QuantizationSpec(
            qscheme=affine, observer_or_fake_quant_ctr=observer, **limits
        )
        self._weights = {
            axis: QuantizationSpec(
                qscheme=rows, ch_axis=axis, observer_or_fake_quant_ctr=of_rows, **symmetric
            )
            for axis in (0, 1)
        }
        self._limits = limits

    def annotate(self, model: GraphModule) -> GraphModule:
        """Annotate every operator that has an integer form.

        Raises:
            UnsupportedError: there are others; all are named, with the paths of their modules.
        """
        problems = []
        for node in model.graph.nodes:
            if node.op != "call_function" or _KEY in node.meta or not _makes_reals(node):
                continue
            name = _name(node)
            if name in _WEIGHTED:
                self._annotate_sum(node, _WEIGHTED[name])
            elif name in _FIXED:
                scale, zero = RULES[_FIXED[name]].fixed[DType.INT8]
                fixed = FixedQParamsQuantizationSpec(
                    scale=scale, zero_point=zero, qscheme=torch.per_tensor_affine, **self._limits
                )
                self._annotate(node, self._inputs(node), fixed)
            elif name in _SHARED:
                self._annotate_shared(node)
            elif name in _OWN:
                self._annotate(node, self._inputs(node), self._activation)
            elif any(_is_real(n) for n in node.all_input_nodes):
                problems.append(f"{_path(node)} ({node.target})")
        if problems:
            raise UnsupportedError(
                f"{len(problems)} operators have no annotation in PT2E's flow: "
                f"{', '.join(problems)}; use midge.quantize or midge.quantization_aware, which "
                "have other forms for them"
            )
        return model

    def validate(self, model: GraphModule) -> None:
        """Nothing is left to check: `annotate` refuses what it cannot annotate."""

    def _annotate(self, node: Node, inputs: dict[Node, Any], output: Any) -> None:
        node.meta[_KEY] = QuantizationAnnotation(
            input_qspec_map=inputs, output_qspec=output, _annotated=True
        )

    def _inputs(self, node: Node) -> dict[Node, Any]:
        return {n: self._activation for n in node.all_input_nodes if _is_real(n)}

    def _annotate_sum(self, node: Node, axis: int) -> None:
        """A weighted sum up to the clamp behind it."""
        last, chain = node, []
        for names in (("batch_norm",), _CLAMPS):
            if names[0] == "batch_norm" and _name(node) == "linear":
                continue
            after = _only_user(last)
            if after is not None and _name(after) in names:
                chain.append(after)
                last = after
        x, weights = node.args[:2]
        assert isinstance(x, Node)
        assert isinstance(weights, Node)
        inputs = {x: self._activation, weights: self._weights[axis]}
        self._annotate(node, inputs, self._activation if last is node else None)
        for between in chain:
            self._annotate(between, {}, self._activation if between is last else None)

    def _annotate_shared(self, node: Node) -> None:
        inputs = [n for n in node.all_input_nodes if _is_real(n)]
        if not inputs:
            return
        shared = SharedQuantizationSpec((inputs[0], node))
        specs: dict[Node, Any] = dict.fromkeys(inputs, shared)
        specs[inputs[0]] = self._activation
        self._annotate(node, specs, shared)


def _is_real(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype is torch.float32


def _makes_reals(node: Node) -> bool:
    """A tensor, or several, by an operator of PyTorch; taking several apart makes nothing."""
    value = node.meta.get("val")
    parts = value if isinstance(value, list | tuple) else [value]
    reals = [isinstance(p, torch.Tensor) and p.dtype is torch.float32 for p in parts]
    return any(reals) and _name(node) != "getitem"


def _name(node: Node) -> str:
    return getattr(node.target, "__name__", str(node.target)).split(".")[0]


def _only_user(node: Node) -> Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _path(node: Node) -> str:
    stack = node.meta.get("nn_module_stack") or {}
    return clean_path(str(list(stack.values())[-1][0])) if stack else node.name
