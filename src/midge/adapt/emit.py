"""A learner -> the text of ``<name>.h`` and ``<name>.c``, equal to its NumPy twin bit for bit.

The parts stand in `device/learner`; what is written here are their sizes and settings, the struct
that holds all memory, and the doors. The same model gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from midge.adapt import anomaly, normalise, regimes, season, units
from midge.adapt.dialect import Dialect, float_text, wrapped
from midge.adapt.settings import TAIL_BINS, Sizes
from midge.adapt.state import Field
from midge.errors import UserError
from midge.signals.c_library import FOR_CPP, FOR_CPP_END, signal_text

LICENCE = """\
The compiler's licence does not reach what it emits: you may use, change and ship this file
under any terms, without notices. See "Output licence exception" in Midge's README."""


def emit_learner(
    dialect: Dialect,
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
        dialect: Its arithmetic.
        sizes: Its dimensions.
        false_alarm_rate: Probability below which a tick is flagged.
        head: What a checkpoint begins with, up to the state.
        wrap_back: By how much the count of ticks goes back when it is large.
        name: Prefix of files, functions and macros.
        version: Midge's.

    Raises:
        UserError: If the name is none that C takes.
    """
    check_name(name)
    return {
        f"{name}.h": _header(dialect, sizes, head, name, version),
        f"{name}.c": _source(dialect, sizes, false_alarm_rate, head, wrap_back, name, version),
    }


def check_name(name: str) -> None:
    """Raise a `UserError` where C takes no such name."""
    if not re.fullmatch(r"(?!midge)[a-z][a-z0-9_]{0,62}", str(name)):
        raise UserError(
            f"emit: found the name {name!r}; expected lower-case letters, digits and underscores, "
            "and another beginning than 'midge', which is that of what stands inside"
        )


def file_top(name: str, version: str) -> list[str]:
    """How a file begins; its comment is not closed."""
    return [
        "/*",
        f" * {name}: emitted by Midge {version}. Do not edit: emit it again.",
        *(f" * {line}" for line in LICENCE.splitlines()),
    ]


def _header(dialect: Dialect, sizes: Sizes, head: bytes, name: str, version: str) -> str:
    macro, number = name.upper(), dialect.number
    layout = dialect.members(sizes)
    state_bytes = 4 * sum(field.count for field in layout)
    return "\n".join(
        [
            *file_top(f"{name}.h", version),
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
            "#include <stddef.h>",
            "#include <stdint.h>",
            "",
            *FOR_CPP,
            f"#define {macro}_CHANNELS {sizes.channels}",
            f"#define {macro}_HORIZON {sizes.horizon}",
            f"#define {macro}_LEARNED_BYTES {state_bytes}u /* of the state */",
            f"#define {macro}_SAVED_BYTES {len(head) + state_bytes + 4}u /* of what is saved */",
            "",
            f"struct {name}_state {{",
            *(f"    {member_text(field)};" for field in layout),
            "};",
            "",
            "/* What a tick told.",
            "",
            "   anomaly: the share of ticks expected to be as unusual as this one,"
            f" {dialect.anomaly}.",
            "   regime: the present regime's identity; -1 in the first ticks.",
            "   is_flagged: the anomaly is below the target rate of false alarms.",
            "   is_new: a regime was opened. drift: a change was told. */",
            f"struct {name}_step {{",
            f"    {number} anomaly;",
            "    int32_t regime;",
            "    uint8_t is_flagged, is_new, drift;",
            "};",
            "",
            "/* Before the first sample. */",
            f"void {name}_init(struct {name}_state *state);",
            "",
            f"/* Learn from a sample, {macro}_CHANNELS numbers: {dialect.sample[0]}",
            *(f"   {line}" for line in dialect.sample[1:]),
            f"   `forecast`, if not NULL, becomes that of the next {macro}_HORIZON ticks. */",
            f"void {name}_update(struct {name}_state *state, const {number} *sample,"
            f" struct {name}_step *step,",
            f"                   {number} (*forecast)[{macro}_CHANNELS]);",
            "",
            "/* The forecast from the last sample on. */",
            f"void {name}_forecast(const struct {name}_state *state,"
            f" {number} (*forecast)[{macro}_CHANNELS]);",
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
            *FOR_CPP_END,
            f"#endif /* MIDGE_LEARNER_{macro}_H */",
            "",
        ]
    )


def member_text(field: Field) -> str:
    """A member of a struct."""
    kind = "int32_t" if field.dtype == "<i4" else "float"
    shape = field.shape
    if field.packed:
        shape = (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)
    return f"{kind} {field.name}{''.join(f'[{n}]' for n in shape)}"


def _source(
    dialect: Dialect,
    sizes: Sizes,
    false_alarm_rate: float,
    head: bytes,
    wrap_back: int,
    name: str,
    version: str,
) -> str:
    constants = {**_sizes(sizes), **dialect.constants(sizes, false_alarm_rate)}
    return "\n".join(
        [
            *file_top(f"{name}.c", version),
            " */",
            f'#include "{name}.h"',
            "",
            f"#define MIDGE_LEARNER struct {name}_state",
            *(f"#define MIDGE_{key} {value}" for key, value in constants.items()),
            f"#define MIDGE_WRAP_BACK {wrap_back}",
            "",
            *_tables(sizes, head),
            *dialect.tables(sizes),
            "",
            signal_text(dialect.headers),
            *_doors(dialect, sizes, name),
        ]
    )


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
"""The twin's whole constants, by their names in C."""


def _sizes(z: Sizes) -> Mapping[str, int]:
    s = z.settings
    own = (z.fast_features, z.season_features, z.direct_features)
    return {
        "CHANNELS": z.channels,
        "HORIZON": z.horizon,
        "RING": z.ring,
        "ANCHORS": len(z.anchors),
        "DIRECT_ANCHORS": z.direct_anchors,
        "STRETCHES": len(z.anchors) + (z.anchors[-1] < z.horizon),
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
    return [*rows, *head_table(head)]


def head_table(head: bytes) -> list[str]:
    """What a checkpoint begins with."""
    return [
        "/* What a checkpoint begins with: its format, and all sizes and settings as JSON. */",
        f"static const uint8_t midge_head[{len(head)}] = {{",
        *wrapped([str(byte) for byte in head], 24),
        "};",
    ]


def _doors(dialect: Dialect, sizes: Sizes, name: str) -> list[str]:
    """The functions of the header."""
    start = dialect.begins(sizes)
    macro, number = name.upper(), dialect.number
    lines = [
        f"void {name}_init(struct {name}_state *state) {{",
        "    MIDGE_FILL(state, 0, sizeof *state);",
    ]
    for field in dialect.members(sizes):
        values = getattr(start, field.name)
        if values.any() and (values == values.flat[0]).all():
            constant = _constant(field, values.flat[0])
            place = f"(&state->{field.name}{'[0]' * (values.ndim - 1)}[0])[k]"
            lines += [
                f"    for (int32_t k = 0; k < {values.size}; k++) {{",
                f"        {place} = {constant};",
                "    }",
            ]
        else:
            lines += [
                f"    state->{field.name}[{place}] = {_constant(field, value)};"
                for place, value in enumerate(values.reshape(-1))
                if value
            ]
    return [
        *lines,
        "}",
        "",
        f"void {name}_update(struct {name}_state *state, const {number} *sample,"
        f" struct {name}_step *step,",
        f"                   {number} (*forecast)[{macro}_CHANNELS]) {{",
        "    const int change = midge_update(state, sample, &step->anomaly, forecast);",
        "    const int32_t current = state->counters[MIDGE_CURRENT];",
        "    step->regime = current >= 0 ? state->pool_id[current] : -1;",
        "    step->is_flagged = step->anomaly < MIDGE_FALSE_ALARM_RATE;",
        "    step->is_new = (change & MIDGE_NEW_REGIME) != 0;",
        "    step->drift = (change & MIDGE_DRIFT) != 0;",
        "}",
        "",
        f"void {name}_forecast(const struct {name}_state *state,"
        f" {number} (*forecast)[{macro}_CHANNELS]) {{",
        "    midge_forecast(state, forecast);",
        "}",
        "",
        *saving_doors(name, name, f"struct {name}_state", "state"),
    ]


def saving_doors(name: str, prefix: str, kind: str, argument: str) -> list[str]:
    """The functions that save and restore what a struct of some kind holds.

    Args:
        name: The learner's.
        prefix: Of the functions.
        kind: Of the struct.
        argument: What it is called.
    """
    return [
        f"int {prefix}_save(const {kind} *{argument}, {name}_write write, void *context) {{",
        f"    return midge_save({argument}, write, context);",
        "}",
        "",
        f"enum {name}_restored {prefix}_restore({kind} *{argument}, {name}_read read,"
        " void *context) {",
        f"    const int said = midge_restore({argument}, read, context);",
        "    if (said != MIDGE_RESTORED) {",
        f"        {prefix}_init({argument});",
        "    }",
        f"    return (enum {name}_restored)said;",
        "}",
        "",
    ]


def _constant(field: Field, value: float) -> str:
    return str(int(value)) if field.dtype == "<i4" else float_text(value)
