"""What the C of a fixed-point learner has of its own: `emit_learner` does the rest."""

from __future__ import annotations

from collections.abc import Mapping

from midge.adapt.dialect import Dialect, named_settings, wrapped
from midge.adapt.fixed import constants
from midge.adapt.fixed.numbers import direct_parts, mix_parts, numbers_of
from midge.adapt.fixed.state import (
    CERTAIN,
    LARGEST_EXPONENT,
    LEAST_EXPONENT,
    fixed_fields,
    formats_of,
    new_fixed_state,
)
from midge.adapt.settings import TAIL_BINS, Sizes


def _constants(z: Sizes, false_alarm_rate: float) -> Mapping[str, str]:
    n = numbers_of(z.settings)
    memories = {
        f"{name}_{part}": value
        for name, memory in (
            ("JOINT", n.joint),
            ("FAST", n.fast),
            ("SEASON", n.season),
            ("DIRECT", n.direct),
        )
        for part, value in (("MEMORY", f"{memory.forget}u"), ("UNFORGET", memory.unforget))
    }
    own = {name: value for name, value in vars(constants).items() if isinstance(value, int)}
    values = {
        **memories,
        **named_settings(n),
        "FALSE_ALARM_RATE": round(false_alarm_rate * CERTAIN),
        "SLOTS": sum(z.pending),
        "LEAST_EXPONENT": LEAST_EXPONENT,
        "LARGEST_EXPONENT": LARGEST_EXPONENT,
        **own,
    }
    return {name: str(value) for name, value in values.items()}


def _tables(z: Sizes) -> list[str]:
    ranges = [
        f"{{{field.count}, {form.least}, {form.most}}}"
        for field, form in zip(fixed_fields(z), formats_of(z).values(), strict=True)
    ]
    return [
        *_table("edges", constants.EDGES, TAIL_BINS),
        *_table("mix_parts", mix_parts(z), len(z.anchors)),
        *_table("direct_parts", direct_parts(z), z.direct_anchors),
        "/* How many numbers each member of the state has, and between what they stay. */",
        f"static const int32_t midge_ranges[{len(ranges)}][3] = {{",
        *wrapped(ranges, 3),
        "};",
    ]


def _table(name: str, values: tuple[int, ...], count: int) -> list[str]:
    return [
        f"static const int32_t midge_{name}[{count}] = {{",
        *wrapped([str(value) for value in values], 8),
        "};",
    ]


FIXED = Dialect(
    number="int32_t",
    certain=CERTAIN,
    headers=("fixed_tick.h", "fixed_sound.h"),
    sample=(
        "whole steps of the resolution,",
        "at most 2^30 - 1 in magnitude; INT32_MIN is missing.",
    ),
    anomaly="0 to 2^29",
    members=fixed_fields,
    begins=new_fixed_state,
    constants=_constants,
    tables=_tables,
)
