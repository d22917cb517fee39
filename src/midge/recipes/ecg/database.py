"""Where the records come from: a folder, PhysioNet, or a model of the heart.

In this order: the folder that the caller names, the folder in ``MIDGE_DATA``, what an earlier run
fetched, PhysioNet through wfdb, and without a network records of `midge.recipes.ecg.synthetic`,
which are marked SYNTHETIC in everything that is made of them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from midge.errors import MidgeError, UserError
from midge.recipes.ecg.records import (
    DETECTOR_RECORDS,
    DS1,
    DS2,
    Record,
    check_complete,
    import_wfdb,
    load_record,
)
from midge.recipes.ecg.synthetic import SYNTHETIC_DS1, SYNTHETIC_DS2, synthesise
from midge.toolchain import cache_directory

SYNTHETIC = "synthetic"
"""Named instead of a folder: do not look for real records."""

_PHYSIONET = ("physionet.org", 443)
_CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Database:
    """The records of a run.

    Attributes:
        notice: One line for the user: which records these are.
        synthetic: Whether a model made them.
        ds1: Names of the records to learn from.
        ds2: Names of the records to test on, other patients.
        folder: Where the files lie; None when they are synthetic.
        seed: Of the synthetic records.
    """

    notice: str
    synthetic: bool
    ds1: tuple[str, ...]
    ds2: tuple[str, ...]
    folder: Path | None
    seed: int

    def record(self, name: str) -> Record:
        """Read or make one record.

        Raises:
            UserError: its files are damaged, or there is no such record.
        """
        if self.folder is None:
            return synthesise(name, self.seed)
        return load_record(self.folder, name)


def open_database(
    data: str | None = None,
    seed: int = 0,
    download: Callable[[Path], None] | None = None,
) -> Database:
    """Find the records, fetch them, or fall back to synthetic ones.

    A folder in ``MIDGE_DATA`` may hold the data of other recipes alone; it then counts as not
    given.

    Args:
        data: The folder with the records, or one that holds ``mitdb`` or ``data/mitdb``;
            ``synthetic`` for the model's. None looks into ``MIDGE_DATA``, then fetches.
        seed: Of synthetic records.
        download: Puts the files of the 44 records into a folder, or raises OSError or MidgeError;
            `fetch_from_physionet` by default.

    Raises:
        UserError: the folder lacks some of the records, or all where the caller names it; all that
            are missing are listed.
    """
    if data == SYNTHETIC:
        return _synthetic(seed, "as asked for")
    named = data if data is not None else os.environ.get("MIDGE_DATA")
    folder = None if not named else _locate(Path(named))
    if folder is not None and (data is not None or _holds_records(folder)):
        check_complete(folder, DETECTOR_RECORDS)
        return _real(folder, seed, str(named))
    cached = cache_directory() / "mitdb"
    try:
        check_complete(cached, DETECTOR_RECORDS)
    except UserError:
        try:
            (download or fetch_from_physionet)(cached)
            check_complete(cached, DETECTOR_RECORDS)
        except (OSError, MidgeError) as error:
            reason = str(error).splitlines()[0]
            return _synthetic(seed, f"MIT-BIH could not be fetched ({reason}); give --data FOLDER")
    return _real(cached, seed, "fetched from PhysioNet")


def fetch_from_physionet(folder: Path) -> None:
    """Fetch the 44 records; what an interrupted run left is not fetched again.

    Raises:
        OSError: no network, or it breaks off.
        ToolError: wfdb is not installed.
    """
    # A firewall that swallows packets would otherwise hold wfdb for minutes.
    socket.create_connection(_PHYSIONET, _CONNECT_TIMEOUT_S).close()
    wfdb = import_wfdb()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        wfdb.dl_database("mitdb", str(folder), records=list(DETECTOR_RECORDS), annotators=["atr"])
    except OSError:
        raise
    except Exception as error:  # its network libraries have error trees of their own
        raise OSError(f"{type(error).__name__}: {error}") from error


def _locate(folder: Path) -> Path:
    """The folder itself, or the one inside it that holds the records."""
    for inside in (folder, folder / "mitdb", folder / "data" / "mitdb"):
        if _holds_records(inside):
            return inside
    return folder


def _holds_records(folder: Path) -> bool:
    """Whether there is one of them at least."""
    return any((folder / f"{name}.hea").is_file() for name in DETECTOR_RECORDS)


def _real(folder: Path, seed: int, origin: str) -> Database:
    notice = f"MIT-BIH Arrhythmia Database, 44 records ({origin})"
    return Database(notice, False, DS1, DS2, folder, seed)


def _synthetic(seed: int, reason: str) -> Database:
    notice = f"SYNTHETIC records of McSharry's dynamical model, seed {seed}: {reason}"
    return Database(notice, True, SYNTHETIC_DS1, SYNTHETIC_DS2, None, seed)
