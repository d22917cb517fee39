"""Streams that switch and return: detection delay, false alarms, errors after returns.

A change counts as detected by the first alarm within `PATIENCE` ticks of it; alarms that are not
within that time of a change are false. A return counts as recognised where the learner's most
frequent regime from tick 50 of the segment on is the one it had on the last visit. Errors are of
the forecasts made in the first 50 ticks after a return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from midge.adapt.benchmark.forecasting import Forecaster, chosen
from midge.adapt.benchmark.linear import Series, lagged, persistence, rls_var
from midge.adapt.benchmark.switching_systems import KINDS, SwitchingStream, make_stream

LEADS = (1, 5, 10)
AFTER = 50
"""Ticks after a return whose forecasts count."""
PATIENCE = 100
SEEDS = (10, 11, 12)
"""Not those that the learner was developed on, which were the first."""
_WARM_UP = 50
_LAGS = (2, 3, 4, 6)
_FORGETTING = (0.95, 0.98, 0.99, 0.995, 0.998)

Json = dict[str, Any]


class Watched(NamedTuple):
    """What a learner said of a stream.

    Attributes:
        forecasts: [ticks, leads, channels].
        alarms: Where it noticed a change [ticks].
        regimes: Which regime it was in [ticks].
    """

    forecasts: Series
    alarms: NDArray[np.bool_]
    regimes: NDArray[np.int64]


Watcher = Callable[[Series, Sequence[int]], Watched]


def run(
    streams: Sequence[SwitchingStream],
    ours: Mapping[str, Watcher],
    others: Mapping[str, Callable[[Series], tuple[str, Series]]],
    alarms: Mapping[str, Callable[[Series], NDArray[np.bool_]]],
    told: Callable[[str], None],
) -> Json:
    """Rows of errors after returns, and of detection, for each kind of stream.

    Args:
        streams: Made by `make_streams`.
        ours: Learners.
        others: Forecasters that choose their own settings, from a series to a remark and forecasts.
        alarms: Change detectors on the error of a vector autoregression [ticks].
        told: Hears what is under way.
    """
    answers: dict[str, dict[str, Series]] = {}
    seen: dict[str, list[Json]] = {}
    for stream in streams:
        told(f"switching: {stream.name}")
        answers[stream.name] = found = _forecasts(stream, others)
        for method, watcher in ours.items():
            watched = watcher(stream.series, LEADS)
            found[method] = watched.forecasts
            told_of = detection(stream, watched.alarms)
            told_of["recognised"] = recognised(stream, watched.regimes)
            seen.setdefault(method, []).append({"stream": stream.name, **told_of})
        missed = _one_step_error(stream.series, found["RLS-VAR"])
        for method, detector in alarms.items():
            told_of = detection(stream, detector(missed))
            seen.setdefault(method, []).append({"stream": stream.name, **told_of})
    return {
        "leads": list(LEADS),
        "after": AFTER,
        "patience": PATIENCE,
        "errors": _error_rows(streams, answers),
        "detection": {method: _summary(rows) for method, rows in seen.items()},
        "streams": seen,
    }


def make_streams(seeds: Sequence[int] = SEEDS) -> list[SwitchingStream]:
    """Every kind with every seed."""
    return [make_stream(kind, seed) for kind in KINDS for seed in seeds]


def _forecasts(
    stream: SwitchingStream, others: Mapping[str, Callable[[Series], tuple[str, Series]]]
) -> dict[str, Series]:
    series = stream.series
    found = {"persistence": persistence(series, LEADS)}
    found["RLS-VAR"] = chosen(series, LEADS, var_candidates(), _WARM_UP)[1]
    for method, forecaster in others.items():
        found[method] = forecaster(series)[1]
    found["VAR that is told the regime"] = told_regime(stream, LEADS)
    return found


def var_candidates() -> dict[str, Forecaster]:
    """Vector autoregressions by lag, forgetting, and whether they have a constant."""
    settings = [
        (lags, forgetting, constant)
        for lags in _LAGS
        for forgetting in _FORGETTING
        for constant in (False, True)
    ]
    return {
        f"{lags} lags {forgetting:g}{' constant' if constant else ''}": partial(
            rls_var, lags=lags, forgetting=forgetting, constant=constant
        )
        for lags, forgetting, constant in settings
    }


def told_regime(stream: SwitchingStream, leads: Sequence[int], lags: int = 4) -> Series:
    """What no learner can reach: a regression for each true regime, from the whole stream at once.

    Looks ahead, and knows when regimes change; the floor of the table.
    """
    series, ticks = stream.series, len(stream.series)
    features = np.column_stack([lagged(series, lags).reshape(ticks, -1), np.ones(ticks)])
    out = np.zeros((ticks, len(leads), series.shape[1]))
    for row, lead in enumerate(leads):
        for regime in np.unique(stream.regimes):
            inside = stream.regimes == regime
            learnt = np.flatnonzero(inside[lags - 1 : ticks - lead] & inside[lags - 1 + lead :])
            learnt = learnt + lags - 1
            answer = np.linalg.lstsq(features[learnt], series[learnt + lead], rcond=None)[0]
            out[inside, row] = features[inside] @ answer
    return out


def squared_after_returns(stream: SwitchingStream, forecasts: Series, row: int, lead: int) -> float:
    """Mean squared error of the forecasts made in the first ticks after returns."""
    ticks = np.concatenate([np.arange(change, change + AFTER) for change in stream.returns])
    ticks = ticks[ticks + lead < len(stream.series)]
    return float(np.mean((forecasts[ticks, row] - stream.series[ticks + lead]) ** 2))


def _error_rows(
    streams: Sequence[SwitchingStream], answers: Mapping[str, Mapping[str, Series]]
) -> list[Json]:
    """For each method and kind, the root of the mean squared error over streams and returns."""
    kinds = list(dict.fromkeys(stream.kind for stream in streams))

    def root(method: str, kind: str, row: int, lead: int) -> float:
        mine = [stream for stream in streams if stream.kind == kind]
        squares = [squared_after_returns(s, answers[s.name][method], row, lead) for s in mine]
        return float(np.sqrt(np.mean(squares)))

    return [
        {
            "method": method,
            "rmse": {
                kind: [root(method, kind, row, lead) for row, lead in enumerate(LEADS)]
                for kind in kinds
            },
        }
        for method in answers[streams[0].name]
    ]


def detection(stream: SwitchingStream, alarms: NDArray[np.bool_]) -> Json:
    """Delays of detected changes, missed ones, false alarms."""
    ticks = np.flatnonzero(alarms)
    true = np.zeros(len(ticks), bool)
    delays: list[int] = []
    for change in stream.changes:
        near = (ticks >= change) & (ticks < change + PATIENCE)
        true |= near
        if near.any():
            delays.append(int(ticks[near][0] - change))
    quiet = len(stream.series) - PATIENCE * len(stream.changes)
    return {
        "delays": delays,
        "changes": len(stream.changes),
        "false_alarms": int((~true).sum()),
        "quiet_ticks": quiet,
    }


def recognised(stream: SwitchingStream, regimes: NDArray[np.int64]) -> float:
    """The share of returns on which the learner names the regime as on the last visit."""
    begins = [0, *stream.changes]
    ends = [*stream.changes, len(stream.series)]
    named: dict[int, int] = {}
    right: list[bool] = []
    for begin, end in zip(begins, ends, strict=True):
        true = int(stream.regimes[begin])
        values, counts = np.unique(regimes[begin + AFTER : end], return_counts=True)
        most = int(values[np.argmax(counts)]) if len(values) else -1
        if true in named:
            right.append(most == named[true])
        named[true] = most
    return float(np.mean(right)) if right else 0.0


def _summary(rows: Sequence[Json]) -> Json:
    delays = [delay for row in rows for delay in row["delays"]]
    quiet = sum(row["quiet_ticks"] for row in rows)
    out: Json = {
        "median_delay": float(np.median(delays)) if delays else None,
        "detected": len(delays) / sum(row["changes"] for row in rows),
        "false_alarms_per_1000": 1000 * sum(row["false_alarms"] for row in rows) / quiet,
    }
    if "recognised" in rows[0]:
        out["recognised"] = float(np.mean([row["recognised"] for row in rows]))
    return out


def _one_step_error(series: Series, forecasts: Series) -> Series:
    """Root mean square over channels of the last forecast's error at lead 1 [ticks]."""
    missed = np.zeros(len(series))
    missed[1:] = np.sqrt(np.mean((forecasts[:-1, LEADS.index(1)] - series[1:]) ** 2, axis=1))
    return missed
