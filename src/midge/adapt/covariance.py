"""Recursive least squares in Bierman's UD form: ``P = U diag(D) U'`` with U unit upper triangular.

D stays positive whatever rounding does, so float32 is enough where the plain recursion loses
symmetry and blows up (G. J. Bierman, Factorization Methods for Discrete Sequential Estimation,
1977, chapter V). Every function works on a batch of independent filters; within one filter sums run
over the index in ascending order, as the C does.

Bounds, so that no stream makes a number that is not finite: D in [1e-9, `largest`], |U| at most
1e4, features at most 16 in magnitude.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]

SMALLEST_VARIANCE = np.float32(1e-9)
LARGEST_FACTOR = np.float32(1e4)


def gain_and_update(
    upper: Float32s, variances: Float32s, features: Float32s, memory: float, largest: float
) -> Float32s:
    """Take in one regressor for each filter; the covariances are changed in place.

    Args:
        upper: [filters, n, n], strictly upper triangular, zeros elsewhere.
        variances: [filters, n], D.
        features: [filters, n].
        memory: The factor of forgetting.
        largest: Bound of D.

    Returns:
        [filters, n], the gains: coefficients move by gain times error.
    """
    forget = np.float32(memory)
    terms = np.concatenate([features[:, None, :], upper * features[:, :, None]], axis=1)
    seen = np.add.accumulate(terms, axis=1)[:, -1]
    weighted = variances * seen
    start = np.full((len(features), 1), forget, np.float32)
    alphas = np.add.accumulate(np.concatenate([start, weighted * seen], axis=1), axis=1)
    before, after = alphas[:, :-1], alphas[:, 1:]
    slopes = np.divide(-seen, before)
    kept = variances * before / (after * forget)
    variances[:] = np.maximum(np.minimum(kept, np.float32(largest)), SMALLEST_VARIANCE)
    # Row i, column j: what filter theory calls the unscaled gain of feature i after feature j.
    terms = upper * weighted[:, None, :]
    diagonal = np.arange(features.shape[1])
    terms[:, diagonal, diagonal] = weighted
    partial = np.add.accumulate(terms, axis=2)
    moved = upper[:, :, 1:] + partial[:, :, :-1] * slopes[:, None, 1:]
    _bound(moved)
    upper[:, :, 1:] = moved
    inverse = np.divide(np.float32(1), alphas[:, -1:])
    gains: Float32s = partial[:, :, -1] * inverse
    return gains


def _bound(upper: Float32s) -> None:
    np.minimum(np.maximum(upper, -LARGEST_FACTOR, out=upper), LARGEST_FACTOR, out=upper)


def scale_features(upper: Float32s, variances: Float32s, factors: Float32s, prior: float) -> None:
    """Carry covariances over to features that are 1/factor as large, exactly for powers of two.

    A variance that grows stops at the prior, unless it was above: what is unknown stays as unknown
    as at the start, in the new unit.

    Args:
        upper: [filters, n, n], changed.
        variances: [filters, n], changed.
        factors: [n].
        prior: Variance at the start.
    """
    grown = variances * (factors * factors)
    bound = np.maximum(variances, np.float32(prior))
    held = np.where(factors > 1, np.minimum(grown, bound), grown)
    variances[:] = np.maximum(held, SMALLEST_VARIANCE)
    ratios = factors[:, None] / factors[None, :]
    upper *= ratios
    _bound(upper)


def shift_features(upper: Float32s, shifts: Float32s) -> None:
    """Carry covariances over to features that are less by `shifts`; the first feature is constant.

    Args:
        upper: [filters, n, n], changed: the first row only.
        shifts: [n], the first is 0.
    """
    n = len(shifts)
    first = upper[:, 0, :] + shifts
    for i in range(1, n - 1):
        first[:, i + 1 :] += shifts[i] * upper[:, i, i + 1 :]
    _bound(first)
    upper[:, 0, 1:] = first[:, 1:]
