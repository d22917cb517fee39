"""Why a layer of integers is as far from its float original as it is, in words.

Each sentence follows from figures of the report and from the counts of its pictures; none is a
guess at what the network is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from midge.report.wording import NO_BREAK, count, percent

Json = dict[str, Any]

CODES = {"int8": 256, "int16": 65_536}
"""Values that an element of a type can have."""
WEIGHT_VALUES = {"int4": 15, "int8": 255}
"""The least one is not used, so that weights are symmetric."""
LEAST_CLIPPED = 0.004
"""Below, a narrower band with finer steps is usually the better bargain."""
FEW_CODES = 48
"""Of 256: what most values share in this many or fewer is coarse."""
FEW_CHANNEL_CODES = 16
UNEVEN = 4.0
"""By how much the loudest channel must exceed the quietest to be worth a word."""
MOST_REASONS = 3
FIXED_RANGE = ("softmax", "log_softmax", "logistic", "tanh", "l2_normalization")
"""Operators whose range of codes is given by what they compute."""


def codes_spanned(low: float | None, high: float | None, scale: float | None) -> int | None:
    """How many codes lie from one value to another, both included; None where it is not known."""
    if low is None or high is None or not scale:
        return None
    return round(min((high - low) / scale, 1e15)) + 1


def reasons(layer: Json, picture: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What stands out of a layer, what weighs most first; at most three sentences.

    Args:
        layer: Of the report's ``layers``.
        picture: Of the pictures' ``layers``, with the same name; None without pictures.
    """
    if layer["dtype"] == "float32":
        return ("computes in float32",)
    found = [
        _clipped(layer),
        _weights(layer),
        _channels(layer, picture),
        _crowded(layer, picture),
        _wide(layer),
        _dead(layer),
    ]
    said = tuple(sentence for sentence in found if sentence)
    return said[:MOST_REASONS]


def _clipped(layer: Json) -> str:
    share = layer["clipped"]
    if share is None or share < LEAST_CLIPPED:
        return ""
    return f"{percent(share, 1)} of its values lie beyond the codes"


def _weights(layer: Json) -> str:
    if layer["weights_dtype"] != "int4":
        return ""
    values = WEIGHT_VALUES["int4"]
    return f"its weights are int4: {values} values for each, instead of {WEIGHT_VALUES['int8']}"


def _whole(layer: Json) -> int | None:
    """The codes of its type where they are few enough to be short of."""
    return CODES["int8"] if layer["dtype"] == "int8" else None


def _channels(layer: Json, picture: Mapping[str, Any] | None) -> str:
    whole, scale = _whole(layer), layer["scale"]
    if whole is None or not scale or picture is None or not picture["channels"]:
        return ""
    spans = sorted(min((high - low) / scale, whole - 1) for low, high in picture["channels"])
    alive = [span for span in spans if span >= 0.5]
    if len(alive) < 2 or alive[0] > FEW_CHANNEL_CODES or alive[-1] < UNEVEN * alive[0]:
        return ""
    few = sum(span <= FEW_CHANNEL_CODES for span in alive)
    verb = "has" if few == 1 else "have"
    return (
        f"its channels differ: {few} of {len(spans)} {verb} {FEW_CHANNEL_CODES} codes or fewer, "
        f"the loudest {round(alive[-1]) + 1}"
    )


def _crowded(layer: Json, picture: Mapping[str, Any] | None) -> str:
    whole = _whole(layer)
    if whole is None or picture is None or not picture["inner"]:
        return ""
    low, high = picture["inner"]
    codes = codes_spanned(low, high, layer["scale"])
    if codes is None or codes > FEW_CODES:
        return ""
    return f"99{NO_BREAK}% of its values share {count(codes)} of {whole} codes"


def _wide(layer: Json) -> str:
    whole = _whole(layer)
    codes = codes_spanned(layer["low"], layer["high"], layer["scale"])
    if whole is None or codes is None or codes > whole // 2:
        return ""
    fixed = "; this operator's range is fixed" if layer["kind"] in FIXED_RANGE else ""
    return f"its values reach over {count(codes)} of {whole} codes{fixed}"


def _dead(layer: Json) -> str:
    dead = layer["dead_channels"]
    if not dead:
        return ""
    return f"{count(dead)} of {count(layer['channels'])} channels never change: prune them"
