"""The C of an uplink within an emitted application: members, constants, calls, functions.

The emitter of the application puts these lines where they belong; the code itself stands in
`device/signals/uplink.h`. The payload of a beat is what its event holds: the network's scores, and
behind them the features' codes where `Uplink.payload_bytes` has room for both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from midge.errors import UserError
from midge.signals.uplink import Uplink


@dataclass(frozen=True)
class UplinkCode:
    """The lines, by place; `state` and `event` are the pointers of the caller.

    Attributes:
        state_headers: Files of `device/signals` with the types of the members.
        headers: Files of `device/signals` with the functions that are called.
        members: Of the struct that holds all memory.
        constants: In front of the functions.
        init: In the function that begins.
        push: First thing with a sample, whose name is `sample`.
        beat: When an event holds a decided beat.
        declarations: Of `functions`, for the header.
        functions: How segments are fetched.
    """

    state_headers: tuple[str, ...]
    headers: tuple[str, ...]
    members: tuple[str, ...]
    constants: tuple[str, ...]
    init: tuple[str, ...]
    push: tuple[str, ...]
    beat: tuple[str, ...]
    declarations: tuple[str, ...]
    functions: tuple[str, ...]


def no_uplink() -> UplinkCode:
    """The lines of an application that sends nothing: none."""
    return UplinkCode(**{field.name: () for field in fields(UplinkCode)})


def uplink_code(
    uplink: Uplink, name: str, classes: int, features: int, suspicious_below: int
) -> UplinkCode:
    """The C of an uplink.

    Args:
        uplink: Its sizes.
        name: The application's, which its functions begin with.
        classes: Scores of an event.
        features: Codes of an event.
        suspicious_below: The decision's limit.

    Raises:
        UserError: `Uplink.payload_bytes` is neither for the scores nor for both.
    """
    with_codes = uplink.payload_bytes == classes + features
    if not with_codes and uplink.payload_bytes != classes:
        raise UserError(
            f"application {name!r}: Uplink.payload_bytes is {uplink.payload_bytes}; expected "
            f"{classes} for the scores of a beat, or {classes + features} for its features' codes "
            "besides"
        )
    segment = f"int32_t {name}_segment(const struct {name}_state *state, const uint8_t **bytes)"
    sent = f"void {name}_segment_sent(struct {name}_state *state)"
    finish = f"void {name}_finish(struct {name}_state *state)"
    return UplinkCode(
        state_headers=("uplink_state.h",),
        headers=("uplink.h",),
        members=(
            "struct midge_uplink uplink",
            f"uint8_t uplink_past[{uplink.history_bytes}]",
            f"uint8_t uplink_store[{uplink.store_bytes}]",
        ),
        constants=(*uplink.plan_text("uplink_plan").splitlines(), ""),
        init=(
            "midge_uplink_init(&state->uplink, &uplink_plan, state->uplink_past,",
            "                  state->uplink_store);",
        ),
        push=("midge_uplink_push(&state->uplink, sample);",),
        beat=(
            f"uint8_t payload[{uplink.payload_bytes}];",
            "MIDGE_COPY(payload, event->scores, sizeof event->scores);",
            *(
                (f"MIDGE_COPY(payload + {classes}, event->codes, sizeof event->codes);",)
                if with_codes
                else ()
            ),
            "const uint8_t priority = event->suspicious",
            f"    ? midge_uplink_priority(event->margin, {suspicious_below}) : 0u;",
            "midge_uplink_beat(&state->uplink, event->position, priority, payload);",
        ),
        declarations=(
            "/* The oldest segment that waits to be sent, and its bytes; 0: none waits. */",
            f"{segment};",
            "/* It was sent: its room is free. */",
            f"{sent};",
            "/* At the end of a recording: what is to be kept waits to be sent. */",
            f"{finish};",
            "",
        ),
        functions=(
            f"{segment} {{",
            "    return midge_uplink_peek(&state->uplink, bytes);",
            "}",
            "",
            f"{sent} {{",
            "    midge_uplink_pop(&state->uplink);",
            "}",
            "",
            f"{finish} {{",
            "    midge_uplink_finish(&state->uplink);",
            "}",
            "",
        ),
    )
