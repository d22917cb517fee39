from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.c_emitter import choose_kernels
from midge.cli import main
from midge.driver.fit import check_fits, explain_overflow
from midge.driver.main_path import plan_graph
from midge.errors import DoesNotFitError, ToolError, UserError
from midge.graph import Graph
from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import FullyConnectedOptions, Pool2DOptions
from midge.synthetic.network_builder import NetworkBuilder, Weights
from midge.toolchain import target_for
from midge.virtual_mcu import target, targets
from support.networks import INPUT, conv, imported, network
from support.tools import EACH_COMPILER


@cache
def wide_image(side: int) -> SyntheticNetwork:
    """An image and its border, both alive at once: twice `side` squared bytes."""

    def add(builder: NetworkBuilder) -> str:
        x = builder.pad(builder.input((1, side, side, 1), INPUT), ((0, 0), (1, 1), (1, 1), (0, 0)))
        return builder.pool_2d("MAX_POOL_2D", x, Pool2DOptions((2, 2), "VALID", (2, 2)))

    return network(f"image_{side}", add)


@cache
def wide_layers(units: int) -> SyntheticNetwork:
    """Two fully connected layers, of 256 by `units` weights and of 10 by `units`."""

    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 256), INPUT)
        generator = np.random.default_rng(0)
        for shape in ((units, 256), (10, units)):
            values = generator.integers(-99, 99, shape).astype(np.int8)
            x = builder.fully_connected(x, Weights(values, (0.01,)), FullyConnectedOptions())
        return x

    return network(f"layers_{units}", add)


def refusal(graph: Graph, **options: str) -> str:
    with pytest.raises(DoesNotFitError) as refused:
        midge.compile(graph, **options)  # type: ignore[arg-type]
    assert isinstance(refused.value, UserError)
    return str(refused.value)


def test_arena_over_the_boards_ram_names_the_tensors() -> None:
    graph = imported(wide_image(520), "big")
    message = refusal(graph, target="rp2040")
    found = re.search(
        r"^big does not fit Raspberry Pi RP2040.*:\n"
        r"  RAM: needs (\d+) bytes, the board has 270336: (\d+) too many\. "
        r"Held by tensor 'pad_0' \(272484 bytes\), tensor 'max_pool_2d_1' \(68121 bytes\) "
        r"at layer 01_max_pool_2d\nChoose a larger board",
        message,
    )
    assert found, message
    needs, over = map(int, found.groups())
    artifact = midge.compile(graph, target="cortex-m0plus")
    bound = artifact.ram_bytes(0).stack_bound
    assert bound is not None
    assert needs == artifact.ram_bytes(bound).total > artifact.plan.arena_bytes
    assert over == needs - 270336
    assert midge.compile(graph, target="rp2350").program, "its RAM is twice as large"


def test_weights_over_the_boards_flash_name_the_layers() -> None:
    graph = imported(wide_layers(4000), "big")
    message = refusal(graph, target="nrf52840")
    found = re.search(
        r"\n  flash: needs (\d+) bytes, the board has 1048576: (\d+) too many\. "
        r"Held by weights of big_00_fully_connected \((\d+) bytes\), "
        r"weights of big_01_fully_connected \((\d+) bytes\), code \((\d+) bytes\)\n",
        message,
    )
    assert found, message
    needs, over, first, second, code = map(int, found.groups())
    assert first >= 4000 * 256 > second >= 4000 * 10
    assert needs == first + second + code
    assert over == needs - 1048576
    assert "RAM" not in message


def test_both_at_once_are_both_said() -> None:
    artifact = midge.compile(imported(wide_image(520), "big"), target="cortex-m4")
    small = replace(
        target("nrf52840"),
        board=replace(target("nrf52840").board, ram_bytes=1000, flash_bytes=500),  # type: ignore[type-var]
    )
    with pytest.raises(DoesNotFitError, match=r"(?s)RAM: needs.*\n  flash: needs .* has 500"):
        check_fits(replace(artifact, settings=replace(artifact.settings, target=small)))
    check_fits(artifact)


@pytest.mark.parametrize("cc", EACH_COMPILER)
def test_arena_over_what_is_emulated(cc: str) -> None:
    # 4 MiB are emulated for a bare core; a linker's complaint is not for users.
    graph = imported(wide_image(1500), "huge")
    message = refusal(graph, target="cortex-m4", cc=cc)
    found = re.search(r"RAM: (\d+) bytes too many for the 4194304 that are emulated", message)
    assert found, message
    # The arena, the stack of 16 KiB, and the harness's few hundred bytes.
    assert 0 < int(found[1]) - (1500**2 + 1502**2 + 16384 - 4194304) < 2000
    assert "Held by tensor 'pad_0' (2256004 bytes), tensor 'input_0' (2250000 bytes)" in message
    assert "ld" not in re.findall(r"\w+", message)
    on_a_board = refusal(graph, target="stm32h743", cc=cc)
    assert re.search(
        r"RAM: needs 450\d{4} bytes and more, the board has 524288: 398\d{4} too many at least",
        on_a_board,
    ), on_a_board


@pytest.mark.parametrize("cc", EACH_COMPILER)
def test_weights_over_what_is_emulated(cc: str) -> None:
    # 512 KiB are emulated as flash for the M55.
    message = refusal(imported(wide_layers(2000), "huge"), target="cortex-m55", cc=cc)
    assert re.search(
        r"flash: \d+ bytes too many for the 524288 that are emulated, the test harness's share "
        r"included\. Held by constants of layer 00_fully_connected \(512000 bytes\), constants of "
        r"layer 01_fully_connected \(20000 bytes\)\n",
        message,
    ), message
    assert "RAM" not in message


def test_fast_kernels_give_way_where_only_leaner_ones_fit() -> None:
    # Two widened windows of 9 by 512 bytes are 18 KB of scratch, one window is 4.5 KB.
    def add(builder: NetworkBuilder) -> str:
        return conv(builder, builder.input((1, 31, 16, 512), INPUT), 4)

    graph = imported(network("deep", add))
    variants = {
        place: [k.variant for k in midge.compile(graph, target=place).choice if k]
        for place in ("nrf52840", "stm32l4r5zi")
    }
    assert variants == {"nrf52840": ["portable"], "stm32l4r5zi": ["dsp"]}


@pytest.mark.tiny
def test_other_complaints_of_a_linker_stay_what_they_are() -> None:
    graph = imported(wide_image(8))
    choice = choose_kernels(graph, frozenset())
    plan = plan_graph(graph, choice, keep_input=False).plan
    error = ToolError("ld: undefined symbol: missing")
    assert explain_overflow(error, graph, plan, target("cortex-m4")) is error


def test_the_command_line_says_it_in_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "big.tflite").write_bytes(wide_image(520).model_bytes)
    out = tmp_path / "out"
    assert (
        main(["compile", str(tmp_path / "big.tflite"), "--target", "rp2040", "--out", str(out)])
        == 2
    )
    shown = capsys.readouterr()
    assert shown.err.startswith("midge: error: big does not fit Raspberry Pi RP2040")
    assert shown.err.count("midge: ") == 1
    assert not shown.out
    assert not out.exists()


@pytest.mark.tiny
def test_every_board_has_less_ram_than_is_emulated_for_its_core() -> None:
    # Otherwise a program that fits its board would be refused for the emulator's sake.
    for place in targets():
        if place.board is not None and place.core.emulated:
            memory = target_for(place.core.name).memory
            assert place.board.ram_bytes + 16384 + 4096 <= memory.ram_bytes, place.name


def test_exactly_fitting_is_fitting() -> None:
    artifact = midge.compile(imported(wide_image(40)), target="cortex-m4")
    bound = artifact.ram_bytes(0).stack_bound
    assert bound is not None
    ram, flash = artifact.ram_bytes(bound).total, artifact.flash_bytes.total
    board = target("nrf52840").board
    assert board is not None

    def on(ram_bytes: int, flash_bytes: int) -> None:
        place = replace(
            target("nrf52840"), board=replace(board, ram_bytes=ram_bytes, flash_bytes=flash_bytes)
        )
        check_fits(replace(artifact, settings=replace(artifact.settings, target=place)))

    on(ram, flash)
    for less in ((ram - 1, flash), (ram, flash - 1)):
        with pytest.raises(DoesNotFitError, match=": 1 too many"):
            on(*less)
