"""What a user gives, or a file that is not trusted: checked, and as plain numbers.

NumPy's scalars become Python's: a checkpoint describes its settings as JSON, and a device compares
the description byte for byte.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError

Name = str | int
"""Of a channel. Both stay what they are in a checkpoint."""


def whole(name: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`.

    Raises:
        UserError: If `value` is anything else; floats and truth values are.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise UserError(f"{name}: found {value!r}; expected a whole number, {low} to {high}")
    return number


def real(name: str, value: object, low: float, high: float) -> float:
    """A number from `low` to `high`.

    Raises:
        UserError: If `value` is anything else; NaN, texts and truth values are.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # type: ignore[operator]
        raise UserError(f"{name}: found {value!r}; expected a number, {low:g} to {high:g}")
    return float(value)  # type: ignore[arg-type]


def numbers(where: str, values: object) -> NDArray[np.float64]:
    """An array of numbers; None, and what a masked array masks, is NaN.

    Raises:
        UserError: If there is anything else in it, or its rows differ in length.
    """
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: expected numbers; {error}") from None


def names(where: str, found: Iterable[object], channels: int) -> list[Name]:
    """Names of channels, one for each.

    Raises:
        UserError: If there are more or fewer, one comes twice, or one is neither text nor whole.
    """
    listed = list(found)
    if len(listed) != channels:
        raise UserError(f"{where}: found {len(listed)} names; expected {channels}")
    kept = [name for name in listed if isinstance(name, str | int) and not isinstance(name, bool)]
    if len(set(kept)) != channels:
        raise UserError(
            f"{where}: found the names {listed}; expected {channels} different texts or whole "
            "numbers"
        )
    return kept
