"""Reads a stream from a CSV file: its columns of numbers, what is missing as NaN."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    lines = _lines(path)
    names = _header(lines[0].cells)
    body = lines[1:] if names else lines
    names = names or tuple(f"column {index + 1}" for index in range(len(lines[0].cells)))
    for line, cells in body:
        if len(cells) != len(names):
            raise UserError(f"{path}: line {line} has {len(cells)} cells; expected {len(names)}")
    if not body:
        raise UserError(f"{path}: holds names but no rows")
    unknown = [name for name in columns if name not in names]
    if unknown:
        raise UserError(f"{path}: no column {unknown[0]!r}; there are {', '.join(names)}")
    found = {
        name: _column([line.cells[index] for line in body])
        for index, name in enumerate(names)
        if not columns or name in columns
    }
    kept = {name: values for name, values in found.items() if values is not None}
    left_out = tuple(name for name in found if name not in kept)
    if not kept or (columns and left_out):
        raise UserError(f"{path}: {_why_not(left_out[0], names.index(left_out[0]), body)}")
    return CsvStream(tuple(kept), np.column_stack(list(kept.values())), left_out)


def _why_not(name: str, index: int, body: list[_Line]) -> str:
    """What is wrong with a column that is left out."""
    for line, cells in body:
        if _number(cells[index]) is None:
            return (
                f"line {line}: column {name!r} holds {cells[index]!r}; expected a number, or "
                "nothing where a sample is missing"
            )
    return f"column {name!r} holds no numbers; expected one sample a row"


class _Line(NamedTuple):
    number: int
    cells: list[str]


def _lines(path: str) -> list[_Line]:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UserError(f"{path}: is larger than {MAX_BYTES >> 20} MB; cut it into parts")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(
            f"{path}: is no text in UTF-8; expected a .csv file, not compressed"
        ) from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=separator, strict=True)
    try:
        lines = [_Line(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: is no .csv file: {error}") from None
    if not lines:
        raise UserError(f"{path}: is empty; expected one sample a row")
    return lines


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
