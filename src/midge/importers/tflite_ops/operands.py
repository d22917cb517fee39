"""What a converter sees of its operator: tensors, options, constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from midge.errors import UnsupportedError, UserError
from midge.graph import Activation, DType, Tensor
from midge.graph.window import Pair, Window, same_padding
from midge.importers.tflite_file import TfliteOp

_ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
}


class Operands:
    """The tensors and options of one operator.

    Attributes:
        inputs: Tensors, None where an optional one is left out.
        outputs: Tensors.
    """

    def __init__(self, record: TfliteOp, tensor: Callable[[int], Tensor]) -> None:
        self._record = record
        self.inputs = tuple(tensor(i) if i >= 0 else None for i in record.inputs)
        self.outputs = tuple(tensor(i) for i in record.outputs)

    @staticmethod
    def _required(tensor: Tensor | None) -> Tensor:
        if tensor is None:
            raise UserError("a required tensor is left out")
        return tensor

    def input(self, index: int) -> Tensor:
        """A required input."""
        if index >= len(self.inputs):
            raise UserError(f"has {len(self.inputs)} inputs; expected at least {index + 1}")
        return self._required(self.inputs[index])

    def output(self) -> Tensor:
        """The only output."""
        if len(self.outputs) != 1:
            raise UserError(f"has {len(self.outputs)} outputs; expected 1")
        return self.outputs[0]

    def options(self, schema: type[Any]) -> Any:
        """The options table, read by a class of the schema.

        Raises:
            UserError: the file has none, or one of another kind; TFLM would compute with zeros.
        """
        options = self._record.options(schema)
        if options is None:
            raise UserError(f"has no {schema.__name__}")
        return options

    def constant(self, index: int) -> npt.NDArray[np.int64]:
        """The elements of a constant integer input.

        Raises:
            UnsupportedError: it is computed at run time.
        """
        tensor = self.input(index)
        if not tensor.is_constant:
            raise UnsupportedError(
                f"input {tensor.name} is computed at run time; a constant is supported"
            )
        if tensor.dtype not in (DType.INT32, DType.INT64):
            raise UserError(f"input {tensor.name} is {tensor.dtype.value}; expected int32 or int64")
        return np.asarray(tensor.data).astype(np.int64)


def activation(code: int) -> Activation:
    """The fused activation of an options table."""
    if code not in _ACTIVATIONS:
        raise UnsupportedError(
            f"fused activation {code} is not supported (TFLite Micro computes it as none); "
            "supported: NONE, RELU, RELU_N1_TO_1, RELU6"
        )
    return _ACTIVATIONS[code]


def padding(
    code: int, image: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """SAME or VALID as explicit padding: (above, left), (below, right)."""
    if min(*kernel, *stride, *dilation) < 1:
        raise UserError(
            f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1"
        )
    if code == tflite.Padding.VALID:
        return (0, 0), (0, 0)
    if code != tflite.Padding.SAME:
        raise UserError(f"padding {code} is neither SAME nor VALID")
    (top, bottom), (left, right) = (
        same_padding(image[d], kernel[d], stride[d], dilation[d]) for d in (0, 1)
    )
    return (top, left), (bottom, right)


def image_extent(x: Tensor) -> Pair:
    """Height and width of an NHWC image."""
    if len(x.shape) != 4:
        raise UserError(f"{x.name} has shape {list(x.shape)}; expected 4 dimensions")
    return x.shape[1], x.shape[2]


def pool_window(op: Operands) -> tuple[Any, Window]:
    """The options of a pooling operator, and its window with explicit padding."""
    options = op.options(tflite.Pool2DOptions)
    kernel = options.FilterHeight(), options.FilterWidth()
    stride = options.StrideH(), options.StrideW()
    image = image_extent(op.input(0))
    before, after = padding(options.Padding(), image, kernel, stride, (1, 1))
    return options, Window(kernel, stride, (1, 1), before, after)
