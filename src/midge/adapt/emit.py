"""A learner -> the text of ``<name>.h`` and ``<name>.c``, equal to its NumPy twin bit for bit.

The parts stand in `device/learner`; what is written here are their sizes and settings, the struct
that holds all memory, and the doors. The same model gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from midge.adapt import anomaly, covariance, learning, mixing, normalise, regimes, season, units
from midge.adapt.settings import TAIL_BINS, Sizes
from midge.adapt.state import Field, fields, new_state
from midge.errors import UserError
from midge.signals.c_library import signal_text

LICENCE = """\
The compiler's licence does not reach what it emits: you may use, change and ship this file
under any terms, without notices. See "Output licence exception" in Midge's README."""

_STATE_HEADERS = ("learner_tick.h", "learner_saved.h")


def emit_learner(
    sizes: Sizes,
    false_alarm_rate: float,
    head: bytes,
    wrap_back: int,
    *,
    name: str = "learner",
    version: str,
) -> dict[str, str]:
    """The C of a learner, by file name.

    Args:
        sizes: Its dimensions.
        false_alarm_rate: Probability below which a tick is flagged.
        head: What a checkpoint begins with, up to the state.
        wrap_back: By how much the count of ticks goes back when it is large.
        name: Prefix of files, functions and macros.
        version: Midge's.

    Raises:
        UserError: If the name is none that C takes.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise UserError(
            f"emit: found the name {name!r}; expected lower-case letters, digits and underscores"
        )
    return {
        f"{name}.h": _header(sizes, head, name, version),
        f"{name}.c": _source(sizes, false_alarm_rate, head, wrap_back, name, version),
    }


def _top(name: str, version: str) -> list[str]:
    return [
        "/*",
        f" * {name}: emitted by Midge {version}. Do not edit: emit it again.",
        *(f" * {line}" for line in LICENCE.splitlines()),
    ]


def _header(sizes: Sizes, head: bytes, name: str, version: str) -> str:
    macro = name.upper()
    layout = fields(sizes)
    state_bytes = 4 * sum(field.count for field in layout)
    return "\n".join(
        [
            *_top(f"{name}.h", version),
            " *",
            f" * A learner of {sizes.channels} channels that forecasts {sizes.horizon} ticks, in"
            f" {state_bytes} bytes.",
            " *",
            f" *     static struct {name}_state state;",
            f" *     struct {name}_step step;",
            f" *     {name}_init(&state);",
            f" *     for each sample: {name}_update(&state, sample, &step, NULL);",
            " */",
            f"#ifndef MIDGE_LEARNER_{macro}_H",
            f"#define MIDGE_LEARNER_{macro}_H",
            "",
            "#include <stdint.h>",
            "",
            f"#define {macro}_CHANNELS {sizes.channels}",
            f"#define {macro}_HORIZON {sizes.horizon}",
            f"#define {macro}_LEARNED_BYTES {state_bytes}u /* of the state */",
            f"#define {macro}_SAVED_BYTES {len(head) + state_bytes + 4}u /* of what is saved */",
            "",
            f"struct {name}_state {{",
            *(f"    {_member(field)};" for field in layout),
            "};",
            "",
            "/* What a tick told.",
            "",
            "   anomaly: the share of ticks expected to be as unusual as this one, 0 to 1.",
            "   regime: the present regime's identity; -1 in the first ticks.",
            "   is_flagged: the anomaly is below the target rate of false alarms.",
            "   is_new: a regime was opened. drift: a change was told. */",
            f"struct {name}_step {{",
            "    float anomaly;",
            "    int32_t regime;",
            "    uint8_t is_flagged, is_new, drift;",
            "};",
            "",
            "/* Before the first sample. */",
            f"void {name}_init(struct {name}_state *state);",
            "",
            f"/* Learn from a sample, {macro}_CHANNELS floats in the user's units; what is not"
            " finite, or 1e18 and",
            "   more, is missing. `forecast`, if not NULL, becomes that of the next"
            f" {macro}_HORIZON ticks. */",
            f"void {name}_update(struct {name}_state *state, const float *sample,"
            f" struct {name}_step *step,",
            f"                   float (*forecast)[{macro}_CHANNELS]);",
            "",
            "/* The forecast from the last sample on. */",
            f"void {name}_forecast(const struct {name}_state *state,"
            f" float (*forecast)[{macro}_CHANNELS]);",
            "",
            "/* Somewhere bytes come from and go to, one after the other; 0 says that it went"
            " well. */",
            f"typedef int (*{name}_write)(void *context, const uint8_t *bytes, uint32_t size);",
            f"typedef int (*{name}_read)(void *context, uint8_t *bytes, uint32_t size);",
            "",
            f"/* {macro}_SAVED_BYTES bytes, those of the Python model's `save()`. Returns 0, or"
            " what `write` did. */",
            f"int {name}_save(const struct {name}_state *state, {name}_write write, void"
            " *context);",
            "",
            f"enum {name}_restored {{",
            f"    {macro}_RESTORED = 0, /* goes on with the same bits */",
            f"    {macro}_UNREAD = 1,   /* `read` did not return 0 */",
            f"    {macro}_FOREIGN = 2,  /* not of a learner of these sizes and settings */",
            f"    {macro}_DAMAGED = 3   /* the checksum does not match, or no state can be so */",
            "};",
            "",
            "/* What was saved. The state starts anew where it is not restored. */",
            f"enum {name}_restored {name}_restore(struct {name}_state *state, {name}_read read,"
            " void *context);",
            "",
            f"#endif /* MIDGE_LEARNER_{macro}_H */",
            "",
        ]
    )


def _member(field: Field) -> str:
    kind = "int32_t" if field.dtype == "<i4" else "float"
    shape = field.shape
    if field.packed:
        shape = (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)
    return f"{kind} {field.name}{''.join(f'[{n}]' for n in shape)}"


def _source(
    sizes: Sizes, false_alarm_rate: float, head: bytes, wrap_back: int, name: str, version: str
) -> str:
    return "\n".join(
        [
            *_top(f"{name}.c", version),
            " */",
            f'#include "{name}.h"',
            "",
            f"#define MIDGE_LEARNER struct {name}_state",
            *(f"#define MIDGE_{key} {value}" for key, value in _sizes(sizes).items()),
            f"#define MIDGE_WRAP_BACK {wrap_back}",
            *(
                f"#define MIDGE_{key} {_float(value)}"
                for key, value in _settings(sizes, false_alarm_rate).items()
            ),
            "",
            *_tables(sizes, head),
            "",
            signal_text(_STATE_HEADERS),
            *_doors(sizes, name),
        ]
    )


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
_INTEGERS = {
    "SEASONAL": units.SEASONAL,
    "FREE_TICKS": normalise.FREE_TICKS,
    "SETTLING": normalise.SETTLING,
    "FIRST_REGIME_TICKS": regimes.FIRST_TICKS,
    "STORE_TICKS": regimes.STORE_TICKS,
    "DOUBT_TICKS": regimes.DOUBT_TICKS,
    "YOUNG_TICKS": regimes.YOUNG_TICKS,
    "LOOK_TICKS": season.LOOK_TICKS,
    "CLIP_AFTER": anomaly.CLIP_AFTER,
}
"""The twin's constants, by their names in C."""


def _sizes(z: Sizes) -> Mapping[str, int]:
    s = z.settings
    own = (z.fast_features, z.season_features, z.direct_features)
    return {
        "CHANNELS": z.channels,
        "HORIZON": z.horizon,
        "RING": z.ring,
        "ANCHORS": len(z.anchors),
        "DIRECT_ANCHORS": z.direct_anchors,
        "REGIMES": z.regimes,
        "TAIL_BINS": TAIL_BINS,
        "LAGS": max(z.joint_lags, s.fast_lags, s.season_lags),
        "JOINT_LAGS": z.joint_lags,
        "FAST_LAGS": s.fast_lags,
        "SEASON_LAGS": s.season_lags,
        "JOINT_FEATURES": z.joint_features,
        "FAST_FEATURES": z.fast_features,
        "SEASON_FEATURES": z.season_features,
        "DIRECT_FEATURES": z.direct_features,
        "MOST_FEATURES": max(z.joint_features, *own),
        "SHORTEST_SEASON": s.shortest_season,
        "SEARCH_TICKS": s.search_ticks,
        "STUCK_TICKS": s.stuck_ticks,
        **_INTEGERS,
    }


def _settings(z: Sizes, false_alarm_rate: float) -> Mapping[str, float | np.float32]:
    s = z.settings
    return {
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


def _float(value: float | np.float32) -> str:
    """A float32 constant, exactly."""
    return f"{float(np.float32(value)).hex()}f"


def _tables(z: Sizes, head: bytes) -> list[str]:
    anchors = len(z.anchors)
    rows = [
        f"static const int32_t midge_{key}[{anchors}] = {{{', '.join(map(str, values))}}};"
        for key, values in (
            ("anchors", z.anchors),
            ("pending", z.pending),
            ("strides", z.strides),
        )
    ]
    return [
        *rows,
        *_floats("edges", anomaly.EDGES),
        "/* Of each lead: the part of the way between the anchors around it; for the direct unit,",
        "   between those that it serves. */",
        *_floats("parts", z.mix_places[1]),
        *_floats("direct_parts", z.direct_places[1]),
        "/* What a checkpoint begins with: its format, and all sizes and settings as JSON. */",
        f"static const uint8_t midge_head[{len(head)}] = {{",
        *_lines([str(byte) for byte in head], 24),
        "};",
    ]


def _floats(name: str, values: NDArray[np.float32]) -> list[str]:
    return [
        f"static const float midge_{name}[{len(values)}] = {{",
        *_lines([_float(value) for value in values], 6),
        "};",
    ]


def _lines(items: list[str], a_line: int) -> list[str]:
    return [
        f"    {', '.join(items[start : start + a_line])}," for start in range(0, len(items), a_line)
    ]


def _doors(sizes: Sizes, name: str) -> list[str]:
    """The functions of the header."""
    start = new_state(sizes)
    macro = name.upper()
    lines = [
        f"void {name}_init(struct {name}_state *state) {{",
        "    MIDGE_FILL(state, 0, sizeof *state);",
    ]
    for field in fields(sizes):
        values = getattr(start, field.name)
        if values.any() and (values == values.flat[0]).all():
            constant = _float(float(values.flat[0]))
            place = f"(&state->{field.name}{'[0]' * (values.ndim - 1)}[0])[k]"
            lines += [
                f"    for (int32_t k = 0; k < {values.size}; k++) {{",
                f"        {place} = {constant};",
                "    }",
            ]
        else:
            lines += [
                f"    state->{field.name}[{place}] = "
                f"{int(value) if field.dtype == '<i4' else _float(float(value))};"
                for place, value in enumerate(values.reshape(-1))
                if value
            ]
    return [
        *lines,
        "}",
        "",
        f"void {name}_update(struct {name}_state *state, const float *sample,"
        f" struct {name}_step *step,",
        f"                   float (*forecast)[{macro}_CHANNELS]) {{",
        "    const int change = midge_update(state, sample, &step->anomaly, forecast);",
        "    const int32_t current = state->counters[MIDGE_CURRENT];",
        "    step->regime = current >= 0 ? state->pool_id[current] : -1;",
        "    step->is_flagged = step->anomaly < MIDGE_FALSE_ALARM_RATE;",
        "    step->is_new = (change & MIDGE_NEW_REGIME) != 0;",
        "    step->drift = (change & MIDGE_DRIFT) != 0;",
        "}",
        "",
        f"void {name}_forecast(const struct {name}_state *state,"
        f" float (*forecast)[{macro}_CHANNELS]) {{",
        "    midge_forecast(state, forecast);",
        "}",
        "",
        f"int {name}_save(const struct {name}_state *state, {name}_write write, void *context) {{",
        "    return midge_save(state, write, context);",
        "}",
        "",
        f"enum {name}_restored {name}_restore(struct {name}_state *state, {name}_read read,"
        " void *context) {",
        "    const int said = midge_restore(state, read, context);",
        "    if (said != MIDGE_RESTORED) {",
        f"        {name}_init(state);",
        "    }",
        f"    return (enum {name}_restored)said;",
        "}",
        "",
    ]
