"""A machine's monitor: samples to band energies, a learner of what is normal, and an alarm.

The learner learns from every frame, with one exception: while this frame and the one before are
flagged, it is put back to where it was, up to a longest time. It would take a fault for the new
normal within a few frames else; and two in a row are rare enough that leaving them out bends no
rate. One flagged frame is no alarm: what has seen a few hundred frames cannot tell a chance of one
in ten thousand by a single one. Some flagged out of a few in a row can.
"""

from __future__ import annotations

import copy
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from midge.adapt.emit import LICENCE
from midge.adapt.given import real, whole
from midge.adapt.model import Step, StreamModel
from midge.errors import UserError
from midge.signals.band_energies import BandEnergies
from midge.signals.c_library import FOR_CPP, FOR_CPP_END
from midge.version import VERSION

Flags = NDArray[np.bool_]
Samples = NDArray[np.int16]


@dataclass(frozen=True)
class AlarmRule:
    """How many flagged frames make an alarm.

    Attributes:
        flagged: So many of the last `of` frames; 1 to `of`.
        of: 1 to 32.
    """

    flagged: int = 5
    of: int = 8

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            UserError: one is out of range.
        """
        whole("AlarmRule: of", self.of, 1, 32)
        whole("AlarmRule: flagged", self.flagged, 1, self.of)

    def raised(self, flags: Flags) -> Flags:
        """Whether there is an alarm at each frame [frames]; before the first none was flagged."""
        total = np.concatenate([np.zeros(self.of, np.int64), np.cumsum(flags, dtype=np.int64)])
        out: Flags = total[self.of :] - total[: len(flags)] >= self.flagged
        return out

    def flag_rate(self, alarm_rate: float) -> float:
        """The rate of flags that makes alarms so frequent a frame, were frames independent.

        Args:
            alarm_rate: Probability of an alarm at a frame, above 0 and below 1.

        Raises:
            UserError: If it is out of range.
        """
        real("alarm_rate", alarm_rate, 1e-30, 1 - 1e-9)
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._chance(middle) < alarm_rate else (low, middle)
        return low

    def _chance(self, rate: float) -> float:
        """Of so many flags or more among `of` frames that are flagged at a rate."""
        return sum(
            math.comb(self.of, count) * rate**count * (1 - rate) ** (self.of - count)
            for count in range(self.flagged, self.of + 1)
        )


@dataclass(frozen=True)
class Watched:
    """What a monitor made of a record.

    Attributes:
        energies: int16 [frames, octaves].
        anomaly: float64 [frames], as `Step` has it.
        is_flagged: [frames].
        alarm: [frames]; not while it learns what is normal.
    """

    energies: Samples
    anomaly: NDArray[np.float64]
    is_flagged: Flags
    alarm: Flags


@dataclass(frozen=True)
class Monitor:
    """Front end, learner and alarm.

    Attributes:
        front: From samples to frames.
        learn: The first frames, of the machine as it should be, in which there is no alarm; 0 to
            2**31 - 1.
        hold: Most frames in a row that are flagged and not learned from; 0 to 2**31 - 1. With any
            there is a second copy of the learner's state.
        rule: From flags to alarms.
        ram: Budget of the learner's state, as `StreamModel` takes it.
        alarm_rate: Chance of an alarm at a frame of a machine that does not change.
    """

    front: BandEnergies
    learn: int
    hold: int = 5_000
    rule: AlarmRule = AlarmRule()
    ram: str = "4 KB"
    alarm_rate: float = 1e-4

    def __post_init__(self) -> None:
        """Check the front end and the numbers of frames.

        Raises:
            UserError: One is out of range.
        """
        if not isinstance(self.front, BandEnergies):
            raise UserError(f"Monitor: front is {self.front!r}; expected BandEnergies")
        for name, value in (("learn", self.learn), ("hold", self.hold)):
            whole(f"Monitor: {name}", value, 0, (1 << 31) - 1)

    def new_model(self) -> StreamModel:
        """A learner that knows nothing yet.

        Raises:
            UserError: If the budget is too small, or the rate out of range.
        """
        rate = self.rule.flag_rate(self.alarm_rate)
        return StreamModel(self.front.octaves, 1, self.ram, false_alarm_rate=rate)

    def start(self) -> Watch:
        """The monitor as it is switched on."""
        return Watch(self, self.new_model(), self.learn)

    def watch(self, samples: Samples) -> Watched:
        """What the device tells of a record that begins when it is switched on; the twin.

        Args:
            samples: int16 [n].

        Raises:
            UserError: `samples` is not int16 [n].
        """
        return self.start().feed(self.front.run(samples))

    def emit(self, name: str = "monitor") -> dict[str, str]:
        """The C, by file name: the monitor's, its front end's and its learner's.

        Args:
            name: Prefix of functions and macros; the learner's is ``<name>_learner``.

        Raises:
            UserError: If the name is none that C takes, or the front end's.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,50}", str(name)) or name == self.front.name:
            raise UserError(
                f"emit: found the name {name!r}; expected lower-case letters, digits and "
                f"underscores, and another than the front end's, {self.front.name!r}"
            )
        return {
            **self.front.emit(VERSION),
            **self.new_model().emit(f"{name}_learner"),
            f"{name}.h": self._header(name),
            f"{name}.c": self._source(name),
        }

    def _header(self, name: str) -> str:
        front, macro, rule = self.front.name, name.upper(), self.rule
        members = [
            f"struct {front}_state front;",
            f"struct {name}_learner_state learner;",
            *([f"struct {name}_learner_state before;"] if self.hold else []),
            "uint32_t left, held; /* frames to learn from still, and not learned from now */",
            "uint32_t flags;      /* a bit a frame, the last in the lowest */",
        ]
        return "\n".join(
            [
                *_top(f"{name}.h"),
                " *",
                f" * Frames of {self.front.frame} samples, a learner of what is normal, and behind"
                f" {self.learn} frames an alarm:",
                f" * {rule.flagged} of the last {rule.of} flagged.",
                " *",
                f" *     static struct {name}_state state;",
                f" *     struct {name}_frame frame;",
                f" *     {name}_init(&state);",
                f" *     for each sample: if ({name}_push(&state, sample, &frame) &&"
                " frame.is_alarm) report();",
                " */",
                f"#ifndef MIDGE_MONITOR_{macro}_H",
                f"#define MIDGE_MONITOR_{macro}_H",
                "",
                f'#include "{front}.h"',
                f'#include "{name}_learner.h"',
                "",
                *FOR_CPP,
                f"struct {name}_frame {{",
                f"    struct {name}_learner_step step; /* what the learner told */",
                f"    int16_t energies[{front.upper()}_OCTAVES];",
                "    uint8_t is_alarm;",
                "};",
                "",
                f"struct {name}_state {{",
                *(f"    {member}" for member in members),
                "};",
                "",
                "/* Before the first sample. */",
                f"void {name}_init(struct {name}_state *state);",
                "",
                "/* The next sample. Returns 1 with the last of a frame, and then `frame` is"
                " written. */",
                f"int {name}_push(struct {name}_state *state, int16_t sample, struct {name}_frame"
                " *frame);",
                "",
                *FOR_CPP_END,
                "#endif",
                "",
            ]
        )

    def _source(self, name: str) -> str:
        front, macro = self.front.name, self.front.name.upper()
        return "\n".join(
            [
                *_top(f"{name}.c"),
                " */",
                f'#include "{name}.h"',
                "",
                "#include <stddef.h>",
                "",
                f"void {name}_init(struct {name}_state *state) {{",
                f"    {front}_init(&state->front);",
                f"    {name}_learner_init(&state->learner);",
                f"    state->left = {self.learn}u;",
                "    state->held = 0u;",
                "    state->flags = 0u;",
                "}",
                "",
                *self._count(name),
                f"int {name}_push(struct {name}_state *state, int16_t sample, struct {name}_frame"
                " *frame) {",
                f"    float values[{macro}_OCTAVES];",
                f"    if (!{front}_push(&state->front, sample, frame->energies)) {{",
                "        return 0;",
                "    }",
                f"    for (uint32_t k = 0; k < {macro}_OCTAVES; k++) {{",
                "        values[k] = (float)frame->energies[k];",
                "    }",
                *_when(
                    self.hold > 0,
                    "    if ((state->flags & 1u) != 0u) {",
                    "        state->before = state->learner;",
                    "    }",
                ),
                f"    {name}_learner_update(&state->learner, values, &frame->step, NULL);",
                f"    frame->is_alarm = {name}_count(state, frame->step.is_flagged);",
                "    return 1;",
                "}",
                "",
            ]
        )

    def _count(self, name: str) -> list[str]:
        """Flags become an alarm, and say whether the frame is learned from."""
        rule = self.rule
        held = [
            f"    if ((state->flags & 3u) == 3u && state->held < {self.hold}u) {{",
            "        state->learner = state->before;",
            "        state->held++;",
            "    } else if (is_flagged == 0u) {",
            "        state->held = 0u;",
            "    }",
        ]
        return [
            f"static uint8_t {name}_count(struct {name}_state *state, uint8_t is_flagged) {{",
            "    uint32_t flagged = 0u;",
            "    if (state->left != 0u) {",
            "        state->left--;",
            "        return 0u;",
            "    }",
            "    state->flags = state->flags << 1 | is_flagged;",
            *_when(self.hold > 0, *held),
            f"    for (uint32_t k = 0; k < {rule.of}u; k++) {{",
            "        flagged += state->flags >> k & 1u;",
            "    }",
            f"    return flagged >= {rule.flagged}u;",
            "}",
            "",
        ]


class Watch:
    """A monitor at work.

    Args:
        monitor: What it is.
        model: Its learner.
        left: Frames in which there is no alarm.
    """

    def __init__(self, monitor: Monitor, model: StreamModel, left: int) -> None:
        self.monitor = monitor
        self.model = model
        self.left = left
        self._flags: list[bool] = []
        self._held = 0

    def feed(self, energies: Samples) -> Watched:
        """Go on with frames, int16 [frames, octaves]."""
        told = [self._frame(row) for row in energies]
        return Watched(
            energies,
            np.array([step.anomaly for step, _ in told], np.float64),
            np.array([step.is_flagged for step, _ in told], bool),
            np.array([alarm for _, alarm in told], bool),
        )

    def _frame(self, row: Samples) -> tuple[Step, bool]:
        rule, again = self.monitor.rule, self._flags[-1:] == [True]
        before = copy.deepcopy(self.model) if again and self.monitor.hold else None
        step = self.model.update(row)
        if self.left:
            self.left -= 1
            return step, False
        self._flags = [*self._flags, step.is_flagged][-rule.of :]
        if before is not None and step.is_flagged and self._held < self.monitor.hold:
            self.model = before
            self._held += 1
        elif not step.is_flagged:
            self._held = 0
        return step, sum(self._flags) >= rule.flagged


def _when(wanted: bool, *lines: str) -> tuple[str, ...]:
    return lines if wanted else ()


def _top(file: str) -> list[str]:
    return [
        "/*",
        f" * {file}: emitted by Midge {VERSION}. Do not edit: emit it again.",
        *(f" * {line}" for line in LICENCE.splitlines()),
    ]
