"""What C text has of an arithmetic: float32's here, that of integers in `midge.adapt.fixed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import anomaly, constants
from midge.adapt.arithmetic import Number, Numbers
from midge.adapt.float32 import numbers_of
from midge.adapt.settings import Sizes
from midge.adapt.state import BOUNDS, Field, fields, new_state


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


def named_settings(n: Numbers) -> dict[str, Number]:
    """Settings in the form of an arithmetic, by those names in C that all have."""
    return {
        "PRIOR": n.prior,
        "LARGEST_VARIANCE": n.largest_variance,
        "FITNESS_RATE": n.fitness_rate,
        "CHANGE_SLACK": n.change_slack,
        "CHANGE_EVIDENCE": n.change_evidence,
        "RECALL_RATIO": n.recall_ratio,
        "RECALL_ADVANTAGE": n.recall_advantage,
        "KNOWN_LOSS": n.known_loss,
        "DOUBT": n.doubt,
        "TRUST": n.trust,
        "MOVEMENT_RATE": n.movement_rate,
        "MOVEMENT_RESERVE": n.movement_reserve,
    }


def _settings(z: Sizes, false_alarm_rate: float) -> Mapping[str, str]:
    n = numbers_of(z.settings)
    own = {name: value for name, value in vars(constants).items() if isinstance(value, np.float32)}
    values: dict[str, float | np.float32] = {
        "JOINT_MEMORY": n.joint,
        "FAST_MEMORY": n.fast,
        "SEASON_MEMORY": n.season,
        "DIRECT_MEMORY": n.direct,
        **named_settings(n),
        "FALSE_ALARM_RATE": false_alarm_rate,
        **own,
    }
    return {name: float_text(value) for name, value in values.items()}


def float_text(value: float | np.float32) -> str:
    """A float32 constant, exactly."""
    return f"{float(np.float32(value)).hex()}f"


def _bound(name: str) -> str:
    """Integers have none here: `learner_sound.h` asks for them one by one."""
    bound = BOUNDS.get(name)
    if bound is None:
        return "0xFFFFFFFFu, 1u"
    bits = int(np.float32(bound.most).view(np.uint32))
    return f"0x{bits:08X}u, {int(bound.is_signed)}u"


def _float_tables(z: Sizes) -> list[str]:
    bounds = [f"{{{field.count}u, {_bound(field.name)}}}" for field in fields(z)]
    return [
        *_table("edges", anomaly.EDGES),
        "/* Of each lead: the part of the way between the anchors around it; for the direct unit,",
        "   between those that it serves. */",
        *_table("parts", z.mix_places[1]),
        *_table("direct_parts", z.direct_places[1]),
        "/* How many numbers a member of the state has, the bits of their largest magnitude, and",
        "   whether they may be negative. */",
        f"static const uint32_t midge_bounds[{len(bounds)}][3] = {{",
        *wrapped(bounds, 3),
        "};",
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
