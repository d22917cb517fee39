"""How the device's event lies in memory, so that what it reports can be read as it stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from midge.signals.application import Application
from midge.signals.chain import Chain

BEAT = 1
"""Returned by push: the event holds a beat."""
STATE = 2
"""Returned by push: the state of the signal has changed."""


@dataclass(frozen=True)
class EventField:
    """A member of the event.

    Attributes:
        name: In C.
        kind: NumPy's name of the type, such as ``int16``; with ``_t`` behind it the one of C.
        count: Elements; 0 for a plain member.
        meaning: One line.
    """

    name: str
    kind: str
    count: int
    meaning: str


def event_fields(chain: Chain, application: Application | None) -> tuple[EventField, ...]:
    """The members, the widest types first, so that there are no gaps between them."""
    features = len(chain.features)
    fields = [
        EventField("position", "uint32", 0, "raw sample of the beat, modulo 2^32"),
        EventField("decided_at", "uint32", 0, "raw sample with which it was decided"),
        EventField("features", "int16", features, ", ".join(chain.features)),
    ]
    if application is not None:
        fields.append(EventField("margin", "int16", 0, "by how much the normal class leads"))
    fields += [
        EventField("quality", "uint8", 0, "1 flat, 2 saturated, 4 noisy; while the beat waited"),
        EventField("state", "uint8", 0, "1 flat, 2 saturated; now"),
    ]
    if application is not None:
        classes = application.decision.classes
        fields += [
            EventField("label", "uint8", 0, f"index into {', '.join(classes)}"),
            EventField("suspicious", "uint8", 0, "1 when the margin is under the limit"),
            EventField("scores", "int8", len(classes), "the network's"),
        ]
    fields += [
        EventField("codes", "int8", features, "the features as a network takes them"),
        EventField("window", "int8", chain.window.count, "the band around the beat"),
    ]
    return tuple(fields)


def event_dtype(chain: Chain, application: Application | None) -> np.dtype[np.void]:
    """The event as NumPy reads it: little-endian, whole words."""
    fields = event_fields(chain, application)
    names, formats, offsets, at = [], [], [], 0
    for field in fields:
        kind = np.dtype(field.kind).newbyteorder("<")
        names.append(field.name)
        formats.append((kind, (field.count,)) if field.count else kind)
        offsets.append(at)
        at += kind.itemsize * max(1, field.count)
    size = -(-at // 4) * 4
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})
