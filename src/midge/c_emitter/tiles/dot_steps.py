"""Steps of a tile of dot products: words of its pixels times words of its outputs (`dot.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from midge.c_emitter.tiles.asm import Assembly, load_words
from midge.c_emitter.tiles.dot_shapes import Order, Weights
from midge.c_emitter.tiles.dot_tile import DotTile

_LDRD_REACH = 1020


class Steps:
    """Writes steps, and knows which sums have not begun.

    The bias of a group stands in the sums of the first pixel alone: the first products of the
    others start from it. So the first pixel is the last that a word is multiplied with.
    """

    def __init__(self, asm: Assembly, tile: DotTile) -> None:
        """Sums go on; see `start`.

        Args:
            asm: Where to write.
            tile: The tile.
        """
        self.asm = asm
        self.tile = tile
        self.shape = tile.shape
        self._base = {s: b for row in self.sums for s, b in zip(row, self.sums[0], strict=True)}
        self._fresh: set[str] = set()
        self._pending: tuple[str, ...] = ()

    @property
    def sums(self) -> tuple[tuple[str, ...], ...]:
        """Registers: one row a pixel, one column an output."""
        return self.shape.sums

    def start(self) -> None:
        """The next step is a group's first: its bias comes with the first weights."""
        self._fresh = {s for row in self.sums[1:] for s in row}
        self._pending = self.sums[0]

    def step(self, words: int) -> None:
        """`words` words of each pixel times those of each output."""
        if self.shape.pixels == 1:
            self._one_pixel(words)
        elif self.shape.order is Order.SHARED:
            self._shared()
        elif self.shape.weights is Weights.S16:
            self._s16(words)
        else:
            self._mixed(words)

    def _weights(self, names: Sequence[str]) -> None:
        self.asm(load_words((*names, *self._pending), "r1"))
        self._pending = ()

    def _smlad(self, total: str, x: str, w: str) -> None:
        start = self._base[total] if total in self._fresh else total
        self._fresh.discard(total)
        self.asm(f"smlad {total}, {x}, {w}, {start}")

    def _one_pixel(self, words: int) -> None:
        x = self.shape.x[:words]
        self.asm(load_words(x, "r0"))
        sums, w = self.sums[0], self.shape.w[:words]
        if self.shape.weights is Weights.S16:
            for total in sums:
                self._weights(w)
                for a, b in zip(x, w, strict=True):
                    self._smlad(total, a, b)
            return
        for low, both in zip(sums[::2], sums[1::2], strict=True):
            self._weights(w)
            for a, b in zip(x, w, strict=True):
                self._smlad(both, a, b)
                self.asm(f"sxtb16 {b}, {b}")
                self._smlad(low, a, b)

    def _s16(self, words: int) -> None:
        outputs = self.shape.outputs
        w = self.shape.w[: words * outputs]
        self._weights(w)
        for pixels, x in self._pixel_loads(words):
            for word in range(words):
                for pixel, places in zip(pixels, x, strict=True):
                    for q, total in enumerate(self.sums[pixel]):
                        self._smlad(total, places[word], w[word * outputs + q])

    def _mixed(self, words: int) -> None:
        w = self.shape.w[:words]
        self._weights(w)
        if self.shape.order is Order.TOGETHER:
            rows = list(zip(self.sums, self.shape.x, strict=True))[::-1]
            for raw in w:
                self.asm(load_words(self.shape.x, "r0"))
                self._mixed_word(raw, rows)
            return
        spreads = self.shape.spread[:words]
        self.asm.extend(f"sxtb16 {s}, {raw}" for s, raw in zip(spreads, w, strict=True))
        for pixels, x in self._pixel_loads(words):
            for word in range(words):
                for pixel, places in zip(pixels, x, strict=True):
                    low, both = self.sums[pixel]
                    self._smlad(both, places[word], w[word])
                    self._smlad(low, places[word], spreads[word])

    def _mixed_word(self, raw: str, rows: Sequence[tuple[Sequence[str], str]]) -> None:
        """A word of a pair of outputs: with the sums of both, and a word, of each pixel."""
        (spread,) = self.shape.spread
        self.asm(f"sxtb16 {spread}, {raw}")
        for (_, both), a in rows:
            self._smlad(both, a, raw)
        for (low, _), a in rows:
            self._smlad(low, a, spread)

    def _shared(self) -> None:
        """Two channels of a row of all windows: each column is loaded once."""
        shape = self.shape
        self.asm(load_words(shape.x, "r0"))
        pixels = list(range(shape.pixels))[::-1]
        if shape.weights is Weights.MIXED:
            self._weights(shape.w)
            for tap, raw in enumerate(shape.w):
                self._mixed_word(raw, [(self.sums[p], shape.x[p + tap]) for p in pixels])
            return
        together = len(shape.w) // shape.outputs
        for tap in range(shape.words):
            place = tap % together
            if place == 0:
                taps = min(together, shape.words - tap)
                self._weights(shape.w[: taps * shape.outputs])
            for p in pixels:
                for q, total in enumerate(self.sums[p]):
                    self._smlad(total, shape.x[p + tap], shape.w[place * shape.outputs + q])

    def _pixel_loads(self, words: int) -> Iterator[tuple[list[int], list[tuple[str, ...]]]]:
        """Load pixels as the registers allow; yields which are there, and their words' registers.

        The first pixel comes last: apart, its load moves r0 on.
        """
        shape = self.shape
        count = shape.pixels
        order = list(range(count))[::-1]
        if shape.order is Order.TOGETHER:
            self.asm(load_words(shape.x[: words * count], "r0"))
            by_word = [shape.x[w * count : (w + 1) * count] for w in range(words)]
            yield order, [tuple(row[p] for row in by_word) for p in order]
            return
        if len(shape.x) >= shape.words * count:
            places = {p: shape.x[p * shape.words : p * shape.words + words] for p in order}
            for pixel in order:
                self._load_pixel(places[pixel], pixel)
            yield order, [places[p] for p in order]
            return
        for pixel in order:
            self._load_pixel(shape.x[:words], pixel)
            yield [pixel], [shape.x[:words]]

    def _load_pixel(self, names: tuple[str, ...], pixel: int) -> None:
        """One or two words of a pixel; the first pixel's are the last that are read."""
        if pixel == 0:
            if len(names) == 1:
                self.asm(f"ldr {names[0]}, [r0], #4")
            else:
                self.asm(f"ldrd {names[0]}, {names[1]}, [r0], #8")
            return
        at = self.tile.pixel_bytes[pixel - 1]
        if len(names) == 1:
            self.asm(f"ldr {names[0]}, [r0, #{at}]")
        elif at <= _LDRD_REACH:
            self.asm(f"ldrd {names[0]}, {names[1]}, [r0, #{at}]")
        else:
            self.asm(f"ldr {names[0]}, [r0, #{at}]", f"ldr {names[1]}, [r0, #{at + 4}]")
