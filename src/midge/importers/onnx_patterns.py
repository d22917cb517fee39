"""Units that exporters write as several nodes, as one again.

GELU stands in many files as ``x * (1 + erf(x / sqrt(2))) / 2``, with its factors in any order.
Quantised, one function of one value is one table; its parts would be five, each with a rounding.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from midge.importers.onnx_file import Constant, OnnxModel, OnnxNode

_SQRT_2 = math.sqrt(2)
GELU = "Gelu"
MICROSOFT = "com.microsoft"
"""The domain whose Gelu every opset has."""


def with_units(model: OnnxModel) -> OnnxModel:
    """The model with one node where such a pattern stood; every other value stays as it is."""
    matcher = _Matcher(model)
    replaced: dict[int, OnnxNode | None] = {}
    for node in model.nodes:
        if node.op_type == "Erf" and len(node.inputs) == len(node.outputs) == 1:
            replaced |= matcher.gelu(node)
    kept = (replaced.get(node.index, node) for node in model.nodes)
    return replace(model, nodes=tuple(n for n in kept if n is not None))


class _Matcher:
    """Who reads and who writes each value."""

    def __init__(self, model: OnnxModel) -> None:
        self.producers = {name: n for n in model.nodes for name in n.outputs if name}
        self.readers: dict[str, list[OnnxNode]] = {}
        for node in model.nodes:
            for name in node.inputs:
                self.readers.setdefault(name, []).append(node)
        self.outputs = Counter(o.name for o in model.outputs)
        self.constants: Mapping[str, Constant] = model.constants

    def gelu(self, erf: OnnxNode) -> dict[int, OnnxNode | None]:
        """What the nodes around an erf become: its last one a Gelu, the others none."""
        inner = self.producers.get(erf.inputs[0])
        if inner is None or len(self.readers.get(erf.inputs[0], ())) != 1:
            return {}
        x = self._scaled(inner, 1 / _SQRT_2)
        raised = self._only_reader(erf)
        if x is None or raised is None or self._other(raised, erf.outputs[0], "Add", 1.0) is None:
            return {}
        # x, the sum and 1/2 are multiplied in any order.
        members = [inner, erf, raised]
        product = self._only_reader(raised)
        if product is None or product.op_type != "Mul":
            return {}
        other = _partner(product, raised.outputs[0])
        halved = self.producers.get(other) if other is not None else None
        if (
            halved is not None
            and len(self.readers[str(other)]) == 1
            and self._scaled(halved, 0.5) == x
            and str(other) not in self.outputs
        ):
            members.append(halved)
            last: OnnxNode | None = product
        else:
            last = self._only_reader(product)
            if last is None:
                return {}
            factors = (
                {other, _partner(last, product.outputs[0])} if last.op_type == "Mul" else {other}
            )
            half_last = self._scaled(last, 0.5) == product.outputs[0]
            half_first = self._is(other, 0.5) and x in factors
            if not ((other == x and half_last) or half_first):
                return {}
            members.append(product)
        assert last is not None
        made = replace(last, op_type=GELU, domain=MICROSOFT, inputs=(x,), attributes={})
        return {n.index: None for n in members if n is not last} | {last.index: made}

    def _only_reader(self, node: OnnxNode) -> OnnxNode | None:
        """The one node that reads a value, where nobody else does."""
        if len(node.outputs) != 1 or node.outputs[0] in self.outputs:
            return None
        found = self.readers.get(node.outputs[0], [])
        return found[0] if len(found) == 1 else None

    def _scaled(self, node: OnnxNode, factor: float) -> str | None:
        """What a node multiplies by a factor, or divides by its inverse."""
        if node.op_type == "Div" and len(node.inputs) == 2:
            return node.inputs[0] if self._is(node.inputs[1], 1 / factor) else None
        for name, other in _pairs(node, "Mul"):
            if self._is(other, factor):
                return name
        return None

    def _other(self, node: OnnxNode, name: str, op_type: str, value: float) -> str | None:
        """The constant operand beside a name, if it has that value."""
        if node.op_type != op_type:
            return None
        other = _partner(node, name)
        return other if self._is(other, value) else None

    def _is(self, name: str | None, value: float) -> bool:
        """A constant of one element that is close to a value."""
        if name is None:
            return False
        constant = self.constants.get(name)
        node = self.producers.get(name)
        number: float | None = None
        if constant is not None and constant.data.size == 1 and constant.data.dtype.kind == "f":
            number = float(constant.data.reshape(-1)[0])
        elif node is not None and node.op_type == "Constant":
            number = _number(node)
        return number is not None and abs(number - value) <= 1e-3 * value


def _pairs(node: OnnxNode, op_type: str) -> Sequence[tuple[str, str]]:
    if node.op_type != op_type or node.domain or len(node.inputs) != 2:
        return ()
    a, b = node.inputs
    return ((a, b), (b, a))


def _partner(node: OnnxNode, name: str) -> str | None:
    """The other one of two operands."""
    if len(node.inputs) != 2 or name not in node.inputs:
        return None
    a, b = node.inputs
    return b if a == name else a


def _number(node: OnnxNode) -> float | None:
    """What a Constant node holds, if it is one float32."""
    held = node.attributes.get("value")
    if held is not None and held.t.data_type == 1:
        tensor = held.t
        if len(tensor.raw_data) == 4:
            return float(struct.unpack("<f", tensor.raw_data)[0])
        if len(tensor.float_data) == 1:
            return float(tensor.float_data[0])
    single = node.attributes.get("value_float")
    return float(single.f) if single is not None else None
