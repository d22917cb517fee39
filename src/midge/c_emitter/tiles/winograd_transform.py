"""The transforms of Winograd's convolution F(m x m, 3 x 3) as data, exact in integers.

A tile of m x m outputs is a product of polynomials. Along one dimension, with data d of m + 2
values, filter g of 3 and outputs y of m::

    scale * y = out_matrix @ ((filter_matrix @ g) * (in_matrix @ d))

so m + 2 multiplications do for 3 m; in two dimensions (m + 2)**2 for 9 m**2. Sources: S. Winograd,
"Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for Convolutional
Neural Networks", arXiv:1509.09308. There the filters' matrix has fractions; here each of its rows
is multiplied by what makes it whole and small, and the outputs carry `scale`.

The transforms of data and outputs are lists of steps, each one instruction; their matrices follow
from the steps.

Two channels share a register, as ``65536 * high + low``: sums and differences of such registers
are the sums and differences of both, whatever their signs, as long as nothing is read out. So that
no borrow of the low one is left in the high one at the end, a guard is added to the low channel of
the data at the tile's last two rows and columns; each transformed value then is larger by just that
guard (`Transform.low_range`), and what it adds to the outputs is known at compile time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
TAPS = 3
"""Of a filter along one dimension."""
DATA_OFFSET = 128
"""Added to int8 data, which is then at least 0."""
DATA_MAX = 255


@dataclass(frozen=True)
class Step:
    """``to = left + right * 2**shift``, or minus: one ADD or SUB. Numbers name values."""

    to: int
    left: int
    right: int
    shift: int = 0
    minus: bool = False

    def text(self, names: tuple[str, ...]) -> str:
        """The instruction, on these registers."""
        shifted = f", lsl #{self.shift}" if self.shift else ""
        operation = "sub" if self.minus else "add"
        return f"{operation} {names[self.to]}, {names[self.left]}, {names[self.right]}{shifted}"


def _add(to: int, left: int, right: int, shift: int = 0) -> Step:
    return Step(to, left, right, shift)


def _sub(to: int, left: int, right: int, shift: int = 0) -> Step:
    return Step(to, left, right, shift, minus=True)


@dataclass(frozen=True)
class Transform:
    """Winograd's F(m, 3) along one dimension; `size` = m + 2 numbers the values, then a spare one.

    Attributes:
        outputs: m.
        scale: What outputs are multiplied by, along one dimension.
        guard: Added to the low channel of the last two values: an immediate of ADD.
        filter_rows: [size, 3].
        in_steps: Make the transformed data of the data, in place.
        out_steps: Make the outputs of the products.
        out_order: Where the outputs stand after that.
    """

    outputs: int
    scale: int
    guard: int
    filter_rows: tuple[tuple[int, int, int], ...]
    in_steps: tuple[Step, ...]
    out_steps: tuple[Step, ...]
    out_order: tuple[int, ...]

    @property
    def size(self) -> int:
        """Values along one dimension."""
        return self.outputs + TAPS - 1

    @property
    def products(self) -> int:
        """Multiplications of a tile, for one channel and one output."""
        return self.size**2

    @property
    def least_lift(self) -> int:
        """Twos in the outputs' scale: bits by which sums arrive shifted left at least."""
        square = self.scale**2
        return (square & -square).bit_length() - 1

    @property
    def inverse(self) -> int:
        """What rids outputs of the odd part of their scale, modulo 2**32."""
        return pow(self.scale**2 >> self.least_lift, -1, 1 << 32)

    @cached_property
    def filter_matrix(self) -> Int64Array:
        """int64 [size, 3]."""
        return np.array(self.filter_rows, np.int64)

    @cached_property
    def in_matrix(self) -> Int64Array:
        """int64 [size, size]."""
        return self._matrix(self.in_steps)[: self.size]

    @cached_property
    def out_matrix(self) -> Int64Array:
        """int64 [m, size]."""
        return self._matrix(self.out_steps)[list(self.out_order)]

    def _matrix(self, steps: tuple[Step, ...]) -> Int64Array:
        values = np.vstack([np.eye(self.size, dtype=np.int64), np.zeros((1, self.size), np.int64)])
        for step in steps:
            right = values[step.right] << step.shift
            values[step.to] = values[step.left] + (-right if step.minus else right)
        return values

    def filters(self, weights: npt.NDArray[np.int8]) -> Int64Array:
        """Transformed filters, int64 [size, size, n, c], of weights [n, 3, 3, c]."""
        g = self.filter_matrix
        found: Int64Array = np.einsum("ia,nabc,jb->ijnc", g, weights.astype(np.int64), g)
        return found

    @property
    def largest_filter(self) -> int:
        """The largest magnitude that a transformed filter of int8 weights can have."""
        return 128 * int(np.abs(self.filter_matrix).sum(axis=1).max()) ** 2

    @property
    def high_range(self) -> tuple[int, int]:
        """Least and greatest transformed value of data in [0, `DATA_MAX`]."""
        terms = np.einsum("ia,jb->ijab", self.in_matrix, self.in_matrix)
        least = np.minimum(terms, 0).sum(axis=(2, 3)).min() * DATA_MAX
        greatest = np.maximum(terms, 0).sum(axis=(2, 3)).max() * DATA_MAX
        return int(least), int(greatest)

    @property
    def low_range(self) -> tuple[int, int]:
        """The same in the low half of a register, where every value is larger by the guard."""
        least, greatest = self.high_range
        return least + self.guard, greatest + self.guard

    @cached_property
    def guarded(self) -> Int64Array:
        """1 for the data to which the guard is added, int64 [size, size]."""
        last = (np.arange(self.size) >= self.outputs).astype(np.int64)
        return np.outer(last, last)


F4 = Transform(
    outputs=4,
    scale=24,
    guard=0x3800,
    filter_rows=((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 12)),
    in_steps=(
        _sub(6, 4, 2, 2),
        _sub(4, 4, 2),
        _sub(0, 0, 2),
        _add(0, 4, 0, 2),
        _sub(2, 3, 1, 2),
        _sub(1, 3, 1),
        _sub(5, 5, 3),
        _sub(5, 5, 1, 2),
        _add(3, 4, 1, 1),
        _sub(4, 4, 1, 1),
        _add(1, 6, 2),
        _sub(2, 6, 2),
    ),
    out_steps=(
        _add(6, 1, 2),
        _sub(1, 1, 2),
        _add(2, 3, 4),
        _sub(3, 3, 4),
        _add(0, 0, 6),
        _add(0, 0, 2),
        _add(4, 1, 3, 1),
        _add(1, 1, 3, 3),
        _add(1, 1, 5, 1),
        _add(2, 6, 2, 2),
    ),
    out_order=(0, 4, 2, 1),
)
"""Evaluated at 0, 1, -1, 2, -2 and infinity: 4 multiplications do for 1 of 16."""

F2 = Transform(
    outputs=2,
    scale=2,
    guard=0x400,
    filter_rows=((-1, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, -1)),
    in_steps=(_sub(0, 2, 0), _sub(3, 3, 1), _sub(2, 2, 1), _add(1, 2, 1, 1)),
    out_steps=(_add(4, 1, 2), _sub(1, 1, 2), _add(0, 4, 0, 1), _sub(1, 1, 3, 1)),
    out_order=(0, 1),
)
"""Evaluated at 0, 1, -1 and infinity: filters of 11 bits."""
