"""The compilers are the subject here: no object of an earlier run stands in for what they do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import objects


@pytest.fixture(autouse=True)
def _every_compiler_runs() -> Iterator[None]:
    with objects.left_alone():
        yield
