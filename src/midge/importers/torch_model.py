"""The JSON of an exported program, as plain data.

Source: PyTorch `torch/_export/serde/schema.py`, major version 8. Symbolic sizes, subgraphs and
custom objects have no counterpart: what they are given to is refused where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from midge.errors import UnsupportedError, UserError
from midge.importers.torch_json import Json
from midge.importers.torch_program import (
    Argument,
    Constant,
    Node,
    Program,
    Ref,
    Refused,
    TensorMeta,
    TorchType,
    module_path,
    source_line,
)

SCHEMA_MAJOR = 8
MOST_NODES = 1 << 16
SCALAR_TYPES: Mapping[int, TorchType] = {
    1: TorchType.UINT8,
    2: TorchType.INT8,
    3: TorchType.INT16,
    4: TorchType.INT32,
    5: TorchType.INT64,
    6: TorchType.FLOAT16,
    7: TorchType.FLOAT32,
    8: TorchType.FLOAT64,
    12: TorchType.BOOL,
    13: TorchType.BFLOAT16,
}
"""Element types by the numbers that the schema gives them."""


def read_program(
    model: Json, weights: Mapping[str, Constant], constants: Mapping[str, Constant]
) -> Program:
    """A program out of an archive's JSON and tensors.

    Args:
        model: The JSON.
        weights: Parameters and persistent buffers, by where they stand in the module.
        constants: Other buffers and constant tensors, likewise.

    Raises:
        UserError: the JSON is not of the schema, or of another version, or has dynamic shapes.
    """
    version = model.child("schema_version")
    major, minor = version.child("major").integer(), version.child("minor").integer()
    if major != SCHEMA_MAJOR:
        raise UserError(
            f"its schema has version {major}.{minor}; supported: {SCHEMA_MAJOR}.x, which PyTorch "
            "2.5 to 2.13 write"
        )
    if list(model.child("range_constraints").items()):
        raise UserError(
            "it has dynamic shapes; expected static ones: export without dynamic_shapes"
        )
    module = model.child("graph_module")
    graph, signature = module.child("graph"), module.child("signature")
    for kind in ("sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values"):
        found = graph.optional(kind)
        if found is not None and list(found.items()):
            what = "custom objects" if kind.startswith("custom") else "symbolic expressions"
            raise UnsupportedError(f"it computes with {what}; supported: tensors and constants")
    nodes = graph.child("nodes").items_of_list()
    if len(nodes) > MOST_NODES:
        raise UserError(f"it has {len(nodes)} nodes; up to {MOST_NODES} are read")
    inputs, values, buffers = _inputs(signature, weights, constants)
    outputs, mutations, problems = _outputs(signature, buffers)
    return Program(
        inputs=inputs,
        constants=values,
        buffers=frozenset(buffers.values()),
        nodes=_nodes(nodes),
        outputs=outputs,
        mutations=mutations,
        metas={name: _meta(meta) for name, meta in graph.child("tensor_values").items()},
        problems=problems,
    )


def _inputs(
    signature: Json, weights: Mapping[str, Constant], constants: Mapping[str, Constant]
) -> tuple[tuple[str, ...], dict[str, Constant], dict[str, str]]:
    """The caller's tensors, the module's, and buffers' values by where they stand."""
    inputs: list[str] = []
    values: dict[str, Constant] = {}
    buffers: dict[str, str] = {}
    for spec in signature.child("input_specs").items_of_list():
        kind, body = spec.only()
        if kind == "user_input":
            what, argument = body.child("arg").only()
            if what == "as_tensor":
                inputs.append(argument.child("name").text())
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = {"parameter": "parameter_name", "buffer": "buffer_name"}.get(
                kind, "tensor_constant_name"
            )
            name, target = body.child("arg").child("name").text(), body.child(key).text()
            found = weights.get(target) or constants.get(target)
            if found is None:
                raise UserError(f"{spec.where} names {target[:80]!r}, whose tensor is not there")
            values[name] = found
            if kind == "buffer":
                buffers[target] = name
        elif kind != "constant_input":
            raise UnsupportedError(f"{spec.where} is a {kind[:40]}; supported: tensors")
    if len(set(inputs) | set(values)) != len(inputs) + len(values):
        raise UserError("two inputs of its program have one name")
    return tuple(inputs), values, buffers


def _outputs(
    signature: Json, buffers: Mapping[str, str]
) -> tuple[tuple[Argument, ...], dict[str, str], tuple[str, ...]]:
    """What the caller takes, buffers' last values, and a line for what is neither."""
    outputs: list[Argument] = []
    mutations: dict[str, str] = {}
    problems: list[str] = []
    for index, spec in enumerate(signature.child("output_specs").items_of_list()):
        kind, body = spec.only()
        if kind == "user_output":
            outputs.append(_argument(body.child("arg")))
        elif kind == "buffer_mutation":
            target = body.child("buffer_name").text()
            if target not in buffers:
                raise UserError(f"{spec.where} changes {target[:80]!r}, which is no buffer")
            mutations[buffers[target]] = body.child("arg").child("name").text()
        else:
            what = kind[:40].replace("_", " ")
            problems.append(f"output {index} is a {what}; supported: tensors and buffers")
    return tuple(outputs), mutations, tuple(problems)


def _nodes(nodes: list[Json]) -> tuple[Node, ...]:
    made: list[Node] = []
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        outputs = tuple(
            n for output in node.child("outputs").items_of_list() for n in _names(output)
        )
        if seen.intersection(outputs) or len(set(outputs)) != len(outputs):
            raise UserError(f"{node.where} computes a value that is computed already")
        seen.update(outputs)
        metadata = node.child("metadata")
        stack, trace = (metadata.optional(key) for key in ("nn_module_stack", "stack_trace"))
        made.append(
            Node(
                # Older files have no names.
                name=f"{index}",
                op=node.child("target").text().removeprefix("torch.ops."),
                arguments=dict(
                    _given(argument) for argument in node.child("inputs").items_of_list()
                ),
                outputs=outputs,
                module=module_path(stack.text()) if stack else "",
                source=source_line(trace.text()) if trace else "",
            )
        )
    return tuple(made)


def _given(argument: Json) -> tuple[str, Argument]:
    return argument.child("name").text(), _argument(argument.child("arg"))


def _names(output: Json) -> list[str]:
    """The tensors of an output; what is none has names of its own, and no converter gives it."""
    kind, body = output.only()
    if kind == "as_tensor":
        return [body.child("name").text()]
    if kind == "as_tensors":
        return [each.child("name").text() for each in body.items_of_list()]
    if kind == "as_none":
        return []
    return [f"{output.where}.{kind[:40]}"]


_REFUSED = {
    "as_sym_int": "a symbolic size",
    "as_sym_ints": "symbolic sizes",
    "as_sym_bool": "a symbolic condition",
    "as_sym_bools": "symbolic conditions",
    "as_sym_float": "a symbolic number",
    "as_sym_floats": "symbolic numbers",
    "as_graph": "a subgraph, as control flow has",
    "as_custom_obj": "a custom object",
    "as_operator": "an operator",
    "as_complex": "a complex number",
}


def _argument(argument: Json) -> Argument:
    kind, body = argument.only()
    if kind in _REFUSED:
        return Refused(_REFUSED[kind])
    readers: dict[str, Callable[[Json], Argument]] = {
        "as_none": lambda _: None,
        "as_tensor": _tensor,
        "as_optional_tensor": _argument,
        "as_int": Json.integer,
        "as_float": Json.real,
        "as_bool": Json.flag,
        "as_string": Json.text,
        "as_scalar_type": lambda j: SCALAR_TYPES.get(j.integer(), TorchType.OTHER),
        "as_memory_format": Json.integer,
        "as_layout": Json.integer,
        "as_device": lambda j: j.child("type").text(),
    }
    if kind in readers:
        return readers[kind](body)
    lists: dict[str, Callable[[Json], Argument]] = {
        "as_tensors": _tensor,
        "as_optional_tensors": _argument,
        "as_ints": Json.integer,
        "as_floats": Json.real,
        "as_bools": Json.flag,
        "as_strings": Json.text,
    }
    if kind in lists:
        return tuple(lists[kind](item) for item in body.items_of_list())
    return Refused(f"of the kind {kind[:40]}")


def _tensor(argument: Json) -> Argument:
    return Ref(argument.child("name").text())


def _meta(meta: Json) -> TensorMeta:
    extents = []
    for size in meta.child("sizes").items_of_list():
        kind, extent = size.only()
        if kind != "as_int":
            raise UserError(
                f"{meta.where} has a symbolic extent; expected static ones: export without "
                "dynamic_shapes"
            )
        extents.append(extent.integer())
    dtype = SCALAR_TYPES.get(meta.child("dtype").integer(), TorchType.OTHER)
    return TensorMeta(tuple(extents), dtype)
