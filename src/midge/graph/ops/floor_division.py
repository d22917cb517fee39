"""floor_div and floor_mod: division that rounds down, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.graph.elementwise import Arithmetic, Numbers
from midge.graph.types import DType

_NAN = np.float32(np.nan)
"""The one bit pattern that the kernel, too, gives for what is no number."""


@dataclass(frozen=True, kw_only=True)
class FloorDiv(Arithmetic):
    """``y = floor(a / b)``: the quotient in double precision, rounded down, then to float32.

    By 0 it is infinite, and not a number for ``0 / 0``; TFLM ends the inference there.

    Inputs:
        a, b: float32, of shapes that broadcast as NumPy's do; either may be a constant.

    Output:
        float32 of the broadcast shape.

    Source: TFLM `kernels/internal/reference/floor_div.h`.
    """

    kind = "floor_div"
    types = (DType.FLOAT32,)

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """Three roundings."""
        quotient = np.floor(a.astype(np.float64) / b.astype(np.float64)).astype(np.float32)
        return np.where(np.isnan(quotient), _NAN, quotient)


@dataclass(frozen=True, kw_only=True)
class FloorMod(Arithmetic):
    """``y = a - floor(a / b) * b``, exact, with the divisor's sign; rounded where signs differ.

    The remainder of truncating division has the dividend's sign; where it is not 0 and the
    divisor's sign is another one, the divisor is added.

    Inputs and output: as of `FloorDiv`. By 0 it is not a number.

    Source: TFLM `kernels/internal/reference/floor_mod.h`.
    """

    kind = "floor_mod"
    types = (DType.FLOAT32,)

    def of_floats(self, a: Numbers, b: Numbers) -> Numbers:
        """At most one rounding."""
        remainder = np.fmod(a, b)
        crosses = (remainder != 0) & ((b < 0) != (remainder < 0))
        return np.select([np.isnan(remainder), crosses], [_NAN, remainder + b], remainder)
