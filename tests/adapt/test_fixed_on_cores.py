"""A learner in integers on emulated cores: the twin's bits at every tick, for far fewer cycles."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from learner_support import ARITHMETICS, Kind, changing, device_told, learner_of, small, twin_told

from midge.adapt import StreamModel
from midge.driver.learner import LearnerArtifact, compile_learner
from midge.driver.learner_stream import CHUNK_TICKS, SAVE
from support.tools import EACH_COMPILER

TARGETS = ("nrf52840", "rp2040")
LONG_TICKS = 20_000
FIXED = ARITHMETICS["fixed"]


@pytest.mark.parametrize("target", TARGETS)
def test_device_follows_for_long(target: str) -> None:
    """This machine's C, which has the twin's bits (`test_learner_in_c.py`), is held beside it."""
    model = small(**FIXED)
    artifact, host, twin = compile_learner(model, target=target), learner_of(model), small(**FIXED)
    machine, series = artifact.open_machine(), changing(LONG_TICKS, 1)
    regimes: set[int] = set()
    for start in range(0, LONG_TICKS, CHUNK_TICKS):
        part = series[start : start + CHUNK_TICKS]
        fed = machine.feed(artifact.stream.chunk(model.samples(part), SAVE), len(part))
        told = artifact.stream.told(fed.output, len(part))
        np.testing.assert_array_equal(told, host.feed(part, forecasts=False))
        assert artifact.stream.saved(fed.output) == host.save(), f"from tick {start}"
        if start == 0:
            np.testing.assert_array_equal(told, twin_told(twin, part, forecasts=False))
        regimes |= set(told["regime"].tolist())
    assert len(regimes) > 2


def model(kind: Kind) -> StreamModel:
    """Four channels, sixty ticks ahead."""
    return StreamModel(channels=4, horizon=60, ram="8 KB", **kind)


@cache
def compiled(target: str) -> LearnerArtifact:
    return compile_learner(model(FIXED), target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_a_device_forecasts_and_goes_on_from_the_twins_checkpoint(target: str) -> None:
    twin, series = model(FIXED), changing(160, 4)
    told, saved = device_told(compiled(target), series[:130])
    np.testing.assert_array_equal(told, twin_told(twin, series[:130]))
    assert saved == twin.save()
    told, saved = device_told(compiled(target), series[130:], restored=saved)
    np.testing.assert_array_equal(told, twin_told(twin, series[130:]))
    assert saved == twin.save()


def test_without_floating_point_it_costs_a_third_and_nothing_on_the_stack_is_unbounded() -> None:
    series = changing(100, 4)
    fixed = compiled("rp2040").run(series).cost
    floating = compile_learner(model({}), target="rp2040").run(series).cost
    assert fixed.cycles is not None
    assert floating.cycles is not None
    assert 3 * fixed.cycles < floating.cycles
    assert fixed.stack_bound_bytes is not None
    assert fixed.state_bytes == floating.state_bytes == model(FIXED).ram_bytes


def test_no_floating_point_is_emitted() -> None:
    text = "".join(model(FIXED).emit("learner").values())
    assert not re.search(r"\b(float|double)\b", text)


@pytest.mark.parametrize("cc", EACH_COMPILER)
@pytest.mark.parametrize("optimisation", ["-O0", "-Os", "-O3"])
def test_each_compiler_takes_the_c_without_a_warning(cc: str, optimisation: str) -> None:
    learner = StreamModel(2, 5, "4 KB", **FIXED)
    artifact = compile_learner(learner, target="cortex-m4", cc=cc, optimisation=optimisation)
    fed = changing(120, 2)
    told, saved = device_told(artifact, fed)
    np.testing.assert_array_equal(told, twin_told(learner, fed))
    assert saved == learner.save()
