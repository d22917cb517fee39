"""Functions of one value that bend, and softmax."""

from __future__ import annotations

from midge.errors import UnsupportedError, UserError
from midge.graph import Attributes, DType, Tensor
from midge.graph.ops.add import Add
from midge.graph.ops.comparison import Greater
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.log_softmax import LogSoftmax
from midge.graph.ops.logistic_tanh import Logistic, Tanh
from midge.graph.ops.mul import Mul
from midge.graph.ops.prelu import Prelu
from midge.graph.ops.rectifiers import LeakyRelu, Relu, Relu6, ReluN1To1
from midge.graph.ops.select import Select
from midge.graph.ops.sigmoid_units import HardSigmoid, Mish, Silu, Softplus
from midge.graph.ops.sign_and_rounding import Neg
from midge.graph.ops.smooth_units import Elu, Gelu, HardSwish
from midge.graph.ops.softmax import Softmax
from midge.graph.ops.split import Split
from midge.importers.torch_ops.call import Call, axis_of
from midge.importers.torch_ops.registry import converts


@converts("aten.relu.default")
def relu(call: Call) -> Tensor:
    """Also of integers, by a comparison."""
    x = call.tensor("self")
    if x.dtype is DType.FLOAT32:
        return call.emit(Relu(), x)
    return call.emit(Maximum(), x, call.number(0, x))


@converts("aten.relu6.default")
def relu6(call: Call) -> Tensor:
    """From 0 to 6."""
    return _clamped(call, call.tensor("self"), 0.0, 6.0)


@converts("aten.hardtanh.default")
def hardtanh(call: Call) -> Tensor:
    """From -1 to 1, where nothing else is said."""
    low, high = call.real("min_val", -1.0), call.real("max_val", 1.0)
    return _clamped(call, call.tensor("self"), low, high)


@converts("aten.clamp.default", "aten.clip.default")
def clamp(call: Call) -> Tensor:
    """Either end may be open."""
    low = call.real("min") if call.has("min") else None
    high = call.real("max") if call.has("max") else None
    return _clamped(call, call.tensor("self"), low, high)


@converts("aten.clamp_min.default")
def clamp_min(call: Call) -> Tensor:
    """Open above."""
    return _clamped(call, call.tensor("self"), call.real("min"), None)


@converts("aten.clamp_max.default")
def clamp_max(call: Call) -> Tensor:
    """Open below."""
    return _clamped(call, call.tensor("self"), None, call.real("max"))


def _clamped(call: Call, x: Tensor, low: float | None, high: float | None) -> Tensor:
    known: dict[tuple[float | None, float | None], Attributes] = {
        (0.0, None): Relu(),
        (0.0, 6.0): Relu6(),
        (-1.0, 1.0): ReluN1To1(),
    }
    if x.dtype is DType.FLOAT32 and (low, high) in known:
        return call.emit(known[low, high], x)
    if low is not None:
        x = call.emit(
            Maximum(), x, call.number(low, x, "low"), suffix="" if high is None else "low"
        )
    if high is not None:
        x = call.emit(Minimum(), x, call.number(high, x, "high"))
    return x


@converts("aten.leaky_relu.default")
def leaky_relu(call: Call) -> Tensor:
    """A slope for what is negative."""
    return call.emit(LeakyRelu(alpha=call.real("negative_slope", 0.01)), call.tensor("self"))


@converts("aten.prelu.default", "aten._prelu_kernel.default")
def prelu(call: Call) -> Tensor:
    """A slope for each channel; after decomposition it has the shape already."""
    x, slope = call.tensor("self"), call.tensor("weight")
    if len(slope.shape) == 1 and len(x.shape) > 1 and call.node.op == "aten.prelu.default":
        slope = call.reshaped(slope, (slope.shape[0], *(1 for _ in x.shape[2:])))
    return call.emit(Prelu(), x, slope)


@converts("aten.elu.default")
def elu(call: Call) -> Tensor:
    """``scale * (x if x > 0 else alpha * (exp(input_scale * x) - 1))``; also SELU."""
    alpha, scale = call.real("alpha", 1.0), call.real("scale", 1.0)
    call.expect("input_scale", 1, 1.0)
    return _elu(call, call.tensor("self"), alpha, scale)


@converts("aten.celu.default")
def celu(call: Call) -> Tensor:
    """Of alpha 1: an ELU."""
    call.expect("alpha", 1, 1.0)
    return call.emit(Elu(), call.tensor("self"))


@converts("aten.selu.default")
def selu(call: Call) -> Tensor:
    """Source of the numbers: PyTorch `aten/src/ATen/native/Activation.cpp`."""
    return _elu(call, call.tensor("self"), 1.6732632423543772, 1.0507009873554804)


def _elu(call: Call, x: Tensor, alpha: float, scale: float) -> Tensor:
    if alpha == 1:
        y = call.emit(Elu(), x, suffix="" if scale == 1 else "elu")
    else:
        below = call.emit(Minimum(), x, call.number(0, x, "zero"), suffix="negative")
        curve = call.emit(Elu(), below, suffix="elu")
        curve = call.emit(Mul(), curve, call.number(alpha, x, "alpha"), suffix="curve")
        y = call.emit(Add(), call.emit(Relu(), x, suffix="positive"), curve, suffix="sum")
    return y if scale == 1 else call.emit(Mul(), y, call.number(scale, x, "scale"))


@converts("aten.gelu.default")
def gelu(call: Call) -> Tensor:
    """By erf, or close to it by tanh."""
    how = call.text("approximate", "none")
    if how not in ("none", "tanh"):
        raise UserError(f'approximate is "{how}"; expected "none" or "tanh"')
    return call.emit(Gelu(approximate=how == "tanh"), call.tensor("self"))


@converts("aten.silu.default")
def silu(call: Call) -> Tensor:
    """``x * sigmoid(x)``."""
    return call.emit(Silu(), call.tensor("self"))


@converts("aten.hardswish.default")
def hardswish(call: Call) -> Tensor:
    """``x * relu6(x + 3) / 6``."""
    return call.emit(HardSwish(), call.tensor("self"))


@converts("aten.hardsigmoid.default")
def hardsigmoid(call: Call) -> Tensor:
    """``relu6(x + 3) / 6``."""
    return call.emit(HardSigmoid(), call.tensor("self"))


@converts("aten.sigmoid.default")
def sigmoid(call: Call) -> Tensor:
    """``1 / (1 + exp(-x))``."""
    return call.emit(Logistic(), call.tensor("self"))


@converts("aten.tanh.default")
def tanh(call: Call) -> Tensor:
    """Hyperbolic tangent."""
    return call.emit(Tanh(), call.tensor("self"))


@converts("aten.mish.default")
def mish(call: Call) -> Tensor:
    """``x * tanh(softplus(x))``."""
    return call.emit(Mish(), call.tensor("self"))


@converts("aten.softplus.default")
def softplus(call: Call) -> Tensor:
    """``log(1 + exp(beta * x)) / beta``; a threshold of 20 or more changes no float32."""
    x, beta = call.tensor("self"), call.real("beta", 1.0)
    if call.real("threshold", 20.0) < 20:
        raise UnsupportedError(f"threshold is {call.real('threshold'):g}; supported: 20 and more")
    if beta == 1:
        return call.emit(Softplus(), x)
    scaled = call.emit(Mul(), x, call.number(beta, x, "beta"), suffix="scaled")
    curve = call.emit(Softplus(), scaled, suffix="curve")
    return call.emit(Div(), curve, call.number(beta, x, "beta"))


@converts("aten.log_sigmoid.default")
def log_sigmoid(call: Call) -> Tensor:
    """``log(sigmoid(x))``, which is minus the softplus of -x."""
    negative = call.emit(Neg(), call.tensor("self"), suffix="negative")
    return call.emit(Neg(), call.emit(Softplus(), negative, suffix="softplus"))


@converts("aten.glu.default")
def glu(call: Call) -> Tensor:
    """One half times the sigmoid of the other."""
    x = call.tensor("self")
    axis = axis_of(call.integer("dim", -1), len(x.shape))
    if not x.shape or x.shape[axis] % 2:
        raise UserError(f"halves dimension {axis} of {x.name}{list(x.shape)}")
    half = x.shape[axis] // 2
    kept, gate = call.emit_many(Split(axis=axis, sizes=(half, half)), x, suffix="halves")
    return call.emit(Mul(), kept, call.emit(Logistic(), gate, suffix="gate"))


@converts("aten.threshold.default")
def threshold(call: Call) -> Tensor:
    """The value where x is at or under the threshold."""
    x = call.tensor("self")
    limit = call.number(call.real("threshold"), x, "threshold")
    above = call.emit(Greater(), x, limit, suffix="above")
    return call.emit(Select(), above, x, call.number(call.real("value"), x))


@converts("aten.softmax.int", "aten._softmax.default", "aten._safe_softmax.default")
def softmax(call: Call) -> Tensor:
    """Along any dimension."""
    call.expect("half_to_float", False)
    return _along(call, Softmax())


@converts("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(call: Call) -> Tensor:
    """Along any dimension."""
    call.expect("half_to_float", False)
    return _along(call, LogSoftmax())


def _along(call: Call, attributes: Softmax | LogSoftmax) -> Tensor:
    """With the dimension last."""
    x = call.tensor("self")
    if call.dtype("dtype", x.dtype) is not DType.FLOAT32:
        raise UnsupportedError(f"softmax of {x.dtype.value}; supported: float32")
    if not x.shape:
        raise UnsupportedError(f"softmax of the scalar {x.name}")
    axis, last = axis_of(call.integer("dim"), len(x.shape)), len(x.shape) - 1
    order = list(range(len(x.shape)))
    order[axis], order[last] = last, axis
    y = call.emit(attributes, call.builder.transposed(x, order))
    return call.builder.transposed(y, order)
