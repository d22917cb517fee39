"""A .tflite model as plain data: what `tflite_writer` turns into bytes.

Names and values are those of the TFLite schema (tensorflow/lite/schema/schema.fbs, version 3):
operators by their ``BuiltinOperator`` name, paddings and activations by theirs. Tensors are
referred to by name, so that a description reads like a listing and can be changed with
``dataclasses.replace``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
"""(height, width), in elements."""


@dataclass(frozen=True)
class Quantization:
    """Affine quantisation: real = scale * (q - zero_point).

    Attributes:
        scales: One positive scale per tensor, or one per slice along `dimension`. Rounded to
            float32 when written, as the schema stores them.
        zero_points: As many as there are scales.
        dimension: The axis that several scales belong to; 0 for a single scale.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int = 0

    @property
    def scale(self) -> float:
        """The first scale, rounded to the float32 that the file holds."""
        return float(np.float32(self.scales[0]))

    @property
    def zero_point(self) -> int:
        """The first zero point."""
        return self.zero_points[0]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor.

    Attributes:
        name: Unique within the model.
        shape: Sizes, outermost first; images are NHWC.
        dtype: ``"int4"`` to ``"int64"``, ``"uint8"``, ``"float32"``, ``"bool"``, ``"resource"``.
        quantization: None for plain numbers (shapes, paddings, float32).
        values: A constant's contents, of `shape` and `dtype` (int4 as int8); None for a computed
            tensor or input.
        variable: It outlives a run: the state of an SVDF or LSTM.
        signature: The shape with -1 where it is open; None where it is all known.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    quantization: Quantization | None = None
    values: NDArray[Any] | None = None
    variable: bool = False
    signature: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Conv2DOptions:
    """Attributes of CONV_2D; weights are OHWI, and groups = C_in / weights' last size."""

    padding: str = "SAME"
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    activation: str = "NONE"


@dataclass(frozen=True)
class DepthwiseConv2DOptions:
    """Attributes of DEPTHWISE_CONV_2D; weights are 1HWO with O = C_in * depth_multiplier."""

    padding: str = "SAME"
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    depth_multiplier: int = 1
    activation: str = "NONE"


@dataclass(frozen=True)
class FullyConnectedOptions:
    """Attributes of FULLY_CONNECTED; weights are (units, depth)."""

    activation: str = "NONE"
    keep_num_dims: bool = False


@dataclass(frozen=True)
class Pool2DOptions:
    """Attributes of AVERAGE_POOL_2D and MAX_POOL_2D."""

    filter: Pair
    padding: str = "VALID"
    stride: Pair = (1, 1)
    activation: str = "NONE"


@dataclass(frozen=True)
class AddOptions:
    """Attributes of ADD."""

    activation: str = "NONE"


@dataclass(frozen=True)
class SoftmaxOptions:
    """Attributes of SOFTMAX; `beta` multiplies the logits and is stored as float32."""

    beta: float = 1.0


@dataclass(frozen=True)
class ReshapeOptions:
    """Attributes of RESHAPE; empty when the shape is the operator's second input."""

    new_shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PadOptions:
    """PAD has none of its own: the paddings are its second input, int32 (rank, 2)."""


@dataclass(frozen=True)
class Fields:
    """Any options table of the schema, for the operators that have no class of their own here.

    Attributes:
        table: Its name, such as ``"SubOptions"``; empty for an operator without one.
        values: Its fields by the schema's names: numbers, bool, text, or tuples of integers.
    """

    table: str = ""
    values: tuple[tuple[str, Any], ...] = ()

    @staticmethod
    def of(table: str, **values: Any) -> Fields:
        """The table with these fields."""
        return Fields(table, tuple(values.items()))


Options = (
    Fields
    | Conv2DOptions
    | DepthwiseConv2DOptions
    | FullyConnectedOptions
    | Pool2DOptions
    | AddOptions
    | SoftmaxOptions
    | ReshapeOptions
    | PadOptions
)


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        op: ``BuiltinOperator`` name, such as ``"CONV_2D"``.
        inputs: Tensor names; None stands for an optional input that is left out (index -1).
        outputs: Tensor names.
        options: The attributes; their class must suit `op`.
        version: The schema's operator version, which a runtime may check.
    """

    op: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    options: Options
    version: int = 1


@dataclass(frozen=True)
class ModelDescription:
    """A model: its main subgraph, and those that it calls.

    Attributes:
        tensors: In file order.
        operators: In execution order.
        inputs: Names of the tensors that the caller provides.
        outputs: Names of the tensors that the caller reads.
        comment: Goes into the file's description field.
        functions: Further subgraphs of the file, numbered from 1: what a CALL_ONCE runs.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    comment: str = ""
    functions: tuple[ModelDescription, ...] = ()

    def tensor(self, name: str) -> Tensor:
        """Return the tensor called `name`.

        Raises:
            KeyError: There is none.
        """
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    def listing(self) -> str:
        """Return one line per input and operator: names, shapes, quantisation, attributes."""
        lines = [self.comment] if self.comment else []
        lines += [f"input {self._typed(name)}" for name in self.inputs]
        for op in self.operators:
            operands = ", ".join("-" if name is None else self._typed(name) for name in op.inputs)
            results = ", ".join(self._typed(name) for name in op.outputs)
            lines.append(f"{results} = {op.op}({operands}) {op.options}")
        lines.append("output " + ", ".join(self.outputs))
        return "\n".join(lines)

    def _typed(self, name: str) -> str:
        tensor = self.tensor(name)
        text = f"{name}:{tensor.dtype}{list(tensor.shape)}"
        if tensor.quantization is None:
            return text
        count = len(tensor.quantization.scales)
        scales = f"{tensor.quantization.scale:.6g}" + (f"..x{count}" if count > 1 else "")
        return f"{text}({scales}, {tensor.quantization.zero_point})"
