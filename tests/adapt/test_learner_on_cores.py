"""A learner on emulated cores: the twin's bits at every tick."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from learner_support import Series, changing, twin_told
from numpy.typing import NDArray

from midge.adapt import StreamModel
from midge.driver.learner import LearnerArtifact, LearnerRun, compile_learner
from midge.errors import UserError
from support.effort import sample_of
from support.tools import EACH_COMPILER

TARGETS = ("nrf52840", "rp2040")
TICKS = 1000 * len(sample_of(range(20), 2))
"""20,000 in a thorough run."""


def model() -> StreamModel:
    """Four channels, sixty ticks ahead."""
    return StreamModel(channels=4, horizon=60, ram="8 KB")


@cache
def series() -> Series:
    return changing(TICKS, 4)


@cache
def twin() -> tuple[NDArray[np.void], bytes]:
    """What the twin tells at every tick, and its checkpoint behind the last."""
    learner = model()
    return twin_told(learner, series()), learner.save()


@cache
def compiled(target: str) -> LearnerArtifact:
    return compile_learner(model(), target=target)


@cache
def ran(target: str) -> LearnerRun:
    return compiled(target).run(series())


@pytest.mark.parametrize("target", TARGETS)
def test_device_tells_what_the_twin_tells(target: str) -> None:
    told, saved = twin()
    assert len(set(told["regime"].tolist())) > 2
    assert told["drift"].any()
    for name in ("anomaly", "regime", "is_flagged", "is_new", "drift"):
        np.testing.assert_array_equal(ran(target).told[name], told[name], name)
    assert ran(target).saved == saved


@pytest.mark.parametrize("target", TARGETS)
def test_device_forecasts_what_the_twin_forecasts(target: str) -> None:
    run = compiled(target).run(series()[:300], forecasts=True)
    np.testing.assert_array_equal(run.told, twin()[0][:300])


@pytest.mark.parametrize("target", TARGETS)
def test_a_device_goes_on_from_the_twins_checkpoint(target: str) -> None:
    learner = model()
    told = twin_told(learner, series()[:200])
    run = compiled(target).run(series()[200:260], forecasts=True, restored=learner.save())
    np.testing.assert_array_equal(told, twin()[0][:200])
    np.testing.assert_array_equal(run.told, twin()[0][200:260])


def test_costs_keep_within_the_aim() -> None:
    cost = ran("nrf52840").cost
    assert cost.ticks == TICKS
    assert cost.cycles is not None
    assert cost.largest_cycles is not None
    assert cost.instructions < cost.cycles < 100_000
    assert cost.cycles < cost.largest_cycles
    assert cost.state_bytes == model().ram_bytes
    assert cost.stack_bound_bytes is not None
    assert cost.stack_peak_bytes <= cost.stack_bound_bytes + 128
    assert cost.ram_bytes == cost.state_bytes + cost.stack_bound_bytes
    assert cost.to_json()["ram_bytes"] == cost.ram_bytes


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O3"])
def test_each_compiler_takes_the_c_without_a_warning(cc: str, optimisation: str) -> None:
    learner = StreamModel(2, 5, "4 KB")
    artifact = compile_learner(learner, target="cortex-m4", cc=cc, optimisation=optimisation)
    fed = changing(120, 2)
    run = artifact.run(fed, forecasts=True)
    np.testing.assert_array_equal(run.told, twin_told(learner, fed))
    assert run.saved == learner.save()


def test_a_series_of_another_shape_is_refused() -> None:
    with pytest.raises(UserError, match=r"found a series of shape \(3, 2\); expected \[ticks, 4\]"):
        compiled("nrf52840").run(np.zeros((3, 2)))


def test_a_target_without_compiler_is_refused() -> None:
    with pytest.raises(UserError, match="esp32: no compiler here builds for it"):
        compile_learner(model(), target="esp32")
