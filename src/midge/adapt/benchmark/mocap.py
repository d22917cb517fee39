"""Motion capture: two series of four channels, RMSE and MAE at three lookaheads.

The protocol of ModePlait's authors: the whole series is put on zero mean and unit variance first
(which looks ahead), 50 ticks of warm-up, and a lookahead of l scores the forecast of sample
t + l + 1 after sample t. Beside it, the same with everything normalised online; errors stay on the
scale of the whole series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from midge.adapt.benchmark import data_files
from midge.adapt.benchmark.forecasting import (
    Errors,
    Forecaster,
    chosen,
    errors,
    normalised_online,
    z_score,
)
from midge.adapt.benchmark.linear import Series, persistence, rls_var
from midge.adapt.benchmark.published import MOCAP, MOCAP_LOOKAHEADS

WARM_UP = 50
LEADS = tuple(lookahead + 1 for lookahead in MOCAP_LOOKAHEADS)
LAGS = (1, 2, 3, 4, 6, 8, 12)
"""Of the vector autoregression; chosen on the first 20 % of each series for each lookahead."""

Json = dict[str, Any]
Told = Callable[[str], None]


def var_candidates(lags: Sequence[int] = LAGS) -> dict[str, Forecaster]:
    """Vector autoregressions by the name of their lag."""
    return {str(count): partial(rls_var, lags=count) for count in lags}


def run(
    series: Mapping[str, Series],
    ours: Mapping[str, Forecaster],
    others: Mapping[str, Callable[[Series], tuple[str, Series]]],
    told: Told,
) -> Json:
    """All rows of the table.

    Args:
        series: The raw series by name.
        ours: The learner, and what it is compared with on raw series as well.
        others: Baselines that choose their settings by themselves, from the normalised series to
            a remark and forecasts.
        told: Hears what is under way.
    """
    tables = {name: _rows(name, raw, ours, others, told) for name, raw in series.items()}
    return {"lookaheads": list(MOCAP_LOOKAHEADS), "warm_up": WARM_UP, "series": tables}


def _rows(
    name: str,
    raw: Series,
    ours: Mapping[str, Forecaster],
    others: Mapping[str, Callable[[Series], tuple[str, Series]]],
    told: Told,
) -> list[Json]:
    normal = z_score(raw)
    rows = [
        {"method": method, "source": "published", "errors": [list(pair) for pair in pairs]}
        for method, pairs in MOCAP.get(name, {}).items()
    ]

    def add(method: str, source: str, forecasts: Series, remark: str = "") -> None:
        found = score(normal, forecasts)
        rows.append(
            {
                "method": method,
                "source": source,
                "remark": remark,
                "errors": [list(e) for e in found],
            }
        )

    add("persistence", "baseline", persistence(normal, LEADS))
    told(f"mocap {name}: vector autoregression")
    lags, forecasts = chosen(normal, LEADS, var_candidates(), WARM_UP)
    add("RLS-VAR", "baseline", forecasts, f"lags {', '.join(lags)}")
    for method, choosing in others.items():
        told(f"mocap {name}: {method}")
        remark, forecasts = choosing(normal)
        add(method, "baseline", forecasts, remark)
    for method, forecaster in ours.items():
        told(f"mocap {name}: {method}")
        add(method, "ours", forecaster(normal, LEADS))
    told(f"mocap {name}: normalised online")
    mean, spread = raw.mean(axis=0), raw.std(axis=0)
    for method, forecaster in {"RLS-VAR": normalised_online(_fixed(lags)), **ours}.items():
        add(method, "online", (forecaster(raw, LEADS) - mean) / spread)
    return rows


def _fixed(lags: Sequence[str]) -> Forecaster:
    """Vector autoregressions with a lag of its own for each lead."""

    def forecast(series: Series, leads: Sequence[int]) -> Series:
        pairs = zip(leads, lags, strict=True)
        parts = [rls_var(series, [lead], lags=int(lag)) for lead, lag in pairs]
        return np.concatenate(parts, axis=1)

    return forecast


def score(series: Series, forecasts: Series) -> list[Errors]:
    """Errors at each lookahead."""
    return [
        errors(series, forecasts[:, row], lead, WARM_UP, len(series) - lead)
        for row, lead in enumerate(LEADS)
    ]


def load(data: Path | None) -> dict[str, Series]:
    """Both series, raw."""
    return {name: data_files.mocap(name, data) for name in data_files.MOCAP}
