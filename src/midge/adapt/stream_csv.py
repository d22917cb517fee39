"""Reads a stream from a CSV file: its columns of numbers, what is missing as NaN."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from midge.errors import UserError

MAX_BYTES = 1 << 30
_MISSING = {"", "na", "nan", "null", "none", "?", "-"}


@dataclass(frozen=True)
class CsvStream:
    """What a file holds.

    Attributes:
        names: Of the columns of numbers.
        values: [ticks, channels], NaN where a cell is empty.
        left_out: Columns that hold anything else, such as times.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    left_out: tuple[str, ...]


def read_csv(path: str, columns: tuple[str, ...] = ()) -> CsvStream:
    """The numbers of a file; a first line of names is found by itself.

    Args:
        path: A .csv file, separated by commas, semicolons or tabs.
        columns: Which ones; all that hold numbers if empty.

    Raises:
        UserError: it cannot be read, its lines differ in length, or it holds no numbers.
    """
    rows = _rows(path)
    names = _header(rows[0])
    body = rows[1:] if names else rows
    names = names or tuple(f"column {index + 1}" for index in range(len(rows[0])))
    for line, row in enumerate(body, 2 if body is not rows else 1):
        if len(row) != len(names):
            raise UserError(f"{path}: row {line} has {len(row)} cells; expected {len(names)}")
    if not body:
        raise UserError(f"{path}: holds names but no rows")
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise UserError(f"{path}: no column {unknown[0]!r}; there are {', '.join(names)}")
    found = {
        name: _column([row[index] for row in body])
        for index, name in enumerate(names)
        if not columns or name in columns
    }
    kept = {name: values for name, values in found.items() if values is not None}
    left_out = tuple(name for name in found if name not in kept)
    if not kept or (columns and left_out):
        named = f"column {left_out[0]!r}" if left_out else "it"
        raise UserError(f"{path}: {named} holds no numbers; expected one sample a row")
    return CsvStream(tuple(kept), np.column_stack(list(kept.values())), left_out)


def _rows(path: str) -> list[list[str]]:
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES >> 20} MB; cut it into parts")
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is no text in UTF-8; expected a .csv file") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=separator) if row]
    except csv.Error as error:
        raise UserError(f"{path}: is no .csv file: {error}") from None
    if not rows:
        raise UserError(f"{path}: is empty; expected one sample a row")
    return rows


def _header(row: list[str]) -> tuple[str, ...]:
    """Names, if no cell of the first line is a number; a name that comes twice gets its place."""
    if any(_number(cell) is not None and cell.strip() for cell in row):
        return ()
    seen: set[str] = set()
    names = []
    for index, cell in enumerate(row):
        name = cell.strip() or f"column {index + 1}"
        names.append(name if name not in seen else f"{name} ({index + 1})")
        seen.add(names[-1])
    return tuple(names)


def _column(cells: list[str]) -> NDArray[np.float64] | None:
    values = [_number(cell) for cell in cells]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values) or all(map(math.isnan, numbers)):
        return None
    return np.array(numbers)


def _number(cell: str) -> float | None:
    """A number, NaN for what is missing, None for anything else."""
    text = cell.strip()
    if text.lower() in _MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None
