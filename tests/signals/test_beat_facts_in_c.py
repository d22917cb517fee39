"""Quality, rhythm, features and windows alone: C against twin on numbers that no signal would give."""

from __future__ import annotations

import ctypes
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from chain_support import FLAGS
from hypothesis import given, settings
from hypothesis import strategies as st

from midge.errors import UserError
from midge.signals import FEATURES, BeatWindow, SignalQuality
from midge.signals.c_library import signal_text
from midge.signals.features import BeatFacts, compute_features, feature_codes
from midge.signals.pulse_search import FoundPulse, Pulse
from midge.signals.rhythm import LONGEST_RR, gather_rhythm
from midge.toolchain import build_host_library

NAMES = tuple(FEATURES)
FACTS = tuple(field.name for field in fields(BeatFacts))
_ROWS = "\n".join(f"    out[{i}] = midge_feature_{name}(facts);" for i, name in enumerate(NAMES))
_CODES = "\n".join(
    f"    codes[{i}] = midge_feature_code(out[{i}], {FEATURES[name].offset}, {FEATURES[name].shift});"
    for i, name in enumerate(NAMES)
)
_FIELDS = "\n".join(f"    out[{i}] = (int32_t)facts.{name};" for i, name in enumerate(FACTS[:17]))
SOURCE = f"""
void features(const struct midge_beat_facts *facts, int16_t *out, int8_t *codes);
void features(const struct midge_beat_facts *facts, int16_t *out, int8_t *codes) {{
{_ROWS}
{_CODES}
}}

void states(const struct midge_quality_rules *rules, const int16_t *samples, int count, uint8_t *out);
void states(const struct midge_quality_rules *rules, const int16_t *samples, int count, uint8_t *out) {{
    struct midge_quality quality;
    MIDGE_FILL(&quality, 0, sizeof quality);
    for (int i = 0; i < count; i++) {{
        if (midge_quality_push(&quality, rules, samples[i])) {{
            *out++ = quality.state;
        }}
    }}
}}

void rhythm(const struct midge_pulse *pulses, const int32_t *after, int count, int32_t *out);
void rhythm(const struct midge_pulse *pulses, const int32_t *after, int count, int32_t *out) {{
    static struct midge_rhythm picture;
    struct midge_beat_facts facts;
    picture = (struct midge_rhythm){{.started = 0}};
    for (int i = 0; i < count; i++, out += 17) {{
        midge_rhythm_add(&picture, &pulses[i], after[i], 7, &facts);
{_FIELDS}
    }}
}}

void window(int16_t *ring, int length, int newest, int age, int count, int stride, int codes, int level, int8_t *out);
void window(int16_t *ring, int length, int newest, int age, int count, int stride, int codes, int level, int8_t *out) {{
    const struct midge_history band = {{ring, (uint16_t)length, (uint16_t)newest}};
    midge_beat_window(&band, (uint32_t)age, (uint32_t)count, (uint32_t)stride, codes, level, out);
}}
"""


class Facts(ctypes.Structure):
    """`struct midge_beat_facts`: the factor stands last."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in FACTS[1:]),
        ("millisecond_factor", ctypes.c_uint32),
    )


class QualityRules(ctypes.Structure):
    """`struct midge_quality_rules`."""

    _fields_ = (
        ("flat_range", ctypes.c_int32),
        *((name, ctypes.c_int16) for name in ("low_rail", "high_rail")),
        *((name, ctypes.c_uint16) for name in ("block", "rail_samples")),
    )


@cache
def library() -> ctypes.CDLL:
    text = signal_text(["features.h", "quality.h", "beat_facts.h", "beat_window.h"]) + SOURCE
    return ctypes.CDLL(
        str(build_host_library({"facts.c": text}, flags=FLAGS, sanitizers=("undefined",)))
    )


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def _numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.sampled_from(sorted({low, 0, 1, 2, high})) | st.integers(low, high)


INTERVALS = {name for name in FACTS if name.startswith("rr_")}


@settings(max_examples=300)
@given(st.data(), st.integers(1, 256000))
def test_features_saturate_alike(data: st.DataObject, factor: int) -> None:
    values = {}
    for name in FACTS[1:]:
        high = LONGEST_RR if name in INTERVALS or "width" in name else (1 << 22) - 1
        high = {"extreme": 32767}.get(name, 1020 if "distance" in name else high)
        values[name] = data.draw(_numbers(-32768 if name == "extreme" else 0, high), name)
    out, codes = np.zeros(len(NAMES), np.int16), np.zeros(len(NAMES), np.int8)
    facts = Facts(**values, millisecond_factor=factor)
    library().features(ctypes.byref(facts), pointer(out), pointer(codes))
    arrays = {name: np.asarray([value], np.int64) for name, value in values.items()}
    expected = compute_features(NAMES, BeatFacts(factor, **arrays))
    np.testing.assert_array_equal(out, expected[0])
    np.testing.assert_array_equal(codes, feature_codes(NAMES, expected)[0])


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.integers(1, 300), st.data())
def test_quality_on_small_numbers(seed: int, size: int, data: st.DataObject) -> None:
    quality = SignalQuality(
        block=data.draw(st.integers(2, 9)),
        flat_range=data.draw(st.integers(1, 4)),
        low_rail=data.draw(st.sampled_from([-32768, -3])),
        high_rail=data.draw(st.sampled_from([3, 32767])),
        rail_samples=data.draw(st.integers(1, 6)),
    )
    rng = np.random.default_rng(seed)
    samples = np.where(rng.random(size) < 0.1, rng.integers(-4, 5, size), rng.integers(0, 3, size))
    if rng.random() < 0.3:
        samples = samples * 8000 + 767
    samples = samples.astype(np.int16)
    rules = QualityRules(**{field.name: getattr(quality, field.name) for field in fields(quality)})
    expected = quality.states(samples.astype(np.int64))
    found = np.full(expected.size + 1, 99, np.uint8)
    library().states(ctypes.byref(rules), pointer(samples), size, pointer(found))
    np.testing.assert_array_equal(found, [*expected.tolist(), 99])


PULSE = np.dtype(
    [
        *(("at", "<u4"), ("height", "<i4"), ("slope", "<u2")),
        *(("amplitude", "<u2"), ("width", "<u2"), ("extreme", "<i2")),
    ]
)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_rhythm_over_any_intervals(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    pulses = np.zeros(count, PULSE)
    steps = rng.choice([20, 21, 150, 160, 300, 16383, 16384, 40000], count)
    pulses["at"] = np.cumsum(steps)
    for name, high in (("height", 1 << 28), ("slope", 65536), ("amplitude", 65536), ("width", 400)):
        pulses[name] = rng.integers(0, high, count)
    pulses["extreme"] = rng.integers(-32768, 32768, count)
    after = rng.integers(1, 16384, count).astype(np.int32)
    out = np.zeros((count, 17), np.int32)
    library().rhythm(pointer(pulses), pointer(after), count, pointer(out))
    found = [FoundPulse(Pulse(*map(int, row)), 0, noisy=False) for row in pulses.tolist()]
    rhythm = gather_rhythm(found, after.astype(np.int64))
    np.testing.assert_array_equal(out[:, 0], 7)
    np.testing.assert_array_equal(out[:, 1:], rhythm.columns.T)


@settings(max_examples=200)
@given(st.data())
def test_windows_of_any_amplitude(data: st.DataObject) -> None:
    window = BeatWindow(
        before=data.draw(st.integers(0, 20)),
        count=data.draw(st.integers(1, 20)),
        stride=data.draw(st.integers(1, 3)),
        codes=data.draw(st.sampled_from([1, 96, 127])),
    )
    level = data.draw(st.sampled_from([0, 1, 47, 48, 49, 700, 65535]))
    at = data.draw(st.integers(20, 50))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    size = max(at + window.after, at) + 1 + int(rng.integers(0, 9))
    band = rng.choice([-32767, 32767, 5, -5, 300], size)
    length = size + int(rng.integers(0, 5))
    turn = int(rng.integers(0, length))
    ring = np.zeros(length, np.int16)
    ring[(np.arange(size) + turn) % length] = band
    found = np.zeros(window.count, np.int8)
    age = size - 1 - at + window.before
    library().window(
        pointer(ring),
        length,
        (size - 1 + turn) % length,
        age,
        window.count,
        window.stride,
        window.codes,
        level,
        pointer(found),
    )
    expected = window.cut(band, np.asarray([at]), np.asarray([level]))
    np.testing.assert_array_equal(found, expected[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BeatWindow(-1, 5), "BeatWindow: before is -1; expected 0 to 1024"),
        (lambda: BeatWindow(0, 0), "BeatWindow: count is 0; expected 1 to 1024"),
        (lambda: BeatWindow(0, 1, codes=128), "BeatWindow: codes is 128; expected 1 to 127"),
        (lambda: SignalQuality(1, 8, -1, 1, 2), "SignalQuality: block is 1; expected 2 to 16384"),
        (lambda: SignalQuality(90, 8, 5, 5, 2), "rails 5 and 5; expected two int16"),
        (lambda: SignalQuality(90, 0, -1, 1, 2), "flat_range is 0; expected 1 to 32767"),
    ],
)
def test_parameters_of_window_and_quality_are_checked(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
