"""Alarms beside their learner on emulated cores: the twin's bits, and what they cost."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from learner_support import ARITHMETICS, Series, changing, learner_of

from midge.adapt import Alarms, StreamModel
from midge.driver.alarms import CHUNK_TICKS, AlarmsRun, compile_alarms
from midge.errors import UserError
from support.tools import EACH_COMPILER

TARGETS = ("nrf52840", "rp2040")
CASES = [("float32", "nrf52840"), ("fixed", "nrf52840"), ("fixed", "rp2040"), ("float32", "rp2040")]
TICKS = {"float32": 400, "fixed": 1200}
"""Of one channel, over more than a chunk."""


def pair(arithmetic: str, channels: int, horizon: int) -> tuple[StreamModel, Alarms]:
    kind = ARITHMETICS[arithmetic]
    model = StreamModel(channels, horizon, "8 KB", **kind)
    return model, Alarms(channels, horizon, rate=0.02, quiet=20, resolution=kind.get("resolution"))


def assert_same(run: AlarmsRun, model: StreamModel, alarms: Alarms, series: Series) -> None:
    """A run from nothing, and what this machine's C and the twin make of the same."""
    host = learner_of(model)
    forecasts = host.run(series, alarms.leads).forecasts
    told = [alarms.update(*row) for row in zip(series, forecasts, strict=True)]
    assert run.told["probability"].tolist() == [alarm.probability for alarm in told]
    assert (run.told["is_raised"] == 1).tolist() == [alarm.is_raised for alarm in told]
    assert run.saved == (host.save(), alarms.save())


@pytest.mark.parametrize(("arithmetic", "target"), CASES)
def test_a_device_raises_the_alarms_of_the_twin(arithmetic: str, target: str) -> None:
    model, alarms = pair(arithmetic, 1, 6)
    series = changing(TICKS[arithmetic], 1)
    run = compile_alarms(model, alarms, target=target).run(series)
    assert len(series) > CHUNK_TICKS
    assert run.told["is_raised"].any()
    assert_same(run, model, alarms, series)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_device_goes_on_from_the_twins_checkpoints(arithmetic: str) -> None:
    series, (model, alarms) = changing(300, 1), pair(arithmetic, 1, 6)
    artifact = compile_alarms(model, alarms)
    first = artifact.run(series[:150])
    assert_same(first, model, alarms, series[:150])
    rest = artifact.run(series[150:], first.saved)
    whole = artifact.run(series)
    np.testing.assert_array_equal(rest.told, whole.told[150:])
    assert rest.saved == whole.saved


@cache
def four_channels(target: str) -> AlarmsRun:
    model, alarms = pair("fixed", 4, 60)
    series = changing(130, 4)
    run = compile_alarms(model, alarms, target=target).run(series)
    assert_same(run, model, alarms, series)
    return run


@pytest.mark.parametrize(("target", "at_most"), [("nrf52840", 8_000), ("rp2040", 90_000)])
def test_they_cost_little_beside_the_forecast(target: str, at_most: int) -> None:
    cost = four_channels(target).cost
    assert cost.ticks == 130
    assert cost.cycles is not None
    assert cost.learner_cycles is not None
    assert 1_000 < cost.cycles < at_most < cost.learner_cycles
    assert cost.state_bytes == 4 * (3 + 6 + 6 * 4 + 4 + 3 * 48 + (1 + 4 + 8 + 15 + 30 + 60) * 4)


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O3"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_each_compiler_takes_the_c_without_a_warning(
    arithmetic: str, cc: str, optimisation: str
) -> None:
    model, alarms = pair(arithmetic, 2, 5)
    series = changing(120, 2)
    artifact = compile_alarms(model, alarms, cc=cc, optimisation=optimisation)
    assert_same(artifact.run(series), model, alarms, series)


def test_a_series_of_another_shape_is_refused() -> None:
    artifact = compile_alarms(*pair("float32", 1, 6))
    with pytest.raises(UserError, match=r"found a series of shape \(3, 2\); expected \[ticks, 1\]"):
        artifact.run(np.zeros((3, 2)))


def test_a_target_without_compiler_is_refused() -> None:
    with pytest.raises(UserError, match="esp32: no compiler here builds for it"):
        compile_alarms(*pair("float32", 1, 6), target="esp32")
