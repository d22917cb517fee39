"""Electricity transformers, hourly, seven channels: mean squared error at horizons 1, 24 and 48.

Borders and scaler are those of OneNet and FSNet: zero mean and unit variance from the first four
months, scored over months 5 to 20, mean over all steps of the horizon. Feedback is delayed: the
target of a lead is used once it has been observed. (The published figures at horizons 24 and 48
used it at once; they are not comparable and not quoted.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from midge.adapt.benchmark import data_files
from midge.adapt.benchmark.forecasting import Forecaster, z_score
from midge.adapt.benchmark.linear import Series, persistence, rls_ar
from midge.adapt.benchmark.published import ETT_HORIZON_1

MONTH = 30 * 24
LEARNT = 4 * MONTH
FIRST = 5 * MONTH
LAST = 20 * MONTH
HORIZONS = (1, 24, 48)
LEADS = tuple(range(1, max(HORIZONS) + 1))
NO_CLIP = 1e9
"""The series leave the range of their first months by far."""

_WARM_UP = MONTH
_CHOICE_LEADS = (1, 24, 48)
_LAGS = (4, 8, 24, 26)
_FORGETTING = (0.999, 1.0)

Json = dict[str, Any]


def run(
    series: Mapping[str, Series], ours: Mapping[str, Forecaster], told: Callable[[str], None]
) -> Json:
    """All rows of the table.

    Args:
        series: The raw series by name.
        ours: Learners.
        told: Hears what is under way.
    """
    return {
        "horizons": list(HORIZONS),
        "series": {name: _rows(name, raw, ours, told) for name, raw in series.items()},
    }


def _rows(
    name: str, raw: Series, ours: Mapping[str, Forecaster], told: Callable[[str], None]
) -> list[Json]:
    normal = z_score(raw[:LAST], LEARNT)
    rows: list[Json] = [
        {"method": method, "source": "published", "mse": [mse, None, None]}
        for method, mse in ETT_HORIZON_1.get(name, {}).items()
    ]

    def add(method: str, source: str, forecasts: Series, remark: str = "") -> None:
        mse = [horizon_mse(normal, forecasts, horizon) for horizon in HORIZONS]
        rows.append({"method": method, "source": source, "remark": remark, "mse": mse})

    add("repeat-last", "baseline", persistence(normal, LEADS))
    told(f"{name}: autoregression of each channel")
    add(
        "RLS-AR(4)",
        "baseline",
        _autoregression(4, _FORGETTING[0])(normal, LEADS),
        "forgetting 0.999",
    )
    remark, forecasts = _chosen_autoregression(normal)
    add("RLS-AR, chosen", "baseline", forecasts, remark)
    for method, forecaster in ours.items():
        told(f"{name}: {method}")
        add(method, "ours", forecaster(normal, LEADS))
    return rows


def _autoregression(lags: int, forgetting: float) -> Forecaster:
    return lambda series, leads: rls_ar(
        series, leads, lags=lags, forgetting=forgetting, clip=NO_CLIP
    )


def _chosen_autoregression(normal: Series) -> tuple[str, Series]:
    """Lag and forgetting of each horizon, chosen on the months that the scaler comes from."""
    known = normal[:LEARNT]
    settings = [(lags, forgetting) for lags in _LAGS for forgetting in _FORGETTING]
    missed = np.array([_known_mse(known, *setting) for setting in settings])
    best = [settings[int(np.argmin(missed[:, column]))] for column in range(len(_CHOICE_LEADS))]
    whole = {one: _autoregression(*one)(normal, LEADS) for one in sorted(set(best))}
    # Steps up to a horizon come from that horizon's choice.
    parts, begin = [], 0
    for horizon, one in zip(HORIZONS, best, strict=True):
        parts.append(whole[one][:, begin:horizon])
        begin = horizon
    named = ", ".join(f"{lags} lags {forgetting:g}" for lags, forgetting in best)
    return named, np.concatenate(parts, axis=1)


def _known_mse(known: Series, lags: int, forgetting: float) -> list[float]:
    forecasts = _autoregression(lags, forgetting)(known, _CHOICE_LEADS)
    return [
        float(np.mean((forecasts[_WARM_UP:-lead, row] - known[_WARM_UP + lead :]) ** 2))
        for row, lead in enumerate(_CHOICE_LEADS)
    ]


def horizon_mse(series: Series, forecasts: Series, horizon: int) -> float:
    """Mean squared error of all steps of a horizon; the first forecast aims at sample `FIRST`.

    Args:
        series: Normalised, [ticks, channels].
        forecasts: [ticks, leads 1, 2, ..., channels].
        horizon: How many leads count.
    """
    last = min(LAST, len(series))
    begin, end = FIRST - 1, last - horizon
    total = sum(
        float(np.mean((forecasts[begin:end, lead - 1] - series[begin + lead : end + lead]) ** 2))
        for lead in range(1, horizon + 1)
    )
    return total / horizon


def load(data: Path | None) -> dict[str, Series]:
    """Both series, raw."""
    return {name: data_files.ett(name, data) for name in data_files.ETT}
