"""A learner on emulated cores: the twin's bits at every tick."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from learner_support import Series, Told, changing, device_told, learner_of, small, twin_told

from midge.adapt import StreamModel
from midge.driver.learner import LearnerArtifact, LearnerRun, compile_learner
from midge.driver.learner_stream import CHUNK_TICKS, SAVE
from midge.errors import UserError
from support.effort import sample_of, takes_all
from support.tools import EACH_COMPILER

TARGETS = ("nrf52840", "rp2040")
LONG_TICKS = 20_000
"""Of a small learner: without an FPU, the RP2040 takes forty times as many instructions."""
TICKS = {
    "nrf52840": 1000 * len(sample_of(range(20), 2)),
    "rp2040": 200 * len(sample_of(range(10), 2)),
}
"""Of four channels; 20,000 and 2,000 in a thorough run."""
FORECAST_TICKS = 130
TELLS = ["anomaly", "regime", "is_flagged", "is_new", "drift"]


@cache
def long_series() -> Series:
    return changing(LONG_TICKS, 1)


@cache
def small_told() -> tuple[Told, ...]:
    """What it tells in each chunk, and its checkpoint behind it: of this machine's C.

    The twin has the same in the first chunk and, from the checkpoint before, in every fourth; in
    a thorough run it comes to all of them by itself.
    """
    host, twin, chunks = learner_of(small()), small(), []
    for number, start in enumerate(range(0, LONG_TICKS, CHUNK_TICKS)):
        part = long_series()[start : start + CHUNK_TICKS]
        if number and not takes_all():
            twin = StreamModel.restore(host.save())
        chunks.append((host.feed(part, forecasts=False), host.save()))
        if number % 4 == 0 or takes_all():
            told = twin_told(twin, part, forecasts=False)
            np.testing.assert_array_equal(told, chunks[-1][0])
            assert twin.save() == chunks[-1][1], f"chunk {number}"
    return tuple(chunks)


@pytest.mark.parametrize("target", TARGETS)
def test_device_follows_the_twin_for_twenty_thousand_ticks(target: str) -> None:
    artifact = compile_learner(small(), target=target)
    machine = artifact.open_machine()
    for number, (told, saved) in enumerate(small_told()):
        part = long_series()[number * CHUNK_TICKS : (number + 1) * CHUNK_TICKS]
        fed = machine.feed(artifact.stream.chunk(part, SAVE), len(part))
        np.testing.assert_array_equal(artifact.stream.told(fed.output, len(part)), told)
        assert artifact.stream.saved(fed.output) == saved, f"chunk {number}"


def test_the_long_series_is_no_easy_one() -> None:
    told = np.concatenate([told for told, _ in small_told()])
    assert len(told) == LONG_TICKS
    assert len(set(told["regime"].tolist())) > 2
    assert told["drift"].sum() > 10
    assert told["is_flagged"].any()


def model() -> StreamModel:
    """Four channels, sixty ticks ahead."""
    return StreamModel(channels=4, horizon=60, ram="8 KB")


def series(ticks: int) -> Series:
    return changing(2000, 4)[:ticks] if ticks <= 2000 else changing(ticks, 4)


@cache
def twin(ticks: int, *, forecasts: bool = False) -> Told:
    """What it tells at every tick, and its checkpoint behind the last."""
    learner = model()
    return twin_told(learner, series(ticks), forecasts=forecasts), learner.save()


@cache
def compiled(target: str) -> LearnerArtifact:
    return compile_learner(model(), target=target)


@cache
def ran() -> LearnerRun:
    return compiled("nrf52840").run(series(TICKS["nrf52840"]))


def test_a_run_tells_what_the_twin_tells() -> None:
    told, saved = twin(TICKS["nrf52840"])
    assert told["regime"].max() >= 1
    np.testing.assert_array_equal(ran().told[TELLS], told[TELLS])
    assert ran().saved == saved


def test_software_floats_tell_what_the_twin_tells() -> None:
    fed = series(TICKS["rp2040"])
    told, saved = device_told(compiled("rp2040"), fed, forecasts=False)
    expected, saved_by_twin = twin(len(fed))
    assert told["regime"].max() >= 1
    np.testing.assert_array_equal(told, expected)
    assert saved == saved_by_twin


@pytest.mark.parametrize("target", TARGETS)
def test_device_forecasts_what_the_twin_forecasts(target: str) -> None:
    told, saved = device_told(compiled(target), series(FORECAST_TICKS))
    expected, saved_by_twin = twin(FORECAST_TICKS, forecasts=True)
    np.testing.assert_array_equal(told, expected)
    assert saved == saved_by_twin


@pytest.mark.parametrize("target", TARGETS)
def test_a_device_goes_on_from_the_twins_checkpoint(target: str) -> None:
    _, saved = twin(FORECAST_TICKS, forecasts=True)
    expected = twin_told(StreamModel.restore(saved), series(160)[FORECAST_TICKS:])
    told, _ = device_told(compiled(target), series(160)[FORECAST_TICKS:], restored=saved)
    np.testing.assert_array_equal(told, expected)


def test_a_run_forecasts_and_goes_on_from_a_checkpoint_too() -> None:
    _, saved = twin(FORECAST_TICKS, forecasts=True)
    rest = series(160)[FORECAST_TICKS:]
    run = compiled("nrf52840").run(rest, forecasts=True, restored=saved)
    told, saved_behind = device_told(compiled("nrf52840"), rest, restored=saved)
    np.testing.assert_array_equal(run.told, told)
    assert run.saved == saved_behind


def test_costs_keep_within_the_aim() -> None:
    cost = ran().cost
    assert cost.ticks == TICKS["nrf52840"]
    assert cost.cycles is not None
    assert cost.board_cycles is not None
    assert cost.largest_cycles is not None
    assert cost.largest_board_cycles is not None
    assert cost.instructions < cost.cycles < cost.board_cycles < 100_000
    assert cost.cycles < cost.largest_cycles < cost.largest_board_cycles
    assert cost.state_bytes == model().ram_bytes
    assert cost.stack_bound_bytes is not None
    assert cost.stack_peak_bytes <= cost.stack_bound_bytes + 128
    assert cost.ram_bytes == cost.state_bytes + cost.stack_bound_bytes
    assert cost.to_json()["ram_bytes"] == cost.ram_bytes


def test_the_whole_forecast_keeps_within_the_aim() -> None:
    learner = StreamModel(channels=4, horizon=60, ram="6.5 KB")
    for sample in series(140)[:80]:
        learner.update(sample)
    artifact = compile_learner(learner, target="nrf52840")
    run = artifact.run(series(140)[80:], forecasts=True, restored=learner.save())
    assert run.cost.cycles is not None
    assert run.cost.cycles < 100_000
    assert run.cost.ram_bytes <= 8192
    np.testing.assert_array_equal(run.told, twin_told(learner, series(140)[80:]))


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O3"])
def test_each_compiler_takes_the_c_without_a_warning(cc: str, optimisation: str) -> None:
    learner = StreamModel(2, 5, "4 KB")
    artifact = compile_learner(learner, target="cortex-m4", cc=cc, optimisation=optimisation)
    fed = changing(120, 2)
    told, saved = device_told(artifact, fed)
    np.testing.assert_array_equal(told, twin_told(learner, fed))
    assert saved == learner.save()


def test_a_series_of_another_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"found a series of shape \(3, 2\); expected \[ticks, 4\]"):
        compiled("nrf52840").run(np.zeros((3, 2)))


def test_a_target_without_compiler_is_refused() -> None:
    with pytest.raises(UserError, match="esp32: no compiler here builds for it"):
        compile_learner(model(), target="esp32")
