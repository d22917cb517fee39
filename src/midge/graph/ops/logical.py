"""logical_and and logical_or of two tensors, broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from midge.graph.elementwise import Binary
from midge.graph.types import Array, DType, Tensor


@dataclass(frozen=True, kw_only=True)
class _Logical(Binary):
    types = (DType.BOOL,)
    combine: ClassVar[Callable[..., Any]]

    def evaluate(
        self,
        values: Sequence[Array | None],
        inputs: Sequence[Tensor | None],  # noqa: ARG002 - the interface has it
        outputs: Sequence[Tensor],  # noqa: ARG002 - the interface has it
    ) -> tuple[Array, ...]:
        """Element by element."""
        return (np.asarray(type(self).combine(values[0], values[1])),)


@dataclass(frozen=True, kw_only=True)
class LogicalAnd(_Logical):
    """``y = a and b``.

    Inputs:
        a, b: bool, of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        bool of the broadcast shape.

    Source: TFLM `micro/kernels/logical_common.cc`.
    """

    kind = "logical_and"
    combine = np.logical_and


@dataclass(frozen=True, kw_only=True)
class LogicalOr(_Logical):
    """``y = a or b``.

    Inputs, output and source: as of `LogicalAnd`.
    """

    kind = "logical_or"
    combine = np.logical_or
