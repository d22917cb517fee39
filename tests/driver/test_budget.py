from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import midge
from midge.cli import main
from midge.compress.variants import with_int4_weights
from midge.driver import Artifact, RunResult
from midge.driver.budget import Budget, check_budget
from midge.errors import DoesNotFitError, UserError
from midge.synthetic import SyntheticNetwork
from midge.synthetic.model_description import FullyConnectedOptions
from midge.synthetic.network_builder import NetworkBuilder, Weights
from support.networks import INPUT, imported, network


@cache
def two_layers() -> SyntheticNetwork:
    """Fully connected, 64 to 48 to 10: nearly all of its flash is in the first layer."""

    def add(builder: NetworkBuilder) -> str:
        x = builder.input((1, 64), INPUT)
        generator = np.random.default_rng(0)
        for shape in ((48, 64), (10, 48)):
            values = generator.integers(-99, 99, shape).astype(np.int8)
            x = builder.fully_connected(x, Weights(values, (0.01,)), FullyConnectedOptions())
        return x

    return network("two_layers", add)


@cache
def on_a_board(target: str = "nrf52840") -> tuple[Artifact, RunResult]:
    artifact = midge.compile(imported(two_layers()), target=target)
    return artifact, artifact.run()


@cache
def refusal(budget: Budget, target: str = "nrf52840") -> str:
    with pytest.raises(DoesNotFitError) as refused:
        check_budget(*on_a_board(target), budget, lambda _: None)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("32768", 32768), ("32k", 32768), ("32K", 32768), ("32 KiB", 32768), ("1.5kb", 1536)),
        *(("1m", 1 << 20), ("7b", 7)),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert Budget.parse(ram=text) == Budget(ram_bytes=size)
    assert Budget.parse(flash=text) == Budget(flash_bytes=size)


@pytest.mark.parametrize(("text", "ms"), [("20ms", 20.0), ("500 us", 0.5), ("1s", 1000.0)])
def test_times(text: str, ms: float) -> None:
    assert Budget.parse(latency=text).latency_ms == pytest.approx(ms)


@pytest.mark.parametrize(("text", "uj"), [("50uJ", 50.0), ("2mj", 2000.0), ("5nJ", 0.005)])
def test_energies(text: str, uj: float) -> None:
    assert Budget.parse(energy=text).energy_uj == pytest.approx(uj)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        *(
            ("ram", "much"),
            ("ram", "-3k"),
            ("ram", "0"),
            ("ram", "3g"),
            ("ram", ""),
            ("ram", "inf"),
        ),
        *(
            ("flash", "1e3"),
            ("latency", "20"),
            ("latency", "20m"),
            ("energy", "5j"),
            ("energy", "5"),
        ),
    ],
)
def test_other_texts_are_refused_with_an_example(line: str, text: str) -> None:
    with pytest.raises(UserError, match=r"budget .*: expected a number above 0 as "):
        Budget.parse(**{line: text})


def test_a_budget_that_is_just_reached_holds() -> None:
    artifact, result = on_a_board()
    assert result.latency_ms is not None
    assert result.energy_uj is not None
    exactly = Budget(
        artifact.ram_bytes(artifact.stack_bound_bytes or 0).total,
        result.flash_bytes.total,
        result.latency_ms[1],
        result.energy_uj[1],
    )
    check_budget(artifact, result, exactly, pytest.fail)
    assert exactly.flash_bytes is not None
    assert exactly.ram_bytes is not None
    for one_less in (
        Budget(flash_bytes=exactly.flash_bytes - 1),
        Budget(ram_bytes=exactly.ram_bytes - 1),
    ):
        assert "1 bytes too many" in refusal(one_less)


def test_flash_names_the_largest_layer_and_what_would_help() -> None:
    said = refusal(Budget(flash_bytes=3000))
    assert re.search(r"flash: needs [\d,]+ bytes, allowed 3,000 bytes: [\d,]+ bytes too many", said)
    assert re.search(r"Most of it: 00_fully_connected \(\d\d %\), 01_fully_connected", said)
    assert re.search(r"int4 weights in 2 of 2 layers .*: flash [\d,]+ bytes \(\w+", said)
    assert re.search(r"half of the output channels of 00_fully_connected pruned: flash ", said)


def test_what_helps_is_what_a_build_of_it_takes() -> None:
    artifact, result = on_a_board()
    said = refusal(Budget(flash_bytes=3000))
    found = re.search(r"int4 weights .*: flash ([\d,]+) bytes", said)
    assert found is not None
    narrow = with_int4_weights(artifact.graph, [op.name for op in artifact.graph.ops])
    built = midge.compile(narrow, target="nrf52840")
    assert int(found[1].replace(",", "")) == built.flash_bytes.total
    assert artifact.built.weights_bytes - built.built.weights_bytes > 1500
    # Half of 3,552 bytes of weights, less a factor for each of 58 outputs instead of each layer
    assert built.flash_bytes.total < result.flash_bytes.total


def test_latency_and_energy_name_layers_by_their_share() -> None:
    said = refusal(Budget(latency_ms=0.001, energy_uj=0.001))
    assert re.search(
        r"latency: needs [\d.]+ ms, allowed 0.001 ms: .* 00_fully_connected \(\d\d %", said
    )
    assert re.search(r"energy: needs [\d.]+ uJ, allowed 0.00 uJ", said)
    assert re.search(r"pruned: latency [\d.]+ ms \(too many\), energy", said)


def test_ram_names_tensors_by_their_layer() -> None:
    said = refusal(Budget(ram_bytes=50))
    assert re.search(
        r"Most of it: scratch of 00_fully_connected \(128 bytes\), stack \(\d+ bytes\), input 'input_0' "
        r"\(64 bytes\)",
        said,
    ), said


def test_a_core_without_a_clock_has_no_latency() -> None:
    with pytest.raises(UserError, match=r"cortex-m4: no latency is known .* nrf52840"):
        check_budget(*on_a_board("cortex-m4"), Budget(latency_ms=1), lambda _: None)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two_layers.tflite"
    path.write_bytes(two_layers().model_bytes)
    common = ["compile", str(path), "--target", "nrf52840", "--out", str(tmp_path / "out")]
    assert main([*common, "--flash", "3000"]) == 2
    said = capsys.readouterr()
    assert "two_layers exceeds its budget on Nordic nRF52840" in said.err
    assert "over budget; measuring: int4 weights" in said.err
    assert not (tmp_path / "out").exists()
    assert main([*common, "--flash", "64k", "--ram", "16k", "--latency", "20ms"]) == 0
    assert (tmp_path / "out" / "two_layers.c").exists()
