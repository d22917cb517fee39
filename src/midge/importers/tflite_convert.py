"""A file's operators as those of a graph, its variables among their operands."""

from __future__ import annotations

from collections.abc import Sequence

import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph import Op, Tensor
from midge.importers.tflite_file import TfliteOp, TfliteSubgraph
from midge.importers.tflite_ops import CONVERTERS
from midge.importers.tflite_ops.operands import Operands
from midge.importers.tflite_variables import ACCESSES, Variables, first_values

VARIABLE_OPERATORS = ("CALL_ONCE", "VAR_HANDLE")
"""Operators that say something of variables and are none in the graph."""


def convert_ops(
    subgraphs: Sequence[TfliteSubgraph], number: int, variables: Variables
) -> tuple[list[Op], list[str]]:
    """The operators of one subgraph, and a line for each that cannot be had.

    What CALL_ONCE computes is computed now, and becomes the first values in `variables`.
    """
    ops: list[Op] = []
    problems: list[str] = []
    called: set[int] = set()
    accessed = False
    subgraph = subgraphs[number]
    for record in subgraph.ops:
        try:
            if record.builtin == "VAR_HANDLE":
                continue
            if record.builtin == "CALL_ONCE":
                _expect_first(accessed)
                _call_once(subgraphs, number, record, variables, called)
                continue
            accessed = accessed or record.builtin in ACCESSES
            ops.append(_convert(subgraph, number, record, variables))
        except UserError as error:
            problems.append(f"op {record.index} ({record.builtin}): {error}")
    return ops, problems


def _convert(subgraph: TfliteSubgraph, number: int, record: TfliteOp, variables: Variables) -> Op:
    converter = CONVERTERS.get(record.builtin)
    if converter is None:
        raise UnsupportedError("the operator is not supported")

    def tensor(index: int) -> Tensor:
        found = subgraph.tensors[index]
        if isinstance(found, str):
            raise UnsupportedError(f"tensor {found}, which is not supported")
        if (number, index) in variables.handles and _names_variable(record, index):
            return variables.tensor(number, index)
        if not isinstance(found, Tensor):
            raise UserError(
                f"{found.name} is the handle of a variable; expected as the first input of "
                f"{' or '.join(ACCESSES)}, from a VAR_HANDLE in the same subgraph"
            )
        return found

    operands = Operands(record, tensor)
    attributes, inputs = converter.convert(operands)
    return Op(
        name=f"{record.index:02d}_{attributes.kind}",
        attributes=attributes,
        inputs=tuple(t.name if t is not None else "" for t in inputs),
        outputs=tuple(t.name for t in operands.outputs),
    )


def _names_variable(record: TfliteOp, index: int) -> bool:
    """The tensor is the operator's handle, and nothing else to it."""
    operands = (*record.inputs, *record.outputs)
    return record.builtin in ACCESSES and operands[0] == index and operands.count(index) == 1


def _expect_first(accessed: bool) -> None:
    """TFLite Micro runs the subgraph in its place in the first run, and never again."""
    if accessed:
        raise UnsupportedError(
            "stands behind an operator that reads or assigns a variable; supported: in front of "
            "all of them"
        )


def _call_once(
    subgraphs: Sequence[TfliteSubgraph],
    number: int,
    record: TfliteOp,
    variables: Variables,
    called: set[int],
) -> None:
    """Run an initialisation subgraph now, and keep what it leaves in the variables."""
    options = record.options(tflite.CallOnceOptions)
    target = -1 if options is None else options.InitSubgraphIndex()
    if number != 0 or not 0 < target < len(subgraphs):
        raise UserError(
            f"calls subgraph {target} from subgraph {number}; expected one of 1 to "
            f"{len(subgraphs) - 1}, called from the network"
        )
    if target in called:
        raise UnsupportedError(f"calls subgraph {target}, which another CALL_ONCE calls as well")
    called.add(target)
    ops, problems = convert_ops(subgraphs, target, variables)
    if problems:
        raise UnsupportedError(f"calls subgraph {target}, where " + "; ".join(problems))
    first_values(subgraphs[target], ops, variables)
