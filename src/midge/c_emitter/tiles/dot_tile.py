"""A tile of dot products, bound to a layer (`dot.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midge.c_emitter.tiles.dot_shapes import DotShape, Order, Weights
from midge.c_emitter.tiles.rescale import Form, Rescale

LDR_REACH = 4095
"""Bytes of an immediate offset."""


@dataclass(frozen=True)
class DotTile:
    """A shape, bound to a layer.

    Attributes:
        shape: The registers.
        segments: Runs of contiguous words that a window consists of, such as its rows.
        words: Words of a segment, two taps each.
        pixel_bytes: From the first pixel's data to that of each further one; () together.
        outputs: Of the layer.
        rescale: What becomes of the sums.
        table: x is a table of where each segment begins.
        tile_bytes: With a table, from a tile's segments to the next tile's.
        any_outputs: The number of outputs is a parameter, so that layers share the function.
        unroll: Steps of two words that are written out before a loop is made of them.
    """

    shape: DotShape
    segments: int
    words: int
    pixel_bytes: tuple[int, ...]
    outputs: int
    rescale: Rescale
    table: bool = False
    tile_bytes: int = 0
    any_outputs: bool = False
    unroll: int = 16

    @property
    def groups(self) -> int:
        """Groups of outputs, the last filled up."""
        return -(-self.outputs // self.shape.outputs)

    @property
    def serves_any(self) -> bool:
        """Whether layers that differ in their number of outputs may have the same function."""
        return self.any_outputs or self.shape.pixels == 1

    @property
    def valid(self) -> int:
        """Outputs of the last group."""
        return self.outputs % self.shape.outputs or self.shape.outputs

    @property
    def reaches(self) -> bool:
        """Whether every load and store reaches its pixel by an immediate offset."""
        furthest_x = max(self.pixel_bytes, default=0) + 4 * self.shape.words
        furthest_y = (self.shape.pixels - 1) * self.outputs + self.shape.outputs
        return furthest_x <= LDR_REACH and (self.any_outputs or furthest_y <= LDR_REACH)

    @property
    def name(self) -> str:
        """Of the function: two tiles of one name are one function."""
        apart = "".join(f"_{b}" for b in self.pixel_bytes)
        window = f"{self.segments}x{self.words}"
        apart += "_shared" if self.shape.order is Order.SHARED else ""
        table = f"t{self.tile_bytes}" if self.table else ""
        outputs = f"v{self.valid}" if self.serves_any else f"n{self.outputs}"
        return (
            f"midge_dot_{self.shape.name}_w{window}{table}_{outputs}_{self.rescale.key}"
            f"{apart}_u{self.unroll}"
        )

    @property
    def walks(self) -> bool:
        """Whether r0 goes back over the pixels group by group; else it is loaded for each."""
        return self.segments == 1 and not self.table and self.walked_bytes <= LDR_REACH

    @property
    def together(self) -> int:
        """Outputs whose factors are in registers at a time."""
        return max(self._room // self.rescale.words_a_channel, 1)

    @property
    def rewinds(self) -> bool:
        """Whether a word behind a group's factors takes r0 back, and says whether a group follows.

        It is added to r0: -`walked_bytes`, which carries, or 0 in the last group.
        """
        taken = self.rescale.words_a_channel * self.shape.outputs
        return self.shape.y is not None and self.walks and taken < self._room

    @property
    def follows(self) -> str:
        """The condition that another group follows."""
        return "cs" if self.rewinds else "ne"

    @property
    def _room(self) -> int:
        """Registers for factors."""
        return len(self.shape.free) - (0 if self.rescale.form is Form.PLAIN else 1)

    @property
    def walked_bytes(self) -> int:
        """By which r0 moves on in a group of one segment."""
        return self.words * self.shape.step_bytes // self.shape.words

    @property
    def most_steps(self) -> int:
        """Steps that are written out before a loop is made of them."""
        return self.unroll * max(2 // self.shape.words, 1)

    @property
    def loops_over_segments(self) -> bool:
        """Whether a window's segments are a loop; else they are written out."""
        return self.segments > 1 and self.segments * len(list(self.steps())) > 2 * self.most_steps

    @property
    def bias_at(self) -> int:
        """Words of a group in front of its bias, which comes with the first weights.

        In front of a loop over segments it stands alone.
        """
        if self.loops_over_segments:
            return 0
        rows = self.shape.outputs // (1 if self.shape.weights is Weights.S16 else 2)
        first = next(self.steps()) * (1 if self.shape.pixels == 1 else rows)
        return min(first, len(self.shape.w))

    def steps(self) -> Iterator[int]:
        """Words that each step of a segment takes."""
        left = self.words
        while left:
            taken = min(self.shape.words, left)
            # There is LDRD and LDM of four, but nothing is gained by three.
            taken = 2 if taken == 3 and self.shape.words > 3 else taken
            yield taken
            left -= taken
