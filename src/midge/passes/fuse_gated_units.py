"""fuse_gated_units: silu, hard_swish, hard_sigmoid and gelu that are spelt out become one operator.

Frameworks export these as products and sums. As one operator each is one table in int8, with one
rounding, and one pass over memory.
"""

from __future__ import annotations

import math
from dataclasses import replace

from midge.graph import Attributes, Graph, Op
from midge.graph.ops.add import Add
from midge.graph.ops.div import Div
from midge.graph.ops.extremum import Maximum, Minimum
from midge.graph.ops.logistic_tanh import Logistic
from midge.graph.ops.mul import Mul
from midge.graph.ops.rectifiers import Relu, Relu6
from midge.graph.ops.sigmoid_units import Erf, HardSigmoid, Silu
from midge.graph.ops.smooth_units import Gelu, HardSwish
from midge.passes.pattern import CLOSE, Pattern
from midge.passes.remove_dead_ops import remove_dead_ops


def fuse_gated_units(graph: Graph) -> Graph:
    """Replace float products that are one of these functions of one tensor.

    ``x * logistic(x)``, ``x * min(max(x + 3, 0), 6) / 6``, ``min(max(x + 3, 0), 6) / 6`` and
    ``x / 2 * (1 + erf(x / sqrt(2)))``, with factors in any order and numbers as they are rounded.
    Results agree up to rounding.

    Requires a verified graph; ensures that none of these patterns stands whose inner tensors have
    no other reader.
    """
    pattern = Pattern(graph)
    ops: list[Op] = []
    changed = False
    for op in graph.ops:
        found = _unit(pattern, op)
        if found is None:
            ops.append(op)
            continue
        attributes, x = found
        if pattern.tensors[x].shape != pattern.tensors[op.outputs[0]].shape:
            ops.append(op)
            continue
        made = replace(op, attributes=attributes, inputs=(x,))
        pattern.producers[op.outputs[0]] = made
        ops.append(made)
        changed = True
    return remove_dead_ops(graph.with_ops(ops)) if changed else graph


def _unit(pattern: Pattern, op: Op) -> tuple[Attributes, str] | None:
    """The function that an operator ends, and what it is of."""
    if not isinstance(op.attributes, Mul | Div) or not pattern.is_float(op):
        return None
    product = pattern.product(op)
    if len(product.factors) == 1 and _is_close(product.coefficient, 1 / 6):
        of = _raised(pattern, product.factors[0])
        return None if of is None else (HardSigmoid(), of)
    if len(product.factors) != 2:
        return None
    for x, gate in (product.factors, product.factors[::-1]):
        attributes = _gated(pattern, product.coefficient, x, gate)
        if attributes is not None:
            return attributes, x
    return None


def _gated(pattern: Pattern, coefficient: float, x: str, gate: str) -> Attributes | None:
    """The function of x that ``coefficient * x * gate`` is."""
    if _is_close(coefficient, 1.0):
        found = pattern.made(gate, Logistic, HardSigmoid)
        if found is not None and found.inputs[0] == x:
            if isinstance(found.attributes, Logistic):
                return Silu()
            return HardSwish() if found.attributes == HardSigmoid() else None
    if _is_close(coefficient, 1 / 6) and _raised(pattern, gate) == x:
        return HardSwish()
    return Gelu() if _is_close(coefficient, 0.5) and _of_erf(pattern, gate) == x else None


def _is_close(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=CLOSE)


def _raised(pattern: Pattern, name: str) -> str | None:
    """The x of ``min(max(x + 3, 0), 6)``."""
    op = pattern.made(name, Relu6, Minimum, Maximum)
    if op is None:
        return None
    inner: str | None = op.inputs[0]
    if isinstance(op.attributes, Minimum):
        inner = _clamped(pattern, op, 6.0, (Maximum, Relu))
    elif isinstance(op.attributes, Maximum):
        inner = _clamped(pattern, op, 0.0, (Minimum,))
    total = None if inner is None else pattern.made(inner, Add)
    return None if total is None else pattern.beside_number(total, 3.0)


def _clamped(
    pattern: Pattern, op: Op, bound: float, others: tuple[type[Attributes], ...]
) -> str | None:
    """What the other bound of a clamp to [0, 6] is of."""
    beside = pattern.beside_number(op, bound)
    inner = None if beside is None else pattern.made(beside, *others)
    if inner is None or isinstance(inner.attributes, Relu):
        return None if inner is None else inner.inputs[0]
    return pattern.beside_number(inner, 6.0 - bound)


def _of_erf(pattern: Pattern, name: str) -> str | None:
    """The x of ``1 + erf(x / sqrt(2))``."""
    total = pattern.made(name, Add)
    inner = None if total is None else pattern.beside_number(total, 1.0)
    erf = None if inner is None else pattern.made(inner, Erf)
    scaled = None if erf is None else pattern.made(erf.inputs[0], Mul, Div)
    if scaled is None:
        return None
    product = pattern.product(scaled)
    if len(product.factors) != 1 or not _is_close(product.coefficient, math.sqrt(0.5)):
        return None
    return product.factors[0]
