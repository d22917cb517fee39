"""What the kernels for cores without SIMD stand on: blocks of taps, lines under staircases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_kernel_variants import fitting
from unicorn import UC_HOOK_CODE, arm_const
from unicorn.unicorn_py3.unicorn import Uc

from midge.c_emitter import KERNELS, Kernel, choose_kernels
from midge.c_emitter.tiles.blocks import BIAS, LARGEST_SUM, SIZES, Blocks, blocks_of
from midge.c_emitter.tiles.rescale import Sums
from midge.c_emitter.tiles.staircase import Staircase, staircase_of
from midge.graph import Rounding, interpret, outputs_of
from midge.graph.requantize import requantization, requantize
from midge.virtual_mcu import CORES, UnicornMachine
from support.layer_bench import Bench, build_layers
from support.networks import imported, join, mobile_chain

SCALAR = [
    kernel
    for found in KERNELS.values()
    for kernel in found
    if kernel.variant.startswith("scalar") and not kernel.requires
]
"""What the Cortex-M0+ has tiles for."""
ROUNDINGS = (Rounding.TFLITE_DOUBLE, Rounding.SINGLE, Rounding.HALF_EVEN)


def weights(outputs: int, taps: int, spread: float, seed: int = 0) -> np.ndarray:
    """Normal weights, held within int8's symmetric range: int8 [outputs, taps]."""
    values = np.random.default_rng(seed).normal(0, spread, (outputs, taps))
    return np.clip(np.rint(values), -127, 127).astype(np.int8)


def column_of(blocks: Blocks, inputs: np.ndarray, pair: int) -> list[int]:
    """A column as the device fills it: `inputs` int64 [taps]; pair: both halves are one pixel's."""
    x = np.append(inputs, 77)[blocks.order].tolist()
    column: list[int] = []
    for size, count in zip(SIZES, blocks.counts, strict=True):
        for _ in range(count):
            taken, x = x[:size], x[size:]
            run = 2 if pair else min(size, 4)
            column.append(0x8000 - BIAS * sum(taken) * (65537 if pair else 1))
            for i, value in enumerate(taken):
                column.append(value - (taken[i - 1] << 8 if i % run else 0))
    assert not x
    assert len(column) == blocks.column_words
    return column


def device_sums(blocks: Blocks, column: list[int], words: list[int]) -> tuple[int, int]:
    """The sums of the lower and the upper halves, from a column and the words of two pixels."""
    low, high, x, w = 0, 0, iter(column), iter(words)
    half: int | None = None
    for size, count in zip(SIZES, blocks.counts, strict=True):
        for _ in range(count):
            block = next(x)
            for _ in range(max(size // 4, 1)):
                if size > 2:
                    word = next(w)
                elif half is None:
                    word = next(w)
                    word, half = word & 0xFFFF, word >> 16
                else:
                    word, half = half, None
                for shift in range(0, 8 * min(size, 4), 8):
                    block += (word >> shift) * next(x)
            block = ((block + 2**31) & 0xFFFFFFFF) - 2**31
            low, high = low + block - 0x8000, high + (block >> 16)
    low = (low - (high << 16) + 2**31 & 0xFFFFFFFF) - 2**31
    return low, high


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("outputs", "taps", "spread"), [(1, 1, 50), (8, 27, 60), (16, 72, 30), (64, 40, 45), (3, 9, 3)]
)
def test_sums_in_blocks_are_exact(outputs: int, taps: int, spread: float) -> None:
    rows = weights(outputs, taps, spread)
    blocks = blocks_of(rows)
    assert blocks is not None
    words = blocks.single(rows)
    for inputs in (
        np.random.default_rng(1).integers(-128, 128, (2, taps)),
        np.where(rows[:1] < 0, [[-128], [127]], [[127], [-128]]),
        np.full((2, taps), -128),
    ):
        first, second = inputs.astype(np.int64)
        column = column_of(blocks, first + (second << 16), pair=False)
        for row, stored in zip(rows.astype(np.int64), words.tolist(), strict=True):
            assert device_sums(blocks, column, stored) == (row @ first, row @ second)


@pytest.mark.parametrize("spread", [2, 20, 60, 127])
def test_blocks_keep_their_bound(spread: float) -> None:
    rows = weights(24, 101, spread, seed=3)
    blocks = blocks_of(rows)
    assert blocks is not None
    assert sorted(blocks.order.tolist()) == list(range(102))
    assert blocks.order[-1] == 101
    start = 0
    padded = np.abs(np.pad(rows.astype(np.int64), ((0, 0), (0, 1))))
    for size, count in zip(SIZES, blocks.counts, strict=True):
        for _ in range(count):
            block = padded[:, blocks.order[start : start + size]]
            assert block.sum(axis=1).max() <= LARGEST_SUM
            start += size
    # Small weights make large blocks.
    assert (blocks.counts[0] == 12) == (spread < 60)


@pytest.mark.tiny
def test_blocks_of_the_heaviest_weights_are_refused() -> None:
    assert blocks_of(np.full((2, 6), -128, np.int8)) is None
    one = np.full((2, 6), 127, np.int8)
    one[0, 2] = -128
    found = blocks_of(one)
    assert found is not None
    assert found.counts == (0, 0, 3)


@pytest.mark.tiny
def test_a_word_in_flash_holds_four_taps_or_two_of_two_outputs() -> None:
    rows = weights(5, 31, 20)
    blocks = blocks_of(rows)
    assert blocks is not None
    stored = blocks.stored(rows).astype(np.int64) - BIAS
    assert (stored == np.pad(rows, ((0, 0), (0, 1)))[:, blocks.order]).all()
    assert blocks.single(rows).shape == (5, 8)
    paired = blocks.paired(rows)
    assert paired.shape == (3, 16)
    bytes_of = (paired[:, :, None] >> np.array([0, 8, 16, 24])) & 255
    assert (bytes_of[1, :, :2].reshape(-1) - BIAS == stored[2]).all()
    assert (bytes_of[1, :, 2:].reshape(-1) - BIAS == stored[3]).all()
    assert (bytes_of[2, :, 2:] == BIAS).all()


def sums_of_factors(
    factors: list[float], rounding: Rounding, reach: int, zero: int, low: int, high: int
) -> Sums:
    ends = np.full(len(factors), reach, np.int64)
    found = requantization(np.array(factors), rounding)
    return Sums(found, -ends, ends, zero, low, high)


def expected(sums: Sums, values: np.ndarray) -> np.ndarray:
    return np.clip(requantize(values, sums.factors) + sums.y_zero, sums.low, sums.high)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("clamp", [(-128, 127), (3, 127), (-128, -100), (-5, 40)])
def test_lines_pass_every_step(rounding: Rounding, clamp: tuple[int, int]) -> None:
    random = np.random.default_rng(clamp[0] + 200)
    factors = (2.0 ** random.uniform(-10, -4, 12)).tolist()
    for zero in (3, -128, 127, 0):
        sums = sums_of_factors(factors, rounding, 90_000, zero, *clamp)
        stairs = staircase_of(sums)
        # Ties to even lie on no line; where there are none, one is found.
        assert stairs is not None or rounding is Rounding.HALF_EVEN
        if stairs is None:
            continue
        every = np.arange(-90_000, 90_001, dtype=np.int64)[:, None]
        assert (stairs.evaluate(every) == expected(sums, every)).all(), (zero, rounding)


@pytest.mark.parametrize("rounding", ROUNDINGS[:2])
@pytest.mark.parametrize("factor", [2.0**-8, 2.0**-7, 0.5, 0.75, 1.0, 0.0])
def test_lines_pass_ties_and_large_steps(rounding: Rounding, factor: float) -> None:
    sums = sums_of_factors([factor], rounding, 40_000, -3, -128, 127)
    stairs = staircase_of(sums)
    every = np.arange(-40_000, 40_001, dtype=np.int64)[:, None]
    assert stairs is not None
    assert (stairs.evaluate(every) == expected(sums, every)).all()


@pytest.mark.tiny
def test_ties_to_even_lie_on_no_line() -> None:
    assert staircase_of(sums_of_factors([0.5], Rounding.HALF_EVEN, 999, 0, -128, 127)) is None


@pytest.mark.tiny
def test_only_rounding_away_from_zero_bends_the_line() -> None:
    def bent(rounding: Rounding, zero: int, low: int) -> bool:
        sums = sums_of_factors([0.003, 0.004], rounding, 60_000, zero, low, 127)
        stairs = staircase_of(sums)
        assert isinstance(stairs, Staircase)
        assert stairs.words.shape == (2, 5 if stairs.is_bent else 3)
        return stairs.is_bent

    assert bent(Rounding.TFLITE_DOUBLE, 10, -128)
    assert not bent(Rounding.TFLITE_DOUBLE, -128, -128)
    assert not bent(Rounding.TFLITE_DOUBLE, 10, 10)
    assert not bent(Rounding.SINGLE, 10, -128)


def test_a_shift_that_wraps_around_is_refused() -> None:
    sums = sums_of_factors([4.0], Rounding.TFLITE_DOUBLE, 2**30, 0, -128, 127)
    assert staircase_of(sums) is None
    assert staircase_of(replace(sums, least=-sums.least // -(2**20))) is None


@pytest.mark.tiny
def test_cores_without_simd_take_them_by_rule() -> None:
    graph = imported(mobile_chain())
    for core in CORES.values():
        chosen = {
            k.variant
            for k in choose_kernels(graph, core.features)
            if k is not None and {"conv_2d", "depthwise_conv_2d", "fully_connected"} & {*k.kinds}
        }
        assert ("scalar" in chosen) == ("dsp" not in core.features), core.name


_PUSHED = 64
"""Bytes that an interrupt writes below the stack pointer."""


@pytest.mark.parametrize("kernel", SCALAR, ids=lambda k: f"{k.kinds[0]}-{k.variant}")
def test_an_interrupt_at_any_instruction_of_a_tile_changes_nothing(kernel: Kernel) -> None:
    made = sorted((n for n, _ in fitting(kernel, Rounding.TFLITE_DOUBLE)), key=lambda n: n.name)
    joined = join(made[:4])
    choice = (kernel,) * len(joined.graph.ops)
    artifact = build_layers(joined.graph, choice, Bench("cortex-m0plus"))
    machine = UnicornMachine(artifact.built)
    random, fired = np.random.default_rng(5), [0]

    def interrupt(uc: Uc, _address: int, _size: int, _data: object) -> None:
        if random.integers(23) == 0:
            fired[0] += 1
            stack = uc.reg_read(arm_const.UC_ARM_REG_SP)
            assert stack % 4 == 0
            stack -= stack % 8
            uc.mem_write(stack - _PUSHED, random.bytes(_PUSHED))

    machine._engine._uc.hook_add(UC_HOOK_CODE, interrupt)
    sample = joined.sample(2)
    (run,) = machine.run([artifact.to_bytes(sample)])
    device = artifact.from_bytes(run.outputs)
    for name, values in outputs_of(artifact.graph, interpret(artifact.graph, sample)).items():
        assert np.array_equal(device[name], values), joined.network_of(name).description
    assert fired[0] > 20
