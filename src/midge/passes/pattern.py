"""What passes share that find one operator spelt out in several."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isclose

import numpy as np

from midge.graph import Activation, Attributes, DType, Graph, Op, Tensor
from midge.graph.elementwise import Activated
from midge.graph.ops.div import Div
from midge.graph.ops.mul import Mul

CLOSE = 1e-5
"""Of a constant, relative: writers round their numbers in several ways."""
DEEPEST_PRODUCT = 4
"""Products and quotients in a row that are read as one."""


@dataclass(frozen=True)
class Product:
    """A tensor as a number times other tensors.

    Attributes:
        coefficient: The number.
        factors: Names of the tensors, in the order in which they are met.
    """

    coefficient: float
    factors: tuple[str, ...]


class Pattern:
    """A float graph that is read backwards.

    Everything between the operator where a pattern ends and the tensors where it begins has one
    reader, so that nothing of it is left once the operator reads those tensors itself.
    """

    def __init__(self, graph: Graph) -> None:
        """Index a verified graph."""
        self.tensors = dict(graph.tensors)
        self.producers = {name: op for op in graph.ops for name in op.outputs}
        self.readers = Counter(n for op in graph.ops for n in op.inputs if n)
        self.readers.update(graph.outputs)

    def is_float(self, op: Op) -> bool:
        """True for an operator that gives one float32 tensor and does not clamp it."""
        attributes = op.attributes
        if isinstance(attributes, Activated) and attributes.activation is not Activation.NONE:
            return False
        return len(op.outputs) == 1 and self.tensors[op.outputs[0]].dtype is DType.FLOAT32

    def made(self, name: str, *kinds: type[Attributes], readers: int = 1) -> Op | None:
        """What computes a tensor, if it is one of these operators and so often read."""
        op = self.producers.get(name)
        if op is None or not isinstance(op.attributes, kinds) or not self.is_float(op):
            return None
        return op if self.readers[name] == readers else None

    def number(self, name: str) -> float | None:
        """A constant of one element."""
        tensor = self.tensors[name] if name else None
        if tensor is None or not tensor.is_constant or tensor.size != 1:
            return None
        return float(np.asarray(tensor.data).reshape(-1)[0])

    def is_number(self, name: str, value: float) -> bool:
        """True for a constant that is this number, as writers round it."""
        found = self.number(name)
        return found is not None and isclose(found, value, rel_tol=CLOSE)

    def beside_number(self, op: Op, value: float) -> str | None:
        """The operand that stands beside this number, in either order."""
        a, b = op.inputs
        if self.is_number(b, value):
            return a
        return b if self.is_number(a, value) else None

    def constant(self, name: str) -> Tensor | None:
        """A constant tensor."""
        tensor = self.tensors[name]
        return tensor if tensor.is_constant else None

    def product(self, op: Op, depth: int = DEEPEST_PRODUCT) -> Product:
        """What an operator multiplies, through products and quotients by numbers behind it."""
        if not isinstance(op.attributes, Mul | Div) or not self.is_float(op):
            return Product(1.0, op.outputs)
        a, b = op.inputs
        if isinstance(op.attributes, Div):
            divisor = self.number(b)
            if not divisor:
                return Product(1.0, op.outputs)
            inner = self._factor(a, depth)
            return Product(inner.coefficient / divisor, inner.factors)
        left, right = self._factor(a, depth), self._factor(b, depth)
        return Product(left.coefficient * right.coefficient, left.factors + right.factors)

    def _factor(self, name: str, depth: int) -> Product:
        value = self.number(name)
        if value is not None:
            return Product(value, ())
        op = self.made(name, Mul, Div)
        if op is None or depth == 1:
            return Product(1.0, (name,))
        return self.product(op, depth - 1)
