"""JSON from a stranger: every value is looked at before it is used, and messages say where."""

from __future__ import annotations

import json
from collections.abc import Iterator

from midge.errors import UserError

LARGEST_INTEGER = 1 << 63


class Json:
    """A value and its place.

    Attributes:
        value: As the standard library gives it.
        where: Its place, for messages.
    """

    def __init__(self, value: object, where: str) -> None:
        """A value at a place."""
        self.value = value
        self.where = where

    def child(self, key: str) -> Json:
        """A member of an object that has to be there."""
        if not isinstance(self.value, dict) or key not in self.value:
            raise UserError(f"{self.where} has no {key!r}")
        return Json(self.value[key], f"{self.where}.{key[:80]}")

    def optional(self, key: str) -> Json | None:
        """A member of an object; None where it is not there or null."""
        if not isinstance(self.value, dict) or self.value.get(key) is None:
            return None
        return self.child(key)

    def items(self) -> Iterator[tuple[str, Json]]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        for key in self.value:
            yield key, self.child(key)

    def items_of_list(self) -> list[Json]:
        """The elements of a list."""
        if not isinstance(self.value, list):
            raise self._wrong("a list")
        return [Json(value, f"{self.where}[{i}]") for i, value in enumerate(self.value)]

    def only(self) -> tuple[str, Json]:
        """The one member of an object that stands for a choice."""
        if not isinstance(self.value, dict) or len(self.value) != 1:
            raise self._wrong("an object with one member")
        (key,) = self.value
        return key, self.child(key)

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self._wrong("a string")
        return self.value

    def flag(self) -> bool:
        """A truth value."""
        if not isinstance(self.value, bool):
            raise self._wrong("true or false")
        return self.value

    def integer(self) -> int:
        """An integer of 64 bits."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong("an integer")
        if not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
            raise self._wrong("an integer of 64 bits")
        return value

    def real(self) -> float:
        """A number; infinities and NaN are written as strings."""
        if self.value in ("Infinity", "-Infinity", "NaN"):
            return float(str(self.value).replace("Infinity", "inf"))
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise self._wrong("a number")
        try:
            return float(self.value)
        except OverflowError:
            raise self._wrong("a number of float64") from None

    def _wrong(self, expected: str) -> UserError:
        return UserError(f"{self.where} is {str(self.value)[:40]!r}; expected {expected}")


def parse_json(data: bytes, where: str) -> Json:
    """The value of a JSON text.

    Raises:
        UserError: it is none, or is nested beyond what can be read.
    """
    try:
        return Json(json.loads(data), where)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UserError(f"{where} is no JSON that can be read: {reason}") from None
