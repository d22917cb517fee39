"""A program's operators as those of a graph, its buffers among the constants and variables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from midge.errors import UnsupportedError, UserError
from midge.graph import Array, DType, Graph, Op, Tensor, verify
from midge.graph.ops.reshape import Reshape
from midge.graph.ops.variable import AssignVariable, ReadVariable
from midge.importers.graph_builder import GraphBuilder
from midge.importers.torch_ops import CONVERTERS
from midge.importers.torch_ops.call import Call
from midge.importers.torch_program import (
    GRAPH_TYPES,
    Node,
    Program,
    Ref,
    TensorMeta,
)

IN_FLOAT32 = "call .float() on the module before exporting it"


def convert_program(program: Program, source: str, name: str, *, streaming: bool) -> Graph:
    """A verified graph of a program.

    Args:
        program: What torch.export says.
        source: For messages.
        name: The graph's, a C identifier.
        streaming: Recurrent layers begin where the last call left off.

    Raises:
        UserError: the program breaks an invariant.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    conversion = _Conversion(program, streaming=streaming)
    graph, problems = conversion.run(name)
    if problems:
        raise UnsupportedError(
            f"{source}: {len(problems)} {'place needs' if len(problems) == 1 else 'places need'} "
            "what Midge does not have:\n  "
            + "\n  ".join(problems)
            + "\nsupported operators: "
            + ", ".join(sorted({op.split(".")[1] for op in CONVERTERS}))
        )
    try:
        return verify(graph)
    except UserError as error:
        raise type(error)(f"{source}: {error}") from None


class _Conversion:
    """The state of converting one program; also where calls find their values."""

    def __init__(self, program: Program, *, streaming: bool) -> None:
        self.program = program
        self.streaming = streaming
        self.builder = GraphBuilder()
        self.problems: list[str] = list(program.problems)
        self.values: dict[str, Tensor | None] = {}
        self.inputs: list[Tensor] = []
        self.variables: dict[str, Tensor] = {}
        # What may share memory: each value's oldest relative, and the values that stay behind when
        # another of the family is changed in place.
        self.family: dict[str, str] = {}
        self.stale: dict[str, str] = {}
        # What an operator in place gives is the tensor that it has changed.
        self.same: dict[str, str] = {}
        self.mutations = dict(program.mutations)
        self.written = {*program.mutations, *_changed_in_place(program)} & program.buffers

    def run(self, name: str) -> tuple[Graph, list[str]]:
        """The graph, not yet verified, and a line for each place that it lacks."""
        program = self.program
        for value in program.inputs:
            self._take_input(value)
        names = _op_names(program.nodes)
        for node in program.nodes:
            try:
                self._convert(node, names[node.name])
            except UserError as error:
                self.problems.append(f"{_place(node, names[node.name])}: {error}")
                self.values |= dict.fromkeys(node.outputs)
        outputs = self._outputs()
        for buffer, last in self.mutations.items():
            self._assign(buffer, last)
        if self.problems:
            return Graph(name, {}, (), (), ()), self.problems
        graph = self.builder.graph(name, self.inputs, outputs, program.digest)
        return _without_twins(_without_dead_ops(graph)), []

    # Values.

    def graph_tensor(self, name: str) -> Tensor:
        """The tensor of a value; a constant is taken into the graph."""
        name = self.same.get(name, name)
        if name in self.stale:
            raise UnsupportedError(
                f"reads {name} after {self.stale[name]} has changed memory that it shares in "
                "place; export program.run_decompositions({}), which has no such operators"
            )
        if name in self.values:
            found = self.values[name]
            if found is None:
                raise _ConsequenceError(f"{name} is not there")
            return found
        constant = self.program.constants.get(name)
        if constant is None:
            raise UserError(f"reads {name!r}, which nothing before it computes")
        if name in self.written:
            variable = self._variable(name)
            made = self.builder.one(f"{constant.target}.read", ReadVariable(), (variable,))
        else:
            made = self.builder.constant(constant.target, _elements(self._raw(name)))
        self.values[name] = made
        return made

    def raw_constant(self, name: str) -> Array | None:
        """A constant's elements in the type that the program has them in; None if it is none."""
        if name not in self.program.constants or name in self.written or name in self.stale:
            return None
        return self._raw(name)

    def _raw(self, name: str) -> Array:
        constant = self.program.constants[name]
        if isinstance(constant.array, str):
            raise UnsupportedError(f"{constant.target} {constant.array}")
        return constant.array

    def _variable(self, name: str) -> Tensor:
        if name not in self.variables:
            constant = self.program.constants[name]
            first = _elements(self._raw(name))
            self.variables[name] = self.builder.variable(constant.target, first)
        return self.variables[name]

    def _take_input(self, name: str) -> None:
        meta = self.program.metas.get(name)
        if meta is None:
            raise UserError(f"input {name!r} has no shape")
        dtype = GRAPH_TYPES.get(meta.dtype)
        if dtype is None:
            self.problems.append(
                f"input {name} is {meta.dtype.value}; supported: float32, integers and bool: "
                + IN_FLOAT32
            )
            self.values[name] = None
            return
        made = self.builder.input(name, meta.shape, dtype)
        self.values[name] = made
        self.inputs.append(made)

    # Operators.

    def _convert(self, node: Node, op_name: str) -> None:
        in_place = _functional(node.op) if node.op not in CONVERTERS else None
        if node.op.split(".")[1:2] in (["native_dropout"], ["_native_batch_norm_legit_functional"]):
            raise UnsupportedError(
                "is an operator of training; export the module in evaluation mode, module.eval()"
            )
        converter = CONVERTERS.get(in_place or node.op)
        if converter is None:
            raise UnsupportedError("the operator is not supported")
        for output in node.outputs:
            meta = self.program.metas.get(output)
            if meta is not None and meta.dtype not in GRAPH_TYPES:
                raise UnsupportedError(
                    f"computes in {meta.dtype.value}; supported: float32, integers and bool: "
                    + IN_FLOAT32
                )
        called = replace(node, op=converter.op)
        call = Call(called, op_name, self.builder, self, streaming=self.streaming)
        try:
            converted = converter.convert(call)
        except _ConsequenceError:
            # The place that is at fault has been listed.
            self.values |= dict.fromkeys(node.outputs)
            return
        unread = call.unread()
        if unread:
            raise UnsupportedError(f"argument {', '.join(unread)} is not supported")
        made = converted if isinstance(converted, tuple) else (converted,)
        if len(made) < len(node.outputs):
            raise UserError(f"has {len(node.outputs)} outputs; expected {len(made)}")
        for output, tensor in zip(node.outputs, made, strict=False):
            if tensor is not None:
                self._expect_meta(tensor, self.program.metas.get(output))
            self.values[output] = tensor
        first = node.arguments.get("self", node.arguments.get("input"))
        if isinstance(first, Ref):
            if in_place:
                self._change_in_place(node, first.name, made[0])
            elif converter.may_alias:
                whole = self.same.get(first.name, first.name)
                oldest = self.family.get(whole, whole)
                self.family |= dict.fromkeys(node.outputs, oldest)

    def _change_in_place(self, node: Node, changed: str, result: Tensor | None) -> None:
        """From here on `changed` is the result; whatever shares its memory cannot be read."""
        changed = self.same.get(changed, changed)
        oldest = self.family.get(changed, changed)
        if oldest in self.program.inputs:
            raise UnsupportedError(f"changes the input {oldest} in place; work on a clone of it")
        relatives = [v for v, o in self.family.items() if o == oldest]
        for value in {oldest, *relatives} - {changed}:
            self.stale[value] = node.name
        if result is not None and result.shape != self.graph_tensor(changed).shape:
            raise UserError(f"changes {changed} to another shape in place")
        self.values[changed] = result
        self.same |= dict.fromkeys(node.outputs, changed)
        if oldest in self.program.buffers:
            self.mutations[oldest] = oldest

    def _expect_meta(self, tensor: Tensor, meta: TensorMeta | None) -> None:
        """What the operators of the graph give is what the program says.

        Raises:
            UserError: it is not; a file may say anything.
        """
        if meta is None:
            return
        dtype = GRAPH_TYPES[meta.dtype]
        if dtype is DType.UINT8 and tensor.quantization is not None:
            dtype = DType.INT8
        if (tensor.shape, tensor.dtype) != (meta.shape, dtype):
            raise UserError(
                f"gives {tensor.dtype.value}{list(tensor.shape)}; the program says "
                f"{meta.dtype.value}{list(meta.shape)}"
            )

    # Ends.

    def _outputs(self) -> list[Tensor]:
        outputs: list[Tensor] = []
        for index, output in enumerate(self.program.outputs):
            if not isinstance(output, Ref):
                self.problems.append(f"output {index} is {output}; supported: tensors")
                continue
            try:
                tensor = self.graph_tensor(output.name)
            except _ConsequenceError:
                continue
            except UserError as error:
                self.problems.append(f"output {index}: {error}")
                continue
            if tensor.name in {t.name for t in outputs}:
                # The caller reads each output from a place of its own.
                tensor = self.builder.one(
                    f"output_{index}",
                    Reshape(shape=tensor.shape),
                    (tensor,),
                    quantization=tensor.quantization,
                )
            outputs.append(tensor)
        return outputs

    def _assign(self, buffer: str, last: str) -> None:
        """Keep a buffer's last value for the next call."""
        target = self.program.constants[buffer].target
        try:
            value = self.graph_tensor(last)
            variable = self._variable(buffer)
            self.builder.op(f"{target}.assign", AssignVariable(), (variable, value))
        except _ConsequenceError:
            return
        except UserError as error:
            self.problems.append(f"buffer {target}: {error}")


class _ConsequenceError(UserError):
    """A value is missing because the operator that computes it has been refused already."""


def _functional(op: str) -> str | None:
    """The operator that does the same to a copy: ``aten.add_.Tensor`` gives ``aten.add.Tensor``."""
    parts = op.split(".")
    if len(parts) == 3 and parts[1].endswith("_") and not parts[1].startswith("__"):
        return ".".join((parts[0], parts[1][:-1], parts[2]))
    return None


def _changed_in_place(program: Program) -> set[str]:
    """Values whose memory an operator changes in place."""
    family: dict[str, str] = {}
    changed = set()
    for node in program.nodes:
        first = node.arguments.get("self", node.arguments.get("input"))
        if isinstance(first, Ref):
            oldest = family.get(first.name, first.name)
            in_place = node.op not in CONVERTERS and _functional(node.op)
            if in_place:
                changed.add(oldest)
            if in_place or (node.op in CONVERTERS and CONVERTERS[node.op].may_alias):
                family |= dict.fromkeys(node.outputs, oldest)
    return changed


def _op_names(nodes: tuple[Node, ...]) -> dict[str, str]:
    """The path of the module that an operator is all of, otherwise with what it does behind it."""
    # What a module holds counts for it as well.
    crowd: Counter[str] = Counter()
    for node in nodes:
        steps = node.module.split(".")
        crowd.update({".".join(steps[: i + 1]) for i in range(len(steps))})
    names = {}
    for node in nodes:
        parts = node.op.split(".")
        what = parts[1].strip("_") if len(parts) > 1 else node.op
        alone = node.module and crowd[node.module] == 1
        names[node.name] = node.module if alone else ".".join(filter(None, (node.module, what)))
    return names


def _place(node: Node, name: str) -> str:
    source = f", {node.source}" if node.source else ""
    return f"{name} ({node.op}{source})"


def _elements(array: Array) -> Array:
    """A constant's elements in a type of the graph.

    float16 is widened. float64 is taken where each element is a float32 number, or is the nearest
    text of one. int64 becomes int32.

    Raises:
        UnsupportedError: a value would change.
    """
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            narrow = array.astype(np.float32)
        if not np.array_equal(narrow.astype(np.float64), array, equal_nan=True):
            raise UnsupportedError(
                "holds float64 numbers that float32 does not have; " + IN_FLOAT32
            )
        return narrow
    if array.dtype == np.int64:
        info = np.iinfo(np.int32)
        if array.size and not info.min <= array.min() <= array.max() <= info.max:
            raise UnsupportedError("holds int64 numbers beyond int32")
        return array.astype(np.int32)
    return array


def _without_dead_ops(graph: Graph) -> Graph:
    """Only what outputs and variables need."""
    needed, kept = set(graph.outputs), []
    for op in reversed(graph.ops):
        if op.attributes.updates() or needed.intersection(op.outputs):
            needed.update(op.inputs)
            kept.append(op)
    return graph.with_ops(kept[::-1])


def _without_twins(graph: Graph) -> Graph:
    """Constants of the same content, as tied weights are, stand once."""
    first: dict[tuple[object, ...], str] = {}
    same: dict[str, str] = {}
    for tensor in graph.tensors.values():
        if tensor.is_constant and tensor.name not in graph.outputs:
            content = np.asarray(tensor.data).tobytes()
            key = (tensor.shape, tensor.dtype, tensor.quantization, content)
            same[tensor.name] = first.setdefault(key, tensor.name)
    return graph.with_ops([_renamed(op, same) for op in graph.ops])


def _renamed(op: Op, names: Mapping[str, str]) -> Op:
    return replace(op, inputs=tuple(names.get(n, n) for n in op.inputs))
