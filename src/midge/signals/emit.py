"""A chain, with or without a network, -> the text of ``<name>.h`` and ``<name>.c``.

The same chain gives the same bytes. The kernels stand in `device/signals`; what is written here
are their constants, the struct that holds all memory, and the order of the calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midge.signals.application import Application
from midge.signals.c_library import FOR_CPP, FOR_CPP_END, signal_text
from midge.signals.chain import Chain
from midge.signals.event_layout import EventField, event_fields
from midge.signals.features import FEATURES
from midge.signals.pulse_detector import PulseDetector
from midge.signals.quality import SignalQuality
from midge.signals.stage import LARGEST_INT16, Stage
from midge.signals.uplink_emit import no_uplink

LICENCE = """\
The compiler's licence does not reach what it emits: you may use, change and ship this file
under any terms, without notices. See "Output licence exception" in Midge's README."""

_HEADERS = ("beat_queue.h", "beat_window.h", "features.h", "pulse_search.h", "quality.h")
_STATE_HEADER = "beat_state.h"


@dataclass(frozen=True)
class _Row:
    """Stages in a row, as C.

    Attributes:
        headers: Files of their kernels.
        members: Declarations of their memory.
        lines: Statements that bring `x` through them.
    """

    headers: tuple[str, ...]
    members: tuple[str, ...]
    lines: tuple[str, ...]


def emit_chain(chain: Chain, version: str) -> dict[str, str]:
    """The C of a chain alone, by file name."""
    return _Emitter(chain, None, version).files()


def emit_application(application: Application, version: str) -> dict[str, str]:
    """The C of a chain that calls its network's, by file name.

    The network's own files, which are emitted under the name of `Application.network`, stand
    beside them.
    """
    return _Emitter(application.chain, application, version).files()


def _row(stages: Sequence[Stage], prefix: str, input_largest: int) -> _Row:
    headers: list[str] = []
    members: list[str] = []
    lines: list[str] = []
    for index, stage in enumerate(stages):
        code = stage.code(input_largest)
        place = f"{prefix}{index}"
        headers.append(code.header)
        members += [member.replace("@", place) for member in code.members]
        lines.append(f"x = {code.call.replace('@', f'state->{place}')};")
        input_largest = stage.largest(input_largest)
    return _Row(tuple(headers), tuple(members), tuple(lines))


class _Emitter:
    """The texts of one chain."""

    def __init__(self, chain: Chain, application: Application | None, version: str) -> None:
        self.chain = chain
        self.application = application
        self.version = version
        self.name = chain.name
        self.macro = chain.name.upper()
        self.network = f"{chain.name}_network"
        self.has_template = application.has_template if application else chain.has_template
        self.uplink = application.uplink_code if application else no_uplink()
        self.state_headers = (_STATE_HEADER, *self.uplink.state_headers)
        self.front = _row(chain.front, "front", LARGEST_INT16 + 1)
        self.band = _row(chain.band, "band", chain.front_largest)
        self.envelope = _row(chain.envelope, "envelope", chain.band_largest)

    def files(self) -> dict[str, str]:
        return {f"{self.name}.h": self._header(), f"{self.name}.c": self._source()}

    # -- <name>.h ---------------------------------------------------------------------------------

    def _header(self) -> str:
        name, macro, chain = self.name, self.macro, self.chain
        fields = event_fields(chain, self.application)
        network = self.application is not None
        lines = [
            "/*",
            f" * {name}.h: emitted by Midge {self.version}. Do not edit: emit it again.",
            *(f" * {line}" for line in LICENCE.splitlines()),
            " *",
            f" * Samples come at {chain.rate_hz} Hz. One struct holds all memory; it must stay",
            " * where it is between calls.",
            " *",
            f" *     static struct {name}_state state;",
            f" *     struct {name}_event event;",
            f" *     {name}_init(&state);",
            f" *     for each sample: if ({name}_push(&state, sample, &event) & {macro}_BEAT)"
            " consume(&event);",
            " */",
            f"#ifndef MIDGE_CHAIN_{macro}_H",
            f"#define MIDGE_CHAIN_{macro}_H",
            "",
            "#include <stdint.h>",
            "",
            *([f'#include "{self.network}.h"', ""] if network else []),
            *FOR_CPP,
            f"#define {macro}_RATE_HZ {chain.rate_hz}",
            f"#define {macro}_BEAT 1  /* returned by push: the event holds a beat */",
            f"#define {macro}_STATE 2 /* returned by push: `state` of the event has changed */",
            "",
            f"struct {name}_event {{",
            *(f"    {_member(f)}; /* {f.meaning} */" for f in fields),
            "};",
            "",
            signal_text(self.state_headers).rstrip(),
            "",
            f"struct {name}_state {{",
            *(f"    {line};" for line in self._state_members()),
            "};",
            "",
            "/* Before the first sample. */",
            f"void {name}_init(struct {name}_state *state);",
            "",
            f"/* The next sample. Returns 0 or {macro}_BEAT, {macro}_STATE or both; `event` is"
            " written only then. */",
            f"int {name}_push(struct {name}_state *state, int16_t sample, struct {name}_event"
            " *event);",
            "",
            *self.uplink.declarations,
            *FOR_CPP_END,
            f"#endif /* MIDGE_CHAIN_{macro}_H */",
            "",
        ]
        return "\n".join(lines)

    def _state_members(self) -> list[str]:
        chain = self.chain
        members = [
            f"int16_t history[{chain.history_length}]",
            f"struct midge_waiting queue[{chain.queue_length}]",
            "struct midge_history band",
            "struct midge_pulse_search search",
            "struct midge_rhythm rhythm",
            "struct midge_quality quality",
            *self.front.members,
            *self.band.members,
            *self.envelope.members,
            *self.uplink.members,
            "uint32_t raw",
            "uint8_t phase",
        ]
        if self.has_template:
            members += [
                f"int16_t usual[{chain.window.count}]",
                "int32_t usual_distances[3]",
                "uint8_t has_usual",
            ]
        if self.application is not None:
            network = self.network.upper()
            members += [
                f"uint8_t arena[{network}_ARENA_BYTES] "
                f"__attribute__((aligned({network}_ARENA_ALIGN)))"
            ]
        return members

    # -- <name>.c ---------------------------------------------------------------------------------

    def _source(self) -> str:
        headers = {*_HEADERS, *self.front.headers, *self.band.headers, *self.envelope.headers}
        if self.application is not None:
            headers |= {"decision.h", *self.uplink.headers}
        if self.has_template:
            headers.add("template.h")
        parts = [
            "/*",
            f" * {self.name}.c: emitted by Midge {self.version}. Do not edit: emit it again.",
            *(f" * {line}" for line in LICENCE.splitlines()),
            " */",
            f'#include "{self.name}.h"',
            "",
            signal_text(headers, given=self.state_headers),
            *self._constants(),
            *self._init(),
            *self._decide(),
            *self._push(),
            *self.uplink.functions,
        ]
        return "\n".join(parts)

    def _constants(self) -> list[str]:
        rules, quality = self.chain.detector, self.chain.quality
        detector = [
            f"    .{field} = {getattr(rules, field)},"
            for field in PulseDetector.__dataclass_fields__
        ]
        return [
            "static const struct midge_pulse_rules pulse_rules = {",
            f"    .lag = {self.chain.lag},",
            *detector,
            "};",
            "",
            "static const struct midge_quality_rules quality_rules = {",
            *(
                f"    .{field} = {getattr(quality, field)},"
                for field in SignalQuality.__dataclass_fields__
            ),
            "};",
            "",
            *self.uplink.constants,
        ]

    def _init(self) -> list[str]:
        chain, name = self.chain, self.name
        lines = [
            f"void {name}_init(struct {name}_state *state) {{",
            "    MIDGE_FILL(state, 0, sizeof *state);",
            "    state->band.ring = state->history;",
            f"    state->band.length = {chain.history_length};",
            "    state->search.queue = state->queue;",
            f"    state->search.capacity = {chain.queue_length};",
            "    state->search.now = UINT32_MAX; /* the first sample is number 0 */",
            "    state->raw = UINT32_MAX;",
        ]
        if self.application is not None:
            lines.append(f"    {self.network}_init(state->arena, NULL);")
        lines += [f"    {line}" for line in self.uplink.init]
        return [*lines, "}", ""]

    def _decide(self) -> list[str]:
        chain, name, window = self.chain, self.name, self.chain.window
        lines = [
            "struct midge_waiting beat;",
            "struct midge_beat_facts facts;",
            f"const int32_t rr_after = midge_beat_take(&state->search, {chain.timeout}, &beat);",
            "const struct midge_pulse *pulse = &beat.pulse;",
            "midge_rhythm_add(&state->rhythm, pulse, rr_after,",
            f"                 {chain.millisecond_factor}u, &facts);",
            f"event->position = midge_position(pulse->at * {chain.decimate}u, {chain.band_delay},",
            "                                 state->raw);",
            "event->decided_at = state->raw;",
            "event->quality = beat.quality;",
            "event->state = state->quality.state;",
        ]
        lines += [
            "midge_beat_window(&state->band,",
            f"                  state->search.now - pulse->at + {window.before}u, {window.count}u,",
            f"                  {window.stride}u, {window.codes}, facts.usual_amplitude,",
            "                  event->window);",
            *self._compare_with_usual(),
        ]
        for index, feature in enumerate(chain.features):
            entry = FEATURES[feature]
            place = f"event->features[{index}]"
            lines += [
                f"{place} = midge_feature_{feature}(&facts);",
                f"event->codes[{index}] =",
                f"    midge_feature_code({place}, {entry.offset}, {entry.shift});",
            ]
        lines += self._judge()
        if self.has_template:
            lines += [
                "/* What is no signal leaves the template as it is. */",
                "if (beat.quality == 0u) {",
                f"    midge_template_add(state->usual, event->window, {window.count}u);",
                *(
                    f"    midge_distance_add(&state->usual_distances[{index}], "
                    f"facts.distance_{place});"
                    for index, place, _, _ in self._spans()
                ),
                "}",
            ]
        return [
            "MIDGE_SIGNAL void",
            f"{name}_decide(struct {name}_state *state, struct {name}_event *event) {{",
            *(f"    {line}" for line in lines),
            "}",
            "",
        ]

    def _compare_with_usual(self) -> list[str]:
        if not self.has_template:
            return []
        count = self.chain.window.count
        lines = [
            "if (!state->has_usual) {",
            "    state->has_usual = 1;",
            f"    midge_template_start(state->usual, event->window, {count}u);",
            "}",
        ]
        for index, place, start, end in self._spans():
            lines += [
                f"facts.distance_{place} = midge_template_distance(state->usual, event->window,",
                f"                                                 {start}u, {end}u);",
                f"facts.usual_distance_{place} = state->usual_distances[{index}] >> 8;",
            ]
        return lines

    def _spans(self) -> list[tuple[int, str, int, int]]:
        """The window's spans whose distances are asked for: number, name, first point, end."""
        first, second = self.chain.spans
        spans = (
            (0, "before", 0, first),
            (1, "at", first, second),
            (2, "after", second, self.chain.window.count),
        )
        names = self.chain.features
        return [s for s in spans if any(n.startswith(f"template_{s[1]}") for n in names)]

    def _judge(self) -> list[str]:
        if self.application is None:
            return []
        network, decision = self.network, self.application.decision
        classes = len(decision.classes)
        biases = ", ".join(str(bias) for bias in decision.biases)
        return [
            f"static const int16_t bias[{classes}] = {{{biases}}};",
            *(
                self._input_text(f"{network}_input(state->arena, {index})", part)
                for index, (_, part) in enumerate(self.application.inputs)
            ),
            f"(void){network}_run(state->arena, NULL);",
            f"MIDGE_COPY(event->scores, {network}_output(state->arena, 0),",
            "           sizeof event->scores);",
            "const struct midge_decision said =",
            f"    midge_decide(event->scores, bias, {classes}u, "
            f"{decision.classes.index(decision.normal)}u, {decision.suspicious_below},",
            "                 event->quality);",
            "event->label = said.label;",
            "event->suspicious = said.suspicious;",
            "event->margin = said.margin;",
            *self.uplink.beat,
        ]

    def _input_text(self, place: str, part: str) -> str:
        if part == "template":
            return f"midge_template_copy(state->usual, {place}, {self.chain.window.count}u);"
        return f"MIDGE_COPY({place}, event->{part}, sizeof event->{part});"

    def _push(self) -> list[str]:
        chain, name, macro = self.chain, self.name, self.macro
        lines = [
            "int what = 0;",
            "int32_t x = sample;",
            *self.uplink.push,
            "state->raw++;",
            "if (midge_quality_push(&state->quality, &quality_rules, sample) &&",
            "    midge_beat_mark(&state->search, state->quality.state)) {",
            "    event->state = state->quality.state;",
            f"    what = {macro}_STATE;",
            "}",
            *self.front.lines,
        ]
        if chain.decimate > 1:
            lines += [
                f"if (++state->phase < {chain.decimate}u) {{",
                "    return what;",
                "}",
                "state->phase = 0;",
            ]
        lines += [
            *self.band.lines,
            "midge_history_push(&state->band, (int16_t)x);",
            *self.envelope.lines,
            "midge_pulse_search_push(&state->search, &pulse_rules, &state->band, x);",
            f"if (midge_beat_is_ready(&state->search, {chain.window.after}, {chain.timeout})) {{",
            f"    {name}_decide(state, event);",
            f"    what |= {macro}_BEAT;",
            "}",
            "return what;",
        ]
        return [
            f"int {name}_push(struct {name}_state *state, int16_t sample,",
            f"    struct {name}_event *event) {{",
            *(f"    {line}" for line in lines),
            "}",
            "",
        ]


def _member(field: EventField) -> str:
    """A declaration of C."""
    return f"{field.kind}_t {field.name}" + (f"[{field.count}]" if field.count else "")
