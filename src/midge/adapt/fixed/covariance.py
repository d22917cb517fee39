"""Recursive least squares in Bierman's UD form, in integers: ``P = U diag(D) U'``.

U has 24 places behind the point. D reaches from 1e-9 to 1e6 and is kept as words: 24 digits behind
a leading one, and above them an exponent, so that words are in order as what they stand for:
``(2**24 + low 24 bits) * 2**((word >> 24) - 54)``.

Bierman carries sums from column to column that grow as the variances do. Here it is the gain so far
that is carried, those sums over the variance of what the features so far tell: it stays within a
few thousands. Errors of rounding in it are errors of a gain; they make no variance negative.

Every function works on a batch of independent filters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.adapt.fixed.arithmetic import (
    INT32_MAX,
    LIMIT,
    Int64s,
    between,
    digits,
    filled,
    narrow,
    reciprocal,
    rounded,
    wide,
)
from midge.adapt.fixed.numbers import Memory

Int32s = NDArray[np.int32]

_LEADING = 1 << 24
_FOURFOLD = 2 << 24
"""Added to a word."""


def gain_and_update(
    factor: Int32s, variances: Int32s, features: Int64s, memory: Memory, largest: int
) -> Int64s:
    """Take in one regressor for each filter; the covariances are changed in place.

    Args:
        factor: [filters, n, n], U transposed: below its diagonal, zeros elsewhere.
        variances: [filters, n], D.
        features: [filters, n], Q20, at most 16.
        memory: Of forgetting.
        largest: Bound of D, as a word.

    Returns:
        [filters, n], the gains, Q18: coefficients move by gain times error.
    """
    n = features.shape[1]
    sums = np.sum(factor * features[:, None, :], axis=2)
    seen = narrow(rounded(sums + (features << 24), 20))
    kept, gained = _columns(variances, seen, memory, largest)
    kept_26 = (kept >> 5) + (kept >> 4 & 1)
    gains = np.zeros_like(features)
    for j in range(n):
        column, before = wide(factor[:, j, :j]), gains[:, :j]
        factor[:, j, :j] = narrow(rounded((column << 18) - seen[:, j, None] * before, 18))
        moved = before * kept_26[:, j, None] + column * gained[:, j, None]
        gains[:, :j] = narrow(rounded(moved, 26))
        gains[:, j] = (gained[:, j] + 2) >> 2
    return gains


def _columns(
    variances: Int32s, seen: Int64s, memory: Memory, largest: int
) -> tuple[Int64s, Int64s]:
    """What columns do to the gain so far, and to their variances, which are changed.

    Args:
        variances: [filters, n].
        seen: [filters, n], features less what the others tell of them, Q24.
        memory: Of forgetting.
        largest: Bound of a variance.

    Returns:
        [filters, n] each: what the gain so far is multiplied by, Q31; what the column is, Q20.
    """
    exponent, whole = wide(variances) >> 24, wide(variances) & (_LEADING - 1) | _LEADING
    down = 31 - digits(np.abs(seen))
    full = np.abs(seen) << down
    one = whole * full >> 25
    told = one * full >> 31
    before, after, over = _alphas(told, exponent - 2 * down - 15, memory.forget)
    inverse = reciprocal(after)
    kept = np.minimum(before * inverse >> 30, INT32_MAX)
    raw = one * inverse >> 31
    gained = _raised(raw, exponent - down - over - 32)
    variances[:] = _forgotten(exponent, whole, kept, memory.unforget, largest)
    return kept, np.where(seen < 0, -gained, gained)


def _alphas(told: Int64s, up: Int64s, forget: int) -> tuple[Int64s, Int64s, Int64s]:
    """Forgetting and the variance of what features so far tell, `told` times 2**up each, Q31.

    Returns:
        [filters, n] each: without the feature of the column; with it, in 31 digits; and what both
        are to be shifted up by.
    """
    before, after, over = np.empty_like(told), np.empty_like(told), np.empty_like(told)
    alpha = np.full(len(told), forget << 31 >> forget.bit_length())
    shift = np.full(len(told), forget.bit_length() - 31)
    for j in range(told.shape[1]):
        apart = up[:, j] - shift
        old = alpha >> between(apart, 0, 31)
        total = old + (told[:, j] >> between(-apart, 0, 31))
        places = digits(total)
        alpha = after[:, j] = filled(total, places)
        before[:, j] = filled(old, places)
        shift = over[:, j] = np.maximum(shift, up[:, j]) + places - 31
    return before, after, over


def _raised(values: Int64s, up: Int64s) -> Int64s:
    """``values * 2**up``, rounded, at most `LIMIT`; values from 0 to 2**31."""
    left = between(up, 0, 31)
    larger = np.where(values > LIMIT >> left, LIMIT, values << left)
    smaller = np.minimum(rounded(values, between(-up, 1, 31)), LIMIT)
    return np.where(up >= 0, larger, np.where(up < -31, 0, smaller))


def _forgotten(
    exponent: Int64s, whole: Int64s, kept: Int64s, unforget: int, largest: int
) -> Int64s:
    """Variances times kept over forgetting, with their bounds."""
    other = np.maximum(whole * kept >> 25, 1) * unforget >> 30
    places = digits(other)
    shifted = np.where(
        places > 25,
        other >> np.maximum(places - 25, 0),
        other << np.maximum(25 - places, 0),
    )
    words = (exponent + places - 32) * _LEADING + shifted
    out: Int64s = np.maximum(np.minimum(words, largest), 0)
    return out


def shifted(values: NDArray[np.int32] | Int64s, doubled: bool) -> Int64s:
    """Twice or half as much."""
    values = values.astype(np.int64)
    return narrow(2 * values) if doubled else (values + 1) >> 1


def scale_features(
    factor: Int32s, variances: Int32s, own: NDArray[np.bool_], doubled: bool, prior: int
) -> None:
    """Carry covariances over to features that are half as large, or (not doubled) twice.

    A variance that grows stops at the prior, unless it was above.

    Args:
        factor: [filters, n, n], changed.
        variances: [filters, n], changed.
        own: [n], which features.
        doubled: Whether their scale is.
        prior: Variance at the start.
    """
    rows, columns = ~own[:, None] & own[None, :], own[:, None] & ~own[None, :]
    factor[:] = np.where(rows, shifted(factor, doubled), factor)
    factor[:] = np.where(columns, shifted(factor, not doubled), factor)
    if doubled:
        moved = np.minimum(variances + _FOURFOLD, np.maximum(variances, prior))
    else:
        moved = np.maximum(variances - _FOURFOLD, 0)
    variances[:] = np.where(own, moved, variances)


def shift_features(factor: Int32s, own: NDArray[np.bool_], shift: int) -> None:
    """Carry covariances over to features that are less by `shift`; the first feature is constant.

    Args:
        factor: [filters, n, n], changed: the first column only.
        own: [n], which features.
        shift: Q20.
    """
    sums = np.sum(wide(factor) * (own * np.int64(shift)), axis=2)
    sums += own * np.int64(shift) << 24
    factor[:, 1:, 0] = narrow(factor[:, :, 0] + rounded(sums, 20))[:, 1:]
