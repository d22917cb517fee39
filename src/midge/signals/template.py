"""What a patient's beats usually look like: a running mean of the windows themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from midge.signals.stage import LARGEST_INT16, Integers

SPANS = 3
"""Parts of a window whose distances are features."""
MEAN_BITS = 4
"""The mean moves by 1/16 of what is new."""


def running_templates(windows: NDArray[np.int8], quality: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The template in front of each beat; the first beat's is its own window.

    Args:
        windows: int8 [k, w], in order.
        quality: Bits, uint8 [k]; a beat with any set leaves the template as it is, unless it is the
            first.

    Returns:
        int8 [k, w].
    """
    result = np.zeros_like(windows)
    if not len(windows):
        return result
    mean: Integers = windows[0].astype(np.int64) << 8
    clean = (quality == 0).tolist()
    for beat, window in enumerate(windows.astype(np.int64)):
        result[beat] = mean >> 8
        if clean[beat]:
            mean += ((window << 8) - mean) >> MEAN_BITS
    return result


def usual_distances(distances: Integers, quality: NDArray[np.uint8]) -> Integers:
    """The running mean of distances in front of each beat, in whole quarters of a code.

    A distance counts up to four times the mean, so that single odd beats do not raise it much.

    Args:
        distances: From `span_distances`, int64 [k, 3].
        quality: Bits, uint8 [k]; a beat with any set leaves the means as they are.

    Returns:
        int64 [k, 3].
    """
    result = np.zeros_like(distances)
    means = [0] * SPANS
    clean = (quality == 0).tolist()
    for beat, row in enumerate(distances.tolist()):
        result[beat] = [mean >> 8 for mean in means]
        if clean[beat]:
            for span, distance in enumerate(row):
                counted = min(distance << 8, 4 * means[span] + 256)
                means[span] += (counted - means[span]) >> MEAN_BITS
    return result


def span_distances(
    windows: NDArray[np.int8], templates: NDArray[np.int8], borders: tuple[int, int]
) -> Integers:
    """Mean distance of windows to their templates before, between and behind two borders.

    Args:
        windows: int8 [k, w].
        templates: int8 [k, w].
        borders: First points of the second and the third span.

    Returns:
        quarters of a code, int64 [k, 3].
    """
    apart = np.abs(windows.astype(np.int64) - templates)
    first, second = borders
    spans = (apart[:, :first], apart[:, first:second], apart[:, second:])
    means = [4 * span.sum(axis=1) // max(1, span.shape[1]) for span in spans]
    distances: Integers = np.minimum(np.stack(means, axis=1), LARGEST_INT16)
    return distances
