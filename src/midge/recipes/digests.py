"""Digests of files, of code and of what a stage depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from midge.errors import InternalError

_PACKAGE = Path(__file__).resolve().parents[1]
_CHUNK_BYTES = 1 << 20


def digest_of_json(content: Any) -> str:
    """SHA-256 of a value in one canonical form, in hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def digests_of_folder(folder: Path, leaving_out: Sequence[str] = ()) -> dict[str, str]:
    """The digest of each file below a folder by its relative path, in the order of the paths."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    names = ((p.relative_to(folder).as_posix(), p) for p in paths)
    return {name: digest_of_file(path) for name, path in names if name not in leaving_out}


@cache
def digest_of_sources(patterns: tuple[str, ...]) -> str:
    """One digest of the files of this package that the patterns name.

    Raises:
        InternalError: a pattern names nothing, so that a change would go unseen.
    """
    found: dict[str, str] = {}
    for pattern in patterns:
        paths = sorted(p for p in _PACKAGE.glob(pattern) if p.is_file() and p.suffix != ".pyc")
        if not paths:
            raise InternalError(f"a stage's sources: {pattern!r} names no file of the package")
        found |= {p.relative_to(_PACKAGE).as_posix(): digest_of_file(p) for p in paths}
    return digest_of_json(found)


def digest_of_outcome(files: Mapping[str, str]) -> str:
    """One digest of what a stage left: of the names and digests of its files."""
    return digest_of_json(dict(files))
