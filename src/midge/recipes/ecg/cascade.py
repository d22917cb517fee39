"""Wrist and cloud together: what is sent with a beat, and what the cloud makes of what it got."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from midge.recipes.ecg.beats import Float32Array
from midge.recipes.ecg.cloud import CONTEXT_S, Int8Array, Int64Array, cloud_scores
from midge.recipes.ecg.networks import FEATURES, SAID
from midge.recipes.ecg.training import State
from midge.recipes.ecg.uplink import Received, excerpt

PAYLOAD_BYTES = len(SAID) + len(FEATURES)
"""Sent with each beat of a segment: its scores and the codes of its features, a byte each."""

BoolArray = npt.NDArray[np.bool_]


def payloads(scores: Int8Array, codes: Int8Array) -> Int8Array:
    """What is sent with each beat, int8 [k, PAYLOAD_BYTES].

    Args:
        scores: The wrist's, int8 [k, 3].
        codes: Of the features, int8 [k, f].
    """
    return np.concatenate([scores, codes], axis=1)


def confirm(
    members: Sequence[State],
    received: Received,
    positions: Int64Array,
    size: int,
    rate_hz: int,
) -> tuple[Float32Array, BoolArray]:
    """The cloud's scores of what was flagged, from nothing but what was sent.

    Args:
        members: The cloud's committee.
        received: What went up of a record.
        positions: Sample of every beat that the device decided on, int64 [k].
        size: Samples of the record; its ends are known to be ends.
        rate_hz: Of the samples.

    Returns:
        float32 [k, 3], and bool [k]: which beats were suspicious and came with the whole of their
        context. The others' scores are zeros.
    """
    samples, known = excerpt(received.stretches, size)
    # How many samples in front of each are known.
    count = np.concatenate([[0], np.cumsum(known)])
    half = round(CONTEXT_S * rate_hz)
    asked_at, asked_codes = [np.zeros(0, np.int64)], [np.zeros((0, len(FEATURES)), np.int8)]
    for stretch in received.stretches:
        at, codes = stretch.positions, stretch.payloads[:, len(SAID) :].view(np.int8)
        begin, end = np.maximum(at - half, 0), np.minimum(at + half, size)
        whole = count[end] - count[begin] == end - begin
        asked = whole & (stretch.priorities > 0) & np.isin(at, positions)
        asked_at.append(at[asked])
        asked_codes.append(codes[asked])
    at, codes = np.concatenate(asked_at), np.concatenate(asked_codes)
    scores = np.zeros((positions.size, len(SAID)), np.float32)
    answered = np.zeros(positions.size, np.bool_)
    index = np.searchsorted(positions, at)
    scores[index] = cloud_scores(members, samples, rate_hz, at, codes)
    answered[index] = True
    return scores, answered
