"""Series that a learner finds hard, and its twin's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from midge.adapt import Settings, StreamModel
from midge.driver.learner import LearnerArtifact
from midge.driver.learner_host import HostLearner
from midge.driver.learner_stream import (
    CHUNK_TICKS,
    FORECAST,
    RESTORE,
    SAVE,
    digest_of,
    kinds_of,
)

Series = NDArray[np.float32]
Told = tuple[NDArray[np.void], bytes]
"""What each tick tells, and the checkpoint behind the last."""
Kind = dict[str, Any]

ARITHMETICS: dict[str, Kind] = {
    "float32": {},
    "fixed": {"arithmetic": "fixed", "resolution": 2.0**-10},
}
"""What `StreamModel` is given for each; the step suits waves of about one."""


def small(**kind: Any) -> StreamModel:
    """One channel, two ticks ahead, with all units."""
    settings = Settings(
        joint_lags=1,
        fast_lags=2,
        season_lags=1,
        direct_lags=1,
        regimes=3,
        anchors=(1, 2),
        shortest_season=4,
        search_ticks=12,
    )
    return StreamModel(1, 2, 740, settings=settings, **kind)


def changing(ticks: int, channels: int) -> Series:
    """Regimes that return; later steps, missing samples, spikes, a stuck channel."""
    rng, t = np.random.default_rng(5), np.arange(ticks)
    regime = t // 150 % 3
    phase = np.cumsum(np.array([0.05, 0.31, 0.83])[regime])
    waves = [np.sin(phase * (1 + 0.3 * i) + i) * (1 + i) for i in range(channels)]
    x: Series = np.stack(waves, axis=1).astype(np.float32)
    x += 0.02 * rng.normal(size=x.shape).astype(np.float32)
    x[t // 1000 % 2 == 1] *= 3
    x += 10 * (t[:, None] // 1100)
    bad = x[900:] if ticks > 900 else x[ticks // 2 :]
    bad[rng.random(bad.shape) < 0.01] = np.nan
    bad[rng.random(bad.shape) < 0.002] *= 1e3
    bad[50:80] = np.nan
    bad[100:140, 0] = 7
    bad[150:152] = np.inf
    return x


def huge(ticks: int, channels: int) -> Series:
    """From subnormal to beyond what is taken as a number."""
    rng = np.random.default_rng(6)
    sizes = 10.0 ** rng.uniform(-42, 19, size=(ticks, 1))
    return (rng.normal(size=(ticks, channels)) * sizes).astype(np.float32)


def swelling(ticks: int, channels: int) -> Series:
    """Scales that change by 36 decades, slowly."""
    rng, t = np.random.default_rng(7), np.arange(ticks)[:, None]
    sizes = 10.0 ** (17.9 * np.sin(t / 60))
    return (rng.normal(size=(ticks, channels)) * sizes).astype(np.float32)


def tiny(ticks: int, channels: int) -> Series:
    """About the smallest normal number."""
    rng = np.random.default_rng(8)
    x: Series = (rng.normal(size=(ticks, channels)) * 1e-38).astype(np.float32)
    return x


def constant(ticks: int, channels: int) -> Series:
    """One value."""
    return np.full((ticks, channels), 3.25, np.float32)


def missing(ticks: int, channels: int) -> Series:
    """No sample at all."""
    return np.full((ticks, channels), np.nan, np.float32)


def seasonal(ticks: int, channels: int) -> Series:
    """A period of 24, another one later."""
    rng, t = np.random.default_rng(9), np.arange(ticks)[:, None]
    x = np.sin(2 * np.pi * t / 24) * np.arange(1, channels + 1)
    x = x + np.sign(np.sin(2 * np.pi * t / 37)) * (t > ticks // 2) * 3
    return (x + 0.1 * rng.normal(size=(ticks, channels))).astype(np.float32)


HARD: tuple[Callable[[int, int], Series], ...] = (
    *(changing, huge, swelling, tiny),
    *(constant, missing, seasonal),
)


def twin_told(model: StreamModel, series: Series, *, forecasts: bool = True) -> NDArray[np.void]:
    """What the twin tells of a series, as the device's answers are laid out."""
    told = np.zeros(len(series), kinds_of(model.dialect.number)[0])
    for tick, sample in enumerate(series):
        step = model.update(sample)
        told[tick] = (
            step.anomaly * model.dialect.certain,
            *(step.regime, step.is_flagged, step.is_new, step.drift, 0),
            digest_of(model.samples(step.forecast)[None])[0] if forecasts else 0,
        )
    return told


def device_told(
    artifact: LearnerArtifact, series: Series, *, forecasts: bool = True, restored: bytes = b""
) -> Told:
    """The same of a device; `run` would go over much of it again, for its costs."""
    machine, told, output = artifact.open_machine(), [], b""
    for start in range(0, len(series), CHUNK_TICKS):
        part = artifact.model.samples(series[start : start + CHUNK_TICKS])
        given = b"" if told else restored
        does = SAVE | (FORECAST if forecasts else 0) | (RESTORE if given else 0)
        output = machine.feed(artifact.stream.chunk(part, does, given), len(part)).output
        told.append(artifact.stream.told(output, len(part)))
    return np.concatenate(told), artifact.stream.saved(output)


def learner_of(model: StreamModel) -> HostLearner:
    """Its C, hundred times as fast with the same bits; undefined behaviour ends the process."""
    return HostLearner(model, sanitizers=("undefined",))


def held(learner: HostLearner, model: StreamModel) -> dict[str, NDArray[np.generic]]:
    """What a learner in C holds now and later: views of its arrays, packed ones flat."""
    views, at = {}, 0
    for field in model.dialect.members(model.sizes):
        words = learner.state[at : at + field.count].view(field.dtype)
        views[field.name] = words if field.packed else words.reshape(field.shape)
        at += field.count
    assert 4 * at == model.ram_bytes
    return views
