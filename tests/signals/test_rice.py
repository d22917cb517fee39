"""The lossless coder: what is coded is read again, C and twin write the same, damage is refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from uplink_c import code_samples

from midge.errors import UserError
from midge.signals.rice import (
    BLOCK,
    FLAT,
    HISTORY,
    MOST_BYTES,
    VERBATIM,
    Int16Array,
    decode,
    decode_block,
    encode,
    encode_blocks,
)

LOW, HIGH = -(1 << 15), (1 << 15) - 1
HEADER_BYTES = 12


@st.composite
def signals(draw: st.DrawFn) -> Int16Array:
    """Any samples, and those that lie near one another, as a signal's do."""
    size = draw(st.integers(0, 5 * BLOCK))
    if draw(st.booleans()):
        return draw(arrays.arrays(np.int16, size))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    spread = draw(st.sampled_from([0, 1, 3, 30, 1000, 20_000]))
    slope = draw(st.integers(-100, 100)) * np.arange(size)
    steps = rng.integers(-spread, spread + 1, size)
    values = slope + (np.cumsum(steps) if draw(st.booleans()) else steps)
    return np.clip(values, LOW, HIGH).astype(np.int16)


@settings(deadline=None, max_examples=150)
@given(signals())
def test_what_is_coded_is_read_again(samples: Int16Array) -> None:
    data = encode(samples)
    np.testing.assert_array_equal(decode(data), samples)
    assert len(data) <= HEADER_BYTES + -(-samples.size // BLOCK) * MOST_BYTES


@settings(deadline=None, max_examples=200)
@given(signals())
def test_the_c_writes_the_same(samples: Int16Array) -> None:
    assert code_samples(samples) == encode_blocks(samples).data


EXTREMES = {
    "rails in turn": np.where(np.arange(256) % 2, LOW, HIGH),
    "rails in pairs": np.where(np.arange(256) // 2 % 2, LOW, HIGH),
    "lowest": np.full(256, LOW),
    "highest": np.full(256, HIGH),
    "one step": np.where(np.arange(256) < 130, LOW, HIGH),
    "spike": np.where(np.arange(256) == 200, HIGH, 0),
    "ramp": np.arange(256) * 256 - 32768,
    "parabola": np.arange(256) ** 2 // 2,
    "nothing": np.zeros(256),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(name: str) -> None:
    samples = EXTREMES[name].astype(np.int16)
    np.testing.assert_array_equal(decode(encode(samples)), samples)
    assert code_samples(samples) == encode_blocks(samples).data


@pytest.mark.parametrize("k", range(15))
def test_every_parameter(k: int) -> None:
    rng = np.random.default_rng(k)
    samples = rng.integers(-(1 << k), 1 << k, 4 * BLOCK).clip(LOW, HIGH).astype(np.int16)
    coded = encode_blocks(samples)
    assert code_samples(samples) == coded.data
    assert len(coded.data) <= 4 * BLOCK * (k + 3) / 8 + 8
    np.testing.assert_array_equal(decode(encode(samples)), samples)


@pytest.mark.parametrize("order", range(4))
def test_every_order(order: int) -> None:
    # The order-th difference of the samples is small noise, those below it are not.
    rng = np.random.default_rng(order)
    samples = rng.integers(-2, 3, BLOCK)
    for _ in range(order):
        samples = np.cumsum(samples) + 7
    blocks = encode_blocks(np.concatenate([np.zeros(BLOCK), samples]).astype(np.int16))
    assert blocks.block(1)[0] >> 4 == order


def test_flat_lines_take_a_byte_a_block() -> None:
    coded = encode_blocks(np.full(10 * BLOCK, -1024, np.int16))
    assert len(coded.data) - coded.starts[1] == 9
    assert set(coded.data[coded.starts[1] :]) == {FLAT}


def test_noise_is_verbatim_and_no_longer() -> None:
    noise = np.random.default_rng(0).integers(LOW, HIGH + 1, 100 * BLOCK).astype(np.int16)
    coded = encode_blocks(noise)
    assert len(coded.data) == 100 * MOST_BYTES
    assert coded.block(50)[0] == VERBATIM


def test_a_block_is_read_from_its_history_alone() -> None:
    rng = np.random.default_rng(1)
    samples = np.cumsum(rng.integers(-9, 10, 8 * BLOCK)).astype(np.int16)
    coded = encode_blocks(samples)
    found, end = decode_block(coded.data, int(coded.starts[5]), coded.histories[5])
    np.testing.assert_array_equal(found, samples[5 * BLOCK : 6 * BLOCK])
    np.testing.assert_array_equal(coded.histories[5], samples[5 * BLOCK - HISTORY : 5 * BLOCK])
    assert end == coded.starts[6]


CODED = encode(np.cumsum(np.random.default_rng(2).integers(-40, 41, 300)).astype(np.int16))


def test_every_cut_is_refused() -> None:
    for size in range(len(CODED)):
        with pytest.raises(UserError, match=r"coded samples, byte \d+: .*Fetch the bytes again"):
            decode(CODED[:size])


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(8 * len(CODED)):
        changed = bytearray(CODED)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UserError, match="coded samples, byte"):
            decode(bytes(changed))


def stream(count: int, blocks: bytes) -> bytes:
    """What a writer of ill will hands over, its check in order."""
    check = zlib.crc32(blocks, zlib.crc32(count.to_bytes(4, "little")))
    return CODED[:4] + count.to_bytes(4, "little") + check.to_bytes(4, "little") + blocks


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400), st.integers(0, 5 * BLOCK))
def test_any_bytes_are_read_or_refused(blocks: bytes, count: int) -> None:
    data = stream(count, blocks)
    try:
        found = decode(data)
    except UserError:
        return
    assert found.size == count


def test_a_claimed_length_is_bounded_by_the_bytes() -> None:
    with pytest.raises(UserError, match="4294967295 samples are said to stand in"):
        decode(stream(0xFFFFFFFF, CODED[HEADER_BYTES:]))


def test_bytes_behind_the_last_block_are_refused() -> None:
    with pytest.raises(UserError, match="1 bytes follow the last block"):
        decode(stream(300, CODED[HEADER_BYTES:] + b"\0"))


NO_BLOCKS = {
    "the bytes end where a block should begin": b"",
    "the bytes end within a verbatim block": bytes([VERBATIM]) + bytes(127),
    "0x2f, which stands for no coding": b"\x2f" + bytes(200),
    "0x40, which stands for no coding": b"\x40" + bytes(200),
    "does not end within the bytes": b"\x10" + b"\xff" * 7,
    "longer than verbatim": b"\x11" + bytes(500) + b"\xff" * 100,
    "the bits that fill a block's last byte are not zero": b"\x11\x55" + b"\x55" * 15 + b"\x7f",
    "a sample leaves the range of 16 bits": b"\x3e" + b"\xff" * 120,
}


@pytest.mark.parametrize("what", NO_BLOCKS)
def test_what_no_coder_wrote_is_refused(what: str) -> None:
    with pytest.raises(UserError, match=what):
        decode_block(NO_BLOCKS[what], 0, np.zeros(HISTORY, np.int16))


@pytest.mark.parametrize(
    "samples", [np.zeros(9, np.int32), np.zeros(9, np.float32), np.zeros((3, 3), np.int16)]
)
def test_other_samples_are_refused(samples: Int16Array) -> None:
    with pytest.raises(UserError, match=r"expected int16 \[n\]"):
        encode(samples)
