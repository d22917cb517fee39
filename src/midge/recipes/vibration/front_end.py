"""From raw vibration to what the network sees: the envelope, in windows of int8.

A worn bearing strikes at a rate that tells which part is worn, and each strike rings at some
kilohertz. So: remove what is slow, take the magnitude, average it, keep every 32nd value. All of it
are stages of `midge.signals`, integers that have a C twin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.signals import Absolute, MovingSum, RemoveMean, ShiftRight
from midge.signals.stage import Stage, run_stages

HIGH_PASS = 24
"""Samples at 48 kHz: what changes slower than about 2 kHz is removed."""
DECIMATE = 32
ENVELOPE_RATE_HZ = 1500
STAGES: tuple[Stage, ...] = (
    RemoveMean(HIGH_PASS),
    ShiftRight(4),
    Absolute(),
    MovingSum(DECIMATE),
    ShiftRight(5),
)
WINDOW = 256
"""Envelope values of a decision: 171 ms, five turns of the shaft."""
MEAN_CODE = 32
"""The code that lies a window's mean above code -MEAN_CODE; the network's scale is its inverse."""

Windows = npt.NDArray[np.int8]


def envelope(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    """The envelope at `ENVELOPE_RATE_HZ`.

    Args:
        samples: int16 [n].

    Returns:
        int64 [n / DECIMATE], never negative.
    """
    return run_stages(STAGES, samples.astype(np.int64))[DECIMATE - 1 :: DECIMATE]


def windows_of(samples: npt.NDArray[np.int16], step: int) -> Windows:
    """Windows of the envelope, each divided by its own mean: loud and quiet machines look alike.

    Args:
        samples: int16 [n].
        step: Envelope values from one window to the next.

    Returns:
        int8 [k, WINDOW]; 0 stands for the mean, -MEAN_CODE for silence.
    """
    values = envelope(samples)
    count = max((values.size - WINDOW) // step + 1, 0)
    index = np.arange(WINDOW) + step * np.arange(count)[:, None]
    cut = values[index]
    total = np.maximum(cut.sum(axis=1, keepdims=True), 1)
    codes = (cut * (MEAN_CODE * WINDOW)) // total - MEAN_CODE
    return np.asarray(np.clip(codes, -128, 127), np.int8)
