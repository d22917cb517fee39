"""Random valid int8 networks over the operators that Midge compiles.

They branch (residual additions, tensors read twice, several inputs and outputs, constant
operands), meet the corners of every attribute (SAME with kernels larger than the input, strides
larger than the kernel, dilation, groups, sizes of 1, batches), and, because scales are calibrated
by simulation, their outputs carry information. A fraction has extreme numbers on purpose (see
`random_numbers`).

TFLite Micro takes all of them; that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from midge.errors import UserError
from midge.synthetic.choices import Choices, Draw, seeded
from midge.synthetic.float_simulation import output_size
from midge.synthetic.model_description import (
    AddOptions,
    Conv2DOptions,
    DepthwiseConv2DOptions,
    FullyConnectedOptions,
    ModelDescription,
    Pair,
    Pool2DOptions,
    Quantization,
)
from midge.synthetic.network_builder import NetworkBuilder
from midge.synthetic.random_numbers import (
    random_calibration,
    random_layer,
    random_quantization,
    random_zero_point,
)
from midge.synthetic.synthetic_network import SyntheticNetwork

OPERATORS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "ADD",
    "SOFTMAX",
    "RESHAPE",
    "PAD",
)

MAX_SOFTMAX_DEPTH = 511
"""TFLite Micro stops the process on rows whose exponentials sum to 512 (reference/softmax.h)."""

_ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_WEIGHTS_PER_ELEMENT = 4
_PRODUCTS_PER_ELEMENT = 128
_ATTEMPTS_PER_OPERATOR = 20


def random_network(
    choices: int | np.random.Generator | Draw,
    *,
    max_ops: int = 8,
    max_elements: int = 2048,
    ops: Iterable[str] = OPERATORS,
) -> SyntheticNetwork:
    """Generate one network.

    Args:
        choices: A seed, a generator, or a function ``draw(low, high)`` (see `choices`); the same
            decisions give the same bytes.
        max_ops: Most operators; the last step may add one more (a residual branch, or a reshape
            to the image that an operator needs).
        max_elements: Most elements of an activation; weights have at most four times as many.
        ops: The operators to choose from, by their schema names, the simplest first. Without
            RESHAPE all activations keep the rank that the operators give them.

    Raises:
        UserError: No operator of `ops` fits into `max_elements`.
    """
    limits = f"max_ops={max_ops}, max_elements={max_elements}"
    if isinstance(choices, int):
        origin = f"random_network({choices}, {limits})"
        draw = seeded(np.random.default_rng(choices))
    elif isinstance(choices, np.random.Generator):
        origin, draw = f"random_network(generator, {limits})", seeded(choices)
    else:
        origin, draw = f"random_network(draw, {limits})", choices
    growth = _Growth(Choices(draw), max_elements, tuple(ops))
    return SyntheticNetwork(origin, growth.grow(max_ops))


class _Growth:
    """A network while it grows: each step reads a tensor that exists and adds an operator.

    A step returns its output's name, or None when its operator cannot take that tensor.
    """

    def __init__(self, choices: Choices, max_elements: int, ops: tuple[str, ...]) -> None:
        self._choices = choices
        self._max_elements = max_elements
        self._ops = ops
        # One-hot rows and forgotten layouts make the rest of a network dull: half as many of those.
        self._menu = [op for op in ops for _ in range(1 if op in ("SOFTMAX", "RESHAPE") else 2)]
        self._builder = NetworkBuilder(seed=choices.integer(0, 2**32 - 1))
        self._computed: list[str] = []  # operator outputs, oldest first
        self._read: set[str] = set()
        self._steps: dict[str, Callable[[str], str | None]] = {
            "CONV_2D": self._conv_2d,
            "DEPTHWISE_CONV_2D": self._depthwise_conv_2d,
            "FULLY_CONNECTED": self._fully_connected,
            "AVERAGE_POOL_2D": lambda x: self._pool_2d("AVERAGE_POOL_2D", x),
            "MAX_POOL_2D": lambda x: self._pool_2d("MAX_POOL_2D", x),
            "ADD": self._add,
            "SOFTMAX": self._softmax,
            "RESHAPE": self._reshape,
            "PAD": self._pad,
        }

    def grow(self, max_ops: int) -> ModelDescription:
        """Return a network of about `max_ops` operators, at least one."""
        first = self._builder.input(self._input_shape(), random_quantization(self._choices))
        count = self._choices.integer(1, max_ops)
        for _ in range(_ATTEMPTS_PER_OPERATOR * count):
            if self._builder.operator_count >= count:
                break
            sources = [first, *self._computed]
            # Mostly go on from the newest tensor; sometimes branch off an older one.
            back = self._choices.integer(1, len(sources)) if self._choices.one_in(4) else 1
            self._steps[self._choices.one_of(self._menu)](sources[-back])
        if not self._computed:
            raise UserError(
                f"random network: none of {sorted(self._ops)} fits into {self._max_elements} "
                "elements; allow more elements or other operators"
            )
        outputs = [name for name in self._computed if name not in self._read]
        inner = [name for name in self._computed if name in self._read]
        if inner and self._choices.one_in(4):  # an output that is also read inside the network
            outputs.append(self._choices.one_of(inner))
        return self._builder.build(outputs)

    def _done(self, result: str, *operands: str) -> str:
        self._computed.append(result)
        self._read.update(operands)
        return result

    def _input_shape(self) -> tuple[int, ...]:
        batch = self._choices.one_of((1, 1, 1, 2, 3))
        sizes = [batch, *(self._choices.integer(1, 12) for _ in range(3))]
        while prod(sizes) > self._max_elements:
            largest = sizes.index(max(sizes))
            sizes[largest] = (sizes[largest] + 1) // 2
        if "RESHAPE" in self._ops and self._choices.one_in(6):
            sizes = sizes[self._choices.integer(1, 3) :]
        return tuple(sizes)

    def _image(self, x: str) -> str | None:
        """Return `x` as an NHWC image, adding a RESHAPE if it is none."""
        shape = self._builder.shape(x)
        if len(shape) == 4:
            return x
        if "RESHAPE" not in self._ops:
            return None
        return self._done(self._builder.reshape(x, self._factors(prod(shape), 4), None), x)

    def _factors(self, size: int, rank: int) -> tuple[int, ...]:
        factors = []
        for _ in range(rank - 1):
            factors.append(self._choices.divisor(size))
            size //= factors[-1]
        return (*factors, size)

    def _activation(self) -> str:
        return self._choices.one_of(_ACTIVATIONS)

    def _window(self, height: int, width: int, may_dilate: bool) -> tuple[Pair, Pair, Pair, str]:
        """Return kernel, stride, dilation and padding for an image of this size."""
        axes = [self._window_axis(size, may_dilate) for size in (height, width)]
        kernel, stride, dilation = ((axes[0][i], axes[1][i]) for i in range(3))
        padding = self._choices.one_of(("SAME", "VALID"))
        fits = all(
            output_size(size, *axis, "VALID") >= 1
            for size, axis in zip((height, width), axes, strict=True)
        )
        return kernel, stride, dilation, padding if fits else "SAME"

    def _window_axis(self, size: int, may_dilate: bool) -> tuple[int, int, int]:
        integer, one_of = self._choices.integer, self._choices.one_of
        kernel = one_of((1, 3, None, size, size + 1)) or integer(1, 5)
        stride = one_of((1, 1, 2, None, kernel + 1)) or integer(1, 4)
        dilation = (one_of((1, 1, None)) or integer(2, 4)) if may_dilate else 1
        return kernel, stride, dilation

    def _room(self, positions: int, products: int, weights: int) -> int:
        """Return how many output channels the limits leave.

        Args:
            positions: Output elements per channel.
            products: Multiplications per output element.
            weights: Weights per output channel.
        """
        limit = self._max_elements
        return min(
            limit // positions,
            _PRODUCTS_PER_ELEMENT * limit // (positions * products),
            _WEIGHTS_PER_ELEMENT * limit // weights,
        )

    def _conv_2d(self, source: str, *, keep_shape: bool = False) -> str | None:
        x = self._image(source)
        if x is None:
            return None
        batch, height, width, depth = self._builder.shape(x)
        kernel, stride, dilation, padding = self._window(height, width, may_dilate=True)
        if keep_shape:
            stride, padding = (1, 1), "SAME"
        groups = self._choices.divisor(depth) if self._choices.one_in(4) else 1
        taps = prod(kernel) * depth // groups
        positions = batch * _positions((height, width), kernel, stride, dilation, padding)
        room = self._room(positions, taps, taps)
        channels = depth
        if not keep_shape:
            channels = groups * self._choices.integer(1, max(min(room // groups, 16), 1))
        if channels > room:
            return None
        weights, output = random_layer(
            self._choices,
            self._builder.rng,
            self._builder.quantization(x).scale,
            (channels, *kernel, depth // groups),
            0,
        )
        options = Conv2DOptions(padding, stride, dilation, self._activation())
        return self._done(self._builder.conv_2d(x, weights, options, output), x)

    def _depthwise_conv_2d(self, source: str, *, keep_shape: bool = False) -> str | None:
        x = self._image(source)
        if x is None:
            return None
        batch, height, width, depth = self._builder.shape(x)
        kernel, stride, dilation, padding = self._window(height, width, may_dilate=True)
        multiplier = self._choices.one_of((1, 1, 2, 3, 4))
        if keep_shape:
            stride, padding, multiplier = (1, 1), "SAME", 1
        positions = batch * _positions((height, width), kernel, stride, dilation, padding)
        if depth * multiplier > self._room(positions, prod(kernel), prod(kernel)):
            return None
        weights, output = random_layer(
            self._choices,
            self._builder.rng,
            self._builder.quantization(x).scale,
            (1, *kernel, depth * multiplier),
            3,
        )
        # TFLite Micro crashes on a bias of -1 here (micro/kernels/depthwise_conv_common.cc).
        weights = replace(weights, absent_as_input=False)
        options = DepthwiseConv2DOptions(padding, stride, dilation, multiplier, self._activation())
        return self._done(self._builder.depthwise_conv_2d(x, weights, options, output), x)

    def _fully_connected(self, x: str) -> str | None:
        shape = self._builder.shape(x)
        first_summed = self._choices.one_of((len(shape) - 1, min(1, len(shape) - 1), 0))
        depth = prod(shape[first_summed:])
        rows = prod(shape[:first_summed])
        room = self._room(rows, depth, depth)
        if room < 1:
            return None
        units = self._choices.integer(1, min(room, 24))
        keep = first_summed == len(shape) - 1 and self._choices.one_in(2)
        weights, output = random_layer(
            self._choices,
            self._builder.rng,
            self._builder.quantization(x).scale,
            (units, depth),
            0,
        )
        options = FullyConnectedOptions(self._activation(), keep_num_dims=keep)
        return self._done(self._builder.fully_connected(x, weights, options, output), x)

    def _pool_2d(self, op: str, source: str, *, keep_shape: bool = False) -> str | None:
        x = self._image(source)
        if x is None:
            return None
        height, width = self._builder.shape(x)[1:3]
        kernel, stride, _, padding = self._window(height, width, may_dilate=False)
        if keep_shape:
            stride, padding = (1, 1), "SAME"
        options = Pool2DOptions(kernel, padding, stride, self._activation())
        return self._done(self._builder.pool_2d(op, x, options), x)

    def _add(self, x: str) -> str | None:
        kind = self._choices.one_of(("constant", "itself", "earlier", "residual", "input"))
        other: str | None = None
        if kind == "itself":
            other = x
        elif kind == "earlier":
            fitting = [name for name in self._computed if name != x and self._can_add(x, name)]
            other = self._choices.one_of(fitting) if fitting else None
        elif kind == "residual":
            other = self._residual_branch(x)
        elif kind == "input":
            quantization = random_quantization(self._choices)
            other = self._builder.input(self._operand_shape(x), quantization)
        if other is None:
            other = self._constant_operand(x)
        first, second = (other, x) if self._choices.one_in(2) else (x, other)
        options = AddOptions(self._activation())
        output = random_calibration(self._choices)
        return self._done(self._builder.add(first, second, options, output), first, second)

    def _can_add(self, a: str, b: str) -> bool:
        try:
            shape = np.broadcast_shapes(self._builder.shape(a), self._builder.shape(b))
        except ValueError:
            return False
        return prod(shape) <= self._max_elements

    def _residual_branch(self, x: str) -> str | None:
        """Add an operator that keeps `x`'s shape; None if none can."""
        if len(self._builder.shape(x)) != 4:
            return None
        kinds: list[Callable[[], str | None]] = []
        if "CONV_2D" in self._ops:
            kinds.append(lambda: self._conv_2d(x, keep_shape=True))
        if "DEPTHWISE_CONV_2D" in self._ops:
            kinds.append(lambda: self._depthwise_conv_2d(x, keep_shape=True))
        if "MAX_POOL_2D" in self._ops:
            kinds.append(lambda: self._pool_2d("MAX_POOL_2D", x, keep_shape=True))
        return self._choices.one_of(kinds)() if kinds else None

    def _constant_operand(self, x: str) -> str:
        codes = self._builder.rng.integers(-128, 128, self._operand_shape(x)).astype(np.int8)
        reach = self._choices.one_of((0, 3, 3, 20))
        exponent = self._choices.integer(-reach, reach) if reach else 0
        scale = self._builder.quantization(x).scale * 2.0**exponent
        quantization = Quantization((scale,), (random_zero_point(self._choices),))
        return self._builder.constant(codes, quantization)

    def _operand_shape(self, x: str) -> tuple[int, ...]:
        """Return a shape that broadcasts with `x`'s."""
        shape = list(self._builder.shape(x))
        kind = self._choices.one_of(("same", "last axis", "some axes", "larger", "one element"))
        if kind == "last axis":
            return (shape[-1],)
        if kind == "one element":
            return (1,)
        if kind == "some axes":
            return tuple(1 if self._choices.one_in(2) else size for size in shape)
        if kind == "larger":  # the sum is larger than x
            for axis, size in enumerate(shape):
                if size == 1 and 2 * prod(shape) <= self._max_elements:
                    shape[axis] = 2
        return tuple(shape)

    def _softmax(self, x: str) -> str | None:
        beta = self._choices.one_of((1.0, 1.0, 0.5, 0.1, 0.03, 20.0))
        too_flat = beta * self._builder.quantization(x).scale * 2**26 <= 1
        if too_flat or self._builder.shape(x)[-1] > MAX_SOFTMAX_DEPTH:
            return None
        return self._done(self._builder.softmax(x, beta), x)

    def _reshape(self, x: str) -> str:
        shape = self._factors(prod(self._builder.shape(x)), self._choices.integer(1, 4))
        kind = self._choices.one_of(("operand", "operand with -1", "attribute"))
        written: Sequence[int] | None = shape
        if kind == "attribute":
            written = None
        elif kind == "operand with -1":
            free = self._choices.integer(0, len(shape) - 1)
            written = [-1 if axis == free else size for axis, size in enumerate(shape)]
        return self._done(self._builder.reshape(x, shape, written), x)

    def _pad(self, x: str) -> str:
        paddings: list[tuple[int, int]] = []
        sizes = list(self._builder.shape(x))
        for axis, size in enumerate(sizes):
            is_outer = axis == 0 and len(sizes) > 1  # padding a batch is legal and rare
            most = 0 if is_outer and not self._choices.one_in(8) else 3
            pair = (self._choices.integer(0, most), self._choices.integer(0, most))
            sizes[axis] = size + sum(pair)
            if prod(sizes) > self._max_elements:
                pair, sizes[axis] = (0, 0), size
            paddings.append(pair)
        return self._done(self._builder.pad(x, paddings), x)


def _positions(image: Pair, kernel: Pair, stride: Pair, dilation: Pair, padding: str) -> int:
    axes = zip(image, kernel, stride, dilation, strict=True)
    return prod(output_size(*axis, padding) for axis in axes)
