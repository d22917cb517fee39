"""How far float32 results may lie from TFLite Micro's, in units in the last place.

TFLite Micro calls the host's libm and sums in another order; Midge has functions and an order of
its own, which are the same on every core. A sum's error is relative to its largest terms, not to
its result, so distances are measured in units of the largest output of the tensor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.synthetic import SyntheticNetwork

EXACT = 0.5
"""Operators of single IEEE operations agree in every bit; distances are whole numbers."""
BOUNDS: dict[str, float] = {
    # Sigmoid and tanh of the host's libm feed back through gates and cell.
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 64.0,
    "SVDF": 2.0,  # TANH
    # Rows of up to 2000 differ by 2: an exponential's last place, and the sum's.
    **{"SOFTMAX": 3.0, "LOG_SOFTMAX": 3.0},
    **{"COS": 1.0, "ELU": 1.0, "EXP": 1.0, "LOG": 1.0, "LOGISTIC": 1.0, "SIN": 1.0, "TANH": 2.0},
}
"""By the schema's name of the operator, where it is not `EXACT`."""


def ulp_bound(network: SyntheticNetwork) -> float:
    """The bound of a network of one operator."""
    return max(BOUNDS.get(op.op, EXACT) for op in network.model.operators)


def ulp_distance(a: NDArray[np.generic], b: NDArray[np.generic]) -> NDArray[np.float64]:
    """``|a - b|`` in units in the last place of the largest finite element of b.

    0 where both are NaN, or infinite with one sign; infinite where only one of them is.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    same = (np.isnan(x) & np.isnan(y)) | (x == y)
    finite = np.abs(y[np.isfinite(y)])
    largest = max(finite.max(initial=0.0), float(np.finfo(np.float32).tiny))
    # As np.spacing has it, which overflows for the largest float of all.
    unit = np.ldexp(1.0, np.frexp(largest)[1] - 24)
    with np.errstate(invalid="ignore"):
        distance = np.abs(x - y) / unit
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
