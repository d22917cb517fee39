"""Verdicts kept in a file, so that an interrupted run goes on and a later one is short.

One line of JSON for each verdict, appended as soon as it is spoken. Two rules say which one holds:

- A killed mutant stays killed while its kernel file stays the same: tests are only added, so what
  one has noticed, one will notice. (Whoever takes a test away deletes the file of verdicts.)
- A mutant that survived is judged anew as soon as anything that judges its file has changed: the
  emitted C of a trial, its samples or right answers, or a unit test.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from midge import UserError

Key = tuple[str, str, str, str, int]


class Record:
    """Verdicts of earlier runs and of this one.

    Use it as a context manager: it holds its file open.
    """

    def __init__(self, path: Path | None, survival: Collection[str]) -> None:
        """Read what is there.

        Args:
            path: The file, which need not exist; None keeps nothing.
            survival: The verdicts that a change of the judges makes void.

        Raises:
            UserError: the file cannot be read or written, or a line of it is no verdict.
        """
        self._survival = survival
        self._verdicts: dict[tuple[Key, str], tuple[str, str]] = {}
        self._file = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text("utf-8") if path.exists() else ""
            # The last line of a run that was killed may be a part of one.
            whole = text[: text.rfind("\n") + 1]
            if whole != text:
                path.write_text(whole, "utf-8")
            for number, line in enumerate(whole.splitlines(), 1):
                self._read(line, f"{path}:{number}")
            self._file = path.open("a", encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read or written: {error}") from None

    def _read(self, line: str, where: str) -> None:
        try:
            entry = json.loads(line)
            file, function, text, kind, occurrence = entry["key"]
            key = (file, function, text, kind, occurrence)
            self._verdicts[key, entry["source"]] = entry["judges"], entry["verdict"]
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{where}: no verdict: {line[:60]!r}; delete the file to judge every mutant anew"
            ) from None

    def find(self, key: Key, source: str, judges: str) -> str | None:
        """The verdict on a mutant, if it still holds.

        Args:
            key: The mutant's.
            source: Digest of its kernel file with the change made.
            judges: Digest of everything that judges that file.
        """
        before, verdict = self._verdicts.get((key, source), ("", None))
        return None if verdict in self._survival and before != judges else verdict

    def last(self, key: Key, source: str) -> str | None:
        """The last verdict on a mutant, whoever judged it; the arguments are those of `find`."""
        return self._verdicts.get((key, source), ("", None))[1]

    def add(self, key: Key, source: str, judges: str, verdict: str) -> None:
        """Keep a verdict; the arguments of `find`, and what it is to find."""
        self._verdicts[key, source] = judges, verdict
        if self._file is not None:
            entry = {"key": key, "source": source, "judges": judges, "verdict": verdict}
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def __enter__(self) -> Self:
        """The record itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
