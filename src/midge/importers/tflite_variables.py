"""The variables of a .tflite file that handles name, and their first values.

VAR_HANDLE makes a handle, READ_VARIABLE and ASSIGN_VARIABLE take it, CALL_ONCE runs a subgraph that
gives variables their first values. In the graph a handle is the variable itself, and the first
values are known.

Source: TFLM `micro/micro_resource_variable.cc`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import tflite

from midge.errors import UserError
from midge.graph import Graph, Op, Tensor, interpret, verify
from midge.importers.tflite_file import Handle, TfliteOp, TfliteSubgraph, as_variable

ACCESSES = ("READ_VARIABLE", "ASSIGN_VARIABLE")
"""The operators that take handles."""
MOST_ELEMENTS, MOST_MACS = 1 << 20, 1 << 22
"""Of a file's initialisations: beyond any state; stops a small file from taking minutes here."""
MOST_NAME_BYTES = 1 << 20
"""Of a file's variables."""

Place = tuple[int, int]
"""Subgraph and tensor index."""


@dataclass
class Variables:
    """The variables of a file that are named by handles.

    Attributes:
        handles: The number of the variable that each handle names.
        tensors: By number; those that nothing assigns are left out.
        elements: That initialisations have computed so far.
        macs: Likewise.
    """

    handles: dict[Place, int] = field(default_factory=dict)
    tensors: dict[int, Tensor] = field(default_factory=dict)
    elements: int = 0
    macs: int = 0

    def tensor(self, subgraph: int, index: int) -> Tensor:
        """The variable that a handle names.

        Raises:
            UserError: nothing assigns it, so nothing says what it holds.
        """
        number = self.handles[subgraph, index]
        if number not in self.tensors:
            raise UserError("reads a variable that no ASSIGN_VARIABLE of the file assigns")
        return self.tensors[number]


def find_variables(subgraphs: Sequence[TfliteSubgraph], source: str) -> Variables:
    """Every variable of a file, with the type of what is assigned to it first.

    Raises:
        UserError: a VAR_HANDLE does not say what it names, or nothing is of a variable's shape.
    """
    variables, names = Variables(), _Names()
    for number, subgraph in enumerate(subgraphs):
        for op in subgraph.ops:
            if op.builtin != "VAR_HANDLE":
                continue
            try:
                place = _handle(op, number, variables)
                variables.handles[place] = names.number(op)
            except UserError as error:
                raise type(error)(f"{source}: op {op.index} (VAR_HANDLE): {error}") from None
    taken = {t.name for s in subgraphs for t in s.tensors if isinstance(t, Tensor | Handle)}
    for number, subgraph in enumerate(subgraphs):
        for op in subgraph.ops:
            if op.builtin != "ASSIGN_VARIABLE" or len(op.inputs) != 2 or min(op.inputs) < 0:
                continue
            key = variables.handles.get((number, op.inputs[0]))
            value = subgraph.tensors[op.inputs[1]]
            if key is None or key in variables.tensors or not isinstance(value, Tensor):
                continue
            name = names.text(key)
            if name in taken:
                name += f"#{key}"
            while name in taken:
                name += "#"
            taken.add(name)
            try:
                variable = as_variable(replace(value, name=name, data=None), by_byte=True)
            except ValueError as error:
                where = f"op {op.index} (ASSIGN_VARIABLE)"
                raise UserError(f"{source}: {where}: {error}") from None
            variables.tensors[key] = variable
    return variables


def _handle(op: TfliteOp, number: int, variables: Variables) -> Place:
    """The tensor that a VAR_HANDLE makes."""
    place = number, op.outputs[0] if len(op.outputs) == 1 else -1
    if place[1] < 0 or place in variables.handles:
        raise UserError(
            f"makes tensors {list(op.outputs)}; expected one that no other VAR_HANDLE makes"
        )
    return place


class _Names:
    """Variables by container and name."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[bytes | None, bytes], int] = {}
        self._first: dict[bytes, int] = {}
        self._texts: list[str] = []
        self._size_bytes = 0

    def number(self, op: TfliteOp) -> int:
        """The variable that a VAR_HANDLE names; without a container it may stand in any."""
        options = op.options(tflite.VarHandleOptions)
        words = (None, None) if options is None else (options.Container(), options.SharedName())
        # C's strings end at a zero byte.
        container, shared = (None if word is None else word.split(b"\0")[0] for word in words)
        if shared is None:
            raise UserError("does not name a variable")
        self._size_bytes += len(shared) + len(container or b"")
        if self._size_bytes > MOST_NAME_BYTES:
            raise UserError(f"the names of variables take over {MOST_NAME_BYTES} bytes")
        if container is None and shared in self._first:
            return self._first[shared]
        number = self._numbers.setdefault((container, shared), len(self._numbers))
        self._first.setdefault(shared, number)
        if number == len(self._texts):
            parts = [w.decode("utf-8", "replace") for w in (container, shared) if w]
            self._texts.append("/".join(parts) or "variable")
        return number

    def text(self, number: int) -> str:
        """Container and name of a variable."""
        return self._texts[number]


def first_values(subgraph: TfliteSubgraph, ops: Sequence[Op], variables: Variables) -> None:
    """Run the operators of an initialisation, and keep what they leave in the variables.

    Raises:
        UserError: they are not sound, or compute more than anybody's first values.
    """
    if not ops:
        return
    tensors = {t.name: t for t in subgraph.tensors if isinstance(t, Tensor)}
    tensors |= {t.name: t for t in variables.tensors.values()}
    # A graph has inputs and outputs; an initialisation has neither, and is not one on its own.
    graph = verify(Graph("initialisation", {}, (), (), ()).with_ops(ops, tensors), has_ends=False)
    variables.elements += sum(graph.tensors[name].size for op in ops for name in op.outputs)
    variables.elements += sum(t.size for t in graph.variables)
    variables.macs += graph.macs()
    if variables.elements > MOST_ELEMENTS or variables.macs > MOST_MACS:
        raise UserError(
            f"computes {variables.elements} elements with {variables.macs} multiply-accumulates "
            f"for first values; at most {MOST_ELEMENTS} and {MOST_MACS} are supported. Export the "
            "model with them stored"
        )
    values = interpret(graph, {})
    for number, variable in variables.tensors.items():
        if variable.name in values:
            content = np.array(values[variable.name])
            variables.tensors[number] = replace(variable, data=content)
