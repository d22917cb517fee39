"""What a user, or a file, gives the learner: plain numbers are taken, all else is told."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import fields
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from learner_support import Kind, learner_of

from midge.adapt import Settings, StreamModel
from midge.errors import UserError

HEADER = struct.Struct("<4sHHI")
NO_NUMBERS: tuple[Any, ...] = (float("nan"), "4", [1], {}, True, -5, 10**400, set())


def small(**given: Any) -> StreamModel:
    return StreamModel(**({"channels": 2, "horizon": 4, "ram": "9 KB"} | given))


@pytest.mark.parametrize("name", ["channels", "horizon", "ram", "false_alarm_rate", "resolution"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, None, 0], ids=repr)
def test_an_argument_that_is_no_number_in_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(UserError, match=name):
        small(arithmetic="fixed", **{name: value})


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_a_setting_that_is_no_number_in_range_is_refused(name: str, value: object) -> None:
    if (name, value) == ("anchors", [1]):
        return  # which is one
    with pytest.raises(UserError, match=name):
        small(settings=Settings(**{name: value}))


def test_whole_settings_are_whole() -> None:
    for name in ("fast_lags", "pending", "regimes", "shortest_season", "stuck_ticks"):
        with pytest.raises(UserError, match=f"{name}: found 4.5; expected a whole number"):
            small(settings=Settings(**{name: 4.5}))
    with pytest.raises(UserError, match=r"settings: found \{'regimes': 3\}"):
        small(settings={"regimes": 3})


def test_numbers_of_other_kinds_describe_themselves_as_python_s_do(kind: Kind) -> None:
    """A device compares the description byte for byte."""
    plain = small(
        false_alarm_rate=0.25,
        seed=7,
        settings=Settings(prior=4.0, fast_memory=0.75, fast_lags=3, anchors=(1, 4)),
        **kind,
    )
    other = small(
        channels=np.int64(2),
        horizon=np.uint8(4),
        ram=np.int32(9 * 1024),
        false_alarm_rate=Fraction(1, 4),
        seed=np.int16(7),
        settings=Settings(
            prior=4, fast_memory=np.float32(0.75), fast_lags=np.int64(3), anchors=[1, np.int8(4)]
        ),
        **kind,
    )
    assert plain.save() == other.save()
    assert plain.emit() == other.emit()


@pytest.mark.parametrize("sample", [["a", 1], "ab", {"a": 1}, [1j, 2], [[1], [2, 3]], [10**400, 1]])
def test_a_sample_of_anything_but_numbers_is_refused(sample: Any, kind: Kind) -> None:
    model = small(**kind)
    before = model.save()
    with pytest.raises(UserError, match="update: expected numbers"):
        model.update(sample)
    with pytest.raises(UserError, match="run: expected numbers"):
        model.run([sample])
    assert model.save() == before


def test_what_is_masked_or_none_is_missing(kind: Kind) -> None:
    models = [small(**kind) for _ in range(3)]
    for tick in range(20):
        models[0].update([tick, np.nan if tick % 3 else 5])
        models[1].update([tick, None if tick % 3 else 5])
        models[2].update(np.ma.array([tick, 5], mask=[False, tick % 3 != 0]))
    assert models[0].save() == models[1].save() == models[2].save()


def test_a_number_too_large_for_steps_stops_without_a_warning() -> None:
    assert small(arithmetic="fixed", resolution=1e-3).samples([1e308, -1e308]).tolist() == [
        (1 << 30) - 1,
        -(1 << 30),
    ]


@pytest.mark.parametrize("lead", [0, 5, 1.0, "1", None, True, -1])
def test_a_lead_out_of_range_is_refused_before_anything_is_learned(lead: Any) -> None:
    model = small()
    step = model.update([1, 2])
    before = model.save()
    asked: list[Callable[[], object]] = [
        lambda: model.predict_one(horizon=lead),
        lambda: model.run(np.ones((3, 2)), (1, lead)),
    ]
    if lead is not None:
        asked.append(lambda: step.forecast_at(lead))
    for ask in asked:
        with pytest.raises(UserError, match="expected a whole number, 1 to 4"):
            ask()
    assert model.save() == before


def test_a_forecast_is_the_caller_s_to_change(kind: Kind) -> None:
    model = small(**kind)
    for tick in range(20):
        step = model.update([tick, 3])
    expected = step.forecast
    step.forecast[:] = 99
    step.forecast_at(2)[:] = 99
    np.testing.assert_array_equal(step.forecast, expected)
    assert list(model.predict_one().values()) == expected[0].tolist()


def test_names_are_those_of_the_first_sample_also_behind_a_checkpoint(kind: Kind) -> None:
    model = small(**kind)
    with pytest.raises(UserError, match="update: expected numbers"):
        model.learn_one({"x": "wet", "y": 1})
    model.learn_one({0: 1.0, 1: 2.0})  # the one before taught nothing
    again = StreamModel.restore(model.save())
    for one in (model, again):
        one.learn_one({1: 4.0})
        one.learn_one({1: 5.0, 0: 1.0})
        with pytest.raises(UserError, match=r"found the names \[0, '1'\]; expected .* \[0, 1\]"):
            one.learn_one({0: 1, "1": 2})
    assert again.save() == model.save()
    assert list(again.predict_one()) == [0, 1]


def test_a_device_takes_the_names_that_its_c_was_emitted_with() -> None:
    nameless, named = small(), small().learn_one({"a": 1.0, "b": 2.0})
    assert learner_of(named).restore(named.save()) == 0
    assert learner_of(nameless).restore(named.save()) != 0


@pytest.mark.parametrize("first", [[1, 2], {}, {"a": 1}, {"a": 1, 1.5: 2}, {"a": 1, None: 2}])
def test_a_first_sample_without_a_name_for_each_channel_is_refused(first: Any) -> None:
    with pytest.raises(UserError, match="learn_one: found"):
        small().learn_one(first)


# --- checkpoints whose checksum is right


def described(model: StreamModel) -> tuple[dict[str, Any], bytes]:
    data = model.save()
    length = HEADER.unpack_from(data)[2]
    return json.loads(data[HEADER.size : HEADER.size + length]), data[HEADER.size + length : -4]


def with_text(text: bytes, body: bytes) -> bytes:
    whole = HEADER.pack(b"MDGL", 1, len(text), len(body)) + text + body
    return whole + struct.pack("<I", zlib.crc32(whole))


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**9, 1 << 70, float("nan"), float("inf")),
    *("4", [], {}, [1], [1, 2.5, 4], [1, "a", 4], [[1]], [0, 1, 2], [1, 2, 3, 4]),
)


def test_a_hostile_description_is_refused_or_harmless(kind: Kind) -> None:
    model = small(**kind)
    model.update([1, 2])
    good, body = described(model)
    places = [(good, key) for key in good]
    places += [(good[part], key) for part in ("settings", "extra") for key in good[part]]
    taken = 0
    for part, key in places:
        kept = part.pop(key)
        for value in (*HOSTILE, ...):
            if value is not ...:
                part[key] = value
            try:
                other = StreamModel.restore(with_text(json.dumps(good).encode(), body))
            except UserError as error:
                assert str(error).startswith("checkpoint: ")
                continue
            finally:
                part.pop(key, None)
            assert other.ram_bytes == len(body)
            other.update([3, 4])
            other.predict_one()
            assert StreamModel.restore(other.save()).save() == other.save()
            taken += 1
        part[key] = kept
    assert 0 < taken < 60  # such as a doubt of 0, and no seed


@pytest.mark.parametrize(
    "text", [b"", b"1", b"null", b"[]", b'"a"', b"{", b"\xff", b"[" * 60000, b'{"extra":5}']
)
def test_a_description_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(UserError, match="checkpoint: its description is damaged"):
        StreamModel.restore(with_text(text, described(small())[1]))


@pytest.mark.parametrize("data", [None, "MDGL", 5, [1, 2]])
def test_what_is_not_bytes_is_no_checkpoint(data: Any) -> None:
    with pytest.raises(UserError, match=f"checkpoint: found {type(data).__name__}"):
        StreamModel.restore(data)
