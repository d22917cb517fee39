"""silu, mish, softplus, hard_sigmoid and erf: what PyTorch and ONNX have and .tflite files do not.

For importers: `torch.nn.functional.softplus` with another `beta` is a `mul`, a `softplus` and a
`mul`; its threshold of 20 changes no float32. `torch.nn.functional.hardsigmoid` is `hard_sigmoid`
as it stands, ONNX's HardSigmoid has ``alpha`` 0.2 where the file does not say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from midge.errors import UserError
from midge.graph import float_math
from midge.graph.elementwise_unary import QUANTIZED_OR_FLOAT, RealFunction
from midge.graph.float_clamp import clamp_float
from midge.graph.function_tables import Float32Array
from midge.graph.types import Tensor

ONE, TWO = np.float32(1), np.float32(2)
MISH_IS_STRAIGHT = np.float32(20)
"""From here on mish is x in every bit, and the square of exp(x) is far from overflow."""


@dataclass(frozen=True, kw_only=True)
class Silu(RealFunction):
    """``y = x / (1 + exp(-x))``; also known as swish.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type. float32 within 1.5 ULP of normal results; NaN of minus
        infinity, as in PyTorch.

    Sources: ONNX operator Swish (opset 24); `torch.nn.functional.silu`.
    """

    kind = "silu"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """Times its own `float_math.logistic`."""
        return x * float_math.logistic(x)


@dataclass(frozen=True, kw_only=True)
class Mish(RealFunction):
    """``y = x * tanh(log(1 + exp(x)))``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type. float32 within 5 ULP of normal results; NaN of minus
        infinity, as in PyTorch.

    Sources: ONNX operator Mish (opset 18); `torch.nn.functional.mish`.
    """

    kind = "mish"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """With ``e = exp(x)``: ``n = e * (e + 2)``, ``x * (n / (n + 2))``; no digits cancel."""
        e = float_math.exp(np.where(x < MISH_IS_STRAIGHT, x, MISH_IS_STRAIGHT))
        n = e * (e + TWO)
        curved = x * float_math.divide(n, n + TWO)
        return np.where(x < MISH_IS_STRAIGHT, curved, x)


@dataclass(frozen=True, kw_only=True)
class Softplus(RealFunction):
    """``y = log(1 + exp(x))``.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type. float32 within 3 ULP of normal results.

    Sources: ONNX operator Softplus; `torch.nn.functional.softplus`. The logarithm of one and a
    little: D. Goldberg, "What Every Computer Scientist Should Know About Floating-Point
    Arithmetic", ACM Computing Surveys 23(1), 1991, theorem 4.
    """

    kind = "softplus"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """``max(x, 0) + log1p(exp(-|x|))``; what ``1 + e`` loses of e, a quotient gives back."""
        e = float_math.exp(-np.abs(x))
        raised = ONE + e
        # Where nothing of e is left in the sum, e itself is the logarithm.
        rest = float_math.divide(e, np.where(raised == ONE, ONE, raised - ONE))
        log1p = np.where(raised == ONE, e, float_math.log(raised) * rest)
        return np.where(x > 0, x, np.float32(0)) + log1p


@dataclass(frozen=True, kw_only=True)
class HardSigmoid(RealFunction):
    """``y = min(max(alpha * x + beta, 0), 1)``.

    Attributes:
        alpha: The slope, a float32; PyTorch's is 1/6.
        beta: The value at 0, a float32.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type; NaN of NaN.

    Sources: ONNX operator HardSigmoid; `torch.nn.functional.hardsigmoid`.
    """

    kind = "hard_sigmoid"
    types = QUANTIZED_OR_FLOAT
    alpha: float = 1 / 6
    beta: float = 0.5

    def check(self, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
        """Both numbers are finite float32; scales as of any function of reals."""
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not abs(value) <= float(np.finfo(np.float32).max):
                raise UserError(f"{name} {value:g} is not a finite float32")
        super().check(inputs, outputs)

    def real(self, x: Float32Array) -> Float32Array:
        """One rounding for the product, one for the sum."""
        line = np.float32(self.alpha) * x + np.float32(self.beta)
        return clamp_float(line, np.float32(0), ONE)


@dataclass(frozen=True, kw_only=True)
class Erf(RealFunction):
    """``y = 2 / sqrt(pi)`` times the integral of ``exp(-t**2)`` from 0 to x.

    Input:
        x: float32; int8 or int16 per tensor, int16 with zero point 0.

    Output:
        of x's shape and type. float32 within 0.56 ULP.

    Sources: ONNX operator Erf; `torch.erf`.
    """

    kind = "erf"
    types = QUANTIZED_OR_FLOAT

    def real(self, x: Float32Array) -> Float32Array:
        """`float_math.erf`."""
        return float_math.erf(x)
