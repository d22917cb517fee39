"""Functions that frameworks spell out become one operator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from midge.graph import Attributes, Tensor, verify
from midge.graph.ops.add import Add, SquaredDifference, Sub
from midge.graph.ops.div import Div
from midge.graph.ops.elementary_functions import Rsqrt, Sqrt, Square
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.layer_norm import LayerNorm
from midge.graph.ops.logistic_tanh import Logistic
from midge.graph.ops.mul import Mul
from midge.graph.ops.reductions import Mean
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid
from midge.passes.fuse_gated_units import fuse_gated_units
from midge.passes.fuse_layer_norm import fuse_layer_norm
from midge.passes.to_channels_last import to_channels_last
from support.channels_first import ChannelsFirst, assert_same, kinds, transposes

ROUNDING = 2e-6


class Net(ChannelsFirst):
    def number(self, value: float) -> Tensor:
        return self.builder.constant("number", np.full((), value, np.float32))

    def op(self, attributes: Attributes, *operands: Tensor | float) -> Tensor:
        tensors = [self.number(o) if isinstance(o, float) else o for o in operands]
        return self.builder.one(attributes.kind, attributes, tensors)

    def raised(self, x: Tensor) -> Tensor:
        return self.relu6(self.op(Add(), x, 3.0))

    def erf(self, x: Tensor) -> Tensor:
        return self.op(Add(), self.op(Erf(), self.op(Div(), x, math.sqrt(2))), 1.0)


UNITS: dict[str, tuple[Callable[[Net, Tensor], Tensor], str]] = {
    "silu": (lambda n, x: n.op(Mul(), x, n.op(Logistic(), x)), "silu"),
    "silu, gate first": (lambda n, x: n.op(Mul(), n.op(Logistic(), x), x), "silu"),
    "hard_swish": (lambda n, x: n.op(Div(), n.op(Mul(), x, n.raised(x)), 6.0), "hard_swish"),
    "hard_swish, divided first": (
        lambda n, x: n.op(Mul(), x, n.op(Div(), n.raised(x), 6.0)),
        "hard_swish",
    ),
    "hard_swish, multiplied": (
        lambda n, x: n.op(Mul(), 1 / 6, n.op(Mul(), n.raised(x), x)),
        "hard_swish",
    ),
    "hard_swish, clamped": (
        lambda n, x: n.op(
            Mul(),
            n.op(Mul(), x, 1 / 6),
            n.op(Minimum(), n.op(Maximum(), n.op(Add(), 3.0, x), 0.0), 6.0),
        ),
        "hard_swish",
    ),
    "hard_swish, clamped from above first": (
        lambda n, x: n.op(
            Div(),
            n.op(Mul(), x, n.op(Maximum(), n.op(Minimum(), n.op(Add(), x, 3.0), 6.0), 0.0)),
            6.0,
        ),
        "hard_swish",
    ),
    "hard_swish, relu and minimum": (
        lambda n, x: n.op(
            Div(), n.op(Mul(), x, n.op(Minimum(), n.relu(n.op(Add(), x, 3.0)), 6.0)), 6.0
        ),
        "hard_swish",
    ),
    "hard_swish of a hard_sigmoid": (
        lambda n, x: n.op(Mul(), x, n.op(HardSigmoid(), x)),
        "hard_swish",
    ),
    "hard_sigmoid": (lambda n, x: n.op(Div(), n.raised(x), 6.0), "hard_sigmoid"),
    "gelu": (lambda n, x: n.op(Mul(), n.op(Mul(), x, 0.5), n.erf(x)), "gelu"),
    "gelu, halved last": (lambda n, x: n.op(Mul(), n.op(Mul(), x, n.erf(x)), 0.5), "gelu"),
    "gelu, halved inside": (lambda n, x: n.op(Mul(), n.op(Div(), n.erf(x), 2.0), x), "gelu"),
    "gelu, multiplied": (
        lambda n, x: n.op(
            Mul(),
            n.op(Mul(), x, 0.5),
            n.op(Add(), 1.0, n.op(Erf(), n.op(Mul(), x, 0.70710678))),
        ),
        "gelu",
    ),
}


@pytest.mark.tiny
@pytest.mark.parametrize("case", UNITS)
def test_gated_units(case: str) -> None:
    make, kind = UNITS[case]
    net = Net()
    before = net.graph(make(net, net.relu(net.op(Mul(), net.input(2, 40), 4.0))), net.inputs[0])
    after = verify(fuse_gated_units(before))
    assert kinds(after) == ["mul", "relu", kind]
    assert_same(before, after, tolerance=ROUNDING)
    assert fuse_gated_units(after) is after


@pytest.mark.tiny
@pytest.mark.parametrize(
    "make",
    [
        lambda n, x: n.op(Mul(), x, n.op(Logistic(), n.relu(x))),
        lambda n, x: n.op(Mul(), n.op(Mul(), x, n.op(Logistic(), n.op(Mul(), x, 2.0))), 2.0),
        lambda n, x: n.op(Div(), n.op(Mul(), x, n.raised(x)), 5.0),
        lambda n, x: n.op(Div(), n.op(Mul(), x, n.relu6(n.op(Add(), x, 2.0))), 6.0),
        lambda n, x: n.op(Mul(), n.op(Mul(), x, 0.25), n.erf(x)),
        lambda n, x: n.op(Mul(), n.op(Mul(), x, 0.5), n.op(Add(), n.op(Erf(), x), 1.0)),
        lambda n, x: n.op(Mul(), x, n.op(HardSigmoid(alpha=0.2), x)),
        lambda n, x: n.op(Div(), 6.0, n.raised(x)),
        lambda n, x: n.op(Div(), n.op(Mul(), x, n.op(Minimum(), n.op(Add(), x, 3.0), 6.0)), 6.0),
        lambda n, x: n.op(
            Mul(), n.op(Add(), x, n.constant(40)), n.op(Logistic(), n.op(Add(), x, 1.0))
        ),
    ],
)
def test_what_only_looks_like_one_stays(make: Callable[[Net, Tensor], Tensor]) -> None:
    net = Net()
    graph = net.graph(make(net, net.input(2, 40)))
    assert fuse_gated_units(graph) is graph


@pytest.mark.tiny
def test_a_gate_that_others_read_stays() -> None:
    net = Net()
    x = net.input(2, 40)
    gate = net.op(Logistic(), x)
    graph = net.graph(net.op(Mul(), x, gate), net.relu(gate))
    assert fuse_gated_units(graph) is graph


def spelt_out(net: Net, x: Tensor, form: str) -> Tensor:
    def mean(t: Tensor) -> Tensor:
        return net.op(Mean(axes=(len(x.shape) - 1,), keep_dims=True), t)

    centre = mean(x)
    d = net.op(Sub(), x, centre)
    squares = {
        "square": lambda: net.op(Square(), d),
        "product": lambda: net.op(Mul(), d, d),
        "difference": lambda: net.op(SquaredDifference(), x, centre),
        "twice": lambda: net.op(Square(), net.op(Sub(), x, mean(x))),
        "rsqrt": lambda: net.op(Square(), d),
    }[form]()
    total = net.op(Add(), mean(squares), 1e-3)
    if form == "rsqrt":
        return net.op(Mul(), net.op(Rsqrt(), total), d)
    return net.op(Div(), d, net.op(Sqrt(), total))


@pytest.mark.tiny
@pytest.mark.parametrize("form", ["square", "product", "difference", "twice", "rsqrt"])
@pytest.mark.parametrize("behind", ["nothing", "gamma", "beta", "both"])
def test_layer_norm(form: str, behind: str) -> None:
    net = Net()
    y = spelt_out(net, net.relu(net.input(2, 3, 12)), form)
    if behind in ("gamma", "both"):
        y = net.op(Mul(), net.constant(1, 1, 12), y)
    if behind in ("beta", "both"):
        y = net.op(Add(), y, net.constant(12))
    before = net.graph(net.relu(y))
    after = verify(fuse_layer_norm(before))
    assert kinds(after) == ["relu", "layer_norm", "relu"]
    norm = after.ops[1]
    assert norm.attributes == LayerNorm(epsilon=float(np.float32(1e-3)))
    assert [bool(n) for n in norm.inputs] == {
        "nothing": [True],
        "gamma": [True, True],
        "beta": [True, False, True],
        "both": [True, True, True],
    }[behind]
    assert_same(before, after, tolerance=5e-6)
    assert fuse_layer_norm(after) is after


@pytest.mark.tiny
def test_layer_norm_over_channels_of_an_image() -> None:
    net = Net()
    x = net.conv(net.input(1, 3, 6, 6), 8)
    axes = Mean(axes=(1,), keep_dims=True)
    d = net.op(Sub(), x, net.op(axes, x))
    root = net.op(Sqrt(), net.op(Add(), net.op(axes, net.op(Mul(), d, d)), 1e-6))
    y = net.op(
        Add(), net.op(Mul(), net.op(Div(), d, root), net.constant(8, 1, 1)), net.constant(8, 1, 1)
    )
    before = net.graph(net.conv(y, 4))
    after = verify(to_channels_last(before))
    assert kinds(after) == ["conv_2d", "layer_norm", "conv_2d"]
    assert not transposes(after)
    assert_same(before, after, tolerance=2e-5)


@pytest.mark.tiny
def test_constants_of_other_rows_stay_behind_a_layer_norm() -> None:
    net = Net()
    y = spelt_out(net, net.relu(net.input(2, 3, 12)), "square")
    shifted = net.op(Add(), y, net.constant(3, 12))
    before = net.graph(net.op(Mul(), shifted, net.constant(12)))
    after = verify(fuse_layer_norm(before))
    assert kinds(after) == ["relu", "layer_norm", "add", "mul"]
    assert_same(before, after, tolerance=5e-6)


@pytest.mark.tiny
def test_a_variance_along_another_dimension_is_no_layer_norm() -> None:
    net = Net()
    x = net.input(2, 12, 12)
    d = net.op(Sub(), x, net.op(Mean(axes=(2,), keep_dims=True), x))
    variance = net.op(Mean(axes=(1,), keep_dims=True), net.op(Square(), d))
    graph = net.graph(net.op(Div(), d, net.op(Sqrt(), net.op(Add(), variance, 1e-3))))
    assert fuse_layer_norm(graph) is graph
