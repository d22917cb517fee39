"""A file's operators and variables as those of a graph.

A variable is named by a handle: VAR_HANDLE makes one, READ_VARIABLE and ASSIGN_VARIABLE take it,
CALL_ONCE runs a subgraph that gives variables their first values. In the graph a handle is the
variable itself, and the first values are known: what CALL_ONCE would compute is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph import Graph, Op, Tensor, interpret, verify
from midge.importers.tflite_file import Handle, TfliteOp, TfliteSubgraph, as_variable
from midge.importers.tflite_ops import CONVERTERS
from midge.importers.tflite_ops.operands import Operands

VARIABLE_OPERATORS = ("CALL_ONCE", "VAR_HANDLE")
"""Operators that say something of variables and are none in the graph."""


@dataclass
class Variables:
    """The variables of a file that are named by handles.

    Attributes:
        handles: The variable that each handle names: (subgraph, tensor index) -> key.
        tensors: By key; those that nothing reads or assigns are left out.
    """

    handles: dict[tuple[int, int], str]
    tensors: dict[str, Tensor]

    def tensor(self, subgraph: int, index: int) -> Tensor:
        """The variable that a handle names.

        Raises:
            UserError: no VAR_HANDLE made it, or nothing says what it holds.
        """
        key = self.handles.get((subgraph, index))
        if key is None or key not in self.tensors:
            raise UserError("names a variable by a handle that no VAR_HANDLE has made")
        return self.tensors[key]


def find_variables(subgraphs: Sequence[TfliteSubgraph]) -> Variables:
    """Every variable of a file, with the type of what is read from it or assigned to it."""
    variables = Variables({}, {})
    taken = {t.name for s in subgraphs for t in s.tensors if isinstance(t, Tensor | Handle)}
    for number, subgraph in enumerate(subgraphs):
        for op in subgraph.ops:
            if op.builtin == "VAR_HANDLE" and len(op.outputs) == 1:
                variables.handles[number, op.outputs[0]] = _key(op)
    for number, subgraph in enumerate(subgraphs):
        for op in subgraph.ops:
            places = _handle_and_value(op)
            key = None if places is None else variables.handles.get((number, places[0]))
            if places is None or key is None or key in variables.tensors:
                continue
            value = subgraph.tensors[places[1]]
            if isinstance(value, Tensor):
                name = key
                while name in taken:
                    name += "#variable"
                taken.add(name)
                variables.tensors[key] = as_variable(replace(value, name=name, data=None))
    return variables


def _key(op: TfliteOp) -> str:
    """Container and name, which tell variables apart (TFLM `micro_resource_variable.cc`)."""
    options = op.options(tflite.VarHandleOptions)
    if options is None:
        return "variable"
    words = [options.Container() or b"", options.SharedName() or b""]
    container, shared = (word.decode("utf-8", "replace") for word in words)
    return "/".join(word for word in (container, shared) if word) or "variable"


def _handle_and_value(op: TfliteOp) -> tuple[int, int] | None:
    """The tensor indices of the handle and of what is read or assigned."""
    if op.builtin == "READ_VARIABLE" and len(op.inputs) == len(op.outputs) == 1:
        return op.inputs[0], op.outputs[0]
    if op.builtin == "ASSIGN_VARIABLE" and len(op.inputs) == 2 and min(op.inputs) >= 0:
        return op.inputs[0], op.inputs[1]
    return None


def convert_ops(
    subgraphs: Sequence[TfliteSubgraph], number: int, variables: Variables
) -> tuple[list[Op], list[str]]:
    """The operators of one subgraph, and a line for each that cannot be had.

    CALL_ONCE sets the first values in `variables`.
    """
    ops: list[Op] = []
    problems: list[str] = []
    subgraph = subgraphs[number]
    for record in subgraph.ops:
        try:
            if record.builtin == "VAR_HANDLE":
                continue
            if record.builtin == "CALL_ONCE":
                _call_once(subgraphs, number, record, variables)
                continue
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
        return variables.tensor(number, index) if isinstance(found, Handle) else found

    operands = Operands(record, tensor)
    attributes, inputs = converter.convert(operands)
    return Op(
        name=f"{record.index:02d}_{attributes.kind}",
        attributes=attributes,
        inputs=tuple(t.name if t is not None else "" for t in inputs),
        outputs=tuple(t.name for t in operands.outputs),
    )


def _call_once(
    subgraphs: Sequence[TfliteSubgraph], number: int, record: TfliteOp, variables: Variables
) -> None:
    """Run an initialisation subgraph now, and keep what it leaves in the variables."""
    options = record.options(tflite.CallOnceOptions)
    called = -1 if options is None else options.InitSubgraphIndex()
    if number != 0 or not 0 < called < len(subgraphs):
        raise UserError(
            f"calls subgraph {called} from subgraph {number}; expected one of 1 to "
            f"{len(subgraphs) - 1}, called from the network"
        )
    subgraph = subgraphs[called]
    ops, problems = convert_ops(subgraphs, called, variables)
    if problems:
        raise UnsupportedError(f"calls subgraph {called}, where " + "; ".join(problems))
    if not ops:
        return
    tensors = {t.name: t for t in subgraph.tensors if isinstance(t, Tensor)}
    tensors |= {t.name: t for t in variables.tensors.values()}
    # A graph has inputs and outputs; an initialisation has neither, and is not one on its own.
    step = Graph("initialisation", {}, (), (), ()).with_ops(ops, tensors)
    values = interpret(verify(step, has_ends=False), {})
    for key, variable in variables.tensors.items():
        if variable.name in values:
            variables.tensors[key] = replace(variable, data=np.array(values[variable.name]))
