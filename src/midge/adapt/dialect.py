"""What C text has of an arithmetic: float32's here, that of integers in `midge.adapt.fixed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import anomaly, covariance, learning, mixing, normalise, regimes, season, units
from midge.adapt.settings import Sizes
from midge.adapt.state import Field, fields, new_state


@dataclass(frozen=True)
class Dialect:
    """What an arithmetic's C has of its own.

    Attributes:
        number: The type of samples, forecasts and most of the state.
        certain: An anomaly of one.
        headers: Parts of `device/learner`.
        sample, anomaly: What those numbers are, for the reader of the header.
        members: The layout of a state.
        begins: The state before the first sample, by member.
        constants: Of sizes and the target rate of false alarms, by their names without prefix.
        tables: What stands between the constants and the parts.
    """

    number: str
    certain: int
    headers: tuple[str, ...]
    sample: tuple[str, ...]
    anomaly: str
    members: Callable[[Sizes], tuple[Field, ...]]
    begins: Callable[[Sizes], Any]
    constants: Callable[[Sizes, float], Mapping[str, str]]
    tables: Callable[[Sizes], list[str]]


def wrapped(items: list[str], a_line: int) -> list[str]:
    """Lines of a table."""
    return [
        f"    {', '.join(items[start : start + a_line])}," for start in range(0, len(items), a_line)
    ]


_FLOATS = {
    "LARGEST_INPUT": normalise.LARGEST_INPUT,
    "LARGEST_NORMALISED": normalise.LARGEST_NORMALISED,
    "LARGEST_COEFFICIENT": normalise.LARGEST_COEFFICIENT,
    "SLOWEST": normalise.SLOWEST,
    "OUTLIER": normalise.OUTLIER,
    "SMALLEST_VARIANCE": covariance.SMALLEST_VARIANCE,
    "LARGEST_FACTOR": covariance.LARGEST_FACTOR,
    "LARGEST_FEATURE": units.LARGEST_FEATURE,
    "LARGEST_VALUE": units.LARGEST_VALUE,
    "RANGE": units.RANGE,
    "REACH": units.REACH,
    "LARGEST_ERROR": learning.LARGEST_ERROR,
    "LARGEST_JUDGED": mixing.LARGEST_SQUARE,
    "RECENT": regimes.RECENT,
    "LARGEST_SURPRISE": regimes.LARGEST_SQUARE,
    "LARGEST_EXCESS": regimes.LARGEST_EXCESS,
    "LARGEST_RISE": regimes.LARGEST_RISE,
    "YOUNG_LEVEL_RATE": regimes.LEVEL_RATES[0],
    "LEVEL_RATE": regimes.LEVEL_RATES[1],
    "CALM": regimes.CALM,
    "LARGEST_SLACK": regimes.LARGEST_SLACK,
    "ADVANTAGE_SLACK": regimes.ADVANTAGE_SLACK,
    "LARGEST_ADVANTAGE": regimes.LARGEST_ADVANTAGE,
    "KNOWN_ALREADY": regimes.KNOWN_ALREADY,
    "SEASON_RATE": season.RATE,
    "CLEARLY": season.CLEARLY,
    "DEEP": season.DEEP,
    "BETTER": season.BETTER,
    "TAIL": anomaly.TAIL,
    "TAIL_SLOWEST": anomaly.SLOWEST,
    "RESIDUAL_RATE": anomaly.RESIDUAL_RATE,
}
"""The float twin's constants, by their names in C."""


def _settings(z: Sizes, false_alarm_rate: float) -> Mapping[str, str]:
    s = z.settings
    values: dict[str, float | np.float32] = {
        "JOINT_MEMORY": s.joint_memory,
        "FAST_MEMORY": s.fast_memory,
        "SEASON_MEMORY": s.season_memory,
        "DIRECT_MEMORY": s.direct_memory,
        "PRIOR": s.prior,
        "LARGEST_VARIANCE": s.largest_variance,
        "FITNESS_RATE": float(np.float32(1) - np.float32(s.fitness_memory)),
        "CHANGE_SLACK": s.change_slack,
        "CHANGE_EVIDENCE": s.change_evidence,
        "RECALL_RATIO": s.recall_ratio,
        "RECALL_ADVANTAGE": s.recall_advantage,
        "DOUBT": s.doubt,
        "TRUST": s.trust,
        "MOVEMENT_RATE": s.movement_rate,
        "MOVEMENT_RESERVE": s.movement_reserve,
        "FALSE_ALARM_RATE": false_alarm_rate,
        **_FLOATS,
    }
    return {name: float_text(value) for name, value in values.items()}


def float_text(value: float | np.float32) -> str:
    """A float32 constant, exactly."""
    return f"{float(np.float32(value)).hex()}f"


def _float_tables(z: Sizes) -> list[str]:
    return [
        *_table("edges", anomaly.EDGES),
        "/* Of each lead: the part of the way between the anchors around it; for the direct unit,",
        "   between those that it serves. */",
        *_table("parts", z.mix_places[1]),
        *_table("direct_parts", z.direct_places[1]),
    ]


def _table(name: str, values: NDArray[np.float32]) -> list[str]:
    return [
        f"static const float midge_{name}[{len(values)}] = {{",
        *wrapped([float_text(value) for value in values], 6),
        "};",
    ]


FLOAT32 = Dialect(
    number="float",
    certain=1,
    headers=("learner_tick.h", "learner_saved.h", "learner_sound.h"),
    sample=("in the user's units; what is not finite, or 1e18", "and more, is missing."),
    anomaly="0 to 1",
    members=fields,
    begins=new_state,
    constants=_settings,
    tables=_float_tables,
)
