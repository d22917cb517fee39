"""Finds and reads the streams of the benchmark.

They are too big for the repository: they lie under ``data/stream`` of the folder that MIDGE_DATA
names, or in the folder that the caller names.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from midge.adapt.benchmark.linear import Series
from midge.adapt.benchmark.vibration_signals import RATE_HZ, Records, Signal, made_up
from midge.errors import ToolError, UserError

MOCAP = {"No1": "chicken-dance", "No2": "exercise"}
ETT = ("ETTh1", "ETTh2")
_HEALTHY = "97_Normal_0.mat"
_SOURCES = {
    "mocap": "No1.csv.gz and No2.csv.gz of github.com/C-Naoki/ModePlait",
    "ett": "ETT-small of github.com/zhouhaoyi/ETDataset",
    "nab": "the folders data and labels of github.com/numenta/NAB",
}


def stream_folder(name: str, data: Path | None) -> Path:
    """The folder of one collection: ``mocap``, ``ett`` or ``nab``.

    Raises:
        UserError: it is nowhere.
    """
    named = os.environ.get("MIDGE_DATA")
    roots = [data] if data is not None else [Path(named)] if named else []
    for root in roots:
        for inside in (root / name, root / "stream" / name, root / "data" / "stream" / name):
            if inside.is_dir():
                return inside
    where = roots[0] if roots else "MIDGE_DATA is not set"
    raise UserError(
        f"{where}: no folder {name} of the benchmark's streams there; expected "
        f"data/stream/{name} with {_SOURCES[name]}. Name the folder with --data"
    )


def mocap(name: str, data: Path | None = None) -> Series:
    """A motion-capture series [ticks, 4], as it was recorded."""
    path = stream_folder("mocap", data) / f"{name}.csv.gz"
    return _numbers(path, _text(path), skip_columns=0)


def ett(name: str, data: Path | None = None) -> Series:
    """An hourly series of a transformer [17420, 7], as it was recorded."""
    folder = stream_folder("ett", data)
    inner = folder / "ETT-small"
    path = (inner if inner.is_dir() else folder) / f"{name}.csv"
    return _numbers(path, _text(path), skip_columns=1)


@dataclass(frozen=True)
class NabFile:
    """A stream of the Numenta Anomaly Benchmark.

    Attributes:
        name: Such as ``realKnownCause/nyc_taxi.csv``.
        values: [rows].
        windows: First and last row of each labelled window.
    """

    name: str
    values: Series
    windows: tuple[tuple[int, int], ...]

    @property
    def folder(self) -> str:
        """Such as ``realKnownCause``."""
        return self.name.partition("/")[0]


def nab(data: Path | None = None) -> list[NabFile]:
    """All files of the corpus with their labelled windows, by name."""
    folder = stream_folder("nab", data)
    labels_path = folder / "labels" / "combined_windows.json"
    try:
        labels = json.loads(_text(labels_path))
    except ValueError as error:
        raise UserError(f"{labels_path}: is no JSON: {error}") from None
    return [_nab_file(folder / "data" / name, name, labels[name]) for name in sorted(labels)]


def _nab_file(path: Path, name: str, labelled: list[list[str]]) -> NabFile:
    rows = list(csv.reader(io.StringIO(_text(path))))[1:]
    first_row: dict[str, int] = {}
    for index, row in enumerate(rows):
        first_row.setdefault(row[0].partition(".")[0], index)
    windows = tuple(
        (first_row[begin.partition(".")[0]], first_row[end.partition(".")[0]])
        for begin, end in labelled
    )
    return NabFile(name, np.array([float(row[1]) for row in rows]), windows)


def bearings(data: Path | None = None) -> Records:
    """The bearing records of Case Western Reserve University at 48 kHz, in g.

    Raises:
        UserError: they are nowhere, or a file is none of them.
        ToolError: SciPy, which reads them, is missing.
    """
    named = os.environ.get("MIDGE_DATA")
    root = data if data is not None else Path(named) if named else None
    for inside in () if root is None else (root, root / "cwru", root / "data" / "cwru"):
        if any(inside.glob(_HEALTHY)):
            paths = sorted(inside.glob("*.mat"))
            read = {path.stem: _bearing(path) for path in paths}
            healthy = read.pop(next(inside.glob(_HEALTHY)).stem)
            return Records("Case Western Reserve University, 48 kHz, no load", healthy, read)
    raise UserError(
        f"{root or 'MIDGE_DATA is not set'}: no bearing records there; expected data/cwru with "
        "97_Normal_0.mat and others of Case Western Reserve University. Name the folder with --data"
    )


def bearings_or_made_up(data: Path | None, quick: bool) -> Records:
    """The same; where they are nowhere and nothing depends on it, made up.

    Raises:
        UserError, ToolError: As `bearings`, unless `quick`.
    """
    try:
        return bearings(data)
    except (UserError, ToolError):
        if not quick:
            raise
        return made_up(seed=0)


def _bearing(path: Path) -> Signal:
    try:
        from scipy.io import loadmat  # noqa: PLC0415 - an extra that only this needs
    except ImportError:
        raise ToolError(
            "SciPy reads .mat files and is not installed: pip install 'midge[vibration]'"
        ) from None
    try:
        content = loadmat(path)
    except Exception as error:  # SciPy raises what it likes on damaged files
        raise UserError(f"{path}: cannot be read: {type(error).__name__}: {error}") from None
    names = [name for name in content if name.endswith("_DE_time")]
    values = np.asarray(content[names[0]] if names else (), np.float64).reshape(-1)
    if values.size < RATE_HZ or not np.isfinite(values).all():
        raise UserError(f"{path}: expected ..._DE_time, a second of finite numbers at {RATE_HZ} Hz")
    return values


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _numbers(path: Path, text: str, skip_columns: int) -> Series:
    try:
        rows = list(csv.reader(io.StringIO(text)))[1:]
        return np.array([[float(cell) for cell in row[skip_columns:]] for row in rows])
    except ValueError as error:
        raise UserError(f"{path}: is no table of numbers: {error}") from None
