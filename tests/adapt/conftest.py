"""What every test of the learner may ask for."""

from __future__ import annotations

from typing import Any

import pytest
from learner_support import ARITHMETICS


@pytest.fixture(params=ARITHMETICS)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments of `StreamModel` that make it one of an arithmetic; a test runs in each."""
    return ARITHMETICS[request.param]
