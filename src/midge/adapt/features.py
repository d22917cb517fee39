"""Features: what the units see of the past.

Time runs backwards in every window: row 0 is the last sample, row 1 the one before. So lags stand
in the order of their coefficients, behind a constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


@dataclass(frozen=True)
class Features:
    """Features in one arithmetic.

    Attributes:
        one: The constant.
        largest: Bound of a feature's magnitude.
    """

    one: Any
    largest: Any

    def clipped(self, values: Values) -> Values:
        """Samples as features."""
        out: Values = np.minimum(np.maximum(values, -self.largest), self.largest)
        return out

    def joint(self, past: Values, lags: int) -> Values:
        """[1 + lags * channels]: the constant; every channel at lag 0; every channel at 1; ..."""
        return np.concatenate([np.full(1, self.one), self.clipped(past[:lags]).reshape(-1)])

    def lags(self, past: Values, lags: int, ago: int = 0) -> Values:
        """[1 + lags, channels], as they were `ago` ticks before."""
        return self._with_constant(self.clipped(past[ago : ago + lags]))

    def season(self, past: Values, lags: int, period: int) -> Values:
        """[1 + lags + 3, channels]: lags, then lags `period` - 2, `period` - 1 and `period`."""
        seasonal = past[period - 2 : period + 1]
        return self._with_constant(self.clipped(np.concatenate([past[:lags], seasonal])))

    def _with_constant(self, features: Values) -> Values:
        return np.concatenate([np.full((1, features.shape[1]), self.one), features])
