"""minimum and maximum of two tensors, broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from midge.graph.elementwise import Binary, Numbers
from midge.graph.operands import expect_same_reals, tensor
from midge.graph.types import Array, DType, Tensor


@dataclass(frozen=True, kw_only=True)
class _Extremum(Binary):
    """Elements are compared as they are stored, and moved."""

    types = (DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.FLOAT32)

    def takes_first(self, a: Numbers, b: Numbers) -> npt.NDArray[np.bool_]:
        """Where the first operand is the result; the second is it elsewhere."""
        raise NotImplementedError

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Operands and output stand for reals in one way."""
        for value in inputs:
            expect_same_reals(tensor(value), outputs[0])

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """A choice; a comparison with what is not a number is false."""
        a, b = np.asarray(values[0]), np.asarray(values[1])
        return (np.where(self.takes_first(a, b), a, b),)


@dataclass(frozen=True, kw_only=True)
class Minimum(_Extremum):
    """``y = a if a < b else b``.

    Inputs:
        a, b: of one type, int8 and int16 of one quantisation, of shapes that broadcast as NumPy's
            do; either may be a constant.

    Output:
        The operands' type and quantisation, of the broadcast shape.

    Source: TFLM `micro/kernels/maximum_minimum.h`.
    """

    kind = "minimum"

    def takes_first(self, a: Numbers, b: Numbers) -> npt.NDArray[np.bool_]:
        """Where it is less."""
        return np.less(a, b)


@dataclass(frozen=True, kw_only=True)
class Maximum(_Extremum):
    """``y = a if a > b else b``.

    Inputs, output and source: as of `Minimum`.
    """

    kind = "maximum"

    def takes_first(self, a: Numbers, b: Numbers) -> npt.NDArray[np.bool_]:
        """Where it is greater."""
        return np.greater(a, b)
