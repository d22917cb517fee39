"""Alarms -> the text of ``<name>_alarms.h`` and ``<name>_alarms.c`` beside a learner's C.

Their rule is float32 whatever the learner's arithmetic is, so it is a file of its own: the parts of
a learner in integers have the names of those in float32.
"""

from __future__ import annotations

from midge.adapt import alarm_rule, anomaly, normalise
from midge.adapt.alarm_rule import KINDS, AlarmSizes, alarm_fields
from midge.adapt.dialect import Dialect, float_text
from midge.adapt.emit import check_name, file_top, head_table, member_text, saving_doors
from midge.adapt.settings import TAIL_BINS
from midge.signals.c_library import FOR_CPP, FOR_CPP_END, signal_text

_INTEGERS = {
    "LEVEL_FROM": alarm_rule.LEVEL_FROM,
    "FIRST_TICKS": alarm_rule.FIRST_TICKS,
    "MOST_RANKED": alarm_rule.MOST_RANKED,
    "KINDS": KINDS,
    "TAIL_BINS": TAIL_BINS,
}
_FLOATS = {
    "LARGEST_INPUT": normalise.LARGEST_INPUT,
    "LARGEST_ERROR": alarm_rule.LARGEST_ERROR,
    "LARGEST_RELATIVE": alarm_rule.LARGEST_RELATIVE,
    "LARGEST_LOGARITHM": alarm_rule.LARGEST_LOGARITHM,
    "SMOOTHING": alarm_rule.SMOOTHING,
    "FLOOR": alarm_rule.FLOOR,
    "RESOLUTION": alarm_rule.RESOLUTION,
    "TINY": alarm_rule.TINY,
    "FIRST_EDGE": alarm_rule.FIRST_EDGE,
    "BINS_AN_OCTAVE": alarm_rule.BINS_AN_OCTAVE,
    "LAST_PLACE": alarm_rule.LAST_PLACE,
    "TAIL": anomaly.TAIL,
    "GUESS": alarm_rule.GUESS,
    "TAIL_SLOWEST": anomaly.SLOWEST,
}
"""The twin's constants, by their names in C."""

_IS_MISSING = {"float": "0", "int32_t": "((value) == INT32_MIN)"}
"""Whether a sample is missing that would be a number as float, by the type of samples."""


def emit_alarms(
    dialect: Dialect, sizes: AlarmSizes, head: bytes, *, name: str = "learner", version: str
) -> dict[str, str]:
    """The C of alarms, by file name.

    Args:
        dialect: Of the learner.
        sizes: All that is fixed of them.
        head: What is saved begins with.
        name: The learner's: prefix of files, functions and macros.
        version: Midge's.

    Raises:
        UserError: If the name is none that C takes.
    """
    check_name(name)
    return {
        f"{name}_alarms.h": _header(dialect.number, sizes, head, name, version),
        f"{name}_alarms.c": _source(dialect.number, sizes, head, name, version),
    }


def _header(number: str, z: AlarmSizes, head: bytes, name: str, version: str) -> str:
    macro, prefix = name.upper(), f"{name}_alarms"
    state_bytes = 4 * sum(field.count for field in alarm_fields(z))
    leads, margin = ", ".join(map(str, z.leads)), " " * len(f"void {prefix}_update(")
    return "\n".join(
        [
            *file_top(f"{prefix}.h", version),
            " *",
            f" * Alarms of {name}.h, from its errors {leads} ticks ahead, in {state_bytes} bytes.",
            " *",
            f" *     static struct {prefix} alarms;",
            f" *     struct {name}_alarm alarm;",
            f" *     {prefix}_init(&alarms);",
            f" *     for each sample, with {number} ahead[{macro}_HORIZON][{macro}_CHANNELS]:",
            f" *         {name}_update(&state, sample, &step, ahead);",
            f" *         {prefix}_update(&alarms, sample, ahead, &alarm);",
            " */",
            f"#ifndef MIDGE_LEARNER_{macro}_ALARMS_H",
            f"#define MIDGE_LEARNER_{macro}_ALARMS_H",
            "",
            f'#include "{name}.h"',
            "",
            *FOR_CPP,
            f"#define {macro}_ALARMS_BYTES {state_bytes}u /* of the struct */",
            f"#define {macro}_ALARMS_SAVED_BYTES {len(head) + state_bytes + 4}u"
            " /* of what is saved */",
            "",
            f"struct {prefix} {{",
            *(f"    {member_text(field)};" for field in alarm_fields(z)),
            "};",
            "",
            "/* What a tick told.",
            "",
            "   probability: the share of ticks expected to be as unusual as this one, 0 to 1.",
            "   is_raised: an alarm begins. */",
            f"struct {name}_alarm {{",
            "    float probability;",
            "    uint8_t is_raised;",
            "};",
            "",
            "/* Before the first sample. */",
            f"void {prefix}_init(struct {prefix} *alarms);",
            "",
            f"/* Judge a sample by what was forecast of it, behind {name}_update, which gives the"
            " forecast from it on. */",
            f"void {prefix}_update(struct {prefix} *alarms, const {number} *sample,",
            f"{margin}{number} (*forecast)[{macro}_CHANNELS], struct {name}_alarm *alarm);",
            "",
            f"/* As {name}_save and {name}_restore: {macro}_ALARMS_SAVED_BYTES bytes, those of the"
            " Python alarms' `save()`. */",
            f"int {prefix}_save(const struct {prefix} *alarms, {name}_write write, void *context);",
            "",
            f"enum {name}_restored {prefix}_restore(struct {prefix} *alarms, {name}_read read,"
            " void *context);",
            "",
            *FOR_CPP_END,
            f"#endif /* MIDGE_LEARNER_{macro}_ALARMS_H */",
            "",
        ]
    )


def _source(number: str, z: AlarmSizes, head: bytes, name: str, version: str) -> str:
    macro, prefix = name.upper(), f"{name}_alarms"
    leads, margin = ", ".join(map(str, z.leads)), " " * len(f"void {prefix}_update(")
    floats = {
        **_FLOATS,
        "ONE_OF_ONE": alarm_rule.one_of(1),
        "ONE_OF_LEADS": alarm_rule.one_of(len(z.leads)),
        "ALARM_RATE": z.rate,
    }
    constants = {
        "CHANNELS": z.channels,
        "LEADS": len(z.leads),
        "QUIET_TICKS": z.quiet,
        **_INTEGERS,
        **{key: float_text(value) for key, value in floats.items()},
    }
    return "\n".join(
        [
            *file_top(f"{prefix}.c", version),
            " */",
            f'#include "{prefix}.h"',
            "",
            f"#define MIDGE_LEARNER struct {prefix}",
            f"#define MIDGE_NUMBER {number}",
            f"#define MIDGE_IS_MISSING(value) {_IS_MISSING[number]}",
            *(f"#define MIDGE_{key} {value}" for key, value in constants.items()),
            "",
            f"static const int32_t midge_leads[{len(z.leads)}] = {{{leads}}};",
            *head_table(head),
            "",
            signal_text(("learner_alarms.h",)),
            f"void {prefix}_init(struct {prefix} *alarms) {{",
            "    MIDGE_FILL(alarms, 0, sizeof *alarms);",
            "}",
            "",
            f"void {prefix}_update(struct {prefix} *alarms, const {number} *sample,",
            f"{margin}{number} (*forecast)[{macro}_CHANNELS], struct {name}_alarm *alarm) {{",
            "    alarm->is_raised = (uint8_t)midge_alarm(alarms, sample, forecast,"
            " &alarm->probability);",
            "}",
            "",
            *saving_doors(name, prefix, f"struct {prefix}", "alarms"),
        ]
    )
