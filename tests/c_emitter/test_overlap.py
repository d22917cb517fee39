from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from midge.c_emitter import overlap
from midge.graph.window import Window, reach

Steps = list[tuple[set[int], int]]
"""What each step reads, and where what is written ends after it."""


def least_safe(steps: Steps, input_bytes: int, *, reads_first: bool) -> int:
    """Straight from the definition: no byte is overwritten that a step has still to read."""
    worst = -input_bytes
    for number, (_, written_end) in enumerate(steps):
        later = steps[number + 1 :] if reads_first else steps[number:]
        for read, _ in later:
            worst = max([worst, *(written_end - byte for byte in read)])
    return worst


@dataclass(frozen=True)
class Images:
    """What a kernel walks over: `batches` images, `step` pixels at a time."""

    window: Window
    image: tuple[int, int]
    batches: int
    in_c: int
    out_c: int
    step: int

    def steps(self) -> Steps:
        rows, columns = self.window.tap_indices(self.image)
        height, width = self.image
        pixels = [(r, c) for r in rows for c in columns]
        steps: Steps = []
        for batch in range(self.batches):
            for start in range(0, len(pixels), self.step):
                chosen = pixels[start : start + self.step]
                read = {
                    ((batch * height + y) * width + x) * self.in_c + byte
                    for taps_y, taps_x in chosen
                    for y in taps_y
                    for x in taps_x
                    if 0 <= y < height and 0 <= x < width
                    for byte in range(self.in_c)
                }
                written_end = (batch * len(pixels) + start + len(chosen)) * self.out_c
                steps.append((read, written_end))
        return steps


sizes = st.integers(1, 5)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(st.integers(0, 3), st.integers(0, 3))
channels = st.integers(1, 4)


def walks(padding: st.SearchStrategy[tuple[int, int]]) -> st.SearchStrategy[Images]:
    windows = st.builds(
        Window, kernel=pairs, stride=pairs, dilation=pairs, pad_before=padding, pad_after=padding
    )
    image, batches, step = st.tuples(sizes, sizes), st.integers(1, 2), st.integers(1, 2)
    return st.builds(Images, windows, image, batches, channels, channels, step)


def distances(walk: Images, *, reads_first: bool) -> tuple[int, int]:
    """The distance that `overlap.sliding` gives, and the one that follows from the definition."""
    window, image = walk.window, walk.image
    padded = [image[d] + window.pad_before[d] + window.pad_after[d] for d in (0, 1)]
    assume(all(padded[d] >= reach(window.kernel[d], window.dilation[d]) for d in (0, 1)))
    shape = (walk.batches, image, walk.in_c, walk.out_c)
    given_distance = overlap.sliding(window, *shape, step=walk.step, reads_first=reads_first)
    input_bytes = walk.batches * int(np.prod(image)) * walk.in_c
    return given_distance, least_safe(walk.steps(), input_bytes, reads_first=reads_first)


@settings(deadline=None)
@given(walk=walks(st.just((0, 0))), reads_first=st.booleans())
def test_sliding_distance_without_padding_is_exact(walk: Images, reads_first: bool) -> None:
    distance, exact = distances(walk, reads_first=reads_first)
    assert distance == exact


@settings(deadline=None)
@given(walk=walks(paddings), reads_first=st.booleans())
def test_sliding_distance_with_padding_is_safe(walk: Images, reads_first: bool) -> None:
    distance, exact = distances(walk, reads_first=reads_first)
    assert distance >= exact


@settings(deadline=None)
@given(
    count=st.integers(1, 6),
    read=st.integers(1, 9),
    written=st.integers(1, 9),
    reads_first=st.booleans(),
)
def test_row_distance_is_exact(count: int, read: int, written: int, reads_first: bool) -> None:
    steps: Steps = [
        (set(range(row * read, (row + 1) * read)), (row + 1) * written) for row in range(count)
    ]
    distance = overlap.rows(count, read, written, reads_first=reads_first)
    assert distance == least_safe(steps, count * read, reads_first=reads_first)
