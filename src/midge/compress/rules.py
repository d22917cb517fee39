"""How each operator is quantised: what it asks of the scales of its inputs and its output.

`RULES` is the table. An operator that is not in it stays in float32; `NOT_QUANTIZED` says why.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from midge.graph import OPS, DType, Graph, Op, Quantization
from midge.graph.elementwise_unary import RealOrQuantized
from midge.graph.movement import Movement

BOTH = (DType.INT8, DType.INT16)
INT8 = (DType.INT8,)


class OutputScale(enum.Enum):
    """Where the parameters of an operator's outputs come from."""

    OWN = "own"
    """From what the output held."""
    SHARED = "shared"
    """They are those of the inputs: the operator moves codes and does not rescale."""
    FIXED = "fixed"
    """The arithmetic has them built in."""
    NONE = "none"
    """The outputs are not quantised: truth values, indices."""


@dataclass(frozen=True)
class Rule:
    """How one kind of operator is quantised.

    Attributes:
        output: Where the output's parameters come from.
        types: Of the activations that it has an integer form for.
        weights: Index of the weights among the inputs, and their dimension of output channels;
            a bias stands behind them.
        form: It is made by `midge.graph.quantized_forms`, from the ranges of its first input and of
            its output; its constants and states have scales that follow.
        codes_int8: Indices of inputs that are int8 whatever the activations are.
        fixed: The output's scale and zero point by type, where they are built in.
    """

    output: OutputScale
    types: tuple[DType, ...] = BOTH
    weights: tuple[int, int] | None = None
    form: bool = False
    codes_int8: tuple[int, ...] = ()
    fixed: Mapping[DType, tuple[float, int]] = field(default_factory=dict)

    @property
    def moves_codes(self) -> bool:
        """Codes come out as they go in, or one of several does: nothing is rounded."""
        return self.output is OutputScale.SHARED

    @property
    def activations(self) -> slice:
        """Which inputs are activations: all, or those in front of constants."""
        if self.form:
            return slice(0, 1)
        return slice(None) if self.weights is None else slice(0, self.weights[0])

    def fixed_quantization(self, dtype: DType) -> Quantization:
        """The output's built-in parameters."""
        return Quantization.per_tensor(*self.fixed[dtype])


_OWN = Rule(OutputScale.OWN)
_OWN_INT8 = Rule(OutputScale.OWN, INT8)
_SHARED = Rule(OutputScale.SHARED)
_NO_OUTPUT = Rule(OutputScale.NONE)
_NO_OUTPUT_INT8 = Rule(OutputScale.NONE, INT8)


def _weighted(channel_axis: int) -> Rule:
    return Rule(OutputScale.OWN, weights=(1, channel_axis))


def _fixed(int8: tuple[float, int], int16: tuple[float, int] | None = None) -> Rule:
    fixed = {DType.INT8: int8}
    if int16 is not None:
        fixed[DType.INT16] = int16
    return Rule(OutputScale.FIXED, tuple(fixed), fixed=fixed)


_Q15 = (2.0**-15, 0)

RULES: dict[str, Rule] = {
    # Weighted sums: weights per output channel, bias in steps of the sum.
    "conv_2d": _weighted(0),
    "depthwise_conv_2d": _weighted(3),
    "fully_connected": _weighted(0),
    "transpose_conv": _weighted(0),
    "batch_matmul": _OWN,
    # Arithmetic on two tensors; constants are quantised like activations, from their own range.
    **dict.fromkeys(("add", "sub", "mul", "squared_difference"), _OWN),
    "div": _OWN_INT8,
    "prelu": Rule(OutputScale.OWN, codes_int8=(1,)),
    # Functions of one element, of the types that each has.
    **{
        kind: Rule(OutputScale.OWN, tuple(t for t in BOTH if t in op.types))
        for kind, op in OPS.items()
        if issubclass(op, RealOrQuantized) and op is not OPS["quantize"]
    },
    "logistic": _fixed((1 / 256, -128), _Q15),
    "tanh": _fixed((1 / 128, 0), _Q15),
    # Along a row, or over dimensions.
    "softmax": _fixed((1 / 256, -128), _Q15),
    "log_softmax": _fixed((1 / 16, 127)),
    "l2_normalization": _fixed((1 / 128, 0)),
    **dict.fromkeys(("mean", "sum"), _OWN),
    # With gates, normalised rows and states in between.
    **dict.fromkeys(("layer_norm", "gru", "lstm"), Rule(OutputScale.OWN, form=True)),
    # What chooses among codes, or averages a few of one scale.
    **dict.fromkeys(
        (
            *("max_pool_2d", "average_pool_2d", "minimum", "maximum", "select"),
            *("reduce_max", "reduce_min", "read_variable", "assign_variable"),
        ),
        _SHARED,
    ),
    "resize_bilinear": Rule(OutputScale.SHARED, INT8),
    # What moves codes.
    **{kind: _SHARED for kind, op in OPS.items() if issubclass(op, Movement)},
    "reshape": _SHARED,
    "gather": _SHARED,
    # What compares codes.
    **dict.fromkeys(("arg_max", "arg_min"), _NO_OUTPUT),
    **dict.fromkeys(
        ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"), _NO_OUTPUT_INT8
    ),
}

NOT_QUANTIZED: dict[str, str] = {
    "add_n": "its integer form starts from the code 0 and is off by the zero point",
    "cumsum": "its integer form starts from the code 0 and is off by the zero point",
    "l2_pool_2d": "it has no integer form",
    "floor_div": "it has no integer form",
    "floor_mod": "it has no integer form",
    "svdf": "its integer form is quantised by TensorFlow alone",
    "zeros_like": "its result does not depend on the input's values",
}
"""Operators on reals that stay in float32, and why."""


def rule_of(graph: Graph, op: Op, dtype: DType) -> Rule | None:
    """The op's rule where its integer form takes such activations; None where there is none."""
    rule = RULES.get(op.kind)
    if rule is None or dtype not in rule.types or not touches_reals(graph, op):
        return None
    if rule.weights is not None:
        operands = graph.op_inputs(op)[1:]
        if any(t is not None and not t.is_constant for t in operands):
            return None
    return rule


def touches_reals(graph: Graph, op: Op) -> bool:
    """Whether the op reads or writes a float32 tensor."""
    return any(
        t is not None and t.dtype is DType.FLOAT32
        for t in (*graph.op_inputs(op), *graph.op_outputs(op))
    )


def why_float(graph: Graph, op: Op, dtype: DType) -> str:
    """Why `rule_of` has no rule."""
    if op.kind in NOT_QUANTIZED:
        return NOT_QUANTIZED[op.kind]
    rule = RULES.get(op.kind)
    if rule is None:
        return "it has no integer form"
    if dtype not in rule.types:
        return (
            f"it has no form for {dtype.value}; supported: {', '.join(t.value for t in rule.types)}"
        )
    names = [t.name for t in graph.op_inputs(op)[1:] if t is not None and not t.is_constant]
    return f"its weights {', '.join(names)} are computed"
