"""Operators on each element of one tensor: activations, elementary functions."""

from __future__ import annotations

import math

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Attributes, DType, Tensor
from midge.graph.elementwise import broadcast_shape
from midge.graph.ops.add import Add, Sub
from midge.graph.ops.comparison import Equal, Greater, Less, NotEqual
from midge.graph.ops.conversions import Cast
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Cos, Exp, Log, Sin, Sqrt
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.logical import LogicalOr
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.select import Select
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid, Mish, Silu, Softplus
from midge.graph.ops.sign_and_rounding import Abs, Ceil, Floor, LogicalNot, Neg, Round
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish
from midge.importers.onnx_ops.operands import OnnxOp
from midge.importers.onnx_ops.registry import Convert, Converted, converts

_OF_FLOATS: dict[str, Attributes] = {
    "Ceil": Ceil(),
    "Cos": Cos(),
    "Erf": Erf(),
    "Exp": Exp(),
    "Floor": Floor(),
    "HardSwish": HardSwish(),
    "Log": Log(),
    "Mish": Mish(),
    "Round": Round(),
    "Sigmoid": Logistic(),
    "Sin": Sin(),
    "Softplus": Softplus(),
    "Sqrt": Sqrt(),
    "Tanh": Tanh(),
}
_CLAMPS: dict[tuple[float, float], Attributes] = {
    (0.0, math.inf): Relu(),
    (0.0, 6.0): Relu6(),
    (-1.0, 1.0): ReluN1To1(),
}
LARGEST = float(np.finfo(np.float32).max)


def _always(attributes: Attributes) -> Convert:
    def convert(op: OnnxOp) -> Converted:
        return op.emit(attributes, op.float32(0))

    return convert


for _op_type, _attributes in _OF_FLOATS.items():
    converts(_op_type)(_always(_attributes))


@converts("Not")
def convert_not(op: OnnxOp) -> Converted:
    """Of bool."""
    return op.emit(LogicalNot(), op.tensor(0))


@converts("Relu", "Abs", "Neg", "Sign")
def convert_signed(op: OnnxOp) -> Converted:
    """Of floats by operators of their own, of plain integers by comparisons."""
    x = op.tensor(0)
    if x.dtype is DType.FLOAT32:
        if op.record.op_type == "Sign":
            return _sign(op, x)
        return op.emit({"Relu": Relu(), "Abs": Abs(), "Neg": Neg()}[op.record.op_type], x)
    if x.quantization is not None or op.reads_shifted():
        raise UnsupportedError(f"{x.name} is quantised; supported: between dequantize and quantize")
    wide = x if x.dtype in (DType.INT32, DType.INT64) else op.cast(x, DType.INT32)
    zero = op.constant(0, wide.dtype.numpy, part="zero")
    if op.record.op_type == "Relu":
        y = op.emit(Maximum(), wide, zero)
    elif op.record.op_type == "Sign":
        one = op.constant(1, wide.dtype.numpy, part="one")
        least = op.constant(-1, wide.dtype.numpy, part="minus_one")
        y = op.emit(Minimum(), op.emit(Maximum(), wide, least, part="raised"), one)
    else:
        y = op.emit(Sub(), zero, wide)
        if op.record.op_type == "Abs":
            y = op.emit(Maximum(), wide, y, part="larger")
    return op.cast(y, x.dtype)


def _sign(op: OnnxOp, x: Tensor) -> Tensor:
    zero = op.constant(0, part="zero")
    above = op.emit(Cast(to=DType.FLOAT32), op.emit(Greater(), x, zero), part="above")
    below = op.emit(Cast(to=DType.FLOAT32), op.emit(Less(), x, zero), part="below")
    return op.emit(Sub(), above, below)


@converts("Clip")
def convert_clip(op: OnnxOp) -> Converted:
    """One of the usual clamps, or one of a constant or computed low and high end."""
    x = op.tensor(0)
    ends_known = all(op.is_known(i) or not op.has(i) for i in (1, 2))
    if x.dtype is DType.FLOAT32 and ends_known:
        low = op.scalar(1) if op.has(1) else -math.inf
        high = op.scalar(2) if op.has(2) else math.inf
        high = math.inf if high >= LARGEST else high
        clamp = _CLAMPS.get((low, high))
        if clamp is not None:
            return op.emit(clamp, x)
        if low <= -LARGEST and high == math.inf:
            return x
    elif x.quantization is not None or op.reads_shifted():
        raise UnsupportedError(f"{x.name} is quantised; supported: between dequantize and quantize")
    y = x
    wide = y if y.dtype is not DType.UINT8 else op.cast(y, DType.INT32)
    for index, part, limit in ((1, "low", Maximum()), (2, "high", Minimum())):
        if op.has(index):
            end = op.tensor(index)
            wide = op.emit(limit, wide, op.cast(end, wide.dtype), part=part)
    return op.cast(wide, x.dtype)


@converts("LeakyRelu")
def convert_leaky_relu(op: OnnxOp) -> Converted:
    """The slope is an attribute."""
    return op.emit(LeakyRelu(alpha=op.real("alpha", 0.01)), op.float32(0))


@converts("PRelu")
def convert_prelu(op: OnnxOp) -> Converted:
    """The slope broadcasts to x alone."""
    x, slope = op.float32(0), op.float32(1)
    if broadcast_shape(x, slope) != x.shape:
        raise UserError(f"slope {list(slope.shape)} does not broadcast to {list(x.shape)}")
    return op.emit(Prelu(), x, slope)


@converts("Elu")
def convert_elu(op: OnnxOp) -> Converted:
    """``alpha * (exp(x) - 1)`` under 0."""
    return _scaled_elu(op, op.real("alpha", 1.0), 1.0, 1.0)


@converts("Selu")
def convert_selu(op: OnnxOp) -> Converted:
    """Elu times gamma."""
    alpha, gamma = (
        op.real("alpha", 1.67326319217681884765625),
        op.real("gamma", 1.05070102214813232),
    )
    return _scaled_elu(op, alpha, gamma, 1.0)


@converts("Celu")
def convert_celu(op: OnnxOp) -> Converted:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``."""
    alpha = op.real("alpha", 1.0)
    if alpha == 0:
        raise UserError("attribute alpha is 0")
    return _scaled_elu(op, alpha, 1.0, alpha)


def _scaled_elu(op: OnnxOp, alpha: float, gamma: float, divisor: float) -> Tensor:
    """``gamma * x`` where x is over 0, ``gamma * alpha * (exp(x / divisor) - 1)`` elsewhere."""
    x = op.float32(0)
    if (alpha, gamma, divisor) == (1.0, 1.0, 1.0):
        return op.emit(Elu(), x)
    # The two addends are never both other than 0.
    zero = op.constant(0, part="zero")
    inner = x if divisor == 1 else op.emit(Div(), x, op.constant(divisor), part="inner")
    curve = op.emit(Minimum(), op.emit(Elu(), inner, part="elu"), zero, part="curve")
    below = op.emit(Mul(), curve, op.constant(gamma * alpha), part="below")
    above = op.emit(Relu(), x, part="above")
    if gamma != 1:
        above = op.emit(Mul(), above, op.constant(gamma), part="scaled")
    return op.emit(Add(), above, below)


@converts("HardSigmoid")
def convert_hard_sigmoid(op: OnnxOp) -> Converted:
    """``max(0, min(1, alpha * x + beta))``."""
    made = HardSigmoid(alpha=op.real("alpha", 0.2), beta=op.real("beta", 0.5))
    return op.emit(made, op.float32(0))


@converts("Gelu", domain="")
def convert_gelu(op: OnnxOp) -> Converted:
    """Exact, or with the tanh that is close to it."""
    approximate = op.text("approximate", "none")
    if approximate not in ("none", "tanh"):
        raise UserError(f"attribute approximate is {approximate!r}; expected 'none' or 'tanh'")
    return op.emit(Gelu(approximate=approximate == "tanh"), op.float32(0))


@converts("Gelu", domain="com.microsoft")
def convert_microsoft_gelu(op: OnnxOp) -> Converted:
    """Exact."""
    return op.emit(Gelu(), op.float32(0))


@converts("Swish")
def convert_swish(op: OnnxOp) -> Converted:
    """``x * sigmoid(alpha * x)``."""
    x, alpha = op.float32(0), op.real("alpha", 1.0)
    if alpha == 1:
        return op.emit(Silu(), x)
    inner = op.emit(Mul(), x, op.constant(alpha, part="alpha"), part="inner")
    return op.emit(Mul(), x, op.emit(Logistic(), inner, part="sigmoid"))


@converts("Softsign")
def convert_softsign(op: OnnxOp) -> Converted:
    """``x / (1 + |x|)``."""
    x = op.float32(0)
    raised = op.emit(Add(), op.emit(Abs(), x, part="abs"), op.constant(1, part="one"), part="add")
    return op.emit(Div(), x, raised)


@converts("ThresholdedRelu")
def convert_thresholded_relu(op: OnnxOp) -> Converted:
    """What is over alpha; 0 elsewhere."""
    x = op.float32(0)
    over = op.emit(Greater(), x, op.constant(op.real("alpha", 1.0), part="alpha"), part="over")
    return op.emit(Select(), over, x, op.constant(0, part="zero"))


@converts("Shrink")
def convert_shrink(op: OnnxOp) -> Converted:
    """``x + bias`` under -lambd, ``x - bias`` over lambd, else 0."""
    x = op.float32(0)
    bias, lambd = op.real("bias", 0.0), op.real("lambd", 0.5)
    zero, shift = op.constant(0, part="zero"), op.constant(bias, part="bias")
    above = op.emit(Greater(), x, op.constant(lambd, part="lambd"), part="above")
    below = op.emit(Less(), x, op.constant(-lambd, part="minus_lambd"), part="below")
    inner = op.emit(Select(), below, op.emit(Add(), x, shift, part="add"), zero, part="inner")
    return op.emit(Select(), above, op.emit(Sub(), x, shift, part="sub"), inner)


@converts("Reciprocal")
def convert_reciprocal(op: OnnxOp) -> Converted:
    """``1 / x``."""
    return op.emit(Div(), op.constant(1, part="one"), op.float32(0))


@converts("Tan")
def convert_tan(op: OnnxOp) -> Converted:
    """``sin(x) / cos(x)``."""
    x = op.float32(0)
    return op.emit(Div(), op.emit(Sin(), x, part="sin"), op.emit(Cos(), x, part="cos"))


@converts("IsNaN")
def convert_is_nan(op: OnnxOp) -> Converted:
    """What is not equal to itself."""
    x = op.float32(0)
    return op.emit(NotEqual(), x, x)


@converts("IsInf")
def convert_is_inf(op: OnnxOp) -> Converted:
    """Of either sign, or of one."""
    x = op.float32(0)
    signs = {"detect_positive": math.inf, "detect_negative": -math.inf}
    wanted = [v for name, v in signs.items() if op.flag(name, default=True)]
    if not wanted:
        return op.emit(Less(), x, op.constant(-math.inf, part="infinity"))
    parts = [op.emit(Equal(), x, op.constant(v, part="infinity"), part="equal") for v in wanted]
    return parts[0] if len(parts) == 1 else op.emit(LogicalOr(), *parts)
