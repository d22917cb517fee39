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
BOUNDS: dict[str, float] = {}
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
    largest = np.float32(max(finite.max(initial=0.0), np.finfo(np.float32).tiny))
    with np.errstate(invalid="ignore"):
        distance = np.abs(x - y) / np.float64(np.spacing(largest))
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
