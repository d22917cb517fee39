"""Reading and writing files for the command line; every failure is a UserError."""

from __future__ import annotations

import io
import json
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from midge.errors import UserError
from midge.graph import Array

_HEAD_BYTES = 2048
"""Where a file that Midge wrote names it."""

_DAMAGED = (
    *(ValueError, EOFError, KeyError, SyntaxError, RuntimeError, MemoryError, OverflowError),
    *(OSError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise on a file that is damaged or something else."""


def read_arrays(path: str) -> Array | dict[str, Array]:
    """A .npy as an array, a .npz as arrays by name; nothing pickled is loaded.

    Raises:
        UserError: the file cannot be read or holds something else.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        with warnings.catch_warnings():
            # NumPy remarks on headers that it has to read in the way of Python 2.
            warnings.simplefilter("ignore")
            loaded = np.load(io.BytesIO(content), allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {name: loaded[name] for name in loaded.files}
    except _DAMAGED as error:
        raise UserError(f"{path}: is not a .npy or .npz file of numbers: {error}") from None


def write_arrays(path: str, arrays: Array | Mapping[str, Array]) -> None:
    """An array as .npy, arrays by name as .npz; the name's ending has to agree.

    Raises:
        UserError: it does not, or the file cannot be written.
    """
    named = isinstance(arrays, Mapping)
    if isinstance(arrays, Mapping) and any("\0" in name for name in arrays):
        raise UserError(f"{path}: an output's name holds a zero byte, which no .npz can")
    expected = ".npz" if named else ".npy"
    if Path(path).suffix != expected:
        raise UserError(f"{path}: these outputs are written as {expected}; name the file so")
    try:
        with Path(path).open("wb") as file:
            if isinstance(arrays, Mapping):
                # np.savez takes names as keywords, where a tensor called "file" would clash.
                with zipfile.ZipFile(file, "w") as archive:
                    for name, array in arrays.items():
                        with archive.open(f"{name}.npy", "w") as entry:
                            np.lib.format.write_array(entry, np.ascontiguousarray(array))
            else:
                np.save(file, np.asarray(arrays))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    except (ValueError, struct.error, zipfile.LargeZipFile) as error:
        raise UserError(f"{path}: cannot hold these outputs: {error}") from None


def write_json(path: str, content: Any) -> None:
    """JSON into a file, or on standard output for ``-``.

    Raises:
        UserError: the file cannot be written.
    """
    text = json.dumps(content, indent=1) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def check_free(folder: str, names: Iterable[str]) -> None:
    """See, before what takes long, that `write_files` may write these.

    Raises:
        UserError: a file is somebody else's.
    """
    foreign = [name for name in names if _is_foreign(Path(folder) / name)]
    if foreign:
        raise UserError(
            f"{folder}: holds {', '.join(foreign)}, which Midge did not write; nothing was "
            "written. Move them away, or choose another --out"
        )


def write_files(folder: str, files: Mapping[str, str]) -> None:
    """Texts into a folder, which is made if need be.

    Each text names Midge near its beginning; a file that is there already and does not is somebody
    else's, and stays.

    Raises:
        UserError: a file is somebody else's, and nothing was written; or the folder or a file
            cannot be written, and files before it are complete.
    """
    check_free(folder, files)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # Renamed into place, so that a reader never sees half a file.
            partial = Path(folder) / f".{name}.partial"
            try:
                partial.write_text(text, "utf-8", newline="\n")
                partial.replace(Path(folder) / name)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        path = error.filename2 or error.filename or folder
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None


def _is_foreign(path: Path) -> bool:
    if not path.is_file():
        # To rename a file onto a device such as /dev/null would take it away from everybody.
        return path.exists() and not path.is_dir()
    try:
        with path.open("rb") as file:
            return b"midge" not in file.read(_HEAD_BYTES).lower()
    except OSError:
        return True
