from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.c_emitter import overlap
from midge.graph.window import Window, reach

pytestmark = pytest.mark.tiny

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


def window_steps(
    window: Window, batches: int, image: tuple[int, int], in_c: int, out_c: int, step: int
) -> Steps:
    """A kernel that computes `step` pixels at a time, image after image."""
    rows, columns = window.tap_indices(image)
    height, width = image
    pixels = [(r, c) for r in rows for c in columns]
    steps: Steps = []
    for batch in range(batches):
        for start in range(0, len(pixels), step):
            chosen = pixels[start : start + step]
            read = {
                ((batch * height + y) * width + x) * in_c + byte
                for taps_y, taps_x in chosen
                for y in taps_y
                for x in taps_x
                if 0 <= y < height and 0 <= x < width
                for byte in range(in_c)
            }
            steps.append((read, (batch * len(pixels) + start + len(chosen)) * out_c))
    return steps


sizes = st.integers(1, 5)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(
    image=st.tuples(sizes, sizes),
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    before=paddings,
    after=paddings,
    batches=st.integers(1, 2),
    in_c=st.integers(1, 4),
    out_c=st.integers(1, 4),
    step=st.integers(1, 2),
    reads_first=st.booleans(),
)
def test_sliding_distance_is_safe_and_exact_without_padding(
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    before: tuple[int, int],
    after: tuple[int, int],
    batches: int,
    in_c: int,
    out_c: int,
    step: int,
    reads_first: bool,
) -> None:
    window = Window(kernel, stride, dilation, before, after)
    if any(image[d] + before[d] + after[d] < reach(kernel[d], dilation[d]) for d in (0, 1)):
        return
    given_distance = overlap.sliding(
        window, batches, image, in_c, out_c, step=step, reads_first=reads_first
    )
    steps = window_steps(window, batches, image, in_c, out_c, step)
    input_bytes = batches * int(np.prod(image)) * in_c
    exact = least_safe(steps, input_bytes, reads_first=reads_first)
    assert given_distance >= exact
    if before == after == (0, 0):
        assert given_distance == exact


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
