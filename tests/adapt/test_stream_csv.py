"""Streams from CSV files: names, separators, what is missing, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from midge.adapt.stream_csv import read_csv
from midge.errors import UserError


def write(folder: Path, text: str) -> str:
    path = folder / "stream.csv"
    path.write_text(text, "utf-8")
    return str(path)


def test_columns_of_numbers_are_taken_and_times_left_out(tmp_path: Path):
    stream = read_csv(write(tmp_path, "time,a,b\n2020-01-01,1,2\n2020-01-02,,4e1\n"))

    assert stream.names == ("a", "b")
    assert stream.left_out == ("time",)
    np.testing.assert_array_equal(stream.values, [[1, 2], [np.nan, 40]])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_file_may_lack_names(tmp_path: Path, separator: str):
    stream = read_csv(write(tmp_path, f"1{separator}2\n3{separator}4\n"))

    assert stream.names == ("column 1", "column 2")
    assert stream.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_may_be_quoted_and_lines_end_in_any_way(tmp_path: Path, end: str):
    path = tmp_path / "stream.csv"
    rows = end.join(('"first, in\nm/s","b\u2028c"', '"1",2', "", "3,4", ""))
    path.write_bytes(b"\xef\xbb\xbf" + rows.encode())

    stream = read_csv(str(path))

    assert stream.names == ("first, in\nm/s", "b\u2028c")
    assert stream.values.tolist() == [[1, 2], [3, 4]]


def test_columns_can_be_chosen(tmp_path: Path):
    assert read_csv(write(tmp_path, "a,b\n1,2\n"), ("b",)).values.tolist() == [[2]]


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("", (), "is empty"),
        ("a,b\n", (), "holds names but no rows"),
        ("a,b\n1\n", (), "line 2 has 1 cells; expected 2"),
        ("a,b\n\n\n1,2\n3\n", (), "line 5 has 1 cells; expected 2"),
        ("a\nx\n", (), "line 2: column 'a' holds 'x'; expected a number"),
        ("a\n\n", ("a",), "holds names but no rows"),
        ("a,b\n,1\nnan,1\n", ("a",), "column 'a' holds no numbers"),
        ("a,b\n1,7\n\n2,#N/A\n", ("b",), "line 4: column 'b' holds '#N/A'; expected a number"),
        ('a\n"1\n2\n3\n', (), "line 4: is no .csv file: unexpected end of data"),
        ("a\n" + "1" * 200_000, (), "line 2: is no .csv file: field larger than"),
        ("a,b\n1,2\n", ("c",), "no column 'c'; there are a, b"),
    ],
)
def test_refused(tmp_path: Path, text: str, columns: tuple[str, ...], said: str):
    with pytest.raises(UserError, match=said):
        read_csv(write(tmp_path, text), columns)


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "stream.csv"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UserError, match=r"no text in UTF-8; expected a \.csv file, not compressed"):
        read_csv(str(path))
    with pytest.raises(UserError, match="Is a directory"):
        read_csv(str(tmp_path))
    with pytest.raises(UserError, match="cannot be read"):
        read_csv(str(tmp_path / "none.csv"))
