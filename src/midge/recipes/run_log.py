"""A log beside a run that only grows: every look at a test set is a line of it."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from midge.errors import UserError


def append_run(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a line of JSON with the time of day; the report itself knows no clock.

    Args:
        path: The log, made if need be.
        entry: What was evaluated, and what came out.

    Raises:
        UserError: the log cannot be written.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    line = json.dumps({"at": now, **entry}, allow_nan=False) + "\n"
    try:
        # One write to the end of the file: a run that is killed leaves a whole line or none.
        log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(log, line.encode())
        finally:
            os.close(log)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
