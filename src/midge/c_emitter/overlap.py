"""Which bytes a kernel still has to read when it writes: the proof behind overlapping tensors.

Blacker, Bridges, Hadfield, "Diagonal Memory Optimisation for Machine Learning on
Micro-controllers", arXiv:2010.01668, derive the same distances from traces; here they follow from
the window.
"""

from __future__ import annotations

import numpy as np

from midge.graph.window import Pair, Window


def rows(count: int, read_bytes: int, written_bytes: int, *, reads_first: bool) -> int:
    """Distance for a kernel that makes `count` rows of `written_bytes` from rows of `read_bytes`.

    Args:
        count: Number of rows.
        read_bytes: Of one row of the input.
        written_bytes: Of one row of the output.
        reads_first: A row is read wholly before any of it is written.
    """
    steps = np.arange(count, dtype=np.int64)
    lowest_read = steps * read_bytes
    return _distance(lowest_read, (steps + 1) * written_bytes, count * read_bytes, reads_first)


def sliding(  # the shapes of both images
    window: Window,
    batches: int,
    image: Pair,
    in_c: int,
    out_c: int,
    *,
    step: int,
    reads_first: bool,
) -> int:
    """Distance for a kernel that walks over the output's pixels in order.

    Args:
        window: What a pixel reads.
        batches: Images in the tensor.
        image: Height and width of the input.
        in_c: Bytes of an input pixel.
        out_c: Bytes of an output pixel.
        step: Pixels made at a time; steps do not reach over the end of an image.
        reads_first: A step's pixels are read wholly before any of them is written.
    """
    height, width = image
    first_row, first_column = (np.maximum(taps[:, 0], 0) for taps in window.tap_indices(image))
    lowest = (
        np.minimum(first_row, height - 1)[:, None] * width + np.minimum(first_column, width - 1)
    ) * in_c
    pixels = lowest.size
    starts = np.arange(0, pixels, step)
    in_image = np.minimum.reduceat(lowest.reshape(-1), starts)
    ends = np.minimum(starts + step, pixels) * out_c
    offsets = np.arange(batches, dtype=np.int64)[:, None]
    reads = (offsets * height * width * in_c + in_image).reshape(-1)
    writes = (offsets * pixels * out_c + ends).reshape(-1)
    return _distance(reads, writes, batches * height * width * in_c, reads_first)


def _distance(
    lowest_read: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    written_end: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    input_bytes: int,
    reads_first: bool,
) -> int:
    """``max(end of what is written - lowest byte still to be read)`` over all steps.

    A byte of the output may lie on a byte of the input only once the latter is not needed any
    more: with the input `d` bytes behind the output, output byte w lies on input byte w - d.
    """
    still_needed = np.minimum.accumulate(lowest_read[::-1])[::-1]
    if reads_first:
        still_needed, written_end = still_needed[1:], written_end[:-1]
    if not still_needed.size:
        return -input_bytes
    return max(int((written_end - still_needed).max()), -input_bytes)


def streamed_rows(
    window: Window, batches: int, image: Pair, row_bytes: int, written_bytes: int
) -> int:
    """Distance for a kernel that keeps input rows in scratch, and reads each of them once.

    An output row is written when the rows of its windows, and all above them, have been read.

    Args:
        window: What an output row reads.
        batches: Images in the tensor.
        image: Height and width of the input.
        row_bytes: Of an input row.
        written_bytes: Of an output row.
    """
    height = image[0]
    count = window.output_extent(image)[0]
    first = np.arange(count, dtype=np.int64) * window.stride[0] - window.pad_before[0]
    read = np.clip(first + window.kernel[0], 0, height)
    # What the first row of an image reads begins at its first row.
    lowest = np.concatenate([[0], read[:-1]])
    images = np.arange(batches, dtype=np.int64)[:, None] * height
    reads = ((images + lowest) * row_bytes).reshape(-1)
    writes = (np.arange(batches * count, dtype=np.int64) + 1) * written_bytes
    return _distance(reads, writes, batches * height * row_bytes, reads_first=True)
