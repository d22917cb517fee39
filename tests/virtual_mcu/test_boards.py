"""The boards as data, and finding a target by name."""

from __future__ import annotations

import pytest

from midge.errors import UserError
from midge.virtual_mcu.boards import BOARDS, CacheGeometry, target, targets
from midge.virtual_mcu.cores import CORES

CONTRACT = {
    "rp2040": "cortex-m0plus",
    "rp2350": "cortex-m33",
    "nrf52840": "cortex-m4",
    "nrf54l15": "cortex-m33",
    "stm32l4r5zi": "cortex-m4",
    "stm32f746": "cortex-m7",
    "stm32h743": "cortex-m7",
    "esp32c3": "rv32imc",
    "esp32c6": "rv32imac",
    "esp32": "xtensa-lx6",
    "esp32s3": "xtensa-lx7",
}
NUMBERS = ("clock_hz", "ram_bytes", "flash_bytes")


def test_every_board_of_the_contract_is_there_on_its_core():
    assert {name: board.core.name for name, board in BOARDS.items()}.items() >= CONTRACT.items()


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_number_has_a_source(board):
    expected = set(NUMBERS)
    if board.flash is not None:
        expected |= {"flash", "fetch_miss_cycles"}
        assert "energy" in board.sources  # or the reason why there is none
    if board.core.name == "cortex-m0plus":
        expected.add("multiplier_cycles")
        assert board.multiplier_cycles in (1, 32)
    assert expected <= board.sources.keys()
    assert all(len(text) > 5 for text in board.sources.values())
    assert set(board.unverified) <= board.sources.keys()


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_numbers_are_in_their_units(board):
    assert 1_000_000 <= board.clock_hz <= 1_000_000_000
    assert 64 * 1024 <= board.ram_bytes < board.flash_bytes
    assert board.flash_bytes <= 16 * 1024 * 1024
    if board.energy is not None:
        # Microcontrollers take tens to hundreds of picojoules a cycle.
        assert 10 < board.energy.pj_per_cycle < 2000


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_caches_can_be_indexed(board):
    if board.flash is None:
        assert not board.core.emulated
        return
    for cache in (board.flash.fetch, board.flash.data):
        if cache is not None:
            assert cache.line_bytes & (cache.line_bytes - 1) == 0
            assert cache.sets & (cache.sets - 1) == 0
            assert cache.line_bytes >= 4


def test_the_rp2040_cache_is_the_one_of_its_datasheet():
    flash = target("rp2040").flash
    assert flash is not None
    assert flash.fetch == CacheGeometry(line_bytes=8, sets=1024, ways=2)
    assert flash.fetch.size_bytes == 16 * 1024
    assert flash.unified


def test_nordic_energy_is_current_times_voltage_over_clock():
    energy = target("nrf52840").energy
    assert energy is not None
    assert energy.pj_per_cycle == pytest.approx(3.3e-3 * 3.0 / 64e6 * 1e12)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("nRF52840", "nrf52840"),
        ("Cortex-M4", "cortex-m4"),
        ("cortex_m0plus", "cortex-m0plus"),
        ("STM32-L4R5ZI", "stm32l4r5zi"),
        ("RP2350 RISCV", "rp2350riscv"),
    ],
)
def test_case_and_punctuation_do_not_matter(asked, name):
    assert target(asked).name == name


def test_a_bare_core_has_no_clock_and_no_limits():
    bare = target("cortex-m4")
    assert bare.board is None
    assert (bare.clock_hz, bare.ram_bytes, bare.flash_bytes) == (None, None, None)
    assert (bare.flash, bare.energy) == (None, None)
    assert bare.core is CORES["cortex-m4"]


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(UserError) as caught:
        target("nrf52833")
    message = str(caught.value)
    assert message.startswith(
        "--target: no core or board is called 'nrf52833'; did you mean nrf52840"
    )
    for entry in targets():
        assert entry.name in message


def test_a_name_like_nothing_gets_no_guess():
    with pytest.raises(UserError) as caught:
        target("???")
    assert "did you mean" not in str(caught.value)


def test_targets_lists_cores_before_boards_without_repeats():
    listed = targets()
    assert len({entry.name for entry in listed}) == len(listed) == len(CORES) + len(BOARDS)
    kinds = [entry.board is not None for entry in listed]
    assert kinds == sorted(kinds)
