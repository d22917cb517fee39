"""The constants of a Winograd convolution, in the order in which `multiply_tile` reads them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from midge.c_emitter.tiles.rescale import Rescale
from midge.c_emitter.tiles.winograd import PARAMETER_WORDS
from midge.c_emitter.tiles.winograd_transform import DATA_OFFSET, TAPS, Transform

Int64Array = npt.NDArray[np.int64]
_ORDER = (0, 2, 1, 3)
"""Of four channels: SXTAB16 takes bytes 0 and 2, then 1 and 3."""
_LOW = (0, 1)
"""Those of four channels that come to stand in a low half, and carry the guard."""


def stream_of(
    transform: Transform,
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    rescale: Rescale,
) -> npt.NDArray[np.uint32]:
    """Filters and parameters.

    Args:
        transform: The transform.
        weights: int8 [n, 3, 3, c], n even, c a multiple of 4.
        bias: int32 [n], with the input's zero point folded in (`weighted.folded_bias`).
        rescale: Of the layer; its lifts are at least the transform's.

    Returns:
        uint32 [n // 2 * (size**2 * c + 2 * `PARAMETER_WORDS`)].
    """
    outputs, channels = weights.shape[0], weights.shape[3]
    # Places are numbered down the columns.
    filters = transform.filters(weights).transpose(1, 0, 2, 3)
    fours = filters.reshape(transform.products, outputs // 2, 2, channels // 4, 4)[..., _ORDER]
    halves = fours.reshape(transform.products, outputs // 2, 2, channels // 4, 2, 2)
    words = (halves[..., 0] & 0xFFFF) | (halves[..., 1] & 0xFFFF) << 16
    by_pair = words.transpose(1, 0, 3, 4, 2).reshape(outputs // 2, -1)
    parameters = _parameters(transform, weights, bias, rescale).reshape(outputs // 2, -1)
    return np.concatenate([by_pair, parameters], axis=1).reshape(-1).astype(np.uint32)


def _parameters(
    transform: Transform,
    weights: npt.NDArray[np.int8],
    bias: npt.NDArray[np.int32],
    rescale: Rescale,
) -> Int64Array:
    """int64 [n, `PARAMETER_WORDS`], each within [0, 2**32)."""
    # Data arrive as x + 128.
    sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
    biases = bias.astype(np.int64) - DATA_OFFSET * sums
    corrections = _corrections(transform, weights)
    if transform.outputs == 2:
        # Every output is corrected: with its bias at once.
        corrections += biases[:, None]
    rows = []
    for channel in range(weights.shape[0]):
        lift = int(rescale.lift[channel])
        multiplier, addend, *third = rescale.words(channel)
        scale = transform.inverse << (lift - transform.least_lift)
        corner = [int(c) << lift for c in corrections[channel]]
        row = [
            int(biases[channel]) * transform.scale**2,
            scale,
            *(third or [0]),
            multiplier,
            addend,
            *corner,
        ]
        rows.append([word & 0xFFFFFFFF for word in row])
    return np.array(rows, np.int64).reshape(-1, PARAMETER_WORDS)


def _corrections(transform: Transform, weights: npt.NDArray[np.int8]) -> Int64Array:
    """What takes the guard's products out of the sums, int64 [n, 4].

    Of the outputs at the last two rows and columns of a tile; no other output's window reaches
    guarded data.
    """
    low = np.isin(np.arange(weights.shape[3]) % 4, _LOW)
    taps = weights.astype(np.int64)[..., low].sum(axis=3)
    found = []
    for row in range(2):
        for column in range(2):
            reached = taps[:, TAPS - 1 - row :, TAPS - 1 - column :]
            found.append(-transform.guard * reached.sum(axis=(1, 2)))
    return np.stack(found, axis=1)
