"""What a learner has told of a series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
"""float32; of the fixed-point learner float64, which holds every whole step."""


@dataclass(frozen=True)
class Trace:
    """What a series told, tick by tick.

    Attributes:
        forecasts: [ticks, horizons, channels], made at each tick.
        anomaly: [ticks].
        is_flagged, is_new, drift: [ticks].
        regime: [ticks].
    """

    forecasts: Floats
    anomaly: NDArray[np.float64]
    is_flagged: NDArray[np.bool_]
    regime: NDArray[np.int64]
    is_new: NDArray[np.bool_]
    drift: NDArray[np.bool_]
