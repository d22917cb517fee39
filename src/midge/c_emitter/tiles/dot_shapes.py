"""Shapes of tiles of dot products: what sits in which register (`dot.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MIXED_LIFT = 8
"""Of both sums of a pair of mixed weights: that of the second comes so, the first is shifted."""


class Weights(Enum):
    """How weights stand in flash."""

    S16 = "s16"
    MIXED = "mixed"


class Order(Enum):
    """Where the words of a tile's pixels stand.

    TOGETHER: word by word, those of all pixels side by side: one LDM brings them.
    APART: pixel by pixel, each at its own distance.
    SHARED: of windows three columns wide, that move by one column: two channels at a time, the
        columns of all pixels side by side, so that what two windows share is loaded once.
    """

    TOGETHER = "together"
    APART = "apart"
    SHARED = "shared"


@dataclass(frozen=True)
class DotShape:
    """A tile's registers. r0 walks over the pixels, r1 over the stream.

    Attributes:
        weights: Their form.
        order: Where the pixels' words stand.
        words: Words of a pixel that a step takes.
        x: Registers of pixels: of one word of all of them, of all words of all, or of one pixel.
        w: Registers of weights as they come.
        spread: Registers of extracted weights.
        sums: One row a pixel, one column an output.
        y: Of where the outputs go, where a register is left for it; else that stands in the frame.
    """

    weights: Weights
    order: Order
    words: int
    x: tuple[str, ...]
    w: tuple[str, ...]
    spread: tuple[str, ...]
    sums: tuple[tuple[str, ...], ...]
    y: str | None = None

    @property
    def pixels(self) -> int:
        """Pixels of the tile."""
        return len(self.sums)

    @property
    def outputs(self) -> int:
        """Outputs of the tile."""
        return len(self.sums[0])

    @property
    def step_bytes(self) -> int:
        """By which r0 moves on in a step."""
        match self.order:
            case Order.TOGETHER:
                return 4 * self.words * self.pixels
            case Order.APART:
                return 4 * self.words
            case Order.SHARED:
                return 4 * (self.words + self.pixels - 1)

    @property
    def free(self) -> tuple[str, ...]:
        """Registers that hold nothing between steps, in ascending order."""
        return (*self.x, *self.w, *self.spread)

    @property
    def name(self) -> str:
        """As part of a function's name."""
        return f"{self.pixels}x{self.outputs}_{self.weights.value}"


S16_3X2_TOGETHER = DotShape(
    Weights.S16,
    order=Order.TOGETHER,
    words=1,
    x=("r2", "r3", "r4"),
    w=("r5", "r6"),
    spread=(),
    sums=(("r8", "r9"), ("r10", "r11"), ("r12", "lr")),
    y="r7",
)
"""12 products in 8 instructions."""
S16_2X2_APART = DotShape(
    Weights.S16,
    order=Order.APART,
    words=2,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11"), ("r12", "lr")),
)
"""16 products in 11 instructions."""
S16_3X2_APART = DotShape(
    Weights.S16,
    order=Order.APART,
    words=2,
    x=("r2", "r3"),
    w=("r4", "r5", "r6", "r7"),
    spread=(),
    sums=(("r8", "r9"), ("r10", "r11"), ("r12", "lr")),
)
"""24 products in 16 instructions."""
S16_1X4 = DotShape(
    Weights.S16,
    order=Order.TOGETHER,
    words=4,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11", "r12", "lr"),),
)
"""32 products in 21 instructions."""
MIXED_3X2_TOGETHER = DotShape(
    Weights.MIXED,
    order=Order.TOGETHER,
    words=2,
    x=("r2", "r3", "r4"),
    w=("r5", "r6"),
    spread=("lr",),
    sums=(("r7", "r8"), ("r9", "r10"), ("r11", "r12")),
)
"""24 products in 17 instructions."""
MIXED_3X2_APART = DotShape(
    Weights.MIXED,
    order=Order.APART,
    words=2,
    x=("r2", "r3"),
    w=("r4", "r5"),
    spread=("r6", "lr"),
    sums=(("r7", "r8"), ("r9", "r10"), ("r11", "r12")),
)
"""24 products in 18 instructions."""
MIXED_2X2_APART = DotShape(
    Weights.MIXED,
    order=Order.APART,
    words=2,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7"),
    spread=("r8", "lr"),
    sums=(("r9", "r10"), ("r11", "r12")),
)
"""16 products in 13 instructions."""
MIXED_1X4 = DotShape(
    Weights.MIXED,
    order=Order.TOGETHER,
    words=4,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11", "r12", "lr"),),
)
"""32 products in 27 instructions: weights are extracted where they stand."""


S16_2X2_SHARED = DotShape(
    Weights.S16,
    order=Order.SHARED,
    words=3,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8", "r9"),
    spread=(),
    sums=(("r10", "r11"), ("r12", "lr")),
)
"""24 products in 15 instructions."""
MIXED_2X2_SHARED = DotShape(
    Weights.MIXED,
    order=Order.SHARED,
    words=3,
    x=("r2", "r3", "r4", "r5"),
    w=("r6", "r7", "r8"),
    spread=("lr",),
    sums=(("r9", "r10"), ("r11", "r12")),
)
"""24 products in 17 instructions."""
