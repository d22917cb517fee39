"""Random valid networks over the operators that Midge compiles, in int8, int16 and float32.

They branch (residual additions, tensors read twice, several inputs and outputs, constant
operands), meet the corners of every attribute (SAME with kernels larger than the input, strides
larger than the kernel, dilation, groups, sizes of 1, batches), and, because scales are calibrated
by simulation, their outputs carry information. A fraction has extreme numbers on purpose (see
`random_numbers`).

TFLite Micro takes all of them but those with an operator of `NOT_IN_TFLITE_MICRO`; that is tested.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

import numpy as np

from midge.errors import UserError
from midge.synthetic.choices import Choices, Draw, seeded
from midge.synthetic.growth import Growth
from midge.synthetic.model_description import ModelDescription
from midge.synthetic.random_numbers import random_input_quantization
from midge.synthetic.steps import STEPS
from midge.synthetic.steps.spine import STEPS as SPINE_STEPS
from midge.synthetic.synthetic_network import SyntheticNetwork

OPERATORS = tuple(STEPS)
"""Every operator that random networks may have, the simplest first."""
SPINE = tuple(SPINE_STEPS)
"""Those of ordinary convolutional networks."""

_ATTEMPTS_PER_OPERATOR = 20
_DULL = ("SOFTMAX", "RESHAPE")
"""One-hot rows and forgotten layouts make the rest of a network dull: half as many of those."""


def random_network(
    choices: int | np.random.Generator | Draw,
    *,
    max_ops: int = 8,
    max_elements: int = 2048,
    ops: Iterable[str] = SPINE,
    dtype: str = "int8",
) -> SyntheticNetwork:
    """Generate one network.

    Args:
        choices: A seed, a generator, or a function ``draw(low, high)`` (see `choices`); the same
            decisions give the same bytes.
        max_ops: Most operators; the last step may add a few more (a residual branch, or a reshape
            to the image that an operator needs).
        max_elements: Most elements of an activation; weights have at most four times as many.
        ops: The operators to choose from, by their schema names, the simplest first. Without
            RESHAPE all activations keep the rank that the operators give them.
        dtype: Element type of the first input; what follows is up to the operators.

    Raises:
        UserError: No operator of `ops` fits into `max_elements`.
    """
    limits = f"max_ops={max_ops}, max_elements={max_elements}"
    chosen = tuple(ops)
    if chosen != SPINE:
        limits += f", ops={'OPERATORS' if chosen == OPERATORS else chosen}"
    if dtype != "int8":
        limits += f", dtype={dtype!r}"
    if isinstance(choices, int):
        origin = f"random_network({choices}, {limits})"
        draw = seeded(np.random.default_rng(choices))
    elif isinstance(choices, np.random.Generator):
        origin, draw = f"random_network(generator, {limits})", seeded(choices)
    else:
        origin, draw = f"random_network(draw, {limits})", choices
    growth = Growth(Choices(draw), max_elements, chosen)
    return SyntheticNetwork(origin, _grow(growth, max_ops, dtype))


def _grow(growth: Growth, max_ops: int, dtype: str) -> ModelDescription:
    """Return a network of about `max_ops` operators, at least one."""
    choices, builder = growth.choices, growth.builder
    menu = [op for op in growth.ops for _ in range(1 if op in _DULL else 2)]
    first = builder.input(_input_shape(growth), random_input_quantization(choices, dtype), dtype)
    count = choices.integer(1, max_ops)
    for _ in range(_ATTEMPTS_PER_OPERATOR * count):
        if builder.operator_count >= count:
            break
        sources = [first, *growth.computed]
        # Mostly go on from the newest tensor; sometimes branch off an older one.
        back = choices.integer(1, len(sources)) if choices.one_in(4) else 1
        op = choices.one_of(menu)
        ways = STEPS[op]
        if growth.ops == SPINE:
            SPINE_STEPS[op](growth, sources[-back])
        else:
            turn = choices.integer(0, len(ways) - 1)
            for step in (*ways[turn:], *ways[:turn]):
                if step(growth, sources[-back]) is not None:
                    break
    if not growth.computed:
        raise UserError(
            f"random network: none of {sorted(growth.ops)} fits into {growth.max_elements} "
            "elements; allow more elements or other operators"
        )
    outputs = [name for name in growth.computed if name not in growth.read]
    inner = [name for name in growth.computed if name in growth.read]
    if inner and choices.one_in(4):  # an output that is also read inside the network
        outputs.append(choices.one_of(inner))
    return builder.build(outputs)


def _input_shape(growth: Growth) -> tuple[int, ...]:
    choices = growth.choices
    batch = choices.one_of((1, 1, 1, 2, 3))
    sizes = [batch, *(choices.integer(1, 12) for _ in range(3))]
    while prod(sizes) > growth.max_elements:
        largest = sizes.index(max(sizes))
        sizes[largest] = (sizes[largest] + 1) // 2
    if "RESHAPE" in growth.ops and choices.one_in(6):
        sizes = sizes[choices.integer(1, 3) :]
    return tuple(sizes)
