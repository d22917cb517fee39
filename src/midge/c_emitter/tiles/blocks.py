"""Two sums a multiplication: taps in blocks whose sums fit 16 bits.

A word holds two numbers, ``low + 65536 * high``, signed. Its product with a number holds both
products, and a block of such products both sums, as long as each fits int16::

    block  = sum of weight * (x0 + 65536 * x1), and 0x8000     # modulo 2**32
    high  += block >> 16                                       # arithmetic: the sum for x1
    total += block                                             # in the end: total - (high << 16)

So a multiplication and an addition make two products, and three instructions end a block. The bound
of a block holds for every input: inputs are at least -128, so magnitudes of its weights may add up
to 255. Weights are known at compile time, and so taps are ordered to make blocks of 8, 4 or 2 taps
that keep the bound in all rows (the outputs) at once; few weights are large.

Weights stand as unsigned bytes, 128 more than they are, four to a word; ``128 * sum of x`` of a
block is subtracted beforehand, in the word that stands in front of the block's inputs. A word's
bytes are not taken apart, only shifted down: inputs are stored so that the bytes above cancel,
``z1 = x1 - 256 * x0`` behind ``z0 = x0``, since ``w * z0 + (w >> 8) * z1`` then is
``b0 * x0 + b1 * x1 + 65536 * ...``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

LARGEST_SUM = 255
"""Of the magnitudes of a block's weights: times 128 it is within int16."""
SIZES = (8, 4, 2)
"""Taps of a block, in the order in which blocks stand."""
BIAS = 128
"""What weights are stored above their value."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """The order of taps.

    Attributes:
        taps: How many there are.
        order: int64 [taps, rounded up to an even number]: the tap at each place; a padding, which
            is a tap of zeros, has the number `taps` and stands last.
        counts: Blocks of each of `SIZES`.
    """

    taps: int
    order: npt.NDArray[np.int64]
    counts: tuple[int, int, int]

    @property
    def number(self) -> int:
        """How many blocks."""
        return sum(self.counts)

    @property
    def column_words(self) -> int:
        """Words of a column: a word stands in front of every block's inputs."""
        return self.order.size + self.number

    @property
    def places(self) -> npt.NDArray[np.uint16]:
        """uint16 [taps]: the word of the column for each tap's input."""
        sizes = np.repeat(SIZES, self.counts)
        starts = np.cumsum(sizes + 1) - sizes
        words = [start + np.arange(size) for start, size in zip(starts, sizes, strict=True)]
        places = np.zeros(self.order.size, np.int64)
        places[self.order] = np.concatenate(words)
        return places[: self.taps].astype(np.uint16)

    def stored(self, rows: npt.NDArray[np.int8]) -> npt.NDArray[np.uint8]:
        """Weights [outputs, taps] as unsigned bytes in this order, [outputs, places]."""
        padding = self.order.size - self.taps
        padded = np.pad(rows.astype(np.int16), ((0, 0), (0, padding)))
        return (padded[:, self.order] + BIAS).astype(np.uint8)

    def single(self, rows: npt.NDArray[np.int8]) -> npt.NDArray[np.uint32]:
        """Weights [outputs, taps], for two pixels a word: uint32 [outputs, words].

        A word holds four taps, or two blocks of two taps.
        """
        stored = self.stored(rows)
        padded = np.pad(stored, ((0, 0), (0, -stored.shape[1] % 4)), constant_values=BIAS)
        return np.ascontiguousarray(padded).view("<u4").astype(np.uint32)

    def paired(self, rows: npt.NDArray[np.int8]) -> npt.NDArray[np.uint32]:
        """Weights [outputs, taps], for two outputs a word: uint32 [pairs of outputs, words].

        A word holds two taps of the first output, then the same two of the second, if any.
        """
        stored = self.stored(rows)
        padded = np.pad(stored, ((0, stored.shape[0] % 2), (0, 0)), constant_values=BIAS)
        halves = padded.reshape(-1, 2, padded.shape[1] // 2, 2).transpose(0, 2, 1, 3)
        words = np.ascontiguousarray(halves).reshape(len(halves), -1).view("<u4")
        return words.astype(np.uint32)


def blocks_of(rows: npt.NDArray[np.int8]) -> Blocks | None:
    """Blocks for weights [outputs, taps], as large as they can easily be made.

    Returns:
        None where not even blocks of two keep the bound: weights of -128 meet.
    """
    return _blocks_of(rows.astype(np.int8).tobytes(), rows.shape[0])


@lru_cache(maxsize=256)
def _blocks_of(stored: bytes, outputs: int) -> Blocks | None:
    rows = np.frombuffer(stored, np.int8).reshape(outputs, -1)
    taps = rows.shape[1]
    sizes = np.abs(rows.astype(np.int32))
    first = _order(sizes, SIZES)
    # A few blocks of eight are not worth a loop of their own.
    few = first is not None and 2 * SIZES[0] * first.counts[0] < taps
    return _order(sizes, (0, *SIZES[1:])) if few else first


def _order(sizes: npt.NDArray[np.int32], allowed: tuple[int, ...]) -> Blocks | None:
    """Blocks for magnitudes [outputs, taps], of the sizes that are not 0."""
    taps = sizes.shape[1]
    # Every tap once; the padding weighs nothing.
    left = [*np.argsort(-sizes.max(axis=0), kind="stable").tolist()]
    order: list[int] = []
    counts = []
    for size in allowed:
        made, left = _gather(sizes, left, size) if size else ([], left)
        order += [tap for block in made for tap in block]
        counts.append(len(made))
    if len(left) > 1:
        return None
    if left:
        order += [left[0], taps]
        counts[-1] += 1
    return Blocks(taps, np.array(order, np.int64), (counts[0], counts[1], counts[2]))


def _gather(
    sizes: npt.NDArray[np.int32], taps: list[int], count: int
) -> tuple[list[list[int]], list[int]]:
    """Blocks of `count` taps that keep the bound, and the taps that are left over.

    Each begins with the heaviest tap there is, and takes those that make its worst output grow
    least, of the `_LOOK` next ones.
    """
    made: list[list[int]] = []
    over: list[int] = []
    left = np.array(taps, np.int64)
    while left.size:
        block, left = [int(left[0])], left[1:]
        total = sizes[:, block[0]].copy()
        rest = left
        while len(block) < count and rest.size:
            looked = rest[-_LOOK:]
            worst = (total[:, None] + sizes[:, looked]).max(axis=0)
            best = int(np.argmin(worst))
            if worst[best] > LARGEST_SUM:
                break
            tap = int(looked[best])
            block.append(tap)
            total += sizes[:, tap]
            rest = rest[rest != tap]
        if len(block) == count:
            made.append(block)
            left = rest
        else:
            over.append(block[0])
    return made, over


_LOOK = 256
"""So that the search stays short for wide layers."""
