"""PyTorch modules and exported programs -> graph. The semantics are those of evaluation mode.

Nothing here needs PyTorch until a function is called.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from midge.errors import ToolError, UserError
from midge.graph import Array, Graph
from midge.importers.tflite import c_identifier
from midge.importers.torch_convert import convert_program
from midge.importers.torch_ops import CONVERTERS
from midge.importers.torch_program import (
    Argument,
    Constant,
    Node,
    Program,
    Ref,
    Refused,
    TensorMeta,
    TorchType,
    clean_path,
    source_line,
)

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram


def import_module(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...] | torch.Tensor,
    name: str | None = None,
    *,
    streaming: bool = False,
) -> Graph:
    """Export a module by `torch.export` and read it into a verified graph.

    Args:
        module: Any module that `torch.export.export` takes; it is exported in evaluation mode and
            left in the mode that it is in.
        example: Inputs of the shapes and types that the graph is to have.
        name: The graph's name, a C identifier; made from the class's when None.
        streaming: Recurrent layers begin where the last call left off; otherwise from zero.

    Returns:
        The graph, in the module's layout (channels first).

    Raises:
        ToolError: PyTorch is missing.
        UserError: the module cannot be exported, with the reason that PyTorch gives.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    torch = _torch()
    inputs = (example,) if isinstance(example, torch.Tensor) else tuple(example)
    title = type(module).__name__
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        program = _quietly(title, lambda: torch.export.export(module, inputs))
    finally:
        for part, mode in modes:
            part.training = mode
    return import_exported(program, name or c_identifier(title), streaming=streaming, source=title)


def import_exported(
    program: ExportedProgram,
    name: str | None = None,
    *,
    streaming: bool = False,
    source: str = "ExportedProgram",
) -> Graph:
    """Read an exported program into a verified graph.

    Args:
        program: As `torch.export.export` gives it, or decomposed to core ATen operators.
        name: The graph's name, a C identifier; ``model`` when None.
        streaming: Recurrent layers begin where the last call left off; otherwise from zero.
        source: What messages call it.

    Returns:
        The graph, in the program's layout (channels first).

    Raises:
        ToolError: PyTorch is missing.
        UserError: the program has dynamic shapes.
        UnsupportedError: it uses what Midge does not have; every such place is listed.
    """
    _torch()
    if any(_changes_in_place(node.target) for node in program.graph.nodes):
        program = _decomposed(program, {}, source)
    table = _decompositions(program)
    if table:
        program = _decomposed(program, table, source)
    described = describe(program)
    return convert_program(described, source, name or "model", streaming=streaming)


def _decompositions(program: ExportedProgram) -> dict[Any, Any]:
    """What takes operators that Midge lacks apart, by operator; recurrent ones stay whole."""
    lacking = {
        node.target
        for node in program.graph.nodes
        if node.op == "call_function"
        and str(node.target) not in CONVERTERS
        and str(node.target).startswith("aten.")
        and not str(node.target).startswith(_ROLLED)
    }
    if not lacking:
        return {}
    table = _torch().export.default_decompositions()
    return {target: table[target] for target in lacking if target in table}


_ROLLED = ("aten.rnn_tanh", "aten.rnn_relu", "aten.gru", "aten.lstm")
"""Decompositions would write every step out."""


def _decomposed(program: ExportedProgram, table: dict[Any, Any], source: str) -> ExportedProgram:
    """The program without operators of the table, and without changes in place."""
    result: ExportedProgram = _quietly(source, lambda: program.run_decompositions(table))
    return result


def _torch() -> Any:
    try:
        import torch  # noqa: PLC0415 - seconds, and only where it is needed
    except ImportError:
        raise ToolError(
            'PyTorch is not installed; expected for modules: pip install "midge[torch]"'
        ) from None
    return torch


def _quietly(title: str, step: Callable[[], Any]) -> Any:
    """The step without its warnings; its failure as a message.

    Raises:
        UserError: the step has failed, for the reason that the message gives.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return step()
        # PyTorch has no common class for what export may raise.
        except Exception as error:
            frames = "".join(traceback.format_tb(error.__traceback__))
            line = source_line(_without_own_frames(frames))
            place = f"{title} ({line})" if line else title
            raise UserError(
                f"{place}: torch.export cannot export it: {_reason(error)}. Branches and shapes "
                "must not depend on values; try torch.export.export(module.eval(), example) alone"
            ) from None


def _without_own_frames(frames: str) -> str:
    """Frames of the user's code, of a formatted traceback."""
    own = __file__.replace("\\", "/")
    parts = frames.split('  File "')
    return "".join(f'  File "{p}' for p in parts[1:] if not p.replace("\\", "/").startswith(own))


def _reason(error: Exception) -> str:
    """The first sentence of PyTorch's message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first[:300].rstrip(".:")


def _changes_in_place(target: object) -> bool:
    schema = getattr(target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def describe(program: ExportedProgram) -> Program:
    """What a program says, in plain data.

    Raises:
        UserError: an extent is symbolic.
    """
    return _Description(program).program()


class _Description:
    """Walks over one program."""

    def __init__(self, exported: ExportedProgram) -> None:
        self.torch = _torch()
        self.exported = exported
        self.metas: dict[str, TensorMeta] = {}
        self.constants: dict[str, Constant] = {}
        self.problems: list[str] = []
        # A getitem is another name of an output of the node that it takes apart.
        self.same: dict[str, str] = {}

    def program(self) -> Program:
        inputs, buffers = self._inputs()
        for node in self.exported.graph.nodes:
            if node.op == "placeholder":
                self._take_metas((node.name,), node.meta.get("val"))
        nodes = [
            self._node(node)
            for node in self.exported.graph.nodes
            if node.op == "call_function" and not _takes_apart(node)
        ]
        outputs, mutations = self._outputs(buffers)
        return Program(
            inputs=tuple(inputs),
            constants=self.constants,
            buffers=frozenset(buffers.values()),
            nodes=tuple(nodes),
            outputs=tuple(outputs),
            mutations=mutations,
            metas=self.metas,
            problems=tuple(self.problems),
        )

    def _inputs(self) -> tuple[list[str], dict[str, str]]:
        """Names of the inputs, and of buffers' values by where they stand in the module."""
        inputs, buffers = [], {}
        for spec in self.exported.graph_signature.input_specs:
            kind, name = spec.kind.name, getattr(spec.arg, "name", "")
            if kind == "USER_INPUT":
                if hasattr(spec.arg, "value"):
                    # A number or None: it stands in the program as a constant.
                    continue
                inputs.append(name)
            elif kind in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR"):
                self.constants[name] = Constant(str(spec.target), self._elements(spec.target))
                if kind == "BUFFER":
                    buffers[str(spec.target)] = name
            else:
                self.problems.append(f"input {name} is a {kind.lower()}; supported: tensors")
        return inputs, buffers

    def _elements(self, target: str | None) -> Array | str:
        found = self.exported.state_dict.get(target or "")
        found = self.exported.constants.get(target or "") if found is None else found
        if not isinstance(found, self.torch.Tensor):
            return "is no tensor"
        if found.layout is not self.torch.strided or found.is_quantized:
            return "is not a plain dense tensor"
        value = found.detach().cpu()
        if value.dtype is self.torch.bfloat16:
            value = value.float()
        if _type_of(value.dtype) is TorchType.OTHER:
            return f"holds {value.dtype}"
        array: Array = np.array(value.contiguous().numpy())
        return array

    def _outputs(self, buffers: Mapping[str, str]) -> tuple[list[Argument], dict[str, str]]:
        outputs: list[Argument] = []
        mutations: dict[str, str] = {}
        for spec in self.exported.graph_signature.output_specs:
            kind, name = spec.kind.name, getattr(spec.arg, "name", "")
            if kind == "BUFFER_MUTATION":
                mutations[buffers[str(spec.target)]] = self.same.get(name, name)
            elif kind != "USER_OUTPUT":
                what = kind.lower().replace("_", " ")
                self.problems.append(f"output {name} is a {what}; supported: tensors and buffers")
            elif hasattr(spec.arg, "value"):
                outputs.append(spec.arg.value if _is_plain(spec.arg.value) else None)
            else:
                outputs.append(Ref(self.same.get(name, name)))
        return outputs, mutations

    def _node(self, node: Any) -> Node:
        value = node.meta.get("val")
        if value is None:
            outputs: tuple[str, ...] = ()
        elif isinstance(value, tuple | list):
            outputs = self._parts(node, len(value))
        else:
            outputs = (node.name,)
        self._take_metas(outputs, value)
        return Node(
            name=node.name,
            op=str(node.target),
            arguments=self._arguments(node),
            outputs=outputs,
            module=_innermost(node.meta.get("nn_module_stack")),
            source=source_line(str(node.meta.get("stack_trace") or "")),
        )

    def _parts(self, node: Any, count: int) -> tuple[str, ...]:
        """Names of several outputs: those of the nodes that take them out."""
        names = [f"{node.name}[{index}]" for index in range(count)]
        for user in node.users:
            if _takes_apart(user):
                self.same[user.name] = names[user.args[1]]
        return tuple(names)

    def _take_metas(self, names: Sequence[str], value: Any) -> None:
        values = value if isinstance(value, tuple | list) else (value,)
        for name, each in zip(names, values, strict=False):
            if not isinstance(each, self.torch.Tensor):
                continue
            if not all(isinstance(extent, int) for extent in each.shape):
                raise UserError(
                    f"{name} has the dynamic shape {list(each.shape)}; expected static extents: "
                    "export without dynamic_shapes"
                )
            self.metas[name] = TensorMeta(tuple(each.shape), _type_of(each.dtype))

    def _arguments(self, node: Any) -> dict[str, Argument]:
        schema = getattr(node.target, "_schema", None)
        if schema is None:
            # Control flow and the like; no converter knows it.
            return {}
        names = [argument.name for argument in schema.arguments]
        given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        return {name: self._argument(value) for name, value in given.items()}

    def _argument(self, value: Any) -> Argument:
        if isinstance(value, self.torch.fx.Node):
            found = value.meta.get("val")
            if isinstance(found, self.torch.Tensor):
                return Ref(self.same.get(value.name, value.name))
            return Refused("computed by the program and no tensor")
        if isinstance(value, tuple | list):
            return tuple(self._argument(item) for item in value)
        if isinstance(value, self.torch.dtype):
            return _type_of(value)
        if _is_plain(value):
            plain: Argument = value
            return plain
        return Refused(f"a {type(value).__name__}")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _takes_apart(node: Any) -> bool:
    return getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[1], int)


def _type_of(dtype: object) -> TorchType:
    name = str(dtype).removeprefix("torch.")
    return TorchType(name) if name in {t.value for t in TorchType} else TorchType.OTHER


def _innermost(stack: Mapping[str, tuple[str, Any]] | None) -> str:
    """The path of the innermost module of a node's stack."""
    if not stack:
        return ""
    return clean_path(str(list(stack.values())[-1][0]))
