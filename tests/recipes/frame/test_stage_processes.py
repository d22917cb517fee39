"""Work in equal parts, in other processes."""

from __future__ import annotations

import os

import pytest

from midge.recipes.processes import each

_PREPARED: list[int] = []


def _prepare(number: int) -> None:
    _PREPARED.append(number)


def _do(part: int) -> tuple[int, list[int], int]:
    return part * part, list(_PREPARED), os.getpid()


def _refuse(part: int) -> int:
    if part == 2:
        raise ValueError("part 2")
    return part


def test_every_part_is_done_once_where_it_was_prepared() -> None:
    results = list(each(_do, range(6), _prepare, (7,)))
    assert sorted(square for square, _, _ in results) == [0, 1, 4, 9, 16, 25]
    assert all(prepared == [7] for _, prepared, _ in results)
    assert os.getpid() not in {process for _, _, process in results}


def test_one_part_is_done_here() -> None:
    assert list(each(_do, [3], _prepare, (5,))) == [(9, [5], os.getpid())]
    _PREPARED.clear()


def test_no_parts_come_to_nothing() -> None:
    assert list(each(_do, [])) == []


def test_an_error_of_a_part_arrives() -> None:
    with pytest.raises(ValueError, match="part 2"):
        list(each(_refuse, [1, 2, 3]))
