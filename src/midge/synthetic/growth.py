"""A random network while it grows: what the steps of `midge.synthetic.steps` work on."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from midge.synthetic.choices import Choices
from midge.synthetic.network_builder import NetworkBuilder


class Growth:
    """A network that grows: each step reads a tensor that exists and adds an operator.

    Attributes:
        choices: Where decisions come from.
        builder: Collects tensors and operators.
        max_elements: Most elements of an activation.
        ops: Operators to choose from, by their schema names.
        computed: Outputs of operators, oldest first.
        read: Tensors that an operator reads.
    """

    def __init__(self, choices: Choices, max_elements: int, ops: tuple[str, ...]) -> None:
        self.choices = choices
        self.max_elements = max_elements
        self.ops = ops
        self.builder = NetworkBuilder(seed=choices.integer(0, 2**32 - 1))
        self.computed: list[str] = []
        self.read: set[str] = set()

    def done(self, result: str, *operands: str) -> str:
        """Note an operator's output and the tensors that it read."""
        self.computed.append(result)
        self.read.update(operands)
        return result

    def image(self, x: str) -> str | None:
        """`x` as an NHWC image, adding a RESHAPE if it is none; None where that is not allowed."""
        shape = self.builder.shape(x)
        if len(shape) == 4:
            return x
        if "RESHAPE" not in self.ops:
            return None
        return self.done(self.builder.reshape(x, self.factors(prod(shape), 4), None), x)

    def factors(self, size: int, rank: int) -> tuple[int, ...]:
        """A shape of this rank with so many elements."""
        factors = []
        for _ in range(rank - 1):
            factors.append(self.choices.divisor(size))
            size //= factors[-1]
        return (*factors, size)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an activation of this shape is within the limit."""
        return prod(shape) <= self.max_elements


Step = Callable[[Growth, str], str | None]
"""Adds an operator that reads a tensor; its output, or None where it cannot take that tensor."""

Case = tuple[str, Callable[[NetworkBuilder], str | list[str]]]
"""A name, ``OPERATOR/what``, and the function that adds the operator and returns its output(s)."""
