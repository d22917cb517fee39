"""Windows against counting on fingers."""

from __future__ import annotations

import numpy as np
import pytest
from graph_builders import refuses
from hypothesis import assume, given
from hypothesis import strategies as st

from midge.graph.window import LARGEST_GATHER, LARGEST_PARAMETER, Window, reach, same_padding

small = st.integers(1, 5)
pairs = st.tuples(small, small)
paddings = st.tuples(st.integers(0, 4), st.integers(0, 4))
images = st.tuples(st.integers(1, 9), st.integers(1, 9))
windows = st.builds(
    Window,
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    pad_before=paddings,
    pad_after=paddings,
)


def positions(window: Window, image: tuple[int, int], d: int) -> list[list[int]]:
    """Taps of every window along dimension d, in pixels; found by sliding."""
    found = []
    start = -window.pad_before[d]
    while True:
        taps = [start + k * window.dilation[d] for k in range(window.kernel[d])]
        if taps[-1] >= image[d] + window.pad_after[d]:
            return found
        found.append(taps)
        start += window.stride[d]


@given(windows, images)
def test_extent_and_taps_are_those_of_a_sliding_window(
    window: Window, image: tuple[int, int]
) -> None:
    expected = [positions(window, image, d) for d in (0, 1)]
    if not all(expected):
        with refuses("does not fit an image"):
            window.output_extent(image)
        return
    assert window.output_extent(image) == tuple(len(e) for e in expected)
    assert [t.tolist() for t in window.tap_indices(image)] == expected


@given(windows, images)
def test_touching_means_that_every_window_covers_a_pixel(
    window: Window, image: tuple[int, int]
) -> None:
    taps = [positions(window, image, d) for d in (0, 1)]
    assume(all(taps))
    if all(any(0 <= t < image[d] for t in w) for d in (0, 1) for w in taps[d]):
        window.expect_touching(image)
    else:
        with refuses("lies wholly outside"):
            window.expect_touching(image)


def test_a_dilated_window_may_step_over_the_image() -> None:
    # Taps at -1 and 2 of an image of two pixels: neither is a pixel.
    window = Window((2, 1), dilation=(3, 1), pad_before=(1, 0), pad_after=(1, 0))
    assert window.tap_indices((2, 1))[0].tolist() == [[-1, 2]]
    with refuses("a window of (2, 1) taps lies wholly outside the (2, 1) image"):
        window.expect_touching((2, 1))


@given(st.integers(1, 20), small, small, st.integers(1, 3))
def test_same_padding_is_the_least_that_gives_ceil_windows(
    image: int, taps: int, stride: int, dilation: int
) -> None:
    def count(padding: int) -> int:
        span = (taps - 1) * dilation + 1
        return sum(1 for s in range(0, image + padding, stride) if s + span <= image + padding)

    wanted = sum(1 for _ in range(0, image, stride))
    least = next(p for p in range(100) if count(p) >= wanted)
    before, after = same_padding(image, taps, stride, dilation)
    assert before + after == least
    assert after - before in (0, 1)
    window = Window((taps, 1), (stride, 1), (dilation, 1), (before, 0), (after, 0))
    assert window.output_extent((image, 1)) == (wanted, 1)


def test_reach_spans_the_taps() -> None:
    assert [reach(1, 9), reach(3, 1), reach(3, 2)] == [1, 3, 5]


@given(windows, images, st.integers(1, 2), st.integers(1, 3), st.integers(0, 2**32))
def test_patches_are_gathered_tap_by_tap(
    window: Window, image: tuple[int, int], batch: int, channels: int, seed: int
) -> None:
    rows, columns = (positions(window, image, d) for d in (0, 1))
    assume(rows and columns)
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (batch, *image, channels), np.int8)
    patches = window.patches(x, 7)
    assert patches.dtype == np.int8
    assert patches.shape == (batch, len(rows), len(columns), *window.kernel, channels)
    for i, row_taps in enumerate(rows):
        for j, column_taps in enumerate(columns):
            for k, r in enumerate(row_taps):
                for m, q in enumerate(column_taps):
                    inside = 0 <= r < image[0] and 0 <= q < image[1]
                    expected = x[:, r, q, :] if inside else np.full((batch, channels), 7)
                    assert np.array_equal(patches[:, i, j, k, m, :], expected)


@pytest.mark.parametrize(
    "window",
    [
        Window((0, 1)),
        Window((1, 1), stride=(1, 0)),
        Window((1, 1), dilation=(-1, 1)),
        Window((1, 1), pad_before=(-1, 0)),
        Window((1, 1), pad_after=(0, -1)),
    ],
)
def test_numbers_out_of_range_are_refused(window: Window) -> None:
    with refuses("must be at least 1 and padding"):
        window.output_extent((8, 8))


@pytest.mark.parametrize("name", ["kernel", "stride", "dilation", "pad_before", "pad_after"])
def test_numbers_that_only_a_hostile_file_has_are_refused(name: str) -> None:
    values = {"kernel": (1, 1), name: (1, LARGEST_PARAMETER)}
    Window(**{**values, "pad_after": (0, LARGEST_PARAMETER)}).output_extent((8, 8))
    with refuses(f"may be at most {LARGEST_PARAMETER}"):
        Window(**{**values, name: (1, LARGEST_PARAMETER + 1)}).output_extent((8, 8))


def test_a_window_larger_than_the_image_is_refused() -> None:
    with refuses("a window of (3, 3) taps, dilation (1, 1), does not fit an image of (2, 3)"):
        Window((3, 3)).output_extent((2, 3))


def test_touching_is_decided_without_an_array_of_taps() -> None:
    # 32,768 taps for each of 32,768 windows would be 8 GB of positions.
    window = Window((1, LARGEST_PARAMETER), pad_before=(0, LARGEST_PARAMETER - 1))
    window.expect_touching((1, LARGEST_PARAMETER))


def test_gathers_of_gigabytes_are_refused() -> None:
    window = Window((128, 128), pad_before=(64, 64), pad_after=(63, 63))
    window.expect_gatherable((1, 64, 64, 1))
    assert LARGEST_GATHER == 64 * 64 * 128 * 128
    with refuses(f"read {2 * LARGEST_GATHER} elements; supported: up to {LARGEST_GATHER}"):
        window.expect_gatherable((1, 64, 64, 2))
    with refuses(f"read {3 * LARGEST_GATHER} elements; supported: up to {LARGEST_GATHER}"):
        window.expect_gatherable((3, 64, 64, 1))
