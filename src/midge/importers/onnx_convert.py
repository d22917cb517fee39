"""A file's nodes as operators of a graph in the making."""

from __future__ import annotations

from dataclasses import replace

import onnx

from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Tensor
from midge.graph.ops.conversions import Quantize
from midge.graph.ops.reshape import Reshape
from midge.importers.folding_builder import FoldingBuilder
from midge.importers.onnx_file import Constant, OnnxInput, OnnxModel, OnnxNode
from midge.importers.onnx_ops import CONVERTERS, KEEP_CODES, outputs_of
from midge.importers.onnx_ops.constants import graph_type
from midge.importers.onnx_ops.operands import Context, OnnxOp, Value

_MISFITS = (ArithmeticError, IndexError, KeyError, MemoryError, TypeError, ValueError)
"""What NumPy and Python raise on operands that no converter has foreseen."""


class Converter:
    """One pass over a model.

    Attributes:
        builder: The graph in the making.
        inputs: What the caller writes.
        problems: A line for each place that cannot be had.
    """

    def __init__(self, model: OnnxModel) -> None:
        """Take in inputs and constants."""
        self._model = model
        self.builder = FoldingBuilder()
        self._context = Context(self.builder, model.opset)
        self.problems: list[str] = []
        self.inputs: list[Tensor] = []
        self._ends = {o.name for o in model.outputs}
        self._fixed = _batch_names(model.inputs)
        values = self._context.values
        for given in model.inputs:
            if not given.name or given.name in values:
                raise UserError(f"an input's name {given.name!r} is empty or not the only one")
            values[given.name] = self._input(given)
        for name, constant in model.constants.items():
            values[name] = constant

    def _input(self, given: OnnxInput) -> Tensor | None:
        try:
            shape = _shape(given, self._fixed)
            made = self.builder.input(given.name, shape, graph_type(given.type_code))
        except UserError as error:
            self.problems.append(f"input {given.name!r}: {error}")
            return None
        self.inputs.append(made)
        return made

    def run(self) -> None:
        """Convert every node; what one cannot give is not asked for by others.

        Raises:
            UserError: the nodes are no sorted graph.
        """
        values = self._context.values
        for node in self._model.nodes:
            for name in node.inputs:
                if name and name not in values:
                    raise UserError(
                        f"node {node.name!r} ({node.op_type}) reads {name!r}, which no input, "
                        "constant or node before it gives"
                    )
            for name in node.outputs:
                if name in values and name:
                    raise UserError(
                        f"node {node.name!r} ({node.op_type}) writes {name!r}, which is there "
                        "already"
                    )
                values[name] = None
            values.pop("", None)
            if all(values[name] is not None for name in node.inputs if name):
                self._node(node)

    def _node(self, node: OnnxNode) -> None:
        first = len(self.builder.ops)
        try:
            made = self._converted(node)
        except UserError as error:
            self.problems.append(f"node {node.name!r} ({_type(node)}): {error}")
            return
        except _MISFITS as error:
            detail = str(error) or type(error).__name__
            self.problems.append(
                f"node {node.name!r} ({_type(node)}): its operands do not fit ({detail})"
            )
            return
        for name, value in zip(node.outputs, made, strict=False):
            if name and value is not None:
                self._context.values[name] = self._named(name, value, first)

    def _converted(self, node: OnnxNode) -> tuple[Value | None, ...]:
        convert = CONVERTERS.get((node.domain, node.op_type))
        if convert is None:
            raise UnsupportedError("the operator is not supported")
        op = OnnxOp(node, self._context, _since(node, self._model.opset))
        shifted = op.reads_shifted()
        taken = ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul")
        if shifted and node.op_type not in (*KEEP_CODES, *taken, "Gather", "Shape", "Size"):
            raise UnsupportedError(
                "computes with uint8 codes; supported: between DequantizeLinear and QuantizeLinear"
            )
        made = outputs_of(convert(op))
        op.expect_all_read()
        if shifted and node.op_type not in taken:
            self._context.shifted |= {
                v.name for v in made if isinstance(v, Tensor) and v.dtype is DType.INT8
            }
        for index, name in enumerate(node.outputs):
            if name and (index >= len(made) or made[index] is None):
                raise UnsupportedError(f"gives a further output {name!r}, which is not supported")
        return made

    def _named(self, name: str, value: Value, first: int) -> Value:
        """A tensor that the last node has made, under the name that the file has for it."""
        if isinstance(value, Constant) or value.is_constant or value.variable:
            return value
        if any(value.name in op.outputs for op in self.builder.ops[first:]):
            if value.name in self._context.shifted and name in self._ends:
                # The output itself will have the codes that the file has.
                name = f"{name}.as_int8"
            renamed = self.builder.renamed(value, name, first)
            if value.name in self._context.shifted:
                self._context.shifted.add(renamed.name)
            return renamed
        return value

    def outputs(self) -> list[Tensor]:
        """What the caller reads, each under its own name.

        Raises:
            UserError: nothing gives it.
        """
        found: list[Tensor] = []
        for wanted in self._model.outputs:
            if wanted.name not in self._context.values:
                raise UserError(f"output {wanted.name!r} is given by no node")
            value = self._context.values[wanted.name]
            if value is not None:
                found.append(self._output(wanted.name, value, found))
        return found

    def _output(self, name: str, value: Value, others: list[Tensor]) -> Tensor:
        tensor = self._context.tensor(name, value)
        if tensor.name in self._context.shifted:
            quantization = tensor.quantization
            if quantization is None:
                raise UnsupportedError(f"output {name!r} holds uint8 codes without a scale")
            unsigned = type(quantization)(
                quantization.scale, quantization.zero_point + 128, quantization.axis
            )
            made = Quantize(to=DType.UINT8)
            return self.builder.one(
                f"{name}.as_uint8", made, (tensor,), output=name, quantization=unsigned
            )
        taken = any(tensor.name == other.name for other in (*others, *self.inputs))
        if tensor.name == name and not taken:
            return tensor
        if tensor.is_constant:
            return self.builder.add(replace(tensor, name=name))
        return self.builder.one(f"{name}.copy", Reshape(shape=tensor.shape), (tensor,), output=name)


def _type(node: OnnxNode) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _since(node: OnnxNode, opset: int) -> int:
    """The opset since which the operator is what it is; the node's numbers of operands suit it."""
    if node.domain:
        return 1
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        raise UnsupportedError(f"opset {opset} has no such operator") from None
    for what, found, least, most in (
        ("inputs", len(node.inputs), schema.min_input, schema.max_input),
        ("outputs", len(node.outputs), schema.min_output, schema.max_output),
    ):
        if not least <= found <= most:
            raise UserError(f"has {found} {what}; expected {least} to {most}")
    return int(schema.since_version)


def _batch_names(inputs: tuple[OnnxInput, ...]) -> frozenset[str]:
    """Names of dimensions that stand first in some input: batches, which have one sample here."""
    return frozenset(
        v.dims[0] for v in inputs if v.dims and isinstance(v.dims[0], str) and v.dims[0]
    )


def _shape(given: OnnxInput, fixed: frozenset[str]) -> tuple[int, ...]:
    """Static extents; a batch that is left open is 1.

    Raises:
        UserError: another dimension is left open.
    """
    if given.dims is None:
        raise UserError("has no shape; export the model with fixed shapes")
    shape: list[int] = []
    for place, dim in enumerate(given.dims):
        if isinstance(dim, int) and dim > 0:
            shape.append(dim)
        elif place == 0 or dim in fixed:
            shape.append(1)
        else:
            said = f" ({dim})" if isinstance(dim, str) and dim else ""
            raise UserError(
                f"dimension {place}{said} is not fixed; only the first one, the batch, may be, and "
                "is taken as 1. Export the model with a fixed shape, or set it with "
                "onnx.tools.update_model_dims"
            )
    return tuple(shape)
