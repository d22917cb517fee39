"""Flash misses to cycles, and cycles to time and energy."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midge.virtual_mcu.block_trace import Edge, FlashStatistics, Trace
from midge.virtual_mcu.boards import CacheGeometry, FlashMemory, target
from midge.virtual_mcu.energy import energy_uj, latency_ms
from midge.virtual_mcu.memory_model import Cycles, layer_cycles, stall_cycles, total_cycles

LINE = CacheGeometry(16, 1, 1)
FLASH = FlashMemory(LINE, None, fetch_miss_cycles=5, data_miss_cycles=7, prefetch=False)
# 40 lines in 200 cycles: 5 cycles a line.
SEEN = FlashStatistics(
    fetch_lines=40, fetch_misses=10, fetch_misses_sequential=6, data_reads=30, data_misses=3
)


def test_every_miss_waits_without_prefetch():
    assert stall_cycles(FLASH, SEEN, 200) == 10 * 5 + 3 * 7


@pytest.mark.parametrize(("cycles", "left"), [(200, 0), (80, 3), (0, 5)])
def test_prefetch_hides_the_time_a_line_takes(cycles, left):
    prefetching = replace(FLASH, prefetch=True)
    assert stall_cycles(prefetching, SEEN, cycles) == 4 * 5 + 6 * left + 3 * 7


def test_an_unpublished_miss_is_unknown_only_when_it_happened():
    unknown = replace(FLASH, fetch_miss_cycles=None)
    assert stall_cycles(unknown, SEEN, 200) is None
    quiet = replace(SEEN, fetch_misses=0, fetch_misses_sequential=0)
    assert stall_cycles(unknown, quiet, 200) == 3 * 7
    assert stall_cycles(replace(FLASH, data_miss_cycles=None), SEEN, 200) is None


def test_uncached_data_reads_wait_every_time():
    uncached = replace(FLASH, data_miss_cycles=0, data_read_cycles=3)
    assert stall_cycles(uncached, SEEN, 200) == 10 * 5 + 30 * 3


@given(
    lines=st.integers(1, 1000),
    misses=st.integers(0, 1000),
    sequential=st.integers(0, 1000),
    data=st.integers(0, 1000),
    cycles=st.integers(0, 100_000),
    prefetch=st.booleans(),
)
def test_stalls_are_whole_never_negative_and_prefetch_never_hurts(
    *, lines, misses, sequential, data, cycles, prefetch
):
    seen = FlashStatistics(lines, misses, min(misses, sequential), data, data)
    stall = stall_cycles(replace(FLASH, prefetch=prefetch), seen, cycles)
    assert isinstance(stall, int)
    assert 0 <= stall <= 5 * misses + 7 * data


def _trace(flash):
    # subs r0, #3; bhi back to it, ten passes
    edges = (Edge(0, 0x1000, 4, 0x1000, 9), Edge(0, 0x1000, 4, None, 1))
    return Trace(("loop",), edges, 20, (20,), 0, flash)


def _read(address, size):
    return bytes.fromhex("0338fdd8")[address - 0x1000 :][:size]


def test_a_bare_core_waits_for_nothing():
    assert layer_cycles(target("cortex-m4"), _trace(None), _read) == {0: Cycles(29, 29)}


def test_a_board_adds_its_misses():
    seen = FlashStatistics(1, 1, 0, 0, 0)
    layers = layer_cycles(target("stm32l4r5zi"), _trace({0: seen}), _read)
    assert layers == {0: Cycles(29, 29 + 5)}
    assert total_cycles(layers) == Cycles(29, 34)


def test_a_board_that_was_not_measured_is_unknown():
    layers = layer_cycles(target("stm32l4r5zi"), _trace(None), _read)
    assert layers == {0: Cycles(29, None)}
    assert total_cycles(layers) == Cycles(29, None)


def test_a_layer_that_asked_nothing_of_the_flash_waits_for_nothing():
    assert layer_cycles(target("stm32l4r5zi"), _trace({}), _read) == {0: Cycles(29, 29)}


def test_a_core_without_a_model_has_no_cycles():
    assert layer_cycles(target("cortex-m55"), _trace(None), _read) is None
    assert total_cycles(None) is None
    assert latency_ms(target("cortex-m55"), None) is None
    assert energy_uj(target("cortex-m55"), None) is None


def test_time_and_energy_are_pairs():
    board = target("nrf52840")
    cycles = Cycles(64_000, 96_000)
    assert latency_ms(board, cycles) == pytest.approx((1.0, 1.5))
    assert energy_uj(board, cycles) == pytest.approx((9.9, 14.85))


def test_unknown_wait_states_leave_the_second_of_the_pair_open():
    assert latency_ms(target("nrf54l15"), Cycles(128_000, None)) == (pytest.approx(1.0), None)


def test_no_clock_no_time_and_no_current_no_energy():
    assert latency_ms(target("cortex-m4"), Cycles(1, 1)) is None
    assert energy_uj(target("rp2040"), Cycles(1, 1)) is None
