"""What Midge takes in: every operator with its types and kernels, read off the code itself."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from dataclasses import dataclass
from typing import Any, ClassVar, get_origin

from midge.c_emitter import KERNELS, Kernel
from midge.graph import OPS, Attributes, DType
from midge.importers import CONVERTERS, TFLM_BUILTINS, TFLM_CUSTOM, VARIABLE_OPERATORS
from midge.virtual_mcu import CORES

TYPES = tuple(t for t in DType if t is not DType.INT4)
"""Columns of the table: element types that a first input may have."""


@dataclass(frozen=True)
class Operator:
    """One operator of a file.

    Attributes:
        builtin: The schema's name.
        gives: The graph's operators that it becomes; none for those that only name variables.
        types: Element types that its first input may have.
        variants: Kinds of kernels that compute it, such as ``portable`` and ``dsp``.
        in_tflm: TFLite Micro has it too.
    """

    builtin: str
    gives: tuple[str, ...]
    types: tuple[DType, ...]
    variants: tuple[str, ...]
    in_tflm: bool


@dataclass(frozen=True)
class KernelRow:
    """One kernel of a graph operator.

    Attributes:
        variant: Its name among the operator's kernels.
        function: In C.
        source: Its file.
        types: Element types of the first input.
        requires: Units that the core must have.
    """

    variant: str
    function: str
    source: str
    types: tuple[DType, ...]
    requires: tuple[str, ...]


@dataclass(frozen=True)
class GraphOperator:
    """One operator of the graph, as its class describes it.

    Attributes:
        kind: Its name.
        description: The docstring of its class.
        attributes: Name, type and default of each; the default is empty where there is none.
        types: Element types that its first input may have.
        kernels: What computes it, from plain to fast.
        builtins: Operators of files that become it.
        reads_values: Its output depends on what its inputs hold, not only on their shapes.
    """

    kind: str
    description: str
    attributes: tuple[tuple[str, str, str], ...]
    types: tuple[DType, ...]
    kernels: tuple[KernelRow, ...]
    builtins: tuple[str, ...]
    reads_values: bool


def operators() -> tuple[Operator, ...]:
    """Every operator that a file may have, by name."""
    rows = [
        Operator(
            builtin,
            tuple(a.kind for a in converter.gives),
            tuple(t for t in TYPES if any(t in a.types for a in converter.gives)),
            tuple(
                dict.fromkeys(k.variant for a in converter.gives for k in KERNELS.get(a.kind, ()))
            ),
            builtin in TFLM_BUILTINS,
        )
        for builtin, converter in CONVERTERS.items()
    ]
    rows += [Operator(name, (), (), (), name in TFLM_BUILTINS) for name in VARIABLE_OPERATORS]
    return tuple(sorted(rows, key=lambda row: row.builtin))


def missing_from_tflm() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Operators that TFLite Micro has and Midge does not: the schema's, and its own."""
    known = {row.builtin for row in operators()}
    return tuple(sorted(TFLM_BUILTINS - known)), tuple(sorted(TFLM_CUSTOM))


def graph_operators() -> tuple[GraphOperator, ...]:
    """Every operator of the graph, by name."""
    return tuple(_described(kind, OPS[kind]) for kind in sorted(OPS))


def _described(kind: str, operator: type[Attributes]) -> GraphOperator:
    sources = [b for b, converter in sorted(CONVERTERS.items()) if operator in converter.gives]
    return GraphOperator(
        kind,
        inspect.getdoc(operator) or "",
        tuple(_attributes(operator)),
        tuple(t for t in TYPES if t in operator.types),
        tuple(_row(k, operator) for k in KERNELS.get(kind, ())),
        tuple(sources),
        operator.reads_values,
    )


def _attributes(operator: type[Attributes]) -> list[tuple[str, str, str]]:
    hints = typing.get_type_hints(operator)
    rows = []
    for field in dataclasses.fields(operator):
        if get_origin(hints[field.name]) is ClassVar:
            continue
        default = "" if field.default is dataclasses.MISSING else _text(field.default)
        rows.append((field.name, _type_text(hints[field.name]), default))
    return rows


def _type_text(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_origin(hint) else str(hint)


def _text(value: object) -> str:
    return str(getattr(value, "value", value))


def _row(kernel: Kernel, operator: type[Attributes]) -> KernelRow:
    return KernelRow(
        kernel.variant,
        kernel.function,
        kernel.source,
        tuple(t for t in TYPES if t in kernel.types and t in operator.types),
        tuple(sorted(kernel.requires)),
    )


def operators_report() -> dict[str, Any]:
    """All of it as plain data: what ``midge ops --json`` writes."""
    emulated = [core for core in CORES.values() if core.emulated]
    units = sorted({unit for kernels in KERNELS.values() for k in kernels for unit in k.requires})
    builtins, custom = missing_from_tflm()
    return {
        "types": [t.value for t in TYPES],
        "operators": [
            {
                "builtin": row.builtin,
                "graph": list(row.gives),
                "types": [t.value for t in row.types],
                "kernels": list(row.variants),
                "in_tflm": row.in_tflm,
            }
            for row in operators()
        ],
        "missing": {"builtins": list(builtins), "custom": list(custom)},
        "cores": [core.name for core in emulated],
        "units": {
            unit: [core.name for core in emulated if unit in core.features] for unit in units
        },
        "software_float": [core.name for core in emulated if "fpu_sp" not in core.features],
        "graph": [_as_json(operator) for operator in graph_operators()],
    }


def _as_json(operator: GraphOperator) -> dict[str, Any]:
    return {
        "kind": operator.kind,
        "description": operator.description,
        "attributes": [list(row) for row in operator.attributes],
        "types": [t.value for t in operator.types],
        "kernels": [
            {
                "variant": k.variant,
                "function": k.function,
                "source": k.source,
                "types": [t.value for t in k.types],
                "requires": list(k.requires),
            }
            for k in operator.kernels
        ],
        "builtins": list(operator.builtins),
        "reads_values": operator.reads_values,
    }
