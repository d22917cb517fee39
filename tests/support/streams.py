"""Streams of the benchmark that are too big for the repository."""

from __future__ import annotations

import pytest

from support.shared_data import DATA

STREAMS = DATA / "data" / "stream"

needs_streams = pytest.mark.skipif(
    not (STREAMS / "nab" / "labels").is_dir(),
    reason=f"no streams at {STREAMS}: set MIDGE_DATA to the data folder",
)
