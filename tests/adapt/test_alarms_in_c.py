"""The C of alarms on this machine: its twin's bits, what is saved, and what it refuses."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learner_support import HARD, Kind, Series, changing, learner_of
from numpy.typing import NDArray

from midge.adapt import Alarms, StreamModel
from midge.adapt.alarm_rule import FIRST_TICKS, alarm_fields
from midge.adapt.state import to_bytes
from midge.driver.alarms_host import HostAlarms
from midge.errors import UserError

TICKS = 600
RESTORED, UNREAD, FOREIGN, DAMAGED = range(4)
Forecasts = NDArray[np.float64]


def model(kind: Kind, channels: int = 2, horizon: int = 12) -> StreamModel:
    return StreamModel(channels, horizon, "9 KB", **kind)


def alarms_for(learner: StreamModel, **arguments: float) -> Alarms:
    steps = learner.resolution if learner.arithmetic == "fixed" else None
    z = learner.sizes
    return Alarms(z.channels, z.horizon, resolution=steps, **arguments)  # type: ignore[arg-type]


def host_of(learner: StreamModel, alarms: Alarms) -> HostAlarms:
    """Undefined behaviour ends the process."""
    return HostAlarms(learner, alarms, sanitizers=("undefined",))


@cache
def again(learner: StreamModel) -> HostAlarms:
    """One for many examples: it is as each leaves it."""
    return host_of(learner, alarms_for(learner))


def forecasts_of(learner: StreamModel, series: Series, leads: tuple[int, ...]) -> Forecasts:
    return np.asarray(learner_of(learner).run(series, leads).forecasts, np.float64)


def twin_told(alarms: Alarms, series: Series, forecasts: Forecasts) -> list[tuple[float, bool]]:
    told = [alarms.update(*pair) for pair in zip(series, forecasts, strict=True)]
    return [(alarm.probability, alarm.is_raised) for alarm in told]


def assert_same(host: HostAlarms, alarms: Alarms, series: Series, forecasts: Forecasts) -> None:
    """The C and the twin tell the same, and hold the same."""
    told = host.feed(series, forecasts)
    pairs = list(zip(told["probability"].tolist(), (told["is_raised"] == 1).tolist(), strict=True))
    assert pairs == twin_told(alarms, series, forecasts)
    held = to_bytes(alarms.state, alarms.sizes, alarm_fields)
    assert host.state.tobytes() == held
    assert host.save() == alarms.save()


@pytest.mark.parametrize("make", HARD)
def test_it_follows_the_twin_through_hard_series(
    make: Callable[[int, int], Series], kind: Kind
) -> None:
    learner, series = model(kind), make(TICKS, 2)
    alarms = alarms_for(learner)
    forecasts = forecasts_of(learner, series, alarms.leads)
    assert_same(host_of(learner, alarms), alarms, series, forecasts)


@pytest.mark.parametrize(
    ("channels", "horizon", "arguments"),
    [(1, 1, {}), (4, 60, {"rate": 0.05, "quiet": 0}), (3, 25, {"rate": 0.5, "quiet": 7})],
)
def test_it_follows_the_twin_in_every_shape(
    channels: int, horizon: int, arguments: dict[str, float], kind: Kind
) -> None:
    learner, series = model(kind, channels, horizon), changing(TICKS, channels)
    alarms = alarms_for(learner, **arguments)
    forecasts = forecasts_of(learner, series, alarms.leads)
    assert_same(host_of(learner, alarms), alarms, series, forecasts)


def test_it_follows_the_twin_for_twenty_thousand_ticks(kind: Kind) -> None:
    learner, series = model(kind, 1, 24), changing(20_000, 1)
    alarms = alarms_for(learner)
    forecasts = forecasts_of(learner, series, alarms.leads)
    host = host_of(learner, alarms)
    told = host.feed(series, forecasts)
    assert 5 < told["is_raised"].sum() < 200
    assert np.flatnonzero(told["is_raised"])[0] >= FIRST_TICKS
    expected = twin_told(alarms, series, forecasts)
    assert told["probability"].tolist() == [probability for probability, _ in expected]
    assert host.save() == alarms.save()


_SMALL, _PAIR = model({}, 1, 4), model({}, 2, 2)

_wild = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 1e30, -1e30, 1e17, -9e17, 1e-38, 5e-324, float("nan")]),
)


@settings(max_examples=150, deadline=None)
@given(
    values=arrays(np.float64, (40, 3, 2), elements=_wild),
    scale=st.sampled_from([1e-30, 1.0, 1e17]),
    ranked=st.sampled_from([0, 99, 9000, 1 << 30]),
)
def test_a_wild_stream_leaves_nothing_that_is_not_finite(
    values: NDArray[np.float64], scale: float, ranked: int
) -> None:
    """Of any sample, and any forecast; the C and the twin do the same of both."""
    alarms, host = alarms_for(_PAIR), again(_PAIR)
    host.state[:] = 0
    rng = np.random.default_rng(1)
    series = np.concatenate([scale * rng.normal(size=(120, 2)), values[:, 0]])
    forecasts = np.concatenate([np.zeros((120, 2, 2)), values[:, 1:]])
    alarms.state.counters[1] = ranked
    host.state[1] = ranked
    told = host.feed(series, forecasts)
    expected = twin_told(alarms, series.astype(np.float32), forecasts)
    assert told["probability"].tolist() == [probability for probability, _ in expected]
    assert all(0 < probability <= 1 for probability, _ in expected)
    for name in ("level", "smooth", "tails"):
        assert np.all(np.isfinite(getattr(alarms.state, name))), name
    other = Alarms.restore(host.save())  # which refuses what is out of range
    assert other.state.counters.tolist() == alarms.state.counters.tolist()
    assert host.restore(host.save()) == RESTORED


@pytest.mark.parametrize("cut", [0, 3, 130, 400])
def test_what_is_saved_goes_to_the_device_and_back(cut: int, kind: Kind) -> None:
    learner, series = model(kind), changing(TICKS, 2)
    whole, first = alarms_for(learner), alarms_for(learner)
    forecasts = forecasts_of(learner, series, whole.leads)
    expected = twin_told(whole, series, forecasts)
    twin_told(first, series[:cut], forecasts[:cut])
    host = host_of(learner, first)
    assert host.restore(first.save()) == RESTORED
    middle = cut + 100
    assert_same(host, first, series[cut:middle], forecasts[cut:middle])
    last = Alarms.restore(host.save())
    assert twin_told(last, series[middle:], forecasts[middle:]) == expected[middle:]
    assert last.save() == whole.save()


def test_what_was_not_saved_by_its_like_starts_anew(kind: Kind) -> None:
    learner, series = model(kind), changing(30, 2)
    alarms = alarms_for(learner)
    forecasts = forecasts_of(learner, series, alarms.leads)
    host, whole = host_of(learner, alarms), alarms.save()
    for data, said in (
        (whole[:-1], UNREAD),
        (whole[:20], UNREAD),
        (alarms_for(learner, rate=0.01).save(), FOREIGN),
        (whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:], DAMAGED),
    ):
        host.feed(series, forecasts)
        assert host.restore(data) == said
        assert not host.state.any()


_bits = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.integers(-2, 95),
    st.floats(width=32).map(lambda value: int.from_bytes(struct.pack("<f", value), "little")),
    st.sampled_from([0x3F800000, 0x3F800001, 0x80000000, 0x7FC00000, 1 << 30, (1 << 30) + 1]),
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 200), _bits)
@example(0, -1)
@example(0, 5)
@example(2, 91)
@example(3, 1)
@example(4, -1)
def test_c_and_twin_take_and_refuse_the_same(word: int, bits: int) -> None:
    alarms = alarms_for(_SMALL)
    whole, words = bytearray(alarms.save()[:-4]), alarms.ram_bytes // 4
    at = len(whole) - alarms.ram_bytes + 4 * (word % words)
    struct.pack_into("<I", whole, at, bits & 0xFFFFFFFF)
    data = bytes(whole) + struct.pack("<I", zlib.crc32(whole))
    host = again(_SMALL)
    try:
        Alarms.restore(data)
        taken = True
    except UserError as error:
        assert "numbers in" in str(error)
        taken = False
    assert host.restore(data) == (RESTORED if taken else DAMAGED)
    host.feed(np.ones((9, 1)), np.ones((9, len(alarms.leads), 1)))


def described(**changed: object) -> bytes:
    """What alarms save, but for their description; the checksum is right."""
    data = alarms_for(_SMALL).save()
    text_bytes = int.from_bytes(data[6:8], "little")
    told = json.loads(data[12 : 12 + text_bytes]) | changed
    return with_text(json.dumps(told).encode())


def with_text(text: bytes) -> bytes:
    """The same, with any text for the description."""
    data = alarms_for(_SMALL).save()
    body = data[12 + int.from_bytes(data[6:8], "little") : -4]
    whole = data[:6] + struct.pack("<HI", len(text), len(body)) + text + body
    return whole + struct.pack("<I", zlib.crc32(whole))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "do not start as one"),
        (_SMALL.save(), "do not start as one"),
        (described(channels=2), "not of its sizes"),
        (described(leads=[1, 3, 4]), "not of its sizes"),
        (described(leads=[]), "description is damaged"),
        (described(leads=None), "description is damaged"),
        (described(other=1), "description is damaged"),
        (described(channels="two"), "description is damaged"),
        (described(rate=2), "rate: found 2"),
        (with_text(b"leads"), "description is damaged"),
        (with_text(b'"leads"'), "description is damaged"),
    ],
)
def test_what_is_no_alarms_is_refused_by_the_twin(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Alarms.restore(data)


@pytest.mark.parametrize(
    "alarms",
    [Alarms(1, 12), Alarms(2, 13), Alarms(2, 12, resolution=0.5)],
    ids=["channels", "horizon", "resolution"],
)
def test_alarms_of_another_learner_are_refused(alarms: Alarms) -> None:
    with pytest.raises(UserError, match="expected those of the learner"):
        model({}).emit(alarms=alarms)


def test_the_learners_own_files_stay_as_they_are(kind: Kind) -> None:
    learner = model(kind)
    with_alarms = learner.emit("stream", alarms=alarms_for(learner))
    alone = learner.emit("stream")
    assert with_alarms.items() >= alone.items()
    assert with_alarms.keys() - alone.keys() == {"stream_alarms.h", "stream_alarms.c"}
